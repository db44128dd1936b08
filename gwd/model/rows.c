#include "gwd/model/rows.h"

#include "gwd/model/jobspec.h"
#include "gwd/model/state_private.h"
#include "lib/mem.h"

#include <assert.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

/* --- what has changed --- */

static void list_push(struct row_list *l, uint64_t item)
{
    if (l->n == l->cap) {
        l->cap = l->cap ? l->cap + l->cap / 2 : 64;
        l->items = xreallocarray(l->items, l->cap, sizeof *l->items);
    }
    l->items[l->n++] = item;
}

/* What was taken goes; a list that was long once does not stay so. */
static void list_settle(struct row_list *l)
{
    l->n -= l->at;
    if (l->n)
        memmove(l->items, l->items + l->at, l->n * sizeof *l->items);
    l->at = 0;
    if (l->cap > 4096 && l->n < l->cap / 4) {
        l->cap = l->n + 64;
        l->items = xreallocarray(l->items, l->cap, sizeof *l->items);
    }
}

void rows_clear(struct state *s)
{
    struct row_list *lists[] = {&s->rows.marked, &s->rows.gone, &s->rows.gone_specs};
    if (s->loading) {
        for (size_t i = 0; i < s->loading->n_specs; i++)
            jobspec_release(s, s->loading->specs[i].spec);
        struct row_phantom *p, *tmp;
        HASH_ITER (hh, s->loading->phantoms, p, tmp) {
            HASH_DEL(s->loading->phantoms, p);
            free(p);
        }
        free(s->loading->specs);
        free(s->loading);
    }
    for (size_t i = 0; i < GW_COUNT(lists); i++)
        free(lists[i]->items);
    s->rows = (struct row_changes){0};
    s->loading = NULL;
}

static void mark_job(struct state *s, struct job *j)
{
    if (s->rows.are_tracked && !j->is_marked) {
        list_push(&s->rows.marked, 2 * j->id);
        j->is_marked = true;
    }
}

static void mark_task(struct state *s, const struct job *j, struct task *t)
{
    if (s->rows.are_tracked && !t->is_marked) {
        list_push(&s->rows.marked, 2 * (j->id + t->index) + 1);
        t->is_marked = true;
    }
}

void rows_changed(struct state *s, struct job *j, struct task *t, const struct event *ev)
{
    if (s->loading && s->loading->is_in_rows)
        return;
    if (t && j->tasks > 1) {
        t->seq = ev->seq;
        mark_task(s, j, t);
    } else {
        j->seq = ev->seq;
        mark_job(s, j);
    }
}

void rows_forget(struct state *s, const struct job *j)
{
    struct row_list *gone = &s->rows.gone;
    uint64_t from = 2 * j->id, end = 2 * (j->id + j->tasks);
    if (!s->rows.are_tracked || !j->is_stored)
        return;
    /* Neighbours go together. */
    if (gone->n > gone->at && gone->items[gone->n - 1] == from) {
        gone->items[gone->n - 1] = end;
        return;
    }
    list_push(gone, from);
    list_push(gone, end);
}

void rows_forget_spec(struct state *s, const struct job_spec *spec)
{
    if (s->rows.are_tracked && spec->is_stored)
        list_push(&s->rows.gone_specs, spec->id);
}

void rows_track(struct state *s)
{
    s->rows.are_tracked = true;
    size_t it = 0;
    for (struct job *j; (j = state_next_job(s, &it));) {
        mark_job(s, j);
        size_t task_it = 0;
        for (struct task *t; j->tasks > 1 && (t = job_next_task(j, &task_it));)
            mark_task(s, j, t);
    }
}

/* --- what all tasks of an array have in common, as it was at the heads --- */

struct job_version {
    uint64_t seq; /* true from this event on */
    int64_t rest_ended_us;
    uint8_t wish;
    bool is_rest_ended;
};

/* As of the head that is written (or of the submission, when that is later), of the round under
 * way, and now; those that are the same are there once. */
