/* Of which attempt does a driver die? What was out when its process died is asked again when the
 * next one is up; if that dies of it as well, and so on, nobody is served any more. So after a
 * death with several out these are suspects: they are let on one by one, then, the more have
 * passed, the more at a time, and what else there is to ask waits that long. A death with one of
 * them out names it. An attempt that was named is asked for again after growing pauses, alone, and
 * more often than its NUMBER_OF_RETRIES it is not: it ends, or, if it may run at the site, is
 * unknown.
 *
 * Nobody is named twice by a driver that has answered nobody since: it is broken, and waited for.
 * What is neither answered nor deadly for some seconds has passed, so that long copies hold up
 * nothing.
 *
 * Nothing of this is stored: all drivers end with the daemon, and it begins anew. */
#include "gwd/engine/engine_private.h"
#include "lib/mem.h"

#include <stdlib.h>
#include <string.h>
#include <utlist.h>

/* One death may be an accident, whatever the template says. */
enum { TRIAL_US = 5000000, ACCIDENTS = 1 };

/* Of the process of a driver, or in multi-user mode of a user's; from its start until all suspects
 * have passed, or it dies. */
struct inquest {
    struct driver *of;
    uint64_t uid;          /* NOBODY: of all */
    struct task_ref *line; /* in order; those that are over, or not its any more, are passed over */
    size_t at, n;
    size_t n_tried, window; /* so many are on trial, and so many may be */
    bool is_alone;          /* who is on trial was named before */
    struct inquest *next;
};

static bool is_of(const struct flight *f, const struct driver *d, uint64_t uid)
{
    return flight_concerns(f, d) && (uid == NOBODY || f->job->spec->owner.uid == uid);
}

/* Has it something out that its phase waits for? */
static bool is_asking(const struct flight *f)
{
    switch (f->step) {
    case STEP_IDLE:
    case STEP_BACKOFF:
    case PRO_FILL_WAIT:
    case WRA_RUN:
    case EPI_TURN: /* others look for it */
        return false;
    case PRO_START:
    case PRO_RMDIR:
    case PRO_MKDIR:
    case PRO_STAT:
    case PRO_EXISTS:
    case PRO_FILL:
    case PRO_COPY:
    case PRO_END:
    case WRA_SUBMIT:
    case WRA_COMMIT:
    case WRA_RECOVER:
    case EPI_START:
    case EPI_STATUS:
    case EPI_LOOK:
    case EPI_REACH:
    case EPI_READ: /* and it goes on in the same turn */
    case EPI_COPY:
    case EPI_RMDIR:
    case EPI_END:
    case STA_END:
    case STA_START:
    case ABO_STOP:
    case ABO_START:
    case ABO_COPY:
    case ABO_RMDIR:
    case ABO_END:
        break;
    }
    return true;
}

static struct inquest *find(const struct driver *d, uint64_t uid)
{
    struct inquest *q = d->inquests;
    while (q && q->uid != NOBODY && q->uid != uid)
        q = q->next;
    return q;
}

bool inquest_blames(const struct flight *f)
{
    unsigned retries = f->job->spec->t->retries;
    return f->deaths > (retries > ACCIDENTS ? retries : ACCIDENTS);
}

bool inquest_holds(struct flight *f, const struct driver *d)
{
    const struct inquest *q = find(d, f->job->spec->owner.uid);
    f->is_held |= q && f->let_on != q;
    return q && f->let_on != q;
}

void inquest_passed(struct flight *f)
{
    f->deaths = 0;
    f->is_suspect = false;
}

/* --- a trial is over --- */

void inquest_leave(struct flight *f)
{
    if (!f->is_tried)
        return;
    f->is_tried = f->is_suspect = false;
    f->let_on->is_alone = false;
    f->let_on->n_tried--;
    f->let_on->window++;
}

void inquest_heard(struct engine *e, struct task_ref ref)
{
    struct flight *f = flight_find(e, ref);
    if (f && f->is_tried && !(is_asking(f) && flight_concerns(f, f->let_on->of)))
        inquest_leave(f);
}

