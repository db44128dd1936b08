/* The turn, as gwd/daemon/turn.c has it, with its crash points; and the effects. */
#include "sim/sim_private.h"

#include "lib/mem.h"
#include "lib/num.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

/* True: the daemon was killed here. */
static bool crash_point(struct front *m, const char *where)
{
    if (!m->crash_at || --m->crash_at)
        return false;
    sim_say(m->sim, "gwd%u: killed at %s", m->index, where);
    front_crash(m);
    return true;
}

static void tell_events(struct front *m, const struct output *out)
{
    struct event_arena arena = {0};
    uint64_t seq = out->first_seq;
    for (size_t at = 0; at < out->events.len; seq++) {
        struct event ev;
        at += (size_t)event_decode(out->events.data + at, out->events.len - at, &ev, &arena, NULL);
        ev.seq = seq;
        people_watch(m, &ev);
        event_arena_reset(&arena);
    }
    event_arena_clear(&arena);
}

/* --- effects --- */

static void write_file_effect(struct front *m, const struct effect *f)
{
    front_file(m, sim_format(m->sim, "file://%s", f->path), true)->text =
        sim_dup(m->sim, f->text ? f->text : "");
}

static void remove_effect(struct front *m, const struct effect *f)
{
    size_t len = strlen(f->path);
    for (struct front_file **p = &m->spool; *p;)
        if (strncmp((*p)->path, f->path, len) == 0)
            *p = (*p)->next;
        else
            p = &(*p)->next;
}

/* "TOKEN exited CODE" or "TOKEN failed REASON", of that token. */
static void parse_status(const char *text, const char *token, bool is_any, struct status_report *r)
{
    const char *blank = text ? strchr(text, ' ') : NULL;
    size_t len = blank ? (size_t)(blank - text) : 0;
    uint64_t code;
    if (!blank || (!is_any && (strlen(token) != len || strncmp(text, token, len) != 0)))
        return;
    r->is_there = true;
    r->is_exited = strncmp(blank, " exited ", 8) == 0;
    if (r->is_exited && num_parse_u64(blank + 8, 0, 255, &code, NULL) == 0)
        r->exit_code = (int)code;
    if (r->is_exited)
        return;
    r->reason = blank + strlen(" failed ");
    r->blame = strcmp(r->reason, "cancelled") == 0       ? BLAME_JOB
               : strcmp(r->reason, "lease-expired") == 0 ? BLAME_US
                                                         : BLAME_SITE;
}

static void read_status(struct front *m, const struct effect *f)
{
    struct input in = {.kind = IN_STATUS, .status = {.ref = f->ref}};
    const char *text = f->args[0];
    if (f->path) {
        struct front_file *file = front_file(m, sim_format(m->sim, "file://%s", f->path), false);
        text = file ? file->text : NULL;
    }
    parse_status(text, f->text, m->sim->o.flaw == FLAW_ANY_STATUS, &in.status.report);
    front_input(m, &in);
}

static uint64_t number_of(const char *text, const char *key)
{
    const char *p = text ? strstr(text, key) : NULL;
    return p ? strtoull(p + strlen(key), NULL, 10) : 0;
}

static void read_epoch(struct front *m, const struct effect *f)
{
    struct front_file *file = front_file(m, sim_format(m->sim, "file://%s", f->path), false);
    const char *text = file ? file->text : NULL;
    struct input in = {.kind = IN_TRACE,
                       .trace = {.ref = f->ref,
                                 .epoch = number_of(text, "EPOCH="),
                                 .fence = number_of(text, "FENCE=")}};
    front_input(m, &in);
}

void front_tell_credential(struct front *m)
{
    struct input in = {.kind = IN_CREDENTIAL,
                       .credential = {.path = CREDENTIAL_PATH,
                                      .identity = "/O=Grid/CN=Ann",
                                      .expires_us = m->is_expired ? 1 : INT64_MAX / 2,
                                      .version = m->credential}};
    front_input(m, &in);
}

