#include "tm/gass/ftp_private.h"

#include "lib/log.h"
#include "lib/mem.h"

#include <globus_common.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

enum {
    TICK_MS = 200,       /* how late a cancel may be seen */
    BREAK_OFF_MS = 5000, /* for the library to give a call back */
    CONNECT_S = 30,
    WATCH_MS = 2000,
};

static atomic_uint abandoned;

int ftp_activate(struct gw_err *err)
{
    /* Before the first activation, or callbacks come only while we wait in the library. */
    if (globus_thread_set_model("pthread") != 0 ||
        globus_module_activate(GLOBUS_FTP_CLIENT_MODULE) != GLOBUS_SUCCESS)
        return gw_err_set(err, GW_EINTERNAL, "the Globus FTP client cannot be activated");
    return 0;
}

unsigned ftp_abandoned(void)
{
    return atomic_load(&abandoned);
}

static uint64_t now_ms(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (uint64_t)t.tv_sec * 1000 + (uint64_t)t.tv_nsec / 1000000;
}

/* ---- sessions */

static bool set_up(struct ftp *f)
{
    globus_ftp_client_handleattr_t attr;
    if (globus_ftp_client_handleattr_init(&attr) != GLOBUS_SUCCESS)
        return false;
    globus_ftp_client_handleattr_set_cache_all(&attr, GLOBUS_TRUE);
    globus_result_t r = GLOBUS_FAILURE;
    if (pulse_add(&attr, &f->pulse))
        r = globus_ftp_client_handle_init(&f->handle, &attr);
    globus_ftp_client_handleattr_destroy(&attr);
    if (r != GLOBUS_SUCCESS)
        return false;
    globus_ftp_client_operationattr_init(&f->attr);
    if (f->credential != GSS_C_NO_CREDENTIAL)
        globus_ftp_client_operationattr_set_authorization(&f->attr, f->credential, NULL, NULL, NULL,
                                                          NULL);
    globus_ftp_client_operationattr_copy(&f->small_attr, &f->attr);
    globus_ftp_client_operationattr_set_mode(&f->small_attr,
                                             GLOBUS_FTP_CONTROL_MODE_EXTENDED_BLOCK);
    return true;
}

static void release(struct ftp *f)
{
    OM_uint32 minor;
    if (f->credential != GSS_C_NO_CREDENTIAL)
        gss_release_cred(&minor, &f->credential);
    free(f->label);
    free((char *)f->about.identity);
    free((char *)f->about.issuer);
    free((char *)f->about.path);
    free(f);
}

struct ftp *ftp_open(const char *label, const struct login *l, struct trouble *t)
{
    struct ftp *f = xcalloc(1, sizeof *f);
    f->label = xstrdup(label);
    f->credential = l->credential;
    f->about = (struct explain_about){.host = f->label,
                                      .identity = xstrdup(l->identity),
                                      .issuer = xstrdup(l->issuer),
                                      .path = xstrdup(l->path)};
    if (set_up(f))
        return f;
    trouble_set(t, GW_EINTERNAL, "internal:us", "no handle of the Globus FTP client");
    release(f);
    return NULL;
}

void ftp_close(struct ftp *f)
{
    if (!f)
        return;
    ftp_data_stop(f);
    if (f->is_lost) /* the library still has it; its memory stays */
        return;
    globus_ftp_client_operationattr_destroy(&f->attr);
    globus_ftp_client_operationattr_destroy(&f->small_attr);
    globus_ftp_client_handle_destroy(&f->handle);
    release(f);
}

void ftp_bind(struct ftp *f, const atomic_bool *is_cancelled, unsigned patience_s)
{
    f->is_cancelled = is_cancelled;
    f->patience_s = patience_s;
    f->pulse_before = atomic_load(&f->pulse.count);
}

bool ftp_is_spoiled(const struct ftp *f)
{
    return f->is_spoiled || f->is_lost;
}

/* ---- calls */

struct call *call_begin(struct ftp *f, const char *url)
{
    struct call *c = xcalloc(1, sizeof *c);
    pthread_condattr_t attr;
    pthread_condattr_init(&attr);
    pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
    pthread_cond_init(&c->changed, &attr);
    pthread_condattr_destroy(&attr);
    pthread_mutex_init(&c->mutex, NULL);
    c->ftp = f;
    c->url = url;
    c->refs = 2; /* the caller, the callback */
    c->at_ms = now_ms();
    return c;
}