void inquest_time(struct engine *e, const struct timer *t)
{
    struct flight *f = flight_find(e, (struct task_ref){t->job, t->task, t->generation});
    if (f && f->is_tried && f->tried_us + TRIAL_US <= e->mono_us)
        inquest_leave(f);
}

static void destroy(struct inquest *q)
{
    LL_DELETE(q->of->inquests, q);
    free(q->line);
    free(q);
}

void inquests_clear(struct driver *d)
{
    while (d->inquests)
        destroy(d->inquests);
}

/* Nobody is on trial any more. */
static void forget(struct engine *e, struct inquest *q)
{
    struct flight *f, *tmp;
    HASH_ITER (hh, e->flights, f, tmp) {
        if (f->let_on != q)
            continue;
        f->let_on = NULL;
        f->is_tried = false;
    }
    destroy(q);
}

/* All suspects have passed: who was held up for them goes on. */
static void close_case(struct engine *e, struct inquest *q)
{
    const struct driver *d = q->of;
    uint64_t uid = q->uid;
    struct flight *f, *tmp;
    forget(e, q);
    HASH_ITER (hh, e->flights, f, tmp) {
        if (f->is_held && is_of(f, d, uid))
            flight_continue(e, f);
    }
}

/* --- a death --- */

static void name(struct driver *d, struct flight *f)
{
    if (!f->deaths)
        f->answers_then = d->n_answers;
    else if (f->answers_then == d->n_answers)
        return;
    f->deaths++;
    f->died = f->step;
    reason_set(&f->trouble, "driver-died", BLAME_SITE, "its driver died when it was asked for it");
}

/* Those on trial; without such, all that are asking. */
static size_t count(const struct engine *e, const struct driver *d, uint64_t uid, bool is_on_trial,
                    struct flight **ret_last)
{
    struct flight *f, *tmp;
    size_t n = 0;
    HASH_ITER (hh, e->flights, f, tmp) {
        if (!is_of(f, d, uid) || !is_asking(f) || (is_on_trial && !f->is_tried))
            continue;
        *ret_last = f;
        n++;
    }
    return n;
}

static void suspect(struct engine *e, struct driver *d, uint64_t uid)
{
    struct flight *f, *tmp, *last = NULL;
    bool is_on_trial = count(e, d, uid, true, &last) > 0;
    size_t n = count(e, d, uid, is_on_trial, &last);
    if (n == 1)
        name(d, last);
    HASH_ITER (hh, e->flights, f, tmp) {
        if (n > 1 && is_of(f, d, uid) && is_asking(f) && (!is_on_trial || f->is_tried))
            f->is_suspect = true;
    }
}

void inquest_death(struct engine *e, struct driver *d, const struct input *in)
{
    uint64_t uid = in->driver.is_of_user ? in->driver.uid : NOBODY;
    struct task_ref unanswered = in->driver.unanswered;
    struct flight *f = unanswered.job ? flight_find(e, unanswered) : NULL;
    bool is_nobodys = e->config->is_multi_user && uid == NOBODY; /* it acts for no attempt */
    if (f && is_of(f, d, uid) && is_asking(f))
        name(d, f);
    else if (!unanswered.job && !is_nobodys && !in->driver.was_silent)
        suspect(e, d, uid);
    for (struct inquest *q = d->inquests, *next; q; q = next) {
        next = q->next;
        if (uid == NOBODY || q->uid == uid)
            forget(e, q);
    }
}

/* --- the next process --- */

static struct inquest *open_case(struct driver *d, uint64_t uid)
{
    struct inquest *q = xcalloc(1, sizeof *q);
    q->of = d;
    q->uid = uid;
    q->window = 1;
    LL_PREPEND(d->inquests, q);
    return q;
}

static void stand_in_line(struct engine *e, struct driver *d, struct flight *f)
{
    uint64_t uid = e->config->is_multi_user ? f->job->spec->owner.uid : NOBODY;
    struct inquest *q = find(d, uid);
    if (!q)
        q = open_case(d, uid);
    if ((q->n & (q->n - 1)) == 0) /* none, or a power of two: full */
        q->line = xreallocarray(q->line, q->n ? 2 * q->n : 1, sizeof *q->line);
    q->line[q->n++] = f->ref;
}

