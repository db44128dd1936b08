/* The worker: the process that prepares the disks, runs the VM and reads its result. */
#ifndef WRAPPERS_GWVM_WORK_H
#define WRAPPERS_GWVM_WORK_H

#include "wrappers/gwvm/attempt.h"

#include <sys/types.h>

/* Do the attempt and say how it ended. `parent` is the supervisor. SIGTERM, SIGINT and SIGHUP are
 * blocked by the caller. */
void work(const struct attempt *a, pid_t parent, struct outcome *ret);

#endif
