/* Waiting for ends: `jobs`, then `watch` from the number after its seq; an event only says which
 * jobs to ask about again, so that whatever kinds of events a later daemon has, the end is what
 * `jobs` says. */
#include "client/client_private.h"
#include "lib/mem.h"

#include <stdlib.h>
#include <string.h>

struct waiting {
    uint64_t id;
    bool is_dirty; /* an event named it: ask */
    bool has_ended;
};

struct waiter {
    struct gw *gw;
    const struct gw_wait *w;
    struct waiting *items; /* by id, each once */
    size_t n, cap, n_ended;
    size_t *dirty; /* positions of the dirty items; room for all */
    size_t n_dirty;
    int64_t seq;   /* of the last event seen, or of the first listing */
    int64_t watch; /* id of the stream; 0: none is open */
    bool has_gap;  /* events after seq are no longer kept */
    int64_t deadline_ms;
};

static int by_id(const void *a, const void *b)
{
    uint64_t x = ((const struct waiting *)a)->id, y = ((const struct waiting *)b)->id;
    return x < y ? -1 : x > y;
}

/* Position of the first item with an id of at least `id`. */
static size_t lower_bound(const struct waiter *s, uint64_t id)
{
    size_t low = 0, high = s->n;
    while (low < high) {
        size_t mid = low + (high - low) / 2;
        if (s->items[mid].id < id)
            low = mid + 1;
        else
            high = mid;
    }
    return low;
}

static bool is_over(const struct waiter *s)
{
    return s->n_ended == s->n || (s->w->is_any && s->n_ended);
}

static void take_ended(struct waiter *s, const json_t *jobs)
{
    size_t i;
    json_t *job;
    json_array_foreach(jobs, i, job)
    {
        uint64_t id = (uint64_t)gw_int(job, "id", 0);
        size_t at = lower_bound(s, id);
        bool is_ours = at < s->n && s->items[at].id == id && !s->items[at].has_ended;
        if (!is_ours || !gw_job_has_ended(job))
            continue;
        s->items[at].has_ended = true;
        s->n_ended++;
        if (s->w->on_end)
            s->w->on_end(s->w->ctx, job);
        if (is_over(s))
            return;
    }
}

static void take_ids(struct waiter *s, const uint64_t *ids, size_t n)
{
    s->items = xcalloc(n, sizeof *s->items);
    s->dirty = xcalloc(n, sizeof *s->dirty);
    for (size_t i = 0; i < n; i++)
        s->items[i].id = ids[i];
    qsort(s->items, n, sizeof *s->items, by_id);
    for (size_t i = 0; i < n; i++)
        if (s->n == 0 || s->items[s->n - 1].id != s->items[i].id)
            s->items[s->n++] = s->items[i];
}

static void mark_at(struct waiter *s, size_t at)
{
    if (s->items[at].is_dirty)
        return;
    s->items[at].is_dirty = true;
    s->dirty[s->n_dirty++] = at;
}

static void mark_all(struct waiter *s)
{
    for (size_t i = 0; i < s->n; i++)
        mark_at(s, i);
}

static void mark(struct waiter *s, uint64_t id)
{
    size_t at = lower_bound(s, id);
    if (at < s->n && s->items[at].id == id)
        mark_at(s, at);
}

static int take_tasks(void *ctx, const json_t *jobs, const char *text, size_t len,
                      struct gw_err *err)
{
    struct waiter *s = ctx;
    size_t i, n = json_array_size(jobs);
    json_t *job;
    (void)text;
    (void)len;
    (void)err;
    if (s->n + n > s->cap) {
        s->cap = 2 * (s->n + n);
        s->items = xreallocarray(s->items, s->cap, sizeof *s->items);
        s->dirty = xreallocarray(s->dirty, s->cap, sizeof *s->dirty);
    }
    json_array_foreach(jobs, i, job)
    {
        uint64_t id = (uint64_t)gw_int(job, "id", 0);
        if (s->n && s->items[s->n - 1].id >= id)
            continue;
        s->items[s->n] = (struct waiting){.id = id};
        if (gw_job_has_ended(job))
            mark_at(s, s->n);
        s->n++;
    }
    return 0;
}

