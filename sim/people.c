/* People: they submit, hold, release and kill, ask again when nobody answered, and watch. What they
 * are told goes into the ledger. */
#include "sim/sim_private.h"

#include "lib/mem.h"
#include "lib/num.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

enum asks { ASK_SUBMIT, ASK_KILL, ASK_KILL_HARD, ASK_HOLD, ASK_RELEASE };

struct question {
    struct front *front;
    enum asks asks;
    uint64_t number;
    uint64_t life; /* of the daemon that was asked */
    bool is_asked, is_answered, is_held, is_array;
    const char *tag, *source, *key;
    uint64_t tasks, id, array_id;
    struct question *next;
};

static const char *const told_words[] = {
    [TOLD_KILLED] = "over",
    [TOLD_KILLED_HARD] = "over",
    [TOLD_KILL_PENDING] = "to be killed",
    [TOLD_HELD] = "held",
    [TOLD_RELEASE_ASKED] = "(asked to be released)",
    [TOLD_RELEASED] = "released",
};

static void ask(struct sim *s, void *what);

static struct question *question_of(struct front *m, enum asks asks)
{
    struct sim *s = m->sim;
    struct question *q = sim_alloc(s, sizeof *q);
    *q = (struct question){
        .front = m, .asks = asks, .number = ++s->n_questions, .next = s->questions};
    return s->questions = q;
}

static void ask_later(struct question *q, int64_t max_us)
{
    struct sim *s = q->front->sim;
    sim_later(s, sim_span(s, 0, max_us), ask, q);
}

static void tell(struct front *m, enum ledger_told_kind kind, uint64_t id, bool is_over)
{
    ledger_tell(&m->sim->ledger, &(struct ledger_told){.kind = kind,
                                                       .daemon = m->index,
                                                       .at_us = m->sim->now_us,
                                                       .id = id,
                                                       .is_over = is_over});
    sim_say(m->sim, "gwd%u to people: %s %" PRIu64, m->index, told_words[kind], id);
}

/* --- asking --- */

static void submit(struct question *q, struct input in)
{
    static char user[] = "ann", credential[] = CREDENTIAL_PATH;
    const struct submission sub = {
        .source = q->source,
        .file = "job.jt",
        .home = "/home/ann",
        .key = q->key,
        .owner = {.user = user, .uid = 1000, .gid = 1000, .credential = credential},
        .tasks = q->tasks,
        .is_array = q->is_array,
        .is_held = q->is_held,
        .increment = 1};
    in.kind = IN_SUBMIT;
    in.submit = &sub;
    front_input(q->front, &in);
}

static void wish(struct question *q, struct input in)
{
    static const enum wish wishes[] = {[ASK_KILL] = WISH_GONE,
                                       [ASK_KILL_HARD] = WISH_GONE,
                                       [ASK_HOLD] = WISH_HELD,
                                       [ASK_RELEASE] = WISH_RUN};
    in.kind = IN_WISH;
    in.wish.wish = wishes[q->asks];
    in.wish.is_hard = q->asks == ASK_KILL_HARD;
    in.wish.array_id = q->array_id;
    in.wish.ids = &q->id;
    in.wish.n_ids = !q->array_id;
    front_input(q->front, &in);
}

static void ask(struct sim *s, void *what)
{
    static const char *const words[] = {"submit", "kill", "kill hard", "hold", "release"};
    struct question *q = what;
    struct front *m = q->front;
    if (!m->is_up || m->stopped_us > s->now_us) {
        sim_later(s, SECONDS, ask, q);
        return;
    }
    struct input in = {.asker = {.connection = q->number, .uid = 1000}};
    sim_say(s, "people to gwd%u: %s %s %" PRIu64, m->index, words[q->asks], q->tag ? q->tag : "",
            q->id);
    q->life = m->life;
    q->is_asked = true;
    bool is_crashing = s->o.kind == SIM_CRASH || s->o.kind == SIM_HONEST;
    if (is_crashing && !sim_is_calm(s) && sim_chance(s, 6))
        m->crash_at = 1 + rng_below(&s->rng, 16);
    for (uint64_t i = 0; q->asks == ASK_RELEASE && i < q->tasks; i++)
        tell(m, TOLD_RELEASE_ASKED, q->id + i, false);
    if (q->asks == ASK_SUBMIT)
        submit(q, in);
    else
        wish(q, in);
}

