/* What the tests of gwd's pure core share: a random generator that prints its seed, states as
 * bytes, and the recount of all that a state counts as it goes. A header, because each test is one
 * file. */
#ifndef TESTS_UNIT_CORE_H
#define TESTS_UNIT_CORE_H

#include "gwd/model/jobspec.h"
#include "gwd/model/state_private.h"
#include "gwd/model/jobqueue.h"
#include "gwd/model/state.h"
#include "lib/mem.h"
#include "sim/rng.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <utlist.h>

/* GW_SEED=n runs one history again; without it `n` seeds from 1 on are run. */
static inline void seeds(uint64_t n, uint64_t *ret_first, uint64_t *ret_end)
{
    const char *wish = getenv("GW_SEED");
    *ret_first = wish ? strtoull(wish, NULL, 10) : 1;
    *ret_end = wish ? *ret_first + 1 : n + 1;
}

static const char plain_job[] = "EXECUTABLE = /bin/true\n";

static inline struct event created_event(void)
{
    return (struct event){.kind = EV_STATE_CREATED, .at_us = 1, .instance = "i", .epoch = 1};
}

static inline struct event submit_event(uint64_t job, uint64_t tasks, const char *source)
{
    return (struct event){.kind = EV_JOB_SUBMITTED,
                          .at_us = 1000,
                          .job = job,
                          .tasks = tasks,
                          .source = source,
                          .file = "job.jt",
                          .home = "/home/ann",
                          .user = "ann",
                          .uid = 1000,
                          .gid = 1000,
                          .array_increment = 1};
}

/* --- a state as the events of a checkpoint, as the first format of the store had it --- */

static inline void dump_job(const struct job *j, checkpoint_emit *emit, void *ctx)
{
    const struct job_spec *spec = j->spec;
    struct event ev = {.kind = EV_CK_JOB,
                       .at_us = j->submitted_us,
                       .job = j->id,
                       .tasks = j->tasks,
                       .array_id = j->array_id,
                       .array_start = j->array_start,
                       .array_increment = j->array_increment,
                       .wish = j->wish,
                       .source = spec->source,
                       .file = spec->file,
                       .home = spec->home,
                       .user = spec->owner.user,
                       .uid = spec->owner.uid,
                       .gid = spec->owner.gid,
                       .credential = spec->owner.credential,
                       .project = spec->owner.project,
                       .key = job_key(j),
                       .priority = j->priority,
                       .flag = j->is_rest_ended,
                       .ended_us = j->rest_ended_us};
    emit(ctx, &ev);
    size_t it = 0;
    for (const struct task *t; (t = job_next_task(j, &it));)
        checkpoint_dump_task(j, t, emit, ctx);
}

static inline void dump_after(const struct state *s, checkpoint_emit *emit, void *ctx)
{
    size_t it = 0;
    for (const struct job *j; (j = state_next_job(s, &it));) {
        size_t task_it = 0;
        for (const struct task *t; (t = job_next_task(j, &task_it));)
            checkpoint_dump_rest(j, t, emit, ctx);
    }
    checkpoint_dump_sites(s, emit, ctx);
}

static inline void state_dump(const struct state *s,
                              void (*emit)(void *ctx, const struct event *ev), void *ctx)
{
    checkpoint_dump_head(s, emit, ctx);
    size_t it = 0;
    for (const struct job *j; (j = state_next_job(s, &it));)
        dump_job(j, emit, ctx);
    struct event end = {.kind = EV_CK_END};
    emit(ctx, &end);
    dump_after(s, emit, ctx);
}

static inline void dump_event(void *ctx, const struct event *ev)
{
    event_encode(ev, ctx);
}

/* The state as bytes: equal states give equal bytes. */
static inline struct buf dump_of(const struct state *s)
{
    struct buf b = BUF_INIT;
    state_dump(s, dump_event, &b);
    return b;
}

