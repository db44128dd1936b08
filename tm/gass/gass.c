#include "tm/gass/gass.h"

#include "lib/log.h"
#include "lib/mem.h"
#include "tm/gass/session.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum {
    PATIENCE_S = 120, /* how long a server that has answered may be silent */
    GIVE_UP_S = 45,   /* without getting further; a link may be down for 30 s */
    PAUSE_MAX_S = 8,
    KEPT_TRIES = 20,
    ONCE_S = 8,
};

/* ---- with a session */

static bool is_over(const struct gass_request *g)
{
    return atomic_load(&g->r.is_cancelled);
}

void gass_pause(const struct gass_request *g, unsigned s)
{
    struct timespec tick = {.tv_nsec = 100 * 1000000};
    for (unsigned i = 0; i < s * 10 && !is_over(g); i++)
        nanosleep(&tick, NULL);
}

static time_t now_s(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return t.tv_sec;
}

/* One try. */
static int attempt(struct gass_request *g, const char *key, gass_step *step, void *ctx,
                   bool *ret_is_kept, struct trouble *t)
{
    if (is_over(g))
        return trouble_set(t, GW_ESTATE, "internal:us", "cancelled");
    struct ftp *f = session_take(key, ret_is_kept, t);
    if (!f)
        return -t->err.code;
    ftp_bind(f, &g->r.is_cancelled, PATIENCE_S);
    int r = step(f, ctx, t);
    session_give(key, f);
    return r;
}

int gass_do(struct gass_request *g, const char *key, gass_step *step, void *ctx, bool *has_moved,
            struct trouble *t)
{
    time_t since = 0; /* when it began to fail */
    for (unsigned pause_s = 1, kept_tries = 0;;) {
        bool is_kept = false;
        time_t begun = now_s();
        int r = attempt(g, key, step, ctx, &is_kept, t);
        if (r == STEP_AGAIN)
            continue;
        if (r == 0 || !t->is_link)
            return r;
        session_drop(key);
        /* A server that was started anew is not a failure of the site. */
        if (is_kept && ++kept_tries < KEPT_TRIES)
            continue;
        if (has_moved && *has_moved) {
            since = 0;
            pause_s = 1;
            *has_moved = false;
        }
        since = since ? since : begun;
        if (now_s() - since >= GIVE_UP_S)
            return r;
        log_info("%s %s: %s; again in %u s", g->r.verb, g->r.handle, t->err.text, pause_s);
        gass_pause(g, pause_s);
        pause_s = pause_s < PAUSE_MAX_S ? pause_s * 2 : PAUSE_MAX_S;
    }
}

int gass_do_once(const char *key, const atomic_bool *is_cancelled, gass_step *step, void *ctx,
                 struct trouble *t)
{
    bool is_kept = true;
    int r = -GW_EUNAVAIL;
    while (r < 0 && is_kept) {
        struct ftp *f = session_take(key, &is_kept, t);
        if (!f)
            return -t->err.code;
        ftp_bind(f, is_cancelled, ONCE_S);
        r = step(f, ctx, t);
        session_give(key, f);
        if (r < 0 && !t->is_link)
            break;
        if (r < 0)
            session_drop(key);
    }
    return r;
}

/* ---- failures */

static void fail(struct gass_request *g, const struct trouble *t, const char *reason)
{
    work_fail(&g->r, t->reason ? t->reason : reason, &t->err);
    g->is_down = t->is_unheard;
}

void gass_fail_source(struct gass_request *g, const struct trouble *t, const char *path)
{
    fail(g, t, work_source_reason(-t->err.code, path));
}

void gass_fail_target(struct gass_request *g, const struct trouble *t, bool is_jobs_choice)
{
    fail(g, t, work_target_reason(-t->err.code, is_jobs_choice));
}

/* ---- the verbs with one URL */

struct one {
    struct gass_request *g;
    struct facts facts;
    struct removal removal;
};

static int look_step(struct ftp *f, void *ctx, struct trouble *t)
{
    struct one *o = ctx;
    return ftp_facts(f, o->g->from.text, &o->facts, t);
}

static int mkdir_step(struct ftp *f, void *ctx, struct trouble *t)
{
    struct one *o = ctx;
    return site_mkdirs(f, &o->g->from, t);
}

static int rmdir_step(struct ftp *f, void *ctx, struct trouble *t)
{
    struct one *o = ctx;
    return site_remove(&o->removal, f, t);
}

static void do_mkdir(struct gass_request *g)
{
    struct one o = {.g = g};
    struct trouble t;
    if (gass_do(g, g->from.host, mkdir_step, &o, NULL, &t) < 0)
        gass_fail_target(g, &t, false);
}

static void do_rmdir(struct gass_request *g)
{
    struct one o = {.g = g, .removal = {.top = &g->from}};
    struct trouble t;
    if (gass_do(g, g->from.host, rmdir_step, &o, NULL, &t) < 0)
        gass_fail_target(g, &t, false);
}

static bool look(struct gass_request *g, struct one *o)
{
    struct trouble t;
    if (gass_do(g, g->from.host, look_step, o, NULL, &t) == 0)
        return true;
    gass_fail_source(g, &t, g->from.path);
    return false;
}

static void do_exists(struct gass_request *g)
{
    struct one o = {.g = g};
    look(g, &o);
}

static void do_stat(struct gass_request *g)
{
    struct one o = {.g = g};
    struct trouble t;
    if (!look(g, &o))
        return;
    if (o.facts.type == FACTS_FILE && o.facts.has_size) {
        snprintf(g->r.text, sizeof g->r.text, "%" PRIu64 " %" PRId64, o.facts.size, o.facts.mtime);
        return;
    }
    trouble_set(&t, GW_EINVAL, NULL, "%s is not a regular file", g->from.path);
    gass_fail_source(g, &t, g->from.path);
}

/* ---- the work */

static void refuse(struct gass_request *g, const char *what)
{
    struct trouble t;
    trouble_set(&t, GW_EINVAL, "bad-url:job", "%s", what);
    fail(g, &t, NULL);
}

static void serve(struct request *r)
{
    static const struct {
        const char *verb;
        void (*work)(struct gass_request *g);
    } rows[] = {
        {"MKDIR", do_mkdir}, {"RMDIR", do_rmdir}, {"EXISTS", do_exists},
        {"STAT", do_stat},   {"TAIL", gass_tail},
    };
    struct gass_request *g = (struct gass_request *)r;
    bool is_cp = strcmp(r->verb, "CP") == 0;
    g->is_bulk = false;
    if (!g->is_parsed)
        return; /* it failed when it came */
    if (g->from.scheme == URL_FILE && (!is_cp || g->to.scheme == URL_FILE))
        work_of(r);
    else if (is_cp)
        gass_copy(g);
    else if (g->from.scheme == URL_HTTPS &&
             (strcmp(r->verb, "STAT") == 0 || strcmp(r->verb, "EXISTS") == 0))
        gass_look_web(g);
    else if (g->from.scheme == URL_HTTPS)
        refuse(g, "of https: URLs only CP, EXISTS and STAT are served");
    else
        for (size_t i = 0; i < GW_COUNT(rows); i++)
            if (strcmp(rows[i].verb, r->verb) == 0)
                rows[i].work(g);
}

void gass_work(struct request *r)
{
    serve(r);
    small_check((struct gass_request *)r);
}
