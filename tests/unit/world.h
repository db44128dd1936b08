/* A world for the engine: the site of world_site.h answers the effects of engine_step(), under a
 * clock that the test moves. It has the journal in memory, so that the daemon can be killed and
 * come up again. */
#ifndef TESTS_UNIT_WORLD_H
#define TESTS_UNIT_WORLD_H

#include "tests/unit/world_site.h"

/* --- the daemon --- */

static inline void world_status(struct world *w, const struct effect *f)
{
    char *url = f->path ? xasprintf("file://%s", f->path) : NULL;
    const char *text = f->args[0];
    if (url)
        text = world_has(w, url) ? world_file(w, url)->text : NULL;
    struct answer *a = xcalloc(1, sizeof *a);
    *a = (struct answer){.verb = "status", .ref = f->ref, .is_status = true, .is_success = text};
    a->text = xstrdup(text && strcmp(text, f->text) == 0 ? f->text : "");
    DL_APPEND(w->answers, a);
    free(url);
}

static inline void world_reply(struct world *w, const struct reply *r)
{
    w->reply = *r;
    snprintf(w->reply_text, sizeof w->reply_text, "%s",
             r->text        ? r->text
             : r->n_refused ? r->refused[0].text
                            : "");
    for (size_t i = 0; i < r->n_done && i < GW_COUNT(w->reply_done); i++)
        w->reply_done[i] = r->done[i];
    for (size_t i = 0; i < r->n_pending && i < GW_COUNT(w->reply_pending); i++)
        w->reply_pending[i] = r->pending[i];
    w->reply.text = w->reply_text;
    w->reply.done = w->reply_done;
    w->reply.pending = w->reply_pending;
    w->reply.ended = NULL;
    w->reply.refused = NULL;
}

static inline void world_perform(struct world *w, const struct effect *f)
{
    struct answer *a, *tmp;
    struct effect put;
    char *url = f->path ? xasprintf("file://%s", f->path) : NULL;
    switch (f->kind) {
    case EFFECT_SEND:
        world_send(w, f);
        break;
    case EFFECT_RELEASE:
        DL_FOREACH_SAFE(w->answers, a, tmp)
        if (memcmp(&a->ref, &f->ref, sizeof a->ref) == 0 && !w->is_doubling && !w->is_late_doubling)
            answer_free(w, a);
        break;
    case EFFECT_WRITE_FILE:
        world_write(w, url, f->text);
        break;
    case EFFECT_READ_STATUS:
        world_status(w, f);
        break;
    case EFFECT_READ_EPOCH:
        world_tell(w, DRIVER_TM, "", f->ref, 0, true, url ? world_file(w, url)->text : f->args[0]);
        w->answers->prev->is_epoch = true;
        break;
    case EFFECT_WRITE_LEASE:
        world_write(w, url, f->text);
        w->n_lease_files++;
        break;
    case EFFECT_SEND_LEASE:
        put = *f;
        put.args[2] = f->text;
        w->n_lease_files++;
        world_send(w, &put);
        break;
    case EFFECT_WARN:
        buf_printf(&w->warnings, "%s\n", f->text);
        break;
    case EFFECT_REMOVE:
        world_remove(w, url);
        break;
    case EFFECT_ARCHIVE:
        w->n_archived++;
        w->has_archived = true;
        break;
    case EFFECT_CREDENTIAL:
        w->n_looks++;
        break;
    case EFFECT_REPLY:
        world_reply(w, f->reply);
        break;
    }
    free(url);
}

static inline void world_driver(struct world *w, enum driver_kind kind, bool is_up);

/* Append the turn's events to the journal; cut after event crash_at_event. */
static inline void world_store(struct world *w)
{
    const struct buf *events = &w->out.events;
    for (size_t at = 0; at < events->len;) {
        struct event ev;
        struct event_arena arena = {0};
        long used = event_decode(events->data + at, events->len - at, &ev, &arena, NULL);
        assert_true(used > 0);
        event_arena_clear(&arena);
        buf_put(&w->journal, events->data + at, (size_t)used);
        at += (size_t)used;
        if (++w->n_events == w->crash_at_event) {
            w->is_crashed = true;
            return;
        }
    }
    if (w->out.n_events && ++w->n_effects == w->crash_at)
        w->is_crashed = true;
}

