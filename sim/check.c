/* The checker: what sites did, what people were told and what the table shows at the end have to
 * agree. It knows nothing of how gwd works, only what it promises. */
#include "sim/ledger.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

static struct ledger_task *find_task(const struct ledger *l, unsigned daemon, uint64_t id)
{
    for (size_t i = 0; i < l->n_tasks; i++)
        if (l->tasks[i].daemon == daemon && l->tasks[i].id == id)
            return &l->tasks[i];
    return NULL;
}

static bool is_of_task(const struct ledger_run *r, uint64_t id)
{
    return r->job + r->task == id;
}

static bool are_of_one_attempt(const struct ledger_run *a, const struct ledger_run *b)
{
    return a->epoch == b->epoch && a->job == b->job && a->task == b->task &&
           a->attempt == b->attempt;
}

/* --- what people were told --- */

static void check_submitted(struct ledger *l, const struct ledger_told *t)
{
    for (uint64_t id = t->id; id < t->id + t->n; id++) {
        const struct ledger_task *task = find_task(l, t->daemon, id);
        if (!task)
            ledger_violation(l, "job %" PRIu64 " was acknowledged, and is lost", id);
        else if (strcmp(task->tag, t->tag) != 0)
            ledger_violation(l, "job %" PRIu64 " was acknowledged as %s, and is %s", id, t->tag,
                             task->tag);
    }
    for (size_t i = 0; i < l->n_tasks; i++) {
        const struct ledger_task *task = &l->tasks[i];
        if (task->daemon == t->daemon && strcmp(task->tag, t->tag) == 0 &&
            (task->id < t->id || task->id >= t->id + t->n))
            ledger_violation(l, "%s is job %" PRIu64 " and job %" PRIu64, t->tag, t->id, task->id);
    }
}

static const struct ledger_told *told_of(const struct ledger *l, enum ledger_told_kind kind,
                                         const struct ledger_told *like)
{
    for (size_t i = 0; i < l->n_told; i++)
        if (l->told[i].kind == kind && l->told[i].daemon == like->daemon &&
            l->told[i].id == like->id)
            return &l->told[i];
    return NULL;
}

static void check_killed(struct ledger *l, const struct ledger_told *t)
{
    const struct ledger_task *task = find_task(l, t->daemon, t->id);
    if (!task)
        ledger_violation(l, "job %" PRIu64 " was killed, and is lost", t->id);
    else if (task->is_done && !t->is_over && t->kind != TOLD_KILL_PENDING)
        ledger_violation(l, "job %" PRIu64 " was killed, and is done", t->id);
}

static bool is_hard(const struct ledger *l, unsigned daemon, uint64_t id)
{
    const struct ledger_told like = {.daemon = daemon, .id = id};
    const struct ledger_task *t = find_task(l, daemon, id);
    return told_of(l, TOLD_KILLED_HARD, &like) || (t && strcmp(t->reason, "killed-hard") == 0);
}

/* Its owner wanted another attempt at once when this one was lost, and nobody waited for it. */
static bool is_given_up(const struct ledger_task *t, const struct ledger_run *r)
{
    return t->on_lost == LEDGER_RETRY_NOW && t->given_up >> r->attempt & 1;
}

/* What was said to be over does not run any more, and never again: but for what its owner did not
 * want to be waited for. */
static void check_nothing_runs_after(struct ledger *l, const struct ledger_told *t)
{
    const struct ledger_task *task = find_task(l, t->daemon, t->id);
    if (!task || is_hard(l, t->daemon, t->id))
        return;
    for (size_t i = 0; i < l->n_runs; i++) {
        const struct ledger_run *r = &l->runs[i];
        if (is_of_task(r, t->id) && !is_given_up(task, r) &&
            (!r->ended_us || r->ended_us > t->at_us))
            ledger_violation(l,
                             "job %" PRIu64 " was said to be over, and its attempt %" PRIu64
                             " runs after that",
                             t->id, r->attempt);
    }
}

