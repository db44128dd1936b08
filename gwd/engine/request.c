/* What clients ask for. Each request is answered exactly once, after its cause is on disk. */
#include "gwd/engine/engine_private.h"
#include "lib/mem.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

static struct reply *reply_add(struct engine *e, const struct asker *asker)
{
    struct effect *f = effect_add(e, EFFECT_REPLY);
    f->asker = *asker;
    return f->reply = xcalloc(1, sizeof *f->reply);
}

static uint64_t n_unfinished(const struct state *s)
{
    uint64_t n = 0;
    for (int phase = 0; phase < PHASE_COUNT; phase++)
        if (!phase_is_final((enum phase)phase))
            n += s->n_tasks[phase];
    return n;
}

static void reply_submitted(struct engine *e, const struct input *in, const struct job *j)
{
    if (!in->asker.connection)
        return;
    struct reply *r = reply_add(e, &in->asker);
    r->job = j->id;
    r->tasks = j->tasks;
    r->array_id = j->array_id;
}

/* The key is the submitter's own: another user's equal key is another key. */
static char *stored_key(const struct submission *sub)
{
    return sub->key ? xasprintf("%" PRIu64 ":%s", sub->owner.uid, sub->key) : NULL;
}

/* GW_PARAM of each task, start + index x increment, is a 64-bit number. */
static bool parameters_fit(const struct submission *sub)
{
    int64_t last;
    return !__builtin_mul_overflow(sub->increment, (int64_t)(sub->tasks - 1), &last) &&
           !__builtin_add_overflow(sub->start, last, &last);
}

/* Is it what the key was given with? What may be changed afterwards does not count. */
static bool is_same(const struct job *j, const struct submission *sub)
{
    const struct job_spec *spec = j->spec;
    return strcmp(spec->source, sub->source) == 0 && strcmp(spec->home, sub->home) == 0 &&
           texts_are_equal(spec->owner.credential, sub->owner.credential) &&
           j->tasks == sub->tasks && (j->array_id != 0) == sub->is_array &&
           j->array_start == sub->start && j->array_increment == sub->increment &&
           j->priority == sub->priority;
}

/* What the submitter himself has too much of; true: he was told. */
static bool is_over_limit(struct engine *e, const struct input *in)
{
    const struct submission *sub = in->submit;
    const struct engine_config *c = e->config;
    const struct user_record *user = state_user_record(&e->state, sub->owner.user);
    uint64_t unfinished = user ? user->unfinished : 0, bytes = user ? user->template_bytes : 0;
    uint64_t tasks = user ? user->tasks : 0;
    if (c->jobs_max_user && unfinished + sub->tasks > c->jobs_max_user)
        reply_error(e, &in->asker, GW_ENOSPC,
                    "MAX_JOBS_USER allows %" PRIu64
                    " unfinished jobs of one user; you have %" PRIu64,
                    c->jobs_max_user, unfinished);
    else if (c->listed_max_user && tasks + sub->tasks > c->listed_max_user)
        reply_error(e, &in->asker, GW_ENOSPC,
                    "MAX_LISTED_USER allows %" PRIu64
                    " jobs of one user in the listing; there are %" PRIu64
                    " of yours, until finished ones leave it",
                    c->listed_max_user, tasks);
    else if (c->templates_max_user && bytes > c->templates_max_user)
        reply_error(e, &in->asker, GW_ENOSPC,
                    "MAX_TEMPLATES_USER allows %" PRIu64
                    " bytes of templates of one user; those of your jobs have %" PRIu64
                    ", until finished ones leave the listing",
                    c->templates_max_user, bytes);
    else if (!credential_has_room(e, sub->owner.uid, sub->owner.credential))
        reply_error(e, &in->asker, GW_ENOSPC,
                    "your jobs name 256 credentials since gwd was started, and no user may have "
                    "more; use one of them");
    else
        return false;
    return true;
}