/* --- hearing --- */

/* Who has a job may want something else of it later. */
static void think_again(struct front *m, const struct question *about)
{
    struct sim *s = m->sim;
    bool is_array = about->is_array && sim_chance(s, 2);
    if (about->is_held || sim_chance(s, 8)) {
        struct question *q = question_of(m, about->is_held ? ASK_RELEASE : ASK_HOLD);
        q->id = about->id;
        q->tasks = about->tasks;
        q->array_id = about->array_id;
        ask_later(q, 60 * SECONDS);
        if (!about->is_held) {
            q = question_of(m, ASK_RELEASE);
            q->id = about->id;
            q->tasks = about->tasks;
            q->array_id = about->array_id;
            sim_later(s, 60 * SECONDS + sim_span(s, 0, 60 * SECONDS), ask, q);
        }
    }
    if (!sim_chance(s, 2))
        return;
    struct question *q = question_of(m, sim_chance(s, 3) ? ASK_KILL_HARD : ASK_KILL);
    q->id = about->id + rng_below(&s->rng, about->tasks);
    q->array_id = is_array ? about->array_id : 0;
    ask_later(q, sim_chance(s, 2) ? 20 * SECONDS : 200 * SECONDS);
}

static void hear_submitted(struct front *m, struct question *q, const struct reply *r)
{
    struct sim *s = m->sim;
    if (r->code) {
        ledger_violation(&s->ledger, "gwd%u: %s is refused: %s", m->index, q->tag, r->text);
        return;
    }
    ledger_tell(&s->ledger, &(struct ledger_told){.kind = TOLD_SUBMITTED,
                                                  .daemon = m->index,
                                                  .at_us = s->now_us,
                                                  .id = r->job,
                                                  .n = r->tasks,
                                                  .tag = q->tag});
    sim_say(s, "gwd%u to people: %s is job %" PRIu64, m->index, q->tag, r->job);
    q->id = r->job;
    q->array_id = r->array_id;
    think_again(m, q);
}

static bool had_ended(const struct reply *r, uint64_t id)
{
    for (size_t i = 0; i < r->n_ended; i++)
        if (r->ended[i] == id)
            return true;
    return false;
}

/* Each id has one answer. */
static void check_once(struct front *m, const struct reply *r)
{
    for (size_t i = 0; i < r->n_done + r->n_pending; i++)
        for (size_t k = 0; k < i; k++) {
            uint64_t a = i < r->n_done ? r->done[i] : r->pending[i - r->n_done];
            uint64_t b = k < r->n_done ? r->done[k] : r->pending[k - r->n_done];
            if (a == b)
                ledger_violation(&m->sim->ledger, "gwd%u: job %" PRIu64 " is answered twice",
                                 m->index, a);
        }
}

static void hear_wished(struct front *m, const struct question *q, const struct reply *r)
{
    static const enum ledger_told_kind kinds[] = {[ASK_KILL] = TOLD_KILLED,
                                                  [ASK_KILL_HARD] = TOLD_KILLED_HARD,
                                                  [ASK_HOLD] = TOLD_HELD,
                                                  [ASK_RELEASE] = TOLD_RELEASED};
    check_once(m, r);
    for (size_t i = 0; i < r->n_done; i++)
        tell(m, kinds[q->asks], r->done[i], had_ended(r, r->done[i]));
    for (size_t i = 0; i < r->n_pending; i++)
        tell(m, TOLD_KILL_PENDING, r->pending[i], false);
}

