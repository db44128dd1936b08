#include "gwd/store/store_private.h"

#include "lib/file.h"
#include "lib/mem.h"
#include "lib/num.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <unistd.h>

int sql_error(sqlite3 *db, const char *what, struct gw_err *err)
{
    int code = db ? sqlite3_errcode(db) : SQLITE_NOMEM;
    bool is_full = code == SQLITE_FULL;
    bool is_bad = code == SQLITE_CORRUPT || code == SQLITE_NOTADB;
    return gw_err_set(err,
                      is_full  ? GW_ENOSPC
                      : is_bad ? GW_ECORRUPT
                               : GW_EIO,
                      "%s: %s", what, db ? sqlite3_errmsg(db) : "no memory");
}

int sql_exec(sqlite3 *db, const char *sql, const char *what, struct gw_err *err)
{
    return sqlite3_exec(db, sql, NULL, NULL, NULL) == SQLITE_OK ? 0 : sql_error(db, what, err);
}

int sql_prepare(sqlite3 *db, const char *sql, sqlite3_stmt **ret, struct gw_err *err)
{
    return sqlite3_prepare_v2(db, sql, -1, ret, NULL) == SQLITE_OK ? 0 : sql_error(db, sql, err);
}

static uint32_t crc_of(const void *data, size_t len, uint64_t number)
{
    uint64_t h = num_fnv64(data, len);
    uint64_t both[2] = {h, number};
    return num_cksum(both, sizeof both);
}

void seal(struct buf *b, uint64_t number)
{
    uint32_t crc = crc_of(buf_str(b), b->len, number);
    buf_put(b, &crc, sizeof crc);
}

long unseal(const void *data, size_t len, uint64_t number)
{
    uint32_t crc;
    if (len < sizeof crc)
        return -1;
    memcpy(&crc, (const char *)data + len - sizeof crc, sizeof crc);
    return crc_of(data, len - sizeof crc, number) == crc ? (long)(len - sizeof crc) : -1;
}

static int lock(struct store *s, struct gw_err *err)
{
    char *path = xasprintf("%s/gwd.lock", s->dir);
    s->lock_fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
    int r = 0;
    if (s->lock_fd < 0) {
        r = gw_err_sys(err, errno, "opening %s", path);
    } else if (flock(s->lock_fd, LOCK_EX | LOCK_NB) < 0) {
        char pid[32] = "?";
        ssize_t n = read(s->lock_fd, pid, sizeof pid - 1);
        pid[n > 0 ? strcspn(pid, "\n") : 1] = '\0';
        r = gw_err_set(err, GW_EEXIST, "another gwd (pid %s) uses %s", pid, s->dir);
    } else if (ftruncate(s->lock_fd, 0) < 0 || dprintf(s->lock_fd, "%ld\n", (long)getpid()) < 0) {
        r = gw_err_sys(err, errno, "writing %s", path);
    }
    free(path);
    return r;
}

static int check_format(struct store *s, struct gw_err *err)
{
    sqlite3_stmt *q;
    int r = sql_prepare(s->state, "SELECT value FROM meta WHERE key = 'format'", &q, err);
    if (r < 0)
        return r;
    int format = sqlite3_step(q) == SQLITE_ROW ? sqlite3_column_int(q, 0) : -1;
    sqlite3_finalize(q);
    if (format < STORE_FORMAT_PARTS || format > STORE_FORMAT)
        return gw_err_set(err, GW_ECORRUPT, "%s/state.db has format %d; this gwd knows format %d",
                          s->dir, format, STORE_FORMAT);
    s->format = format;
    return 0;
}

static const char *const statements[STATEMENT_COUNT] = {
    [APPEND] = "INSERT INTO journal(seq, n, data) VALUES(?, ?, ?)",
    [PUT_ROW] = "INSERT OR REPLACE INTO row(key, data) VALUES(?, ?)",
    [DROP_ROWS] =
        "DELETE FROM row WHERE key IN (SELECT key FROM row WHERE key >= ? AND key < ? LIMIT ?)",
    [PUT_SPEC] = "INSERT OR REPLACE INTO spec(id, data) VALUES(?, ?)",
    [DROP_SPEC] = "DELETE FROM spec WHERE id = ?",
    [PUT_META] = "INSERT OR REPLACE INTO meta VALUES(?, ?)",
    [OLDEST] = "SELECT seq, n, length(data) FROM journal ORDER BY seq LIMIT ?",
    [PRUNE] = "DELETE FROM journal WHERE seq <= ?",
};

