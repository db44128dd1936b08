/* The front where a gwd runs: its clocks, its disk, its deaths, and its table at the end. */
#include "sim/sim_private.h"

#include "lib/mem.h"
#include "lib/num.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static void configure(struct front *m)
{
    struct sim *s = m->sim;
    m->config = (struct engine_config){
        .spool = "/spool",
        .wrapper = "/lib/gw_wrapper.sh",
        .gwvm = "/lib/gwvm",
        .vm_uri = "qemu:///embed",
        .attempts_max = 5,
        .remains_max = 10000,
        .array_max = 1000000,
        .cancel_retry_us = 30 * SECONDS,
        .retry_us = 5 * SECONDS,
        .backoff_max_us = 600 * SECONDS,
        .poll_us = 60 * SECONDS,
        .lease_margin_us = (s->o.flaw == FLAW_IMPATIENT ? -20 : 60) * SECONDS,
        .retention_us = (sim_chance(s, 3) ? 60 : 7 * 24 * 3600) * SECONDS,
        .discovery_us = 300 * SECONDS,
        .monitoring_us = 120 * SECONDS,
        .credential_life_us = 900 * SECONDS,
        .keeps_traces = true};
    for (unsigned i = 0; i < s->n_sites; i++) {
        const struct mad *mads = &m->mads[i * DRIVER_KINDS];
        m->ims[i] = (struct engine_im){
            .name = mads[DRIVER_IM].name, .tm = mads[DRIVER_TM].name, .em = mads[DRIVER_EM].name};
    }
}

static struct front *init(struct sim *s, unsigned index)
{
    struct front *m = &s->fronts[index];
    *m = (struct front){.sim = s, .index = index, .timer_us = INT64_MAX};
    m->mono_us = sim_span(s, 1, 1000) * SECONDS - s->now_us;
    for (unsigned i = 0; i < s->n_sites * DRIVER_KINDS; i++)
        mad_init(&m->mads[i], m, &s->sites[i / DRIVER_KINDS], (enum driver_kind)(i % DRIVER_KINDS));
    m->credential = 1;
    configure(m);
    m->disk.is_lying = s->o.flaw == FLAW_NO_SYNC;
    return m;
}

void front_create(struct sim *s, unsigned index)
{
    struct front *m = init(s, index);
    struct buf events = BUF_INIT;
    struct event ev = {.kind = EV_STATE_CREATED, .at_us = s->now_us, .instance = "i", .epoch = 1};
    event_encode(&ev, &events);
    disk_append(&m->disk, 1, 1, &events);
    m->disk.n_synced = m->disk.log.len;
    buf_clear(&events);
}

void front_copy(struct sim *s, unsigned index, const struct front *from)
{
    struct front *m = init(s, index);
    disk_copy(&m->disk, &from->disk);
    m->wall_us = from->wall_us;
    for (size_t i = 0, n = s->ledger.n_tasks; i < n; i++) {
        struct ledger_task archived = s->ledger.tasks[i];
        archived.daemon = index;
        *ledger_add_task(&s->ledger) = archived;
    }
}

struct front_file *front_file(struct front *m, const char *url, bool is_made)
{
    const char *path = url + strlen("file://");
    bool is_spool = strncmp(path, "/spool/", 7) == 0;
    struct front_file **list = is_spool ? &m->spool : &m->home, *f = *list;
    while (f && strcmp(f->path, path) != 0)
        f = f->next;
    if (!f && is_made) {
        f = sim_alloc(m->sim, sizeof *f);
        *f = (struct front_file){.path = sim_dup(m->sim, path), .next = *list};
        *list = f;
    }
    return f;
}

/* --- time --- */

struct front_plan {
    struct front *front;
    uint64_t life;
    void (*act)(struct front *m);
};

static void on_plan(struct sim *s, void *what)
{
    struct front_plan *p = what;
    struct front *m = p->front;
    if (m->life != p->life)
        return;
    if (m->stopped_us > s->now_us)
        agenda_add(&s->agenda, m->stopped_us, on_plan, p);
    else
        p->act(m);
}

void front_later(struct front *m, int64_t after_us, void (*act)(struct front *m))
{
    struct front_plan *p = sim_alloc(m->sim, sizeof *p);
    *p = (struct front_plan){m, m->life, act};
    sim_later(m->sim, after_us, on_plan, p);
}

static void on_time(struct front *m)
{
    struct input in = {.kind = IN_TIME};
    m->timer_us = INT64_MAX;
    front_input(m, &in);
}

