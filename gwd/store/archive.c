/* What is finished: a file of its own, so that a long query there never holds up the journal.
 * Written by the worker, in batches; idempotent. Rows are as those of a checkpoint
 * (gwd/model/rows.h). */
#include "gwd/store/store_private.h"

#include "lib/crash.h"
#include "lib/mem.h"
#include "lib/num.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

static const char DURABLE[] = "PRAGMA journal_mode=WAL; PRAGMA synchronous=FULL;"
                              "PRAGMA journal_size_limit=16777216";

/* What is free goes back to the file system. Of use only before there is anything in the file. */
static const char SHRINKING[] = "PRAGMA auto_vacuum=INCREMENTAL";

static const char TABLES[] =
    /* A batch and its jobs (first id, tasks); specs say the last batch that used them. */
    "CREATE TABLE IF NOT EXISTS batch(id INTEGER PRIMARY KEY AUTOINCREMENT,"
    " at_us INTEGER NOT NULL, jobs BLOB NOT NULL);"
    "CREATE TABLE IF NOT EXISTS spec(id INTEGER PRIMARY KEY, hash INTEGER NOT NULL,"
    " used INTEGER NOT NULL, data BLOB NOT NULL);"
    "CREATE INDEX IF NOT EXISTS spec_by_use ON spec(used);"
    "CREATE INDEX IF NOT EXISTS spec_by_hash ON spec(hash);"
    "CREATE TABLE IF NOT EXISTS job(id INTEGER PRIMARY KEY, tasks INTEGER NOT NULL,"
    " spec INTEGER NOT NULL, data BLOB NOT NULL, batch INTEGER);" /* the last that brought it */
    "CREATE TABLE IF NOT EXISTS job_task(id INTEGER PRIMARY KEY, data BLOB NOT NULL);"
    /* What versions before this one wrote: JSON, read by store_find_archived_text(). */
    "CREATE TABLE IF NOT EXISTS task(id INTEGER PRIMARY KEY, uid INTEGER, user TEXT,"
    " ended_us INTEGER, job TEXT NOT NULL, history TEXT NOT NULL);";

/* Has it all batches that were written? Jobs are in no other place by now. */
static int check_batches(struct store *s, const char *path, struct gw_err *err)
{
    sqlite3_stmt *q;
    int r =
        sql_prepare(s->archive, "SELECT seq FROM sqlite_sequence WHERE name = 'batch'", &q, err);
    if (r < 0)
        return gw_err_context(err, "%s", path);
    int step = sqlite3_step(q);
    uint64_t last = step == SQLITE_ROW ? (uint64_t)sqlite3_column_int64(q, 0) : 0;
    if (step != SQLITE_ROW && step != SQLITE_DONE)
        r = sql_error(s->archive, path, err);
    else if (last < s->mark.batch)
        r = gw_err_set(err, GW_ECORRUPT,
                       "%s ends with batch %" PRIu64 ", and batch %" PRIu64
                       " was written: it is an older one, was cut off, or is damaged",
                       path, last, s->mark.batch);
    else
        s->mark.batch = last;
    sqlite3_finalize(q);
    return r;
}

int store_archive_open(struct store *s, struct gw_err *err)
{
    char *path = xasprintf("%s/archive.db", s->dir);
    struct stat st;
    bool is_there = stat(path, &st) == 0 && st.st_size > 0;
    int r = 0;
    if (s->mark.batch && !is_there)
        r = gw_err_set(err, GW_ECORRUPT, "%s, the archive of finished jobs, is missing or empty",
                       path);
    if (r == 0 && is_there)
        r = store_open_database(path, SQLITE_OPEN_READWRITE, &s->archive, err);
    if (r == 0 && s->mark.batch)
        r = check_batches(s, path, err);
    free(path);
    return r;
}

/* Call `each` for the jobs of a batch, first id and number of tasks, until one is refused. */
static int each_job(const void *jobs, size_t len,
                    int (*each)(void *ctx, const uint64_t job[2], struct gw_err *err), void *ctx,
                    struct gw_err *err)
{
    int r = 0;
    uint64_t job[2];
    for (size_t at = 0; r == 0 && at + sizeof job <= len; at += sizeof job) {
        memcpy(job, (const char *)jobs + at, sizeof job);
        r = each(ctx, job, err);
    }
    return r;
}

static int step_once(sqlite3 *db, sqlite3_stmt *q, struct gw_err *err)
{
    int r = sqlite3_step(q) == SQLITE_DONE ? 0 : sql_error(db, "writing to the archive", err);
    sqlite3_reset(q);
    return r;
}

