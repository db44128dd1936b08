/* Leases: attempts that may be replaced when nobody hears of them stop by themselves when they are
 * no longer told to go on. One file per site serves all of them (docs/jobdir.md); it is renewed at
 * a third of the shortest lease there. */
#include "gwd/engine/engine_private.h"
#include "lib/mem.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <utlist.h>

#define LEASE_GAP (UINT64_C(86400) * 1000000) /* of SEQ, which is a time in us */

/* A lease file on its way to a site. */
struct lease_copy {
    struct task_ref ref; /* attempt: the file's SEQ */
    char *tm, *url, *credential;
    uint64_t uid;
    int64_t until_us; /* mono: it may take so long; later it could be another daemon's turn */
    bool is_ending;
    struct lease_copy *prev, *next;
};

static struct site *site_find(struct site *sites, size_t n, const struct site *s)
{
    for (size_t i = 0; i < n; i++)
        if (strcmp(sites[i].tm, s->tm) == 0 && strcmp(sites[i].url, s->url) == 0 &&
            texts_are_equal(sites[i].credential, s->credential) && sites[i].uid == s->uid)
            return &sites[i];
    return NULL;
}

/* Attempts that may be replaced once their lease is over are named while their fate is unknown: for
 * them the lease counts as not renewed. A line of a lease file has 4 KiB at most, and its reader
 * takes few lines. */
enum { LOST_LINE_MAX = 3900, LOST_LINES_MAX = 12, LOST_LINES_MAX_PUT = 3 };

/* So many of them are named; a site that was gone for longer has forgotten the rest. */
enum { REPLACED_MAX = 500 };

void lease_replace(struct engine *e, struct task_ref ref)
{
    if (e->n_replaced == REPLACED_MAX)
        memmove(e->replaced, e->replaced + 1, --e->n_replaced * sizeof *e->replaced);
    e->replaced = xreallocarray(e->replaced, e->n_replaced + 1, sizeof *e->replaced);
    e->replaced[e->n_replaced++] = ref;
}

/* When its task is over there is nothing any more that it could run beside. */
static void forget_replaced(struct engine *e)
{
    size_t n = 0;
    for (size_t i = 0; i < e->n_replaced; i++) {
        struct job *j = state_job(&e->state, e->replaced[i].job);
        if (j && !phase_is_final(job_task_phase(j, e->replaced[i].task)))
            e->replaced[n++] = e->replaced[i];
    }
    e->n_replaced = n;
}

/* Lines LOST= of attempts. */
struct lost_lines {
    struct buf *body;
    size_t n, n_max, line; /* lines; where the last one begins */
};

/* False: there is no room for it. */
static bool put_attempt(struct lost_lines *l, const struct task_ref *ref)
{
    bool is_new = l->n == 0 || l->body->len - l->line > LOST_LINE_MAX;
    if (is_new && l->n == l->n_max)
        return false;
    if (is_new) {
        buf_puts(l->body, l->n++ ? "\nLOST=" : "LOST=");
        l->line = l->body->len;
    }
    buf_printf(l->body, "%s%" PRIu64 ".%" PRIu64 ".%" PRIu64, is_new ? "" : " ", ref->job,
               ref->task, ref->attempt);
    return true;
}

static bool is_of_user(const struct job *j, uint64_t uid)
{
    return uid == NOBODY || uid == j->spec->owner.uid;
}

/* Those of one user, or of all (NOBODY). False: there are more lost ones than can be named. */
static bool put_lost(const struct engine *e, uint64_t uid, struct buf *body)
{
    struct lost_lines lines = {.body = body,
                               .n_max = uid == NOBODY ? LOST_LINES_MAX : LOST_LINES_MAX_PUT};
    struct flight *f;
    DL_FOREACH2(e->leased, f, leased_next)
    {
        bool is_lost = flight_attempt(f)->unknown_since_us &&
                       f->job->spec->t->on_lost == ON_LOST_RETRY_AFTER_LEASE;
        if (is_lost && is_of_user(f->job, uid) && !put_attempt(&lines, &f->ref))
            return false;
    }
    for (size_t i = e->n_replaced; i-- > 0;) {
        const struct job *j = state_job(&e->state, e->replaced[i].job);
        if (j && is_of_user(j, uid) && !put_attempt(&lines, &e->replaced[i]))
            break;
    }
    if (lines.n)
        buf_putc(body, '\n');
    return true;
}

/* The body of the lease file; the daemon adds head and checksum (wire/status.h). NULL: nobody's
 * lease may be renewed, because it cannot be said whose may not. */