static void arm(struct front *m)
{
    int64_t next_us = engine_next_time(m->engine);
    if (next_us == INT64_MAX || next_us - m->mono_us >= m->timer_us)
        return;
    m->timer_us = next_us - m->mono_us;
    int64_t rest_us = m->timer_us - m->sim->now_us;
    front_later(m, rest_us > 0 ? rest_us : 0, on_time);
}

static void on_turn(struct front *m)
{
    m->is_turn_set = false;
    front_turn(m);
}

void front_input(struct front *m, struct input *in)
{
    struct sim *s = m->sim;
    struct output *out = &m->outputs[m->current];
    in->now_us = s->now_us + m->wall_us;
    in->mono_us = s->now_us + m->mono_us;
    s->result->n_inputs++;
    engine_step(m->engine, in, out);
    arm(m);
    if (m->is_turn_set || !(out->n_events || out->n_effects))
        return;
    m->is_turn_set = true;
    front_later(m, sim_span(s, 0, 2000), on_turn);
}

/* --- lives --- */

static void compare_told(void *ctx, const struct event *ev)
{
    struct front *m = ctx;
    if (ev->seq > m->told_seq) {
        people_watch(m, ev);
        return;
    }
    struct buf b = BUF_INIT;
    event_encode(ev, &b);
    if (ev->seq > 1 && num_fnv64(b.data, b.len) != m->told_hashes[ev->seq])
        ledger_violation(&m->sim->ledger,
                         "gwd%u: event %" PRIu64 " was told, and is another after a crash",
                         m->index, ev->seq);
    buf_clear(&b);
}

static bool load(struct front *m)
{
    struct sim *s = m->sim;
    struct state *state = engine_state(m->engine);
    struct gw_err err = {0};
    if (disk_load(&m->disk, state, s->o.flaw, &err) < 0) {
        ledger_violation(&s->ledger, "gwd%u: the state is refused: %s", m->index, err.text);
        s->is_over = true;
        return false;
    }
    sim_say(s, "gwd%u: up, %" PRIu64 " events", m->index, state->seq);
    if (state->seq < m->told_seq)
        ledger_violation(&s->ledger, "gwd%u: events up to %" PRIu64 " were told, and are gone",
                         m->index, m->told_seq);
    disk_each(&m->disk, compare_told, m);
    return true;
}

/* Each start has an epoch of its own, as gwd/daemon/statedir.c gives it; a machine that was copied
 * with all that runs on it does not start. */
static bool raise_epoch(struct front *m)
{
    struct state *state = engine_state(m->engine);
    uint64_t epoch = (uint64_t)(m->sim->now_us + m->wall_us) / 1000;
    if (m->is_same_epoch)
        return true;
    epoch = epoch > state->epoch ? epoch : state->epoch + 1;
    struct event ev = {.kind = EV_EPOCH_RAISED,
                       .seq = state->seq + 1,
                       .at_us = m->sim->now_us + m->wall_us,
                       .epoch = epoch,
                       .fence = m->is_copy ? epoch : 0};
    struct output out = {.first_seq = ev.seq, .n_events = 1};
    event_encode(&ev, &out.events);
    bool is_up = state_apply(state, &ev, NULL) == 0 && front_store(m, &out);
    if (is_up)
        people_watch(m, &ev);
    output_clear(&out);
    m->is_copy = m->is_copy && !is_up;
    return is_up;
}

static uint64_t last_lease(struct front *m)
{
    struct front_file *f = front_file(m, "file:///spool/lease", false);
    const char *seq = f ? strstr(f->text, "SEQ=") : NULL;
    return seq ? strtoull(seq + 4, NULL, 10) : 0;
}

static void go_up(struct front *m)
{
    struct sim *s = m->sim;
    struct input in = {.kind = IN_START, .lease_seq = last_lease(m)};
    uint64_t life = m->life;
    m->engine = engine_create(&m->config, m->ims, s->n_sites);
    m->is_up = true;
    if (!load(m) || !raise_epoch(m))
        return;
    m->is_same_epoch = false;
    m->spool = front_file(m, "file:///spool/lease", false); /* as main() does */
    if (m->spool)
        m->spool->next = NULL;
    if (s->o.flaw == FLAW_SEQ_FORGOTTEN)
        m->spool = NULL;
    front_input(m, &in);
    front_turn(m);
    for (unsigned i = 0; i < s->n_sites * DRIVER_KINDS && m->life == life; i++)
        mad_start(&m->mads[i], sim_span(s, 10000, 300000));
}

