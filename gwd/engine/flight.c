/* Attempts under way: the in-flight table and what all steps share. */
#include "gwd/engine/engine_private.h"
#include "lib/mem.h"

#include <stdlib.h>
#include <string.h>
#include <utlist.h>

#define FLIGHT_KEY_LEN (offsetof(struct task_ref, attempt))

static struct flight *find(const struct engine *e, uint64_t job, uint64_t task)
{
    struct task_ref key = {.job = job, .task = task};
    struct flight *f;
    HASH_FIND(hh, e->flights, &key, FLIGHT_KEY_LEN, f);
    return f;
}

struct flight *flight_find(const struct engine *e, struct task_ref ref)
{
    struct flight *f = find(e, ref.job, ref.task);
    return f && f->ref.attempt == ref.attempt ? f : NULL;
}

struct attempt *flight_attempt(const struct flight *f)
{
    return task_attempt_number(f->task, f->ref.attempt);
}

struct flight *flight_create(struct engine *e, struct job *j, struct task *t)
{
    struct flight *f = xcalloc(1, sizeof *f);
    f->ref = (struct task_ref){.job = j->id, .task = t->index, .attempt = task_attempt(t)->number};
    f->job = j;
    f->task = t;
    /* A timer of the attempt before means nothing to this one. */
    f->timer = ++e->n_flights << 32;
    f->at = hosts_entry(e, task_attempt(t)->host);
    DL_APPEND2(f->at->flights, f, at_prev, at_next);
    HASH_ADD(hh, e->flights, ref, FLIGHT_KEY_LEN, f);
    if (j->spec->t->lease_s)
        DL_APPEND2(e->leased, f, leased_prev, leased_next);
    return f;
}

void status_report_clear(struct status_report *s)
{
    free((char *)s->reason);
    free((char *)s->message);
    *s = (struct status_report){0};
}

void flight_destroy(struct engine *e, struct flight *f)
{
    fills_wake(e, f);
    inquest_leave(f);
    HASH_DEL(e->flights, f);
    DL_DELETE2(f->at->flights, f, at_prev, at_next);
    if (f->leased_prev)
        DL_DELETE2(e->leased, f, leased_prev, leased_next);
    copies_clear(&f->copies);
    reason_clear(&f->failure);
    reason_clear(&f->trouble);
    reason_clear(&f->cancel_said);
    status_report_clear(&f->status);
    free(f->image_key);
    free(f);
}

int64_t backoff_us(const struct engine *e, unsigned tries)
{
    int64_t delay = e->config->retry_us;
    for (unsigned i = 1; i < tries && delay < e->config->backoff_max_us; i++)
        delay *= 2;
    return delay < e->config->backoff_max_us ? delay : e->config->backoff_max_us;
}

/* That a site does not accept us, or we not it, no second try mends. */
bool flight_may_retry(const struct flight *f, const struct reason *r)
{
    return r->blame != BLAME_JOB && f->tries < f->job->spec->t->retries &&
           (!r->code ||
            (strcmp(r->code, "not-authorized") != 0 && strcmp(r->code, "untrusted") != 0));
}

bool flight_was_copied(const struct engine *e, const struct flight *f)
{
    return flight_attempt(f)->epoch < e->state.fence;
}

void flight_lost(struct engine *e, struct flight *f, const char *text)
{
    struct event ev = {.kind = EV_ATTEMPT_LOST,
                       .job = f->ref.job,
                       .task = f->ref.task,
                       .attempt = f->ref.attempt,
                       .reason = "unknown",
                       .blame = BLAME_SITE,
                       .text = text};
    if (flight_attempt(f)->unknown_since_us)
        return;
    emit(e, &ev);
    /* Counted on our own clock: what was before a restart does not count. */
    f->unknown_mono_us = 0;
}

void flight_timer(struct engine *e, struct flight *f, int64_t delay_us)
{
    timers_add(&e->timers, (struct timer){.at_us = e->mono_us + delay_us,
                                          .kind = TIMER_FLIGHT,
                                          .job = f->ref.job,
                                          .task = f->ref.task,
                                          .generation = ++f->timer});
}

void flight_wait(struct engine *e, struct flight *f, int64_t delay_us, enum step after,
                 const struct reason *why)
{
    if (why && why->code)
        reason_set(&f->trouble, why->code, why->blame, why->text);
    f->step = STEP_BACKOFF;
    f->after = after;
    flight_timer(e, f, delay_us);
}

