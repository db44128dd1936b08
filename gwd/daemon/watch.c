/* Events for those who watch: from a number on, and miss nothing. What is older than the journal
 * keeps is refused by name, not skipped.
 *
 * An event is put into words once, whoever watches. Those who watch all events with one request id
 * (which is most of them) are sent the very same bytes; those who watch some jobs are found by the
 * job, so that an event costs nothing to whom it does not concern. */
#include "gwd/daemon/daemon.h"
#include "lib/json_write.h"
#include "lib/mem.h"

#include <stdlib.h>
#include <string.h>
#include <utlist.h>

/* One watch's interest in one job record. */
struct interest {
    struct watch *watch;
    struct watched *job;
    bool is_whole;                /* in all tasks; else in those of watch->ids */
    struct interest *prev, *next; /* of the same job */
    struct interest *next_own;    /* of the same watch */
};

struct watched {
    uint64_t job; /* first id */
    struct interest *interests;
    UT_hash_handle hh;
};

struct watch {
    struct connection *connection;
    json_int_t id;
    uint64_t *ids; /* sorted */
    size_t n_ids;
    uint64_t array_id;
    bool has_filter;
    struct interest *interests;
    uint64_t after;            /* only events with a greater number */
    struct watch *prev, *next; /* in daemon->watches, or daemon->filtered */
};

static int by_id(const void *a, const void *b)
{
    uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;
    return x < y ? -1 : x > y;
}

/* --- whom an event concerns --- */

static bool is_of_record(const struct event *ev)
{
    return ev->task == TASK_ALL || ev->kind == EV_JOB_SUBMITTED || ev->kind == EV_JOB_FORGOTTEN;
}

static bool has_id(const struct watch *w, uint64_t id)
{
    return bsearch(&id, w->ids, w->n_ids, sizeof *w->ids, by_id) != NULL;
}

/* The first watched id of at least `id`, or UINT64_MAX. */
static uint64_t id_from(const struct watch *w, uint64_t id)
{
    size_t low = 0, high = w->n_ids;
    while (low < high) {
        size_t mid = low + (high - low) / 2;
        if (w->ids[mid] < id)
            low = mid + 1;
        else
            high = mid;
    }
    return low < w->n_ids ? w->ids[low] : UINT64_MAX;
}

/* For an event of the past, whose job may be forgotten meanwhile. */
static bool concerns(struct daemon *d, const struct watch *w, const struct event *ev)
{
    if (!w->has_filter)
        return true;
    if (ev->job == 0)
        return false;
    struct job *j = state_job(engine_state(d->engine), ev->job);
    if (w->array_id && j && j->array_id == w->array_id)
        return true;
    if (!is_of_record(ev))
        return has_id(w, ev->job + ev->task);
    return id_from(w, ev->job) <= (j ? ev->job + j->tasks - 1 : ev->job);
}

/* --- adding and removing --- */

static void interest_add(struct daemon *d, struct watch *w, uint64_t job, bool is_whole)
{
    struct watched *at;
    HASH_FIND(hh, d->watched, &job, sizeof job, at);
    if (!at) {
        at = xcalloc(1, sizeof *at);
        at->job = job;
        HASH_ADD(hh, d->watched, job, sizeof at->job, at);
    }
    struct interest *i = xcalloc(1, sizeof *i);
    *i = (struct interest){.watch = w, .job = at, .is_whole = is_whole};
    DL_APPEND(at->interests, i);
    LL_PREPEND2(w->interests, i, next_own);
}

/* Jobs that are not in the state have no events to come. */
static void interests_add(struct daemon *d, struct watch *w)
{
    const struct state *s = engine_state(d->engine);
    struct job *last = NULL;
    for (size_t i = 0; i < w->n_ids; i++) {
        struct job *j = state_job_of(s, w->ids[i]);
        if (j && j != last)
            interest_add(d, w, j->id, j->tasks == 1);
        last = j ? j : last;
    }
    struct job *array = w->array_id ? state_array(s, w->array_id) : NULL;
    if (array)
        interest_add(d, w, array->id, true);
}