/* Its driver dies of it, again and again. */
static void convict(struct engine *e, struct flight *f)
{
    if (f->task->phase == PHASE_WRAPPER) {
        wrapper_cannot_ask(e, f);
    } else if (f->task->phase == PHASE_PROLOG || flight_attempt(f)->is_accepted ||
               f->task->wish == WISH_GONE) {
        flight_fail(f, "driver-died", BLAME_SITE, "its transfer driver dies of its files");
        f->is_left = true;
        if (flight_attempt(f)->is_accepted)
            flight_end(e, f, OUTCOME_DONE);
        else
            flight_give_up(e, f);
    } else {
        epilog_cannot_fetch(e, f);
    }
}

static void pause(struct engine *e, struct flight *f)
{
    f->step = STEP_IDLE;
    f->is_parked = true;
    f->is_held = false;
    flight_timer(e, f, backoff_us(e, f->deaths - 1));
}

void inquest_resume(struct engine *e, struct flight *f)
{
    struct driver *d = e->drivers;
    while (d && !flight_concerns(f, d))
        d = d->next;
    if (f->deaths && flight_has_driver(d, f)) {
        f->is_parked = false;
        stand_in_line(e, d, f);
    } else {
        flight_continue(e, f);
    }
}

/* Has what it was asked for, when the driver died of it, to be asked again to know more? */
static bool is_decided(const struct flight *f)
{
    return inquest_blames(f) && (f->task->phase != PHASE_WRAPPER || f->died == WRA_RECOVER);
}

void inquest_up(struct engine *e, struct driver *d, uint64_t uid)
{
    struct flight *f, *tmp;
    for (unsigned named = 0; named <= 1; named++)
        HASH_ITER (hh, e->flights, f, tmp) {
            if (is_of(f, d, uid) && f->deaths == named && (named || f->is_suspect))
                stand_in_line(e, d, f);
        }
    HASH_ITER (hh, e->flights, f, tmp) {
        if (!is_of(f, d, uid))
            continue;
        if (is_decided(f))
            convict(e, f);
        else if (f->deaths > 1)
            pause(e, f);
        else if (!f->deaths && !f->is_suspect && !inquest_holds(f, d))
            flight_continue(e, f);
    }
}

/* --- the line --- */

static struct flight *first_of(const struct engine *e, struct inquest *q)
{
    for (; q->at < q->n; q->at++) {
        struct flight *f = flight_find(e, q->line[q->at]);
        if (f && is_of(f, q->of, q->uid) && f->let_on != q)
            return f;
    }
    return NULL;
}

/* The next one, if he may be let on now. */
static struct flight *next_of(const struct engine *e, struct inquest *q)
{
    struct flight *f = first_of(e, q);
    if (!f || q->is_alone || q->n_tried >= q->window || (f->deaths && q->n_tried))
        return NULL;
    q->at++;
    return f;
}

static void let_on(struct engine *e, struct inquest *q, struct flight *f)
{
    struct task_ref ref = f->ref;
    f->let_on = q;
    f->is_tried = true;
    f->tried_us = e->mono_us;
    q->n_tried++;
    q->is_alone = f->deaths > 0;
    timers_add(&e->timers, (struct timer){.at_us = e->mono_us + TRIAL_US,
                                          .kind = TIMER_INQUEST,
                                          .job = ref.job,
                                          .task = ref.task,
                                          .generation = ref.attempt});
    flight_continue(e, f);
    inquest_heard(e, ref);
}

void inquests_go_on(struct engine *e)
{
    for (struct driver *d = e->drivers; d; d = d->next)
        for (struct inquest *q = d->inquests, *next; q; q = next) {
            next = q->next;
            for (struct flight *f; (f = next_of(e, q));)
                let_on(e, q, f);
            if (q->at == q->n && !q->n_tried)
                close_case(e, q);
        }
}
