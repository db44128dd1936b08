/* Reading the archive: what is there under a task's id. */
#include "gwd/store/store_private.h"

#include "lib/mem.h"
#include "lib/num.h"

#include <inttypes.h>

static int load_blob(struct state *into, sqlite3_stmt *q, int column, uint64_t seal_number,
                     int (*load)(struct state *into, uint64_t key, const void *data, size_t len,
                                 struct gw_err *err),
                     uint64_t key, struct gw_err *err)
{
    const void *data = sqlite3_column_blob(q, column);
    long len = (long)sqlite3_column_bytes(q, column);
    if (seal_number)
        len = unseal(data, (size_t)len, seal_number);
    if (len < 0)
        return gw_err_set(err, GW_ECORRUPT, "archive row %" PRIu64 ": its checksum does not fit",
                          seal_number);
    return load(into, key, data, (size_t)len, err);
}

/* What distinguishes a task from its siblings, when something does. */
static int load_task(struct store *s, uint64_t id, struct state *into, struct gw_err *err)
{
    sqlite3_stmt *q;
    int r = sql_prepare(s->archive, "SELECT data FROM job_task WHERE id = ?", &q, err);
    if (r < 0)
        return r;
    sqlite3_bind_int64(q, 1, (sqlite3_int64)id);
    int code = sqlite3_step(q);
    if (code == SQLITE_ROW)
        r = load_blob(into, q, 0, id, rows_load, 2 * id + 1, err);
    else if (code != SQLITE_DONE)
        r = sql_error(s->archive, "reading the archive", err);
    sqlite3_finalize(q);
    return r;
}

static int load_job(sqlite3_stmt *q, struct state *into, struct gw_err *err)
{
    uint64_t first = (uint64_t)sqlite3_column_int64(q, 0);
    struct buf head = BUF_INIT;
    struct event ev = {
        .kind = EV_CK_STATE, .instance = "-", .epoch = 1, .number = 1, .array_number = 1};
    event_encode(&ev, &head);
    int r = rows_load_head(into, head.data, head.len, err);
    buf_clear(&head);
    if (r == 0 && num_fnv64(sqlite3_column_blob(q, 2), (size_t)sqlite3_column_bytes(q, 2)) !=
                      (uint64_t)sqlite3_column_int64(q, 4))
        r = gw_err_set(err, GW_ECORRUPT, "what it shares with equal jobs is damaged");
    if (r == 0)
        r = load_blob(into, q, 2, 0, rows_load_spec, ARCHIVE_SPEC, err);
    if (r == 0)
        r = load_blob(into, q, 3, first, rows_load, 2 * first, err);
    return r;
}

/* The job that has this task, as columns job.id, tasks, spec.data, job.data, hash. */
static int prepare_find(struct store *s, uint64_t id, sqlite3_stmt **ret, struct gw_err *err)
{
    int r = sql_prepare(s->archive,
                        "SELECT job.id, tasks, spec.data, job.data, hash FROM job, spec"
                        " WHERE spec.id = job.spec AND job.id ="
                        " (SELECT max(id) FROM job WHERE id <= ?1) AND ?1 < job.id + tasks",
                        ret, err);
    if (r == 0)
        sqlite3_bind_int64(*ret, 1, (sqlite3_int64)id);
    return r;
}

/* The job that `past` has of it, with as many tasks as were asked for. */
static struct job *job_in_past(const struct store *s, uint64_t id)
{
    enum { TASKS_MAX = 10000 };
    struct job *j = state_job_of(&s->past, id);
    return j && j->n_touched < TASKS_MAX ? j : NULL;
}

static int load_past(struct store *s, uint64_t id, struct gw_err *err)
{
    sqlite3_stmt *q;
    state_clear(&s->past);
    state_init(&s->past);
    int r = prepare_find(s, id, &q, err);
    if (r < 0)
        return r;
    int code = sqlite3_step(q);
    if (code == SQLITE_ROW)
        r = load_job(q, &s->past, err);
    else if (code != SQLITE_DONE)
        r = sql_error(s->archive, "reading the archive", err);
    sqlite3_finalize(q);
    return r;
}

int store_find_archived(struct store *s, uint64_t id, struct job **ret, struct gw_err *err)
{
    struct job *j = job_in_past(s, id);
    int r = j ? 0 : load_past(s, id, err);
    if (r == 0 && !j)
        j = state_job_of(&s->past, id);
    if (r == 0 && j && !job_task(j, id - j->id))
        r = load_task(s, id, &s->past, err);
    if (r < 0) { /* it may be there in part */
        state_clear(&s->past);
        state_init(&s->past);
        return r;
    }
    *ret = j;
    return j != NULL;
}

static int owner_in(sqlite3_stmt *q, uint64_t *ret_uid, struct gw_err *err)
{
    struct event ev;
    struct event_arena arena = {0};
    long r = event_decode(sqlite3_column_blob(q, 2), (size_t)sqlite3_column_bytes(q, 2), &ev,
                          &arena, err);
    if (r > 0)
        *ret_uid = ev.uid;
    event_arena_clear(&arena);
    return r > 0 ? 1 : (int)r;
}

int store_find_archived_owner(struct store *s, uint64_t id, uint64_t *ret_uid, struct gw_err *err)
{
    sqlite3_stmt *q;
    const struct job *j = job_in_past(s, id);
    if (j) {
        *ret_uid = j->spec->owner.uid;
        return 1;
    }
    int r = prepare_find(s, id, &q, err);
    if (r < 0)
        return r;
    int code = sqlite3_step(q);
    if (code == SQLITE_ROW)
        r = owner_in(q, ret_uid, err);
    else if (code != SQLITE_DONE)
        r = sql_error(s->archive, "reading the archive", err);
    sqlite3_finalize(q);
    return r;
}

int store_find_archived_text(struct store *s, uint64_t id, char **ret_job_json,
                             char **ret_history_json, struct gw_err *err)
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