static inline int fold_some(struct state *s, const struct buf *b, bool are_numbered,
                            struct gw_err *err)
{
    int r = 0;
    for (size_t at = 0; at < b->len && r == 0;) {
        struct event ev;
        struct event_arena arena = {0};
        long used = event_decode(b->data + at, b->len - at, &ev, &arena, err);
        if (are_numbered)
            ev.seq = s->seq + 1;
        r = used < 0 ? (int)used : state_apply(s, &ev, err);
        at += used > 0 ? (size_t)used : 0;
        event_arena_clear(&arena);
    }
    return r;
}

/* Fold encoded events without numbers, as a checkpoint has them. */
static inline int fold_bytes(struct state *s, const struct buf *b, struct gw_err *err)
{
    return fold_some(s, b, false, err);
}

/* A journal: its events have the numbers from 1 on. */
static inline int fold_numbered(struct state *s, const struct buf *b, struct gw_err *err)
{
    return fold_some(s, b, true, err);
}

static inline bool bufs_are_equal(const struct buf *a, const struct buf *b)
{
    return a->len == b->len && (a->len == 0 || memcmp(a->data, b->data, a->len) == 0);
}

/* --- recount: NULL, or what does not agree --- */

static inline const char *recount_job(const struct job *j, uint64_t by_phase[PHASE_COUNT])
{
    uint64_t n_touched = 0, n_final = 0, n_ready = 0, n_listed = 0;
    size_t it = 0;
    for (const struct task *t; (t = job_next_task(j, &it));) {
        n_touched++;
        n_final += phase_is_final(t->phase);
        bool is_ready = t->phase == PHASE_PENDING && t->wish == WISH_RUN && !t->is_waiting;
        if (is_ready != t->is_ready || (t->is_waiting && !t->not_before_us))
            return "a task does not know whether it is ready";
        n_ready += is_ready;
        by_phase[t->phase]++;
        if (t->index >= j->tasks)
            return "a task lies outside of its job";
        bool is_under_way = t->phase >= PHASE_PROLOG && t->phase <= PHASE_EPILOG;
        for (size_t i = 0; i < t->n_attempts; i++) {
            bool is_open = is_under_way && i + 1 == t->n_attempts;
            if (t->attempts[i].number != i + 1 || !t->attempts[i].ended_us != is_open)
                return "an attempt is out of order, or open when it should be over";
        }
        if (is_under_way && !task_attempt(t))
            return "a task under way has no attempt";
    }
    for (const struct task *t = j->ready; t; t = t->next) {
        n_listed++;
        if (!t->is_ready)
            return "a task in the ready list is not ready";
    }
    if (n_touched != j->n_touched || n_final != j->n_final || n_ready != j->n_ready ||
        n_listed != n_ready)
        return "the counters of a job do not agree";
    if (n_touched > j->tasks || j->fresh > j->tasks)
        return "a job has more tasks than it has";
    for (uint64_t i = 0; i < j->fresh; i++)
        if (!job_task(j, i))
            return "a task below `fresh` has no struct";
    if (j->fresh < j->tasks && job_task(j, j->fresh))
        return "`fresh` is touched";
    by_phase[j->is_rest_ended ? PHASE_FAILED : PHASE_PENDING] += j->tasks - n_touched;
    return NULL;
}

static inline const char *recount_queue(const struct job_class *c, uint64_t *ret_n)
{
    if (c->first != jobqueue_first(c->queue))
        return "the first job of a class is another";
    for (const struct job *j = c->first; j; j = jobqueue_after(c->queue, j)) {
        ++*ret_n;
        if (!j->is_queued || j->spec->class != c || job_ready(j) == 0)
            return "a job in a class's queue does not belong there";
        const struct job *after = jobqueue_after(c->queue, j);
        if (after && (j->priority < after->priority ||
                      (j->priority == after->priority && j->id >= after->id)))
            return "a class's queue is out of order";
    }
    return NULL;
}

/* An array may have billions of tasks; those that differ from the rest are few. */
static inline uint64_t unfinished_of(const struct job *j)
{
    uint64_t n = j->is_rest_ended ? 0 : j->tasks - j->n_touched;
    size_t it = 0;
    for (const struct task *t; (t = job_next_task(j, &it));)
        n += !phase_is_final(t->phase);
    return n;
}

