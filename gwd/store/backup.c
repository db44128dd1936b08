#include "gwd/store/copy_private.h"

#include "lib/file.h"
#include "lib/mem.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <libgen.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

static bool is_in_use(const char *dir)
{
    char *path = xasprintf("%s/gwd.lock", dir);
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
    bool is = fd >= 0 && flock(fd, LOCK_SH | LOCK_NB) < 0 && errno == EWOULDBLOCK;
    if (fd >= 0)
        close(fd);
    free(path);
    return is;
}

static void summarize(const struct store *s, const struct state *state, struct store_summary *ret)
{
    size_t it = 0;
    *ret = (struct store_summary){.format = s->format, .epoch = state->epoch, .events = state->seq};
    snprintf(ret->instance, sizeof ret->instance, "%s", state->instance ? state->instance : "");
    while (state_next_job(state, &it))
        ret->jobs++;
    for (int phase = 0; phase < PHASE_COUNT; phase++)
        if (!phase_is_final((enum phase)phase))
            ret->tasks_unfinished += state->n_tasks[phase];
}

int read_state(const char *dir, bool is_backup, struct store_summary *ret, struct gw_err *err)
{
    struct store *s;
    struct state state;
    int r = store_open_reader(dir, is_backup, &s, err);
    if (r < 0)
        return r;
    state_init(&state);
    r = store_load(s, &state, err);
    if (r == 0)
        summarize(s, &state, ret);
    state_clear(&state);
    store_close(s);
    return r;
}

int store_check(const char *dir, bool is_backup, store_progress *progress, void *ctx,
                struct store_summary *ret, struct gw_err *err)
{
    struct store_summary sum;
    char *archive = xasprintf("%s/archive.db", dir);
    bool in_use = is_in_use(dir);
    int r = read_state(dir, is_backup, &sum, err);
    sum.is_in_use = in_use;
    sum.has_archive = access(archive, F_OK) == 0;
    if (progress)
        progress(ctx, archive, 0, 1);
    if (r == 0 && sum.has_archive)
        r = check_archive(archive, &sum.archived, err);
    else if (r == 0)
        r = gw_err_set(err, GW_ECORRUPT, "%s, the archive of finished jobs, is missing", archive);
    free(archive);
    if (r == 0)
        *ret = sum;
    return r;
}

/* The state before the archive: a job that has left the one is in the other by then. */
static int copy_both(const char *dir, const char *to, store_progress *progress, void *ctx,
                     struct gw_err *err)
{
    static const char *const names[] = {"state.db", "archive.db"};
    int r = 0;
    for (size_t i = 0; r == 0 && i < GW_COUNT(names); i++) {
        char *from = xasprintf("%s/%s", dir, names[i]), *file = xasprintf("%s/%s", to, names[i]);
        r = copy_database(from, file, progress, ctx, err);
        free(from);
        free(file);
    }
    return r;
}

/* Under its name when it is whole. */
static int publish(const char *part, const char *to, struct gw_err *err)
{
    int r = sync_path(part, err);
    if (r == 0 && renameat2(AT_FDCWD, part, AT_FDCWD, to, RENAME_NOREPLACE) < 0)
        r = gw_err_sys(err, errno, "giving %s its name", to);
    char *copy = xstrdup(to);
    if (r == 0)
        r = sync_path(dirname(copy), err);
    free(copy);
    return r;
}

static int make_backup(const char *dir, const char *to, store_progress *progress, void *ctx,
                       struct store_summary *ret, struct gw_err *err)
{
    struct store marked = {.dir = (char *)dir, .mark_fd = -1};
    struct store_summary sum;
    if (access(to, F_OK) == 0)
        return gw_err_set(err, GW_EEXIST, "%s exists: a backup is made under a new name", to);
    int r = store_check_restored(dir, err);
    if (r == 0)
        r = mark_open(&marked, err); /* what is acknowledged by now has to be in it */
    if (marked.mark_fd >= 0)
        close(marked.mark_fd);
    if (r == 0)
        r = store_check_there(dir, err);
    if (r < 0)
        return r;
    char *part = xasprintf("%s.part.XXXXXX", to);
    if (!mkdtemp(part)) {
        r = gw_err_sys(err, errno, "making %s", part);
        free(part);
        return r;
    }
    r = copy_both(dir, part, progress, ctx, err);
    if (r == 0)
        r = store_check(part, true, progress, ctx, &sum, err);
    if (r == 0 && sum.events < marked.mark.seq)
        r = gw_err_set(err, GW_ECORRUPT,
                       "the copy ends with event %" PRIu64 ", and event %" PRIu64
                       " was acknowledged before",
                       sum.events, marked.mark.seq);
    if (r == 0)
        r = publish(part, to, err);
    if (r == 0)
        *ret = sum;
    else
        file_remove_tree(part, NULL);
    free(part);
    return r;
}

/* What stands beside it while it is made has its name, and more. */
int store_backup(const char *dir, const char *to, store_progress *progress, void *ctx,
                 struct store_summary *ret, struct gw_err *err)
{
    char *name = xstrdup(to);
    for (size_t n = strlen(name); n > 1 && name[n - 1] == '/'; n--)
        name[n - 1] = '\0';
    int r = make_backup(dir, name, progress, ctx, ret, err);
    free(name);
    return r;
}
