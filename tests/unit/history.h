/* Random histories of plausible and implausible events, and the comparison of states. */
#ifndef TESTS_UNIT_HISTORY_H
#define TESTS_UNIT_HISTORY_H

#include "tests/unit/core.h"

static const char vm_job[] =
    "EXECUTABLE = /bin/true\nVM_IMAGE = /images/debian.qcow2\nVM_MEMORY = 512\n";
static const char ranked_job[] =
    "EXECUTABLE = /bin/true\nREQUIREMENTS = ARCH = \"x86_64\"\nRANK = CPU_MHZ\n";

/* --- histories --- */

static const char *const sources[] = {plain_job, vm_job, ranked_job, "EXECUTABLE = \"unclosed\n",
                                      NULL};
static const char *const keys[] = {NULL, NULL, NULL, "1000:a", "1000:b", "1000:c", "1000:d"};
static const char *const codes[] = {"io", "no-input", "killed", NULL};
static const char *const hosts[] = {"a.example.org", "b.example.org", "c.example.org"};
static const char *const words[] = {NULL, "", "x", "/y", "a.example.org"};

#define PICK(r, array) ((array)[rng_below(r, GW_COUNT(array))])

static inline struct job *some_job(struct rng *r, const struct state *s)
{
    struct job *j = NULL;
    for (int i = 0; i < 4 && !j && s->n_jobs; i++)
        j = s->jobs[rng_below(r, s->n_jobs)];
    return j;
}

static inline void make_submission(struct rng *r, const struct state *s, struct event *ev)
{
    *ev =
        submit_event(s->next_job + rng_below(r, 2), 1 + rng_below(r, 6), sources[rng_below(r, 3)]);
    ev->uid = 1000 + rng_below(r, 2);
    ev->key = PICK(r, keys);
    ev->wish = rng_below(r, 4) == 0 ? WISH_HELD : WISH_RUN;
    ev->priority = (int64_t)rng_below(r, 3);
    if (rng_below(r, 2))
        ev->array_id = s->next_array;
}

static inline void make_waiting_step(struct rng *r, const struct state *s, const struct job *j,
                                     struct event *ev)
{
    const struct task *t = job_task(j, ev->task);
    if (rng_below(r, 4)) {
        ev->kind = EV_ATTEMPT_STARTED;
        ev->attempt = t ? t->n_attempts + 1 : 1;
        ev->epoch = s->epoch;
        ev->host = PICK(r, hosts);
        ev->queue = PICK(r, words);
        ev->tm = ev->em = "x";
        ev->stage_url = "file:///site";
        ev->match_rank = (int64_t)rng_below(r, 5000) - 2000;
    } else {
        ev->kind = EV_TASK_ENDED;
        ev->task = rng_below(r, 4) ? ev->task : TASK_ALL;
        ev->outcome = OUTCOME_FAILED;
        ev->reason = "killed";
        ev->text = PICK(r, words);
    }
}

static inline void make_end(struct rng *r, const struct attempt *a, struct event *ev)
{
    ev->kind = EV_ATTEMPT_ENDED;
    ev->outcome = a->is_accepted ? OUTCOME_DONE : OUTCOME_FAILED + rng_below(r, 2);
    ev->reason = a->is_accepted ? NULL : "io";
    ev->blame = rng_below(r, 4);
    ev->not_before_us = (int64_t)rng_below(r, 2000);
    ev->exit_code = (int64_t)rng_below(r, 256);
    ev->left = (uint64_t)ev->exit_code % 2;
}

/* Something that can happen to an attempt in any phase. */
static inline void make_side_step(struct rng *r, const struct task *t, struct event *ev)
{
    static const enum event_kind any[] = {EV_ATTEMPT_LOST, EV_ATTEMPT_FOUND, EV_VM_CHANGED,
                                          EV_REQUESTED};
    ev->kind = PICK(r, any);
    ev->reason = "unknown";
    ev->uuid = ev->kind == EV_VM_CHANGED ? "u" : NULL;
    ev->node = PICK(r, words);
    ev->vm_rank = rng_below(r, 3);
    ev->vm_state = rng_below(r, 4);
    ev->number = t->request_number + 1;
    ev->request = 1 + rng_below(r, 2);
    if (ev->kind == EV_REQUESTED && t->request != REQUEST_NONE) {
        ev->kind = EV_REQUEST_ENDED;
        ev->number = t->request_number;
    }
}

