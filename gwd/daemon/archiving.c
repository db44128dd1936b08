/* Finished jobs on their way out of the state: those that the engine names are encoded, a batch at
 * a time, written by the store's thread, and when all are on disk the engine is told. When the time
 * of the oldest in the archive is over it goes, whether others come or not. */
#include "gwd/daemon/daemon.h"
#include "gwd/daemon/settings.h"
#include "lib/log.h"
#include "lib/mem.h"

#include <inttypes.h>
#include <stdlib.h>

enum work { WORK_NONE, WORK_JOBS, WORK_DROP };

#define AGAIN_US (INT64_C(60) * 1000000) /* after something went wrong */

struct archiving {
    struct daemon *daemon;
    uv_async_t wake;
    uv_timer_t timer;
    int64_t next_us; /* when it is set for, of served_us() */
    uint64_t *jobs;  /* that the engine named; those before `at` are encoded */
    size_t n, at, cap;
    size_t task_it; /* of jobs[at] */
    enum work work; /* what the store's thread does */
};

static void tell(struct archiving *a, bool is_archived)
{
    struct input in = {.kind = IN_ARCHIVED, .is_archived = is_archived};
    a->n = a->at = a->task_it = 0;
    turn_input(a->daemon, &in);
}

static void encode(struct archiving *a)
{
    struct daemon *d = a->daemon;
    while (a->at < a->n && !store_archive_is_full(d->store)) {
        const struct job *j = state_job(engine_state(d->engine), a->jobs[a->at]);
        if (!j || store_archive_put(d->store, j, &a->task_it)) {
            a->at++;
            a->task_it = 0;
        }
    }
}

static void on_archive_done(void *ctx) /* on the store's thread */
{
    struct archiving *a = ctx;
    uv_async_send(&a->wake);
}

static void begin(struct archiving *a, enum work work)
{
    struct daemon *d = a->daemon;
    a->work = work;
    uv_timer_stop(&a->timer);
    store_archive_write(d->store, served_us(d), on_archive_done, a);
}

static void on_time(uv_timer_t *timer)
{
    struct archiving *a = timer->data;
    if (a->work == WORK_NONE)
        begin(a, WORK_DROP);
}

static void set_timer(struct archiving *a)
{
    int64_t rest_us = a->next_us - served_us(a->daemon);
    if (a->next_us != INT64_MAX)
        uv_timer_start(&a->timer, on_time, rest_us > 0 ? (uint64_t)rest_us / 1000 + 1 : 0, 0);
}

/* The store's thread has done its work, or could not. */
static void conclude(struct archiving *a)
{
    struct daemon *d = a->daemon;
    struct gw_err err;
    bool had_jobs = a->work == WORK_JOBS;
    int r = store_archive_result(d->store, &err);
    a->work = WORK_NONE;
    a->next_us = r < 0 ? served_us(d) + AGAIN_US : store_archive_next_us(d->store);
    if (r < 0)
        log_error("%s for now: %s",
                  had_jobs ? "finished jobs stay in the listing"
                           : "what is older than ARCHIVE_RETENTION stays in the archive",
                  err.text);
    if (had_jobs && (r < 0 || a->at == a->n))
        tell(a, r == 0);
}

static void on_wake(uv_async_t *handle)
{
    struct archiving *a = handle->data;
    if (store_archive_is_busy(a->daemon->store))
        return;
    if (a->work != WORK_NONE)
        conclude(a);
    if (a->n == 0) {
        set_timer(a);
        return;
    }
    encode(a);
    begin(a, WORK_JOBS);
}

void archiving_init(struct daemon *d)
{
    struct archiving *a = d->archiving = xcalloc(1, sizeof *a);
    a->daemon = d;
    uv_async_init(d->loop, &a->wake, on_wake);
    uv_unref((uv_handle_t *)&a->wake);
    a->wake.data = a;
    uv_timer_init(d->loop, &a->timer);
    uv_unref((uv_handle_t *)&a->timer);
    a->timer.data = a;
    int64_t retention_us = settings_archive_retention_us(d->settings);
    store_archive_retain(d->store, retention_us);
    a->next_us = retention_us > 0 ? served_us(d) : INT64_MAX; /* others may have come of age */
    set_timer(a);
}

void archiving_add(struct daemon *d, uint64_t job)
{
    struct archiving *a = d->archiving;
    if (a->n == a->cap) {
        a->cap = a->cap ? 2 * a->cap : 64;
        a->jobs = xreallocarray(a->jobs, a->cap, sizeof *a->jobs);
    }
    a->jobs[a->n++] = job;
    uv_async_send(&a->wake);
}

enum gw_errc archived_why_not(struct daemon *d, uint64_t id, char **ret_text)
{
    struct gw_err err = {0};
    struct job *j;
    int r = store_find_archived(d->store, id, &j, &err);
    bool was_given = id && id < engine_state(d->engine)->next_job;
    if (r < 0) {
        log_error("job %" PRIu64 ": %s", id, err.text);
        *ret_text = xasprintf("job %" PRIu64 " cannot be read from the archive: %s", id, err.text);
        return GW_ECORRUPT;
    }
    *ret_text = was_given
                    ? xasprintf("job %" PRIu64 " has ended, and is not in the archive any more", id)
                    : xasprintf("no job has the id %" PRIu64, id);
    return GW_ENOENT;
}

void archiving_stop(struct daemon *d)
{
    if (d->archiving)
        store_archive_quiet(d->store);
}

void archiving_free(struct daemon *d)
{
    if (!d->archiving)
        return;
    free(d->archiving->jobs);
    free(d->archiving);
    d->archiving = NULL;
}