void request_submit(struct engine *e, const struct input *in)
{
    const struct submission *sub = in->submit;
    const struct engine_config *c = e->config;
    uint64_t array_max = c->array_max && c->array_max < UINT32_MAX ? c->array_max : UINT32_MAX;
    char *key = stored_key(sub);
    struct job *known = key ? state_job_by_key(&e->state, key) : NULL;
    if (known && !is_same(known, sub)) {
        reply_error(e, &in->asker, GW_EEXIST,
                    "this submission key was given before, with another template or other options, "
                    "and made job %" PRIu64 "; a new job needs a new key",
                    known->id);
    } else if (known) {
        reply_submitted(e, in, known);
    } else if (sub->tasks == 0 || sub->tasks > array_max) {
        reply_error(e, &in->asker, GW_EINVAL, "%" PRIu64 " tasks; an array has 1 to %" PRIu64,
                    sub->tasks, array_max);
    } else if (!parameters_fit(sub)) {
        reply_error(e, &in->asker, GW_EINVAL,
                    "parameters from %" PRId64 " in steps of %" PRId64
                    " leave the range of 64 bits",
                    sub->start, sub->increment);
    } else if (c->jobs_max && n_unfinished(&e->state) + sub->tasks > c->jobs_max) {
        reply_error(e, &in->asker, GW_ENOSPC,
                    "NUMBER_OF_JOBS allows %" PRIu64 " unfinished jobs; there are %" PRIu64,
                    c->jobs_max, n_unfinished(&e->state));
    } else if (!is_over_limit(e, in)) {
        struct event ev = {.kind = EV_JOB_SUBMITTED,
                           .job = e->state.next_job,
                           .tasks = sub->tasks,
                           .array_id = sub->is_array ? e->state.next_array : 0,
                           .array_start = sub->start,
                           .array_increment = sub->increment,
                           .wish = sub->is_held ? WISH_HELD : WISH_RUN,
                           .source = sub->source,
                           .file = sub->file,
                           .home = sub->home,
                           .user = sub->owner.user,
                           .uid = sub->owner.uid,
                           .gid = sub->owner.gid,
                           .credential = sub->owner.credential,
                           .project = sub->owner.project,
                           .key = key,
                           .priority = sub->priority};
        emit(e, &ev);
        credential_want(e, state_job(&e->state, ev.job));
        reply_submitted(e, in, state_job(&e->state, ev.job));
    }
    free(key);
}

static void refuse(struct reply *r, uint64_t id, enum gw_errc code, const char *text)
{
    r->refused = xreallocarray(r->refused, r->n_refused + 1, sizeof *r->refused);
    r->refused[r->n_refused++] =
        (struct refusal){.id = id, .code = (int)code, .text = xstrdup(text)};
}

static void add_id(uint64_t **list, size_t *n, uint64_t id)
{
    if ((*n & (*n - 1)) == 0) /* none, or a power of two: full */
        *list = xreallocarray(*list, *n ? 2 * *n : 1, sizeof **list);
    (*list)[(*n)++] = id;
}

static void accept(struct reply *r, uint64_t id, bool is_done)
{
    if (is_done)
        add_id(&r->done, &r->n_done, id);
    else
        add_id(&r->pending, &r->n_pending, id);
}

static void wish_event(struct engine *e, const struct job *j, uint64_t task, enum wish wish)
{
    struct event ev = {.kind = EV_WISHED, .job = j->id, .task = task, .wish = wish};
    emit(e, &ev);
}

/* A waiting task goes at once. */
static void end_waiting(struct engine *e, struct job *j, uint64_t task)
{
    struct event ev = {.kind = EV_TASK_ENDED,
                       .job = j->id,
                       .task = task,
                       .outcome = OUTCOME_FAILED,
                       .reason = "killed"};
    emit(e, &ev);
    if (job_is_final(j))
        forget_later(e, j);
}

/* Without waiting for the site: what it still does there is asked to stop, and not waited for. */
static void end_hard(struct engine *e, struct flight *f)
{
    struct driver *em = driver_find(e, DRIVER_EM, flight_attempt(f)->em);
    struct driver *tm = driver_find(e, DRIVER_TM, flight_attempt(f)->tm);
    if (f->is_tm_open && flight_has_driver(tm, f))
        send_request(e, DRIVER_TM, tm->name, "END", f->ref, 0, NULL, NULL, NULL);
    if (f->task->phase == PHASE_WRAPPER && flight_has_driver(em, f))
        send_request(e, DRIVER_EM, em->name, "CANCEL", f->ref, 0, NULL, NULL, NULL);
    f->is_left = f->task->phase == PHASE_WRAPPER || !flight_is_bare(f);
    if (flight_attempt(f)->is_accepted) {
        /* Its results are home, and nothing undoes that. */
        flight_end(e, f, OUTCOME_DONE);
        return;
    }
    reason_set(&f->failure, "killed-hard", BLAME_NONE,
               "what may be left at the site was not waited for");
    flight_end(e, f, OUTCOME_FAILED);
}

