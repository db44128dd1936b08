/* One running VM, through libvirt. The caller runs libvirt's default event loop
 * (virEventRegisterDefaultImpl before, virEventRunDefaultImpl while it waits) in the thread that
 * calls here.
 *
 * A call into libvirt that hangs ends the process by SIGALRM: nothing in it can be interrupted
 * otherwise, and our supervisor cleans up after a process that died. */
#ifndef VM_MACHINE_H
#define VM_MACHINE_H

#include "vm/failure.h"
#include "vm/session.h"

enum machine_end {
    MACHINE_OFF,      /* the guest powered off or restarted */
    MACHINE_CRASHED,  /* the guest's kernel panicked */
    MACHINE_LOST,     /* QEMU or libvirt's daemon ended by itself */
    MACHINE_NO_SPACE, /* the host's file system is full; the VM stands still */
    MACHINE_IO_ERROR, /* another error of the host's disk; the VM stands still */
};

/* Called once at most, from the event loop. */
typedef void (*machine_ended)(void *ctx, enum machine_end end);

struct machine;

/* Start a transient domain; it dies with us. Ignoring SIGPIPE is the caller's business. */
int machine_start(const struct session *s, const char *xml, machine_ended ended, void *ctx,
                  struct machine **ret, struct vm_failure *f);

/* Destroy the domain if it still runs, close the connection. NULL is fine. */
void machine_destroy(struct machine *m);

/* Destroy and undefine the domains named gw-TOKEN or whose metadata carry the token, at a URI that
 * is not the private session's. Returns how many, or a negative code. */
int machine_sweep(const char *uri, const char *token, struct gw_err *err);

/* Connect and ask for the version of the hypervisor (as libvirt counts: 1000000 * major + 1000 *
 * minor + release). */
int machine_probe(const struct session *s, unsigned long *ret_version, struct gw_err *err);

#endif