static int open_state(struct store *s, struct gw_err *err)
{
    char *path = xasprintf("%s/state.db", s->dir);
    int opened = sqlite3_open_v2(
        path, &s->state, SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE | SQLITE_OPEN_NOMUTEX, NULL);
    int r = opened == SQLITE_OK ? 0 : sql_error(s->state, path, err);
    if (r == 0)
        r = sql_exec(
            s->state,
            "PRAGMA journal_mode=WAL; PRAGMA synchronous=FULL; PRAGMA busy_timeout=5000;"
            "PRAGMA journal_size_limit=67108864;"
            "BEGIN IMMEDIATE;"
            "CREATE TABLE IF NOT EXISTS meta(key TEXT PRIMARY KEY, value) WITHOUT ROWID;"
            "CREATE TABLE IF NOT EXISTS spec(id INTEGER PRIMARY KEY, data BLOB NOT NULL);"
            "CREATE TABLE IF NOT EXISTS row(key INTEGER PRIMARY KEY, data BLOB NOT NULL);"
            "CREATE TABLE IF NOT EXISTS journal(seq INTEGER PRIMARY KEY, n INTEGER NOT NULL,"
            " data BLOB NOT NULL);"
            "INSERT OR IGNORE INTO meta VALUES('format', 2);"
            "COMMIT;",
            path, err);
    free(path);
    if (r == 0)
        r = check_format(s, err);
    if (r == 0)
        sqlite3_wal_hook(s->state, background_after_commit, s); /* instead of SQLite's own */
    for (size_t i = 0; r == 0 && i < GW_COUNT(statements); i++)
        r = sql_prepare(s->state, statements[i], &s->statements[i], err);
    return r;
}

int store_open(const char *dir, struct store **ret, struct gw_err *err)
{
    struct store *s = xcalloc(1, sizeof *s);
    s->dir = xstrdup(dir);
    s->lock_fd = -1;
    s->slice_us = SLICE_US;
    int r = lock(s, err);
    if (r == 0)
        r = open_state(s, err);
    if (r == 0)
        r = store_archive_open(s, err);
    if (r == 0)
        r = background_start(s, err);
    if (r < 0) {
        store_close(s);
        return r;
    }
    *ret = s;
    return 0;
}

void store_close(struct store *s)
{
    if (!s)
        return;
    background_stop(s);
    store_archive_clear(&s->batch);
    for (size_t i = 0; i < GW_COUNT(s->statements); i++)
        sqlite3_finalize(s->statements[i]);
    buf_clear(&s->head);
    sqlite3_close(s->state);
    sqlite3_close(s->archive);
    sqlite3_close(s->archive_writer);
    if (s->lock_fd >= 0)
        close(s->lock_fd);
    free(s->dir);
    free(s);
}

int store_append(struct store *s, uint64_t first_seq, uint64_t n, const struct buf *events,
                 struct gw_err *err)
{
    struct buf row = BUF_INIT;
    buf_put(&row, events->data, events->len);
    seal(&row, first_seq);
    sqlite3_bind_int64(s->statements[APPEND], 1, (sqlite3_int64)first_seq);
    sqlite3_bind_int64(s->statements[APPEND], 2, (sqlite3_int64)n);
    sqlite3_bind_blob(s->statements[APPEND], 3, row.data, (int)row.len, SQLITE_STATIC);
    int r = sqlite3_step(s->statements[APPEND]) == SQLITE_DONE
                ? 0
                : sql_error(s->state, "appending to the journal", err);
    sqlite3_reset(s->statements[APPEND]);
    sqlite3_clear_bindings(s->statements[APPEND]);
    buf_clear(&row);
    if (r == 0) {
        s->rows++;
        s->next_seq = first_seq + n;
    }
    return r;
}

uint64_t store_journal_rows(const struct store *s)
{
    return s->rows;
}
