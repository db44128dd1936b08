/* One step: an input goes to whom it concerns, then the scheduler looks whether something can
 * start. */
#include "gwd/engine/engine.h"

#include "gwd/engine/engine_private.h"
#include "lib/mem.h"

#include <stdlib.h>
#include <string.h>

/* A clock that is merely slewed goes on without a jump. */
enum { WALL_JUMP_US = 1000000 };

struct engine *engine_create(const struct engine_config *config, const struct engine_im *ims,
                             size_t n_ims)
{
    struct engine *e = xcalloc(1, sizeof *e);
    e->config = config;
    e->ims = ims;
    e->n_ims = n_ims;
    e->match_us = e->lease_us = e->remains.timer_us = INT64_MAX;
    state_init(&e->state);
    e->sched = dispatch_create(e);
    return e;
}

void engine_destroy(struct engine *e)
{
    if (!e)
        return;
    struct output nowhere = {0};
    e->out = &nowhere;
    struct flight *f, *tmp;
    HASH_ITER (hh, e->flights, f, tmp) {
        f->step = STEP_IDLE;
        f->fill = NULL;
    }
    struct fill *fill, *fill_tmp;
    HASH_ITER (hh, e->fills, fill, fill_tmp) {
        HASH_DEL(e->fills, fill);
        fill_destroy(fill);
    }
    HASH_ITER (hh, e->flights, f, tmp)
        flight_destroy(e, f);
    struct user_count *u, *u_tmp;
    HASH_ITER (hh, e->users, u, u_tmp) {
        HASH_DEL(e->users, u);
        free(u);
    }
    forget_clear(e);
    remains_clear(e);
    sched_destroy(e->sched);
    hosts_clear(e);
    while (e->drivers) {
        struct driver *d = e->drivers;
        e->drivers = d->next;
        driver_forget_users(d);
        inquests_clear(d);
        free(d->name);
        free(d->staging);
        free(d);
    }
    credentials_clear(e);
    lease_clear(e);
    trace_clear(e);
    timers_clear(&e->timers);
    state_clear(&e->state);
    free(e);
}

struct state *engine_state(struct engine *e)
{
    return &e->state;
}

int64_t engine_next_time(const struct engine *e)
{
    return timers_next(&e->timers);
}

enum em_state engine_em_state(const struct engine *e, const struct job *j, const struct task *t)
{
    struct attempt *a = task_attempt(t);
    struct flight *f = a ? flight_find(e, (struct task_ref){j->id, t->index, a->number}) : NULL;
    return f ? f->em : EM_NONE;
}

const struct reason *engine_trouble(const struct engine *e, const struct job *j,
                                    const struct task *t)
{
    struct attempt *a = task_attempt(t);
    struct flight *f = a ? flight_find(e, (struct task_ref){j->id, t->index, a->number}) : NULL;
    bool is_waiting =
        f && (f->is_parked || f->step == STEP_BACKOFF || f->step == STA_END || a->unknown_since_us);
    return is_waiting && f->trouble.code ? &f->trouble : NULL;
}

void engine_kill(const struct engine *e, const struct job *j, const struct task *t,
                 struct kill_progress *ret)
{
    struct attempt *a = task_attempt(t);
    struct flight *f = a ? flight_find(e, (struct task_ref){j->id, t->index, a->number}) : NULL;
    *ret = (struct kill_progress){0};
    if (!f)
        return;
    ret->asked = f->cancels;
    ret->said = f->cancel_said.code || f->cancel_said.text ? &f->cancel_said : NULL;
    enum driver_kind kind = t->phase == PHASE_WRAPPER ? DRIVER_EM : DRIVER_TM;
    const char *name = kind == DRIVER_EM ? a->em : a->tm;
    const struct driver *d = driver_find(e, kind, name);
    if (!d || !d->is_up)
        ret->driver = name;
}

static void replaced_before(struct engine *e, const struct job *j, const struct task *t)
{
    bool is_leased = j->spec->t->on_lost == ON_LOST_RETRY_AFTER_LEASE && !phase_is_final(t->phase);
    for (size_t i = 0; is_leased && i < t->n_attempts; i++) {
        const struct attempt *a = &t->attempts[i];
        if (a->ended_us && a->reason.code && strcmp(a->reason.code, "lost") == 0)
            lease_replace(e, (struct task_ref){j->id, t->index, a->number});
    }
}

