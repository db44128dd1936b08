/* The reducer: what each event does to the state. First everything is checked, then everything is
 * changed, so that a refused event leaves no trace. */
#include "gwd/model/jobspec.h"
#include "gwd/model/state_private.h"
#include "lib/mem.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

static int refuse(struct gw_err *err, const struct event *ev, const char *why)
{
    return gw_err_set(err, GW_ECORRUPT,
                      "event %s (seq %" PRIu64 ", job %" PRIu64 ", task %" PRIu64 "): %s",
                      event_kind_info((unsigned)ev->kind)->name, ev->seq, ev->job, ev->task, why);
}

/* An event may borrow its strings from the very place that it changes. */
static void replace(char **at, const char *text)
{
    char *copy = xstrdup(text);
    free(*at);
    *at = copy;
}

static int apply_created(struct state *s, const struct event *ev, struct gw_err *err)
{
    if (s->instance || !ev->instance || ev->epoch == 0)
        return refuse(err, ev, "only the first event creates a state");
    s->instance = xstrdup(ev->instance);
    s->epoch = s->fence = ev->epoch;
    return 0;
}

static int apply_epoch(struct state *s, const struct event *ev, struct gw_err *err)
{
    if (ev->epoch <= s->epoch)
        return refuse(err, ev, "an epoch only rises");
    if (ev->fence && (ev->fence <= s->fence || ev->fence > ev->epoch))
        return refuse(err, ev, "a fence only rises, and not beyond the epoch");
    s->epoch_before = s->epoch;
    s->epoch = ev->epoch;
    s->fence = ev->fence ? ev->fence : s->fence;
    return 0;
}

/* Can each task's parameter, start + index x increment, be counted? */
static bool parameters_fit(const struct event *ev)
{
    int64_t last;
    return !__builtin_mul_overflow(ev->array_increment, (int64_t)(ev->tasks - 1), &last) &&
           !__builtin_add_overflow(ev->array_start, last, &last);
}

static int spec_of_event(struct state *s, const struct event *ev, struct job_spec **ret,
                         struct gw_err *err)
{
    if (ev->spec) {
        struct job_spec *spec = rows_spec(s, ev->spec);
        if (!spec)
            return refuse(err, ev, "what it shares with equal jobs is missing");
        spec->refs++;
        *ret = spec;
        return 0;
    }
    if (!ev->source || !ev->user || !ev->home || ev->home[0] != '/')
        return refuse(err, ev, "a field is missing");
    return jobspec_take(s, ev, ret, err);
}

int job_of_event(struct state *s, const struct event *ev, struct job **ret, struct gw_err *err)
{
    if (ev->tasks == 0 || ev->tasks > UINT32_MAX || ev->job < s->next_job ||
        ev->job > INT64_MAX / 2 - ev->tasks || ev->array_id > INT64_MAX)
        return refuse(err, ev, "its range of ids is impossible");
    if (!parameters_fit(ev))
        return refuse(err, ev, "the parameters of its tasks are beyond counting");
    if (ev->wish >= WISH_COUNT)
        return refuse(err, ev, "a field is missing");
    /* A row may be of a job that is forgotten later in the journal, and its key be given again. */
    if (ev->key && !s->loading && state_job_by_key(s, ev->key))
        return refuse(err, ev, "its submission key is known already");
    struct job_spec *spec;
    int r = spec_of_event(s, ev, &spec, err);
    if (r < 0)
        return r;
    size_t key_size = ev->key ? strlen(ev->key) + 1 : 0;
    struct job *j = xcalloc(1, sizeof *j + key_size);
    *j = (struct job){.id = ev->job,
                      .tasks = (uint32_t)ev->tasks,
                      .array_id = ev->array_id,
                      .array_start = ev->array_start,
                      .array_increment = ev->array_increment,
                      .spec = spec,
                      .has_key = ev->key != NULL,
                      .submitted_us = ev->at_us,
                      .priority = ev->priority,
                      .wish = (uint8_t)ev->wish};
    if (ev->key)
        memcpy(j->key, ev->key, key_size);
    *ret = j;
    return 0;
}