/* The tasks of an array: their ids, however many; more is asked only of those that have ended. */
static int list_array(struct waiter *s, struct gw_err *err)
{
    json_t *filter =
        json_pack("{sI s[ss]}", "array", (json_int_t)s->w->array, "fields", "id", "phase");
    const struct gw_listing l = {.filter = filter, .on_page = take_tasks, .ctx = s};
    int r = gw_list(s->gw, &l, &s->seq, err);
    json_decref(filter);
    if (r < 0) { /* half a list is none */
        free(s->items);
        s->items = NULL;
        s->n = s->n_dirty = 0;
    }
    return r;
}

static int take_page(void *ctx, const json_t *jobs, const char *text, size_t len,
                     struct gw_err *err)
{
    struct waiter *s = ctx;
    (void)text;
    (void)len;
    (void)err;
    if (!is_over(s))
        take_ended(s, jobs);
    return 0;
}

/* No more than on_end is promised: of a million tasks the rest is most of what there is to read. */
static json_t *add_fields(const struct waiter *s, json_t *filter)
{
    if (!s->w->is_whole)
        json_object_set_new(
            filter, "fields",
            json_pack("[ssssss]", "id", "phase", "ended", "exit_code", "signal", "reason"));
    return filter;
}

/* What to ask for: an array as a whole when most of it is dirty. NULL: nothing. */
static json_t *dirty_filter(struct waiter *s)
{
    bool is_whole = s->w->array && s->n_dirty > 1000 && s->n_dirty > s->n / 2;
    json_t *ids = json_array();
    for (size_t i = 0; i < s->n_dirty; i++) {
        struct waiting *item = &s->items[s->dirty[i]];
        if (!item->has_ended && !is_whole)
            json_array_append_new(ids, json_integer((json_int_t)item->id));
        item->is_dirty = false;
    }
    s->n_dirty = 0;
    if (is_whole) {
        json_decref(ids);
        return add_fields(s, json_pack("{sI}", "array", (json_int_t)s->w->array));
    }
    if (json_array_size(ids))
        return add_fields(s, json_pack("{so}", "ids", ids));
    json_decref(ids);
    return NULL;
}

/* Ask about those that are dirty. *ret_seq (may be NULL): they are all at least as of this event.
 */
static int ask_dirty(struct waiter *s, int64_t *ret_seq, struct gw_err *err)
{
    json_t *filter = dirty_filter(s);
    const struct gw_listing l = {.filter = filter, .on_page = take_page, .ctx = s};
    int r = filter ? gw_list(s->gw, &l, ret_seq, err) : 0;
    json_decref(filter);
    return r;
}

/* One event: which jobs have to be looked at. */
static void take_event(struct waiter *s, const json_t *event)
{
    int64_t seq = gw_int(event, "seq", 0), id = gw_int(event, "id", 0);
    if (seq > s->seq)
        s->seq = seq;
    if (s->w->on_event)
        s->w->on_event(s->w->ctx, event);
    if (id > 0)
        mark(s, (uint64_t)id);
    else
        mark_all(s);
}

static int start_watch(struct waiter *s, int64_t from, struct gw_err *err)
{
    enum { NAMED_MAX = 100000 }; /* of more than these all events are read: a request has a limit */
    json_t *fields = json_pack("{sI}", "from", (json_int_t)from);
    if (s->w->array) {
        json_object_set_new(fields, "array", json_integer((json_int_t)s->w->array));
    } else if (s->n <= NAMED_MAX) {
        json_t *ids = json_array();
        for (size_t i = 0; i < s->n; i++)
            json_array_append_new(ids, json_integer((json_int_t)s->items[i].id));
        json_object_set_new(fields, "ids", ids);
    }
    int64_t id = gw_start(s->gw, "watch", fields, err);
    if (id < 0)
        return (int)id;
    int r = gw_answer(s->gw, id, NULL, err);
    s->watch = r < 0 ? 0 : id;
    s->has_gap = r == -GW_ENOENT;
    return r;
}

/* A connection has few of them. A daemon that does not answer that is lost, and is not waited for
 * as long as for an answer that matters. */
static void stop_watch(struct waiter *s)
{
    enum { PATIENCE_MS = 1000 };
    struct gw *gw = s->gw;
    struct gw_err err;
    json_t *line;
    if (!s->watch || gw->fd < 0)
        return;
    int64_t id = gw_start(gw, "unwatch", json_pack("{sI}", "watch", (json_int_t)s->watch), &err);
    int r = id < 0 ? -1 : gw_next(gw, id, PATIENCE_MS, &line, &err);
    if (r == 0)
        connection_drop(gw);
    if (r <= 0)
        return;
    json_decref(line);
    while (gw_next(gw, s->watch, 0, &line, &err) > 0)
        json_decref(line); /* came before the answer */
}

