/* The state as rows: whatever was written of a round when the crash came, the rows, the head and
 * the events after it make the state that was there. The disk is in memory here; store_test has a
 * real one. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "gwd/model/rows.h"
#include "tests/unit/history.h"

/* --- a disk --- */

struct disk_row {
    uint64_t key;
    struct buf data;
};

struct disk_table {
    struct disk_row *rows; /* by key */
    size_t n;
};

struct disk {
    struct buf head, new_head;
    struct disk_table rows, specs;
    struct disk_row *journal; /* key: seq */
    size_t n_journal;
    bool is_in_round;
    uint64_t drop, drop_end; /* what is left of a range that goes row by row */
    uint64_t n_new;          /* as counted by what rows_next() says */
};

static size_t place_of(const struct disk_table *t, uint64_t key)
{
    size_t i = 0;
    while (i < t->n && t->rows[i].key < key)
        i++;
    return i;
}

static void disk_put(struct disk_table *t, uint64_t key, const struct buf *data, bool is_new)
{
    size_t i = place_of(t, key);
    bool is_there = i < t->n && t->rows[i].key == key;
    assert_int_equal(is_there, !is_new);
    if (!is_there) {
        t->rows = xreallocarray(t->rows, t->n + 1, sizeof *t->rows);
        memmove(&t->rows[i + 1], &t->rows[i], (t->n++ - i) * sizeof *t->rows);
        t->rows[i] = (struct disk_row){.key = key};
    }
    buf_reset(&t->rows[i].data);
    buf_put(&t->rows[i].data, data->data, data->len);
}

static void disk_drop(struct disk_table *t, uint64_t key, uint64_t end)
{
    size_t from = place_of(t, key), to = place_of(t, end);
    for (size_t i = from; i < to; i++)
        buf_clear(&t->rows[i].data);
    if (to < t->n)
        memmove(&t->rows[from], &t->rows[to], (t->n - to) * sizeof *t->rows);
    t->n -= to - from;
}

static void table_clear(struct disk_table *t)
{
    disk_drop(t, 0, UINT64_MAX);
    free(t->rows);
}

static void disk_clear(struct disk *d)
{
    table_clear(&d->rows);
    table_clear(&d->specs);
    for (size_t i = 0; i < d->n_journal; i++)
        buf_clear(&d->journal[i].data);
    free(d->journal);
    buf_clear(&d->head);
    buf_clear(&d->new_head);
}

static void disk_append(struct disk *d, const struct event *ev)
{
    d->journal = xreallocarray(d->journal, d->n_journal + 1, sizeof *d->journal);
    struct disk_row *row = &d->journal[d->n_journal++];
    *row = (struct disk_row){.key = ev->seq};
    event_encode(ev, &row->data);
}

static void prune(struct disk *d, uint64_t last_seq)
{
    size_t n = 0;
    while (n < d->n_journal && d->journal[n].key <= last_seq)
        buf_clear(&d->journal[n++].data);
    d->n_journal -= n;
    if (n)
        memmove(d->journal, d->journal + n, d->n_journal * sizeof *d->journal);
}

static void round_begin(struct disk *d, struct state *s)
{
    buf_reset(&d->new_head);
    rows_round_begin(s, &d->new_head);
    d->is_in_round = true;
}

static void drop_one(struct disk *d)
{
    size_t i = place_of(&d->rows, d->drop);
    if (i < d->rows.n && d->rows.rows[i].key < d->drop_end)
        disk_drop(&d->rows, d->drop, d->rows.rows[i].key + 1);
    else
        d->drop = d->drop_end;
}

/* One row, or the end of the round. */
static void write_some(struct disk *d, struct state *s)
{
    struct row row;
    struct buf data = BUF_INIT;
    if (!d->is_in_round) {
        round_begin(d, s);
    } else if (d->drop < d->drop_end) {
        drop_one(d);
    } else if (rows_next(s, &row, &data)) {
        switch (row.kind) {
        case ROW_SPEC:
            disk_put(&d->specs, row.key, &data, row.is_new);
            break;
        case ROW_PUT:
            disk_put(&d->rows, row.key, &data, row.is_new);
            break;
        case ROW_DROP:
            d->drop = row.key;
            d->drop_end = row.end;
            break;
        case ROW_DROP_SPEC:
            disk_drop(&d->specs, row.key, row.key + 1);
            break;
        }
    } else {
        buf_reset(&d->head);
        buf_put(&d->head, d->new_head.data, d->new_head.len);
        prune(d, s->rows.round);
        rows_round_end(s);
        d->is_in_round = false;
    }
    buf_clear(&data);
}