/* Nothing is begun of what is gone; what was asked for it may come too late to stop the last one.
 */
static void check_nothing_begins_after(struct ledger *l, const struct ledger_told *t)
{
    for (size_t i = 0; i < l->n_told; i++) {
        const struct ledger_told *s = &l->told[i];
        if (s->kind == TOLD_STARTED && s->daemon == t->daemon && s->id == t->id &&
            s->at_us > t->at_us)
            ledger_violation(l, "job %" PRIu64 " was killed, and attempt %" PRIu64 " begun later",
                             t->id, s->attempt);
    }
}

static void check_held(struct ledger *l, const struct ledger_told *t)
{
    int64_t released_us = INT64_MAX;
    for (size_t i = 0; i < l->n_told; i++) {
        const struct ledger_told *s = &l->told[i];
        /* Asked later, or asked before and done after it was held. */
        bool is_release = s->kind == TOLD_RELEASE_ASKED || (s->kind == TOLD_RELEASED && s > t);
        if (is_release && s->daemon == t->daemon && s->id == t->id && s->at_us >= t->at_us &&
            s->at_us < released_us)
            released_us = s->at_us;
    }
    for (size_t i = 0; i < l->n_told; i++) {
        const struct ledger_told *s = &l->told[i];
        if (s->kind == TOLD_STARTED && s->daemon == t->daemon && s->id == t->id &&
            s->at_us > t->at_us && s->at_us < released_us)
            ledger_violation(l, "job %" PRIu64 " is held, and attempt %" PRIu64 " begun", t->id,
                             s->attempt);
    }
}

static void check_ended(struct ledger *l, const struct ledger_told *t)
{
    const struct ledger_task *task = find_task(l, t->daemon, t->id);
    if (!task || !(t->kind == TOLD_DONE ? task->is_done : task->is_failed))
        ledger_violation(l, "job %" PRIu64 " was told to have ended, and it is not so", t->id);
}

/* A fault of gwd's own is met by recovery: it is a reason only where the owner chose that such a
 * loss is met by another attempt. */
static bool is_reason(const struct ledger_fault *f, const struct ledger_task *task,
                      const struct ledger_told *started, const struct ledger_told *ended)
{
    const int64_t aftermath_us = 5000000;
    return f->from_us <= ended->at_us && f->until_us + aftermath_us >= started->at_us &&
           (f->site == started->site || f->site == LEDGER_ALL_SITES) &&
           (!f->is_ours || task->on_lost != LEDGER_WAIT);
}

/* Leases end where somebody was late, and that may be a slow copy or a busy machine. */
static bool has_lease_ended(const struct ledger *l, const struct ledger_told *t)
{
    for (size_t i = 0; i < l->n_runs; i++)
        if (is_of_task(&l->runs[i], t->id) && l->runs[i].attempt == t->attempt && l->runs[i].why &&
            strcmp(l->runs[i].why, "lease-expired") == 0)
            return true;
    return false;
}

static void check_requeued(struct ledger *l, const struct ledger_told *t)
{
    const struct ledger_task *task = find_task(l, t->daemon, t->id);
    const struct ledger_told *started = NULL;
    for (size_t i = 0; i < l->n_told; i++)
        if (l->told[i].kind == TOLD_STARTED && l->told[i].daemon == t->daemon &&
            l->told[i].id == t->id && l->told[i].attempt == t->attempt)
            started = &l->told[i];
    if (!task || !started || has_lease_ended(l, t))
        return;
    for (size_t i = 0; i < l->n_faults; i++)
        if (is_reason(&l->faults[i], task, started, t))
            return;
    ledger_violation(
        l, "attempt %" PRIu64 " of job %" PRIu64 " was given up (%s), and nothing had happened",
        t->attempt, t->id, t->tag);
}

