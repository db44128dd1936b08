/* A restore is made beside the state, in restoring/, as a whole state directory; then what is there
 * is moved to replaced-TIME/, and the new files take its place, state.db last. Between the two a
 * daemon finds no state.db but restoring/, and refuses to start. */
#include "gwd/store/copy_private.h"

#include "lib/file.h"
#include "lib/mem.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

struct restore {
    const char *dir, *from;
    char *part, *aside;
    uint64_t epoch; /* at least */
    bool has_archive;
    store_progress *progress;
    void *ctx;
};

static char *in(const char *dir, const char *name)
{
    return xasprintf("%s/%s", dir, name);
}

static int copy_one(struct restore *w, const char *name, struct gw_err *err)
{
    char *from = in(w->from, name), *to = in(w->part, name);
    int r = copy_database(from, to, w->progress, w->ctx, err);
    free(from);
    free(to);
    return r;
}

/* The archive is not worth the state: without one the jobs that are under way are still there. */
static int copy_files(struct restore *w, struct gw_err *err)
{
    char *archive = in(w->from, "archive.db");
    struct stat st;
    uint64_t n;
    w->has_archive = stat(archive, &st) == 0;
    int r = copy_one(w, "state.db", err);
    if (r == 0 && w->has_archive)
        r = copy_one(w, "archive.db", err);
    free(archive);
    archive = in(w->part, "archive.db");
    if (r == 0 && w->has_archive)
        r = check_archive(archive, &n, err);
    free(archive);
    return r;
}

static int raise(struct store *s, struct state *state, uint64_t epoch, int64_t now_us,
                 struct gw_err *err)
{
    struct buf b = BUF_INIT;
    if (!state->instance)
        return 0;
    epoch = epoch > state->epoch ? epoch : state->epoch + 1;
    struct event ev = {.kind = EV_EPOCH_RAISED,
                       .at_us = now_us,
                       .seq = state->seq + 1,
                       .epoch = epoch,
                       .fence = epoch};
    event_encode(&ev, &b);
    int r = store_append(s, ev.seq, 1, &b, err);
    if (r == 0)
        r = state_apply(state, &ev, err);
    buf_clear(&b);
    return r;
}

/* Verified by being loaded; it becomes a state of this format, with a mark. */
static int adopt(struct restore *w, int64_t now_us, struct gw_err *err)
{
    struct store *s;
    struct state state;
    int r = store_open_adopted(w->part, &s, err);
    if (r < 0)
        return r;
    state_init(&state);
    r = store_load(s, &state, err);
    if (r == 0)
        r = raise(s, &state, w->epoch, now_us, err);
    state_clear(&state);
    store_close(s);
    return r;
}

/* --- into its place --- */

static const char *const names[] = {"archive.db", "archive.db-wal", "archive.db-shm",
                                    "state.mark", "state.db-wal",   "state.db-shm",
                                    "state.db"};

/* Those of `names` that are there. */
static int move_files(const char *from, const char *to, struct gw_err *err)
{
    int r = 0;
    for (size_t i = 0; r == 0 && i < GW_COUNT(names); i++) {
        char *a = in(from, names[i]), *b = in(to, names[i]);
        if (rename(a, b) < 0 && errno != ENOENT)
            r = gw_err_sys(err, errno, "moving %s to %s", a, b);
        free(a);
        free(b);
    }
    if (r == 0)
        r = sync_path(from, err);
    return r < 0 ? r : sync_path(to, err);
}

static bool has_any(const char *dir)
{
    bool has = false;
    for (size_t i = 0; !has && i < GW_COUNT(names); i++) {
        char *path = in(dir, names[i]);
        struct stat st;
        has = lstat(path, &st) == 0;
        free(path);
    }
    return has;
}

static int move_aside(struct restore *w, int64_t now_us, struct gw_err *err)
{
    time_t now = (time_t)(now_us / 1000000);
    struct tm tm;
    char stamp[32];
    if (!has_any(w->dir))
        return 0;
    gmtime_r(&now, &tm);
    strftime(stamp, sizeof stamp, "%Y%m%dT%H%M%SZ", &tm);
    w->aside = xasprintf("%s/replaced-%s", w->dir, stamp);
    if (mkdir(w->aside, 0700) < 0)
        return gw_err_sys(err, errno, "making %s", w->aside);
    int r = sync_path(w->dir, err);
    return r < 0 ? r : move_files(w->dir, w->aside, err);
}

static int put_in_place(struct restore *w, int64_t now_us, struct gw_err *err)
{
    char *lock = in(w->part, "gwd.lock");
    unlink(lock);
    free(lock);
    int r = sync_path(w->part, err);
    if (r == 0)
        r = move_aside(w, now_us, err);
    if (r == 0)
        r = move_files(w->part, w->dir, err);
    return r < 0 ? r : file_remove_tree(w->part, err);
}

static int run(struct restore *w, int64_t now_us, struct gw_err *err)
{
    struct store_summary present;
    int r = file_remove_tree(w->part, err);
    if (r == 0 && mkdir(w->part, 0700) < 0)
        r = gw_err_sys(err, errno, "making %s", w->part);
    if (r == 0)
        r = copy_files(w, err);
    /* Of what is there no more is wanted than its epoch, where it can be read. */
    if (r == 0 && read_state(w->dir, true, &present, NULL) == 0 && present.epoch >= w->epoch)
        w->epoch = present.epoch + 1;
    if (r == 0)
        r = adopt(w, now_us, err);
    return r < 0 ? r : put_in_place(w, now_us, err);
}

int store_restore(const char *dir, const char *from, int64_t now_us, store_progress *progress,
                  void *ctx, struct store_summary *ret, char **ret_aside, struct gw_err *err)
{
    struct store lock = {.dir = (char *)dir, .lock_fd = -1};
    struct restore w = {.dir = dir,
                        .from = from,
                        .part = in(dir, "restoring"),
                        .epoch = (uint64_t)now_us / 1000 + EPOCH_CHANCE_MS,
                        .progress = progress,
                        .ctx = ctx};
    int r = file_mkdirs(dir, 0700, err);
    if (r == 0)
        r = store_lock(&lock, err);
    if (r == 0)
        r = run(&w, now_us, err);
    if (r == 0)
        r = store_check(dir, false, NULL, NULL, ret, err);
    if (r == 0) {
        ret->has_archive = w.has_archive;
        *ret_aside = w.aside;
        w.aside = NULL;
    }
    if (lock.lock_fd >= 0)
        close(lock.lock_fd);
    free(w.aside);
    free(w.part);
    return r;
}
