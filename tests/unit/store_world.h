/* What the store's tests share: a store with a state beside it, as the daemon has them. */
#ifndef TESTS_UNIT_STORE_WORLD_H
#define TESTS_UNIT_STORE_WORLD_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "gwd/store/store_private.h"
#include "lib/file.h"
#include "tests/unit/core.h"
#include "tests/unit/tempdir.h"

#include <errno.h>
#include <fcntl.h>
#include <semaphore.h>
#include <signal.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

struct world {
    char *dir;
    struct store *store;
    struct state state;
};

static inline int setup(void **state)
{
    struct world *w = xcalloc(1, sizeof *w);
    w->dir = tempdir_make("gwd-store-test");
    if (!w->dir)
        return -1;
    state_init(&w->state);
    *state = w;
    return 0;
}

static inline int teardown(void **state)
{
    struct world *w = *state;
    store_close(w->store);
    state_clear(&w->state);
    int r = tempdir_remove(w->dir);
    free(w);
    return r;
}

static inline void open_store(struct world *w)
{
    struct gw_err err = {0};
    if (store_open(w->dir, &w->store, &err) < 0)
        fail_msg("%s", err.text);
}

static inline int load(struct world *w, struct gw_err *err)
{
    state_clear(&w->state);
    state_init(&w->state);
    return store_load(w->store, &w->state, err);
}

/* The daemon's way after a crash. */
static inline void reopen(struct world *w)
{
    struct gw_err err = {0};
    store_close(w->store);
    w->store = NULL;
    open_store(w);
    if (load(w, &err) < 0)
        fail_msg("%s", err.text);
}

/* One turn of n events. */
static inline int turn(struct world *w, struct event *events, size_t n, struct gw_err *err)
{
    struct buf b = BUF_INIT;
    uint64_t first = w->state.seq + 1;
    for (size_t i = 0; i < n; i++) {
        events[i].at_us = 1000;
        events[i].seq = first + i;
        assert_int_equal(state_apply(&w->state, &events[i], NULL), 0);
        event_encode(&events[i], &b);
    }
    int r = store_append(w->store, first, n, &b, err);
    buf_clear(&b);
    return r;
}

static inline void create(struct world *w)
{
    struct event ev = created_event();
    if (!w->store->next_seq)
        assert_int_equal(load(w, NULL), 0);
    assert_int_equal(turn(w, &ev, 1, NULL), 0);
}

/* A turn of three events: a submission and what happens to it. */
static inline void submit_turn(struct world *w)
{
    struct event events[3] = {submit_event(w->state.next_job, 2, plain_job)};
    events[1] =
        (struct event){.kind = EV_WISHED, .job = events[0].job, .task = 0, .wish = WISH_HELD};
    events[2] =
        (struct event){.kind = EV_WISHED, .job = events[0].job, .task = 1, .wish = WISH_HELD};
    assert_int_equal(turn(w, events, 3, NULL), 0);
}

static inline void check_reopened(struct world *w)
{
    struct buf before = dump_of(&w->state);
    reopen(w);
    struct buf after = dump_of(&w->state);
    assert_true(bufs_are_equal(&before, &after));
    assert_null(recount(&w->state));
    buf_clear(&before);
    buf_clear(&after);
}

static inline void run_sql(struct world *w, const char *fmt, ...)
    __attribute__((format(printf, 2, 3)));

static inline void run_sql(struct world *w, const char *fmt, ...)
{
    struct buf sql = BUF_INIT;
    struct gw_err err = {0};
    va_list ap;
    va_start(ap, fmt);
    buf_vprintf(&sql, fmt, ap);
    va_end(ap);
    if (sql_exec(w->store->state, buf_str(&sql), "test", &err) < 0)
        fail_msg("%s", err.text);
    buf_clear(&sql);
}

#endif