static void destroy(struct daemon *d, struct watch *w)
{
    struct interest *i, *tmp;
    LL_FOREACH_SAFE2(w->interests, i, tmp, next_own)
    {
        DL_DELETE(i->job->interests, i);
        if (!i->job->interests) {
            HASH_DELETE(hh, d->watched, i->job);
            free(i->job);
        }
        free(i);
    }
    if (w->has_filter)
        DL_DELETE(d->filtered, w);
    else
        DL_DELETE(d->watches, w);
    free(w->ids);
    free(w);
}

static struct watch *create(struct connection *c, json_int_t id, json_t *request)
{
    struct daemon *d = connection_daemon(c);
    json_t *ids = json_object_get(request, "ids");
    struct watch *w = xcalloc(1, sizeof *w);
    w->connection = c;
    w->id = id;
    w->n_ids = json_array_size(ids);
    w->ids = xcalloc(w->n_ids, sizeof *w->ids);
    for (size_t i = 0; i < w->n_ids; i++)
        w->ids[i] = (uint64_t)json_integer_value(json_array_get(ids, i));
    qsort(w->ids, w->n_ids, sizeof *w->ids, by_id);
    w->array_id = (uint64_t)json_integer_value(json_object_get(request, "array"));
    w->has_filter = ids || w->array_id;
    w->after = engine_state(d->engine)->seq;
    interests_add(d, w);
    if (w->has_filter)
        DL_APPEND(d->filtered, w);
    else
        DL_APPEND(d->watches, w);
    connection_has_streams(c, true);
    return w;
}

/* --- the past --- */

/* `event` is the member, as view_event() makes it. */
static void put_line(struct buf *out, json_int_t id, const char *event, size_t len)
{
    json_begin(out, NULL, '{');
    json_put_int(out, "id", id);
    buf_putc(out, ',');
    buf_put(out, event, len);
    buf_putc(out, '}');
}

struct past {
    struct daemon *daemon;
    struct watch *watch;
    struct buf event;
};

static bool show_past(void *ctx, const struct event *ev)
{
    struct past *p = ctx;
    struct watch *w = p->watch;
    if (ev->seq <= w->after || !concerns(p->daemon, w, ev))
        return true;
    w->after = ev->seq;
    buf_reset(&p->event);
    view_event(ev, &p->event);
    put_line(connection_line(w->connection), w->id, p->event.data, p->event.len);
    connection_line_end(w->connection);
    return true;
}

/* Old events first, from the journal; then all new ones. */
static int catch_up(struct daemon *d, struct watch *w, uint64_t from, uint64_t *ret_oldest,
                    struct gw_err *err)
{
    struct past past = {d, w, BUF_INIT};
    uint64_t last = engine_state(d->engine)->seq;
    w->after = from ? from - 1 : 0;
    int r = from > last ? 0 : store_read(d->store, from, show_past, &past, ret_oldest, err);
    if (w->after < last)
        w->after = last;
    buf_clear(&past.event);
    return r;
}

void watch_add(struct connection *c, json_int_t id, json_t *request)
{
    struct daemon *d = connection_daemon(c);
    json_t *from = json_object_get(request, "from");
    turn_end(
        d); /* what is stepped but not yet on disk must not be missed between past and future */
    struct watch *w = create(c, id, request);
    json_put_uint(connection_answer(c, id), "seq", w->after);
    connection_answer_end(c);
    uint64_t oldest = 0;
    struct gw_err err;
    if (from && catch_up(d, w, (uint64_t)json_integer_value(from), &oldest, &err) < 0) {
        connection_send(c, json_pack("{sI sb sI s{ss ss}}", "id", id, "ok", 0, "oldest",
                                     (json_int_t)oldest, "error", "code",
                                     gw_errc_name((enum gw_errc)err.code), "message", err.text));
        destroy(d, w);
    }
}

static void remove_from(struct daemon *d, struct watch *list, const struct connection *c,
                        json_int_t id)
{
    struct watch *w, *tmp;
    DL_FOREACH_SAFE(list, w, tmp)
    {
        if (w->connection == c && (!id || w->id == id))
            destroy(d, w);
    }
}

void watch_remove(struct connection *c, json_int_t id)
{
    struct daemon *d = connection_daemon(c);
    if (id) {
        remove_from(d, d->watches, c, id);
        remove_from(d, d->filtered, c, id);
    }
}

void watch_gone(struct daemon *d, const struct connection *c)
{
    remove_from(d, d->watches, c, 0);
    remove_from(d, d->filtered, c, 0);
}

/* --- a turn's events --- */