/* What is counted for each credential. */
static inline const char *recount_uses(const struct state *s)
{
    for (const struct credential_use *use = s->uses; use; use = use->hh.next) {
        uint64_t unfinished = 0;
        size_t it = 0;
        for (const struct job *j; (j = state_next_job(s, &it));)
            if (j->spec->class->use == use)
                unfinished += unfinished_of(j);
        if (unfinished != use->unfinished ||
            unfinished != state_credential_use(s, &use->uid, use->path) ||
            unfinished > state_credential_use(s, NULL, use->path))
            return "the number of a credential's unfinished tasks does not agree";
    }
    return NULL;
}

/* What is counted for each user. */
static inline const char *recount_users(const struct state *s)
{
    for (const struct user_record *u = s->users; u; u = u->hh.next) {
        uint64_t tasks = 0, unfinished = 0, bytes = 0;
        size_t it = 0;
        for (const struct job *j; (j = state_next_job(s, &it));)
            if (j->spec->user == u) {
                tasks += j->tasks;
                unfinished +=
                    (j->is_rest_ended ? 0 : j->tasks - j->n_touched) + (j->n_touched - j->n_final);
            }
        for (size_t i = 0; i < s->specs.n_chains; i++)
            for (const struct job_spec *spec = s->specs.chains[i]; spec; spec = spec->next)
                bytes += spec->user == u ? jobspec_bytes(spec) : 0;
        if (tasks != u->tasks)
            return "the number of a user's tasks does not agree";
        if (unfinished != u->unfinished)
            return "the number of a user's unfinished tasks does not agree";
        if (bytes != u->template_bytes)
            return "the bytes of a user's templates do not agree";
    }
    return NULL;
}

static inline const char *recount(const struct state *s)
{
    uint64_t by_phase[PHASE_COUNT] = {0}, n_ready_jobs = 0, n_queued = 0, n_jobs = 0, n_keys = 0,
             last = 0;
    uint64_t spec_refs = 0, class_refs = 0;
    const char *wrong = NULL;
    size_t it = 0;
    for (const struct job *j; !wrong && (j = state_next_job(s, &it));) {
        n_jobs++;
        n_ready_jobs += job_ready(j) > 0;
        n_keys += j->has_key;
        if (j->id <= last || state_job(s, j->id) != j || state_job_of(s, j->id + j->tasks - 1) != j)
            return "a job is not found by its ids";
        if (j->has_key && state_job_by_key(s, j->key) != j)
            return "a job is not found by its key";
        if (j->array_id && state_array(s, j->array_id) != j)
            return "an array is not found by its id";
        if (j->spec->user->number != state_user(s, j->spec->owner.user))
            return "a job is not found by its user";
        last = j->id + j->tasks - 1;
        wrong = recount_job(j, by_phase);
    }
    for (size_t i = 0; i < s->specs.n_chains; i++)
        for (const struct job_spec *spec = s->specs.chains[i]; spec; spec = spec->next)
            spec_refs += spec->refs;
    for (const struct job_class *c = s->classes; !wrong && c; c = c->hh.next) {
        class_refs += c->refs;
        if (c->slot >= s->n_slots || s->class_slots[c->slot].class != c)
            return "a class is not in its slot";
        wrong = recount_queue(c, &n_queued);
    }
    if (wrong)
        return wrong;
    if (memcmp(by_phase, s->n_tasks, sizeof by_phase) != 0)
        return "the numbers of tasks by phase do not agree";
    if (n_queued != n_ready_jobs)
        return "the queues do not hold all jobs that are ready";
    if (spec_refs != n_jobs || class_refs != s->specs.n)
        return "the references of specs or classes do not agree";
    if (s->n_slots - s->n_free_slots != HASH_COUNT(s->classes))
        return "a slot has no class";
    if (n_keys != s->keys.n)
        return "the keys do not agree";
    wrong = recount_uses(s);
    if (wrong)
        return wrong;
    return last < s->next_job ? recount_users(s) : "an id was not given yet";
}

#endif
