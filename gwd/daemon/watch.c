/* Events for those who watch: from a number on, and miss nothing. What is older than the journal
 * keeps is refused by name, not skipped.
 *
 * An event is put into words once, or twice where somebody may see only its outside, whoever
 * watches. Those who watch all events with one request id (which is most of them) and may see the
 * same are sent the very same bytes; those who watch some jobs are found by the job, so that an
 * event costs nothing to whom it does not concern. Who watches with many ids gets what is beyond
 * his share of a round as old events. Old events are read a few at a time, in the
 * share of a round that the watcher's user has. */
#include "gwd/daemon/daemon.h"
#include "gwd/daemon/settings.h"
#include "lib/json_write.h"
#include "lib/mem.h"

#include <stdlib.h>
#include <string.h>
#include <utlist.h>

/* One watch's interest in one job record. */
struct interest {
    struct watch *watch;
    struct watched *job;
    bool is_whole; /* in all tasks; else in those of watch->ids */
    enum sight sight;
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
    uint64_t viewer; /* connection_viewer() */
    struct interest *interests;
    uint64_t after; /* only events with a greater number */
    bool is_catching_up;
    struct watch *prev, *next; /* in daemon->catching_up, else daemon->watches or ->filtered */
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

/* Whose job an event is of; NOBODY: of none, or of one that is not known any more. One that is
 * forgotten says nothing that is its owner's alone, and is looked for only where its very existence
 * is. */
static uint64_t owner_of(struct daemon *d, const struct event *ev)
{
    const struct job *j = ev->job ? state_job(engine_state(d->engine), ev->job) : NULL;
    uint64_t uid = NOBODY;
    if (j)
        return j->spec->owner.uid;
    if (ev->kind == EV_JOB_SUBMITTED)
        return ev->uid;
    if (ev->job && (ev->kind != EV_JOB_FORGOTTEN || settings_engine(d->settings)->hides_others))
        job_owner(d, ev->job, &uid);
    return uid;
}

static enum sight sight_of_event(const struct daemon *d, uint64_t viewer, const struct event *ev,
                                 uint64_t owner)
{
    return ev->job ? sight_of(d, viewer, owner) : SIGHT_FULL;
}

/* --- adding and removing --- */

static void interest_add(struct daemon *d, struct watch *w, const struct job *j, bool is_whole)
{
    struct watched *at;
    uint64_t job = j->id;
    enum sight sight = sight_of(d, w->viewer, j->spec->owner.uid);
    if (sight == SIGHT_NONE)
        return;
    HASH_FIND(hh, d->watched, &job, sizeof job, at);
    if (!at) {
        at = xcalloc(1, sizeof *at);
        at->job = job;
        HASH_ADD(hh, d->watched, job, sizeof at->job, at);
    }
    struct interest *i = xcalloc(1, sizeof *i);
    *i = (struct interest){.watch = w, .job = at, .is_whole = is_whole, .sight = sight};
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
            interest_add(d, w, j, j->tasks == 1);
        last = j ? j : last;
    }
    struct job *array = w->array_id ? state_array(s, w->array_id) : NULL;
    if (array)
        interest_add(d, w, array, true);
}

static struct watch **list_of(struct daemon *d, const struct watch *w)
{
    return w->is_catching_up ? &d->catching_up : w->has_filter ? &d->filtered : &d->watches;
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
    struct watch **list = list_of(d, w);
    DL_DELETE(*list, w);
    connection_drop_stream(w->connection, w->n_ids);
    free(w->ids);
    free(w);
}

static struct watch *create(struct connection *c, json_int_t id, json_t *request, bool is_past)
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
    w->is_catching_up = is_past;
    w->viewer = connection_viewer(c);
    interests_add(d, w);
    struct watch **list = list_of(d, w);
    DL_APPEND(*list, w);
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
    uint64_t job, owner; /* the last that was looked for */
    unsigned left;       /* events until the next look at the clock */
    bool is_cut;         /* there are more */
};

