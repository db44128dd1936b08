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
#include <sys/stat.h>
#include <unistd.h>

/* SQLite's own word for it is of a write alone, and not of a quota's; sqlite3_system_errno() knows
 * nothing of a commit. Where one of these was a system call's failure, errno is still its. A sync
 * is not among them: what it should have brought to disk may be lost for the next one. */
static bool has_no_space(sqlite3 *db, int cause)
{
    switch (sqlite3_extended_errcode(db)) {
    case SQLITE_IOERR_WRITE:
    case SQLITE_IOERR_SHMOPEN:
    case SQLITE_IOERR_SHMSIZE:
    case SQLITE_IOERR_SHMMAP:
    case SQLITE_CANTOPEN:
        return cause == ENOSPC || cause == EDQUOT;
    default:
        return sqlite3_errcode(db) == SQLITE_FULL;
    }
}

int sql_error(sqlite3 *db, const char *what, struct gw_err *err)
{
    int cause = errno, code = db ? sqlite3_errcode(db) : SQLITE_NOMEM;
    bool is_full = db && has_no_space(db, cause);
    /* SQLITE_ERROR: our statements are right, so the tables are not ours. */
    bool is_bad = code == SQLITE_CORRUPT || code == SQLITE_NOTADB || code == SQLITE_ERROR;
    if (is_full)
        return gw_err_set(err, GW_ENOSPC, "%s: database or disk is full", what);
    return gw_err_set(err, is_bad ? GW_ECORRUPT : GW_EIO, "%s: %s", what,
                      db ? sqlite3_errmsg(db) : "no memory");
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

int store_lock(struct store *s, struct gw_err *err)
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
        /* On a full disk: it is locked, and says less to the one who comes second. */
    }
    free(path);
    return r;
}

static int read_format(struct store *s, struct gw_err *err)
{
    sqlite3_stmt *q;
    int r = sql_prepare(s->state, "SELECT value FROM meta WHERE key = 'format'", &q, err);
    if (r < 0)
        return r;
    int format = sqlite3_step(q) == SQLITE_ROW ? sqlite3_column_int(q, 0) : -1;
    sqlite3_finalize(q);
    if (format > STORE_FORMAT)
        return gw_err_set(err, GW_ECORRUPT,
                          "%s/state.db has format %d, and this gwd, %s, knows formats up to %d: it "
                          "was written by a later gwd, which has to be used",
                          s->dir, format, GW_VERSION, STORE_FORMAT);
    if (format < STORE_FORMAT_PARTS)
        return gw_err_set(err, GW_ECORRUPT, "%s/state.db does not say which format it has", s->dir);
    s->format = format;
    return 0;
}

static const char *const statements[STATEMENT_COUNT] = {
    [APPEND] = "INSERT INTO journal(seq, n, data) VALUES(?, ?, ?)",
    [GET_ROW] = "SELECT key, data FROM row WHERE key = ?",
    [PUT_ROW] = "INSERT OR REPLACE INTO row(key, data) VALUES(?, ?)",
    [DROP_ROWS] = "DELETE FROM row WHERE key IN (SELECT key FROM row WHERE key >= ? AND key < ? "
                  "ORDER BY key LIMIT ?)"
                  " RETURNING key, data",
    [PUT_SPEC] = "INSERT OR REPLACE INTO spec(id, data) VALUES(?, ?)",
    [DROP_SPEC] = "DELETE FROM spec WHERE id = ? RETURNING id, data",
    [PUT_META] = "INSERT OR REPLACE INTO meta VALUES(?, ?)",
    [OLDEST] = "SELECT seq, n, length(data) FROM journal ORDER BY seq LIMIT ?",
    [PRUNE] = "DELETE FROM journal WHERE seq <= ?",
};

static bool has(const struct store *s, const char *name)
{
    char *path = xasprintf("%s/%s", s->dir, name);
    bool is_there = access(path, F_OK) == 0;
    free(path);
    return is_there;
}