static int apply_submitted(struct state *s, const struct event *ev, struct gw_err *err)
{
    struct job *j;
    if (ev->array_id && (ev->array_id < s->next_array || state_array(s, ev->array_id)))
        return refuse(err, ev, "its array id was given before");
    int r = job_of_event(s, ev, &j, err);
    if (r < 0)
        return r;
    s->next_job = ev->job + ev->tasks;
    if (ev->array_id)
        s->next_array = ev->array_id + 1;
    state_add_job(s, j);
    rows_changed(s, j, NULL, ev);
    state_requeue(s, j);
    return 0;
}

/* Has its row been written after the event? */
static bool knows(const struct task *t, const struct event *ev)
{
    return ev->seq && ev->seq <= t->seq;
}

static void wish_task(struct state *s, struct job *j, struct task *t, const struct event *ev)
{
    if (ev->wish == WISH_GONE && t->wish != WISH_GONE)
        t->wished_us = ev->at_us;
    state_set(s, j, t, t->phase, (enum wish)ev->wish);
    rows_changed(s, j, t, ev);
}

static int apply_wished(struct state *s, const struct event *ev, struct gw_err *err)
{
    struct job *j = state_job(s, ev->job);
    if (!j || ev->wish >= WISH_COUNT || (ev->task != TASK_ALL && ev->task >= j->tasks))
        return refuse(err, ev, "no such task or wish");
    enum wish wish = (enum wish)ev->wish;
    if (ev->task != TASK_ALL) {
        if (wish != WISH_GONE && job_task_wish(j, ev->task) == WISH_GONE)
            return refuse(err, ev, "a task that was wished gone is not called back");
        wish_task(s, j, state_touch(s, j, ev->task), ev);
        return 0;
    }
    rows_before_all(s, j);
    if (j->wish != WISH_GONE)
        j->wish = (uint8_t)wish;
    size_t it = 0;
    for (struct task *t; (t = job_next_task(j, &it));)
        if (!phase_is_final(t->phase) && t->wish != WISH_GONE && !knows(t, ev))
            wish_task(s, j, t, ev);
    rows_after_all(s, j, ev);
    state_requeue(s, j);
    return 0;
}

struct attempt *attempt_of_event(struct state *s, struct task *t, const struct event *ev)
{
    t->attempts = xreallocarray(t->attempts, t->n_attempts + 1, sizeof *t->attempts);
    struct attempt *a = &t->attempts[t->n_attempts++];
    struct attempt_place *p = place_take(s, ev);
    *a = (struct attempt){.number = ev->attempt,
                          .epoch = ev->epoch,
                          .place = p,
                          .host = p->host,
                          .queue = p->queue,
                          .lrms = p->lrms,
                          .im = p->im,
                          .tm = p->tm,
                          .em = p->em,
                          .stage_url = p->stage_url,
                          .gwvm = p->gwvm,
                          .match_rank = ev->match_rank,
                          .started_us = ev->at_us};
    return a;
}

static int apply_started(struct state *s, const struct event *ev, struct gw_err *err)
{
    struct job *j = state_job(s, ev->job);
    if (!j || ev->task >= j->tasks)
        return refuse(err, ev, "no such task");
    struct task *t = job_task(j, ev->task);
    if (job_task_phase(j, ev->task) != PHASE_PENDING || ev->attempt != (t ? t->n_attempts : 0) + 1)
        return refuse(err, ev, "it is not the next attempt of a pending task");
    if (!ev->host || !ev->tm || !ev->em || !ev->stage_url || ev->epoch == 0 || ev->epoch > s->epoch)
        return refuse(err, ev, "a field is missing");
    t = state_touch(s, j, ev->task);
    attempt_of_event(s, t, ev);
    state_delay(s, j, t, 0);
    reason_clear(&t->reason);
    state_set(s, j, t, PHASE_PROLOG, t->wish);
    rows_changed(s, j, t, ev);
    return 0;
}

/* The current attempt that an event speaks of, when its task is in `phase` (or any, PHASE_COUNT).
 */
static struct attempt *current(struct state *s, const struct event *ev, enum phase phase,
                               struct job **ret_j, struct task **ret_t)
{
    struct job *j = state_job(s, ev->job);
    struct task *t = j ? job_task(j, ev->task) : NULL;
    struct attempt *a = t ? task_attempt(t) : NULL;
    if (!a || a->number != ev->attempt || (phase != PHASE_COUNT && t->phase != phase))
        return NULL;
    *ret_j = j;
    *ret_t = t;
    return a;
}

