/* One attempt of a VM job on this machine: what gwvm was asked for, where, and how it ended. */
#ifndef WRAPPERS_GWVM_ATTEMPT_H
#define WRAPPERS_GWVM_ATTEMPT_H

#include "vm/conf.h"
#include "vm/failure.h"
#include "vm/session.h"

#include <stdbool.h>
#include <stdint.h>

struct attempt {
    char *dir;  /* the job directory, absolute; also the working directory */
    char *work; /* dir/.gwvm: all that is ours alone; removed at the end */
    struct vm_conf conf;
    struct session session;
};

/* How it ended. A plain value: it goes from the worker to its supervisor through a pipe, in one
 * write. */
struct outcome {
    bool is_exited; /* the payload ran to its end */
    int exit_code;
    struct vm_failure failure; /* when not is_exited */
    int64_t started, ended;    /* seconds since 1970 UTC */
};

/* Read dir/vm.conf. -GW_EINVAL, -GW_ENOENT, ...; no session yet. */
int attempt_open(const char *dir, struct attempt *ret, struct gw_err *err);
void attempt_clear(struct attempt *a);

/* Whether a status of this attempt is there and verifies. */
bool attempt_has_status(const struct attempt *a);

/* Leave nothing of the VM: QEMU, .gwvm, the session. Also after the worker died. */
void attempt_clean(struct attempt *a);

/* Write dir/status, unless this attempt has one. */
int attempt_finish(const struct attempt *a, const struct outcome *o, struct gw_err *err);

#endif
