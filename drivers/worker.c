/* A worker's life: started for its first request, ended when it has nothing to do or when the place
 * is needed, and after a bad end not started again before a pause. */
#include "drivers/workers_private.h"

#include "lib/log.h"
#include "lib/mem.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <utlist.h>

enum {
    PAUSE_MAX = 60, /* times the first one; who ran that long before has begun well */
    BABBLES_MAX = 1000,
    BABBLES_IN_MS = 10000,
    GRACE_MS = 5000, /* from FINALIZE to the end of the process */
};

extern char **environ;

static uint64_t now_ms(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (uint64_t)t.tv_sec * 1000 + (uint64_t)t.tv_nsec / 1000000;
}

const char *worker_label(const struct worker *w)
{
    return w->credential ? w->credential : "the driver's own credential";
}

static struct loop *loop_of(const struct worker *w)
{
    return kit_loop(w->router->kit);
}

static void stop_timer(struct worker *w, struct loop_timer **t)
{
    loop_timer_cancel(loop_of(w), *t);
    *t = NULL;
}

static void worker_destroy(struct worker *w)
{
    stop_timer(w, &w->init_timer);
    stop_timer(w, &w->idle_timer);
    DL_DELETE(w->router->workers, w);
    free(w->credential);
    free(w->how);
    free(w);
}

/* What is not needed, but for those that have to pause: their credential may come again. */
static void sweep(struct router *r)
{
    struct worker *w, *next;
    uint64_t now = now_ms();
    DL_FOREACH_SAFE(r->workers, w, next)
    if (!w->child && !w->n_handles && now >= w->not_before_ms)
        worker_destroy(w);
}

struct worker *worker_get(struct router *r, const char *credential)
{
    struct worker *w;
    DL_FOREACH (r->workers, w)
        if (texts_are_equal(w->credential, credential))
            return w;
    sweep(r);
    w = xcalloc(1, sizeof *w);
    w->router = r;
    w->credential = xstrdup(credential);
    DL_APPEND(r->workers, w);
    return w;
}

static bool is_idle(const struct worker *w)
{
    return w->child && !w->n_open && !w->n_pending;
}

static void stopped(struct worker *w)
{
    stop_timer(w, &w->init_timer);
    stop_timer(w, &w->idle_timer);
    w->child = NULL;
    w->is_up = false;
    w->router->n_running--;
}

void worker_finish(struct worker *w)
{
    bool is_tm = w->router->w.kind == KIT_TM;
    stop_timer(w, &w->idle_timer);
    if (w->child)
        child_finish(w->child, is_tm ? "FINALIZE - - - - -\n" : "FINALIZE - - -\n", GRACE_MS);
}

/* It has nothing to do: its place is free at once, its process ends in its own time. */
static void retire(struct worker *w)
{
    log_info("the worker of %s is ended: nothing to do", worker_label(w));
    worker_finish(w);
    child_detach(w->child);
    stopped(w);
    worker_touch(w);
}

static void on_idle(void *ctx)
{
    struct worker *w = ctx;
    w->idle_timer = NULL;
    retire(w);
}

void worker_touch(struct worker *w)
{
    if (is_idle(w) && !w->idle_timer && !w->router->is_ending) {
        w->idle_since_ms = now_ms();
        w->idle_timer = loop_timer_add(loop_of(w), w->router->w.idle_ms, on_idle, w);
    } else if (!is_idle(w)) {
        stop_timer(w, &w->idle_timer);
    }
}

/* As a bad end: what it owes is answered, and it comes back after a pause. */
static void fallen(struct worker *w, const char *how)
{
    struct router *r = w->router;
    uint64_t now = now_ms(), most_ms = PAUSE_MAX * r->w.pause_ms;
    stopped(w);
    if (r->is_ending)
        return;
    w->bad_ends = now - w->started_ms >= most_ms ? 1 : w->bad_ends + 1;
    uint64_t pause_ms = w->bad_ends > 6 ? most_ms : r->w.pause_ms << (w->bad_ends - 1);
    w->not_before_ms = now + (pause_ms < most_ms ? pause_ms : most_ms);
    free(w->how);
    w->how = xstrdup(how);
    log_warn("the worker of %s %s", worker_label(w), how);
    router_worker_gone(w, how);
    worker_touch(w);
}

static void on_gone(void *ctx, const char *how)
{
    fallen(ctx, how);
}

static void end_badly(struct worker *w, const char *how)
{
    child_drop(w->child);
    fallen(w, how);
}

