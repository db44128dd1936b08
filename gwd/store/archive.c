/* What is finished: a file of its own, so that a long query there never holds up the journal.
 * Filled idempotently; losing its last seconds in a power cut loses nothing that the state does not
 * still have. */
#include "gwd/store/store_private.h"

#include "lib/mem.h"

#include <stdlib.h>

int archive_open(struct store *s, struct gw_err *err)
{
    char *path = xasprintf("%s/archive.db", s->dir);
    int opened = sqlite3_open_v2(
        path, &s->archive, SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE | SQLITE_OPEN_NOMUTEX, NULL);
    int r = opened == SQLITE_OK ? 0 : sql_error(s->archive, path, err);
    if (r == 0)
        r = sql_exec(
            s->archive,
            "PRAGMA journal_mode=WAL; PRAGMA synchronous=NORMAL; PRAGMA busy_timeout=5000;"
            "CREATE TABLE IF NOT EXISTS task(id INTEGER PRIMARY KEY, uid INTEGER, user TEXT,"
            " ended_us INTEGER, job TEXT NOT NULL, history TEXT NOT NULL);"
            "CREATE INDEX IF NOT EXISTS task_by_user ON task(uid, ended_us);",
            path, err);
    free(path);
    return r;
}

int store_archive(struct store *s, uint64_t id, uint64_t uid, const char *user, int64_t ended_us,
                  const char *job_json, const char *history_json, struct gw_err *err)
{
    sqlite3_stmt *q;
    int r =
        sql_prepare(s->archive, "INSERT OR REPLACE INTO task VALUES(?, ?, ?, ?, ?, ?)", &q, err);
    if (r < 0)
        return r;
    sqlite3_bind_int64(q, 1, (sqlite3_int64)id);
    sqlite3_bind_int64(q, 2, (sqlite3_int64)uid);
    sqlite3_bind_text(q, 3, user, -1, SQLITE_STATIC);
    sqlite3_bind_int64(q, 4, ended_us);
    sqlite3_bind_text(q, 5, job_json, -1, SQLITE_STATIC);
    sqlite3_bind_text(q, 6, history_json, -1, SQLITE_STATIC);
    if (sqlite3_step(q) != SQLITE_DONE)
        r = sql_error(s->archive, "writing to the archive", err);
    sqlite3_finalize(q);
    return r;
}

int store_find_archived(struct store *s, uint64_t id, char **ret_job_json, char **ret_history_json,
                        struct gw_err *err)
{
    sqlite3_stmt *q;
    int r = sql_prepare(s->archive, "SELECT job, history FROM task WHERE id = ?", &q, err);
    if (r < 0)
        return r;
    sqlite3_bind_int64(q, 1, (sqlite3_int64)id);
    int step = sqlite3_step(q);
    if (step == SQLITE_ROW) {
        *ret_job_json = xstrdup((const char *)sqlite3_column_text(q, 0));
        *ret_history_json = xstrdup((const char *)sqlite3_column_text(q, 1));
        r = 1;
    } else if (step != SQLITE_DONE) {
        r = sql_error(s->archive, "reading the archive", err);
    }
    sqlite3_finalize(q);
    return r;
}
