#include "drivers/loop.h"

#include "lib/mem.h"

#include <errno.h>
#include <limits.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <time.h>
#include <unistd.h>
#include <utlist.h>

enum { EVENTS_AT_ONCE = 256 };

/* By descriptor. */
struct watch {
    loop_fd_fn *fn; /* NULL: not watched */
    void *ctx;
    short events;
    bool is_always_ready; /* a regular file: epoll does not take it, and poll(2) never waits for it
                           */
    uint32_t generation; /* what was reported for an earlier watch of this number is not for this */
};

struct loop_timer {
    uint64_t at_ms;
    loop_timer_fn *fn;
    void *ctx;
    struct loop_timer *prev, *next;
};

struct loop {
    int epoll;
    struct watch *watches;
    size_t cap, n_always_ready;
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
    struct loop *l = xcalloc(1, sizeof *l);
    l->epoll = epoll_create1(EPOLL_CLOEXEC);
    if (l->epoll < 0)
        abort(); /* no descriptor, and nothing begun yet */
    return l;
}

void loop_destroy(struct loop *l)
{
    if (!l)
        return;
    struct loop_timer *t, *next;
    DL_FOREACH_SAFE(l->timers, t, next)
    free(t);
    close(l->epoll);
    free(l->watches);
    free(l);
}

static void reserve(struct loop *l, int fd)
{
    size_t cap = l->cap ? l->cap : 64;
    while (cap <= (size_t)fd)
        cap *= 2;
    if (cap == l->cap)
        return;
    l->watches = xreallocarray(l->watches, cap, sizeof *l->watches);
    memset(l->watches + l->cap, 0, (cap - l->cap) * sizeof *l->watches);
    l->cap = cap;
}

void loop_watch(struct loop *l, int fd, short events, loop_fd_fn *fn, void *ctx)
{
    reserve(l, fd);
    struct watch *w = &l->watches[fd];
    bool is_new = !w->fn, is_changed = !is_new && w->events != events;
    w->generation += is_new;
    w->events = events;
    w->fn = fn;
    w->ctx = ctx;
    struct epoll_event e = {.events = (uint32_t)events,
                            .data.u64 = (uint64_t)w->generation << 32 | (uint32_t)fd};
    if ((!is_new && !is_changed) || w->is_always_ready)
        return;
    if (epoll_ctl(l->epoll, is_new ? EPOLL_CTL_ADD : EPOLL_CTL_MOD, fd, &e) < 0 && errno == EPERM) {
        w->is_always_ready = true;
        l->n_always_ready++;
    }
}

void loop_unwatch(struct loop *l, int fd)
{
    struct watch *w = fd >= 0 && (size_t)fd < l->cap ? &l->watches[fd] : NULL;
    if (!w || !w->fn)
        return;
    if (!w->is_always_ready)
        epoll_ctl(l->epoll, EPOLL_CTL_DEL, fd, NULL);
    l->n_always_ready -= w->is_always_ready;
    w->is_always_ready = false;
    w->fn = NULL;
}

struct loop_timer *loop_timer_add(struct loop *l, uint64_t after_ms, loop_timer_fn *fn, void *ctx)
{
    struct loop_timer *t = xcalloc(1, sizeof *t);
    t->at_ms = now_ms() + after_ms;
    t->fn = fn;
    t->ctx = ctx;
    /* From the end: most timers are the latest yet, but for those of this very turn. */
    struct loop_timer *before = l->timers ? l->timers->prev : NULL;
    if (after_ms == 0)
        for (before = NULL;;) {
            struct loop_timer *next = before ? before->next : l->timers;
            if (!next || next->at_ms > t->at_ms)
                break;
            before = next;
        }
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

static void call(struct loop *l, int fd, uint32_t generation, short revents)
{
    struct watch *w = &l->watches[fd];
    if (w->fn && w->generation == generation)
        w->fn(w->ctx, fd, revents);
}

static void call_always_ready(struct loop *l)
{
    for (size_t fd = 0; fd < l->cap; fd++)
        if (l->watches[fd].is_always_ready)
            call(l, (int)fd, l->watches[fd].generation, l->watches[fd].events);
}

void loop_turn(struct loop *l)
{
    struct epoll_event events[EVENTS_AT_ONCE];
    int n = epoll_wait(l->epoll, events, EVENTS_AT_ONCE, l->n_always_ready ? 0 : time_left(l));
    for (int i = 0; i < n; i++)
        call(l, (int)(uint32_t)events[i].data.u64, (uint32_t)(events[i].data.u64 >> 32),
             (short)events[i].events);
    if (l->n_always_ready)
        call_always_ready(l);
    call_timers(l);
}