/* What one who watches with this id is sent of a turn, if he watches all and from its first event
 * on. */
struct rendered {
    json_int_t id;
    struct shared_text *text;
    UT_hash_handle hh;
};

struct event_text {
    uint64_t seq;
    size_t at, len; /* in turn.text */
};

struct turn {
    struct daemon *daemon;
    struct buf text;
    struct event_text *events;
    size_t n, cap;
    struct rendered *rendered;
};

static void put_events(const struct turn *t, json_int_t id, uint64_t after, struct buf *out)
{
    for (size_t i = 0; i < t->n; i++) {
        if (t->events[i].seq <= after)
            continue;
        put_line(out, id, t->text.data + t->events[i].at, t->events[i].len);
        buf_putc(out, '\n');
    }
}

static struct shared_text *render(struct turn *t, json_int_t id, uint64_t after)
{
    struct buf lines = BUF_INIT;
    put_events(t, id, after, &lines);
    struct shared_text *text = shared_text_create(&lines);
    buf_clear(&lines);
    return text;
}

static struct shared_text *rendered_for(struct turn *t, json_int_t id)
{
    struct rendered *r;
    HASH_FIND(hh, t->rendered, &id, sizeof id, r);
    if (!r) {
        r = xcalloc(1, sizeof *r);
        r->id = id;
        r->text = render(t, id, 0);
        HASH_ADD(hh, t->rendered, id, sizeof r->id, r);
    }
    return r->text;
}

/* To all who watch everything. */
static void send_all(struct turn *t)
{
    struct watch *w, *tmp;
    uint64_t first = t->n ? t->events[0].seq : 0, last = t->n ? t->events[t->n - 1].seq : 0;
    DL_FOREACH_SAFE(t->daemon->watches, w, tmp)
    {
        if (w->after >= last)
            continue;
        if (w->after < first) {
            connection_send_shared(w->connection, rendered_for(t, w->id));
        } else {
            struct shared_text *text = render(t, w->id, w->after);
            connection_send_shared(w->connection, text);
            shared_text_release(text);
        }
        w->after = last;
    }
}

/* To those who watch its job. */
static void send_some(struct turn *t, const struct event *ev, const struct event_text *at)
{
    struct watched *job;
    struct interest *i;
    HASH_FIND(hh, t->daemon->watched, &ev->job, sizeof ev->job, job);
    DL_FOREACH (job ? job->interests : NULL, i) {
        struct watch *w = i->watch;
        if (ev->seq <= w->after ||
            !(i->is_whole || is_of_record(ev) || has_id(w, ev->job + ev->task)))
            continue;
        w->after = ev->seq;
        put_line(connection_line(w->connection), w->id, t->text.data + at->at, at->len);
        connection_line_end(w->connection);
    }
}

static void take_event(struct turn *t, const struct event *ev)
{
    struct event_text at = {.seq = ev->seq, .at = t->text.len};
    buf_putc(&t->text, '\n'); /* so that it begins without a comma */
    at.at++;
    view_event(ev, &t->text);
    at.len = t->text.len - at.at;
    if (t->n == t->cap) {
        t->cap = t->cap ? 2 * t->cap : 64;
        t->events = xreallocarray(t->events, t->cap, sizeof *t->events);
    }
    t->events[t->n++] = at;
    if (ev->job && t->daemon->watched)
        send_some(t, ev, &at);
}

static void turn_clear(struct turn *t)
{
    struct rendered *r, *tmp;
    HASH_ITER (hh, t->rendered, r, tmp) {
        HASH_DELETE(hh, t->rendered, r);
        shared_text_release(r->text);
        free(r);
    }
    buf_clear(&t->text);
    free(t->events);
}

void watch_turn(struct daemon *d, const struct output *out)
{
    struct turn turn = {.daemon = d};
    if (!d->watches && !d->watched && !d->logs)
        return;
    const char *p = out->events.data, *end = p + out->events.len;
    for (uint64_t seq = out->first_seq; p < end; seq++) {
        struct event ev;
        struct event_arena arena = {0};
        p += event_decode(p, (size_t)(end - p), &ev, &arena, NULL);
        ev.seq = seq;
        if (d->watches || d->watched)
            take_event(&turn, &ev);
        logs_event(d, &ev);
        event_arena_clear(&arena);
    }
    send_all(&turn);
    turn_clear(&turn);
}