struct job_versions {
    unsigned n;
    struct job_version v[3];
};

static struct job_version version_now(const struct job *j)
{
    return (struct job_version){j->seq, j->rest_ended_us, j->wish, j->is_rest_ended};
}

void rows_before_all(struct state *s, struct job *j)
{
    if (!s->rows.are_tracked || j->tasks == 1 || j->versions)
        return;
    j->versions = xcalloc(1, sizeof *j->versions);
    j->versions->v[j->versions->n++] = version_now(j);
}

static void versions_settle(const struct state *s, struct job_versions *v)
{
    while (v->n > 1 && v->v[1].seq <= s->rows.done) {
        v->n--;
        memmove(&v->v[0], &v->v[1], v->n * sizeof v->v[0]);
    }
}

void rows_after_all(struct state *s, struct job *j, const struct event *ev)
{
    rows_changed(s, j, NULL, ev);
    struct job_versions *v = j->versions;
    if (!v)
        return;
    versions_settle(s, v);
    uint64_t last_head = s->rows.round ? s->rows.round : s->rows.done;
    if (v->n == 1 || v->v[v->n - 1].seq <= last_head)
        v->n++;
    assert(v->n <= GW_COUNT(v->v));
    v->v[v->n - 1] = version_now(j);
}

/* --- rows --- */

static void put(void *ctx, const struct event *ev)
{
    event_encode(ev, ctx);
}

void rows_encode_spec(const struct job_spec *spec, uint64_t number, struct buf *out)
{
    struct event ev = {.kind = EV_CK_SPEC,
                       .spec = number,
                       .source = spec->source,
                       .file = spec->file,
                       .home = spec->home,
                       .user = spec->owner.user,
                       .uid = spec->owner.uid,
                       .gid = spec->owner.gid,
                       .credential = spec->owner.credential,
                       .project = spec->owner.project};
    event_encode(&ev, out);
}

static void encode_job(const struct job *j, const struct job_version *v, uint64_t spec,
                       struct buf *out)
{
    struct event ev = {.kind = EV_CK_JOB,
                       .at_us = j->submitted_us,
                       .job = j->id,
                       .tasks = j->tasks,
                       .array_id = j->array_id,
                       .array_start = j->array_start,
                       .array_increment = j->array_increment,
                       .spec = spec,
                       .key = job_key(j),
                       .priority = j->priority,
                       .wish = v->wish,
                       .flag = v->is_rest_ended,
                       .ended_us = v->rest_ended_us,
                       .row_seq = v->seq};
    event_encode(&ev, out);
}

void rows_encode_task(const struct job *j, const struct task *t, struct buf *out)
{
    checkpoint_dump_task(j, t, put, out);
    checkpoint_dump_rest(j, t, put, out);
}

void rows_encode_job(const struct job *j, uint64_t spec, struct buf *out)
{
    struct job_version now = version_now(j);
    encode_job(j, &now, spec, out);
    if (j->tasks == 1 && j->first)
        rows_encode_task(j, j->first, out);
}

static void encode_row_of_job(struct state *s, struct job *j, struct buf *out)
{
    struct job_version now = version_now(j);
    struct job_versions *v = j->versions;
    if (v)
        versions_settle(s, v);
    encode_job(j, v ? &v->v[0] : &now, j->spec->id, out);
    for (unsigned i = 1; v && i < v->n && v->v[i].seq <= s->rows.round; i++) {
        struct event ev = {.kind = EV_CK_ALL,
                           .job = j->id,
                           .wish = v->v[i].wish,
                           .flag = v->v[i].is_rest_ended,
                           .ended_us = v->v[i].rest_ended_us,
                           .row_seq = v->v[i].seq};
        event_encode(&ev, out);
    }
    if (j->tasks == 1 && j->first)
        rows_encode_task(j, j->first, out);
}

/* --- a round --- */

void rows_round_begin(struct state *s, struct buf *head)
{
    checkpoint_dump_head(s, put, head);
    checkpoint_dump_sites(s, put, head);
    s->rows.round = s->seq;
    s->rows.n_round = s->rows.marked.n;
}