int store_check_restored(const char *dir, struct gw_err *err)
{
    char *path = xasprintf("%s/restored", dir);
    struct stat st;
    bool is_there = lstat(path, &st) == 0;
    free(path);
    if (!is_there)
        return 0;
    return gw_err_set(err, GW_ECORRUPT,
                      "%s: a gwd --restore was interrupted: do it again, and it goes on", dir);
}

int store_check_there(const char *dir, struct gw_err *err)
{
    char *path = xasprintf("%s/state.db", dir);
    struct stat st;
    int r = stat(path, &st) < 0 || st.st_size == 0
                ? gw_err_set(err, GW_ECORRUPT, "%s is missing or empty", path)
                : 0;
    free(path);
    return r;
}

/* A directory without a state is one that was never used; or its state is gone, and an empty one in
 * its place would be the loss of everything, without a word. */
static int check_absence(const struct store *s, struct gw_err *err)
{
    if (has(s, "restoring"))
        return gw_err_set(err, GW_ECORRUPT,
                          "%s/state.db is missing, because a gwd --restore was interrupted: do it "
                          "again",
                          s->dir);
    if (s->mark.seq || (!s->mark.is_there && has(s, "archive.db")) || has(s, "state.db-wal"))
        return gw_err_set(err, GW_ECORRUPT, "%s/state.db is missing or empty", s->dir);
    return 0;
}

int store_open_database(const char *path, int flags, sqlite3 **ret, struct gw_err *err)
{
    int code = sqlite3_open_v2(path, ret, flags | SQLITE_OPEN_NOMUTEX, NULL);
    if (code != SQLITE_OK)
        return sql_error(*ret, path, err);
    /* What is not yet known to be good is left as it is, also when it is closed again. */
    sqlite3_db_config(*ret, SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, 1, NULL);
    return sql_exec(*ret,
                    "PRAGMA busy_timeout=5000; PRAGMA trusted_schema=OFF;"
                    "PRAGMA cell_size_check=ON",
                    path, err);
}

static const char TABLES[] =
    "CREATE TABLE IF NOT EXISTS meta(key TEXT PRIMARY KEY, value) WITHOUT ROWID;"
    "CREATE TABLE IF NOT EXISTS spec(id INTEGER PRIMARY KEY, data BLOB NOT NULL);"
    "CREATE TABLE IF NOT EXISTS row(key INTEGER PRIMARY KEY, data BLOB NOT NULL);"
    "CREATE TABLE IF NOT EXISTS journal(seq INTEGER PRIMARY KEY, n INTEGER NOT NULL,"
    " data BLOB NOT NULL);";

/* In a database that has none, and beside those of the first format. */
static int make_tables(struct store *s, const char *path, bool is_new, struct gw_err *err)
{
    int r = sql_exec(s->state, "BEGIN IMMEDIATE", path, err);
    if (r == 0)
        r = sql_exec(s->state, TABLES, path, err);
    if (r == 0 && is_new)
        r = sql_exec(s->state, "INSERT INTO meta VALUES('format', 3)", path, err);
    return r < 0 ? r : sql_exec(s->state, "COMMIT", path, err);
}

static int has_tables(struct store *s, bool *ret, struct gw_err *err)
{
    sqlite3_stmt *q;
    int r = sql_prepare(s->state, "SELECT 1 FROM sqlite_schema LIMIT 1", &q, err);
    if (r < 0)
        return r;
    int step = sqlite3_step(q);
    *ret = step == SQLITE_ROW;
    if (step != SQLITE_ROW && step != SQLITE_DONE)
        r = sql_error(s->state, "reading state.db", err);
    sqlite3_finalize(q);
    return r;
}

/* The change leaves the connection inside a transaction, where no log can be copied, until
 * something is read. */
static int set_wal(struct store *s, struct gw_err *err)
{
    return sql_exec(s->state, "PRAGMA journal_mode=WAL; SELECT count(*) FROM sqlite_schema",
                    "state.db", err);
}

/* Only in a database that has none is anything made before it is known to be good. */
static int prepare_tables(struct store *s, const char *path, struct gw_err *err)
{
    bool is_there = false;
    int r = has_tables(s, &is_there, err);
    if (r == 0 && !is_there && s->mark.seq)
        r = gw_err_set(err, GW_ECORRUPT, "%s is empty", path);
    if (r == 0 && !is_there)
        r = set_wal(s, err);
    if (r == 0 && !is_there)
        r = make_tables(s, path, true, err);
    return r < 0 ? r : read_format(s, err);
}