void people_hear(struct front *m, const struct effect *f)
{
    struct question *q = m->sim->questions;
    while (q && q->number != f->asker.connection)
        q = q->next;
    if (!q || q->front != m || q->life != m->life || q->is_answered)
        return;
    q->is_answered = true;
    if (q->asks == ASK_SUBMIT)
        hear_submitted(m, q, f->reply);
    else
        hear_wished(m, q, f->reply);
}

/* Nobody knows whether it was heard: it is asked again, if it cannot be done twice. */
void people_lose_connections(struct front *m)
{
    for (struct question *q = m->sim->questions; q; q = q->next)
        if (q->front == m && q->is_asked && q->life + 1 == m->life && !q->is_answered &&
            (q->asks != ASK_SUBMIT || q->key))
            ask_later(q, 5 * SECONDS);
}

/* --- watching --- */

static void remember(struct front *m, const struct event *ev)
{
    struct buf b = BUF_INIT;
    event_encode(ev, &b);
    if (ev->seq >= m->cap_told_hashes) {
        m->cap_told_hashes = 2 * ev->seq + 256;
        m->told_hashes = xreallocarray(m->told_hashes, m->cap_told_hashes, sizeof *m->told_hashes);
    }
    m->told_hashes[ev->seq] = num_fnv64(b.data, b.len);
    m->told_seq = ev->seq;
    buf_clear(&b);
}

/* The site of an attempt, by its host's name. */
static unsigned site_of(const char *host)
{
    return host ? (unsigned)strtoul(host + strlen("host"), NULL, 10) : 0;
}

/* Of two daemons the later one has the leases, where it has said so. */
static void check_taken(struct front *m, const struct event *ev)
{
    const struct job *j = state_job(engine_state(m->engine), ev->job);
    const struct task *t = j ? job_task(j, ev->task) : NULL;
    if (m->index || !t || !j->spec->t->lease_s || ev->attempt > t->n_attempts)
        return;
    const struct site *at = &m->sim->sites[site_of(t->attempts[ev->attempt - 1].host)];
    if (site_was_taken(at, ev->at_us - m->wall_us))
        ledger_violation(&m->sim->ledger,
                         "gwd0 accepts attempt %" PRIu64 " of job %" PRIu64
                         " at %s, which gwd1 has taken over",
                         ev->attempt, ev->job + ev->task, at->name);
}

void people_watch(struct front *m, const struct event *ev)
{
    struct sim *s = m->sim;
    struct ledger_told told = {.daemon = m->index,
                               .at_us = s->now_us,
                               .id = ev->job + ev->task,
                               .attempt = ev->attempt,
                               .epoch = ev->epoch,
                               .exit_code = (int)ev->exit_code};
    const char *digits = ev->host ? ev->host + strcspn(ev->host, "0123456789") : "";
    remember(m, ev);
    sim_say(s, "gwd%u: event %" PRIu64 " %s %" PRIu64 ".%" PRIu64 ".%" PRIu64 " %s %s", m->index,
            ev->seq, event_kind_info(ev->kind)->name, ev->job, ev->task, ev->attempt,
            ev->reason ? ev->reason : "", ev->host ? ev->host : "");
    if (ev->kind == EV_RESULTS_ACCEPTED)
        check_taken(m, ev);
    told.site = (unsigned)strtoul(digits, NULL, 10);
    told.tag = sim_dup(s, ev->reason ? ev->reason : "");
    if (ev->kind == EV_ATTEMPT_STARTED)
        told.kind = TOLD_STARTED;
    else if (ev->kind == EV_RESULTS_ACCEPTED)
        told.kind = TOLD_ACCEPTED;
    else if (ev->kind == EV_ATTEMPT_ENDED)
        told.kind = ev->outcome == OUTCOME_DONE     ? TOLD_DONE
                    : ev->outcome == OUTCOME_FAILED ? TOLD_FAILED
                                                    : TOLD_REQUEUED;
    else
        return;
    ledger_tell(&s->ledger, &told);
}