static inline void make_attempt_step(struct rng *r, const struct task *t, struct event *ev)
{
    const struct attempt *a = task_attempt(t);
    ev->attempt = a->number;
    uint64_t choice = rng_below(r, 8);
    if (choice == 0) {
        make_end(r, a, ev);
    } else if (choice == 1) {
        make_side_step(r, t, ev);
    } else if (t->phase == PHASE_PROLOG) {
        ev->kind = EV_ATTEMPT_STAGED;
    } else if (t->phase == PHASE_EPILOG && choice == 2) {
        ev->kind = EV_ATTEMPT_FAILED;
        ev->reason = codes[1];
        ev->blame = rng_below(r, 4);
        if (a->is_accepted)
            make_end(r, a, ev);
    } else if (t->phase == PHASE_EPILOG) {
        ev->kind = EV_RESULTS_ACCEPTED;
        ev->exit_code = (int64_t)rng_below(r, 256);
        ev->signal = (int64_t)rng_below(r, 10);
        if (a->is_accepted)
            make_end(r, a, ev);
    } else {
        static const enum event_kind next[] = {EV_ATTEMPT_SUBMITTED, EV_ATTEMPT_ACTIVE,
                                               EV_ATTEMPT_EXITED};
        ev->kind = PICK(r, next);
        ev->contact = "c1";
        ev->reason = PICK(r, codes);
        ev->blame = rng_below(r, 4);
    }
}

static inline void make_task_step(struct rng *r, const struct state *s, const struct job *j,
                                  struct event *ev)
{
    ev->job = j->id;
    ev->task = rng_below(r, j->tasks);
    enum phase phase = job_task_phase(j, ev->task);
    if (rng_below(r, 10) == 0) {
        ev->kind = EV_WISHED;
        ev->task = rng_below(r, 3) ? ev->task : TASK_ALL;
        ev->wish = rng_below(r, WISH_COUNT);
    } else if (phase_is_final(phase)) {
        ev->kind = EV_JOB_FORGOTTEN;
    } else if (phase == PHASE_PENDING) {
        make_waiting_step(r, s, j, ev);
    } else {
        make_attempt_step(r, job_task(j, ev->task), ev);
    }
}

/* Put something else into one field. */
static inline void spoil(struct rng *r, struct event *ev)
{
    static const uint64_t odd[] = {0,     1,          2,         5,          7,
                                   65536, UINT32_MAX, INT64_MAX, UINT64_MAX, UINT64_MAX - 1};
    size_t n;
    const struct event_field *fields = event_fields(&n);
    const struct event_field *f = &fields[rng_below(r, n)];
    void *member = (char *)ev + f->offset;
    if (f->type == EVENT_S)
        *(const char **)member = PICK(r, words);
    else
        *(uint64_t *)member = PICK(r, odd);
    if (rng_below(r, 4) == 0) {
        unsigned kind = (unsigned)rng_below(r, 70);
        ev->kind = event_kind_info(kind) ? (enum event_kind)kind : ev->kind;
    }
    if (rng_below(r, 8) == 0)
        ev->source = PICK(r, sources);
}

