#include "gwd/daemon/upkeep.h"

#include "gwd/daemon/statedir.h"
#include "gwd/store/backup.h"
#include "lib/mem.h"

#include <errno.h>
#include <grp.h>
#include <inttypes.h>
#include <libgen.h>
#include <pwd.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

/* --- as whom --- */

static uid_t owner_of(const char *path)
{
    struct stat st;
    if (lstat(path, &st) == 0 && st.st_uid != 0)
        return st.st_uid;
    return stat(path, &st) == 0 ? st.st_uid : 0;
}

/* Who beside root could lead `path` elsewhere: the nearest one to whom something on the way there
 * belongs, by its name or by what its links lead to; 0: nobody. */
static uid_t keeper_of(const char *path)
{
    char *copy = xstrdup(path), *at = copy, *real = realpath(at, NULL);
    uid_t keeper;
    while (!(keeper = owner_of(at)) && strcmp(at, "/") != 0 && strcmp(at, ".") != 0) {
        at = dirname(at);
        real = real ? real : realpath(at, NULL);
    }
    if (!keeper && real && strcmp(real, path) != 0)
        keeper = keeper_of(real);
    free(real);
    free(copy);
    return keeper;
}

/* Of a directory that another account can change root would read and write whatever the links there
 * lead to. So root becomes that account, which may do no more than it could by itself.
 * *ret_as: a word of it for messages. */
static int become_keeper(const char *path, char **ret_as, struct gw_err *err)
{
    uid_t keeper = path && geteuid() == 0 ? keeper_of(path) : 0;
    if (!keeper)
        return 0;
    const struct passwd *pw = getpwuid(keeper);
    if (!pw)
        return gw_err_set(err, GW_EPERM,
                          "%s is in the hands of the account %lu, which this machine does not "
                          "know: root does not work there",
                          path, (unsigned long)keeper);
    if (initgroups(pw->pw_name, pw->pw_gid) < 0 ||
        setresgid(pw->pw_gid, pw->pw_gid, pw->pw_gid) < 0 || setresuid(keeper, keeper, keeper) < 0)
        return gw_err_sys(err, errno, "becoming %s, in whose hands %s is", pw->pw_name, path);
    *ret_as = xasprintf("as %s, in whose hands %s is", pw->pw_name, path);
    return 0;
}

/* --- what is done --- */

struct words {
    int64_t begun_us, said_us;
};

/* Nothing in the first second, then once a second. */
static void on_progress(void *ctx, const char *what, uint64_t done, uint64_t total)
{
    enum { EVERY_US = 1000000 };
    struct words *w = ctx;
    int64_t now = clock_mono_us();
    if (now - w->said_us < EVERY_US)
        return;
    w->said_us = now;
    fprintf(stderr, "gwd: %s: %" PRIu64 " %% after %" PRId64 " s\n", what,
            total ? 100 * done / total : 0, (now - w->begun_us) / 1000000);
}

static void print_summary(const char *dir, const struct store_summary *s)
{
    if (!*s->instance) {
        printf("%s: format %d, never used\n", dir, s->format);
        return;
    }
    printf("%s: format %d, instance %s, epoch %" PRIu64 ", %" PRIu64 " events, %" PRIu64
           " jobs (%" PRIu64 " tasks unfinished), %" PRIu64 " archived%s\n",
           dir, s->format, s->instance, s->epoch, s->events, s->jobs, s->tasks_unfinished,
           s->archived, s->is_in_use ? "; a gwd uses it" : "");
}

static int check(const char *dir, bool is_backup, struct words *w, struct gw_err *err)
{
    struct store_summary s;
    int r = store_check(dir, is_backup, on_progress, w, &s, err);
    if (r == 0)
        print_summary(dir, &s);
    return r;
}

static int backup(const char *state_dir, const char *to, struct words *w, struct gw_err *err)
{
    struct store_summary s;
    int r = store_backup(state_dir, to, on_progress, w, &s, err);
    if (r == 0)
        print_summary(to, &s);
    return r;
}

static int restore(const char *state_dir, const char *from, struct words *w, struct gw_err *err)
{
    struct store_summary s;
    char *aside = NULL;
    int r = store_restore(state_dir, from, clock_wall_us(), on_progress, w, &s, &aside, err);
    if (r < 0)
        return r;
    print_summary(state_dir, &s);
    if (aside)
        printf("what was there before is in %s; remove it when all is well\n", aside);
    if (!s.has_archive)
        printf("%s has no archive.db: finished jobs that had left the listing are not known any "
               "more\n",
               from);
    free(aside);
    return 0;
}

static int do_upkeep(enum upkeep what, const char *state_dir, const char *dir, struct words *w,
                     struct gw_err *err)
{
    switch (what) {
    case UPKEEP_NONE:
        break;
    case UPKEEP_BACKUP:
        return backup(state_dir, dir, w, err);
    case UPKEEP_RESTORE:
        return restore(state_dir, dir, w, err);
    case UPKEEP_CHECK:
        return check(dir ? dir : state_dir, dir != NULL, w, err);
    }
    return 0;
}

int upkeep_run(enum upkeep what, const struct settings *settings, const char *dir)
{
    const char *state_dir = settings ? settings_state_dir(settings) : NULL;
    struct words w = {.begun_us = clock_mono_us(), .said_us = clock_mono_us()};
    struct gw_err err = {0};
    char *as = NULL;
    bool is_elsewhere = what == UPKEEP_CHECK && dir;
    int r = is_elsewhere ? 0 : become_keeper(state_dir, &as, &err);
    if (r == 0)
        r = become_keeper(dir, &as, &err);
    if (r == 0)
        r = do_upkeep(what, state_dir, dir, &w, &err);
    if (r < 0 && as)
        gw_err_context(&err, "%s", as);
    free(as);
    return r < 0 ? statedir_fail(what == UPKEEP_NONE ? settings : NULL, &err) : 0;
}