/* --- what they want --- */

static const char *source_of(struct sim *s, const char *tag)
{
    static const char *const on_lost[] = {
        "", "ON_LOST = retry-now\n", "ON_LOST = retry-after-lease\nLEASE = 60s\n",
        "ON_LOST = retry-after-lease\nLEASE = 10m\n", "ON_LOST = wait\nLEASE = 120s\n"};
    bool is_bare = false;
    for (unsigned i = 0; i < s->n_sites; i++)
        is_bare |= s->sites[i].features[DRIVER_EM] & FEATURE_BARE;
    if (is_bare && sim_chance(s, 3))
        return sim_format(s, "NAME = %s\nEXECUTABLE = /bin/true\nSTAGING = no\n%s", tag,
                          on_lost[rng_below(&s->rng, 2)]);
    return sim_format(s, "NAME = %s\nEXECUTABLE = run.sh\n%s%s%s%s", tag,
                      sim_chance(s, 2) ? "OUTPUT_FILES = result result.${JOB_ID}\n" : "",
                      sim_chance(s, 2) ? "INPUT_FILES = data\n" : "",
                      sim_chance(s, 5) ? "VM_IMAGE = /images/debian.qcow2\nVM_MEMORY = 256\n" : "",
                      on_lost[rng_below(&s->rng, 5)]);
}

void people_begin(struct front *m)
{
    struct sim *s = m->sim;
    uint64_t n = 1 + rng_below(&s->rng, 4);
    for (uint64_t i = 0; i < n; i++) {
        struct question *q = question_of(m, ASK_SUBMIT);
        q->tag = sim_format(s, "job%u-%" PRIu64, m->index, i);
        q->source = source_of(s, q->tag);
        q->tasks = sim_chance(s, 2) ? 1 : 1 + rng_below(&s->rng, 4);
        q->is_array = q->tasks > 1;
        q->is_held = sim_chance(s, 10);
        /* Nobody would release what nobody knows of. */
        q->key = !q->is_held && sim_chance(s, 6) ? NULL : q->tag;
        ask_later(q, sim_chance(s, 2) ? 10 * SECONDS : 200 * SECONDS);
    }
}

void people_release_all(struct front *m)
{
    size_t it = 0;
    for (struct job *j; m->engine && (j = state_next_job(engine_state(m->engine), &it));) {
        struct question *q = question_of(m, ASK_RELEASE);
        q->id = j->id;
        q->tasks = j->tasks;
        q->array_id = j->array_id;
        ask_later(q, SECONDS);
    }
}

static bool can_be_found(const struct front *m, const struct attempt *a)
{
    for (unsigned i = 0; i < m->sim->n_sites * DRIVER_KINDS; i++)
        if (m->mads[i].kind == DRIVER_EM && strcmp(m->mads[i].name, a->em) == 0)
            return m->mads[i].features & FEATURE_RECOVER_TOKEN;
    return false;
}

/* The other daemon has it, and this one goes on waiting for its owner's word. */
static bool is_superseded(const struct front *m, const struct job *j, const struct task *t)
{
    const struct reason *why = engine_trouble(m->engine, j, t);
    return why && strcmp(why->code, "superseded") == 0;
}

void people_give_up(struct front *m)
{
    size_t it = 0;
    for (struct job *j; m->engine && (j = state_next_job(engine_state(m->engine), &it));) {
        size_t task_it = 0;
        for (struct task *t; (t = job_next_task(j, &task_it));) {
            const struct attempt *a = task_attempt(t);
            bool is_hopeless = a && a->unknown_since_us && !can_be_found(m, a);
            if (!is_hopeless && !is_superseded(m, j, t))
                continue;
            struct question *q = question_of(m, ASK_KILL_HARD);
            q->id = j->id + t->index;
            ask_later(q, SECONDS);
        }
    }
}
