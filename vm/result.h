/* The result disk, read on the host. The guest is hostile: only the members that docs/guest.md
 * names, only regular files and directories, only below the job directory's out/, no link followed,
 * sizes bounded. */
#ifndef VM_RESULT_H
#define VM_RESULT_H

#include "vm/failure.h"

#include <stdint.h>

/* Read the tar on the raw disk `path` into directory `dir`: out/..., and the payload's standard
 * output and error as stdout.execution and stderr.execution, which replace what is there only when
 * the whole tar was good. At most `max_bytes` altogether. Returns 0 and the payload's exit code, or
 * -1: REASON_GUEST_NO_RESULT for a disk without a result, what the guest says of itself
 * (REASON_EXEC_FAILED, REASON_OUTPUT_LIMIT, REASON_GUEST_CRASHED), REASON_RESULT_CORRUPT,
 * REASON_NO_SPACE. After a failure there is no out/. */
int result_read(const char *path, const char *dir, uint64_t max_bytes, int *ret_exit_code,
                struct vm_failure *f);

#endif