static int open_state(struct store *s, struct gw_err *err)
{
    char *path = xasprintf("%s/state.db", s->dir);
    struct stat st;
    /* Of one that is empty SQLite would remove the log. */
    bool is_there = stat(path, &st) == 0 && st.st_size > 0;
    int r = is_there ? 0 : check_absence(s, err);
    if (r == 0)
        r = store_open_database(path, SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE, &s->state, err);
    if (r == 0)
        r = sql_exec(s->state, "PRAGMA synchronous=FULL; PRAGMA journal_size_limit=67108864", path,
                     err);
    if (r == 0)
        r = prepare_tables(s, path, err);
    free(path);
    if (r == 0)
        sqlite3_wal_hook(s->state, background_after_commit, s); /* instead of SQLite's own */
    return r;
}

int store_begin(struct store *s, struct gw_err *err)
{
    if (s->background)
        return 0; /* it was read before */
    int r = set_wal(s, err);
    if (r == 0 && s->format == STORE_FORMAT_PARTS)
        r = make_tables(s, "state.db", false, err);
    for (size_t i = 0; r == 0 && i < GW_COUNT(statements); i++)
        r = sql_prepare(s->state, statements[i], &s->statements[i], err);
    return r < 0 ? r : background_start(s, err);
}

static struct store *store_create(const char *dir)
{
    struct store *s = xcalloc(1, sizeof *s);
    s->dir = xstrdup(dir);
    s->lock_fd = s->mark_fd = -1;
    s->slice_us = SLICE_US;
    state_init(&s->past);
    return s;
}

static int hand_over(struct store *s, int r, struct store **ret)
{
    if (r < 0)
        store_close(s);
    else
        *ret = s;
    return r;
}

static int open_all(struct store *s, struct gw_err *err)
{
    int r = store_lock(s, err);
    if (r == 0)
        r = store_check_restored(s->dir, err);
    if (r == 0)
        r = mark_open(s, err);
    if (r == 0)
        r = open_state(s, err);
    return r < 0 ? r : store_archive_open(s, err);
}

int store_open(const char *dir, struct store **ret, struct gw_err *err)
{
    struct store *s = store_create(dir);
    return hand_over(s, open_all(s, err), ret);
}

int store_open_adopted(const char *dir, struct store **ret, struct gw_err *err)
{
    struct store *s = store_create(dir);
    s->is_adopted = true;
    return hand_over(s, open_all(s, err), ret);
}

static int open_to_read(struct store *s, struct gw_err *err)
{
    char *path = xasprintf("%s/state.db", s->dir);
    int r = store_check_restored(s->dir, err);
    if (r == 0)
        r = mark_open(s, err); /* before it: what it tells of has to be there */
    if (r == 0)
        r = store_check_there(s->dir, err);
    if (r == 0)
        r = store_open_database(path, SQLITE_OPEN_READWRITE, &s->state, err);
    if (r == 0)
        r = sql_exec(s->state, "BEGIN", path, err);
    free(path);
    return r < 0 ? r : read_format(s, err);
}

int store_open_reader(const char *dir, bool is_backup, struct store **ret, struct gw_err *err)
{
    struct store *s = store_create(dir);
    s->is_read_only = true;
    s->is_adopted = is_backup;
    return hand_over(s, open_to_read(s, err), ret);
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
    state_clear(&s->past);
    sqlite3_close(s->state);
    sqlite3_close(s->archive);
    sqlite3_close(s->archive_writer);
    if (s->mark_fd >= 0)
        close(s->mark_fd);
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
    if (r < 0)
        return r;
    s->rows++;
    s->next_seq = first_seq + n;
    s->mark.seq = first_seq + n - 1;
    r = background_error(s, err);
    return r < 0 ? r : mark_write(s, err);
}

bool store_was_copied(const struct store *s)
{
    return s->was_copied;
}

uint64_t store_journal_rows(const struct store *s)
{
    return s->rows;
}