/* What an attempt under way does about a wish that it be gone. */
void wish_serve(struct engine *e, struct flight *f)
{
    enum step at = f->step == STEP_BACKOFF ? f->after : f->step;
    if (f->task->wish != WISH_GONE)
        return;
    switch ((int)f->task->phase) {
    case PHASE_PROLOG:
        if (!flight_is_bare(f) && (f->step < ABO_STOP || f->step == STEP_BACKOFF)) {
            reason_set(&f->failure, "killed", BLAME_NONE, NULL);
            abort_begin(e, f);
        }
        break;
    case PHASE_WRAPPER:
        wrapper_cancel(e, f);
        break;
    default:
        if (!flight_attempt(f)->is_accepted && at != EPI_RMDIR && at != EPI_END && at < ABO_STOP) {
            reason_set(&f->failure, "killed", BLAME_NONE, NULL);
            abort_begin(e, f);
        }
        break;
    }
}

static void wish_gone(struct engine *e, struct job *j, uint64_t task, bool is_hard, struct reply *r)
{
    uint64_t id = j->id + task;
    enum phase phase = job_task_phase(j, task);
    if (phase_is_final(phase)) {
        accept(r, id, true);
        add_id(&r->ended, &r->n_ended, id);
        return;
    }
    if (job_task_wish(j, task) != WISH_GONE)
        wish_event(e, j, task, WISH_GONE);
    if (phase == PHASE_PENDING || phase == PHASE_SLEEPING) {
        end_waiting(e, j, task);
        accept(r, id, true);
        return;
    }
    struct task *t = job_task(j, task);
    struct flight *f = flight_find(e, (struct task_ref){j->id, task, task_attempt(t)->number});
    if (f && is_hard)
        end_hard(e, f);
    else if (f)
        wish_serve(e, f);
    if (t->phase == PHASE_DONE)
        add_id(&r->ended, &r->n_ended, id);
    accept(r, id, phase_is_final(t->phase));
}

static void wish_waiting(struct engine *e, struct job *j, uint64_t task, enum wish wish,
                         struct reply *r)
{
    uint64_t id = j->id + task;
    enum wish old = job_task_wish(j, task);
    if (job_task_phase(j, task) != PHASE_PENDING) {
        refuse(r, id, GW_ESTATE,
               wish == WISH_HELD ? "only a pending job can be held"
                                 : "only a held job can be released");
        return;
    }
    if (old != wish)
        wish_event(e, j, task, wish);
    accept(r, id, true);
}

static bool may_wish(const struct input *in, const struct job *j)
{
    return in->asker.uid == j->spec->owner.uid || in->asker.is_admin;
}

/* Where others are hidden, as if there were none. */
static void refuse_others(const struct engine *e, struct reply *r, uint64_t id, const char *what)
{
    char *text = e->config->hides_others ? xasprintf("no such %s", what)
                                         : xasprintf("the %s belongs to another user", what);
    refuse(r, id, e->config->hides_others ? GW_ENOENT : GW_EPERM, text);
    free(text);
}

static void wish_one(struct engine *e, const struct input *in, struct job *j, uint64_t task,
                     struct reply *r)
{
    uint64_t id = j->id + task;
    if (!may_wish(in, j)) {
        refuse_others(e, r, id, "job");
        return;
    }
    switch (in->wish.wish) {
    case WISH_GONE:
        wish_gone(e, j, task, in->wish.is_hard, r);
        break;
    case WISH_HELD:
    case WISH_RUN:
        wish_waiting(e, j, task, in->wish.wish, r);
        break;
    case WISH_ASLEEP:
    case WISH_COUNT:
        refuse(r, id, GW_ESTATE, "this job cannot sleep: it has no snapshot");
        break;
    }
}

