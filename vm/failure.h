/* Why a VM job failed: a reason of docs/jobdir.md, whose fault it is, and a sentence for people. */
#ifndef VM_FAILURE_H
#define VM_FAILURE_H

#include "lib/err.h"

enum vm_reason {
    REASON_EXEC_FAILED,
    REASON_WALLTIME,
    REASON_CANCELLED,
    REASON_HYPERVISOR,
    REASON_IMAGE_MISSING,
    REASON_IMAGE_CORRUPT,
    REASON_IMAGE_CHECKSUM,
    REASON_IMAGE_REFERS,
    REASON_GUEST_NO_BOOT,
    REASON_GUEST_NO_RESULT,
    REASON_GUEST_CRASHED,
    REASON_RESULT_CORRUPT,
    REASON_NO_SPACE,
    REASON_OUTPUT_LIMIT,
    REASON_INTERNAL,
};

struct vm_failure {
    enum vm_reason reason;
    const char *blame; /* NULL: the reason's own */
    char text[GW_ERR_TEXT_MAX];
};

/* Fill `f` and return -1, so that a failing function ends in `return vm_fail(f, ...)`. */
int vm_fail(struct vm_failure *f, enum vm_reason reason, const char *fmt, ...)
    __attribute__((format(printf, 3, 4)));

/* The same from an error of lib/: no space is REASON_NO_SPACE whatever was tried, the rest is
 * `reason`. */
int vm_fail_err(struct vm_failure *f, enum vm_reason reason, const struct gw_err *err);

const char *vm_reason_name(enum vm_reason reason);
const char *vm_failure_blame(const struct vm_failure *f); /* "job", "site", "us" */

#endif
