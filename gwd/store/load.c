/* Reading: the state from checkpoint and journal, and events for those who watch. */
#include "gwd/store/store_private.h"

#include "lib/mem.h"

#include <inttypes.h>
#include <string.h>

/* Go through the events of one blob. `seq` of the first, 0 for a checkpoint's, which have none. */
static int each_event(const void *data, size_t len, uint64_t seq, uint64_t n,
                      bool (*each)(void *ctx, struct event *ev), void *ctx, struct gw_err *err)
{
    const char *p = data, *end = p + len;
    struct event_arena arena = {0};
    uint64_t i = 0;
    long used = 0;
    bool goes_on = true;
    for (; goes_on && p < end; i++) {
        struct event ev;
        used = event_decode(p, (size_t)(end - p), &ev, &arena, err);
        if (used < 0)
            break;
        ev.seq = seq ? seq + i : 0;
        goes_on = each(ctx, &ev);
        event_arena_reset(&arena);
        p += used;
    }
    event_arena_clear(&arena);
    if (used < 0 || !goes_on)
        return used < 0 ? (int)used : 1;
    if (seq && i != n)
        return gw_err_set(err, GW_ECORRUPT, "it has %" PRIu64 " events instead of %" PRIu64, i, n);
    return 0;
}

struct folding {
    struct state *state;
    struct gw_err *err;
    int result;
};

static bool fold(void *ctx, struct event *ev)
{
    struct folding *f = ctx;
    f->result = rows_replay(f->state, ev, f->err);
    return f->result == 0;
}

static int load_row(struct state *state, sqlite3_stmt *q, const char *table, struct gw_err *err)
{
    uint64_t number = (uint64_t)sqlite3_column_int64(q, 0),
             n = (uint64_t)sqlite3_column_int64(q, 1);
    const void *data = sqlite3_column_blob(q, 2);
    long len = unseal(data, (size_t)sqlite3_column_bytes(q, 2), number);
    bool is_journal = table[0] == 'j';
    struct folding f = {state, err, 0};
    int r;
    if (len < 0)
        r = gw_err_set(err, GW_ECORRUPT, "its checksum does not fit");
    else if (is_journal && number != state->seq + 1)
        r = gw_err_set(err, GW_ECORRUPT, "the events before it, from %" PRIu64 " on, are missing",
                       state->seq + 1);
    else
        r = each_event(data, (size_t)len, is_journal ? number : 0, n, fold, &f, err);
    if (r >= 0 && f.result < 0)
        r = f.result;
    return r < 0 ? gw_err_context(err, "%s row %" PRIu64, table, number) : 0;
}

static int load_rows(struct store *s, struct state *state, const char *sql, uint64_t from,
                     const char *table, uint64_t *ret_n, struct gw_err *err)
{
    sqlite3_stmt *q;
    int r = sql_prepare(s->state, sql, &q, err);
    if (r < 0)
        return r;
    sqlite3_bind_int64(q, 1, (sqlite3_int64)from);
    int step;
    while (r == 0 && (step = sqlite3_step(q)) == SQLITE_ROW) {
        r = load_row(state, q, table, err);
        ++*ret_n;
    }
    if (r == 0 && step != SQLITE_DONE)
        r = sql_error(s->state, table, err);
    sqlite3_finalize(q);
    return r;
}

/* The one number that a query gives; 0 when it gives none. */
static int ask_number(struct store *s, const char *sql, uint64_t *ret, struct gw_err *err)
{
    sqlite3_stmt *q;
    int r = sql_prepare(s->state, sql, &q, err);
    if (r < 0)
        return r;
    int step = sqlite3_step(q);
    if (step == SQLITE_ROW)
        *ret = (uint64_t)sqlite3_column_int64(q, 0);
    else if (step == SQLITE_DONE)
        *ret = 0;
    else
        r = sql_error(s->state, sql, err);
    sqlite3_finalize(q);
    return r;
}

/* Each part is as it was written; are they all there? */
static int check_parts(struct store *s, uint64_t n, struct gw_err *err)
{
    uint64_t n_written, last;
    int r = ask_number(s, "SELECT value FROM meta WHERE key = 'parts'", &n_written, err);
    if (r == 0)
        r = ask_number(s, "SELECT max(part) + 1 FROM checkpoint", &last, err);
    if (r == 0 && (n != n_written || n != last))
        r = gw_err_set(err, GW_ECORRUPT, "the checkpoint has %" PRIu64 " of its %" PRIu64 " parts",
                       n, n_written);
    return r;
}