static bool next_marked(struct state *s, struct row *ret, struct buf *data)
{
    struct row_list *l = &s->rows.marked;
    for (; l->at < s->rows.n_round; l->at++) {
        uint64_t key = l->items[l->at];
        struct job *j = state_job_of(s, key / 2);
        if (!j)
            continue; /* forgotten meanwhile */
        if (!j->spec->is_stored) {
            rows_encode_spec(j->spec, j->spec->id, data);
            j->spec->is_stored = true;
            *ret = (struct row){.kind = ROW_SPEC, .key = j->spec->id, .is_new = true};
            return true; /* and the same key again */
        }
        *ret = (struct row){.kind = ROW_PUT, .key = key};
        if (key % 2 == 0) {
            encode_row_of_job(s, j, data);
            ret->is_new = !j->is_stored;
            j->is_stored = true;
            j->is_marked = false;
            /* What it did not say for being newer than the round is for the next one. */
            if (j->versions && j->versions->v[j->versions->n - 1].seq > s->rows.round &&
                j->versions->n > 1)
                mark_job(s, j);
        } else {
            struct task *t = job_task(j, key / 2 - j->id);
            rows_encode_task(j, t, data);
            ret->is_new = !t->is_stored;
            t->is_stored = true;
            t->is_marked = false;
        }
        l->at++;
        return true;
    }
    return false;
}

bool rows_next(struct state *s, struct row *ret, struct buf *data)
{
    struct row_list *gone = &s->rows.gone, *specs = &s->rows.gone_specs;
    if (next_marked(s, ret, data))
        return true;
    /* All that is forgotten by now, and not by the round's beginning: of a job that was forgotten
     * since, not all rows are written. */
    if (gone->at < gone->n) {
        *ret = (struct row){
            .kind = ROW_DROP, .key = gone->items[gone->at], .end = gone->items[gone->at + 1]};
        gone->at += 2;
        return true;
    }
    if (specs->at < specs->n) {
        *ret = (struct row){.kind = ROW_DROP_SPEC, .key = specs->items[specs->at++]};
        return true;
    }
    return false;
}

void rows_round_end(struct state *s)
{
    s->rows.done = s->rows.round;
    s->rows.round = 0;
    list_settle(&s->rows.marked);
    list_settle(&s->rows.gone);
    list_settle(&s->rows.gone_specs);
}

/* --- loading --- */

static int refuse(struct gw_err *err, const char *why)
{
    return gw_err_set(err, GW_ECORRUPT, "%s", why);
}

struct job_spec *rows_spec(const struct state *s, uint64_t id)
{
    const struct row_loading *l = s->loading;
    size_t low = 0, high = l ? l->n_specs : 0;
    while (low < high) {
        size_t mid = low + (high - low) / 2;
        if (l->specs[mid].id == id)
            return l->specs[mid].spec;
        if (l->specs[mid].id < id)
            low = mid + 1;
        else
            high = mid;
    }
    return NULL;
}

int rows_apply_spec(struct state *s, const struct event *ev, struct gw_err *err)
{
    struct row_loading *l = s->loading;
    struct job_spec *spec;
    if (!l || !ev->spec || (l->n_specs && ev->spec <= l->specs[l->n_specs - 1].id) || !ev->source ||
        !ev->user || !ev->home || ev->home[0] != '/')
        return refuse(err, "what equal jobs share is impossible");
    int r = jobspec_take(s, ev, &spec, err);
    if (r < 0)
        return r;
    if (l->n_specs % 64 == 0)
        l->specs = xreallocarray(l->specs, l->n_specs + 64, sizeof *l->specs);
    l->specs[l->n_specs].id = ev->spec;
    l->specs[l->n_specs++].spec = spec;
    /* One that was given up and came again: the older has only jobs that are forgotten. */
    if (spec->is_stored)
        rows_forget_spec(s, spec);
    spec->id = ev->spec;
    spec->is_stored = true;
    s->next_spec = ev->spec + 1;
    return 0;
}

