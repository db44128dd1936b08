/* Sites that rest: what gwd/engine/health.h says of a host and an owner, kept and acted upon. */
#include "gwd/engine/engine_private.h"
#include "lib/mem.h"

#include <string.h>
#include <utlist.h>

static struct health_rules rules(const struct engine *e)
{
    const struct engine_config *c = e->config;
    return (struct health_rules){c->site_failures, c->site_pause_us, c->site_pause_max_us};
}

/* Few owners are in trouble at a host, mostly none. */
static struct health *find(const struct host_entry *at, uint64_t uid, const char *credential)
{
    struct health *h = at->health;
    while (h && (h->uid != uid || !texts_are_equal(h->credential, credential)))
        h = h->next;
    return h;
}

static struct health *of_flight(const struct flight *f)
{
    const struct principal *owner = &f->job->spec->owner;
    return find(f->at, owner->uid, owner->credential);
}

/* Whether he may be given attempts there is another answer now, perhaps. */
static void changed(struct engine *e, const struct host_entry *at)
{
    if (at->host)
        sched_host_changed(e->sched, at->host);
}

static void set_timer(struct engine *e, const struct host_entry *at, const struct health *h)
{
    int64_t at_us = health_next_us(h, e->mono_us);
    if (at->host && at_us != INT64_MAX)
        timers_add(&e->timers,
                   (struct timer){.at_us = at_us, .kind = TIMER_REST, .job = at->host->id});
}

static void forget(struct host_entry *at, struct health *h)
{
    DL_DELETE(at->health, h);
    health_destroy(h);
}

void rest_clear(struct host_entry *at)
{
    while (at->health)
        forget(at, at->health);
}

void rest_forgive(struct engine *e, struct host_entry *at)
{
    rest_clear(at);
    changed(e, at);
}

void rest_started(struct engine *e, struct flight *f)
{
    struct health *h = of_flight(f);
    if (!h)
        return;
    f->is_trial = health_started(h);
    if (!health_may_start(h, e->mono_us))
        changed(e, f->at);
}

/* Nothing that gwd itself is to blame for goes better with the next job; but that a lease was not
 * renewed, which the wrapper says, tells nothing of the site. */
static bool is_ours(const struct flight *f)
{
    return f->failure.blame == BLAME_US && !f->status.is_there;
}

static void failed(struct engine *e, struct flight *f)
{
    const struct principal *owner = &f->job->spec->owner;
    struct health_rules r = rules(e);
    struct health *h = of_flight(f);
    if (!r.failures_max)
        return;
    if (!h) {
        h = health_create(owner->uid, owner->user, owner->credential);
        DL_APPEND(f->at->health, h);
    }
    if (is_ours(f))
        r.failures_max = 1;
    int64_t until_us = h->until_us;
    health_failed(h, &r, e->mono_us, f->ref.job, f->ref.task, &f->failure);
    if (h->until_us == until_us)
        return;
    changed(e, f->at);
    set_timer(e, f->at, h);
}

/* The job got there, ran, and its result came home: whatever that was, the site did its part. */
static bool is_served(const struct flight *f, enum outcome outcome)
{
    return outcome == OUTCOME_DONE || (f->status.is_there && f->failure.blame == BLAME_JOB);
}

void rest_ended(struct engine *e, struct flight *f, enum outcome outcome)
{
    struct health *h = of_flight(f);
    bool was_closed = h && !health_may_start(h, e->mono_us);
    if (h && f->is_trial)
        health_trial_ended(h);
    if (is_served(f, outcome)) {
        if (h && health_succeeded(h)) {
            forget(f->at, h);
            h = NULL;
        }
    } else if (f->failure.blame == BLAME_SITE || is_ours(f)) {
        failed(e, f);
        h = of_flight(f);
    }
    if (was_closed && (!h || health_may_start(h, e->mono_us)))
        changed(e, f->at);
}

static bool has_running_trial(const struct host_entry *at, const struct health *h)
{
    const struct flight *f = at->flights;
    while (f && !(f->is_trial && f->em == EM_ACTIVE && of_flight(f) == h))
        f = f->at_next;
    return f != NULL;
}

void rest_time(struct engine *e, uint64_t host)
{
    struct host_entry *at = hosts_entry(e, e->hosts[host]->name);
    struct health_rules r = rules(e);
    struct health *h, *tmp;
    DL_FOREACH_SAFE(at->health, h, tmp)
    {
        if (health_look(h, &r, e->mono_us, has_running_trial(at, h)))
            forget(at, h);
        else
            set_timer(e, at, h);
    }
    changed(e, at);
}

bool rest_has_any(const struct engine *e, const struct host *host)
{
    const struct health *h = NULL;
    struct host_entry *at;
    HASH_FIND_STR(e->host_entries, host->name, at);
    if (at)
        for (h = at->health; h && health_may_start(h, e->mono_us);)
            h = h->next;
    return h != NULL;
}

bool rest_concerns(const struct engine *e, const struct host *host, const struct job_class *c)
{
    struct host_entry *at;
    HASH_FIND_STR(e->host_entries, host->name, at);
    const struct health *h = at ? find(at, c->uid, c->credential) : NULL;
    return h && !health_may_start(h, e->mono_us);
}

const struct health *engine_rests(const struct engine *e, const struct host *host)
{
    struct host_entry *at;
    HASH_FIND_STR(e->host_entries, host->name, at);
    return at ? at->health : NULL;
}

const struct health *engine_first_rest(const struct engine *e, const struct job_class *class,
                                       const struct host **ret_host)
{
    const struct health *first = NULL;
    for (size_t i = 0; i < e->n_hosts; i++) {
        struct host_entry *at;
        HASH_FIND_STR(e->host_entries, e->hosts[i]->name, at);
        const struct health *h = at && at->health ? find(at, class->uid, class->credential) : NULL;
        if (!h || !h->window || (first && first->until_us <= h->until_us))
            continue;
        first = h;
        *ret_host = e->hosts[i];
    }
    return first;
}