static int name_batch(void *ctx, const uint64_t job[2], struct gw_err *err)
{
    sqlite3_stmt *q = ctx;
    sqlite3_bind_int64(q, 2, (sqlite3_int64)job[0]);
    return step_once(sqlite3_db_handle(q), q, err);
}

/* Archives of before this column: each job gets the last batch that has it. Their times are those
 * of a clock that may have been set: none of them can be believed, and nothing goes early. */
static int fill_batches(sqlite3 *db, struct gw_err *err)
{
    sqlite3_stmt *batches = NULL, *name = NULL;
    int step = SQLITE_DONE;
    int r = sql_exec(db, "ALTER TABLE job ADD COLUMN batch INTEGER", "archive.db", err);
    if (r == 0)
        r = sql_prepare(db, "SELECT id, jobs FROM batch ORDER BY id", &batches, err);
    if (r == 0)
        r = sql_prepare(db, "UPDATE job SET batch = ? WHERE id = ?", &name, err);
    while (r == 0 && (step = sqlite3_step(batches)) == SQLITE_ROW) {
        sqlite3_bind_int64(name, 1, sqlite3_column_int64(batches, 0));
        r = each_job(sqlite3_column_blob(batches, 1), (size_t)sqlite3_column_bytes(batches, 1),
                     name_batch, name, err);
    }
    if (r == 0 && step != SQLITE_DONE)
        r = sql_error(db, "reading the archive", err);
    sqlite3_finalize(batches);
    sqlite3_finalize(name);
    return r < 0 ? r
                 : sql_exec(db, "UPDATE batch SET at_us = (SELECT max(at_us) FROM batch)",
                            "archive.db", err);
}

static int make_tables(sqlite3 *db, const char *path, struct gw_err *err)
{
    sqlite3_stmt *q;
    int r = sql_exec(db, "BEGIN IMMEDIATE", path, err);
    if (r == 0)
        r = sql_exec(db, TABLES, path, err);
    if (r == 0)
        r = sql_prepare(db, "SELECT 1 FROM pragma_table_info('job') WHERE name = 'batch'", &q, err);
    if (r < 0)
        return r;
    bool is_filled = sqlite3_step(q) == SQLITE_ROW;
    sqlite3_finalize(q);
    if (!is_filled)
        r = fill_batches(db, err);
    return r < 0 ? r : sql_exec(db, "COMMIT", path, err);
}

int store_archive_begin(struct store *s, struct gw_err *err)
{
    enum { FLAGS = SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE };
    if (s->archive_writer)
        return 0; /* the state was read before */
    char *path = xasprintf("%s/archive.db", s->dir);
    bool is_new = !s->archive;
    int r = is_new ? store_open_database(path, FLAGS, &s->archive, err) : 0;
    if (r == 0 && is_new)
        r = sql_exec(s->archive, SHRINKING, path, err);
    if (r == 0)
        r = sql_exec(s->archive, DURABLE, path, err);
    if (r == 0)
        r = make_tables(s->archive, path, err);
    if (r == 0 && !s->mark.batch)
        r = check_batches(s, path, err);
    if (r == 0)
        r = store_open_database(path, FLAGS, &s->archive_writer, err);
    if (r == 0)
        r = sql_exec(s->archive_writer, DURABLE, path, err);
    free(path);
    return r;
}

/* --- a batch: made on the loop's thread, written by the worker --- */

struct archive_row {
    enum { ROW_OF_SPEC, ROW_OF_JOB, ROW_OF_TASK } kind;
    uint64_t id, tasks;
    size_t from, len; /* in data */
};

void store_archive_clear(struct archive_batch *b)
{
    free(b->rows);
    buf_clear(&b->data);
    *b = (struct archive_batch){0};
}

static void add_row(struct archive_batch *b, struct archive_row row, struct buf *data)
{
    if (row.kind != ROW_OF_SPEC)
        seal(data, row.id);
    row.from = b->data.len;
    row.len = data->len;
    buf_put(&b->data, data->data, data->len);
    if (b->n == b->cap) {
        b->cap = b->cap ? 2 * b->cap : 64;
        b->rows = xreallocarray(b->rows, b->cap, sizeof *b->rows);
    }
    b->rows[b->n++] = row;
    buf_reset(data);
}

