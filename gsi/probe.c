#include "gsi/probe.h"

#include "gsi/handshake.h"
#include "lib/mem.h"

#include <globus_gram_protocol.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <utlist.h>

enum { PROBES_MAX = 32, WORDS_SHOWN = 300 };

/* --- one probe --- */

static void conclude(struct explanation *ret, const char *reason, const char *fmt, ...)
    __attribute__((format(printf, 3, 4)));

static void conclude(struct explanation *ret, const char *reason, const char *fmt, ...)
{
    va_list ap;
    va_start(ap, fmt);
    ret->reason = reason;
    vsnprintf(ret->text, sizeof ret->text, fmt, ap);
    va_end(ap);
}

static void explain_failure(const struct handshake *h, const struct explain_about *a,
                            const char *reason, const char *doing, struct explanation *ret)
{
    if (explain_text(h->error, false, a, ret))
        return;
    char *words = explain_one_line(h->error, WORDS_SHOWN);
    conclude(ret, reason, "%s: %s: %s", a->host, doing, words);
    free(words);
}

static void explain_name(struct handshake *h, const struct explain_about *a,
                         struct explanation *ret)
{
    char *peer = handshake_peer(h);
    char *text =
        xasprintf("The name of the remote entity (%s), and the expected", peer ? peer : "no name");
    explain_text(text, false, a, ret);
    free(text);
    free(peer);
}

/* "HTTP/1.1 200 OK"; 403: no line in the grid-mapfile; 404: no such service, which is not our
 * question; 500: the account of the line does not exist. */
static void explain_reply(const char *reply, const struct explain_about *a, struct explanation *ret)
{
    const char *blank = strncmp(reply, "HTTP/", 5) == 0 ? strchr(reply, ' ') : NULL;
    /* A number of any length gives one. */
    unsigned long status = blank ? strtoul(blank, NULL, 10) : 0;
    if (status == 200 || status == 404) {
        conclude(ret, NULL, "%s accepts %s", a->host, a->identity);
    } else if (status == 403 && a->is_limited) {
        conclude(ret, "credential:job",
                 "%s refuses limited proxies, and %s is one: make a full one with grid-proxy-init",
                 a->host, a->path);
    } else if (status == 403) {
        conclude(ret, "not-authorized:site",
                 "%s does not know %s: ask its administrator for a line in its grid-mapfile",
                 a->host, a->identity);
    } else if (status == 500) {
        explain_gram(GLOBUS_GRAM_PROTOCOL_ERROR_GATEKEEPER_MISCONFIGURED, a, ret);
    } else {
        char *words = explain_one_line(reply, 60);
        conclude(ret, "io:site", "the gatekeeper of %s answers \"%s\"", a->host, words);
        free(words);
    }
}

static void ask(struct handshake *h, const struct explain_about *a, struct explanation *ret)
{
    struct buf reply = BUF_INIT;
    char *request = xasprintf("POST ping/jobmanager HTTP/1.1\r\nHost: %s\r\n"
                              "Content-Type: application/x-globus-gram\r\n"
                              "Content-Length: 0\r\n\r\n",
                              a->host);
    if (handshake_send(h, request) < 0 || handshake_receive(h, &reply) < 0)
        explain_failure(h, a, "io:site", "asking", ret);
    else
        explain_reply(buf_str(&reply), a, ret);
    free(request);
    buf_clear(&reply);
}

void probe_run(const char *host, uint16_t port, const struct explain_about *who,
               gss_cred_id_t credential, unsigned timeout_ms, struct explanation *ret)
{
    struct handshake h;
    struct explain_about about = *who, *a = &about;
    char name[300];
    snprintf(name, sizeof name, "%s:%u", host, port);
    if (!a->host)
        a->host = name;
    *ret = (struct explanation){0};
    if (handshake_connect(&h, host, port, timeout_ms) < 0)
        explain_failure(&h, a, "unreachable:site", "connecting", ret);
    else if (handshake_authenticate(&h, credential) < 0)
        explain_failure(&h, a, "io:site", "authenticating", ret);
    else if (!handshake_is_host(&h, host))
        explain_name(&h, a, ret);
    else
        ask(&h, a, ret);
    handshake_close(&h);
}

/* --- in threads --- */

