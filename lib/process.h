/* Processes that are not our children, told apart from later ones with the same number by their
 * start time and the boot. */
#ifndef LIB_PROCESS_H
#define LIB_PROCESS_H

#include "lib/buf.h"
#include "lib/err.h"

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

enum { BOOT_ID_MAX = 40 };

struct process_id {
    pid_t pid;      /* 0: none */
    uint64_t start; /* field 22 of /proc/PID/stat: clock ticks after the boot */
    char boot[BOOT_ID_MAX];
};

/* What /proc/PID/stat says. -GW_ENOENT when there is no such process. */
struct process_stat {
    bool is_zombie; /* it has ended; its parent does not know yet */
    pid_t session;
    uint64_t start;
};
int process_stat(pid_t pid, struct process_stat *ret, struct gw_err *err);

const char *process_boot_id(void);
int process_identify(pid_t pid, struct process_id *ret, struct gw_err *err);

/* A pidfd of exactly this process, or -1 when it does not run any more (other boot, other start
 * time, zombie). */
int process_pidfd(const struct process_id *id);

/* "PID STARTTIME BOOT_ID", with this separator. -GW_EINVAL. */
int process_decode(const char *text, char separator, struct process_id *ret, struct gw_err *err);
void process_encode(const struct process_id *id, char separator, struct buf *out);

#endif