void flight_fail(struct flight *f, const char *code, enum blame blame, const char *text)
{
    if (!f->failure.code)
        reason_set(&f->failure, code, blame, text);
}

struct driver *driver_find(const struct engine *e, enum driver_kind kind, const char *name)
{
    struct driver *d = e->drivers;
    while (d && (d->kind != kind || strcmp(d->name, name) != 0))
        d = d->next;
    return d;
}

bool tm_send(struct engine *e, struct flight *f, enum step step, const char *verb, uint64_t number,
             const char *arg0, const char *arg1, const char *arg2)
{
    const char *tm = flight_attempt(f)->tm;
    struct driver *d = driver_find(e, DRIVER_TM, tm);
    bool is_begin = strcmp(verb, "START") == 0;
    if (!flight_has_driver(d, f) || (is_begin && inquest_holds(f, d))) {
        f->step = STEP_IDLE;
        return false;
    }
    if (!credential_pass(e, f, d, verb))
        return false;
    f->step = step;
    f->is_parked = f->is_held = false;
    if (is_begin) {
        f->is_tm_open = true;
        credential_tell(e, f, d);
    }
    send_request(e, DRIVER_TM, tm, verb, f->ref, number, arg0, arg1, arg2);
    return true;
}

void flight_forget_removal(struct engine *e, struct flight *f)
{
    if (f->is_redo)
        effect_add(e, EFFECT_RELEASE)->ref = f->ref;
    f->is_redo = false;
}

void host_count(struct host *h, const struct job *j, const struct attempt *a, int sign)
{
    const struct template *t = j->spec->t;
    struct host_queue *q = host_queue(h, a->queue ? a->queue : "");
    h->running += (uint64_t)sign;
    if (t->vm_image)
        h->vm_memory_mib += (uint64_t)sign * t->vm_memory_mib;
    /* Its queue is no longer reported: it counts in the first one. */
    (q ? q : &h->queues[0])->used += (uint64_t)sign * t->np;
}

void place_count(struct engine *e, const struct flight *f, int sign)
{
    uint64_t uid = f->job->spec->owner.uid;
    struct user_count *u;
    HASH_FIND(hh, e->users, &uid, sizeof uid, u);
    if (!u) {
        u = xcalloc(1, sizeof *u);
        u->uid = uid;
        HASH_ADD(hh, e->users, uid, sizeof u->uid, u);
    }
    u->running += (uint64_t)sign;
    struct host *h = f->at->host;
    if (h && h->n_queues) /* else its first sample counts what is there: hosts.c */
        host_count(h, f->job, flight_attempt(f), sign);
    if (sign > 0)
        return;
    sched_user_freed(e->sched, uid);
    if (h)
        sched_host_freed(e->sched, h);
}

/* The attempt is over: nothing of it is left here, and its slot is free. */
void flight_end(struct engine *e, struct flight *f, enum outcome outcome)
{
    struct attempt *a = flight_attempt(f);
    struct event ev = {.kind = EV_ATTEMPT_ENDED,
                       .job = f->ref.job,
                       .task = f->ref.task,
                       .attempt = f->ref.attempt,
                       .outcome = outcome,
                       .reason = f->failure.code,
                       .blame = f->failure.blame,
                       .text = f->failure.text,
                       .left = f->is_left,
                       .exit_code = a->exit_code,
                       .signal = a->signal};
    if (f->status.is_there && f->status.is_exited) {
        ev.exit_code = f->status.exit_code;
        ev.signal = f->status.signal;
    }
    if (outcome == OUTCOME_REQUEUE)
        ev.not_before_us = e->now_us + backoff_us(e, (unsigned)f->task->n_attempts);
    struct job *j = f->job;
    rest_ended(e, f, outcome);
    place_count(e, f, -1);
    if (f->is_left)
        remains_add(e, f);
    else
        effect_add(e, EFFECT_RELEASE)->ref = f->ref;
    emit(e, &ev);
    if (f->has_spool && !f->is_left)
        effect_add(e, EFFECT_REMOVE)->path = staging_spool(e, f, "");
    if (job_is_final(j))
        forget_later(e, j);
    flight_destroy(e, f);
}

void flight_give_up(struct engine *e, struct flight *f)
{
    const struct template *t = f->job->spec->t;
    if (f->task->wish == WISH_GONE) {
        reason_set(&f->failure, "killed", BLAME_NONE, NULL);
        flight_end(e, f, OUTCOME_FAILED);
        return;
    }
    bool can_retry = f->failure.blame != BLAME_JOB && t->reschedule_on_failure &&
                     f->task->n_attempts < e->config->attempts_max;
    flight_end(e, f, can_retry ? OUTCOME_REQUEUE : OUTCOME_FAILED);
}

