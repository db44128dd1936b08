/* A private libvirt for one VM.
 *
 * qemu:///session is served by libvirt's QEMU driver inside our own process (qemu:///embed), with
 * all its state in one private directory. A daemon would be started by the first job of an account
 * and shared by all: it and all VMs would live in the first job's cgroup and be killed with it by a
 * batch system. For root there is no session daemon at all. The directory is short, since QEMU's
 * monitor is a Unix socket in it (108 bytes).
 *
 *   BASE/cache        libvirt's capability cache, shared: its probe takes 2.5 s
 *   BASE/XXXXXX/      one session: owner (locked while it lives: "PID TOKEN"), etc, lib, log, run
 *
 * BASE is /tmp/.gwvm-UID, or what stands in for it (vm/base.h). */
#ifndef VM_SESSION_H
#define VM_SESSION_H

#include "lib/err.h"

#include <stddef.h>

#define VM_SESSION_URI "qemu:///session"

struct session {
    char *dir; /* NULL for a URI that is not the private session's */
    char *uri; /* for virConnectOpen */
    int owner_fd;
};

/* Make the session of `token` for `uri`; any other URI than qemu:///session is left to libvirt and
 * its own daemon. */
int session_create(const char *uri, const char *token, struct session *ret, struct gw_err *err);

/* Prepare this process to be the one that opens the session: environment and, for root, a mount
 * namespace without /dev/kvm. Where KVM opens and does not work, libvirt probes it for 37 s each
 * time; we do not use it. */
void session_enter(const struct session *s);

/* Kill the QEMU process of the session, if there is one, and wait until it is gone; for when the
 * process that entered the session has died. Needs nothing of libvirt. */
void session_kill(const struct session *s, const char *token);

/* Remove the directory. The VM must be gone. */
void session_destroy(struct session *s);

/* End all sessions of `token`: a living owner is asked to stop (SIGTERM) and waited for up to
 * `timeout_ms`, a dead one's QEMU is killed and its directory removed. Returns how many there were,
 * or an error when one did not end. */
int session_sweep(const char *token, int timeout_ms, struct gw_err *err);

/* End all sessions whose owner has died without ending them. Best effort. */
void session_sweep_dead(void);

#endif