bool store_archive_put(struct store *s, const struct job *j, size_t *it)
{
    enum { BATCH_ROWS = 1000, BATCH_BYTES = 1 << 20 };
    struct archive_batch *b = &s->batch;
    struct buf data = BUF_INIT;
    if (*it == 0) {
        if (b->last_spec != j->spec) {
            rows_encode_spec(j->spec, ARCHIVE_SPEC, &data);
            add_row(b, (struct archive_row){.kind = ROW_OF_SPEC}, &data);
            b->last_spec = j->spec;
        }
        rows_encode_job(j, ARCHIVE_SPEC, &data);
        add_row(b, (struct archive_row){.kind = ROW_OF_JOB, .id = j->id, .tasks = j->tasks}, &data);
    } else if (b->n == 0) {
        b->last_spec = NULL;
    }
    bool is_whole = j->tasks == 1;
    while (!is_whole && b->n < BATCH_ROWS && b->data.len < BATCH_BYTES) {
        const struct task *t = job_next_task(j, it);
        is_whole = t == NULL;
        if (is_whole)
            break;
        rows_encode_task(j, t, &data);
        add_row(b, (struct archive_row){.kind = ROW_OF_TASK, .id = j->id + t->index}, &data);
    }
    buf_clear(&data);
    b->is_full = b->n >= BATCH_ROWS || b->data.len >= BATCH_BYTES;
    return is_whole;
}

enum {
    FIND_SPEC,
    USE_SPEC,
    ADD_SPEC,
    ADD_JOB,
    ADD_TASK,
    ADD_BATCH,
    OLDEST_BATCH,
    OLDEST_TIME,
    DROP_JOB,
    DROP_TASKS,
    DROP_BATCH,
    DROP_SPECS, /* after the batch */
    WRITE_COUNT
};
static const char *const write_texts[WRITE_COUNT] = {
    [FIND_SPEC] = "SELECT id FROM spec WHERE hash = ? AND data = ?",
    [USE_SPEC] = "UPDATE spec SET used = ? WHERE id = ?",
    [ADD_SPEC] = "INSERT INTO spec(hash, data, used) VALUES(?, ?, ?)",
    [ADD_JOB] = "INSERT OR REPLACE INTO job(id, tasks, spec, data, batch) VALUES(?, ?, ?, ?, ?)",
    [ADD_TASK] = "INSERT OR REPLACE INTO job_task VALUES(?, ?)",
    [ADD_BATCH] = "INSERT INTO batch(at_us, jobs) VALUES(?, ?)",
    [OLDEST_BATCH] = "SELECT id, jobs FROM batch WHERE id = (SELECT min(id) FROM batch)"
                     " AND at_us < ?",
    [OLDEST_TIME] = "SELECT at_us FROM batch ORDER BY id LIMIT 1",
    [DROP_JOB] = "DELETE FROM job WHERE id = ? AND batch = ?",
    [DROP_TASKS] = "DELETE FROM job_task WHERE id >= ? AND id < ?",
    [DROP_BATCH] = "DELETE FROM batch WHERE id = ?",
    [DROP_SPECS] = "DELETE FROM spec WHERE used <= ?",
};

/* The id of a spec's row, made when there is none. */
static int take_spec(sqlite3 *db, sqlite3_stmt **q, sqlite3_int64 batch, const void *data,
                     size_t len, sqlite3_int64 *ret, struct gw_err *err)
{
    sqlite3_stmt *find = q[FIND_SPEC], *insert = q[ADD_SPEC];
    sqlite3_int64 hash = (sqlite3_int64)num_fnv64(data, len);
    sqlite3_bind_int64(find, 1, hash);
    sqlite3_bind_blob(find, 2, data, (int)len, SQLITE_STATIC);
    int code = sqlite3_step(find);
    if (code == SQLITE_ROW)
        *ret = sqlite3_column_int64(find, 0);
    sqlite3_reset(find);
    if (code == SQLITE_ROW) {
        sqlite3_bind_int64(q[USE_SPEC], 1, batch);
        sqlite3_bind_int64(q[USE_SPEC], 2, *ret);
        return step_once(db, q[USE_SPEC], err);
    }
    if (code != SQLITE_DONE)
        return sql_error(db, "reading the archive", err);
    sqlite3_bind_int64(insert, 1, hash);
    sqlite3_bind_blob(insert, 2, data, (int)len, SQLITE_STATIC);
    sqlite3_bind_int64(insert, 3, batch);
    int r = step_once(db, insert, err);
    *ret = sqlite3_last_insert_rowid(db);
    return r;
}