static bool show_past(void *ctx, const struct event *ev)
{
    enum { LOOK_EVERY = 32 };
    struct past *p = ctx;
    struct watch *w = p->watch;
    if (p->left-- == 0) {
        p->left = LOOK_EVERY;
        p->is_cut = !connection_may_go_on(w->connection);
        if (p->is_cut)
            return false;
    }
    if (ev->seq <= w->after)
        return true;
    w->after = ev->seq;
    if (!concerns(p->daemon, w, ev))
        return true;
    if (w->viewer != VIEWER_OF_ALL && (p->job != ev->job || !ev->job)) {
        p->job = ev->job;
        p->owner = owner_of(p->daemon, ev);
    }
    enum sight sight = sight_of_event(p->daemon, w->viewer, ev, p->owner);
    if (sight == SIGHT_NONE)
        return true;
    buf_reset(&p->event);
    view_event(ev, sight, &p->event);
    put_line(connection_line(w->connection), w->id, p->event.data, p->event.len);
    connection_line_end(w->connection);
    return true;
}

/* Some old events from the journal. When there are no more it is sent the new ones, as they are put
 * on disk: nothing is between the two, for turns are whole. */
static void catch_up(struct daemon *d, struct watch *w)
{
    struct past past = {.daemon = d, .watch = w};
    uint64_t oldest = 0;
    struct gw_err err;
    int r = store_read(d->store, w->after + 1, show_past, &past, &oldest, &err);
    buf_clear(&past.event);
    if (r < 0) {
        connection_send(w->connection,
                        json_pack("{sI sb sI so}", "id", w->id, "ok", 0, "oldest",
                                  (json_int_t)oldest, "error",
                                  connection_error_json((enum gw_errc)err.code, err.text)));
        destroy(d, w);
    } else if (!past.is_cut) {
        DL_DELETE(d->catching_up, w);
        w->is_catching_up = false;
        struct watch **list = list_of(d, w);
        DL_APPEND(*list, w);
    }
}

void watch_go_on(struct daemon *d)
{
    struct watch *w, *tmp;
    DL_FOREACH_SAFE(d->catching_up, w, tmp)
    {
        if (connection_may_go_on(w->connection))
            catch_up(d, w);
    }
}

bool watch_has_more(const struct daemon *d)
{
    const struct watch *w;
    DL_FOREACH (d->catching_up, w)
        if (!connection_is_full(w->connection))
            return true;
    return false;
}

/* What is stepped and not yet on disk is still to come. */
static uint64_t last_on_disk(const struct daemon *d)
{
    const struct output *out = &d->outputs[d->current];
    return out->n_events ? out->first_seq - 1 : engine_state(d->engine)->seq;
}

void watch_add(struct connection *c, json_int_t id, json_t *request)
{
    struct daemon *d = connection_daemon(c);
    json_t *given = json_object_get(request, "from");
    uint64_t from = (uint64_t)json_integer_value(given), last = last_on_disk(d);
    if (!connection_take_stream(c, id, true, json_array_size(json_object_get(request, "ids"))))
        return;
    struct watch *w = create(c, id, request, given && from <= last);
    w->after = !given ? last : from ? from - 1 : 0;
    json_put_uint(connection_answer(c, id), "seq", last);
    connection_answer_end(c);
    if (w->is_catching_up)
        catch_up(d, w);
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
        remove_from(d, d->catching_up, c, id);
        remove_from(d, d->watches, c, id);
        remove_from(d, d->filtered, c, id);
    }
}

void watch_gone(struct daemon *d, const struct connection *c)
{
    remove_from(d, d->catching_up, c, 0);
    remove_from(d, d->watches, c, 0);
    remove_from(d, d->filtered, c, 0);
}

/* --- a turn's events --- */

/* What one who watches with this id is sent of a turn, if he watches all and from its first event
 * on. */
struct rendered {
    struct rendered_key {
        json_int_t id;
        uint64_t viewer;
    } key;
    struct shared_text *text;
    UT_hash_handle hh;
};

struct event_text {
    uint64_t seq, owner;
    bool is_of_job;
    size_t at, len;                 /* in turn.text */
    size_t outside_at, outside_len; /* the same for SIGHT_OUTSIDE; 0: nobody needs it */
};

struct turn {
    struct daemon *daemon;
    struct buf text;
    struct event_text *events;
    size_t n, cap;
    struct rendered *rendered;
    bool has_others; /* somebody watches who is no administrator */
};

static void put_event(const struct turn *t, json_int_t id, const struct event_text *e,
                      enum sight sight, struct buf *out)
{
    bool is_full = sight == SIGHT_FULL;
    put_line(out, id, t->text.data + (is_full ? e->at : e->outside_at),
             is_full ? e->len : e->outside_len);
}

