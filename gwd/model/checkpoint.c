/* The state as events: checkpoint_dump_*() write its parts, checkpoint_apply() reads them. One is
 * the mirror of the other; a test folds dumps of random states. */
#include "gwd/model/jobspec.h"
#include "gwd/model/state_private.h"
#include "lib/mem.h"

#include <stdlib.h>

static void dump_attempt(const struct job *j, const struct task *t, const struct attempt *a,
                         checkpoint_emit *emit, void *ctx)
{
    struct event ev = {.kind = EV_CK_ATTEMPT,
                       .job = j->id,
                       .task = t->index,
                       .attempt = a->number,
                       .epoch = a->epoch,
                       .host = a->host,
                       .queue = a->queue,
                       .lrms = a->lrms,
                       .im = a->im,
                       .tm = a->tm,
                       .em = a->em,
                       .stage_url = a->stage_url,
                       .gwvm = a->gwvm,
                       .match_rank = a->match_rank,
                       .contact = a->contact,
                       .reason = a->reason.code,
                       .blame = a->reason.blame,
                       .text = a->reason.text,
                       .exit_code = a->exit_code,
                       .signal = a->signal,
                       .flag = a->is_accepted,
                       .left = a->is_left,
                       .started_us = a->started_us,
                       .staged_us = a->staged_us,
                       .active_us = a->active_us,
                       .exited_us = a->exited_us,
                       .ended_us = a->ended_us,
                       .unknown_since_us = a->unknown_since_us};
    emit(ctx, &ev);
}

static void dump_vms(const struct job *j, const struct task *t, const struct attempt *a,
                     checkpoint_emit *emit, void *ctx)
{
    for (size_t i = 0; i < a->n_vms; i++) {
        struct event ev = {.kind = EV_VM_CHANGED,
                           .job = j->id,
                           .task = t->index,
                           .attempt = a->number,
                           .vm_rank = a->vms[i].rank,
                           .uuid = a->vms[i].uuid,
                           .node = a->vms[i].node,
                           .vm_state = a->vms[i].state};
        emit(ctx, &ev);
    }
}

void checkpoint_dump_task(const struct job *j, const struct task *t, checkpoint_emit *emit,
                          void *ctx)
{
    struct event ev = {.kind = EV_CK_TASK,
                       .at_us = t->wished_us,
                       .job = j->id,
                       .task = t->index,
                       .phase = t->phase,
                       .wish = t->wish,
                       .reason = t->reason.code,
                       .blame = t->reason.blame,
                       .text = t->reason.text,
                       .not_before_us = t->not_before_us,
                       .ended_us = t->ended_us,
                       .row_seq = t->seq,
                       /* EV_REQUESTED below counts the one that is under way. */
                       .number = t->request_number - (t->request != REQUEST_NONE)};
    emit(ctx, &ev);
    for (size_t i = 0; i < t->n_attempts; i++)
        dump_attempt(j, t, &t->attempts[i], emit, ctx);
}

/* What ordinary events say as well as special ones would: written after the attempts they speak of.
 */
void checkpoint_dump_rest(const struct job *j, const struct task *t, checkpoint_emit *emit,
                          void *ctx)
{
    for (size_t i = 0; i < t->n_attempts; i++)
        dump_vms(j, t, &t->attempts[i], emit, ctx);
    if (t->request != REQUEST_NONE) {
        struct event ev = {.kind = EV_REQUESTED,
                           .job = j->id,
                           .task = t->index,
                           .number = t->request_number,
                           .request = t->request};
        emit(ctx, &ev);
    }
}

void checkpoint_dump_sites(const struct state *s, checkpoint_emit *emit, void *ctx)
{
    for (const struct site_record *site = s->sites; site; site = site->hh.next) {
        struct event ev = {.kind = EV_SITE_DRAINED, .host = site->host, .flag = site->is_drained};
        emit(ctx, &ev);
    }
}

void checkpoint_dump_head(const struct state *s, checkpoint_emit *emit, void *ctx)
{
    struct event head = {.kind = EV_CK_STATE,
                         .instance = s->instance,
                         .epoch = s->epoch,
                         .fence = s->fence,
                         .number = s->next_job,
                         .array_number = s->next_array,
                         .flag = s->is_paused,
                         .seq_next = s->seq};
    emit(ctx, &head);
}

static int refuse(struct gw_err *err, const char *why)
{
    return gw_err_set(err, GW_ECORRUPT, "checkpoint: %s", why);
}

