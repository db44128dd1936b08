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

/* The state as the first format had it: whole, in parts. Until it is loaded again there are turns
 * only. */
static inline void make_first_format(struct world *w)
{
    struct buf part = dump_of(&w->state);
    seal(&part, 0);
    run_sql(w,
            "CREATE TABLE checkpoint(part INTEGER PRIMARY KEY, data BLOB NOT NULL);"
            "DROP TABLE row; DROP TABLE spec; DELETE FROM journal;"
            "UPDATE meta SET value = 1 WHERE key = 'format'; INSERT INTO meta VALUES('parts', 1)");
    sqlite3_stmt *q;
    assert_int_equal(sql_prepare(w->store->state, "INSERT INTO checkpoint VALUES(0, ?)", &q, NULL),
                     0);
    sqlite3_bind_blob(q, 1, part.data, (int)part.len, SQLITE_STATIC);
    assert_int_equal(sqlite3_step(q), SQLITE_DONE);
    sqlite3_finalize(q);
    buf_clear(&part);
}

static inline void close_store(struct world *w)
{
    store_close(w->store);
    w->store = NULL;
}

/* As a crash leaves it: what was written last is in the log. */
static inline void crash(struct world *w)
{
    sqlite3_db_config(w->store->state, SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, 1, NULL);
    close_store(w);
}

/* A command of the test, in the store's directory. */
static inline void shell(const struct world *w, const char *command)
{
    int status;
    pid_t pid = fork();
    assert_true(pid >= 0);
    if (pid == 0) {
        if (chdir(w->dir) == 0)
            execl("/bin/sh", "sh", "-c", command, (char *)NULL);
        _exit(127);
    }
    assert_int_equal(waitpid(pid, &status, 0), pid);
    assert_int_equal(status, 0);
}

static inline void on_archived(void *ctx)
{
    sem_post(ctx);
}

/* What was put into it; the store's word about it is still to be asked. */
static inline void write_put(struct world *w, int64_t at_us)
{
    sem_t done;
    sem_init(&done, 0, 0);
    store_archive_write(w->store, at_us, on_archived, &done);
    sem_wait(&done);
    assert_false(store_archive_is_busy(w->store));
    sem_destroy(&done);
}

/* Archive a job in a batch of its own. */
static inline void write_batch(struct world *w, uint64_t job, int64_t at_us)
{
    size_t it = 0;
    assert_true(store_archive_put(w->store, state_job(&w->state, job), &it));
    write_put(w, at_us);
}

#endif