/* The mutex is held, and is no more. */
static void unref(struct call *c)
{
    bool is_last = --c->refs == 0;
    pthread_mutex_unlock(&c->mutex);
    if (!is_last)
        return;
    for (size_t i = 0; i < BLOCKS; i++)
        free(c->blocks[i].bytes);
    pthread_mutex_destroy(&c->mutex);
    pthread_cond_destroy(&c->changed);
    free(c->line);
    free(c->text);
    free(c);
}

void call_moved(struct call *c)
{
    c->at_ms = now_ms();
    pthread_cond_broadcast(&c->changed);
}

static void take_error(struct call *c, globus_object_t *error)
{
    char *text = globus_error_print_friendly(error);
    c->code = globus_error_ftp_error_get_code(error);
    c->text = xstrdup(text ? text : "no reason was given");
    free(text);
}

void call_on_done(void *arg, globus_ftp_client_handle_t *handle, globus_object_t *error)
{
    (void)handle;
    struct call *c = arg;
    pthread_mutex_lock(&c->mutex);
    if (error)
        take_error(c, error);
    c->is_done = true;
    call_moved(c);
    unref(c);
}

bool call_is_under_way(struct call *c, globus_result_t result)
{
    if (result == GLOBUS_SUCCESS)
        return true;
    globus_object_t *error = globus_error_get(result);
    pthread_mutex_lock(&c->mutex);
    take_error(c, error);
    c->is_done = true;
    unref(c);
    globus_object_free(error);
    return false;
}

static bool is_cancelled(const struct call *c)
{
    return c->ftp->is_cancelled && atomic_load(c->ftp->is_cancelled);
}

/* Not under the mutex: the library may call back from inside. */
static void break_off(struct call *c)
{
    c->is_broken_off = true;
    pthread_mutex_unlock(&c->mutex);
    (void)globus_ftp_client_abort(&c->ftp->handle);
    pthread_mutex_lock(&c->mutex);
    c->at_ms = now_ms();
}

static void tick(struct call *c)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    t.tv_nsec += TICK_MS * 1000000L;
    t.tv_sec += t.tv_nsec / 1000000000L;
    t.tv_nsec %= 1000000000L;
    pthread_cond_timedwait(&c->changed, &c->mutex, &t);
}

/* A server that has not said a word yet may not be there at all, nor one that was left alone. */
static uint64_t patience_ms(const struct ftp *f)
{
    unsigned s = atomic_load(&f->pulse.count) != f->pulse_before ? f->patience_s : CONNECT_S;
    return 1000ULL * (s < f->patience_s ? s : f->patience_s);
}

/* The mutex is held; not meanwhile. */
static void look_after(struct call *c)
{
    struct ftp *f = c->ftp;
    pthread_mutex_unlock(&c->mutex);
    bool has_moved = f->watch(f->watch_ctx);
    f->watched_ms = now_ms();
    pthread_mutex_lock(&c->mutex);
    if (has_moved)
        c->at_ms = now_ms();
}

static uint64_t still_ms(struct call *c, uint64_t begun)
{
    if (c->pulse != atomic_load(&c->ftp->pulse.count)) {
        c->pulse = atomic_load(&c->ftp->pulse.count);
        c->at_ms = now_ms();
    }
    /* While the caller was busy elsewhere nothing could move. */
    uint64_t since = c->at_ms > begun ? c->at_ms : begun, now = now_ms();
    return now > since ? now - since : 0;
}

bool call_wait(struct call *c, bool (*is_ready)(struct call *c))
{
    uint64_t begun = now_ms();
    while (!c->is_done) {
        uint64_t still = still_ms(c, begun);
        if (!c->is_broken_off && (is_cancelled(c) || still > patience_ms(c->ftp))) {
            break_off(c);
        } else if (c->is_broken_off && still > BREAK_OFF_MS) {
            c->ftp->is_lost = true;
            return false;
        } else if (is_ready && !c->is_broken_off && is_ready(c)) {
            return true;
        } else if (c->ftp->watch && now_ms() - c->ftp->watched_ms > WATCH_MS) {
            look_after(c);
        } else {
            tick(c);
        }
    }
    return false;
}