static void on_archived(struct front *m)
{
    struct input in = {.kind = IN_ARCHIVED,
                       .is_archived = sim_is_calm(m->sim) || !sim_chance(m->sim, 4)};
    for (struct archived *a = m->archiving; a && in.is_archived; a = a->next) {
        const struct job *j = state_job(engine_state(m->engine), a->job);
        if (j)
            front_put_job(m, j);
    }
    m->archiving = NULL;
    front_input(m, &in);
}

static void archive(struct front *m, uint64_t job)
{
    struct archived *a = sim_alloc(m->sim, sizeof *a);
    *a = (struct archived){job, m->archiving};
    if (!m->archiving)
        front_later(m, sim_span(m->sim, 1000, 2 * SECONDS), on_archived);
    m->archiving = a;
}

static void send_request(struct front *m, const struct effect *f)
{
    for (unsigned i = 0; i < m->sim->n_sites * DRIVER_KINDS; i++)
        if (m->mads[i].kind == f->driver_kind && strcmp(m->mads[i].name, f->driver) == 0)
            mad_ask(&m->mads[i], f);
}

static void perform(struct front *m, const struct effect *f)
{
    switch (f->kind) {
    case EFFECT_SEND:
    case EFFECT_SEND_LEASE:
        send_request(m, f);
        break;
    case EFFECT_RELEASE:
        for (unsigned i = 0; i < m->sim->n_sites * DRIVER_KINDS; i++)
            mad_release(&m->mads[i], f->ref);
        break;
    case EFFECT_WRITE_FILE:
    case EFFECT_WRITE_LEASE:
        write_file_effect(m, f);
        break;
    case EFFECT_READ_STATUS:
        read_status(m, f);
        break;
    case EFFECT_READ_EPOCH:
        read_epoch(m, f);
        break;
    case EFFECT_REMOVE:
        remove_effect(m, f);
        break;
    case EFFECT_ARCHIVE:
        archive(m, f->ref.job);
        break;
    case EFFECT_CREDENTIAL:
        front_tell_credential(m);
        break;
    case EFFECT_WARN:
        break;
    case EFFECT_REPLY:
        people_hear(m, f);
        break;
    }
}

/* --- the turn --- */

bool front_store(struct front *m, const struct output *out)
{
    enum sim_flaw flaw = m->sim->o.flaw;
    if (!out->n_events)
        return true;
    if (crash_point(m, "append"))
        return false;
    disk_append(&m->disk, out->first_seq, out->n_events, &out->events);
    if (crash_point(m, "sync"))
        return false;
    disk_sync(&m->disk);
    if (flaw != FLAW_LATE_SYNC && flaw != FLAW_CANCEL_FORGOTTEN)
        disk_checkpoint(&m->disk, engine_state(m->engine), &m->sim->rng);
    return true;
}

/* False: killed meanwhile. */
static bool perform_all(struct front *m, const struct output *out)
{
    for (size_t i = 0; i < out->n_effects; i++) {
        if (crash_point(m, out->effects[i].kind == EFFECT_REPLY ? "reply" : "effect"))
            return false;
        perform(m, &out->effects[i]);
    }
    return true;
}

static bool turn(struct front *m, struct output *out)
{
    bool is_late = m->sim->o.flaw == FLAW_LATE_SYNC;
    m->sim->result->n_events += out->n_events;
    if (!is_late && !front_store(m, out))
        return false;
    m->current ^= 1;
    tell_events(m, out);
    if (!perform_all(m, out) || (is_late && !front_store(m, out)))
        return false;
    output_reset(out);
    return true;
}

void front_turn(struct front *m)
{
    for (;;) {
        struct output *out = &m->outputs[m->current];
        if (!(out->n_events || out->n_effects) || !turn(m, out))
            return;
    }
}