/* As gwd/daemon/served.c, but exactly. */
static inline void world_see(struct world *w)
{
    uint64_t seq = engine_state(w->engine)->seq;
    if (w->n_seen && w->seen[w->n_seen - 1].seq >= seq)
        return;
    w->seen = xreallocarray(w->seen, w->n_seen + 1, sizeof *w->seen);
    w->seen[w->n_seen++] = (struct seen){seq, w->now_us};
}

/* Does its driver die of it? */
static inline bool world_is_deadly(const struct world *w, const struct effect *f)
{
    return w->deadly_verb && strcmp(w->deadly_verb, f->verb) == 0 && f->ref.job < 64 &&
           w->deadly_jobs >> f->ref.job & 1;
}

/* One step and all that it asks for, unless the daemon is killed in between. */
static inline void world_step(struct world *w, struct input *in)
{
    in->mono_us = w->now_us;
    in->now_us = w->now_us + w->wall_ahead_us;
    engine_step(w->engine, in, &w->out);
    if (w->out.n_events)
        assert_int_equal(w->out.first_seq + w->out.n_events - 1, engine_state(w->engine)->seq);
    world_store(w);
    world_see(w);
    bool has_stopped[DRIVER_KINDS] = {false};
    for (size_t i = 0; i < w->out.n_effects && !w->is_crashed; i++) {
        const struct effect *f = &w->out.effects[i];
        bool stops = f->kind == EFFECT_SEND && w->is_up[f->driver_kind] &&
                     (w->n_effects + 1 == w->stop_driver_at || world_is_deadly(w, f));
        if (!(stops && w->is_request_lost))
            world_perform(w, f);
        if (++w->n_effects == w->crash_at)
            w->is_crashed = true;
        if (stops) {
            /* It ends before anything that it wanted to say is heard. */
            w->is_up[f->driver_kind] = false;
            w->n_deaths++;
            has_stopped[f->driver_kind] = true;
            world_forget_answers(w, (int)f->driver_kind);
        }
    }
    output_reset(&w->out);
    const char *wrong = recount(engine_state(w->engine));
    if (wrong)
        fail_msg("%s", wrong);
    for (int k = 0; k < DRIVER_KINDS; k++)
        if (has_stopped[k] && !w->is_crashed) {
            world_driver(w, (enum driver_kind)k, false);
            if (!w->stays_down)
                world_driver(w, (enum driver_kind)k, true);
        }
    if (w->has_archived && !w->is_crashed) {
        struct input archived = {.kind = IN_ARCHIVED, .is_archived = !w->archive_is_full};
        w->has_archived = false;
        world_step(w, &archived);
    }
}

static inline void world_driver(struct world *w, enum driver_kind kind, bool is_up)
{
    static const char *const names[DRIVER_KINDS] = {"static", "local", "fork"};
    if (w->is_crashed)
        return;
    w->is_up[kind] = is_up;
    if (!is_up)
        world_forget_answers(w, (int)kind);
    struct input in = {
        .kind = is_up ? IN_DRIVER_UP : IN_DRIVER_DOWN,
        .driver = {
            .kind = kind, .name = names[kind], .features = w->features[kind], .why = "test"}};
    world_step(w, &in);
}

static inline void world_start(struct world *w)
{
    struct gw_err err = {0};
    w->engine = engine_create(&w->config, &w->im, 1);
    if (fold_numbered(engine_state(w->engine), &w->journal, &err) < 0)
        fail_msg("%s", err.text);
    struct seen *ages = xreallocarray(NULL, w->n_seen + 1, sizeof *ages);
    for (size_t i = 0; i < w->n_seen; i++) {
        struct seen *s = &w->seen[i];
        s->seq = s->seq < engine_state(w->engine)->seq ? s->seq : engine_state(w->engine)->seq;
        ages[i] = (struct seen){s->seq, w->now_us - s->age_us};
    }
    struct input in = {
        .kind = IN_START, .lease_seq = w->last_lease, .seen = ages, .n_seen = w->n_seen};
    world_step(w, &in);
    free(ages);
    for (int k = 0; k < DRIVER_KINDS; k++)
        world_driver(w, (enum driver_kind)k, true);
}

