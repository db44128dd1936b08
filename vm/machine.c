#include "vm/machine.h"

#include "lib/mem.h"
#include "vm/xml.h"

#include <libvirt/libvirt.h>
#include <libvirt/virterror.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* A first start on a machine probes QEMU's capabilities; with a KVM that opens and does not work
 * that takes 37 s. */
enum { CALL_S = 180 };

enum { LIFECYCLE, IO_ERROR, CALLBACKS };

struct machine {
    virConnectPtr connection;
    virDomainPtr domain;
    machine_ended ended;
    void *ctx;
    int callbacks[CALLBACKS];
    bool has_ended, is_gone; /* told to the caller; no longer running */
};

static void swallow(void *ctx, virErrorPtr error)
{
    (void)ctx;
    (void)error;
}

static int libvirt_error(struct gw_err *err, const char *what)
{
    return gw_err_set(err, GW_EUNAVAIL, "%s: %s", what, virGetLastErrorMessage());
}

static virConnectPtr connect_to(const struct session *s, struct gw_err *err)
{
    virSetErrorFunc(NULL, swallow);
    alarm(CALL_S);
    virConnectPtr c = virConnectOpen(s->uri);
    alarm(0);
    if (!c)
        libvirt_error(err, s->uri);
    return c;
}

static void tell(struct machine *m, enum machine_end end)
{
    if (m->has_ended)
        return;
    m->has_ended = true;
    m->ended(m->ctx, end);
}

static int on_lifecycle(virConnectPtr c, virDomainPtr d, int event, int detail, void *opaque)
{
    (void)c;
    (void)d;
    struct machine *m = opaque;
    if (event == VIR_DOMAIN_EVENT_CRASHED)
        tell(m, MACHINE_CRASHED);
    if (event != VIR_DOMAIN_EVENT_STOPPED)
        return 0;
    m->is_gone = true;
    switch (detail) {
    case VIR_DOMAIN_EVENT_STOPPED_SHUTDOWN:
        tell(m, MACHINE_OFF);
        break;
    case VIR_DOMAIN_EVENT_STOPPED_CRASHED:
        tell(m, MACHINE_CRASHED);
        break;
    default:
        tell(m, MACHINE_LOST);
    }
    return 0;
}

static void on_io_error(virConnectPtr c, virDomainPtr d, const char *path, const char *alias,
                        int action, const char *reason, void *opaque)
{
    (void)c;
    (void)d;
    (void)path;
    (void)alias;
    (void)action;
    tell(opaque, strcmp(reason, "enospc") == 0 ? MACHINE_NO_SPACE : MACHINE_IO_ERROR);
}

static void on_close(virConnectPtr c, int reason, void *opaque)
{
    (void)c;
    (void)reason;
    struct machine *m = opaque;
    m->is_gone = true; /* with its daemon, or destroyed by it */
    tell(m, MACHINE_LOST);
}

static void watch(struct machine *m)
{
    m->callbacks[LIFECYCLE] =
        virConnectDomainEventRegisterAny(m->connection, NULL, VIR_DOMAIN_EVENT_ID_LIFECYCLE,
                                         VIR_DOMAIN_EVENT_CALLBACK(on_lifecycle), m, NULL);
    m->callbacks[IO_ERROR] =
        virConnectDomainEventRegisterAny(m->connection, NULL, VIR_DOMAIN_EVENT_ID_IO_ERROR_REASON,
                                         VIR_DOMAIN_EVENT_CALLBACK(on_io_error), m, NULL);
    virConnectRegisterCloseCallback(m->connection, on_close, m, NULL);
    virConnectSetKeepAlive(m->connection, 10, 6); /* refused where there is no daemon */
}

/* The embedded driver has no autodestroy; there the supervisor takes its place. */
static unsigned start_flags(const struct session *s)
{
    return s->dir ? VIR_DOMAIN_NONE : VIR_DOMAIN_START_AUTODESTROY;
}

