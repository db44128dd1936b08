/* Finished jobs on their way out of the state: those that the engine names are encoded, a batch at
 * a time, written by the store's thread, and when all are on disk the engine is told. */
#include "gwd/daemon/daemon.h"
#include "gwd/daemon/settings.h"
#include "lib/log.h"
#include "lib/mem.h"

#include <inttypes.h>
#include <stdlib.h>

struct archiving {
    struct daemon *daemon;
    uv_async_t wake;
    uint64_t *jobs; /* that the engine named; those before `at` are encoded */
    size_t n, at, cap;
    size_t task_it; /* of jobs[at] */
    bool is_writing;
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

static void on_wake(uv_async_t *handle)
{
    struct archiving *a = handle->data;
    struct daemon *d = a->daemon;
    struct gw_err err;
    if (a->n == 0 || store_archive_is_busy(d->store))
        return;
    if (a->is_writing) {
        a->is_writing = false;
        if (store_archive_result(d->store, &err) < 0) {
            log_error("finished jobs stay in the listing for now: %s", err.text);
            tell(a, false);
            return;
        }
        if (a->at == a->n) {
            tell(a, true);
            return;
        }
    }
    encode(a);
    a->is_writing = true;
    store_archive_write(d->store, served_us(d), on_archive_done, a);
}

void archiving_init(struct daemon *d)
{
    struct archiving *a = d->archiving = xcalloc(1, sizeof *a);
    a->daemon = d;
    uv_async_init(d->loop, &a->wake, on_wake);
    uv_unref((uv_handle_t *)&a->wake);
    a->wake.data = a;
    store_archive_retain(d->store, settings_archive_retention_us(d->settings));
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
