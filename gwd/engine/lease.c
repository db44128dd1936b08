/* Leases: attempts that may be replaced when nobody hears of them stop by themselves when they are no longer
 * told to go on. One file per site serves all of them (docs/jobdir.md); it is renewed at a third of the
 * shortest lease there. */
#include "gwd/engine/engine_private.h"
#include "lib/mem.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

struct site {
    const char *tm, *url;
};

static bool site_is_new(const struct site *sites, size_t n, const struct attempt *a)
{
    for (size_t i = 0; i < n; i++)
        if (strcmp(sites[i].tm, a->tm) == 0 && strcmp(sites[i].url, a->stage_url) == 0)
            return false;
    return true;
}

/* The body of the lease file; the daemon adds head and checksum (wire/status.h). */
static char *lease_body(const struct engine *e)
{
    return xasprintf("INSTANCE=%s\nEPOCH=%" PRIu64 "\nSEQ=%" PRIu64 "\n", e->state.instance, e->state.epoch,
                     e->lease_seq);
}

void lease_renew(struct engine *e)
{
    struct site *sites = NULL;
    size_t n = 0;
    uint64_t shortest = UINT64_MAX;
    struct flight *f, *tmp;
    HASH_ITER(hh, e->flights, f, tmp) {
        uint64_t lease = f->job->spec->t->lease_s;
        const struct attempt *a = flight_attempt(f);
        if (!lease)
            continue;
        shortest = lease < shortest ? lease : shortest;
        if (site_is_new(sites, n, a)) {
            sites = xreallocarray(sites, n + 1, sizeof *sites);
            sites[n++] = (struct site){a->tm, a->stage_url};
        }
    }
    e->is_lease_timed = n > 0;
    if (n) {
        /* Rises over restarts without being stored. */
        e->lease_seq = (uint64_t)e->now_us > e->lease_seq ? (uint64_t)e->now_us : e->lease_seq + 1;
        timers_add(&e->timers, (struct timer){.at_us = e->mono_us + (int64_t)shortest * 1000000 / 3,
                                              .kind = TIMER_LEASE});
        struct effect *file = effect_add(e, EFFECT_WRITE_LEASE);
        file->path = xasprintf("%s/lease", e->config->spool);
        file->text = lease_body(e);
    }
    for (size_t i = 0; i < n; i++) {
        struct task_ref ref = {.job = 0, .task = i, .attempt = e->lease_seq};
        struct driver *d = driver_find(e, DRIVER_TM, sites[i].tm);
        if (!d || !d->is_up)
            continue;
        char *from = xasprintf("file://%s/lease", e->config->spool);
        char *to = xasprintf("%s/.gw_lease_%s", sites[i].url, e->state.instance);
        send_request(e, DRIVER_TM, d->name, "START", ref, 0, NULL, NULL, NULL);
        send_request(e, DRIVER_TM, d->name, "CP", ref, 0, NULL, from, to);
        send_request(e, DRIVER_TM, d->name, "END", ref, 0, NULL, NULL, NULL);
        free(from);
        free(to);
    }
    free(sites);
}