/* What is under way gets its flight and idles until its driver comes up. The spool is empty. */
static void start(struct engine *e, const struct input *in)
{
    size_t it = 0;
    lease_start(e, in->lease_seq);
    for (struct job *j; (j = state_next_job(&e->state, &it));) {
        remains_start(e, j, in);
        if (job_is_final(j)) {
            forget_loaded(e, j, in);
            continue;
        }
        credential_want(e, j);
        size_t task_it = 0;
        for (struct task *t; (t = job_next_task(j, &task_it));) {
            replaced_before(e, j, t);
            if (!task_attempt(t))
                continue;
            struct flight *f = flight_create(e, j, t);
            f->is_redo = true;
            f->may_be_submitted = true;
            place_count(e, f, 1);
        }
    }
    forget_start(e);
    for (size_t i = 0; i < e->n_ims; i++)
        timers_add(&e->timers, (struct timer){.at_us = e->mono_us + e->config->discovery_us,
                                              .kind = TIMER_DISCOVER,
                                              .job = i});
    timers_add(&e->timers,
               (struct timer){.at_us = e->mono_us + e->config->poll_us, .kind = TIMER_POLL});
}

/* The state is a copy, and the daemon that it was copied from may have submitted the attempt since:
 * its directory is not ours to remove. Another attempt has another token. */
static bool give_up_copied(struct engine *e, struct flight *f)
{
    if (!flight_was_copied(e, f) || f->task->wish == WISH_GONE)
        return false;
    bool is_leased = f->job->spec->t->lease_s && e->config->keeps_traces;
    int64_t rest_us = is_leased ? lease_rest_us(e, f, 0) : 0;
    if (rest_us > 0) { /* it may run */
        f->step = STEP_IDLE;
        f->is_parked = true;
        reason_set(&f->trouble, "copied", BLAME_US, "it may run under another gwd");
        flight_timer(e, f, rest_us < e->config->retry_us ? rest_us : e->config->retry_us);
        return true;
    }
    flight_fail(f, "copied", BLAME_US,
                "the state was copied while the files of this attempt were on their way");
    flight_end(e, f, OUTCOME_REQUEUE);
    return true;
}

void flight_continue(struct engine *e, struct flight *f)
{
    f->timer++;
    f->is_tm_open = f->is_parked = f->is_held = false;
    switch ((int)f->task->phase) {
    case PHASE_PROLOG:
        if (flight_is_bare(f)) { /* begun when its driver was not there */
            bare_begin(e, f);
            break;
        }
        if (give_up_copied(e, f))
            break;
        f->is_redo = true;
        if (f->is_aborting || f->task->wish == WISH_GONE) {
            abort_begin(e, f);
            break;
        }
        /* Of a copy whose fellows were still on their way. */
        reason_clear(&f->failure);
        prolog_begin(e, f);
        break;
    case PHASE_WRAPPER:
        if (!flight_attempt(f)->contact && !f->may_be_submitted)
            wrapper_begin(e, f);
        else
            wrapper_recover(e, f);
        break;
    default:
        if (flight_is_bare(f))
            bare_failed(e, f);
        else if (f->step >= ABO_STOP && f->step <= ABO_END)
            abort_begin(e, f);
        else
            epilog_begin(e, f);
        break;
    }
}

bool flight_concerns(const struct flight *f, const struct driver *d)
{
    const struct attempt *a = flight_attempt(f);
    if (f->task->phase == PHASE_WRAPPER || flight_is_bare(f))
        return d->kind == DRIVER_EM && strcmp(a->em, d->name) == 0;
    return d->kind == DRIVER_TM && strcmp(a->tm, d->name) == 0;
}

static struct driver *driver_add(struct engine *e, const struct input *in)
{
    struct driver *d = driver_find(e, in->driver.kind, in->driver.name);
    if (!d) {
        d = xcalloc(1, sizeof *d);
        d->kind = in->driver.kind;
        d->name = xstrdup(in->driver.name);
        d->next = e->drivers;
        e->drivers = d;
    }
    return d;
}