int rows_apply_all(struct state *s, const struct event *ev, struct gw_err *err)
{
    struct job *j = state_job(s, ev->job);
    if (!s->loading || !j || j->n_touched || ev->wish >= WISH_COUNT)
        return refuse(err, "a change of all tasks is impossible");
    if (ev->row_seq > s->rows.done)
        return 0; /* its round was cut off: the events will say so */
    j->wish = (uint8_t)ev->wish;
    j->seq = ev->row_seq;
    if (ev->flag && !j->is_rest_ended) {
        j->is_rest_ended = true;
        j->rest_ended_us = ev->ended_us;
        state_count(s, j, j->tasks, PHASE_PENDING, PHASE_FAILED);
    }
    state_requeue(s, j);
    return 0;
}

/* Apply the events of one row; they have no numbers. */
static int load_events(struct state *s, const void *data, size_t len,
                       bool (*fits)(const struct event *ev, uint64_t key), uint64_t key,
                       struct gw_err *err)
{
    struct row_loading *l = s->loading;
    const char *p = data, *end = p + len;
    struct event_arena arena = {0};
    int r = 0;
    l->is_in_rows = true;
    while (r == 0 && p < end) {
        struct event ev;
        long used = event_decode(p, (size_t)(end - p), &ev, &arena, err);
        if (used < 0) {
            r = (int)used;
        } else if (fits && !fits(&ev, key)) {
            r = refuse(err, "it is another one's");
        } else {
            s->is_loading = ev.kind >= EV_CK_STATE;
            r = state_apply(s, &ev, err);
            p += used;
        }
        event_arena_reset(&arena);
    }
    event_arena_clear(&arena);
    l->is_in_rows = s->is_loading = false;
    return r;
}

int rows_load_head(struct state *s, const void *data, size_t len, struct gw_err *err)
{
    s->loading = xcalloc(1, sizeof *s->loading);
    s->rows.are_tracked = true;
    int r = load_events(s, data, len, NULL, 0, err);
    if (r == 0 && !s->instance)
        r = refuse(err, "it has no instance");
    s->rows.done = s->seq;
    return r;
}

static bool spec_fits(const struct event *ev, uint64_t key)
{
    return ev->kind == EV_CK_SPEC && ev->spec == key;
}

int rows_load_spec(struct state *s, uint64_t key, const void *data, size_t len, struct gw_err *err)
{
    return load_events(s, data, len, spec_fits, key, err);
}

static bool job_fits(const struct event *ev, uint64_t key)
{
    return ev->kind != EV_CK_STATE && ev->kind != EV_CK_SPEC && ev->kind != EV_CK_END &&
           2 * ev->job == key && ev->task == 0;
}

static bool task_fits(const struct event *ev, uint64_t key)
{
    return (ev->kind == EV_CK_TASK || ev->kind == EV_CK_ATTEMPT || ev->kind == EV_VM_CHANGED ||
            ev->kind == EV_REQUESTED) &&
           2 * (ev->job + ev->task) + 1 == key;
}

static void phantom_add(struct row_loading *l, uint64_t job)
{
    struct row_phantom *p;
    HASH_FIND(hh, l->phantoms, &job, sizeof job, p);
    if (p)
        return;
    p = xcalloc(1, sizeof *p);
    p->job = job;
    HASH_ADD(hh, l->phantoms, job, sizeof p->job, p);
}

/* Rows of a forgotten array are removed from the first on, some at a time. Of one whose own row is
 * gone the rest goes now; that it is forgotten is checked as for any job without a row. */
