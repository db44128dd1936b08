/* Waiting for a VM to do its work: one event loop over what the guest says, libvirt's events, time
 * and signals. */
#ifndef WRAPPERS_GWVM_WATCH_H
#define WRAPPERS_GWVM_WATCH_H

#include "lib/buf.h"
#include "vm/machine.h"
#include "vm/xml.h"
#include "wrappers/gwvm/attempt.h"

#include <stdbool.h>
#include <sys/types.h>

enum watch_phase { WATCH_BOOT, WATCH_PAYLOAD, WATCH_END };

struct watch {
    const struct attempt *attempt;
    const struct vm_files *files;
    enum watch_phase phase;
    int64_t deadline_ms; /* CLOCK_BOOTTIME; 0: none */
    int inotify_fd, signal_fd, status_fd;
    int inotify_handle, signal_handle, timer, console_timer; /* libvirt's */
    unsigned lines;                                          /* that it said */
    struct buf line;       /* of the guest's status port, not yet whole */
    uint64_t status_bytes; /* that were read of it */
    pid_t parent;
    bool is_ready, is_over, has_failed;
    int64_t started; /* seconds since 1970 UTC; 0 before */
    struct vm_failure failure;
};

/* Begin to watch; before the VM is started. The event loop is registered here. `parent` is the
 * supervisor. */
int watch_open(struct watch *w, const struct attempt *a, const struct vm_files *files, pid_t parent,
               struct vm_failure *f);
void watch_close(struct watch *w);

/* A machine_ended for machine_start. */
void watch_machine_ended(void *watch, enum machine_end end);

/* Run until the guest has powered off, or said that it is done, (0) or has to be given up (-1 with
 * f). */
int watch_run(struct watch *w, struct vm_failure *f);

/* Whether a signal asks us to stop; for the steps before the loop. */
bool watch_is_cancelled(struct watch *w, struct vm_failure *f);

#endif