static void driver_up(struct engine *e, const struct input *in)
{
    struct driver *d = driver_add(e, in);
    if (in->driver.is_of_user) {
        user_driver_up(e, d, in);
        return;
    }
    d->is_up = true;
    d->features = in->driver.features;
    free(d->staging);
    d->staging = xstrdup(in->driver.staging);
    if (d->kind == DRIVER_IM)
        hosts_driver_up(e, d);
    inquest_up(e, d, NOBODY);
    if (d->kind == DRIVER_TM)
        lease_renew(e); /* while it was down nothing was */
    if (d->kind != DRIVER_IM)
        hosts_driver_changed(e, d);
}

/* What its phase waited for will not be answered. What is given up goes on with what is next. */
void flight_idle(struct engine *e, struct flight *f)
{
    if (f->task->phase != PHASE_WRAPPER)
        f->is_tm_open = false;
    if (f->step >= ABO_STOP && f->step != STEP_BACKOFF)
        return;
    /* What one copy came to is nothing yet: all are made again. */
    if (f->step == PRO_COPY || f->step == STA_END || f->step == STA_START)
        reason_clear(&f->failure);
    f->step = STEP_IDLE;
    f->timer++;
    fills_wake(e, f);
}

static void driver_down(struct engine *e, const struct input *in)
{
    struct driver *d = driver_add(e, in);
    if (in->driver.is_of_user) {
        user_driver_down(e, d, in);
        return;
    }
    d->is_up = false;
    inquest_death(e, d, in);
    driver_forget_users(d); /* their processes end with it */
    lease_driver_down(e, d, NOBODY);
    trace_driver_down(e, d, NOBODY);
    if (d->kind == DRIVER_IM)
        hosts_driver_down(e, d, in->driver.why);
    struct flight *f, *tmp;
    HASH_ITER (hh, e->flights, f, tmp) {
        if (flight_concerns(f, d))
            flight_idle(e, f);
    }
    if (d->kind != DRIVER_IM)
        hosts_driver_changed(e, d);
}

void flight_tm_answer(struct engine *e, struct flight *f, const struct input *in)
{
    if (strcmp(in->answer.verb, "PROGRESS") == 0) {
        copies_progress(f, in);
        return;
    }
    if (strcmp(in->answer.verb, "END") == 0)
        f->is_tm_open = false;
    if (f->step == STA_END || f->step == STA_START)
        stall_answer(e, f, in);
    else if (f->step >= ABO_STOP && f->step <= ABO_END)
        abort_answer(e, f, in);
    else if (f->task->phase == PHASE_PROLOG)
        prolog_answer(e, f, in);
    else if (f->task->phase == PHASE_EPILOG)
        epilog_answer(e, f, in);
}

static void answer(struct engine *e, const struct input *in)
{
    if (in->answer.kind == DRIVER_IM) {
        hosts_answer(e, in);
        return;
    }
    /* An answer of an attempt that is over, or for another driver's phase, is dropped here. */
    struct flight *f = flight_find(e, in->answer.ref);
    if (!f) {
        if (in->answer.ref.job == 0 && in->answer.kind == DRIVER_TM)
            if (!trace_answer(e, in))
                lease_answer(e, in);
        if (in->answer.ref.job)
            remains_answer(e, in);
        return;
    }
    const struct attempt *a = flight_attempt(f);
    const char *name = in->answer.kind == DRIVER_TM ? a->tm : a->em;
    struct driver *d = driver_find(e, in->answer.kind, name);
    if (!d || strcmp(in->answer.driver, name) != 0)
        return;
    d->n_answers++;
    if (d->kind == DRIVER_TM)
        flight_tm_answer(e, f, in);
    else
        wrapper_answer(e, f, in);
    inquest_heard(e, in->answer.ref);
}

static void flight_time(struct engine *e, const struct timer *t)
{
    struct task_ref key = {.job = t->job, .task = t->task};
    struct job *j = state_job(&e->state, t->job);
    struct task *task = j ? job_task(j, t->task) : NULL;
    struct attempt *a = task ? task_attempt(task) : NULL;
    key.attempt = a ? a->number : 0;
    struct flight *f = flight_find(e, key);
    if (!f || f->timer != t->generation)
        return;
    if (f->is_parked) {
        inquest_resume(e, f);
        return;
    }
    enum step after = f->step == STEP_BACKOFF ? f->after : f->step;
    if (after >= ABO_STOP && after <= ABO_END)
        abort_resume(e, f);
    else if (after >= EPI_START)
        epilog_resume(e, f);
    else if (after >= WRA_SUBMIT)
        wrapper_resume(e, f);
    else
        prolog_resume(e, f);
}

