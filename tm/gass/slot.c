#include "tm/gass/slot.h"

#include "lib/mem.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <uthash.h>
#include <utlist.h>

enum {
    HOST_MAX = 6, /* of a class */
    DOWN_S = 15,
    TICK_MS = 5000,
    WAIT_S = 300, /* gwd takes a driver for hung that lets a request lie for 600 s; of copies that
                     wait is told (tm/progress.c) */
};

static const unsigned all_max[CLASSES] = {[CLASS_QUICK] = 24, [CLASS_BULK] = 32};

struct host {
    char *name;
    unsigned running[CLASSES];
    time_t down_until;
    char *why;
    UT_hash_handle hh;
};

struct slots {
    struct loop *loop;
    struct pool *pool;
    struct host *hosts; /* all that were ever asked for: their names are short */
    unsigned running[CLASSES];
    struct gass_request *waiting;
};

static time_t now_s(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return t.tv_sec;
}

static void run(struct slots *s);

static void on_tick(void *ctx)
{
    struct slots *s = ctx;
    loop_timer_add(s->loop, TICK_MS, on_tick, s);
    run(s);
}

struct slots *slot_create(struct loop *l)
{
    struct slots *s = xcalloc(1, sizeof *s);
    s->loop = l;
    s->pool = pool_create(l, all_max[CLASS_QUICK] + all_max[CLASS_BULK] + 1);
    loop_timer_add(l, TICK_MS, on_tick, s);
    return s;
}

struct pool *slot_pool(struct slots *s)
{
    return s->pool;
}

static struct host *host_of(struct slots *s, const struct url *u)
{
    struct host *h;
    const char *name = u->host ? u->host : "";
    HASH_FIND_STR(s->hosts, name, h);
    if (h)
        return h;
    h = xcalloc(1, sizeof *h);
    h->name = xstrdup(name);
    HASH_ADD_KEYPTR(hh, s->hosts, h->name, strlen(h->name), h);
    return h;
}

/* A copy to or from here counts at the other end alone. */
static void take_hosts(struct slots *s, struct gass_request *g)
{
    bool has_two = g->to.host && g->to.host[0] && strcmp(g->from.host, g->to.host) != 0;
    bool is_here = !g->from.host || !g->from.host[0];
    g->hosts[0] = host_of(s, is_here && has_two ? &g->to : &g->from);
    g->hosts[1] = has_two && !is_here ? host_of(s, &g->to) : NULL;
}

static bool has_room(const struct gass_request *g)
{
    for (size_t i = 0; i < 2; i++)
        if (g->hosts[i] && g->hosts[i]->running[g->class] >= HOST_MAX)
            return false;
    return true;
}

static void count(struct slots *s, struct gass_request *g, int n)
{
    s->running[g->class] += (unsigned)n;
    for (size_t i = 0; i < 2; i++)
        if (g->hosts[i])
            g->hosts[i]->running[g->class] += (unsigned)n;
}

static const struct host *down_host(const struct gass_request *g, time_t now)
{
    for (size_t i = 0; i < 2; i++)
        if (g->hosts[i] && g->hosts[i]->down_until > now)
            return g->hosts[i];
    return NULL;
}

static void fail_waiting(struct slots *s, struct gass_request *g, enum gw_errc code,
                         const char *reason, const char *text)
{
    struct gw_err err;
    gw_err_set(&err, code, "%s", text);
    DL_DELETE(s->waiting, g);
    work_fail(&g->r, reason, &err);
    request_done(&g->r);
}

/* What was found a little while ago, and when it is tried again: whoever has mended it wants to
 * know. */
static void fail_down(struct slots *s, struct gass_request *g, const struct host *down, time_t now)
{
    char *text = xasprintf("%s (so %ld s ago; asked again in %ld s)", down->why,
                           (long)(now + DOWN_S - down->down_until), (long)(down->down_until - now));
    fail_waiting(s, g, GW_EUNAVAIL, "unreachable:site", text);
    free(text);
}

/* First come, first served, but for those whose hosts are busy. */
static void run(struct slots *s)
{
    struct gass_request *g, *next;
    time_t now = now_s();
    DL_FOREACH_SAFE(s->waiting, g, next)
    {
        const struct host *down = down_host(g, now);
        if (down) {
            fail_down(s, g, down, now);
        } else if (s->running[g->class] < all_max[g->class] && has_room(g)) {
            DL_DELETE(s->waiting, g);
            count(s, g, 1);
            pool_add(s->pool, &g->r.task);
        } else if (g->class == CLASS_QUICK && now - g->since > WAIT_S && strcmp(g->r.verb, "CP")) {
            fail_waiting(s, g, GW_EUNAVAIL, "busy:site", "too many requests wait for the site");
        }
    }
}

static void wait_for_slot(struct slots *s, struct gass_request *g)
{
    g->since = now_s();
    DL_APPEND(s->waiting, g);
    run(s);
}

void slot_begin(struct slots *s, struct gass_request *g)
{
    if (!g->hosts[0])
        take_hosts(s, g);
    g->class = CLASS_QUICK;
    wait_for_slot(s, g);
}

static void learn(struct gass_request *g)
{
    struct host *h = g->hosts[0];
    if (!g->is_down || g->hosts[1])
        return; /* of two, which one? */
    free(h->why);
    h->why = xstrdup(g->r.text);
    h->down_until = now_s() + DOWN_S;
}

bool slot_done(struct slots *s, struct gass_request *g)
{
    count(s, g, -1);
    learn(g);
    bool is_again = g->is_bulk && !g->r.reason;
    if (is_again) {
        g->class = CLASS_BULK;
        wait_for_slot(s, g);
    } else {
        run(s);
    }
    return is_again;
}

bool slot_cancel(struct slots *s, struct gass_request *g)
{
    struct gw_err err;
    struct gass_request *w;
    DL_FOREACH (s->waiting, w)
        if (w == g)
            break;
    if (!w)
        return false;
    DL_DELETE(s->waiting, g);
    gw_err_set(&err, GW_ESTATE, "cancelled");
    if (strcmp(g->r.verb, "TAIL") != 0)
        work_fail(&g->r, "internal:us", &err);
    return true;
}
