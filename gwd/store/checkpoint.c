/* Writing checkpoints: rows of what has changed, some after each turn, then the head, then the
 * journal before it goes. Nothing of this has to be on disk at once: what a power cut takes of it,
 * it takes from the end, and the journal that would replace it is still there. */
#include "gwd/store/store_private.h"

#include "lib/crash.h"
#include "lib/num.h"

#include <assert.h>
#include <time.h>

enum {
    DROP_KEYS = 500,  /* of one statement */
    PRUNE_ROWS = 200, /* of the journal, at a time */
    PRUNE_BYTES = 1 << 19,
    EVENTS_FOR_A_ROW =
        10, /* a round also begins after so many events for each row that it waits for */
};

static const char CONVERT[] =
    "DROP TABLE IF EXISTS checkpoint; DELETE FROM meta WHERE key = 'parts';"
    "UPDATE meta SET value = 3 WHERE key = 'format'";

static int64_t now_us(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (int64_t)t.tv_sec * 1000000 + t.tv_nsec / 1000;
}

static int step(struct store *s, sqlite3_stmt *q, const char *what, struct gw_err *err)
{
    int r = sqlite3_step(q) == SQLITE_DONE ? 0 : sql_error(s->state, what, err);
    sqlite3_reset(q);
    return r;
}

uint64_t row_hash(bool is_spec, uint64_t key, const void *data, size_t len)
{
    uint64_t parts[3] = {is_spec, key, num_fnv64(data, len)};
    return num_fnv64(parts, sizeof parts);
}

/* The rows that `q` gives, or what they were, are no longer part of the sum. */
static int take_from_sum(struct store *s, sqlite3_stmt *q, bool is_spec, unsigned *ret_n,
                         struct gw_err *err)
{
    int code;
    for (*ret_n = 0; (code = sqlite3_step(q)) == SQLITE_ROW; ++*ret_n)
        s->sum -= row_hash(is_spec, (uint64_t)sqlite3_column_int64(q, 0), sqlite3_column_blob(q, 1),
                           (size_t)sqlite3_column_bytes(q, 1));
    int r = code == SQLITE_DONE ? 0 : sql_error(s->state, "changing rows of a checkpoint", err);
    sqlite3_reset(q);
    return r;
}

static int put_row(struct store *s, enum statement which, uint64_t key, bool is_new,
                   struct buf *data, struct gw_err *err)
{
    sqlite3_stmt *q = s->statements[which];
    unsigned n_old;
    if (!is_new) {
        sqlite3_bind_int64(s->statements[GET_ROW], 1, (sqlite3_int64)key);
        int r = take_from_sum(s, s->statements[GET_ROW], false, &n_old, err);
        if (r < 0)
            return r;
    }
    seal(data, key);
    s->sum += row_hash(which == PUT_SPEC, key, data->data, data->len);
    sqlite3_bind_int64(q, 1, (sqlite3_int64)key);
    sqlite3_bind_blob(q, 2, data->data, (int)data->len, SQLITE_STATIC);
    int r = step(s, q, "writing a checkpoint", err);
    sqlite3_clear_bindings(q);
    return r;
}

/* Some of the rows of what was forgotten; the rest of a long range is left in s->drop. */
static int drop_rows(struct store *s, struct gw_err *err)
{
    sqlite3_stmt *q = s->statements[DROP_ROWS];
    sqlite3_bind_int64(q, 1, (sqlite3_int64)s->drop.key);
    sqlite3_bind_int64(q, 2, (sqlite3_int64)s->drop.end);
    sqlite3_bind_int(q, 3, DROP_KEYS);
    unsigned n;
    int r = take_from_sum(s, q, false, &n, err);
    s->n_rows -= n;
    if (n < DROP_KEYS)
        s->drop.key = s->drop.end;
    return r;
}