static int load(const struct disk *d, struct state *s, struct gw_err *err)
{
    state_init(s);
    int r = rows_load_head(s, d->head.data, d->head.len, err);
    for (size_t i = 0; r == 0 && i < d->specs.n; i++)
        r = rows_load_spec(s, d->specs.rows[i].key, d->specs.rows[i].data.data,
                           d->specs.rows[i].data.len, err);
    for (size_t i = 0; r == 0 && i < d->rows.n; i++)
        r = rows_load(s, d->rows.rows[i].key, d->rows.rows[i].data.data, d->rows.rows[i].data.len,
                      err);
    for (size_t i = 0; r == 0 && i < d->n_journal; i++) {
        struct event ev;
        struct event_arena arena = {0};
        assert_true(
            event_decode(d->journal[i].data.data, d->journal[i].data.len, &ev, &arena, NULL) > 0);
        ev.seq = d->journal[i].key;
        r = rows_replay(s, &ev, err);
        event_arena_clear(&arena);
    }
    return r < 0 ? r : rows_load_end(s, err);
}

/* --- histories with crashes --- */

static bool seqs_are_equal(const struct state *a, const struct state *b)
{
    size_t it = 0;
    if (a->seq != b->seq)
        return false;
    for (struct job *j; (j = state_next_job(a, &it));) {
        const struct job *k = state_job(b, j->id);
        if (j->seq != k->seq)
            return false;
        size_t task_it = 0;
        for (struct task *t; (t = job_next_task(j, &task_it));)
            if (t->seq != job_task(k, t->index)->seq)
                return false;
    }
    return true;
}

static void check_crash(const struct disk *d, const struct state *s, struct state *loaded,
                        uint64_t seed, int64_t at)
{
    struct gw_err err = {0};
    if (load(d, loaded, &err) < 0)
        fail_msg("seed %" PRIu64 ", step %" PRId64 ": refused: %s", seed, at, err.text);
    const char *wrong = recount(loaded);
    if (wrong)
        fail_msg("seed %" PRIu64 ", step %" PRId64 ": %s", seed, at, wrong);
    if (!jobs_are_equal(s, loaded) || !jobs_are_equal(loaded, s))
        fail_msg("seed %" PRIu64 ", step %" PRId64 ": another state came back", seed, at);
    if (!seqs_are_equal(s, loaded))
        fail_msg("seed %" PRIu64 ", step %" PRId64 ": its numbers are others", seed, at);
    if (memcmp(s->n_tasks, loaded->n_tasks, sizeof s->n_tasks) != 0)
        fail_msg("seed %" PRIu64 ", step %" PRId64 ": its counters are others", seed, at);
}

static bool some_event(struct rng *r, struct state *s, struct disk *d, int64_t at)
{
    struct event ev;
    make_event(r, s, at * 1000, &ev);
    ev.seq = s->seq + 1;
    /* Ends are rare in these histories, so that few jobs would ever be forgotten. */
    struct job *j = some_job(r, s);
    if (s->instance && j && rng_below(r, 6) == 0)
        ev = (struct event){.kind = job_is_final(j) ? EV_JOB_FORGOTTEN : EV_TASK_ENDED,
                            .job = j->id,
                            .task = TASK_ALL,
                            .outcome = OUTCOME_FAILED,
                            .reason = "killed",
                            .at_us = at * 1000,
                            .seq = s->seq + 1};
    if (ev.kind == EV_JOB_FORGOTTEN)
        ev.task = 0;
    if (ev.kind >= EV_CK_STATE)
        return false;
    struct buf before = BUF_INIT;
    event_encode(&ev, &before); /* applying may replace what it borrows */
    struct event_arena arena = {0};
    struct event copy;
    bool is_taken = event_decode(before.data, before.len, &copy, &arena, NULL) > 0;
    copy.seq = ev.seq;
    is_taken = is_taken && state_apply(s, &copy, NULL) == 0;
    if (is_taken)
        disk_append(d, &copy);
    event_arena_clear(&arena);
    buf_clear(&before);
    return is_taken;
}

