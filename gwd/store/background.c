/* What the loop shall not wait for: copying the write-ahead log into the database, and the archive.
 *
 * SQLite's own checkpoint of its log comes in the middle of a commit and takes as long as it takes.
 * Here the worker copies it on a connection of its own; it never gets all of it, because the loop
 * goes on writing, so the loop copies the little that is left right after a commit: then the log
 * begins from its start again. */
#include "gwd/store/store_private.h"

#include "lib/crash.h"
#include "lib/mem.h"

#include <pthread.h>
#include <signal.h>
#include <stdlib.h>

enum { LOG_PAGES = 4000 }; /* from so many on the log is copied */

struct background {
    pthread_t thread;
    pthread_mutex_t lock;
    pthread_cond_t wake;
    sqlite3 *state; /* its own connection */
    bool is_stopping;
    bool wants_log, is_log_copied; /* asked of the worker; told by it */
    bool has_batch;
    struct archive_batch batch;
    int result; /* of the last batch */
    uint64_t batch_number;
    int64_t next_us; /* store_archive_next_us() */
    struct gw_err err;
    struct gw_err log_err; /* code 0: none */
    void (*done)(void *ctx);
    void *ctx;
};

/* Copies what it can of the log, of which the end may have yet to be synced: a sync that fails here
 * may not fail again in the next commit, with the pages lost all the same. No space is no harm yet:
 * the log goes on growing. */
static void copy_log(struct background *w, sqlite3 *db)
{
    struct gw_err err = {0};
    int code = sqlite3_wal_checkpoint_v2(db, NULL, SQLITE_CHECKPOINT_PASSIVE, NULL, NULL);
    if (code == SQLITE_OK || code == SQLITE_BUSY || code == SQLITE_LOCKED ||
        sql_error(db, "copying the log into state.db", &err) == -GW_ENOSPC)
        return;
    pthread_mutex_lock(&w->lock);
    w->log_err = err;
    pthread_mutex_unlock(&w->lock);
}

int background_error(struct store *s, struct gw_err *err)
{
    struct background *w = s->background;
    pthread_mutex_lock(&w->lock);
    int code = w->log_err.code;
    if (code && err)
        *err = w->log_err;
    pthread_mutex_unlock(&w->lock);
    return -code;
}

static void *run(void *ctx)
{
    struct store *s = ctx;
    struct background *w = s->background;
    pthread_mutex_lock(&w->lock);
    for (;;) {
        if (w->wants_log) {
            pthread_mutex_unlock(&w->lock);
            crash_point("log");
            copy_log(w, w->state);
            pthread_mutex_lock(&w->lock);
            w->wants_log = false;
            w->is_log_copied = true;
        } else if (w->has_batch) {
            pthread_mutex_unlock(&w->lock);
            struct gw_err err = {0};
            uint64_t number = 0;
            int64_t next_us = INT64_MAX;
            int r =
                store_archive_write_batch(s->archive_writer, &w->batch, &number, &next_us, &err);
            store_archive_clear(&w->batch);
            crash_point("archive");
            pthread_mutex_lock(&w->lock);
            w->has_batch = false;
            w->result = r;
            w->batch_number = number;
            w->next_us = next_us;
            w->err = err;
            if (w->done)
                w->done(w->ctx);
        } else if (w->is_stopping) {
            break;
        } else {
            pthread_cond_wait(&w->wake, &w->lock);
        }
    }
    pthread_mutex_unlock(&w->lock);
    return NULL;
}

static int open_connection(struct store *s, struct background *w, struct gw_err *err)
{
    char *path = xasprintf("%s/state.db", s->dir);
    int code = sqlite3_open_v2(path, &w->state, SQLITE_OPEN_READWRITE | SQLITE_OPEN_NOMUTEX, NULL);
    int r = code == SQLITE_OK ? 0 : sql_error(w->state, path, err);
    free(path);
    /* A connection that has never read does not know the log, and copies nothing without a word. */
    if (r == 0)
        r = sql_exec(w->state, "SELECT count(*) FROM meta", "reading state.db", err);
    return r;
}

int background_start(struct store *s, struct gw_err *err)
{
    struct background *w = s->background = xcalloc(1, sizeof *w);
    pthread_mutex_init(&w->lock, NULL);
    pthread_cond_init(&w->wake, NULL);
    int r = open_connection(s, w, err);
    if (r < 0)
        return r;
    sigset_t all, before; /* signals are the loop's */
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    int code = pthread_create(&w->thread, NULL, run, s);
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    if (code != 0)
        return gw_err_sys(err, code, "starting the thread of the store");
    s->has_thread = true;
    return 0;
}

void background_stop(struct store *s)
{
    struct background *w = s->background;
    if (!w)
        return;
    if (s->has_thread) {
        pthread_mutex_lock(&w->lock);
        w->is_stopping = true;
        w->done = NULL;
        pthread_cond_signal(&w->wake);
        pthread_mutex_unlock(&w->lock);
        pthread_join(w->thread, NULL);
    }
    sqlite3_close(w->state);
    pthread_mutex_destroy(&w->lock);
    pthread_cond_destroy(&w->wake);
    free(w);
    s->background = NULL;
}

int background_after_commit(void *ctx, sqlite3 *db, const char *name, int n_pages)
{
    struct store *s = ctx;
    struct background *w = s->background;
    (void)name;
    if (n_pages < LOG_PAGES || !w)
        return SQLITE_OK;
    pthread_mutex_lock(&w->lock);
    bool is_copied = w->is_log_copied;
    w->is_log_copied = false;
    if (!is_copied && !w->wants_log) {
        w->wants_log = true;
        pthread_cond_signal(&w->wake);
    }
    pthread_mutex_unlock(&w->lock);
    if (is_copied)
        copy_log(w, db);
    return SQLITE_OK;
}

/* --- the archive --- */

void store_archive_write(struct store *s, int64_t at_us, void (*done)(void *ctx), void *ctx)
{
    struct background *w = s->background;
    pthread_mutex_lock(&w->lock);
    w->batch = s->batch;
    w->batch.at_us = at_us;
    w->batch.retention_us = s->archive_retention_us;
    w->has_batch = true;
    w->done = done;
    w->ctx = ctx;
    pthread_cond_signal(&w->wake);
    pthread_mutex_unlock(&w->lock);
    s->batch = (struct archive_batch){0};
}

bool store_archive_is_busy(struct store *s)
{
    pthread_mutex_lock(&s->background->lock);
    bool is_busy = s->background->has_batch;
    pthread_mutex_unlock(&s->background->lock);
    return is_busy;
}

bool store_archive_is_full(const struct store *s)
{
    return s->batch.is_full;
}

int store_archive_result(struct store *s, struct gw_err *err)
{
    state_clear(&s->past); /* it may be what retention has dropped */
    state_init(&s->past);
    pthread_mutex_lock(&s->background->lock);
    int r = s->background->result;
    if (r < 0 && err)
        *err = s->background->err;
    if (r == 0 && s->background->batch_number > s->mark.batch)
        s->mark.batch = s->background->batch_number; /* written with the next append */
    pthread_mutex_unlock(&s->background->lock);
    return r;
}

int64_t store_archive_next_us(struct store *s)
{
    pthread_mutex_lock(&s->background->lock);
    int64_t next_us = s->background->next_us;
    pthread_mutex_unlock(&s->background->lock);
    return next_us;
}

void store_archive_quiet(struct store *s)
{
    pthread_mutex_lock(&s->background->lock);
    s->background->done = NULL;
    pthread_mutex_unlock(&s->background->lock);
}
