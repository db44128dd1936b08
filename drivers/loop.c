#include "drivers/loop.h"

#include "lib/mem.h"

#include <errno.h>
#include <limits.h>
#include <poll.h>
#include <stdlib.h>
#include <time.h>
#include <utlist.h>

struct watch {
    int fd; /* -1: removed, and swept before the next poll */
    short events;
    loop_fd_fn *fn;
    void *ctx;
};

struct loop_timer {
    uint64_t at_ms;
    loop_timer_fn *fn;
    void *ctx;
    struct loop_timer *prev, *next;
};

struct loop {
    struct watch *watches;
    struct pollfd *polled;
    size_t n, cap;
    struct loop_timer *timers; /* by time */
};

static uint64_t now_ms(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (uint64_t)t.tv_sec * 1000 + (uint64_t)t.tv_nsec / 1000000;
}

struct loop *loop_create(void)
{
    return xcalloc(1, sizeof(struct loop));
}

void loop_destroy(struct loop *l)
{
    if (!l)
        return;
    struct loop_timer *t, *next;
    DL_FOREACH_SAFE(l->timers, t, next)
    free(t);
    free(l->watches);
    free(l->polled);
    free(l);
}

static struct watch *find(struct loop *l, int fd)
{
    for (size_t i = l->n; i-- > 0;)
        if (l->watches[i].fd == fd)
            return &l->watches[i];
    return NULL;
}

void loop_watch(struct loop *l, int fd, short events, loop_fd_fn *fn, void *ctx)
{
    struct watch *w = find(l, fd);
    if (!w) {
        if (l->n == l->cap) {
            l->cap = l->cap ? l->cap * 2 : 16;
            l->watches = xreallocarray(l->watches, l->cap, sizeof *l->watches);
            l->polled = xreallocarray(l->polled, l->cap, sizeof *l->polled);
        }
        w = &l->watches[l->n++];
    }
    *w = (struct watch){.fd = fd, .events = events, .fn = fn, .ctx = ctx};
}

void loop_unwatch(struct loop *l, int fd)
{
    struct watch *w = find(l, fd);
    if (w)
        w->fd = -1;
}

struct loop_timer *loop_timer_add(struct loop *l, uint64_t after_ms, loop_timer_fn *fn, void *ctx)
{
    struct loop_timer *t = xcalloc(1, sizeof *t);
    t->at_ms = now_ms() + after_ms;
    t->fn = fn;
    t->ctx = ctx;
    /* From the end: most timers are the latest yet. */
    struct loop_timer *before = l->timers ? l->timers->prev : NULL;
    while (before && before->at_ms > t->at_ms)
        before = before == l->timers ? NULL : before->prev;
    if (before)
        DL_APPEND_ELEM(l->timers, before, t);
    else
        DL_PREPEND(l->timers, t);
    return t;
}

void loop_timer_cancel(struct loop *l, struct loop_timer *t)
{
    if (!t)
        return;
    DL_DELETE(l->timers, t);
    free(t);
}

static int time_left(const struct loop *l)
{
    if (!l->timers)
        return -1;
    uint64_t now = now_ms();
    uint64_t left = l->timers->at_ms > now ? l->timers->at_ms - now : 0;
    return left > INT_MAX ? INT_MAX : (int)left;
}

static void sweep(struct loop *l)
{
    size_t kept = 0;
    for (size_t i = 0; i < l->n; i++)
        if (l->watches[i].fd >= 0)
            l->watches[kept++] = l->watches[i];
    l->n = kept;
    for (size_t i = 0; i < kept; i++)
        l->polled[i] = (struct pollfd){.fd = l->watches[i].fd, .events = l->watches[i].events};
}

static void call_timers(struct loop *l)
{
    uint64_t now = now_ms();
    while (l->timers && l->timers->at_ms <= now) {
        struct loop_timer *t = l->timers;
        DL_DELETE(l->timers, t);
        loop_timer_fn *fn = t->fn;
        void *ctx = t->ctx;
        free(t);
        fn(ctx);
    }
}

void loop_turn(struct loop *l)
{
    sweep(l);
    size_t n = l->n;
    int ready = poll(l->polled, n, time_left(l));
    /* Callbacks only append watches and mark them removed, so the indices hold. A descriptor that
     * was closed and given again in this turn has a new entry, and its old one is marked. */
    for (size_t i = 0; ready > 0 && i < n; i++) {
        short revents = l->polled[i].revents;
        if (!revents)
            continue;
        ready--;
        struct watch w = l->watches[i];
        if (w.fd == l->polled[i].fd && w.fd >= 0)
            w.fn(w.ctx, w.fd, revents);
    }
    call_timers(l);
}