static void check_told(struct ledger *l, const struct ledger_promises *p)
{
    for (size_t i = 0; i < l->n_told; i++) {
        const struct ledger_told *t = &l->told[i];
        switch (t->kind) {
        case TOLD_SUBMITTED:
            check_submitted(l, t);
            break;
        case TOLD_KILLED:
        case TOLD_KILLED_HARD:
        case TOLD_KILL_PENDING:
            check_killed(l, t);
            check_nothing_begins_after(l, t);
            if (t->kind == TOLD_KILLED && p->is_one_daemon)
                check_nothing_runs_after(l, t);
            break;
        case TOLD_HELD:
            check_held(l, t);
            break;
        case TOLD_RELEASE_ASKED:
        case TOLD_RELEASED:
        case TOLD_STARTED:
        case TOLD_ACCEPTED:
            break;
        case TOLD_REQUEUED:
            if (p->is_honest)
                check_requeued(l, t);
            break;
        case TOLD_DONE:
        case TOLD_FAILED:
            check_ended(l, t);
            if (p->is_honest)
                check_nothing_runs_after(l, t);
            break;
        }
    }
}

/* --- results --- */

static unsigned count_accepted(const struct ledger *l, const struct ledger_task *t)
{
    unsigned n = 0;
    for (size_t i = 0; i < l->n_told; i++)
        n += l->told[i].kind == TOLD_ACCEPTED && l->told[i].daemon == t->daemon &&
             l->told[i].id == t->id;
    return n;
}

/* The exit code is that of a payload of the accepted attempt, which had ended by then. */
static bool has_run(const struct ledger *l, const struct ledger_task *t)
{
    for (size_t i = 0; i < l->n_runs; i++) {
        const struct ledger_run *r = &l->runs[i];
        if (is_of_task(r, t->id) && r->attempt == t->accepted && r->is_exited && r->ended_us &&
            r->exit_code == t->exit_code)
            return true;
    }
    return false;
}

static void check_result(struct ledger *l, const struct ledger_task *t)
{
    unsigned n_told = count_accepted(l, t);
    if (n_told > 1 || t->n_accepted > 1)
        ledger_violation(l, "job %" PRIu64 ": %u results were accepted, %u in the table", t->id,
                         n_told, t->n_accepted);
    if (t->is_done != (t->n_accepted > 0))
        ledger_violation(l, "job %" PRIu64 " is %sdone, and has %u results", t->id,
                         t->is_done ? "" : "not ", t->n_accepted);
    if (t->n_accepted && !has_run(l, t))
        ledger_violation(l,
                         "job %" PRIu64 ": exit code %d of attempt %" PRIu64
                         " was accepted, and no payload of it has ended so",
                         t->id, t->exit_code, t->accepted);
}

/* --- what sites did --- */

static const struct ledger_told *started_of(const struct ledger *l, unsigned daemon,
                                            const struct ledger_run *r)
{
    for (size_t i = 0; i < l->n_told; i++) {
        const struct ledger_told *t = &l->told[i];
        if (t->kind == TOLD_STARTED && t->daemon == daemon && is_of_task(r, t->id) &&
            t->attempt == r->attempt && t->epoch == r->epoch)
            return t;
    }
    return NULL;
}

static bool is_of_copy(const struct ledger *l, const struct ledger_run *r)
{
    return started_of(l, 1, r) && !started_of(l, 0, r);
}

/* A copy that knows that it is one begins nothing beside what has a lease and is known to it. */
static void check_copy(struct ledger *l, const struct ledger_promises *p,
                       const struct ledger_run *a, const struct ledger_run *b)
{
    const struct ledger_task *t = find_task(l, 1, a->job + a->task);
    const struct ledger_told *before = started_of(l, 0, a);
    if (t && t->on_lost == LEDGER_RETRY_AFTER_LEASE && is_of_copy(l, b) &&
        (is_of_copy(l, a) || (before && before->at_us <= p->copied_us)))
        ledger_violation(l,
                         "attempts %" PRIu64 " of epoch %" PRIu64 " and %" PRIu64
                         " of gwd1, of job %" PRIu64 ", ran at the same time",
                         a->attempt, a->epoch, b->attempt, t->id);
}