/* The daemon is gone, and its drivers with it; then all come up again. */
static inline void world_restart(struct world *w)
{
    engine_destroy(w->engine);
    output_reset(&w->out);
    world_forget_answers(w, -1);
    for (int k = 0; k < DRIVER_KINDS; k++)
        w->is_up[k] = false;
    const char *lease = world_file(w, "file:///spool/lease")->text;
    if (lease && (lease = strstr(lease, "SEQ=")))
        w->last_lease = strtoull(lease + 4, NULL, 10);
    world_remove(w, "file:///spool/"); /* as main() does, but for the lease */
    w->is_crashed = false;
    w->crash_at = w->crash_at_event = 0;
    world_start(w);
}

static const char world_host[] =
    "LRMS_NAME=\"fork\" NODECOUNT=4 ARCH=\"x86_64\" CPU_SMP=8 SIZE_MEM_MB=4096 "
    "VM_HYPERVISOR=\"qemu\" STAGE_URL=\"file:///site/\" QUEUE_NAME[0]=\"default\" "
    "QUEUE_NODECOUNT[0]=4";

static inline struct world *world_create(void)
{
    struct world *w = xcalloc(1, sizeof *w);
    *w = (struct world){
        .now_us = INT64_C(1767225600000000), .hosts = "alpha", .im = {"static", "local", "fork"}};
    w->config = (struct engine_config){.spool = "/spool",
                                       .wrapper = "/lib/gw_wrapper.sh",
                                       .gwvm = "/lib/gwvm",
                                       .vm_uri = "qemu:///session",
                                       .attempts_max = 4,
                                       .remains_max = 10000,
                                       .array_max = 1000000,
                                       .cancel_retry_us = 10000000,
                                       .retry_us = 1000000,
                                       .backoff_max_us = 60000000,
                                       .poll_us = 60000000,
                                       .lease_margin_us = 30000000,
                                       .retention_us = INT64_C(3600000000),
                                       .discovery_us = 300000000,
                                       .monitoring_us = 60000000};
    for (int k = 0; k < DRIVER_KINDS; k++)
        w->features[k] = FEATURES_ALL;
    for (size_t i = 0; i < GW_COUNT(w->samples); i++)
        w->samples[i] = world_host;
    struct event ev = created_event();
    event_encode(&ev, &w->journal);
    return w;
}

static inline void world_destroy(struct world *w)
{
    engine_destroy(w->engine);
    world_forget_answers(w, -1);
    struct world_file *f, *tmp;
    HASH_ITER (hh, w->files, f, tmp) {
        HASH_DEL(w->files, f);
        free(f->url);
        free(f->text);
        free(f);
    }
    while (w->runs) {
        struct run *r = w->runs;
        w->runs = r->next;
        free(r->token);
        free(r->dir);
        free(r);
    }
    buf_clear(&w->journal);
    buf_clear(&w->trace);
    buf_clear(&w->warnings);
    output_clear(&w->out);
    free(w->seen);
    free(w);
}

/* --- time passes --- */