/* Of what was forgotten, also where a crash cut its removal off. */
static void check_nothing_is_left(struct disk *d, struct state *s, uint64_t seed)
{
    size_t n = 0, it = 0;
    for (int rounds = d->is_in_round ? 2 : 1; rounds; rounds -= !d->is_in_round)
        write_some(d, s);
    for (struct job *j; (j = state_next_job(s, &it)); n++) {
        size_t task_it = 0;
        while (j->tasks > 1 && job_next_task(j, &task_it))
            n++;
    }
    if (d->rows.n != n)
        fail_msg("seed %" PRIu64 ": %zu rows are left of %zu", seed, d->rows.n, n);
}

static void history_with_crashes(uint64_t seed, int64_t length)
{
    struct rng r = rng_of_seed(seed);
    struct state s;
    struct disk d = {0};
    uint64_t pace = 1 + rng_below(&r, 6), n_forgotten = 0;
    state_init(&s);
    rows_track(&s);
    struct event first = created_event();
    first.seq = 1;
    assert_int_equal(state_apply(&s, &first, NULL), 0);
    disk_append(&d, &first);
    do
        write_some(&d, &s);
    while (d.is_in_round);
    for (int64_t at = 1; at <= length; at++) {
        if (rng_below(&r, 7) < pace)
            n_forgotten += some_event(&r, &s, &d, at);
        else
            write_some(&d, &s);
        if (rng_below(&r, 4))
            continue;
        struct state loaded;
        check_crash(&d, &s, &loaded, seed, at);
        if (rng_below(&r, 8) == 0) { /* it was one: go on with what came back */
            struct state old = s;
            s = loaded;
            loaded = old;
            d.is_in_round = false;
            d.drop = d.drop_end = 0;
        }
        state_clear(&loaded);
    }
    check_nothing_is_left(&d, &s, seed);
    state_clear(&s);
    disk_clear(&d);
}

static void whatever_was_written_when_the_crash_came_the_same_state_comes_back(void **state)
{
    (void)state;
    uint64_t seed, end;
    for (seeds(150, &seed, &end); seed < end; seed++)
        history_with_crashes(seed, 600);
}

static void a_row_that_is_missing_is_noticed(void **state)
{
    (void)state;
    struct state s, loaded;
    struct disk d = {0};
    struct gw_err err = {0};
    state_init(&s);
    rows_track(&s);
    struct event ev = created_event();
    ev.seq = 1;
    state_apply(&s, &ev, NULL);
    disk_append(&d, &ev);
    for (int i = 0; i < 3; i++) {
        ev = submit_event(s.next_job, 1, plain_job);
        ev.seq = s.seq + 1;
        assert_int_equal(state_apply(&s, &ev, NULL), 0);
        disk_append(&d, &ev);
    }
    do
        write_some(&d, &s);
    while (d.is_in_round);
    /* Something happens to a job after the checkpoint, whose row is gone. */
    ev = (struct event){.kind = EV_WISHED, .job = 2, .wish = WISH_HELD, .seq = s.seq + 1};
    assert_int_equal(state_apply(&s, &ev, NULL), 0);
    disk_append(&d, &ev);
    disk_drop(&d.rows, 4, 5);
    assert_int_equal(load(&d, &loaded, &err), -GW_ECORRUPT);
    assert_non_null(strstr(err.text, "job 2 "));
    state_clear(&loaded);
    state_clear(&s);
    disk_clear(&d);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(whatever_was_written_when_the_crash_came_the_same_state_comes_back),
        cmocka_unit_test(a_row_that_is_missing_is_noticed),
    };
    return cmocka_run_group_tests_name("rows", tests, NULL, NULL);
}