void copies_clear(struct copies *c)
{
    for (size_t i = 0; i < c->n; i++) {
        free(c->items[i].from);
        free(c->items[i].to);
        free(c->items[i].content);
    }
    free(c->items);
    *c = (struct copies){0};
}

void copies_add(struct copies *c, char *from, char *to, bool is_executable, bool is_optional)
{
    c->items = xreallocarray(c->items, c->n + 1, sizeof *c->items);
    c->items[c->n++] = (struct copy){
        .from = from, .to = to, .is_executable = is_executable, .is_optional = is_optional};
}

void copies_put(struct copies *c, char *content, char *to, bool is_executable)
{
    copies_add(c, NULL, to, is_executable, false);
    c->items[c->n - 1].content = content;
}

bool tm_is_small(const struct engine *e, const struct flight *f)
{
    const unsigned needed = FEATURE_SMALL | FEATURE_PCT | FEATURE_ATOMIC;
    const struct driver *d = driver_find(e, DRIVER_TM, flight_attempt(f)->tm);
    return d && (d->features & needed) == needed;
}

void copies_send(struct engine *e, struct flight *f, enum step step)
{
    f->copies.n_open = 0;
    for (size_t i = 0; i < f->copies.n; i++) {
        struct copy *c = &f->copies.items[i];
        if (c->is_done)
            continue;
        c->number = f->next_number++;
        if (!tm_send(e, f, step, c->content ? "PUT" : "CP", c->number,
                     c->is_executable ? "X" : NULL, c->content ? c->to : c->from,
                     c->content ? c->content : c->to))
            return;
        c->is_open = true;
        f->copies.n_open++;
    }
}

static struct copy *copy_find(const struct flight *f, uint64_t number)
{
    for (size_t i = 0; i < f->copies.n; i++)
        if (f->copies.items[i].is_open && f->copies.items[i].number == number)
            return &f->copies.items[i];
    return NULL;
}

bool copies_is_open(const struct flight *f, uint64_t number)
{
    return copy_find(f, number) != NULL;
}

/* "<bytes> <total>"; nothing depends on it. */
void copies_progress(struct flight *f, const struct input *in)
{
    struct copy *c = copy_find(f, in->answer.number);
    char *end;
    uint64_t bytes = strtoull(in->answer.text, &end, 10), total = strtoull(end, NULL, 10);
    bytes = total && bytes > total ? total : bytes;
    if (c) {
        c->bytes = bytes;
        c->bytes_total = total;
    } else if (f->step == PRO_FILL && in->answer.number == f->lone_copy) {
        f->lone_bytes = bytes;
        f->lone_bytes_total = total;
    }
}

bool engine_transfer(const struct engine *e, const struct job *j, const struct task *t,
                     uint64_t *ret_done, uint64_t *ret_total)
{
    struct attempt *a = task_attempt(t);
    struct flight *f = a ? flight_find(e, (struct task_ref){j->id, t->index, a->number}) : NULL;
    *ret_done = *ret_total = 0;
    if (!f || (f->step != PRO_COPY && f->step != PRO_FILL && f->step != EPI_COPY))
        return false;
    if (f->step == PRO_FILL) {
        *ret_done = f->lone_bytes;
        *ret_total = f->lone_bytes_total;
    }
    for (size_t i = 0; f->step != PRO_FILL && i < f->copies.n; i++) {
        const struct copy *c = &f->copies.items[i];
        *ret_done += c->is_done ? c->bytes_total : c->bytes;
        *ret_total += c->bytes_total;
    }
    return *ret_total > 0;
}

bool copies_answer(struct flight *f, const struct input *in)
{
    struct copy *c = copy_find(f, in->answer.number);
    if (!c)
        return false;
    c->is_open = false;
    f->copies.n_open--;
    if (in->answer.is_success) {
        c->is_done = true;
    } else {
        struct reason r = {0};
        reason_from_driver(&r, in->answer.text);
        if (c->is_optional && r.blame == BLAME_JOB) {
            c->is_done = true;
        } else {
            /* A copy that fails for the job's sake decides over one that may be tried again. */
            if (r.blame == BLAME_JOB)
                reason_clear(&f->failure);
            flight_fail(f, r.code, r.blame, r.text);
        }
        reason_clear(&r);
    }
    return f->copies.n_open == 0;
}