static int apply_submit_answer(struct attempt *a, const struct event *ev, struct gw_err *err)
{
    if (ev->kind == EV_ATTEMPT_SUBMITTED) {
        if (!ev->contact)
            return refuse(err, ev, "it has no contact");
        replace(&a->contact, ev->contact);
    } else {
        a->active_us = ev->at_us;
    }
    return 0;
}

static int apply_ended(struct state *s, struct job *j, struct task *t, struct attempt *a,
                       const struct event *ev, struct gw_err *err)
{
    static const enum phase phase_of[] = {[OUTCOME_DONE] = PHASE_DONE,
                                          [OUTCOME_FAILED] = PHASE_FAILED,
                                          [OUTCOME_REQUEUE] = PHASE_PENDING};
    if (ev->outcome < OUTCOME_DONE || ev->outcome > OUTCOME_REQUEUE || ev->blame > BLAME_US)
        return refuse(err, ev, "its outcome is none");
    if (ev->outcome == OUTCOME_DONE && !a->is_accepted)
        return refuse(err, ev, "done without accepted results");
    if (ev->outcome == OUTCOME_REQUEUE && a->is_accepted)
        return refuse(err, ev, "once more although its results were accepted");
    if (ev->outcome != OUTCOME_DONE && !ev->reason)
        return refuse(err, ev, "it has no reason");
    a->ended_us = ev->at_us;
    a->is_left = ev->left != 0;
    a->unknown_since_us = 0;
    if (!a->is_accepted) {
        a->exit_code = (int)ev->exit_code;
        a->signal = (int)ev->signal;
    }
    if (ev->reason) {
        reason_set(&a->reason, ev->reason, (enum blame)ev->blame, ev->text);
        reason_set(&t->reason, ev->reason, (enum blame)ev->blame, ev->text);
    }
    for (size_t i = 0; i < a->n_vms; i++)
        a->vms[i].state = VM_GONE;
    t->request = REQUEST_NONE;
    state_delay(s, j, t, ev->outcome == OUTCOME_REQUEUE ? ev->not_before_us : 0);
    t->ended_us = ev->outcome == OUTCOME_REQUEUE ? 0 : ev->at_us;
    state_set(s, j, t, phase_of[ev->outcome], t->wish);
    return 0;
}

static int change_attempt(struct state *s, const struct event *ev, struct job **ret_j,
                          struct task **ret_t, struct gw_err *err)
{
    enum phase phase = PHASE_COUNT;
    switch ((int)ev->kind) {
    case EV_ATTEMPT_STAGED:
        phase = PHASE_PROLOG;
        break;
    case EV_ATTEMPT_SUBMITTED:
    case EV_ATTEMPT_ACTIVE:
    case EV_ATTEMPT_EXITED:
        phase = PHASE_WRAPPER;
        break;
    case EV_ATTEMPT_FAILED:
    case EV_RESULTS_ACCEPTED:
        phase = PHASE_EPILOG;
        break;
    default:
        break;
    }
    struct attempt *a = current(s, ev, phase, ret_j, ret_t);
    if (!a)
        return refuse(err, ev, "no such attempt in that phase");
    struct job *j = *ret_j;
    struct task *t = *ret_t;
    switch ((int)ev->kind) {
    case EV_ATTEMPT_STAGED:
        a->staged_us = ev->at_us;
        state_set(s, j, t, PHASE_WRAPPER, t->wish);
        return 0;
    case EV_ATTEMPT_SUBMITTED:
    case EV_ATTEMPT_ACTIVE:
        return apply_submit_answer(a, ev, err);
    case EV_ATTEMPT_EXITED:
        if (ev->blame > BLAME_US)
            return refuse(err, ev, "its blame is none");
        a->exited_us = ev->at_us;
        a->unknown_since_us = 0;
        if (ev->reason)
            reason_set(&a->reason, ev->reason, (enum blame)ev->blame, ev->text);
        state_set(s, j, t, PHASE_EPILOG, t->wish);
        return 0;
    case EV_ATTEMPT_FAILED:
        if (a->is_accepted || !ev->reason || ev->blame > BLAME_US)
            return refuse(err, ev, "accepted before, or without a reason");
        reason_set(&a->reason, ev->reason, (enum blame)ev->blame, ev->text);
        return 0;
    case EV_RESULTS_ACCEPTED:
        if (a->is_accepted || ev->exit_code < 0 || ev->exit_code > 255)
            return refuse(err, ev, "accepted twice, or an impossible exit code");
        a->is_accepted = true;
        a->exit_code = (int)ev->exit_code;
        a->signal = (int)ev->signal;
        reason_clear(&a->reason); /* whatever was thought to have gone wrong */
        return 0;
    case EV_ATTEMPT_LOST:
        if (!a->unknown_since_us)
            a->unknown_since_us = ev->at_us;
        return 0;
    case EV_ATTEMPT_FOUND:
        a->unknown_since_us = 0;
        return 0;
    default:
        return apply_ended(s, j, t, a, ev, err);
    }
}