static int write_row(struct store *s, const struct row *row, struct buf *data, struct gw_err *err)
{
    sqlite3_stmt *q = s->statements[DROP_SPEC];
    unsigned n;
    switch (row->kind) {
    case ROW_SPEC:
        s->n_specs++;
        return put_row(s, PUT_SPEC, row->key, true, data, err);
    case ROW_PUT:
        s->n_rows += row->is_new;
        return put_row(s, PUT_ROW, row->key, row->is_new, data, err);
    case ROW_DROP:
        s->drop = *row;
        return drop_rows(s, err);
    case ROW_DROP_SPEC:
        s->n_specs--;
        sqlite3_bind_int64(q, 1, (sqlite3_int64)row->key);
        return take_from_sum(s, q, true, &n, err);
    }
    return 0;
}

static int put_meta(struct store *s, const char *key, const struct buf *blob, uint64_t number,
                    struct gw_err *err)
{
    sqlite3_stmt *q = s->statements[PUT_META];
    sqlite3_bind_text(q, 1, key, -1, SQLITE_STATIC);
    if (blob)
        sqlite3_bind_blob(q, 2, blob->data, (int)blob->len, SQLITE_STATIC);
    else
        sqlite3_bind_int64(q, 2, (sqlite3_int64)number);
    int r = step(s, q, "writing the head of a checkpoint", err);
    sqlite3_clear_bindings(q);
    return r;
}

/* How many rows there are, and their sum: a missing or an older one would be a state that folds,
 * without some of its jobs. */
static int put_counts(struct store *s, struct gw_err *err)
{
    int r = put_meta(s, "rows", NULL, s->n_rows, err);
    if (r == 0)
        r = put_meta(s, "specs", NULL, s->n_specs, err);
    return r < 0 ? r : put_meta(s, "sum", NULL, s->sum, err);
}

static int end_round(struct store *s, struct state *state, struct gw_err *err)
{
    seal(&s->head, 0);
    int r = put_meta(s, "head", &s->head, 0, err);
    if (r < 0)
        return r;
    rows_round_end(state);
    s->has_head = true;
    s->rows -= s->rows_of_round;
    s->prune_to = state->rows.done;
    s->step = STEP_PRUNE;
    return 0;
}

/* Rows until the time is up; the head when there are no more. */
static int write_rows(struct store *s, struct state *state, int64_t until_us, struct gw_err *err)
{
    struct buf data = BUF_INIT;
    int r = 0;
    bool has_more = true;
    do {
        struct row row;
        buf_reset(&data);
        if (s->drop.key < s->drop.end)
            r = drop_rows(s, err);
        else if ((has_more = rows_next(state, &row, &data)))
            r = write_row(s, &row, &data, err);
    } while (r == 0 && has_more && now_us() < until_us);
    buf_clear(&data);
    if (r == 0)
        r = put_counts(s, err);
    if (r == 0 && !has_more)
        r = end_round(s, state, err);
    return r;
}

/* The last row of the journal's oldest that go together now: 0 when none has to. */
static int oldest_rows(struct store *s, uint64_t last_seq, sqlite3_int64 *ret_seq,
                       struct gw_err *err)
{
    sqlite3_stmt *q = s->statements[OLDEST];
    sqlite3_int64 bytes = 0;
    int code = SQLITE_DONE;
    *ret_seq = 0;
    sqlite3_bind_int(q, 1, PRUNE_ROWS);
    while (bytes < PRUNE_BYTES && (code = sqlite3_step(q)) == SQLITE_ROW) {
        sqlite3_int64 seq = sqlite3_column_int64(q, 0), n = sqlite3_column_int64(q, 1);
        if ((uint64_t)(seq + n - 1) > last_seq) {
            code = SQLITE_DONE;
            break;
        }
        *ret_seq = seq;
        bytes += sqlite3_column_int64(q, 2);
    }
    int r = code == SQLITE_DONE || code == SQLITE_ROW
                ? 0
                : sql_error(s->state, "reading the journal", err);
    sqlite3_reset(q);
    return r;
}