static int load_state(struct state *s, const struct event *ev, struct gw_err *err)
{
    if (s->instance || !ev->instance || ev->epoch == 0 || ev->number == 0 || ev->array_number == 0)
        return refuse(err, "its head is impossible");
    s->instance = xstrdup(ev->instance);
    s->epoch = ev->epoch;
    s->fence = ev->fence ? ev->fence : ev->epoch; /* there was none in formats 1 and 2 */
    s->is_paused = ev->flag != 0;
    s->seq = ev->seq_next;
    /* Jobs are checked to rise by id; the next id to give is put in at the end. */
    s->next_job = 1;
    s->is_loading = true;
    s->ck_next_job = ev->number;
    s->next_array = ev->array_number;
    return 0;
}

static int load_job(struct state *s, const struct event *ev, struct gw_err *err)
{
    struct job *j;
    if (state_array(s, ev->array_id))
        return refuse(err, "two jobs have one array id");
    int r = job_of_event(s, ev, &j, err);
    if (r < 0)
        return r;
    s->next_job = ev->job + ev->tasks;
    j->seq = ev->row_seq;
    state_add_job(s, j);
    if (ev->flag) {
        j->is_rest_ended = true;
        j->rest_ended_us = ev->ended_us;
        state_count(s, j, j->tasks, PHASE_PENDING, PHASE_FAILED);
    }
    state_requeue(s, j);
    return 0;
}

static int load_task(struct state *s, const struct event *ev, struct gw_err *err)
{
    struct job *j = state_job(s, ev->job);
    if (!j || ev->task >= j->tasks || job_task(j, ev->task) || ev->phase >= PHASE_COUNT ||
        ev->wish >= WISH_COUNT || ev->blame > BLAME_US)
        return refuse(err, "a task is impossible");
    bool is_under_way = ev->phase >= PHASE_PROLOG && ev->phase <= PHASE_EPILOG;
    struct task *t = state_touch(s, j, ev->task);
    state_delay(s, j, t, ev->not_before_us);
    state_set(s, j, t, is_under_way ? PHASE_PENDING : (enum phase)ev->phase, (enum wish)ev->wish);
    if (ev->reason)
        reason_set(&t->reason, ev->reason, (enum blame)ev->blame, ev->text);
    t->ended_us = ev->ended_us;
    t->wished_us = ev->at_us;
    t->request_number = ev->number;
    t->seq = ev->row_seq;
    return 0;
}

/* The phase of a task under way follows from how far its last attempt is. */
static enum phase phase_of(const struct attempt *a)
{
    if (a->exited_us)
        return PHASE_EPILOG;
    return a->staged_us ? PHASE_WRAPPER : PHASE_PROLOG;
}

static int load_attempt(struct state *s, const struct event *ev, struct gw_err *err)
{
    struct job *j = state_job(s, ev->job);
    struct task *t = j ? job_task(j, ev->task) : NULL;
    if (!t || ev->attempt != t->n_attempts + 1 || !ev->host || !ev->tm || !ev->em ||
        !ev->stage_url || ev->blame > BLAME_US || ev->epoch == 0 ||
        (ev->epoch > s->epoch &&
         !s->loading)) /* a row may know of the epoch before the state does */
        return refuse(err, "an attempt is impossible");
    if (t->n_attempts && !t->attempts[t->n_attempts - 1].ended_us)
        return refuse(err, "an attempt comes after one that has not ended");
    if (!ev->ended_us && t->phase != PHASE_PENDING)
        return refuse(err, "an attempt has not ended, though its task has");
    struct attempt *a = attempt_of_event(s, t, ev);
    a->contact = xstrdup(ev->contact);
    if (ev->reason)
        reason_set(&a->reason, ev->reason, (enum blame)ev->blame, ev->text);
    a->exit_code = (int)ev->exit_code;
    a->signal = (int)ev->signal;
    a->is_accepted = ev->flag != 0;
    a->is_left = ev->left != 0;
    a->started_us = ev->started_us;
    a->staged_us = ev->staged_us;
    a->active_us = ev->active_us;
    a->exited_us = ev->exited_us;
    a->ended_us = ev->ended_us;
    a->unknown_since_us = ev->unknown_since_us;
    if (!a->ended_us)
        state_set(s, j, t, phase_of(a), t->wish);
    return 0;
}

int checkpoint_apply(struct state *s, const struct event *ev, struct gw_err *err)
{
    switch ((int)ev->kind) {
    case EV_CK_STATE:
        return load_state(s, ev, err);
    case EV_CK_JOB:
        return load_job(s, ev, err);
    case EV_CK_TASK:
        return load_task(s, ev, err);
    case EV_CK_ATTEMPT:
        return load_attempt(s, ev, err);
    case EV_CK_SPEC:
        return rows_apply_spec(s, ev, err);
    case EV_CK_ALL:
        return rows_apply_all(s, ev, err);
    default:
        if (s->ck_next_job < s->next_job)
            return refuse(err, "a job has an id that was not given yet");
        s->next_job = s->ck_next_job;
        s->is_loading = false;
        return 0;
    }
}
