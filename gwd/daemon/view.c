/* How attempts, users and events look to clients (docs/client-protocol.md); jobs: view_job.c. */
#include "gwd/daemon/view_private.h"
#include "lib/json_write.h"
#include "lib/mem.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <uthash.h>

static double span_s(int64_t from_us, int64_t to_us)
{
    return from_us && to_us > from_us ? (double)(to_us - from_us) / 1e6 : 0;
}

void view_vms(struct buf *out, const char *name, const struct attempt *a)
{
    static const char *const states[] = {"planned", "running", "saved", "gone"};
    json_begin(out, name, '[');
    for (size_t i = 0; a && i < a->n_vms; i++) {
        json_begin(out, NULL, '{');
        json_put_uint(out, "rank", a->vms[i].rank);
        json_put_text(out, "uuid", a->vms[i].uuid);
        json_put_text(out, "node", a->vms[i].node);
        json_put_text(out, "state", states[a->vms[i].state]);
        json_end(out, '}');
    }
    json_end(out, ']');
}

double view_wrapper_s(const struct attempt *a, int64_t now_us)
{
    int64_t end = a->exited_us ? a->exited_us : a->ended_us ? a->ended_us : now_us;
    return span_s(a->active_us ? a->active_us : a->staged_us, end);
}

double view_transfer_s(const struct attempt *a, int64_t now_us)
{
    int64_t end = a->ended_us ? a->ended_us : now_us;
    return span_s(a->started_us, a->staged_us ? a->staged_us : end) +
           (a->exited_us ? span_s(a->exited_us, end) : 0);
}

void view_token(struct buf *out, const struct daemon *d, const struct job *j, const struct task *t,
                const struct attempt *a)
{
    char *token = t && a ? attempt_token(engine_state(d->engine)->instance, j, t, a) : NULL;
    json_put_text(out, "token", token);
    free(token);
}

void view_optional(struct buf *out, const char *name, bool is_there, int64_t value)
{
    if (is_there)
        json_put_int(out, name, value);
    else
        json_put_null(out, name);
}

static void put_past(const struct daemon *d, const struct job *j, const struct task *t,
                     const struct attempt *a, enum sight sight, struct buf *out)
{
    bool is_full = sight == SIGHT_FULL;
    int64_t now_us = clock_wall_us(), end = a->ended_us ? a->ended_us : now_us;
    json_begin(out, NULL, '{');
    json_put_uint(out, "attempt", a->number);
    if (is_full)
        view_token(out, d, j, t, a);
    else
        json_put_null(out, "token");
    json_put_text(out, "host", a->host);
    json_put_text(out, "queue", a->queue);
    json_put_text(out, "lrms", a->lrms);
    json_put_real(out, "rank", (double)a->match_rank / 1000);
    json_put_seconds(out, "started", a->started_us);
    json_put_seconds(out, "ended", a->ended_us);
    json_put_real(out, "prolog_s", span_s(a->started_us, a->staged_us ? a->staged_us : end));
    json_put_real(out, "wrapper_s", a->staged_us ? view_wrapper_s(a, now_us) : 0);
    json_put_real(out, "epilog_s", span_s(a->exited_us, end));
    json_put_text(out, "contact", is_full ? a->contact : NULL);
    if (!a->ended_us && a == task_attempt(t))
        view_why(&(struct show){.d = d,
                                .j = j,
                                .index = t->index,
                                .t = j->spec->t,
                                .task = t,
                                .attempt = a,
                                .sight = sight,
                                .now_us = now_us,
                                .out = out});
    else
        view_reason(out, "reason", a->reason.code, a->reason.blame,
                    is_full ? a->reason.text : NULL);
    view_optional(out, "exit_code", a->is_accepted || a->exit_code, a->exit_code);
    view_vms(out, "vms", is_full ? a : NULL);
    json_end(out, '}');
}