static int explain(struct call *c, struct trouble *t)
{
    struct ftp *f = c->ftp;
    if (is_cancelled(c))
        return trouble_set(t, GW_ESTATE, "internal:us", "cancelled");
    if (c->is_broken_off) {
        trouble_set(t, GW_EUNAVAIL, "unreachable:site", "%s: nothing came for %u s", f->label,
                    (unsigned)(patience_ms(f) / 1000));
        t->is_link = true;
    } else {
        reply_explain(c->code, c->text, c->url, &f->about, t);
    }
    t->is_unheard = t->is_link && atomic_load(&f->pulse.count) == f->pulse_before;
    return -t->err.code;
}

int call_end(struct call *c, struct trouble *t)
{
    struct ftp *f = c->ftp;
    pthread_mutex_lock(&c->mutex);
    call_wait(c, NULL);
    int r = 0;
    if (c->text || c->is_broken_off || f->is_lost)
        r = explain(c, t);
    /* What is no reply leaves the handle in a state that later calls report as theirs. */
    if (r < 0 && (c->code == 0 || t->is_link || t->reason))
        f->is_spoiled = true;
    if (f->is_lost) {
        atomic_fetch_add(&abandoned, 1);
        log_warn("%s: the Globus library does not give a call back (%u so far)", f->label,
                 ftp_abandoned());
    }
    unref(c);
    return r;
}

static int finish(struct call *c, globus_result_t result, struct trouble *t)
{
    call_is_under_way(c, result);
    return call_end(c, t);
}

int ftp_mkdir(struct ftp *f, const char *url, struct trouble *t)
{
    struct call *c = call_begin(f, url);
    return finish(c, globus_ftp_client_mkdir(&f->handle, url, &f->attr, call_on_done, c), t);
}

int ftp_rmdir(struct ftp *f, const char *url, struct trouble *t)
{
    struct call *c = call_begin(f, url);
    return finish(c, globus_ftp_client_rmdir(&f->handle, url, &f->attr, call_on_done, c), t);
}

int ftp_delete(struct ftp *f, const char *url, struct trouble *t)
{
    struct call *c = call_begin(f, url);
    return finish(c, globus_ftp_client_delete(&f->handle, url, &f->attr, call_on_done, c), t);
}

int ftp_chmod(struct ftp *f, const char *url, mode_t mode, struct trouble *t)
{
    struct call *c = call_begin(f, url);
    return finish(c, globus_ftp_client_chmod(&f->handle, url, (int)mode, &f->attr, call_on_done, c),
                  t);
}

int ftp_move(struct ftp *f, const char *from, const char *to, struct trouble *t)
{
    struct call *c = call_begin(f, to);
    return finish(c, globus_ftp_client_move(&f->handle, from, to, &f->attr, call_on_done, c), t);
}

int ftp_facts(struct ftp *f, const char *url, struct facts *ret, struct trouble *t)
{
    struct call *c = call_begin(f, url);
    if (call_is_under_way(c, globus_ftp_client_mlst(&f->handle, url, &f->attr, &c->line,
                                                    &c->line_len, call_on_done, c))) {
        pthread_mutex_lock(&c->mutex);
        call_wait(c, NULL);
        bool is_good =
            c->is_done && !c->text && c->line &&
            facts_parse((const char *)c->line, strnlen((char *)c->line, c->line_len), ret);
        ret->name = NULL;
        ret->name_len = 0;
        if (c->is_done && !c->text && !is_good) {
            c->code = 500;
            c->text = xstrdup("the server's MLST cannot be read");
        }
        pthread_mutex_unlock(&c->mutex);
    }
    return call_end(c, t);
}

int ftp_third_party(struct ftp *f, const char *from, const char *to, uint64_t offset, uint64_t size,
                    bool (*watch)(void *ctx), void *ctx, struct trouble *t)
{
    struct call *c = call_begin(f, from);
    f->watch = watch;
    f->watch_ctx = ctx;
    f->watched_ms = now_ms();
    globus_result_t r =
        offset
            ? globus_ftp_client_partial_third_party_transfer(&f->handle, from, &f->attr, to,
                                                             &f->attr, NULL, (globus_off_t)offset,
                                                             (globus_off_t)size, call_on_done, c)
            : globus_ftp_client_third_party_transfer(&f->handle, from, &f->attr, to, &f->attr, NULL,
                                                     call_on_done, c);
    int result = finish(c, r, t);
    f->watch = NULL;
    if (result < 0)
        f->is_spoiled = true;
    return result;
}
