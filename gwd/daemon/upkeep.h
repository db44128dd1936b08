/* What gwd does instead of running: back the state up, restore it, check it. */
#ifndef GWD_DAEMON_UPKEEP_H
#define GWD_DAEMON_UPKEEP_H

#include "gwd/daemon/settings.h"

enum upkeep { UPKEEP_NONE, UPKEEP_BACKUP, UPKEEP_RESTORE, UPKEEP_CHECK };

/* Do it with the state of `settings` and the directory `dir` (for UPKEEP_CHECK a backup to look at
 * in place of the state, or NULL; then settings may be NULL). Says what it did, or what is wrong;
 * the exit code. Root does it as the account whose state it is, and remains that account. */
int upkeep_run(enum upkeep what, const struct settings *settings, const char *dir);

#endif