void view_history(const struct daemon *d, const struct job *j, uint64_t index, const char *name,
                  enum sight sight, struct buf *out)
{
    const struct task *t = job_task(j, index);
    json_begin(out, name, '[');
    for (size_t i = 0; t && i < t->n_attempts; i++)
        put_past(d, j, t, &t->attempts[i], sight, out);
    json_end(out, ']');
}

/* --- owners --- */

/* A user may use several credentials: each is a line, for those who may see them. */
struct owner_count {
    char *key, *user, *credential;
    uint64_t uid, waiting, running;
    UT_hash_handle hh;
};

/* The last count: one that took long is shown for a second, however often it is asked for. */
static struct {
    struct owner_count *owners;
    int64_t until_us;
} counted;

static struct owner_count *owner_of(const struct principal *p)
{
    struct owner_count *o;
    char *key = xasprintf("%" PRIu64 ":%s", p->uid, p->credential ? p->credential : "");
    HASH_FIND_STR(counted.owners, key, o);
    if (o) {
        free(key);
        return o;
    }
    o = xcalloc(1, sizeof *o);
    *o = (struct owner_count){
        .key = key, .user = xstrdup(p->user), .credential = xstrdup(p->credential), .uid = p->uid};
    HASH_ADD_KEYPTR(hh, counted.owners, o->key, strlen(o->key), o);
    return o;
}

void view_free(void)
{
    struct owner_count *o, *tmp;
    HASH_ITER (hh, counted.owners, o, tmp) {
        HASH_DEL(counted.owners, o);
        free(o->key);
        free(o->user);
        free(o->credential);
        free(o);
    }
    counted.until_us = 0;
}

static void count_job(struct owner_count *o, const struct job *j)
{
    size_t it = 0;
    if (!j->is_rest_ended)
        o->waiting += j->tasks - j->n_touched;
    for (struct task *t; (t = job_next_task(j, &it));) {
        bool is_waiting = t->phase == PHASE_PENDING || t->phase == PHASE_SLEEPING;
        o->waiting += is_waiting;
        o->running += !is_waiting && !phase_is_final(t->phase);
    }
}

static void count_owners(const struct daemon *d)
{
    enum { SHORT_US = 2000, AGE_US = 1000000 };
    int64_t begin_us = clock_mono_us();
    if (begin_us < counted.until_us)
        return;
    view_free();
    const struct job_spec *spec = NULL;
    struct owner_count *o = NULL;
    size_t it = 0;
    for (struct job *j; (j = state_next_job(engine_state(d->engine), &it));) {
        if (j->spec != spec) /* equal submissions follow each other */
            o = owner_of(&j->spec->owner);
        spec = j->spec;
        count_job(o, j);
    }
    int64_t end_us = clock_mono_us();
    if (end_us - begin_us > SHORT_US)
        counted.until_us = end_us + AGE_US;
}

static void put_owner(const struct daemon *d, const struct owner_count *o, bool is_full,
                      struct buf *out)
{
    struct owner_count sum = *o;
    /* Of others not even how many credentials they use. */
    for (const struct owner_count *p = o->hh.next; p && !is_full; p = p->hh.next)
        if (p->uid == o->uid) {
            sum.waiting += p->waiting;
            sum.running += p->running;
        }
    uint64_t n_left, n_given_up;
    engine_left_count(d->engine, o->uid, &n_left, &n_given_up);
    json_begin(out, NULL, '{');
    json_put_text(out, "user", o->user);
    json_put_uint(out, "uid", o->uid);
    json_put_uint(out, "waiting", sum.waiting);
    json_put_uint(out, "running", sum.running);
    view_credential(out, d, o->uid, is_full ? o->credential : NULL);
    json_put_uint(out, "left", is_full ? n_left : 0);
    json_put_uint(out, "given_up", is_full ? n_given_up : 0);
    json_end(out, '}');
}

static bool is_first_of_user(const struct owner_count *o)
{
    for (const struct owner_count *p = o->hh.prev; p; p = p->hh.prev)
        if (p->uid == o->uid)
            return false;
    return true;
}