static char *lease_body(const struct engine *e, uint64_t uid)
{
    struct buf b = BUF_INIT;
    buf_printf(&b, "INSTANCE=%s\nEPOCH=%" PRIu64 "\nSEQ=%" PRIu64 "\n", e->state.instance,
               e->state.fence, e->lease_seq);
    if (put_lost(e, uid, &b))
        return buf_take(&b);
    buf_clear(&b);
    return NULL;
}

void lease_want(struct engine *e, uint64_t lease_s)
{
    if (lease_s && e->mono_us + (int64_t)lease_s * 1000000 / 3 < e->lease_us)
        lease_renew(e);
}

static bool is_of(const struct lease_copy *c, const struct site *s)
{
    return strcmp(c->tm, s->tm) == 0 && strcmp(c->url, s->url) == 0 &&
           texts_are_equal(c->credential, s->credential) && c->uid == s->uid;
}

struct site site_of(const struct engine *e, const struct flight *f)
{
    const struct attempt *a = flight_attempt(f);
    const struct principal *owner = &f->job->spec->owner;
    const struct driver *d = driver_find(e, DRIVER_TM, a->tm);
    return (struct site){.tm = a->tm,
                         .url = a->stage_url,
                         .credential =
                             d && d->features & FEATURE_CREDENTIAL ? owner->credential : NULL,
                         .uid = e->config->is_multi_user ? owner->uid : NOBODY,
                         .lease_s = f->job->spec->t->lease_s};
}

static struct effect *say(struct engine *e, const struct lease_copy *c, const char *verb,
                          const char *arg0, const char *arg1)
{
    send_request(e, DRIVER_TM, c->tm, verb, c->ref, 0, NULL, arg0, arg1);
    struct effect *f = &e->out->effects[e->out->n_effects - 1];
    f->uid = c->uid;
    return f;
}

/* Copied, or in multi-user mode sent. Its ref is of no attempt; each renewal has its own. */
void lease_send(struct engine *e, const struct site *site, uint64_t number, int64_t looked_us)
{
    const struct driver *d = driver_find(e, DRIVER_TM, site->tm);
    char *body = driver_serves(d, site->uid) ? lease_body(e, site->uid) : NULL;
    if (!body)
        return;
    struct lease_copy *c = xcalloc(1, sizeof *c);
    *c = (struct lease_copy){.ref = {.job = 0, .task = number, .attempt = e->lease_seq},
                             .tm = xstrdup(site->tm),
                             .url = xstrdup(site->url),
                             .credential = xstrdup(site->credential),
                             .uid = site->uid,
                             .until_us = looked_us + (int64_t)site->lease_s * 1000000 * 2 / 3};
    DL_APPEND(e->lease_copies, c);
    char *from = xasprintf("file://%s/lease", e->config->spool);
    char *to = xasprintf("%s/.gw_lease_%s", site->url, e->state.instance);
    if (site->credential)
        say(e, c, "CREDENTIAL", site->credential, NULL);
    say(e, c, "START", NULL, NULL);
    if (site->uid == NOBODY) {
        say(e, c, "CP", from, to);
        free(body);
    } else {
        struct effect *put = say(e, c, "PUT", to, NULL);
        put->kind = EFFECT_SEND_LEASE;
        put->text = body;
    }
    free(from);
    free(to);
}

/* END cancels a copy that has not ended. */
static void end(struct engine *e, struct lease_copy *c)
{
    if (!c->is_ending)
        say(e, c, "END", NULL, NULL);
    c->is_ending = true;
}

/* It is where it should be, or will never be. Attempts whose lease it may have renewed though they
 * were lost by then have that lease from now. */
static void copy_over(struct engine *e, struct lease_copy *c)
{
    struct flight *f;
    DL_FOREACH2(e->leased, f, leased_next)
    {
        struct site s = site_of(e, f);
        if (f->unknown_mono_us && c->ref.attempt < f->lost_seq && is_of(c, &s))
            f->unknown_mono_us = e->mono_us;
    }
    DL_DELETE(e->lease_copies, c);
    free(c->tm);
    free(c->url);
    free(c->credential);
    free(c);
}

void lease_answer(struct engine *e, const struct input *in)
{
    struct lease_copy *c = e->lease_copies;
    while (c && memcmp(&c->ref, &in->answer.ref, sizeof c->ref) != 0)
        c = c->next;
    if (!c)
        return;
    if (strcmp(in->answer.verb, "CP") == 0 || strcmp(in->answer.verb, "PUT") == 0) {
        end(e, c);
    } else if (strcmp(in->answer.verb, "END") == 0) {
        effect_add(e, EFFECT_RELEASE)->ref = c->ref;
        copy_over(e, c);
    }
}