static inline void world_hear(struct world *w)
{
    struct answer *a = w->answers;
    static const char *const names[DRIVER_KINDS] = {"static", "local", "fork"};
    DL_DELETE(w->answers, a);
    struct input in;
    if (a->is_epoch) {
        const char *epoch = strstr(a->text, "EPOCH="), *fence = strstr(a->text, "FENCE=");
        in = (struct input){.kind = IN_TRACE, .trace = {.ref = a->ref}};
        in.trace.epoch = epoch ? strtoull(epoch + 6, NULL, 10) : 0;
        in.trace.fence = fence ? strtoull(fence + 6, NULL, 10) : 0;
        world_step(w, &in);
    } else if (a->is_status) {
        in = (struct input){.kind = IN_STATUS, .status = {.ref = a->ref}};
        struct status_report *r = &in.status.report;
        r->is_there = *a->text != '\0';
        r->is_exited = !w->failed;
        r->exit_code = w->exit_code;
        struct reason reason = {0};
        if (w->failed)
            reason_from_driver(&reason, w->failed);
        r->reason = reason.code;
        r->blame = reason.blame;
        r->message = reason.text;
        world_step(w, &in);
        reason_clear(&reason);
    } else {
        in = (struct input){.kind = IN_ANSWER,
                            .answer = {.kind = a->kind,
                                       .driver = names[a->kind],
                                       .verb = a->verb,
                                       .ref = a->ref,
                                       .number = a->number,
                                       .is_success = a->is_success,
                                       .text = a->text}};
        world_step(w, &in);
        if (w->is_doubling && !w->is_crashed)
            world_step(w, &in);
        if (w->is_late_doubling && !a->is_again && !w->is_crashed) {
            a->is_again = true;
            DL_APPEND(w->answers, a);
            return;
        }
    }
    free(a->text);
    free(a);
}

/* Hear all answers. */
static inline void world_listen(struct world *w)
{
    while (w->answers && !w->is_crashed)
        world_hear(w);
}

/* Let payloads end. */
static inline bool world_end_runs(struct world *w)
{
    bool is_any = false;
    for (struct run *r = w->runs; r && !w->is_endless; r = r->next)
        if (r->is_running) {
            run_end(w, r, "DONE");
            is_any = true;
        }
    return is_any;
}

/* Go on until nothing happens, or `until_s` seconds have passed. */
static inline void world_pass(struct world *w, int64_t until_s)
{
    int64_t end = w->now_us + until_s * 1000000;
    while (!w->is_crashed) {
        world_listen(w);
        if (w->is_crashed || world_end_runs(w))
            continue;
        int64_t next = engine_next_time(w->engine);
        if (next > end)
            break;
        w->now_us = next > w->now_us ? next : w->now_us;
        struct input in = {.kind = IN_TIME};
        world_step(w, &in);
    }
    if (!w->is_crashed)
        w->now_us = end;
}

static inline uint64_t world_submit_as(struct world *w, struct submission *sub)
{
    struct input in = {
        .kind = IN_SUBMIT, .asker = {.connection = 1, .uid = sub->owner.uid}, .submit = sub};
    world_step(w, &in);
    return w->reply.code ? 0 : w->reply.job;
}

static inline struct submission submission_of(const char *source, uint64_t tasks)
{
    static char user[] = "ann";
    return (struct submission){.source = source,
                               .file = "job.jt",
                               .home = "/home/ann",
                               .owner = {.user = user, .uid = 1000, .gid = 1000},
                               .tasks = tasks,
                               .is_array = tasks > 1,
                               .increment = 1};
}

static inline uint64_t world_submit(struct world *w, const char *source)
{
    struct submission sub = submission_of(source, 1);
    return world_submit_as(w, &sub);
}

static inline void world_wish(struct world *w, uint64_t id, enum wish wish, bool is_hard)
{
    struct input in = {.kind = IN_WISH,
                       .asker = {.connection = 1, .uid = 1000},
                       .wish = {.wish = wish, .is_hard = is_hard, .ids = &id, .n_ids = 1}};
    world_step(w, &in);
}

static inline struct task *world_task(const struct world *w, uint64_t id)
{
    struct job *j = state_job_of(engine_state(w->engine), id);
    return j ? job_task(j, id - j->id) : NULL;
}

static inline enum phase world_phase(const struct world *w, uint64_t id)
{
    struct job *j = state_job_of(engine_state(w->engine), id);
    return j ? job_task_phase(j, id - j->id) : PHASE_COUNT;
}

#endif