struct waiter {
    probe_fn *done;
    void *ctx;
    struct waiter *next;
};

struct probe {
    char *host, *name; /* "host:port" */
    uint16_t port;
    unsigned timeout_ms;
    char *identity, *issuer, *path;
    bool is_limited;
    gss_cred_id_t credential;
    struct waiter *waiters;
    struct probe *prev, *next;
};

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static struct probe *probes; /* under way */
static size_t n_probes;

static void probe_destroy(struct probe *p)
{
    OM_uint32 minor;
    struct waiter *w, *next;
    LL_FOREACH_SAFE(p->waiters, w, next)
    free(w);
    if (p->credential != GSS_C_NO_CREDENTIAL)
        gss_release_cred(&minor, &p->credential);
    free(p->host);
    free(p->name);
    free(p->identity);
    free(p->issuer);
    free(p->path);
    free(p);
}

static void *thread_main(void *arg)
{
    struct probe *p = arg;
    struct explanation found;
    struct waiter *w;
    const struct explain_about about = {.host = p->name,
                                        .identity = p->identity,
                                        .issuer = p->issuer,
                                        .path = p->path,
                                        .is_limited = p->is_limited};
    probe_run(p->host, p->port, &about, p->credential, p->timeout_ms, &found);
    pthread_mutex_lock(&lock);
    DL_DELETE(probes, p);
    n_probes--;
    pthread_mutex_unlock(&lock);
    LL_FOREACH(p->waiters, w)
    w->done(w->ctx, &found);
    probe_destroy(p);
    return NULL;
}

static struct probe *probe_create(const char *host, uint16_t port, const struct credential *c,
                                  unsigned timeout_ms)
{
    struct probe *p = xcalloc(1, sizeof *p);
    *p = (struct probe){.host = xstrdup(host),
                        .name = xasprintf("%s:%u", host, port),
                        .port = port,
                        .timeout_ms = timeout_ms,
                        .identity = xstrdup(c->identity),
                        .issuer = xstrdup(c->issuer),
                        .path = xstrdup(c->path),
                        .is_limited = c->is_limited,
                        .credential = GSS_C_NO_CREDENTIAL};
    return p;
}

static int begin(struct probe *p, struct gw_err *err)
{
    pthread_t thread;
    int r = credential_again(&p->credential, err);
    if (r < 0)
        return r;
    if (pthread_create(&thread, NULL, thread_main, p) != 0)
        return gw_err_set(err, GW_EUNAVAIL, "no more threads can be made");
    pthread_detach(thread);
    return 0;
}

/* With the lock held: the probe to wait for, new or not; NULL with err. */
static struct probe *join_or_begin(const char *host, uint16_t port, const struct credential *c,
                                   unsigned timeout_ms, struct waiter *w, struct gw_err *err)
{
    struct probe *p, *fresh;
    DL_FOREACH (probes, p)
        if (p->port == port && strcmp(p->host, host) == 0 && strcmp(p->identity, c->identity) == 0)
            break;
    if (!p && n_probes >= PROBES_MAX) {
        gw_err_set(err, GW_EUNAVAIL, "%d gatekeepers are being asked already", PROBES_MAX);
        return NULL;
    }
    if (p) {
        LL_PREPEND(p->waiters, w);
        return p;
    }
    fresh = probe_create(host, port, c, timeout_ms);
    LL_PREPEND(fresh->waiters, w);
    DL_APPEND(probes, fresh);
    n_probes++;
    if (begin(fresh, err) == 0)
        return fresh;
    DL_DELETE(probes, fresh);
    n_probes--;
    LL_DELETE(fresh->waiters, w);
    probe_destroy(fresh);
    return NULL;
}

int probe_begin(const char *host, uint16_t port, const struct credential *c, unsigned timeout_ms,
                probe_fn *done, void *ctx, struct gw_err *err)
{
    struct gw_err why;
    struct waiter *w = xcalloc(1, sizeof *w);
    *w = (struct waiter){.done = done, .ctx = ctx};
    pthread_mutex_lock(&lock);
    struct probe *p = join_or_begin(host, port, c, timeout_ms, w, &why);
    pthread_mutex_unlock(&lock);
    if (p)
        return 0;
    free(w);
    return gw_err_set(err, why.code, "%s", why.text);
}