static void check_pair(struct ledger *l, const struct ledger_promises *p,
                       const struct ledger_run *a, const struct ledger_run *b)
{
    bool is_overlap = (!a->ended_us || a->ended_us > b->started_us) &&
                      (!b->ended_us || b->ended_us > a->started_us);
    bool is_ours = p->is_one_daemon || (p->is_copy_known && a->site == b->site && is_overlap);
    if (are_of_one_attempt(a, b) && is_ours)
        ledger_violation(l,
                         "attempt %" PRIu64 " of job %" PRIu64
                         " was started twice, at site %u and at site %u",
                         a->attempt, a->job + a->task, a->site, b->site);
    if (are_of_one_attempt(a, b) || a->job + a->task != b->job + b->task)
        return;
    if (p->is_copy_known && is_overlap) {
        check_copy(l, p, a, b);
        check_copy(l, p, b, a);
    }
    if (!p->is_honest)
        return;
    const struct ledger_task *t = find_task(l, 0, a->job + a->task);
    if (t && is_overlap && t->on_lost != LEDGER_RETRY_NOW)
        ledger_violation(
            l, "attempts %" PRIu64 " and %" PRIu64 " of job %" PRIu64 " ran at the same time",
            a->attempt, b->attempt, t->id);
    if (t && a->is_exited && b->is_exited && t->on_lost == LEDGER_WAIT)
        ledger_violation(l,
                         "job %" PRIu64 " waits for what is lost, and both attempts %" PRIu64
                         " and %" PRIu64 " ran to their ends",
                         t->id, a->attempt, b->attempt);
}

static void check_runs(struct ledger *l, const struct ledger_promises *p)
{
    for (size_t i = 0; i < l->n_runs; i++) {
        if (!l->runs[i].is_staged && (p->is_one_daemon || p->is_copy_known))
            ledger_violation(l, "attempt %" PRIu64 " of job %" PRIu64 " ran without its files",
                             l->runs[i].attempt, l->runs[i].job + l->runs[i].task);
        for (size_t k = i + 1; k < l->n_runs; k++)
            check_pair(l, p, &l->runs[i], &l->runs[k]);
    }
}

/* --- the end --- */

static bool was_killed(const struct ledger *l, const struct ledger_task *t)
{
    const struct ledger_told like = {.daemon = t->daemon, .id = t->id};
    return told_of(l, TOLD_KILLED, &like) || told_of(l, TOLD_KILLED_HARD, &like) ||
           told_of(l, TOLD_KILL_PENDING, &like) || strncmp(t->reason, "killed", 6) == 0;
}

static void check_end(struct ledger *l, const struct ledger_promises *p,
                      const struct ledger_task *t)
{
    if (!t->is_done && !t->is_failed)
        ledger_violation(l, "job %" PRIu64 " has not come to an end", t->id);
    else if (p->is_no_failure && t->is_failed && t->on_lost == LEDGER_WAIT && !was_killed(l, t))
        ledger_violation(l, "job %" PRIu64 " has failed (%s), and nothing failed at the sites",
                         t->id, t->reason);
}

/* Also what was given up as lost, or killed hard, is cleaned when its site is there again. */
static void check_left(struct ledger *l, const struct ledger_promises *p)
{
    for (size_t i = 0; i < l->n_left && p->is_one_daemon; i++) {
        const struct ledger_left *left = &l->left[i];
        ledger_violation(l, "%s of attempt %" PRIu64 " of job %" PRIu64 " is left", left->what,
                         left->attempt, left->job + left->task);
    }
}

void ledger_check(struct ledger *l, const struct ledger_promises *p)
{
    check_told(l, p);
    for (size_t i = 0; i < l->n_tasks; i++) {
        check_result(l, &l->tasks[i]);
        check_end(l, p, &l->tasks[i]);
    }
    check_runs(l, p);
    check_left(l, p);
}
