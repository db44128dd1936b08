/* Driver processes as the daemon sees them: handles, lines on a pipe, ends and starts, and the
 * faults of what they say. gwd/daemon/driver.c is the daemon's side of it. */
#include "sim/sim_private.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

/* As gwd/daemon/driver_pending.c has them; COPY_TIMEOUT as an operator may have it. */
enum {
    REQUEST_TIMEOUT_S = 600,
    SILENT_COPY_S = REQUEST_TIMEOUT_S + 20,
    COPY_TIMEOUT_S = 3600,
    BACKOFF_MAX_S = 60
};

void mad_init(struct mad *m, struct front *front, struct site *t, enum driver_kind kind)
{
    static const char *const kinds[DRIVER_KINDS] = {"im", "tm", "em"};
    struct sim *s = t->sim;
    *m = (struct mad){.front = front,
                      .site = t,
                      .kind = kind,
                      .name = sim_format(s, "%s%u", kinds[kind], t->index),
                      .features = t->features[kind],
                      .next_handle = 1};
}

/* --- starts and ends --- */

struct mad_life {
    struct mad *mad;
    uint64_t life;
};

static void on_start(struct sim *s, void *what)
{
    struct mad_life *l = what;
    struct mad *m = l->mad;
    if (m->life != l->life || !m->front->is_up)
        return;
    if (m->front->stopped_us > s->now_us) {
        agenda_add(&s->agenda, m->front->stopped_us, on_start, l);
        return;
    }
    m->is_up = true;
    struct input in = {.kind = IN_DRIVER_UP,
                       .driver = {.kind = m->kind, .name = m->name, .features = m->features}};
    front_input(m->front, &in);
}

void mad_start(struct mad *m, int64_t after_us)
{
    struct sim *s = m->site->sim;
    struct mad_life *l = sim_alloc(s, sizeof *l);
    *l = (struct mad_life){m, m->life};
    sim_later(s, after_us, on_start, l);
}

static void forget_tokens(struct mad *m)
{
    enum sim_flaw flaw = m->site->sim->o.flaw;
    for (struct batch_job *b = m->site->jobs; b; b = b->next)
        b->is_forgotten |=
            flaw == FLAW_TOKENS_FORGOTTEN || (flaw == FLAW_JOURNAL_FORGOTTEN && !b->dir);
}

static bool is_copy(const struct mad_request *r)
{
    return strcmp(r->verb, "CP") == 0;
}

/* What it was doing may be done or not: only its answer is certain not to come. */
static void leave_requests(struct mad *m)
{
    for (struct mad_request *r = m->requests; r; r = r->next)
        if (!r->is_worked && !is_copy(r) && sim_chance(m->site->sim, 2))
            mad_work(r, true);
    m->requests = NULL;
}

void mad_stop(struct mad *m, const char *why)
{
    struct sim *s = m->site->sim;
    bool was_up = m->is_up;
    leave_requests(m);
    if (m->kind == DRIVER_EM)
        forget_tokens(m);
    m->is_up = false;
    m->life++;
    m->handles = NULL;
    m->next_handle = 1;
    m->said_us = 0;
    if (!why)
        return;
    sim_say(s, "gwd%u: driver %s ends: %s", m->front->index, m->name, why);
    unsigned shift = m->n_failed_starts < 6 ? m->n_failed_starts : 6;
    int64_t delay_s = INT64_C(1) << shift;
    int64_t delay_us = (delay_s < BACKOFF_MAX_S ? delay_s : BACKOFF_MAX_S) * SECONDS;
    mad_start(m, delay_us);
    sim_fault(s, m->site, true, s->now_us + delay_us);
    if (!was_up)
        return;
    struct input in = {
        .kind = IN_DRIVER_DOWN,
        .driver = {.kind = m->kind, .name = m->name, .why = why, .unanswered = m->unanswered}};
    m->unanswered = (struct task_ref){0};
    front_input(m->front, &in);
}

/* --- what it is asked --- */

static struct mad_handle *handle_of(struct mad *m, struct task_ref ref)
{
    struct mad_handle *h = m->handles;
    while (h && (h->is_released || memcmp(&h->ref, &ref, sizeof ref) != 0))
        h = h->next;
    if (h)
        return h;
    h = sim_alloc(m->site->sim, sizeof *h);
    *h = (struct mad_handle){.number = m->next_handle++, .ref = ref, .next = m->handles};
    return m->handles = h;
}

void mad_release(struct mad *m, struct task_ref ref)
{
    for (struct mad_handle *h = m->handles; h; h = h->next)
        if (memcmp(&h->ref, &ref, sizeof ref) == 0)
            h->is_released = true;
}

static void on_worked(struct sim *s, void *what)
{
    struct mad_request *r = what;
    (void)s;
    if (r->life == r->mad->life && !r->is_worked)
        mad_work(r, false);
}

static void tell_stalled(struct mad_request *r)
{
    struct mad *m = r->mad;
    struct input in = {
        .kind = IN_STALLED,
        .answer = {.kind = m->kind, .driver = m->name, .ref = r->handle->ref, .number = r->number}};
    sim_say(m->site->sim, "gwd%u: nothing is heard of a copy of %s", m->front->index, m->name);
    front_input(m->front, &in);
}

static void end_silent(struct mad_request *r)
{
    r->mad->unanswered = r->handle ? r->handle->ref : (struct task_ref){0};
    mad_stop(r->mad, "it leaves a request unanswered");
}