/* The journal that the checkpoint has replaced, but for the last `keep` events. */
static int prune(struct store *s, const struct state *state, uint64_t keep, int64_t until_us,
                 struct gw_err *err)
{
    uint64_t last = state->seq > keep ? state->seq - keep : 0;
    int r = 0;
    sqlite3_int64 seq = 0;
    last = last < s->prune_to ? last : s->prune_to;
    do {
        r = oldest_rows(s, last, &seq, err);
        if (r == 0 && seq) {
            sqlite3_bind_int64(s->statements[PRUNE], 1, seq);
            r = step(s, s->statements[PRUNE], "pruning the journal", err);
        }
    } while (r == 0 && seq && now_us() < until_us);
    if (r == 0 && !seq)
        s->step = STEP_NONE;
    return r;
}

static void begin_round(struct store *s, struct state *state)
{
    buf_reset(&s->head);
    mark_name(s, state->instance);
    rows_round_begin(state, &s->head);
    s->rows_of_round = s->rows;
    s->step = STEP_ROWS;
}

static int run_step(struct store *s, struct state *state, uint64_t keep, int64_t until_us,
                    struct gw_err *err)
{
    return s->step == STEP_ROWS ? write_rows(s, state, until_us, err)
                                : prune(s, state, keep, until_us, err);
}

static int transaction(struct store *s, struct state *state, uint64_t keep, int64_t until_us,
                       struct gw_err *err)
{
    /* The next turn's sync is early enough. */
    int r = sql_exec(s->state, "PRAGMA synchronous=NORMAL; BEGIN IMMEDIATE",
                     "beginning a checkpoint", err);
    if (r < 0)
        return r;
    do
        r = run_step(s, state, keep, until_us, err);
    while (r == 0 && s->step != STEP_NONE && until_us == INT64_MAX);
    if (r == 0 && s->has_to_convert)
        r = sql_exec(s->state, CONVERT, "making this format of the one before", err);
    crash_point("checkpoint");
    if (r == 0)
        r = sql_exec(s->state, "COMMIT; PRAGMA synchronous=FULL", "committing a checkpoint", err);
    crash_point("checkpoint");
    if (r < 0)
        sqlite3_exec(s->state, "ROLLBACK; PRAGMA synchronous=FULL", NULL, NULL, NULL);
    return r;
}

/* In one transaction, whatever there is of it. */
static int write_all(struct store *s, struct state *state, uint64_t keep, struct gw_err *err)
{
    uint64_t rows = s->rows;
    if (s->step != STEP_ROWS)
        begin_round(s, state);
    int r = transaction(s, state, keep, INT64_MAX, err);
    if (r < 0)
        s->rows = rows;
    return r;
}

int store_checkpoint(struct store *s, struct state *state, uint64_t keep, struct gw_err *err)
{
    assert(state->seq + 1 == s->next_seq);
    if (!state->rows.are_tracked)
        rows_track(state);
    int r = s->step == STEP_NONE ? 0 : write_all(s, state, keep, err); /* one that is under way */
    return r < 0 ? r : write_all(s, state, keep, err);
}

static bool is_due(const struct store *s, const struct state *state, uint64_t every)
{
    return !s->has_head || s->rows >= every ||
           state->seq - state->rows.done >= EVENTS_FOR_A_ROW * every;
}

int store_checkpoint_some(struct store *s, struct state *state, uint64_t every, uint64_t keep,
                          struct gw_err *err)
{
    assert(state->seq + 1 == s->next_seq);
    if (s->step == STEP_NONE && !is_due(s, state, every))
        return 0;
    if (!s->has_head) /* nearly empty; what is loaded begins with a head */
        return store_checkpoint(s, state, keep, err);
    if (s->step == STEP_NONE)
        begin_round(s, state);
    return transaction(s, state, keep, now_us() + s->slice_us, err);
}

int checkpoint_convert(struct store *s, struct state *state, struct gw_err *err)
{
    /* A checkpoint whatever has changed: it writes the sum. Nothing was ever stored without an
     * instance. */
    if (!state->instance)
        return sql_exec(s->state, CONVERT, "making this format of the one before", err);
    s->has_to_convert = true;
    int r = store_checkpoint(s, state, UINT64_MAX, err);
    s->has_to_convert = false;
    return r;
}
