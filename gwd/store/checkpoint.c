/* Writing checkpoints: the state as events, cut into parts of a MiB, in one transaction with the
 * pruning. */
#include "gwd/store/store_private.h"

enum { PART_BYTES = 1 << 20 };

struct writing {
    struct store *store;
    sqlite3_stmt *insert;
    struct buf part;
    uint64_t number;
    struct gw_err *err;
    int result;
};

static void write_part(struct writing *w)
{
    if (w->result < 0 || w->part.len == 0)
        return;
    seal(&w->part, w->number);
    sqlite3_bind_int64(w->insert, 1, (sqlite3_int64)w->number++);
    sqlite3_bind_blob(w->insert, 2, w->part.data, (int)w->part.len, SQLITE_STATIC);
    if (sqlite3_step(w->insert) != SQLITE_DONE)
        w->result = sql_error(w->store->state, "writing a checkpoint", w->err);
    sqlite3_reset(w->insert);
    buf_reset(&w->part);
}

static void write_event(void *ctx, const struct event *ev)
{
    struct writing *w = ctx;
    event_encode(ev, &w->part);
    if (w->part.len >= PART_BYTES)
        write_part(w);
}

/* How many parts there are: a missing one would be a state that folds, without some of its jobs. */
static int write_count(struct store *s, uint64_t n_parts, struct gw_err *err)
{
    sqlite3_stmt *q;
    int r = sql_prepare(s->state, "INSERT OR REPLACE INTO meta VALUES('parts', ?)", &q, err);
    if (r < 0)
        return r;
    sqlite3_bind_int64(q, 1, (sqlite3_int64)n_parts);
    if (sqlite3_step(q) != SQLITE_DONE)
        r = sql_error(s->state, "counting the parts of a checkpoint", err);
    sqlite3_finalize(q);
    return r;
}

static int prune_journal(struct store *s, uint64_t last_seq, struct gw_err *err)
{
    sqlite3_stmt *q;
    int r = sql_prepare(s->state, "DELETE FROM journal WHERE seq + n - 1 <= ?", &q, err);
    if (r < 0)
        return r;
    sqlite3_bind_int64(q, 1, (sqlite3_int64)last_seq);
    if (sqlite3_step(q) != SQLITE_DONE)
        r = sql_error(s->state, "pruning the journal", err);
    sqlite3_finalize(q);
    return r;
}

static int write_all(struct store *s, const struct state *state, uint64_t keep, struct gw_err *err)
{
    struct writing w = {.store = s, .err = err};
    int r = sql_exec(s->state, "DELETE FROM checkpoint", "dropping the old checkpoint", err);
    if (r == 0)
        r = sql_prepare(s->state, "INSERT INTO checkpoint(part, data) VALUES(?, ?)", &w.insert,
                        err);
    if (r < 0)
        return r;
    state_dump(state, write_event, &w);
    write_part(&w);
    sqlite3_finalize(w.insert);
    buf_clear(&w.part);
    r = w.result;
    if (r == 0)
        r = write_count(s, w.number, err);
    return r < 0 ? r : prune_journal(s, state->seq > keep ? state->seq - keep : 0, err);
}

int store_checkpoint(struct store *s, const struct state *state, uint64_t keep, struct gw_err *err)
{
    int r = sql_exec(s->state, "BEGIN IMMEDIATE", "beginning a checkpoint", err);
    if (r < 0)
        return r;
    r = write_all(s, state, keep, err);
    if (r == 0)
        r = sql_exec(s->state, "COMMIT", "committing a checkpoint", err);
    if (r < 0)
        sqlite3_exec(s->state, "ROLLBACK", NULL, NULL, NULL);
    else
        s->rows = 0;
    return r;
}