/* The daemon's watchdog. */
static void on_unanswered(struct sim *s, void *what)
{
    struct mad_request *r = what;
    bool is_forgotten = r->handle && r->handle->is_released;
    if (r->life != r->mad->life || r->is_answered || is_forgotten)
        return;
    if (r->mad->front->stopped_us > s->now_us)
        agenda_add(&s->agenda, r->mad->front->stopped_us + SECONDS, on_unanswered, r);
    else if (!is_copy(r))
        end_silent(r);
    else if (s->o.flaw != FLAW_COPIES_UNWATCHED)
        tell_stalled(r);
}

void mad_ask(struct mad *m, const struct effect *f)
{
    struct sim *s = m->site->sim;
    if (!m->is_up)
        return;
    struct mad_request *r = sim_alloc(s, sizeof *r);
    bool has_handle = m->kind != DRIVER_IM && (f->ref.job || f->ref.attempt);
    *r = (struct mad_request){.mad = m,
                              .life = m->life,
                              .handle = has_handle ? handle_of(m, f->ref) : NULL,
                              .verb = f->verb,
                              .number = f->number,
                              .next = m->requests};
    for (size_t i = 0; i < 3; i++)
        r->args[i] = f->args[i] ? sim_dup(s, f->args[i]) : NULL;
    if (f->kind == EFFECT_SEND_LEASE)
        r->args[2] = sim_dup(s, f->text);
    m->requests = r;
    agenda_add(&s->agenda, mad_work_us(r), on_worked, r);
    int64_t timeout_s = !is_copy(r)                      ? REQUEST_TIMEOUT_S
                        : m->features & FEATURE_PROGRESS ? SILENT_COPY_S
                                                         : COPY_TIMEOUT_S;
    sim_later(s, timeout_s * SECONDS, on_unanswered, r);
}

/* --- what it says --- */

struct mad_line {
    struct mad *mad;
    uint64_t life;
    struct mad_handle *handle;
    struct mad_request *request;
    const char *verb, *text;
    uint64_t number;
    bool is_success;
};

/* The task's attempt of now, in place of the one that is over. */
static void take_for_the_new_one(const struct front *m, struct task_ref *ref)
{
    struct job *j = state_job(engine_state(m->engine), ref->job);
    struct task *t = j ? job_task(j, ref->task) : NULL;
    if (t && task_attempt(t))
        ref->attempt = task_attempt(t)->number;
}

static void hear(const struct mad_line *l)
{
    struct mad *m = l->mad;
    struct input in = {.kind = IN_ANSWER,
                       .answer = {.kind = m->kind,
                                  .driver = m->name,
                                  .verb = l->verb,
                                  .number = l->number,
                                  .is_success = l->is_success,
                                  .text = l->text}};
    if (l->handle)
        in.answer.ref = l->handle->ref;
    bool is_old = l->handle && l->handle->is_released;
    if (is_old && m->site->sim->o.flaw == FLAW_OLD_ANSWERS)
        take_for_the_new_one(m->front, &in.answer.ref);
    else if (is_old || (!l->handle && m->kind != DRIVER_IM))
        return;
    front_input(m->front, &in);
}

static void on_heard(struct sim *s, void *what)
{
    struct mad_line *l = what;
    if (l->life != l->mad->life || !l->mad->front->is_up)
        return;
    if (l->mad->front->stopped_us > s->now_us) {
        agenda_add(&s->agenda, l->mad->front->stopped_us, on_heard, l);
        return;
    }
    if (l->request)
        l->request->is_answered = true;
    hear(l);
}

bool mad_has_fault(struct sim *s, enum sim_kind kind, unsigned one_in)
{
    return !sim_is_calm(s) && (s->o.kind == kind || s->o.kind == SIM_MIXED) &&
           sim_chance(s, s->o.kind == SIM_MIXED ? 2 * one_in : one_in);
}

void mad_say(struct mad *m, struct mad_handle *h, struct mad_request *r, const char *verb,
             bool is_success, const char *text)
{
    struct sim *s = m->site->sim;
    struct mad_line *l = sim_alloc(s, sizeof *l);
    *l = (struct mad_line){.mad = m,
                           .life = m->life,
                           .handle = h,
                           .request = r,
                           .verb = verb,
                           .text = text,
                           .number = r ? r->number : 0,
                           .is_success = is_success};
    int64_t at_us = s->now_us + sim_span(s, 100, 1000);
    if (m->kind != DRIVER_IM && mad_has_fault(s, SIM_LOST, 16)) {
        sim_say(s, "%s: lost: %s %s", m->name, verb, text);
        sim_fault(s, m->site, true, s->now_us + COPY_TIMEOUT_S * SECONDS);
        return;
    }
    if (m->kind != DRIVER_IM && mad_has_fault(s, SIM_LATE, 8)) {
        at_us += sim_span(s, 0, 300 * SECONDS);
    } else if (m->kind != DRIVER_IM && mad_has_fault(s, SIM_REORDERED, 3)) {
        at_us += sim_span(s, 0, 5 * SECONDS);
    } else {
        at_us = at_us > m->said_us ? at_us : m->said_us;
        m->said_us = at_us;
    }
    agenda_add(&s->agenda, at_us, on_heard, l);
    if (m->kind != DRIVER_IM && mad_has_fault(s, SIM_DOUBLED, 3))
        agenda_add(&s->agenda, at_us + sim_span(s, 0, 60 * SECONDS), on_heard, l);
}
