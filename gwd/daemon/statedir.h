/* The state directory: read when the daemon starts; backed up, restored and checked by hand. */
#ifndef GWD_DAEMON_STATEDIR_H
#define GWD_DAEMON_STATEDIR_H

#include "gwd/daemon/daemon.h"

/* Open the store and fold its state. It begins a new epoch: whatever the files are a copy of, no
 * attempt that is started from now on has a token that was given before. */
int statedir_load(struct daemon *d, struct gw_err *err);

/* On its file system, for us; UINT64_MAX: it cannot be said. */
uint64_t statedir_free_bytes(const struct daemon *d);

/* Say what is wrong and, where a daemon was to be started (settings), how to go on; the exit code
 * for it. */
int statedir_fail(const struct settings *settings, const struct gw_err *err);

#endif
