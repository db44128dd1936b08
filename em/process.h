/* The processes of an attempt that runs here. */
#ifndef EM_PROCESS_H
#define EM_PROCESS_H

#include "lib/process.h"

#include <stddef.h>

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