/* As the first format had it: the state whole, in parts. */
static int load_parts(struct store *s, struct state *state, struct gw_err *err)
{
    uint64_t n = 0;
    int r =
        load_rows(s, state, "SELECT part, 0, data FROM checkpoint WHERE part >= ? ORDER BY part", 0,
                  "checkpoint", &n, err);
    return r < 0 ? r : check_parts(s, n, err);
}

typedef int load_one(struct state *state, uint64_t key, const void *data, size_t len,
                     struct gw_err *err);

static int load_head(struct state *state, uint64_t key, const void *data, size_t len,
                     struct gw_err *err)
{
    (void)key;
    return rows_load_head(state, data, len, err);
}

/* Each row that `sql` gives, which has to be as it was written. */
static int load_each(struct store *s, struct state *state, const char *sql, const char *table,
                     load_one *load, uint64_t *ret_n, uint64_t *sum, struct gw_err *err)
{
    sqlite3_stmt *q;
    int r = sql_prepare(s->state, sql, &q, err);
    if (r < 0)
        return r;
    int step;
    *ret_n = 0;
    while (r == 0 && (step = sqlite3_step(q)) == SQLITE_ROW) {
        uint64_t key = (uint64_t)sqlite3_column_int64(q, 0);
        const void *data = sqlite3_column_blob(q, 1);
        size_t size = (size_t)sqlite3_column_bytes(q, 1);
        long len = unseal(data, size, key);
        *sum += row_hash(load == rows_load_spec, key, data, size);
        r = len < 0 ? gw_err_set(err, GW_ECORRUPT, "its checksum does not fit")
                    : load(state, key, data, (size_t)len, err);
        if (r < 0)
            gw_err_context(err, "checkpoint %s %" PRIu64, table, key);
        ++*ret_n;
    }
    if (r == 0 && step != SQLITE_DONE)
        r = sql_error(s->state, table, err);
    sqlite3_finalize(q);
    return r;
}

static int check_count(const char *table, uint64_t n, uint64_t n_written, struct gw_err *err)
{
    if (n == n_written)
        return 0;
    return gw_err_set(err, GW_ECORRUPT,
                      "the checkpoint has %" PRIu64 " rows in \"%s\" instead of %" PRIu64, n, table,
                      n_written);
}

static int load_checkpoint(struct store *s, struct state *state, struct gw_err *err)
{
    uint64_t n_heads, n_rows = 0, n_specs = 0, sum = 0, of_head = 0;
    s->sum = 0;
    int r = ask_number(s, "SELECT value FROM meta WHERE key = 'rows'", &s->n_rows, err);
    if (r == 0)
        r = ask_number(s, "SELECT value FROM meta WHERE key = 'specs'", &s->n_specs, err);
    if (r == 0)
        r = ask_number(s, "SELECT value FROM meta WHERE key = 'sum'", &s->sum, err);
    if (r == 0)
        r = load_each(s, state, "SELECT 0, value FROM meta WHERE key = 'head'", "head", load_head,
                      &n_heads, &of_head, err);
    if (r < 0)
        return r;
    s->has_head = n_heads > 0;
    if (s->has_head) {
        r = load_each(s, state, "SELECT id, data FROM spec ORDER BY id", "spec", rows_load_spec,
                      &n_specs, &sum, err);
        if (r == 0)
            r = load_each(s, state, "SELECT key, data FROM row ORDER BY key", "row", rows_load,
                          &n_rows, &sum, err);
    }
    if (r == 0)
        r = check_count("spec", n_specs, s->n_specs, err);
    if (r == 0)
        r = check_count("row", n_rows, s->n_rows, err);
    if (r == 0 && s->format >= STORE_FORMAT && sum != s->sum)
        r = gw_err_set(err, GW_ECORRUPT,
                       "the checkpoint has a row that is not its last version: their sum does not "
                       "fit");
    s->sum = sum;
    return r;
}

/* SQLite's own look at its pages: one that is in use and listed as free would be written over. */
static int check_pages(struct store *s, struct gw_err *err)
{
    sqlite3_stmt *q;
    int r = sql_prepare(s->state, "PRAGMA quick_check(1)", &q, err);
    if (r < 0)
        return r;
    int step = sqlite3_step(q);
    const char *says = step == SQLITE_ROW ? (const char *)sqlite3_column_text(q, 0) : NULL;
    if (step != SQLITE_ROW)
        r = sql_error(s->state, "looking at the pages", err);
    else if (!says || strcmp(says, "ok") != 0)
        r = gw_err_set(err, GW_ECORRUPT, "its pages are damaged: %s", says ? says : "?");
    sqlite3_finalize(q);
    return r;
}

