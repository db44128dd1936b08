/* One database copied into a new file, as it is at one moment, while others write to it; and the
 * archive verified. */
#include "gwd/store/copy_private.h"

#include "lib/mem.h"
#include "lib/num.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { PAGES = 2000 }; /* between two words about progress */

int sync_path(const char *path, struct gw_err *err)
{
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    int r = fd < 0 || fsync(fd) < 0 ? gw_err_sys(err, errno, "syncing %s", path) : 0;
    if (fd >= 0)
        close(fd);
    return r;
}

/* Without the transaction the copy would begin anew with each commit of the daemon's. */
static int copy_pages(sqlite3 *from, sqlite3 *to, const char *what, store_progress *progress,
                      void *ctx, struct gw_err *err)
{
    int r = sql_exec(from, "BEGIN; SELECT count(*) FROM sqlite_schema", what, err);
    if (r < 0)
        return r;
    sqlite3_backup *b = sqlite3_backup_init(to, "main", from, "main");
    if (!b)
        return sql_error(to, what, err);
    int code;
    while ((code = sqlite3_backup_step(b, PAGES)) == SQLITE_OK)
        if (progress)
            progress(ctx, what,
                     (uint64_t)(sqlite3_backup_pagecount(b) - sqlite3_backup_remaining(b)),
                     (uint64_t)sqlite3_backup_pagecount(b));
    sqlite3_backup_finish(b);
    if (code == SQLITE_DONE)
        return 0;
    r = code == SQLITE_FULL ? -GW_ENOSPC : code == SQLITE_CORRUPT ? -GW_ECORRUPT : -GW_EIO;
    return gw_err_set(err, (enum gw_errc) - r, "copying %s: %s", what, sqlite3_errstr(code));
}

int copy_database(const char *from_path, const char *to_path, store_progress *progress, void *ctx,
                  struct gw_err *err)
{
    sqlite3 *from = NULL, *to = NULL;
    int r = store_open_database(from_path, SQLITE_OPEN_READWRITE, &from, err);
    if (r == 0)
        r = store_open_database(to_path, SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE, &to, err);
    if (r == 0)
        r = sql_exec(to, "PRAGMA synchronous=OFF", to_path, err);
    if (r == 0)
        r = copy_pages(from, to, from_path, progress, ctx, err);
    if (r == 0) /* one file, without a log beside it */
        r = sql_exec(to, "PRAGMA journal_mode=DELETE", to_path, err);
    sqlite3_close(from);
    sqlite3_close(to);
    return r < 0 ? r : sync_path(to_path, err);
}

/* --- the archive --- */

static int damaged(struct gw_err *err, const char *what, sqlite3_int64 id)
{
    return gw_err_set(err, GW_ECORRUPT, "%s %lld is not what was written there", what,
                      (long long)id);
}

/* Call `check` for each row of a query. */
static int each_row(sqlite3 *db, const char *sql,
                    int (*check)(void *ctx, sqlite3_stmt *q, struct gw_err *err), void *ctx,
                    struct gw_err *err)
{
    sqlite3_stmt *q;
    int r = sql_prepare(db, sql, &q, err), step = SQLITE_DONE;
    if (r < 0)
        return r;
    while (r == 0 && (step = sqlite3_step(q)) == SQLITE_ROW)
        r = check(ctx, q, err);
    if (r == 0 && step != SQLITE_DONE)
        r = sql_error(db, "reading the archive", err);
    sqlite3_finalize(q);
    return r;
}

static int check_sealed(void *ctx, sqlite3_stmt *q, struct gw_err *err)
{
    uint64_t id = (uint64_t)sqlite3_column_int64(q, 0);
    const void *data = sqlite3_column_blob(q, 1);
    ++*(uint64_t *)ctx;
    return unseal(data, (size_t)sqlite3_column_bytes(q, 1), id) < 0
               ? damaged(err, "the row of job", (sqlite3_int64)id)
               : 0;
}