void lease_driver_down(struct engine *e, const struct driver *d, uint64_t uid)
{
    struct lease_copy *c, *tmp;
    DL_FOREACH_SAFE(e->lease_copies, c, tmp)
    {
        if (d->kind == DRIVER_TM && strcmp(c->tm, d->name) == 0 && (uid == NOBODY || uid == c->uid))
            copy_over(e, c);
    }
}

bool lease_may_come(const struct engine *e, const struct flight *f)
{
    struct site s = site_of(e, f);
    for (const struct lease_copy *c = e->lease_copies; c; c = c->next)
        if (c->ref.attempt < f->lost_seq && is_of(c, &s))
            return true;
    return false;
}

/* The daemon that the state was copied from may be at work yet. It reads our mark before each
 * renewal, and what it sends it calls back after two thirds of the lease. */
int64_t lease_rest_us(const struct engine *e, const struct flight *f, int64_t since_us)
{
    int64_t lease_us = (int64_t)f->job->spec->t->lease_s * 1000000;
    if (trace_is_superseded(e, f))
        return INT64_MAX;
    if (flight_was_copied(e, f) && e->config->keeps_traces) {
        int64_t marked_us = trace_marked_us(e, f);
        if (!marked_us)
            return INT64_MAX;
        since_us = since_us > marked_us ? since_us : marked_us;
        lease_us *= 2;
    }
    return since_us + lease_us + e->config->lease_margin_us - e->mono_us;
}

void lease_clear(struct engine *e)
{
    free(e->replaced);
    e->replaced = NULL;
    e->n_replaced = 0;
    while (e->lease_copies)
        copy_over(e, e->lease_copies);
}

/* A site that has not taken the last one gets no other beside it; one that came too late is called
 * back. */
static bool has_copy(struct engine *e, const struct site *s)
{
    for (struct lease_copy *c = e->lease_copies; c; c = c->next) {
        if (c->until_us <= e->mono_us)
            end(e, c);
        if (is_of(c, s) && !c->is_ending)
            return true;
    }
    return false;
}

/* The wall clock may be behind what it was, and then the last file that went out may not be the one
 * that is left here: nobody synced it. */
void lease_start(struct engine *e, uint64_t last_seq)
{
    if (last_seq > (uint64_t)e->now_us)
        e->lease_seq = last_seq + LEASE_GAP;
}

static void write_and_send(struct engine *e, const struct site *sites, size_t n)
{
    forget_replaced(e);
    /* Rises over restarts, with the time or from the last file. */
    e->lease_seq = (uint64_t)e->now_us > e->lease_seq ? (uint64_t)e->now_us : e->lease_seq + 1;
    char *body = lease_body(e, NOBODY);
    if (body) {
        struct effect *file = effect_add(e, EFFECT_WRITE_LEASE);
        file->path = xasprintf("%s/lease", e->config->spool);
        file->text = body;
    }
    for (size_t i = 0; i < n; i++) {
        if (has_copy(e, &sites[i]))
            continue;
        if (e->config->keeps_traces)
            trace_renew(e, &sites[i]);
        else
            lease_send(e, &sites[i], i, e->mono_us);
    }
}

void lease_lose(struct engine *e, struct flight *f)
{
    struct site s = site_of(e, f);
    for (struct lease_copy *c = e->lease_copies; c; c = c->next)
        if (is_of(c, &s))
            end(e, c);
    f->unknown_mono_us = e->mono_us;
    lease_renew(e);
    f->lost_seq = e->lease_seq;
}

void lease_renew(struct engine *e)
{
    struct site *sites = NULL;
    size_t n = 0;
    uint64_t shortest = UINT64_MAX;
    struct flight *f;
    DL_FOREACH2(e->leased, f, leased_next)
    {
        uint64_t lease = f->job->spec->t->lease_s;
        shortest = lease < shortest ? lease : shortest;
        struct site s = site_of(e, f), *known = site_find(sites, n, &s);
        if (known) {
            known->lease_s = lease < known->lease_s ? lease : known->lease_s;
            continue;
        }
        sites = xreallocarray(sites, n + 1, sizeof *sites);
        sites[n++] = s;
    }
    e->lease_us = INT64_MAX;
    if (n) {
        e->lease_us = e->mono_us + (int64_t)shortest * 1000000 / 3;
        timers_add(&e->timers, (struct timer){.at_us = e->lease_us, .kind = TIMER_LEASE});
        write_and_send(e, sites, n);
    }
    free(sites);
}