static inline void make_event(struct rng *r, const struct state *s, int64_t now_us,
                              struct event *ev)
{
    *ev = (struct event){0};
    struct job *j = some_job(r, s);
    uint64_t choice = rng_below(r, 40);
    if (!s->instance) {
        *ev = created_event();
    } else if (!j || choice < 4) {
        make_submission(r, s, ev);
    } else if (choice == 4) {
        *ev = (struct event){
            .kind = EV_SITE_DRAINED, .host = PICK(r, hosts), .flag = rng_below(r, 2)};
    } else if (choice == 5) {
        *ev = (struct event){.kind = EV_DISPATCH_PAUSED, .flag = rng_below(r, 2)};
    } else if (choice == 6) {
        *ev = (struct event){.kind = EV_EPOCH_RAISED,
                             .epoch = s->epoch + 1,
                             .fence = rng_below(r, 2) ? 0 : s->epoch + rng_below(r, 3)};
    } else {
        make_task_step(r, s, j, ev);
    }
    if (rng_below(r, 5) == 0)
        spoil(r, ev);
    ev->at_us = now_us;
    ev->seq = rng_below(r, 50) ? s->seq + 1 : rng_below(r, s->seq + 3);
}

/* --- equal states --- */

static inline bool attempts_are_equal(const struct attempt *a, const struct attempt *b)
{
    bool are_equal = a->number == b->number && a->epoch == b->epoch &&
                     texts_are_equal(a->host, b->host) && texts_are_equal(a->queue, b->queue) &&
                     texts_are_equal(a->stage_url, b->stage_url) &&
                     a->match_rank == b->match_rank && texts_are_equal(a->contact, b->contact) &&
                     a->started_us == b->started_us && a->staged_us == b->staged_us &&
                     a->active_us == b->active_us && a->exited_us == b->exited_us &&
                     a->ended_us == b->ended_us && a->unknown_since_us == b->unknown_since_us &&
                     a->is_accepted == b->is_accepted && a->exit_code == b->exit_code &&
                     a->signal == b->signal && texts_are_equal(a->reason.code, b->reason.code) &&
                     a->reason.blame == b->reason.blame &&
                     texts_are_equal(a->reason.text, b->reason.text) && a->n_vms == b->n_vms;
    for (size_t i = 0; are_equal && i < a->n_vms; i++)
        are_equal = a->vms[i].rank == b->vms[i].rank && a->vms[i].state == b->vms[i].state &&
                    texts_are_equal(a->vms[i].uuid, b->vms[i].uuid) &&
                    texts_are_equal(a->vms[i].node, b->vms[i].node);
    return are_equal;
}

/* What a dump forgets it forgets on both sides, so the structs are compared too. */
static inline bool tasks_are_equal(const struct task *a, const struct task *b)
{
    bool are_equal = a && b && a->phase == b->phase && a->wish == b->wish &&
                     a->not_before_us == b->not_before_us && a->ended_us == b->ended_us &&
                     a->n_attempts == b->n_attempts && a->request_number == b->request_number &&
                     a->request == b->request && texts_are_equal(a->reason.code, b->reason.code) &&
                     a->reason.blame == b->reason.blame &&
                     texts_are_equal(a->reason.text, b->reason.text);
    for (size_t i = 0; are_equal && i < a->n_attempts; i++)
        are_equal = attempts_are_equal(&a->attempts[i], &b->attempts[i]);
    return are_equal;
}

static inline bool jobs_are_equal(const struct state *a, const struct state *b)
{
    size_t it = 0, n = 0;
    for (struct job *j, *k; (j = state_next_job(a, &it)); n++) {
        k = state_job(b, j->id);
        if (!k || j->tasks != k->tasks || j->wish != k->wish ||
            j->is_rest_ended != k->is_rest_ended || j->rest_ended_us != k->rest_ended_us ||
            j->submitted_us != k->submitted_us || j->priority != k->priority ||
            j->array_id != k->array_id || j->array_start != k->array_start ||
            !texts_are_equal(job_key(j), job_key(k)) || j->array_increment != k->array_increment ||
            !texts_are_equal(j->spec->source, k->spec->source) || j->spec->hash != k->spec->hash)
            return false;
        size_t task_it = 0;
        for (const struct task *t; (t = job_next_task(j, &task_it));)
            if (!tasks_are_equal(t, job_task(k, t->index)))
                return false;
    }
    for (it = 0; state_next_job(b, &it);)
        n--;
    return n == 0 && a->is_paused == b->is_paused && a->epoch == b->epoch && a->fence == b->fence &&
           a->next_job == b->next_job && a->next_array == b->next_array;
}

#endif