static int load_left(struct state *s, uint64_t key, const void *data, size_t len,
                     struct gw_err *err)
{
    struct row_loading *l = s->loading;
    struct row_list *gone = &s->rows.gone;
    struct event_arena arena = {0};
    struct event ev;
    long used = event_decode(data, len, &ev, &arena, err);
    int r = used < 0 ? (int)used : task_fits(&ev, key) ? 0 : refuse(err, "it is another one's");
    event_arena_clear(&arena);
    if (r < 0)
        return r;
    if (l->last_left == ev.job) {
        gone->items[gone->n - 1] = key + 1;
    } else {
        list_push(gone, key);
        list_push(gone, key + 1);
    }
    l->last_left = ev.job;
    l->rows_end = key / 2 + 1;
    phantom_add(l, ev.job);
    return 0;
}

int rows_load(struct state *s, uint64_t key, const void *data, size_t len, struct gw_err *err)
{
    if (key % 2 && !state_job_of(s, key / 2))
        return load_left(s, key, data, len, err);
    int r = load_events(s, data, len, key % 2 ? task_fits : job_fits, key, err);
    struct job *j = r == 0 ? state_job_of(s, key / 2) : NULL;
    struct task *t = j && key % 2 ? job_task(j, key / 2 - j->id) : NULL;
    if (r == 0 && (!j || (key % 2 && !t)))
        r = refuse(err, "it has nothing in it");
    if (r < 0)
        return r;
    if (t)
        t->is_stored = true;
    else
        j->is_stored = true;
    s->loading->rows_end = j->id + j->tasks;
    return 0;
}

/* --- the events after the head --- */

static void phantom_remove(struct row_loading *l, uint64_t job)
{
    struct row_phantom *p;
    HASH_FIND(hh, l->phantoms, &job, sizeof job, p);
    if (!p)
        return;
    HASH_DEL(l->phantoms, p);
    free(p);
}

/* Does a row know the event already, or is it of a job that has none any more? */
static bool is_known(struct state *s, const struct event *ev)
{
    struct row_loading *l = s->loading;
    struct job *j = state_job(s, ev->job);
    if (ev->kind == EV_JOB_SUBMITTED) {
        if (!j && ev->job >= l->rows_end)
            return false;
        if (!j)
            phantom_add(l, ev->job);
        s->next_job = ev->job + ev->tasks;
        if (ev->array_id)
            s->next_array = ev->array_id + 1;
        return true;
    }
    if (!j) {
        if (ev->kind == EV_JOB_FORGOTTEN)
            phantom_remove(l, ev->job);
        else
            phantom_add(l, ev->job);
        return true;
    }
    if (ev->kind == EV_JOB_FORGOTTEN)
        return false;
    if (j->tasks == 1)
        return ev->seq <= j->seq;
    struct task *t = ev->task == TASK_ALL ? NULL : job_task(j, ev->task);
    return t && ev->seq <= t->seq;
}

/* Loading rows has counted the ids that they have; the events go on from the head's. */
static void begin_replay(struct state *s)
{
    if (s->loading->is_replaying)
        return;
    s->loading->is_replaying = true;
    s->next_job = s->ck_next_job;
}

int rows_replay(struct state *s, const struct event *ev, struct gw_err *err)
{
    if (s->loading)
        begin_replay(s);
    if (!s->loading || !ev->job || ev->kind >= EV_CK_STATE || !is_known(s, ev))
        return state_apply(s, ev, err);
    s->seq = ev->seq;
    return 0;
}

int rows_load_end(struct state *s, struct gw_err *err)
{
    struct row_loading *l = s->loading;
    if (!l)
        return 0;
    begin_replay(s);
    if (l->phantoms)
        return gw_err_set(err, GW_ECORRUPT,
                          "job %" PRIu64 " has events but no row, and was not forgotten",
                          l->phantoms->job);
    if (s->next_job < l->rows_end)
        return gw_err_set(err, GW_ECORRUPT,
                          "the submission of the job before %" PRIu64
                          " is missing, though there is a row of it",
                          l->rows_end);
    if (l->n_doubles)
        return refuse(err, "two jobs have one submission key");
    for (size_t i = 0; i < l->n_specs; i++)
        jobspec_release(s, l->specs[i].spec);
    free(l->specs);
    free(l);
    s->loading = NULL;
    return 0;
}