/* A safety net under the drivers' own news. */
static void poll_all(struct engine *e)
{
    for (struct driver *d = e->drivers; d; d = d->next)
        if (d->kind == DRIVER_EM && d->is_up && d->features & FEATURE_POLL_ALL)
            send_request(e, DRIVER_EM, d->name, "POLL", (struct task_ref){0}, 0, NULL, NULL, NULL);
    struct flight *f, *tmp;
    HASH_ITER (hh, e->flights, f, tmp) {
        struct driver *d = driver_find(e, DRIVER_EM, flight_attempt(f)->em);
        if (f->step == WRA_RUN && flight_has_driver(d, f) && !(d->features & FEATURE_POLL_ALL))
            send_request(e, DRIVER_EM, d->name, "POLL", f->ref, 0, NULL, NULL, NULL);
    }
    timers_add(&e->timers,
               (struct timer){.at_us = e->mono_us + e->config->poll_us, .kind = TIMER_POLL});
}

static void time_came(struct engine *e)
{
    struct timer t;
    while (timers_take(&e->timers, e->mono_us, &t)) {
        switch (t.kind) {
        case TIMER_FLIGHT:
            flight_time(e, &t);
            break;
        case TIMER_DISCOVER: {
            struct driver *d = driver_find(e, DRIVER_IM, e->ims[t.job].name);
            if (d && d->is_up)
                hosts_discover(e, t.job);
            else
                timers_add(&e->timers, (struct timer){.at_us = e->mono_us + e->config->discovery_us,
                                                      .kind = TIMER_DISCOVER,
                                                      .job = t.job});
            break;
        }
        case TIMER_MONITOR:
            hosts_monitor(e, t.job);
            break;
        case TIMER_POLL:
            poll_all(e);
            break;
        case TIMER_MATCH:
            e->match_us = INT64_MAX;
            e->is_pass_cut = false;
            break;
        case TIMER_CREDENTIAL:
            sched_credentials_changed(e->sched);
            break;
        case TIMER_REST:
            rest_time(e, t.job);
            break;
        case TIMER_REMAINS:
            remains_time(e);
            break;
        case TIMER_INQUEST:
            inquest_time(e, &t);
            break;
        case TIMER_FORGET:
            forget_time(e);
            break;
        case TIMER_LEASE:
            if (e->mono_us >= e->lease_us)
                lease_renew(e);
            break;
        }
    }
}

/* Deadlines are counted on the clock that nobody sets; what others wrote down in wall time is
 * judged anew when somebody sets that: the lives of credentials. */
static void take_clocks(struct engine *e, const struct input *in)
{
    int64_t ahead_us = in->now_us - in->mono_us, jump_us = ahead_us - e->wall_ahead_us;
    e->now_us = in->now_us;
    e->mono_us = in->mono_us;
    if (jump_us < WALL_JUMP_US && jump_us > -WALL_JUMP_US)
        return;
    e->wall_ahead_us = ahead_us;
    if (in->kind != IN_START)
        credentials_judge(e);
}

void engine_step(struct engine *e, const struct input *in, struct output *out)
{
    e->out = out;
    take_clocks(e, in);
    switch (in->kind) {
    case IN_START:
        start(e, in);
        break;
    case IN_TIME:
        time_came(e);
        break;
    case IN_SUBMIT:
        request_submit(e, in);
        break;
    case IN_WISH:
        request_wish(e, in);
        break;
    case IN_DRAIN:
        request_drain(e, in);
        break;
    case IN_PAUSE:
        request_pause(e, in);
        break;
    case IN_CREDENTIAL:
        credential_take(e, in);
        break;
    case IN_DRIVER_UP:
        driver_up(e, in);
        break;
    case IN_DRIVER_DOWN:
        driver_down(e, in);
        break;
    case IN_ANSWER:
        answer(e, in);
        break;
    case IN_STALLED:
        stall_input(e, in);
        break;
    case IN_ARCHIVED:
        forget_archived(e, in->is_archived);
        break;
    case IN_TRACE:
        trace_found(e, in);
        break;
    case IN_STATUS: {
        struct flight *f = flight_find(e, in->status.ref);
        if (f)
            epilog_status(e, f, &in->status.report);
        break;
    }
    }
    inquests_go_on(e);
    dispatch(e);
    e->out = NULL;
}
