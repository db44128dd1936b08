/* A restore is made beside the state, in restoring/, as a whole state directory. When it is
 * complete and verified it is renamed to restored/, and from then on is what counts: what was there
 * moves to restored/replaced/, the new files take its place, and restored/replaced/ becomes
 * replaced-TIME/. Each step is on disk before the next one, and the next call goes on where this
 * one was left. A daemon that finds restored/ refuses to start. */
#include "gwd/store/copy_private.h"

#include "lib/crash.h"
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
    char *part;     /* restoring/ */
    char *whole;    /* restored/ */
    char *aside;    /* replaced-TIME/; NULL: nothing was */
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

/* Those of `names` that are there, one after the other also on disk. */
static int move_files(const char *from, const char *to, struct gw_err *err)
{
    int r = 0;
    for (size_t i = 0; r == 0 && i < GW_COUNT(names); i++) {
        char *a = in(from, names[i]), *b = in(to, names[i]);
        bool is_moved = rename(a, b) == 0;
        if (!is_moved && errno != ENOENT)
            r = gw_err_sys(err, errno, "moving %s to %s", a, b);
        crash_point("restore");
        if (is_moved)
            r = sync_path(to, err);
        if (r == 0 && is_moved)
            r = sync_path(from, err);
        free(a);
        free(b);
    }
    return r;
}

static bool has(const char *dir, const char *name)
{
    struct stat st;
    char *path = in(dir, name);
    bool is_there = lstat(path, &st) == 0;
    free(path);
    return is_there;
}

static int make_dir(const char *path, struct gw_err *err)
{
    if (mkdir(path, 0700) < 0 && errno != EEXIST)
        return gw_err_sys(err, errno, "making %s", path);
    return 0;
}

/* What was replaced gets its name; of two in a second the later one another. */
static int name_replaced(struct restore *w, const char *replaced, int64_t now_us,
                         struct gw_err *err)
{
    time_t now = (time_t)(now_us / 1000000);
    struct tm tm;
    char stamp[32];
    gmtime_r(&now, &tm);
    strftime(stamp, sizeof stamp, "%Y%m%dT%H%M%SZ", &tm);
    char *to = xasprintf("%s/replaced-%s", w->dir, stamp);
    for (unsigned i = 2; renameat2(AT_FDCWD, replaced, AT_FDCWD, to, RENAME_NOREPLACE) < 0; i++) {
        int r = errno == EEXIST ? 0 : gw_err_sys(err, errno, "moving %s to %s", replaced, to);
        free(to);
        if (r < 0)
            return r;
        to = xasprintf("%s/replaced-%s-%u", w->dir, stamp, i);
    }
    /* Where a restore that was interrupted has come first, its one is what was there before. */
    if (w->aside)
        free(to);
    else
        w->aside = to;
    return sync_path(w->dir, err);
}

/* restored/ into its place, from wherever it was left. While its first file is there, none of the
 * others is in its place, and what is there is the old. */
static int put_in_place(struct restore *w, int64_t now_us, struct gw_err *err)
{
    char *replaced = in(w->whole, "replaced");
    int r = 0;
    if (has(w->whole, names[0])) {
        r = make_dir(replaced, err);
        crash_point("restore");
        if (r == 0)
            r = sync_path(w->whole, err);
        if (r == 0)
            r = move_files(w->dir, replaced, err);
    }
    if (r == 0)
        r = move_files(w->whole, w->dir, err);
    if (r == 0 && rmdir(replaced) < 0 && errno != ENOENT)
        r = name_replaced(w, replaced, now_us, err);
    crash_point("restore");
    if (r == 0 && rmdir(w->whole) < 0)
        r = gw_err_sys(err, errno, "removing %s", w->whole);
    crash_point("restore");
    free(replaced);
    return r < 0 ? r : sync_path(w->dir, err);
}

/* restoring/ becomes restored/. */
static int complete(struct restore *w, struct gw_err *err)
{
    char *lock = in(w->part, "gwd.lock");
    unlink(lock);
    free(lock);
    int r = sync_path(w->part, err);
    crash_point("restore");
    if (r == 0 && rename(w->part, w->whole) < 0)
        r = gw_err_sys(err, errno, "moving %s to %s", w->part, w->whole);
    crash_point("restore");
    return r < 0 ? r : sync_path(w->dir, err);
}

static int make(struct restore *w, int64_t now_us, struct gw_err *err)
{
    struct store_summary present;
    int r = store_check_restored(w->from, err);
    if (r == 0 && !has(w->from, "state.db"))
        r = gw_err_set(err, GW_ENOENT, "%s/state.db is not there", w->from);
    if (r == 0)
        r = file_remove_tree(w->part, err);
    if (r == 0)
        r = make_dir(w->part, err);
    crash_point("restore");
    if (r == 0)
        r = copy_files(w, err);
    crash_point("restore");
    /* Of what is there no more is wanted than its epoch, where it can be read. */
    if (r == 0 && read_state(w->dir, true, &present, NULL) == 0 && present.epoch >= w->epoch)
        w->epoch = present.epoch + 1;
    if (r == 0)
        r = adopt(w, now_us, err);
    crash_point("restore");
    return r < 0 ? r : complete(w, err);
}

static bool is_same_dir(const char *a, const char *b)
{
    struct stat x, y;
    return stat(a, &x) == 0 && stat(b, &y) == 0 && x.st_dev == y.st_dev && x.st_ino == y.st_ino;
}

/* One that was interrupted comes first: what was there before is in it. */
static int run(struct restore *w, int64_t now_us, struct gw_err *err)
{
    if (has(w->dir, "restored")) {
        w->has_archive = true;
        int r = put_in_place(w, now_us, err);
        if (r < 0 || is_same_dir(w->from, w->dir))
            return r;
    }
    int r = make(w, now_us, err);
    return r < 0 ? r : put_in_place(w, now_us, err);
}

int store_restore(const char *dir, const char *from, int64_t now_us, store_progress *progress,
                  void *ctx, struct store_summary *ret, char **ret_aside, struct gw_err *err)
{
    struct store lock = {.dir = (char *)dir, .lock_fd = -1};
    struct restore w = {.dir = dir,
                        .from = from,
                        .part = in(dir, "restoring"),
                        .whole = in(dir, "restored"),
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
        ret->is_in_use = false; /* the lock is ours */
        *ret_aside = w.aside;
        w.aside = NULL;
    }
    if (lock.lock_fd >= 0)
        close(lock.lock_fd);
    free(w.aside);
    free(w.part);
    free(w.whole);
    return r;
}
