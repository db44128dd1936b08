#include "vm/failure.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

static const struct {
    const char *name, *blame;
} reasons[] = {
    [REASON_EXEC_FAILED] = {"exec-failed", "job"},
    [REASON_WALLTIME] = {"walltime", "job"},
    [REASON_CANCELLED] = {"cancelled", "job"},
    [REASON_HYPERVISOR] = {"hypervisor", "site"},
    [REASON_IMAGE_MISSING] = {"image-missing", "job"},
    [REASON_IMAGE_CORRUPT] = {"image-corrupt", "job"},
    [REASON_IMAGE_CHECKSUM] = {"image-checksum", "job"},
    [REASON_IMAGE_REFERS] = {"image-refers", "job"},
    [REASON_GUEST_NO_BOOT] = {"guest-no-boot", "job"},
    [REASON_GUEST_NO_RESULT] = {"guest-no-result", "job"},
    [REASON_GUEST_CRASHED] = {"guest-crashed", "job"},
    [REASON_RESULT_CORRUPT] = {"result-corrupt", "job"},
    [REASON_NO_SPACE] = {"no-space", "site"},
    [REASON_OUTPUT_LIMIT] = {"output-limit", "job"},
    [REASON_INTERNAL] = {"internal", "us"},
};

int vm_fail(struct vm_failure *f, enum vm_reason reason, const char *fmt, ...)
{
    va_list ap;
    va_start(ap, fmt);
    vsnprintf(f->text, sizeof f->text, fmt, ap);
    va_end(ap);
    f->reason = reason;
    f->blame = NULL;
    return -1;
}

int vm_fail_err(struct vm_failure *f, enum vm_reason reason, const struct gw_err *err)
{
    return vm_fail(f, err->code == GW_ENOSPC ? REASON_NO_SPACE : reason, "%s", err->text);
}

const char *vm_reason_name(enum vm_reason reason)
{
    return reasons[reason].name;
}

const char *vm_failure_blame(const struct vm_failure *f)
{
    return f->blame ? f->blame : reasons[f->reason].blame;
}