static struct shared_text *render(struct turn *t, json_int_t id, uint64_t viewer, uint64_t after)
{
    struct buf lines = BUF_INIT;
    for (size_t i = 0; i < t->n; i++) {
        const struct event_text *e = &t->events[i];
        enum sight sight = e->is_of_job ? sight_of(t->daemon, viewer, e->owner) : SIGHT_FULL;
        if (e->seq <= after || sight == SIGHT_NONE)
            continue;
        put_event(t, id, e, sight, &lines);
        buf_putc(&lines, '\n');
    }
    struct shared_text *text = shared_text_create(&lines);
    buf_clear(&lines);
    return text;
}

/* What it is sent if that was made for another already, or NULL. */
static struct shared_text *rendered_before(const struct turn *t, const struct watch *w)
{
    const struct rendered_key key = {w->id, w->viewer};
    struct rendered *r;
    HASH_FIND(hh, t->rendered, &key, sizeof key, r);
    return r ? r->text : NULL;
}

static struct shared_text *rendered_for(struct turn *t, const struct watch *w)
{
    struct rendered *r = xcalloc(1, sizeof *r);
    r->key = (struct rendered_key){w->id, w->viewer};
    r->text = render(t, w->id, w->viewer, 0);
    HASH_ADD(hh, t->rendered, key, sizeof r->key, r);
    return r->text;
}

/* It gets this turn's events as old ones, in its user's time. */
static void fall_behind(struct daemon *d, struct watch *w)
{
    DL_DELETE(d->watches, w);
    w->is_catching_up = true;
    DL_APPEND(d->catching_up, w);
}

/* To all who watch everything. Many request ids of one user are as many texts. */
static void send_all(struct turn *t)
{
    struct watch *w, *tmp;
    uint64_t first = t->n ? t->events[0].seq : 0, last = t->n ? t->events[t->n - 1].seq : 0;
    DL_FOREACH_SAFE(t->daemon->watches, w, tmp)
    {
        bool is_whole = w->after < first;
        struct shared_text *text = is_whole ? rendered_before(t, w) : NULL;
        if (w->after >= last)
            continue;
        if (!text && !connection_may_render(w->connection)) {
            fall_behind(t->daemon, w);
            continue;
        }
        if (!text)
            text = is_whole ? rendered_for(t, w) : render(t, w->id, w->viewer, w->after);
        if (text->len)
            connection_send_shared(w->connection, text);
        if (!is_whole)
            shared_text_release(text);
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
        if (w->is_catching_up || ev->seq <= w->after ||
            !(i->is_whole || is_of_record(ev) || has_id(w, ev->job + ev->task)))
            continue;
        w->after = ev->seq;
        put_event(t, w->id, at, i->sight, connection_line(w->connection));
        connection_line_end(w->connection);
    }
}

static size_t add_text(struct turn *t, const struct event *ev, enum sight sight, size_t *ret_len)
{
    buf_putc(&t->text, '\n'); /* so that it begins without a comma */
    size_t at = t->text.len;
    view_event(ev, sight, &t->text);
    *ret_len = t->text.len - at;
    return at;
}

static void take_event(struct turn *t, const struct event *ev)
{
    struct event_text at = {.seq = ev->seq, .is_of_job = ev->job != 0, .owner = NOBODY};
    at.at = add_text(t, ev, SIGHT_FULL, &at.len);
    if (t->has_others && ev->job) {
        at.owner = owner_of(t->daemon, ev);
        at.outside_at = add_text(t, ev, SIGHT_OUTSIDE, &at.outside_len);
    }
    if (t->n == t->cap) {
        t->cap = t->cap ? 2 * t->cap : 64;
        t->events = xreallocarray(t->events, t->cap, sizeof *t->events);
    }
    t->events[t->n++] = at;
    if (ev->job && t->daemon->watched)
        send_some(t, ev, &at);
}

/* Somebody among these may not see everything. */
static bool has_others(const struct watch *list)
{
    const struct watch *w;
    DL_FOREACH (list, w)
        if (w->viewer != VIEWER_OF_ALL)
            return true;
    return false;
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
    turn.has_others = has_others(d->watches) || has_others(d->filtered);
    const char *p = buf_str(&out->events), *end = p + out->events.len;
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
