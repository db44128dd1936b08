/* The private daemon of `gwd --dev DIR`: all state in DIR, this machine as the only site. */
#ifndef GWD_DAEMON_DEV_H
#define GWD_DAEMON_DEV_H

#include "lib/err.h"

/* Make DIR, or see that it is ours, and, unless it is there, DIR/gwd.conf for the embedded grid
 * (which its user may then change). *ret_config: its name, malloc'ed. */
int dev_prepare(const char *dir, char **ret_config, struct gw_err *err);

#endif