void view_users(const struct connection *c, struct buf *out)
{
    const struct daemon *d = connection_daemon(c);
    count_owners(d);
    json_begin(out, "users", '[');
    for (const struct owner_count *o = counted.owners; o; o = o->hh.next) {
        enum sight sight = connection_sight(c, o->uid);
        if (sight == SIGHT_FULL || (sight == SIGHT_OUTSIDE && is_first_of_user(o)))
            put_owner(d, o, sight == SIGHT_FULL, out);
    }
    json_end(out, ']');
}

/* Words instead of numbers where a reader would have to look them up. False: not a field for
 * words. */
static bool put_words(struct buf *out, const struct event *ev, const char *name, enum sight sight)
{
    static const char *const outcomes[] = {"", "done", "failed", "requeue"};
    if (strcmp(name, "wish") == 0 && ev->wish < WISH_COUNT) {
        json_put_text(out, name, wish_name((enum wish)ev->wish));
    } else if (strcmp(name, "outcome") == 0 && ev->outcome < GW_COUNT(outcomes)) {
        json_put_text(out, name, outcomes[ev->outcome]);
    } else if (strcmp(name, "reason") == 0) { /* and blame and text, which it always comes with */
        view_reason(out, name, ev->reason, (enum blame)ev->blame,
                    sight == SIGHT_FULL ? ev->text : NULL);
    } else if (strcmp(name, "task") == 0 && ev->task == TASK_ALL) {
        json_put_null(out, name);
    } else if (strcmp(name, "task") == 0) {
        json_put_uint(out, name, ev->task);
        json_put_uint(out, "id", ev->job + ev->task);
    } else {
        return false;
    }
    return true;
}

static void put_field(struct buf *out, const struct event *ev, const struct event_field *f,
                      enum sight sight)
{
    const char *at = (const char *)ev + f->offset;
    if (put_words(out, ev, f->name, sight))
        return;
    switch (f->type) {
    case EVENT_S:
        json_put_text(out, f->name, *(const char *const *)at);
        break;
    case EVENT_I:
        json_put_int(out, f->name, *(const int64_t *)(const void *)at);
        break;
    case EVENT_U:
        json_put_uint(out, f->name, *(const uint64_t *)(const void *)at);
        break;
    }
}

static uint64_t mask_of(const char *const *names, size_t n_names)
{
    uint64_t mask = 0;
    size_t n;
    const struct event_field *fields = event_fields(&n);
    for (size_t i = 0; i < n; i++)
        for (size_t k = 0; k < n_names; k++)
            if (strcmp(fields[i].name, names[k]) == 0)
                mask |= UINT64_C(1) << (fields[i].id - 1);
    return mask;
}

/* Fields that no watcher is shown: what a submission's text is, and what stands in others. Those
 * who watch another one's job are shown only what is listed. */
static uint64_t shown_fields(enum sight sight)
{
    static const char *const hidden[] = {"source", "key", "blame", "text"};
    static const char *const open[] = {"job",     "task",   "attempt",   "tasks",  "array_id",
                                       "wish",    "user",   "uid",       "host",   "queue",
                                       "outcome", "reason", "exit_code", "signal", "flag"};
    static uint64_t full, outside;
    if (!full) {
        full = ~mask_of(hidden, GW_COUNT(hidden));
        outside = mask_of(open, GW_COUNT(open));
    }
    return sight == SIGHT_FULL ? full : outside;
}

void view_event(const struct event *ev, enum sight sight, struct buf *out)
{
    const struct event_kind_info *info = event_kind_info((unsigned)ev->kind);
    uint64_t shown = info->fields & shown_fields(sight);
    size_t n;
    const struct event_field *fields = event_fields(&n);
    json_begin(out, "event", '{');
    json_put_uint(out, "seq", ev->seq);
    json_put_seconds(out, "at", ev->at_us);
    json_put_text(out, "kind", info->name);
    for (size_t i = 0; i < n; i++)
        if (shown & UINT64_C(1) << (fields[i].id - 1))
            put_field(out, ev, &fields[i], sight);
    json_end(out, '}');
}
