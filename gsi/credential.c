#include "gsi/credential.h"

#include "gsi/explain.h"
#include "lib/buf.h"
#include "lib/mem.h"
#include "wire/proxy.h"

#include <errno.h>
#include <fcntl.h>
#include <globus_common.h>
#include <globus_gss_assist.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

enum { CLOCKS_APART_S = 300 };

static char *own_path; /* X509_USER_PROXY is the copy's after the first acquire */
static int copy_fd = -1;

const char *credential_path(void)
{
    const char *path = getenv("X509_USER_PROXY");
    if (!own_path)
        own_path =
            path && *path ? xstrdup(path) : xasprintf("/tmp/x509up_u%lu", (unsigned long)geteuid());
    return own_path;
}

static void put_time(int64_t at_s, char text[32])
{
    struct tm tm;
    time_t t = (time_t)at_s;
    if (!gmtime_r(&t, &tm) || strftime(text, 32, "%Y-%m-%d %H:%M:%S UTC", &tm) == 0)
        snprintf(text, 32, "long ago");
}

static int check_proxy(const char *path, const struct proxy *p, struct gw_err *err)
{
    char text[32];
    int64_t now = time(NULL);
    if (p->end_s <= now) {
        put_time(p->end_s, text);
        return gw_err_set(err, GW_ESTATE,
                          "the credential %s of %s expired at %s, %" PRId64
                          " min ago: renew it with grid-proxy-init",
                          path, p->identity, text, (now - p->end_s) / 60);
    }
    if (p->start_s > now + CLOCKS_APART_S) {
        put_time(p->start_s, text);
        return gw_err_set(err, GW_ESTATE,
                          "the credential %s of %s is not valid before %s: is this machine's clock "
                          "right?",
                          path, p->identity, text);
    }
    return 0;
}

/* --- Globus' copy --- */

static int put_copy(const struct buf *data, struct gw_err *err)
{
    int fd = memfd_create("credential", MFD_CLOEXEC);
    if (fd < 0 || fchmod(fd, 0600) < 0 || write(fd, data->data, data->len) != (ssize_t)data->len) {
        int e = errno;
        if (fd >= 0)
            close(fd);
        return gw_err_sys(err, e, "keeping a copy of the credential");
    }
    if (copy_fd < 0) {
        copy_fd = fd;
        char *name = xasprintf("/proc/self/fd/%d", fd);
        setenv("X509_USER_PROXY", name, 1);
        free(name);
        return 0;
    }
    /* In one step, for those who read it meanwhile. */
    dup3(fd, copy_fd, O_CLOEXEC);
    close(fd);
    return 0;
}

/* Globus will not even read a credential where no CA is trusted. */
static int refuse(const char *path, OM_uint32 major, OM_uint32 minor, struct gw_err *err)
{
    char *why = explain_gss(major, minor);
    int r = -GW_ECORRUPT;
    if (strstr(why, "trusted CA certificates"))
        r = gw_err_set(err, GW_EUNAVAIL,
                       "there are no trusted CAs in %s, which X509_CERT_DIR or Globus names: no "
                       "site's certificate can be checked",
                       explain_trusted_dir());
    else
        gw_err_set(err, GW_ECORRUPT,
                   "the credential %s cannot be used: %s; make it anew with grid-proxy-init", path,
                   why);
    free(why);
    return r;
}

static int import(const char *path, const struct buf *data, gss_cred_id_t *ret, struct gw_err *err)
{
    OM_uint32 minor;
    gss_buffer_desc text = {.value = data->data, .length = data->len};
    if (globus_module_activate(GLOBUS_GSI_GSSAPI_MODULE) != GLOBUS_SUCCESS)
        return gw_err_set(err, GW_EINTERNAL, "Globus' GSSAPI cannot be started");
    OM_uint32 major = gss_import_cred(&minor, ret, GSS_C_NO_OID, 0, &text, 0, NULL);
    if (!GSS_ERROR(major))
        return 0;
    return refuse(path, major, minor, err);
}

static int take(const char *path, const struct buf *data, struct credential *ret,
                struct gw_err *err)
{
    struct proxy p = {0};
    struct gw_err why;
    gss_cred_id_t handle;
    if (proxy_decode(buf_str(data), data->len, &p, &why) < 0)
        return gw_err_set(err, GW_ECORRUPT,
                          "the credential %s is none: %s; make it with grid-proxy-init", path,
                          why.text);
    int r = check_proxy(path, &p, err);
    if (r == 0)
        r = import(path, data, &handle, err);
    if (r == 0)
        *ret = (struct credential){.handle = handle,
                                   .path = xstrdup(path),
                                   .identity = xstrdup(p.identity),
                                   .issuer = xstrdup(p.issuer),
                                   .expires_s = p.end_s,
                                   .is_limited = p.is_limited};
    proxy_clear(&p);
    return r;
}

int credential_acquire(struct credential *ret, struct gw_err *err)
{
    const char *path = credential_path();
    struct buf data = BUF_INIT;
    struct credential found;
    int r = proxy_read(path, &data, NULL, err);
    if (r == 0)
        r = take(path, &data, &found, err);
    if (r == 0 && (r = put_copy(&data, err)) < 0)
        credential_clear(&found);
    if (r == 0)
        *ret = found;
    buf_wipe(&data);
    return r;
}

int credential_again(gss_cred_id_t *ret, struct gw_err *err)
{
    OM_uint32 minor;
    const char *name = getenv("X509_USER_PROXY");
    char *text = xasprintf("X509_USER_PROXY=%s", name ? name : "");
    gss_buffer_desc what = {.value = text, .length = strlen(text) + 1};
    OM_uint32 major = gss_import_cred(&minor, ret, GSS_C_NO_OID, 1, &what, 0, NULL);
    free(text);
    if (!GSS_ERROR(major))
        return 0;
    return refuse(credential_path(), major, minor, err);
}

void credential_clear(struct credential *c)
{
    OM_uint32 minor;
    if (c->handle != GSS_C_NO_CREDENTIAL)
        gss_release_cred(&minor, &c->handle);
    free(c->path);
    free(c->identity);
    free(c->issuer);
    *c = (struct credential){0};
}

int64_t credential_life_s(const struct credential *c)
{
    int64_t now = time(NULL);
    return c->expires_s > now ? c->expires_s - now : 0;
}