int machine_start(const struct session *s, const char *xml, machine_ended ended, void *ctx,
                  struct machine **ret, struct vm_failure *f)
{
    struct gw_err err = {0};
    virConnectPtr connection = connect_to(s, &err);
    if (!connection)
        return vm_fail_err(f, REASON_HYPERVISOR, &err);
    struct machine *m = xcalloc(1, sizeof *m);
    m->connection = connection;
    m->ended = ended;
    m->ctx = ctx;
    watch(m);
    alarm(CALL_S);
    m->domain = virDomainCreateXML(connection, xml, start_flags(s));
    alarm(0);
    if (m->domain) {
        *ret = m;
        return 0;
    }
    const char *text = virGetLastErrorMessage();
    bool is_full = strstr(text, "No space left on device") || strstr(text, "quota exceeded");
    vm_fail(f, is_full ? REASON_NO_SPACE : REASON_HYPERVISOR, "starting the VM: %s", text);
    m->is_gone = true;
    machine_destroy(m);
    return -1;
}

void machine_destroy(struct machine *m)
{
    if (!m)
        return;
    m->has_ended = true;
    alarm(CALL_S);
    if (m->domain && !m->is_gone)
        virDomainDestroy(m->domain);
    if (m->domain)
        virDomainFree(m->domain);
    for (int i = 0; i < CALLBACKS; i++)
        if (m->callbacks[i] >= 0)
            virConnectDomainEventDeregisterAny(m->connection, m->callbacks[i]);
    virConnectUnregisterCloseCallback(m->connection, on_close);
    virConnectClose(m->connection);
    alarm(0);
    free(m);
}

static bool is_of_token(virDomainPtr d, const char *token)
{
    char *name = xasprintf("gw-%s", token), *element = xasprintf("<gw:token>%s</gw:token>", token);
    char *metadata = virDomainGetMetadata(d, VIR_DOMAIN_METADATA_ELEMENT, VM_METADATA_URI, 0);
    bool is_it = strcmp(virDomainGetName(d), name) == 0 || (metadata && strstr(metadata, element));
    free(metadata);
    free(element);
    free(name);
    return is_it;
}

static int end_domain(virDomainPtr d, struct gw_err *err)
{
    bool is_persistent = virDomainIsPersistent(d) == 1;
    if (virDomainIsActive(d) == 1 && virDomainDestroy(d) < 0)
        return libvirt_error(err, virDomainGetName(d));
    if (is_persistent && virDomainUndefineFlags(d, VIR_DOMAIN_UNDEFINE_MANAGED_SAVE |
                                                       VIR_DOMAIN_UNDEFINE_SNAPSHOTS_METADATA) < 0)
        return libvirt_error(err, virDomainGetName(d));
    return 1;
}

int machine_sweep(const char *uri, const char *token, struct gw_err *err)
{
    struct session s = {.uri = (char *)uri, .owner_fd = -1};
    virConnectPtr c = connect_to(&s, err);
    if (!c)
        return -GW_EUNAVAIL;
    virDomainPtr *domains;
    alarm(CALL_S);
    int n = virConnectListAllDomains(c, &domains, 0), total = 0, failure = 0;
    if (n < 0)
        failure = libvirt_error(err, uri);
    for (int i = 0; i < n; i++) {
        if (is_of_token(domains[i], token)) {
            int r = end_domain(domains[i], err);
            if (r < 0)
                failure = r;
            else
                total++;
        }
        virDomainFree(domains[i]);
    }
    if (n >= 0)
        free(domains);
    virConnectClose(c);
    alarm(0);
    return failure < 0 ? failure : total;
}

int machine_probe(const struct session *s, unsigned long *ret_version, struct gw_err *err)
{
    virEventRegisterDefaultImpl(); /* the embedded driver insists */
    virConnectPtr c = connect_to(s, err);
    if (!c)
        return -GW_EUNAVAIL;
    alarm(CALL_S);
    int r = virConnectGetVersion(c, ret_version) < 0 ? libvirt_error(err, s->uri) : 0;
    virConnectClose(c);
    alarm(0);
    return r;
}