static int apply_attempt(struct state *s, const struct event *ev, struct gw_err *err)
{
    struct job *j;
    struct task *t;
    int r = change_attempt(s, ev, &j, &t, err);
    if (r == 0)
        rows_changed(s, j, t, ev);
    return r;
}

static int apply_vm(struct state *s, const struct event *ev, struct gw_err *err)
{
    struct job *j = state_job(s, ev->job);
    struct task *t = j ? job_task(j, ev->task) : NULL;
    struct attempt *a = t ? task_attempt_number(t, ev->attempt) : NULL;
    if (!a || ev->vm_state > VM_GONE || ev->vm_rank > 65535 || !ev->uuid)
        return refuse(err, ev, "no such attempt or VM state");
    struct vm_record *vm = NULL;
    for (size_t i = 0; i < a->n_vms; i++)
        if (a->vms[i].rank == ev->vm_rank)
            vm = &a->vms[i];
    if (!vm) {
        a->vms = xreallocarray(a->vms, a->n_vms + 1, sizeof *a->vms);
        vm = &a->vms[a->n_vms++];
        *vm = (struct vm_record){.rank = ev->vm_rank};
    }
    replace(&vm->uuid, ev->uuid);
    replace(&vm->node, ev->node);
    vm->state = (enum vm_state)ev->vm_state;
    rows_changed(s, j, t, ev);
    return 0;
}

static int apply_request(struct state *s, const struct event *ev, struct gw_err *err)
{
    struct job *j = state_job(s, ev->job);
    struct task *t = j ? job_task(j, ev->task) : NULL;
    if (!t)
        return refuse(err, ev, "no such task");
    if (ev->kind == EV_REQUESTED) {
        if (t->request != REQUEST_NONE || ev->number != t->request_number + 1 ||
            ev->request == REQUEST_NONE || ev->request > REQUEST_RELOCATE || !task_attempt(t))
            return refuse(err, ev, "not the next request to a running task");
        t->request_number = ev->number;
        t->request = (enum request_kind)ev->request;
        rows_changed(s, j, t, ev);
        return 0;
    }
    if (t->request == REQUEST_NONE || ev->number != t->request_number)
        return refuse(err, ev, "no such request is under way");
    t->request = REQUEST_NONE;
    rows_changed(s, j, t, ev);
    return 0;
}

static void end_task(struct state *s, struct job *j, struct task *t, const struct event *ev)
{
    reason_set(&t->reason, ev->reason, (enum blame)ev->blame, ev->text);
    t->ended_us = ev->at_us;
    state_delay(s, j, t, 0);
    state_set(s, j, t, PHASE_FAILED, t->wish);
    rows_changed(s, j, t, ev);
}

static int apply_task_ended(struct state *s, const struct event *ev, struct gw_err *err)
{
    struct job *j = state_job(s, ev->job);
    if (!j || !ev->reason || ev->blame > BLAME_US || ev->outcome != OUTCOME_FAILED)
        return refuse(err, ev, "no such job, or no reason");
    if (ev->task != TASK_ALL) {
        enum phase phase = ev->task < j->tasks ? job_task_phase(j, ev->task) : PHASE_DONE;
        if (phase != PHASE_PENDING && phase != PHASE_SLEEPING)
            return refuse(err, ev, "the task is not waiting");
        end_task(s, j, state_touch(s, j, ev->task), ev);
        return 0;
    }
    size_t it = 0;
    for (struct task *t; (t = job_next_task(j, &it));)
        if ((t->phase == PHASE_PENDING || t->phase == PHASE_SLEEPING) && !knows(t, ev))
            end_task(s, j, t, ev);
    rows_before_all(s, j);
    if (!j->is_rest_ended) {
        uint64_t rest = j->tasks - j->n_touched;
        j->is_rest_ended = true;
        j->rest_ended_us = ev->at_us;
        state_count(s, j, rest, PHASE_PENDING, PHASE_FAILED);
        state_requeue(s, j);
    }
    rows_after_all(s, j, ev);
    return 0;
}

