/* Leases: attempts that may be replaced when nobody hears of them stop by themselves when they are
 * no longer told to go on. One file per site serves all of them (docs/jobdir.md); it is renewed at
 * a third of the shortest lease there. */
#include "gwd/engine/engine_private.h"
#include "lib/mem.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

struct site {
    const char *tm, *url, *credential;
};

static bool is_same(const char *a, const char *b)
{
    return a && b ? strcmp(a, b) == 0 : a == b;
}

/* Two credentials may be two accounts, and so two homes. */
static bool site_is_new(const struct site *sites, size_t n, const struct site *s)
{
    for (size_t i = 0; i < n; i++)
        if (strcmp(sites[i].tm, s->tm) == 0 && strcmp(sites[i].url, s->url) == 0 &&
            is_same(sites[i].credential, s->credential))
            return false;
    return true;
}

/* Attempts that may be replaced once their lease is over are named while their fate is unknown: for
 * them the lease counts as not renewed. A line of a lease file has 4 KiB at most, and its reader
 * takes few lines. */
enum { LOST_LINE_MAX = 3900, LOST_LINES_MAX = 12 };

/* False: there are more than can be named. */
static bool put_lost(const struct engine *e, struct buf *body)
{
    size_t n_lines = 0, line = 0;
    struct flight *f, *tmp;
    HASH_ITER (hh, e->flights, f, tmp) {
        if (!flight_attempt(f)->unknown_since_us ||
            f->job->spec->t->on_lost != ON_LOST_RETRY_AFTER_LEASE)
            continue;
        bool is_new = n_lines == 0 || body->len - line > LOST_LINE_MAX;
        if (is_new && ++n_lines > LOST_LINES_MAX)
            return false;
        if (is_new) {
            buf_puts(body, n_lines > 1 ? "\nLOST=" : "LOST=");
            line = body->len;
        }
        buf_printf(body, "%s%" PRIu64 ".%" PRIu64 ".%" PRIu64, is_new ? "" : " ", f->ref.job,
                   f->ref.task, f->ref.attempt);
    }
    if (n_lines)
        buf_putc(body, '\n');
    return true;
}

/* The body of the lease file; the daemon adds head and checksum (wire/status.h). NULL: nobody's
 * lease may be renewed, because it cannot be said whose may not. */
static char *lease_body(const struct engine *e)
{
    struct buf b = BUF_INIT;
    buf_printf(&b, "INSTANCE=%s\nEPOCH=%" PRIu64 "\nSEQ=%" PRIu64 "\n", e->state.instance,
               e->state.epoch, e->lease_seq);
    if (put_lost(e, &b))
        return buf_take(&b);
    buf_clear(&b);
    return NULL;
}

void lease_want(struct engine *e, uint64_t lease_s)
{
    if (lease_s && e->mono_us + (int64_t)lease_s * 1000000 / 3 < e->lease_us)
        lease_renew(e);
}

/* Copy the lease file to one site. Its ref is of no attempt; each renewal has its own. */
static void send_lease(struct engine *e, const struct site *site, uint64_t index)
{
    struct task_ref ref = {.job = 0, .task = index, .attempt = e->lease_seq};
    struct driver *d = driver_find(e, DRIVER_TM, site->tm);
    if (!d || !d->is_up)
        return;
    char *from = xasprintf("file://%s/lease", e->config->spool);
    char *to = xasprintf("%s/.gw_lease_%s", site->url, e->state.instance);
    if (d->features & FEATURE_CREDENTIAL && site->credential)
        send_request(e, DRIVER_TM, d->name, "CREDENTIAL", ref, 0, NULL, site->credential, NULL);
    send_request(e, DRIVER_TM, d->name, "START", ref, 0, NULL, NULL, NULL);
    send_request(e, DRIVER_TM, d->name, "CP", ref, 0, NULL, from, to);
    free(from);
    free(to);
}

void lease_answer(struct engine *e, const struct input *in)
{
    /* The file is where it should be, or not: the next one will be. END before that would cancel
     * it.
     */
    if (strcmp(in->answer.verb, "CP") == 0)
        send_request(e, DRIVER_TM, in->answer.driver, "END", in->answer.ref, 0, NULL, NULL, NULL);
    else if (strcmp(in->answer.verb, "END") == 0)
        effect_add(e, EFFECT_RELEASE)->ref = in->answer.ref;
}

static void write_and_send(struct engine *e, const struct site *sites, size_t n)
{
    /* Rises over restarts without being stored. */
    e->lease_seq = (uint64_t)e->now_us > e->lease_seq ? (uint64_t)e->now_us : e->lease_seq + 1;
    char *body = lease_body(e);
    if (!body)
        return;
    struct effect *file = effect_add(e, EFFECT_WRITE_LEASE);
    file->path = xasprintf("%s/lease", e->config->spool);
    file->text = body;
    for (size_t i = 0; i < n; i++)
        send_lease(e, &sites[i], i);
}

void lease_renew(struct engine *e)
{
    struct site *sites = NULL;
    size_t n = 0;
    uint64_t shortest = UINT64_MAX;
    struct flight *f, *tmp;
    HASH_ITER (hh, e->flights, f, tmp) {
        uint64_t lease = f->job->spec->t->lease_s;
        const struct attempt *a = flight_attempt(f);
        if (!lease)
            continue;
        shortest = lease < shortest ? lease : shortest;
        struct site s = {a->tm, a->stage_url, f->job->spec->owner.credential};
        if (site_is_new(sites, n, &s)) {
            sites = xreallocarray(sites, n + 1, sizeof *sites);
            sites[n++] = s;
        }
    }
    e->lease_us = INT64_MAX;
    if (n) {
        e->lease_us = e->mono_us + (int64_t)shortest * 1000000 / 3;
        timers_add(&e->timers, (struct timer){.at_us = e->lease_us, .kind = TIMER_LEASE});
        write_and_send(e, sites, n);
    }
    free(sites);
}
