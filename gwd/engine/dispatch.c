/* From the match to attempts: each match becomes an event, takes its slot and begins its prolog. */
#include "gwd/engine/engine_private.h"
#include "lib/mem.h"
#include "lib/num.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Of a pass, 2 to 4 ms; what is left goes on when the loop has looked up. */
enum { PASS_BUDGET = 50000 };

/* A VM's UUID comes from instance, job, task and rank, so that the memory image of an earlier
 * attempt still fits it; and from when the job was submitted, because an older copy of the state
 * that was put back gives job numbers again. Version 8 (RFC 9562): our own derivation. */
static void vm_uuid(const struct engine *e, const struct job *j, uint64_t task, uint64_t rank,
                    char ret[37])
{
    char *seed = xasprintf("%s.%" PRIu64 ".%" PRId64 ".%" PRIu64 ".%" PRIu64, e->state.instance,
                           j->id, j->submitted_us, task, rank);
    uint64_t high = num_fnv64(seed, strlen(seed));
    char *again = xasprintf("%s#%016" PRIx64, seed, high);
    uint64_t low = num_fnv64(again, strlen(again));
    high = (high & ~UINT64_C(0xf000)) | UINT64_C(0x8000);
    low = (low & ~(UINT64_C(3) << 62)) | UINT64_C(2) << 62;
    snprintf(ret, 37, "%08" PRIx32 "-%04x-%04x-%04x-%012" PRIx64, (uint32_t)(high >> 32),
             (unsigned)(high >> 16 & 0xffff), (unsigned)(high & 0xffff), (unsigned)(low >> 48),
             low & UINT64_C(0xffffffffffff));
    free(again);
    free(seed);
}

/* STAGE_URL of the host, else GridWay's rule: GridFTP to the account's home. Without a final slash.
 */
static char *stage_url(const struct host *h)
{
    const char *url = host_text(h, "STAGE_URL"), *se = host_text(h, "SE_HOSTNAME");
    if (!*url)
        return xasprintf("gsiftp://%s/~", *se ? se : h->name);
    size_t len = strlen(url);
    while (len && url[len - 1] == '/')
        len--;
    return xstrndup(url, len);
}

static int64_t thousandths(double rank)
{
    double n = rank * 1000;
    if (n > 9e18 || n < -9e18)
        return n > 0 ? INT64_MAX : INT64_MIN;
    return (int64_t)(n < 0 ? n - 0.5 : n + 0.5);
}

static void start_attempt(void *ctx, const struct match *m)
{
    struct engine *e = ctx;
    struct task *known = job_task(m->job, m->task);
    char *url = stage_url(m->host);
    struct event ev = {.kind = EV_ATTEMPT_STARTED,
                       .job = m->job->id,
                       .task = m->task,
                       .attempt = known ? known->n_attempts + 1 : 1,
                       .epoch = e->state.epoch,
                       .host = m->host->name,
                       .queue = m->host->queues[m->queue].name,
                       .lrms = host_text(m->host, "LRMS_NAME"),
                       .im = m->host->im,
                       .tm = m->host->tm,
                       .em = m->host->em,
                       .stage_url = url,
                       .gwvm = host_text(m->host, "GWVM"),
                       .match_rank = thousandths(m->rank)};
    emit(e, &ev);
    free(url);
    if (m->job->spec->t->vm_image) {
        char uuid[37];
        vm_uuid(e, m->job, m->task, 0, uuid);
        struct event vm = {.kind = EV_VM_CHANGED,
                           .job = m->job->id,
                           .task = m->task,
                           .attempt = ev.attempt,
                           .uuid = uuid,
                           .node = m->host->name,
                           .vm_state = VM_PLANNED};
        emit(e, &vm);
    }
    struct flight *f = flight_create(e, m->job, job_task(m->job, m->task));
    place_count(e, f, 1);
    rest_started(e, f);
    trace_want(e, f);
    if (flight_is_bare(f))
        bare_begin(e, f);
    else
        prolog_begin(e, f);
}

static unsigned host_offers(const void *ctx, const struct host *h)
{
    const struct engine *e = ctx;
    const struct driver *tm = driver_find(e, DRIVER_TM, h->tm),
                        *em = driver_find(e, DRIVER_EM, h->em);
    unsigned offers = tm && tm->is_up && em && em->is_up ? OFFER_USABLE : 0;
    if (em && em->features & FEATURE_BARE)
        offers |= OFFER_BARE;
    if (rest_has_any(e, h))
        offers |= OFFER_NOT_TO_ALL;
    return engine_needs_credential(e, h) ? offers | OFFER_TO_OWNER : offers;
}

static bool has_credential(const void *ctx, const struct job_class *c)
{
    return credential_is_good(ctx, c);
}

static bool rests(const void *ctx, const struct host *h, const struct job_class *c)
{
    return rest_concerns(ctx, h, c);
}

static uint64_t user_running(const void *ctx, uint64_t uid)
{
    return engine_user_running(ctx, uid);
}

struct sched *dispatch_create(struct engine *e)
{
    return sched_create(&(struct sched_env){.state = &e->state,
                                            .host_offers = host_offers,
                                            .has_credential = has_credential,
                                            .rests = rests,
                                            .user_running = user_running,
                                            .take = start_attempt,
                                            .ctx = e});
}

static void call_again(struct engine *e, int64_t delay_us)
{
    if (e->mono_us + delay_us >= e->match_us)
        return;
    e->match_us = e->mono_us + delay_us;
    timers_add(&e->timers, (struct timer){.at_us = e->match_us, .kind = TIMER_MATCH});
}

void dispatch(struct engine *e)
{
    int64_t wake_us = state_wake(&e->state, e->now_us, e->config->backoff_max_us);
    if (!e->is_pass_cut && !sched_is_idle(e->sched))
        e->is_pass_cut = sched_run(e->sched, &e->config->limits, e->now_us, PASS_BUDGET);
    if (e->is_pass_cut)
        call_again(e, 0);
    else if (wake_us < INT64_MAX)
        call_again(e, wake_us - e->now_us);
}

const struct match_why *engine_why(struct engine *e, const struct job_class *class)
{
    return sched_why(e->sched, class);
}

struct match_place *engine_places(struct engine *e, const struct job_class *class, size_t *ret_n)
{
    return sched_places(e->sched, class, ret_n);
}