/* What was read is good, so that it may be written to. The log is copied into the database at once:
 * when a sync of it had failed before, its pages are in memory and perhaps not on disk, and nobody
 * would write them again. */
static int begin_writing(struct store *s, struct state *state, struct gw_err *err)
{
    int r = store_archive_begin(s, err);
    if (r == 0)
        r = mark_begin(s, err);
    mark_name(s, state->instance);
    s->mark.seq = state->seq;
    if (r == 0)
        r = store_begin(s, err);
    if (r == 0 && s->format < STORE_FORMAT)
        r = checkpoint_convert(s, state, err);
    if (r == 0)
        r = sql_exec(s->state, "PRAGMA wal_checkpoint(TRUNCATE)", "copying the log", err);
    if (r == 0)
        r = mark_write(s, err);
    sqlite3 *const all[] = {s->state, s->archive, s->archive_writer};
    for (size_t i = 0; i < GW_COUNT(all); i++)
        if (all[i]) /* else it could not be opened */
            sqlite3_db_config(all[i], SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, 0, NULL);
    return r;
}

int store_load(struct store *s, struct state *state, struct gw_err *err)
{
    bool is_old = s->format == STORE_FORMAT_PARTS;
    int r = check_pages(s, err);
    if (r == 0)
        r = is_old ? load_parts(s, state, err) : load_checkpoint(s, state, err);
    s->rows = 0;
    if (r == 0)
        r = load_rows(s, state, "SELECT seq, n, data FROM journal WHERE seq > ? ORDER BY seq",
                      state->seq, "journal", &s->rows, err);
    if (r == 0 && state->is_loading)
        r = gw_err_set(err, GW_ECORRUPT, "the checkpoint has no end");
    if (r == 0)
        r = rows_load_end(state, err);
    if (r == 0 && !state->rows.are_tracked)
        rows_track(state);
    s->next_seq = state->seq + 1;
    if (r == 0)
        r = mark_check(s, state, err);
    if (r == 0 && !s->is_read_only)
        r = begin_writing(s, state, err);
    return r < 0 ? gw_err_context(err, "%s/state.db", s->dir) : 0;
}

struct reading {
    uint64_t from;
    bool (*each)(void *ctx, const struct event *ev);
    void *ctx;
};

static bool pass_on(void *ctx, struct event *ev)
{
    struct reading *r = ctx;
    return ev->seq < r->from || r->each(r->ctx, ev);
}

int store_read(struct store *s, uint64_t from, bool (*each)(void *ctx, const struct event *ev),
               void *ctx, uint64_t *ret_oldest, struct gw_err *err)
{
    uint64_t oldest;
    int r = ask_number(s, "SELECT min(seq) FROM journal", &oldest, err);
    if (r < 0)
        return r;
    *ret_oldest = oldest ? oldest : s->next_seq;
    if (from < *ret_oldest)
        return gw_err_set(err, GW_ENOENT, "events before %" PRIu64 " are no longer kept",
                          *ret_oldest);
    sqlite3_stmt *q;
    r = sql_prepare(s->state,
                    "SELECT seq, n, data FROM journal WHERE seq >= "
                    "coalesce((SELECT max(seq) FROM journal WHERE seq <= ?1), ?1) ORDER BY seq",
                    &q, err);
    if (r < 0)
        return r;
    sqlite3_bind_int64(q, 1, (sqlite3_int64)from);
    struct reading reading = {from, each, ctx};
    int step;
    while (r == 0 && (step = sqlite3_step(q)) == SQLITE_ROW) {
        uint64_t seq = (uint64_t)sqlite3_column_int64(q, 0);
        long len = unseal(sqlite3_column_blob(q, 2), (size_t)sqlite3_column_bytes(q, 2), seq);
        r = len < 0 ? gw_err_set(err, GW_ECORRUPT,
                                 "journal row %" PRIu64 ": its checksum does not fit", seq)
                    : each_event(sqlite3_column_blob(q, 2), (size_t)len, seq,
                                 (uint64_t)sqlite3_column_int64(q, 1), pass_on, &reading, err);
    }
    if (r == 0 && step != SQLITE_DONE)
        r = sql_error(s->state, "reading the journal", err);
    sqlite3_finalize(q);
    return r < 0 ? r : 0;
}