static int apply_forgotten(struct state *s, const struct event *ev, struct gw_err *err)
{
    struct job *j = state_job(s, ev->job);
    if (!j || !job_is_final(j))
        return refuse(err, ev, "no such job, or not finished");
    state_remove_job(s, j);
    return 0;
}

static int apply_drained(struct state *s, const struct event *ev, struct gw_err *err)
{
    if (!ev->host)
        return refuse(err, ev, "it names no host");
    struct site_record *site;
    HASH_FIND_STR(s->sites, ev->host, site);
    if (!site) {
        site = xcalloc(1, sizeof *site);
        site->host = xstrdup(ev->host);
        HASH_ADD_KEYPTR(hh, s->sites, site->host, strlen(site->host), site);
    }
    site->is_drained = ev->flag != 0;
    return 0;
}

static int apply(struct state *s, const struct event *ev, struct gw_err *err)
{
    switch (ev->kind) {
    case EV_STATE_CREATED:
        return apply_created(s, ev, err);
    case EV_EPOCH_RAISED:
        return apply_epoch(s, ev, err);
    case EV_JOB_SUBMITTED:
        return apply_submitted(s, ev, err);
    case EV_WISHED:
        return apply_wished(s, ev, err);
    case EV_ATTEMPT_STARTED:
        return apply_started(s, ev, err);
    case EV_ATTEMPT_STAGED:
    case EV_ATTEMPT_SUBMITTED:
    case EV_ATTEMPT_ACTIVE:
    case EV_ATTEMPT_EXITED:
    case EV_RESULTS_ACCEPTED:
    case EV_ATTEMPT_ENDED:
    case EV_ATTEMPT_LOST:
    case EV_ATTEMPT_FOUND:
    case EV_ATTEMPT_FAILED:
        return apply_attempt(s, ev, err);
    case EV_VM_CHANGED:
        return apply_vm(s, ev, err);
    case EV_REQUESTED:
    case EV_REQUEST_ENDED:
        return apply_request(s, ev, err);
    case EV_TASK_ENDED:
        return apply_task_ended(s, ev, err);
    case EV_JOB_FORGOTTEN:
        return apply_forgotten(s, ev, err);
    case EV_SITE_DRAINED:
        return apply_drained(s, ev, err);
    case EV_DISPATCH_PAUSED:
        s->is_paused = ev->flag != 0;
        return 0;
    case EV_CK_STATE:
    case EV_CK_JOB:
    case EV_CK_TASK:
    case EV_CK_ATTEMPT:
    case EV_CK_END:
    case EV_CK_SPEC:
    case EV_CK_ALL:
        return checkpoint_apply(s, ev, err);
    }
    return gw_err_set(err, GW_ECORRUPT, "event kind %d is none", (int)ev->kind);
}

int state_apply(struct state *s, const struct event *ev, struct gw_err *err)
{
    if (!event_kind_info((unsigned)ev->kind))
        return gw_err_set(err, GW_ECORRUPT, "event kind %d is none", (int)ev->kind);
    bool is_checkpoint = ev->kind >= EV_CK_STATE;
    if (is_checkpoint != s->is_loading && ev->kind != EV_CK_STATE)
        return refuse(err, ev,
                      s->is_loading ? "not inside a checkpoint" : "only inside a checkpoint");
    if (!s->instance && ev->kind != EV_STATE_CREATED && ev->kind != EV_CK_STATE)
        return refuse(err, ev, "the state was not created yet");
    if (ev->seq && ev->seq <= s->seq)
        return refuse(err, ev, "its sequence number does not rise");
    int r = apply(s, ev, err);
    if (r == 0 && ev->seq)
        s->seq = ev->seq;
    return r;
}
