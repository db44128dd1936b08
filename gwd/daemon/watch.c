/* Events for those who watch: from a number on, and miss nothing. What is older than the journal
 * keeps is refused by name, not skipped. */
#include "gwd/daemon/daemon.h"
#include "lib/mem.h"

#include <stdlib.h>
#include <string.h>
#include <utlist.h>

struct watch {
    struct connection *connection;
    json_int_t id;
    uint64_t *ids;
    size_t n_ids;
    uint64_t array_id;
    bool has_filter;
    uint64_t after; /* only events with a greater number */
    struct watch *prev, *next;
};

static bool concerns(struct daemon *d, const struct watch *w, const struct event *ev)
{
    if (!w->has_filter)
        return true;
    const struct event_kind_info *info = event_kind_info((unsigned)ev->kind);
    struct job *j = state_job(engine_state(d->engine), ev->job);
    uint64_t tasks =
        ev->task == TASK_ALL || ev->kind == EV_JOB_SUBMITTED || ev->kind == EV_JOB_FORGOTTEN;
    (void)info;
    if (ev->job == 0)
        return false;
    if (w->array_id && j && j->array_id == w->array_id)
        return true;
    uint64_t first = tasks ? ev->job : ev->job + ev->task;
    uint64_t last = tasks && j ? ev->job + j->tasks - 1 : first;
    for (size_t i = 0; i < w->n_ids; i++)
        if (w->ids[i] >= first && w->ids[i] <= last)
            return true;
    return false;
}

static void show(struct daemon *d, struct watch *w, const struct event *ev)
{
    if (ev->seq <= w->after || !concerns(d, w, ev))
        return;
    w->after = ev->seq;
    connection_send(w->connection, json_pack("{sI so}", "id", w->id, "event", view_event(ev)));
}

struct past {
    struct daemon *daemon;
    struct watch *watch;
};

static bool show_past(void *ctx, const struct event *ev)
{
    struct past *p = ctx;
    show(p->daemon, p->watch, ev);
    return true;
}

static void destroy(struct daemon *d, struct watch *w)
{
    DL_DELETE(d->watches, w);
    free(w->ids);
    free(w);
}

/* Old events first, from the journal; then all new ones. */
static int catch_up(struct daemon *d, struct watch *w, uint64_t from, uint64_t *ret_oldest,
                    struct gw_err *err)
{
    struct past past = {d, w};
    w->after = from ? from - 1 : 0;
    if (from > engine_state(d->engine)->seq)
        return 0;
    return store_read(d->store, from, show_past, &past, ret_oldest, err);
}

void watch_add(struct connection *c, json_int_t id, json_t *request)
{
    struct daemon *d = connection_daemon(c);
    json_t *ids = json_object_get(request, "ids"), *from = json_object_get(request, "from");
    struct watch *w = xcalloc(1, sizeof *w);
    turn_end(
        d); /* what is stepped but not yet on disk must not be missed between past and future */
    w->connection = c;
    w->id = id;
    w->n_ids = json_array_size(ids);
    w->ids = xcalloc(w->n_ids, sizeof *w->ids);
    for (size_t i = 0; i < w->n_ids; i++)
        w->ids[i] = (uint64_t)json_integer_value(json_array_get(ids, i));
    w->array_id = (uint64_t)json_integer_value(json_object_get(request, "array"));
    w->has_filter = ids || w->array_id;
    w->after = engine_state(d->engine)->seq;
    DL_APPEND(d->watches, w);
    connection_reply(c, id, json_pack("{sI}", "seq", (json_int_t)w->after));
    uint64_t oldest = 0;
    struct gw_err err;
    if (from && catch_up(d, w, (uint64_t)json_integer_value(from), &oldest, &err) < 0) {
        connection_send(c, json_pack("{sI sb sI s{ss ss}}", "id", id, "ok", 0, "oldest",
                                     (json_int_t)oldest, "error", "code",
                                     gw_errc_name((enum gw_errc)err.code), "message", err.text));
        destroy(d, w);
    }
}

void watch_remove(struct connection *c, json_int_t id)
{
    struct daemon *d = connection_daemon(c);
    struct watch *w, *tmp;
    DL_FOREACH_SAFE(d->watches, w, tmp)
    {
        if (w->connection == c && w->id == id)
            destroy(d, w);
    }
}

void watch_gone(struct daemon *d, const struct connection *c)
{
    struct watch *w, *tmp;
    DL_FOREACH_SAFE(d->watches, w, tmp)
    {
        if (w->connection == c)
            destroy(d, w);
    }
}

void watch_turn(struct daemon *d, const struct output *out)
{
    if (!d->watches && !d->logs)
        return;
    const char *p = out->events.data, *end = p + out->events.len;
    for (uint64_t seq = out->first_seq; p < end; seq++) {
        struct event ev;
        struct event_arena arena = {0};
        p += event_decode(p, (size_t)(end - p), &ev, &arena, NULL);
        ev.seq = seq;
        struct watch *w, *tmp;
        DL_FOREACH_SAFE(d->watches, w, tmp)
        show(d, w, &ev);
        logs_event(d, &ev);
        event_arena_clear(&arena);
    }
}