void front_start(struct front *m, int64_t after_us)
{
    front_later(m, after_us, go_up);
}

void front_crash(struct front *m)
{
    struct sim *s = m->sim;
    m->life++;
    m->is_up = m->is_turn_set = false;
    m->stopped_us = 0;
    m->timer_us = INT64_MAX;
    m->archiving = NULL;
    s->result->n_crashes++;
    for (unsigned i = 0; i < s->n_sites * DRIVER_KINDS; i++)
        mad_stop(&m->mads[i], NULL);
    engine_destroy(m->engine);
    m->engine = NULL;
    output_reset(&m->outputs[0]);
    output_reset(&m->outputs[1]);
    disk_crash(&m->disk, &s->rng);
    people_lose_connections(m);
    /* And again while it comes up. */
    if (!sim_is_calm(s) && sim_chance(s, 3))
        m->crash_at = 1 + rng_below(&s->rng, 6);
    int64_t rest_us =
        sim_chance(s, 5) ? sim_span(s, 0, 300 * SECONDS) : sim_span(s, 50000, 5 * SECONDS);
    front_start(m, rest_us);
    sim_fault(s, NULL, true, s->now_us + rest_us);
}

void front_destroy(struct front *m)
{
    engine_destroy(m->engine);
    output_clear(&m->outputs[0]);
    output_clear(&m->outputs[1]);
    disk_clear(&m->disk);
    free(m->told_hashes);
}

/* --- the table --- */

static void put_task(struct front *m, const struct job *j, uint64_t index)
{
    struct ledger *l = &m->sim->ledger;
    const struct template *t = j->spec->t;
    const struct task *task = job_task(j, index);
    enum phase phase = job_task_phase(j, index);
    for (size_t i = 0; i < l->n_tasks; i++)
        if (l->tasks[i].daemon == m->index && l->tasks[i].id == j->id + index)
            return; /* archived, and still to be forgotten */
    struct ledger_task *row = ledger_add_task(l);
    row->daemon = m->index;
    row->id = j->id + index;
    row->is_done = phase == PHASE_DONE;
    row->is_failed = phase == PHASE_FAILED;
    row->is_bare = t->is_bare;
    row->lease_s = t->lease_s;
    row->on_lost = t->on_lost == ON_LOST_WAIT        ? LEDGER_WAIT
                   : t->on_lost == ON_LOST_RETRY_NOW ? LEDGER_RETRY_NOW
                                                     : LEDGER_RETRY_AFTER_LEASE;
    snprintf(row->tag, sizeof row->tag, "%s", t->name);
    if (!task)
        return;
    snprintf(row->reason, sizeof row->reason, "%s", task->reason.code ? task->reason.code : "");
    row->n_attempts = (unsigned)task->n_attempts;
    for (size_t i = 0; i < task->n_attempts; i++) {
        const struct attempt *a = &task->attempts[i];
        if (a->ended_us && a->reason.code && strcmp(a->reason.code, "lost") == 0)
            row->given_up |= UINT64_C(1) << a->number;
        if (a->is_accepted) {
            row->n_accepted++;
            row->accepted = a->number;
            row->exit_code = a->exit_code;
        }
    }
}

void front_put_job(struct front *m, const struct job *j)
{
    for (uint64_t i = 0; i < j->tasks; i++)
        put_task(m, j, i);
}

void front_table(struct front *m)
{
    size_t it = 0;
    for (struct job *j; m->engine && (j = state_next_job(engine_state(m->engine), &it));)
        front_put_job(m, j);
}

void front_inventory(struct front *m)
{
    struct ledger *l = &m->sim->ledger;
    size_t n = 0;
    struct host *const *hosts = m->engine ? engine_hosts(m->engine, &n) : NULL;
    for (size_t i = 0; i < n; i++)
        if (hosts[i]->running || hosts[i]->vm_memory_mib || hosts[i]->queues[0].used)
            ledger_violation(l, "gwd%u: slots of %s are taken for ever", m->index, hosts[i]->name);
    for (const struct front_file *f = m->spool; f; f = f->next) {
        if (strcmp(f->path, "/spool/lease") == 0 || strncmp(f->path, "/spool/epoch.", 13) == 0)
            continue;
        struct ledger_left *left = ledger_add_left(l, f->path);
        char *p = (char *)f->path + strlen("/spool");
        left->job = strtoull(p + 1, &p, 10);
        left->task = strtoull(p + 1, &p, 10);
        left->attempt = strtoull(p + 1, &p, 10);
    }
}
