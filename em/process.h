/* Processes that are not our children, told apart from later ones with the same number by their
 * start time and the boot. */
#ifndef EM_PROCESS_H
#define EM_PROCESS_H

#include "lib/buf.h"
#include "lib/err.h"

#include <stdbool.h>
#include <stddef.h>
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

/* "PID STARTTIME BOOT_ID" (claims), "fork:PID:STARTTIME:BOOT_ID" (contacts). -GW_EINVAL. */
int process_decode_claim(const char *text, struct process_id *ret, struct gw_err *err);
int process_decode_contact(const char *text, struct process_id *ret, struct gw_err *err);
void process_encode_contact(const struct process_id *id, struct buf *out);

/* Signal every process of an attempt: those with GW_TOKEN=`token` in their environment (token may
 * be NULL), those of their sessions, and those of the sessions of `leaders` (a leader whose number
 * was given to another process counts as none). Signal 0 only counts. Returns how many there are.
 */
size_t process_signal_attempt(const char *token, const struct process_id *leaders, size_t n_leaders,
                              int signal);

#endif