/* The batch itself: when it came, and what it brought. */
static int add_batch(sqlite3 *db, const struct archive_batch *b, sqlite3_stmt *add,
                     sqlite3_int64 *ret, struct gw_err *err)
{
    struct buf jobs = BUF_INIT;
    for (size_t i = 0; i < b->n; i++)
        if (b->rows[i].kind == ROW_OF_JOB) {
            uint64_t job[2] = {b->rows[i].id, b->rows[i].tasks};
            buf_put(&jobs, job, sizeof job);
        }
    sqlite3_bind_int64(add, 1, b->at_us);
    sqlite3_bind_blob(add, 2, buf_str(&jobs), (int)jobs.len, SQLITE_STATIC);
    int r = step_once(db, add, err);
    *ret = sqlite3_last_insert_rowid(db);
    buf_clear(&jobs);
    return r;
}

/* One that a later batch has brought again stays with that. */
static int drop_job(void *ctx, const uint64_t job[2], struct gw_err *err)
{
    sqlite3_stmt **q = ctx;
    sqlite3 *db = sqlite3_db_handle(q[DROP_JOB]);
    sqlite3_bind_int64(q[DROP_JOB], 1, (sqlite3_int64)job[0]);
    int r = step_once(db, q[DROP_JOB], err);
    if (r < 0 || sqlite3_changes(db) == 0 || job[1] == 1)
        return r;
    sqlite3_bind_int64(q[DROP_TASKS], 1, (sqlite3_int64)job[0]);
    sqlite3_bind_int64(q[DROP_TASKS], 2, (sqlite3_int64)(job[0] + job[1]));
    return step_once(db, q[DROP_TASKS], err);
}

/* The oldest batch, when its time is over; *ret_is_gone says whether it was. */
static int drop_oldest(sqlite3 *db, sqlite3_stmt **q, int64_t before_us, bool *ret_is_gone,
                       struct gw_err *err)
{
    sqlite3_stmt *oldest = q[OLDEST_BATCH];
    sqlite3_bind_int64(oldest, 1, before_us);
    int code = sqlite3_step(oldest), r = 0;
    *ret_is_gone = code == SQLITE_ROW;
    if (code == SQLITE_ROW) {
        sqlite3_int64 batch = sqlite3_column_int64(oldest, 0);
        sqlite3_bind_int64(q[DROP_JOB], 2, batch);
        r = each_job(sqlite3_column_blob(oldest, 1), (size_t)sqlite3_column_bytes(oldest, 1),
                     drop_job, q, err);
        for (size_t i = DROP_BATCH; r == 0 && i <= DROP_SPECS; i++) {
            sqlite3_bind_int64(q[i], 1, batch);
            r = step_once(db, q[i], err);
        }
    } else if (code != SQLITE_DONE) {
        r = sql_error(db, "reading the archive", err);
    }
    sqlite3_reset(oldest);
    return r;
}

/* Two at a time: for each that comes, so that a shorter time is reached in the end, or alone. */
static int drop_old(sqlite3 *db, sqlite3_stmt **q, const struct archive_batch *b,
                    struct gw_err *err)
{
    bool is_gone = b->retention_us > 0;
    int r = 0;
    for (int i = 0; r == 0 && is_gone && i < 2; i++)
        r = drop_oldest(db, q, b->at_us - b->retention_us, &is_gone, err);
    return r;
}

/* Some of what is free; as much as two batches are. */
static int give_back(sqlite3 *db, bool *ret_has_more, struct gw_err *err)
{
    sqlite3_stmt *q;
    int r = sql_exec(db, "PRAGMA incremental_vacuum(2048)", "making the archive smaller", err);
    if (r == 0)
        r = sql_prepare(db,
                        "SELECT auto_vacuum = 2 AND freelist_count > 0"
                        " FROM pragma_auto_vacuum, pragma_freelist_count",
                        &q, err);
    if (r < 0)
        return r;
    int step = sqlite3_step(q);
    *ret_has_more = step == SQLITE_ROW && sqlite3_column_int(q, 0);
    if (step != SQLITE_ROW)
        r = sql_error(db, "looking at the archive's pages", err);
    sqlite3_finalize(q);
    return r;
}

static int find_next(sqlite3 *db, sqlite3_stmt *oldest, int64_t retention_us, int64_t *ret_us,
                     struct gw_err *err)
{
    int step = sqlite3_step(oldest);
    if (step == SQLITE_ROW && retention_us > 0)
        *ret_us = sqlite3_column_int64(oldest, 0) + retention_us + 1;
    else
        *ret_us = INT64_MAX;
    int r =
        step == SQLITE_ROW || step == SQLITE_DONE ? 0 : sql_error(db, "reading the archive", err);
    sqlite3_reset(oldest);
    return r;
}

