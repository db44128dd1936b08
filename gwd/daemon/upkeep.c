#include "gwd/daemon/upkeep.h"

#include "gwd/daemon/statedir.h"
#include "gwd/store/backup.h"
#include "lib/mem.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

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

int upkeep_run(enum upkeep what, const struct settings *settings, const char *dir)
{
    const char *state_dir = settings ? settings_state_dir(settings) : NULL;
    struct words w = {.begun_us = clock_mono_us(), .said_us = clock_mono_us()};
    struct gw_err err = {0};
    int r = 0;
    switch (what) {
    case UPKEEP_NONE:
        break;
    case UPKEEP_BACKUP:
        r = backup(state_dir, dir, &w, &err);
        break;
    case UPKEEP_RESTORE:
        r = restore(state_dir, dir, &w, &err);
        break;
    case UPKEEP_CHECK:
        r = check(dir ? dir : state_dir, dir != NULL, &w, &err);
        break;
    }
    return r < 0 ? statedir_fail(what == UPKEEP_NONE ? settings : NULL, &err) : 0;
}