static int check_spec(void *ctx, sqlite3_stmt *q, struct gw_err *err)
{
    const void *data = sqlite3_column_blob(q, 2);
    (void)ctx;
    return num_fnv64(data, (size_t)sqlite3_column_bytes(q, 2)) ==
                   (uint64_t)sqlite3_column_int64(q, 1)
               ? 0
               : damaged(err, "the row of spec", sqlite3_column_int64(q, 0));
}

/* All jobs that a batch has brought are there. */
static int check_batch(void *ctx, sqlite3_stmt *q, struct gw_err *err)
{
    sqlite3_stmt *find = ctx;
    const char *jobs = sqlite3_column_blob(q, 1);
    size_t len = (size_t)sqlite3_column_bytes(q, 1);
    uint64_t job[2];
    for (size_t at = 0; at + sizeof job <= len; at += sizeof job) {
        memcpy(job, jobs + at, sizeof job);
        sqlite3_bind_int64(find, 1, (sqlite3_int64)job[0]);
        sqlite3_bind_int64(find, 2, (sqlite3_int64)job[1]);
        int step = sqlite3_step(find);
        sqlite3_reset(find);
        if (step != SQLITE_ROW)
            return gw_err_set(err, GW_ECORRUPT,
                              "job %" PRIu64
                              " of batch %lld, or what it shares with equal jobs, is "
                              "missing",
                              job[0], (long long)sqlite3_column_int64(q, 0));
    }
    return 0;
}

static int check_page(void *ctx, sqlite3_stmt *q, struct gw_err *err)
{
    const char *says = (const char *)sqlite3_column_text(q, 0);
    (void)ctx;
    return says && strcmp(says, "ok") == 0
               ? 0
               : gw_err_set(err, GW_ECORRUPT, "its pages are damaged: %s", says ? says : "?");
}

static int count(void *ctx, sqlite3_stmt *q, struct gw_err *err)
{
    (void)q;
    (void)err;
    ++*(uint64_t *)ctx;
    return 0;
}

/* What the first format had: texts alone. */
static int count_texts(sqlite3 *db, uint64_t *n, struct gw_err *err)
{
    return each_row(db, "SELECT 1 FROM task", count, n, err);
}

static int check_rows(sqlite3 *db, uint64_t *n, struct gw_err *err)
{
    sqlite3_stmt *find = NULL;
    uint64_t n_tasks = 0;
    int r =
        sql_prepare(db, "SELECT 1 FROM job, spec WHERE job.id = ? AND tasks = ? AND spec.id = spec",
                    &find, err);
    if (r == 0)
        r = each_row(db, "SELECT id, jobs FROM batch", check_batch, find, err);
    if (r == 0)
        r = each_row(db, "SELECT id, hash, data FROM spec", check_spec, NULL, err);
    if (r == 0)
        r = each_row(db, "SELECT id, data FROM job", check_sealed, n, err);
    if (r == 0)
        r = each_row(db, "SELECT id, data FROM job_task", check_sealed, &n_tasks, err);
    sqlite3_finalize(find);
    return r;
}

int check_archive(const char *path, uint64_t *ret_jobs, struct gw_err *err)
{
    sqlite3 *db = NULL;
    uint64_t n = 0, has_rows = 0;
    int r = store_open_database(path, SQLITE_OPEN_READWRITE, &db, err);
    if (r == 0)
        r = sql_exec(db, "BEGIN", path, err);
    if (r == 0)
        r = each_row(db, "PRAGMA quick_check(1)", check_page, NULL, err);
    if (r == 0)
        r = each_row(db, "SELECT 1 FROM sqlite_schema WHERE name = 'batch'", count, &has_rows, err);
    if (r == 0)
        r = count_texts(db, &n, err);
    if (r == 0 && has_rows)
        r = check_rows(db, &n, err);
    sqlite3_close(db);
    *ret_jobs = n;
    return r < 0 ? gw_err_context(err, "%s", path) : 0;
}