/* Old ones go; where nothing comes, what they leave free as well. */
static int clean(sqlite3 *db, const struct archive_batch *b, sqlite3_stmt **q, int64_t *ret_next_us,
                 struct gw_err *err)
{
    bool has_more = false;
    int r = drop_old(db, q, b, err);
    if (r == 0 && b->n == 0)
        r = give_back(db, &has_more, err);
    if (r == 0)
        r = find_next(db, q[OLDEST_TIME], b->retention_us, ret_next_us, err);
    if (r == 0 && has_more)
        *ret_next_us = b->at_us;
    return r;
}

/* The file is cut when all of its log is in it. */
static int copy_log(sqlite3 *db, struct gw_err *err)
{
    int code = sqlite3_wal_checkpoint_v2(db, NULL, SQLITE_CHECKPOINT_PASSIVE, NULL, NULL);
    return code == SQLITE_OK || code == SQLITE_BUSY || code == SQLITE_LOCKED
               ? 0
               : sql_error(db, "copying the log into archive.db", err);
}

static int write_rows(sqlite3 *db, const struct archive_batch *b, sqlite3_stmt **q,
                      uint64_t *ret_batch, struct gw_err *err)
{
    sqlite3_int64 spec = 0, batch;
    int r = add_batch(db, b, q[ADD_BATCH], &batch, err);
    *ret_batch = (uint64_t)batch;
    for (size_t i = 0; r == 0 && i < b->n; i++) {
        const struct archive_row *row = &b->rows[i];
        const void *data = b->data.data + row->from;
        if (row->kind == ROW_OF_SPEC) {
            r = take_spec(db, q, batch, data, row->len, &spec, err);
            continue;
        }
        bool is_job = row->kind == ROW_OF_JOB;
        sqlite3_stmt *add = q[is_job ? ADD_JOB : ADD_TASK];
        sqlite3_bind_int64(add, 1, (sqlite3_int64)row->id);
        if (is_job) {
            sqlite3_bind_int64(add, 2, (sqlite3_int64)row->tasks);
            sqlite3_bind_int64(add, 3, spec);
            sqlite3_bind_int64(add, 5, batch);
        }
        sqlite3_bind_blob(add, is_job ? 4 : 2, data, (int)row->len, SQLITE_STATIC);
        r = step_once(db, add, err);
    }
    return r;
}

int store_archive_write_batch(sqlite3 *db, const struct archive_batch *b, uint64_t *ret_batch,
                              int64_t *ret_next_us, struct gw_err *err)
{
    sqlite3_stmt *q[WRITE_COUNT] = {NULL};
    int r = sql_exec(db, "BEGIN IMMEDIATE", "writing to the archive", err);
    if (r < 0)
        return r;
    for (size_t i = 0; r == 0 && i < WRITE_COUNT; i++)
        r = sql_prepare(db, write_texts[i], &q[i], err);
    if (r == 0 && b->n)
        r = write_rows(db, b, q, ret_batch, err);
    if (r == 0)
        r = clean(db, b, q, ret_next_us, err);
    for (size_t i = 0; i < WRITE_COUNT; i++)
        sqlite3_finalize(q[i]);
    crash_point("archive");
    if (r == 0)
        r = sql_exec(db, "COMMIT", "writing to the archive", err);
    if (r < 0)
        sqlite3_exec(db, "ROLLBACK", NULL, NULL, NULL);
    return r == 0 && b->n == 0 && *ret_next_us > b->at_us ? copy_log(db, err) : r;
}

void store_archive_retain(struct store *s, int64_t retention_us)
{
    s->archive_retention_us = retention_us;
}

int store_archive_newest(struct store *s, int64_t *ret_us, struct gw_err *err)
{
    sqlite3_stmt *q;
    int r = sql_prepare(s->archive, "SELECT at_us FROM batch ORDER BY id DESC LIMIT 1", &q, err);
    if (r < 0)
        return r;
    int step = sqlite3_step(q);
    int64_t at_us = step == SQLITE_ROW ? sqlite3_column_int64(q, 0) : 0;
    if (step != SQLITE_ROW && step != SQLITE_DONE)
        r = sql_error(s->archive, "reading the archive", err);
    sqlite3_finalize(q);
    if (r == 0)
        *ret_us = at_us;
    return r;
}