static void on_init_late(void *ctx)
{
    struct worker *w = ctx;
    w->init_timer = NULL;
    char *how = xasprintf("did not answer INIT within %" PRIu64 " ms", w->router->w.init_ms);
    end_badly(w, how);
    free(how);
}

void worker_babbled(struct worker *w, const char *line)
{
    uint64_t now = now_ms();
    if (now - w->babble_since_ms > BABBLES_IN_MS) {
        w->babble_since_ms = now;
        w->babbles = 0;
    }
    if (w->babbles++ == 0)
        log_warn("dropped \"%.200s\" of the worker of %s: nobody asked for it", line,
                 worker_label(w));
    if (w->babbles > BABBLES_MAX)
        end_badly(w, "sent too many lines that nobody asked for");
}

static bool is_started(const struct worker *w, const char *line)
{
    const char *expected = w->router->w.kind == KIT_TM ? "INIT - - SUCCESS " : "INIT - SUCCESS ";
    return strncmp(line, expected, strlen(expected)) == 0;
}

static void on_line(void *ctx, const char *line, size_t len)
{
    struct worker *w = ctx;
    if (w->is_up) {
        router_line(w, line, len);
    } else if (is_started(w, line)) {
        w->is_up = true;
        stop_timer(w, &w->init_timer);
    } else {
        end_badly(w, "began with something else than an answer to INIT");
    }
}

/* The credential it is for decides: X509_USER_CERT and X509_USER_KEY, read as root, would win over
 * a proxy. */
static char **make_environment(const struct worker *w)
{
    static const char *const dropped[] = {"X509_USER_PROXY=", "X509_USER_CERT=", "X509_USER_KEY="};
    size_t n = 0, kept = 0;
    while (environ[n])
        n++;
    char **env = xcalloc(n + 2, sizeof *env);
    for (size_t i = 0; i < n; i++) {
        bool is_dropped = false;
        for (size_t j = 0; w->credential && j < GW_COUNT(dropped); j++)
            is_dropped |= strncmp(environ[i], dropped[j], strlen(dropped[j])) == 0;
        if (!is_dropped)
            env[kept++] = xstrdup(environ[i]);
    }
    if (w->credential)
        env[kept] = xasprintf("X509_USER_PROXY=%s", w->credential);
    return env;
}

static int run(struct worker *w, struct gw_err *err)
{
    struct router *r = w->router;
    const struct child_events events = {.line = on_line, .gone = on_gone, .ctx = w};
    char **env = make_environment(w);
    int code = child_start(&r->children, "/proc/self/exe", r->argv, env, &events, &w->child, err);
    for (size_t i = 0; env[i]; i++)
        free(env[i]);
    free(env);
    return code;
}

/* Room for one more: the one that had nothing to do for longest makes way. */
static int make_room(struct router *r, struct gw_err *err)
{
    struct worker *w, *oldest = NULL;
    if (r->n_running < r->w.workers_max)
        return 0;
    DL_FOREACH (r->workers, w)
        if (is_idle(w) && (!oldest || w->idle_since_ms < oldest->idle_since_ms))
            oldest = w;
    if (!oldest)
        return gw_err_set(err, GW_EUNAVAIL,
                          "jobs of %zu credentials are under way, which is the limit",
                          r->w.workers_max);
    retire(oldest);
    return 0;
}

int worker_start(struct worker *w, struct gw_err *err)
{
    struct router *r = w->router;
    uint64_t now = now_ms();
    if (w->child)
        return 0;
    if (now < w->not_before_ms)
        return gw_err_set(err, GW_EINTERNAL,
                          "the worker of %s %s; the next one is not started before %.1f s",
                          worker_label(w), w->how, (double)(w->not_before_ms - now) / 1000);
    int code = make_room(r, err);
    if (code < 0)
        return code;
    code = run(w, err);
    if (code < 0)
        return code;
    char *init = xasprintf("%s\n", kit_init(r->kit) ? kit_init(r->kit) : "INIT - - -");
    child_send(w->child, init, strlen(init));
    free(init);
    r->n_running++;
    w->started_ms = now;
    w->babbles = 0;
    w->init_timer = loop_timer_add(loop_of(w), r->w.init_ms, on_init_late, w);
    if (kit_is_full(r->kit))
        child_pause(w->child, true);
    return 0;
}

void workers_clear(struct router *r)
{
    struct worker *w, *next;
    DL_FOREACH_SAFE(r->workers, w, next)
    {
        struct pending *p, *after;
        HASH_ITER (hh, w->pending, p, after) {
            HASH_DEL(w->pending, p);
            free(p->key);
            free(p);
        }
        worker_destroy(w);
    }
    children_clear(&r->children);
}
