/* Doing what the engine asked for. */
#ifndef GWD_DAEMON_EFFECTS_H
#define GWD_DAEMON_EFFECTS_H

#include "gwd/daemon/daemon.h"

/* What a daemon before us left there is written again by whoever needs it. But the last lease file
 * stays, however often one is started and killed: those that are sent next must be later. */
int effect_empty_spool(const char *spool, struct gw_err *err);

/* SEQ of the lease file that is in the spool; 0: none is, or not a good one. */
uint64_t effect_last_lease(const char *spool);

void effect_perform(struct daemon *d, struct effect *effect);

#endif