/* Take one event: 1, 0 at the time limit, or a negative code. */
static int next_event(struct waiter *s, int64_t timeout_ms, struct gw_err *err)
{
    json_t *line;
    int r = gw_next(s->gw, s->watch, timeout_ms, &line, err);
    s->has_gap = r == -GW_ENOENT;
    if (r < 0)
        s->watch = 0;
    if (r > 0) {
        take_event(s, gw_object(line, "event"));
        json_decref(line);
    }
    return r;
}

/* All events that are there already: one question then serves them all. */
static int drain_events(struct waiter *s, struct gw_err *err)
{
    int r;
    while ((r = next_event(s, 0, err)) > 0)
        ;
    return r;
}

static int64_t left_ms(const struct waiter *s)
{
    if (s->deadline_ms == INT64_MAX)
        return -1;
    int64_t left = s->deadline_ms - client_now_ms();
    return left > 0 ? left : 0;
}

/* Until it is over, or an error. */
static int follow(struct waiter *s, struct gw_err *err)
{
    while (!is_over(s)) {
        int r = next_event(s, left_ms(s), err);
        if (r == 0)
            return gw_err_set(err, GW_ETIMEDOUT, "%zu of %zu jobs have not ended in time",
                              s->n - s->n_ended, s->n);
        if (r > 0)
            r = drain_events(s, err);
        if (r == 0)
            r = ask_dirty(s, NULL, err);
        if (r < 0)
            return r;
    }
    return 0;
}

/* The first look. */
static int begin(struct waiter *s, struct gw_err *err)
{
    if (s->w->n == 0) {
        int r = list_array(s, err);
        return r < 0 ? r : ask_dirty(s, NULL, err);
    }
    take_ids(s, s->w->ids, s->w->n);
    mark_all(s);
    return ask_dirty(s, &s->seq, err);
}

/* Watch from the last event that is known. When the daemon keeps it no more, the state of all jobs
 * is asked for and the watch begins there. */
static int watch_and_follow(struct waiter *s, struct gw_err *err)
{
    int r = start_watch(s, s->seq + 1, err);
    if (r == 0)
        r = follow(s, err);
    while (r < 0 && s->has_gap) {
        s->has_gap = false;
        mark_all(s);
        r = ask_dirty(s, &s->seq, err);
        if (r == 0 && !is_over(s))
            r = start_watch(s, s->seq + 1, err);
        if (r == 0)
            r = follow(s, err);
    }
    return r;
}

/* Connect again after a loss. */
static int come_back(struct waiter *s, struct gw_err *err)
{
    int64_t patience = s->w->patience_ms, left = left_ms(s);
    if (s->w->on_lost)
        s->w->on_lost(s->w->ctx, err->text);
    int r = gw_reconnect(s->gw, left >= 0 && left < patience ? left : patience, err);
    if (r < 0 && left_ms(s) == 0)
        return gw_err_set(err, GW_ETIMEDOUT, "the time is over and gwd does not answer");
    if (r == 0 && s->w->on_back)
        s->w->on_back(s->w->ctx);
    return r;
}

static bool is_lost(const struct waiter *s, int r)
{
    return s->gw->fd < 0 && (r == -GW_EUNAVAIL || r == -GW_ETIMEDOUT);
}

int gw_wait(struct gw *gw, const struct gw_wait *w, struct gw_err *err)
{
    struct waiter s = {.gw = gw, .w = w, .deadline_ms = client_deadline(w->timeout_ms)};
    struct gw_err why = {0};
    int r = begin(&s, &why);
    bool is_known = s.items != NULL;
    if (w->from > 0 && w->from <= s.seq)
        s.seq = w->from - 1;
    if (r == 0 && !is_over(&s))
        r = watch_and_follow(&s, &why);
    while (is_known && is_lost(&s, r) && w->patience_ms > 0) {
        r = come_back(&s, &why);
        if (r < 0)
            break;
        /* All that ended meanwhile, then on from the last event seen. */
        mark_all(&s);
        r = ask_dirty(&s, NULL, &why);
        if (r == 0 && !is_over(&s))
            r = watch_and_follow(&s, &why);
    }
    stop_watch(&s);
    free(s.items);
    free(s.dirty);
    return r < 0 ? gw_err_set(err, (enum gw_errc)why.code, "%s", why.text) : 0;
}