/* A whole array: its untouched tasks by one event, whatever their number. */
static void wish_array(struct engine *e, const struct input *in, struct job *j, struct reply *r)
{
    if (!may_wish(in, j)) {
        refuse_others(e, r, in->wish.array_id, "array");
        return;
    }
    uint64_t *under_way = NULL;
    size_t n = 0;
    size_t it = 0;
    for (struct task *t; (t = job_next_task(j, &it));)
        if (task_attempt(t)) {
            under_way = xreallocarray(under_way, n + 1, sizeof *under_way);
            under_way[n++] = t->index;
        }
    for (uint64_t i = 0;
         in->wish.wish == WISH_GONE && i < j->tasks && (j->n_final || j->is_rest_ended); i++)
        if (phase_is_final(job_task_phase(j, i)))
            add_id(&r->ended, &r->n_ended, j->id + i);
    if (job_is_final(j)) {
        /* Nothing is left to wish for. */
    } else if (in->wish.wish == WISH_GONE) {
        wish_event(e, j, TASK_ALL, WISH_GONE);
        end_waiting(e, j, TASK_ALL);
    } else if (in->wish.wish != WISH_ASLEEP) {
        wish_event(e, j, TASK_ALL, in->wish.wish);
    } else {
        refuse(r, j->id, GW_ESTATE, "this array cannot sleep: it has no snapshots");
    }
    for (uint64_t i = 0; i < j->tasks; i++)
        if (!job_task(j, i) || phase_is_final(job_task_phase(j, i)) ||
            job_task_phase(j, i) == PHASE_PENDING)
            accept(r, j->id + i, true);
    /* After that: killed hard they are over, and would be answered twice. */
    for (size_t i = 0; i < n && in->wish.wish == WISH_GONE; i++)
        wish_gone(e, j, under_way[i], in->wish.is_hard, r);
    free(under_way);
}

void request_wish(struct engine *e, const struct input *in)
{
    struct reply *r = xcalloc(1, sizeof *r);
    if (in->wish.array_id) {
        struct job *j = state_array(&e->state, in->wish.array_id);
        if (j)
            wish_array(e, in, j, r);
        else
            refuse(r, in->wish.array_id, GW_ENOENT, "no such array");
    }
    for (size_t i = 0; i < in->wish.n_ids; i++) {
        uint64_t id = in->wish.ids[i];
        struct job *j = state_job_of(&e->state, id);
        if (j)
            wish_one(e, in, j, id - j->id, r);
        else
            refuse(r, id, GW_ENOENT, "no such job");
    }
    struct effect *f = effect_add(e, EFFECT_REPLY);
    f->asker = in->asker;
    f->reply = r;
}

static bool is_admin(struct engine *e, const struct input *in)
{
    if (!in->asker.is_admin)
        reply_error(e, &in->asker, GW_EPERM, "only an administrator of this daemon may do this");
    return in->asker.is_admin;
}

void request_drain(struct engine *e, const struct input *in)
{
    if (!is_admin(e, in))
        return;
    bool is_known =
        engine_host(e, in->drain.host) || state_site_is_drained(&e->state, in->drain.host);
    if (!is_known) {
        reply_error(e, &in->asker, GW_ENOENT, "no host is named %s", in->drain.host);
        return;
    }
    if (state_site_is_drained(&e->state, in->drain.host) != in->drain.is_drained) {
        struct event ev = {
            .kind = EV_SITE_DRAINED, .host = in->drain.host, .flag = in->drain.is_drained};
        emit(e, &ev);
        const struct host *h = engine_host(e, in->drain.host);
        if (h)
            sched_host_changed(e->sched, h);
    }
    if (!in->drain.is_drained)
        rest_forgive(e, hosts_entry(e, in->drain.host));
    reply_add(e, &in->asker);
}

void request_pause(struct engine *e, const struct input *in)
{
    if (!is_admin(e, in))
        return;
    if (e->state.is_paused != in->is_paused) {
        struct event ev = {.kind = EV_DISPATCH_PAUSED, .flag = in->is_paused};
        emit(e, &ev);
    }
    reply_add(e, &in->asker);
}
