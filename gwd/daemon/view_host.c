/* How hosts look to clients. */
#include "gwd/daemon/daemon.h"
#include "gwd/engine/health.h"
#include "lib/json_write.h"
#include "lib/mem.h"

#include <stdlib.h>
#include <string.h>

static void put_attr(struct buf *out, const char *name, const struct attr *a)
{
    if (a && a->is_number && a->number > -9e15 && a->number < 9e15 &&
        a->number == (double)(int64_t)a->number)
        json_put_int(out, name, (int64_t)a->number);
    else if (a && a->is_number)
        json_put_real(out, name, a->number);
    else
        json_put_text(out, name, a ? a->text : NULL);
}

static void put_queue(struct buf *out, const struct host *h, size_t i)
{
    static const struct {
        const char *attr, *name;
    } more[] = {{"QUEUE_MAXTIME", "max_time"},        {"QUEUE_MAXCPUTIME", "max_cpu_time"},
                {"QUEUE_MAXCOUNT", "max_count"},      {"QUEUE_MAXRUNNINGJOBS", "max_running"},
                {"QUEUE_MAXJOBSINQUEUE", "max_jobs"}, {"QUEUE_STATUS", "status"},
                {"QUEUE_DISPATCHTYPE", "dispatch"},   {"QUEUE_PRIORITY", "priority"}};
    const struct host_queue *q = &h->queues[i];
    json_put_text(out, "name", q->name);
    json_put_int(out, "nodes", (int64_t)q->nodes);
    json_put_int(out, "used", (int64_t)q->used);
    json_put_int(out, "free", (int64_t)host_free(h, i));
    for (size_t k = 0; k < GW_COUNT(more); k++)
        put_attr(out, more[k].name, host_attr(h, i, more[k].attr));
}

/* All queues, or the places that match. */
static void put_queues(struct buf *out, const struct host *h, const struct match_place *places,
                       size_t n)
{
    json_begin(out, "queues", '[');
    for (size_t i = 0; i < (places ? n : h->n_queues); i++) {
        if (places && places[i].host != h)
            continue;
        json_begin(out, NULL, '{');
        put_queue(out, h, places ? places[i].queue : i);
        if (places) {
            json_put_real(out, "rank", places[i].rank);
            json_put_int(out, "slots", (int64_t)host_free(h, places[i].queue));
        }
        json_end(out, '}');
    }
    json_end(out, ']');
}

/* An attribute's name is the driver's: a JSON text, not one of ours. */
static void put_attributes(struct buf *out, const struct host *h)
{
    struct buf key = BUF_INIT;
    json_begin(out, "attributes", '{');
    for (struct attr *a = h->attrs; a; a = a->hh.next) {
        buf_reset(&key);
        json_put_text(&key, NULL, a->key);
        if (key.len < 2 || key.data[0] != '"')
            continue; /* not UTF-8 */
        key.data[key.len - 1] = '\0';
        put_attr(out, key.data + 1, a);
    }
    json_end(out, '}');
    buf_clear(&key);
}

static void put_rests(const struct daemon *d, const struct host *h, const struct asker *asker,
                      struct buf *out)
{
    int64_t ahead_us = clock_wall_us() - clock_mono_us(), mono_us = clock_mono_us();
    json_begin(out, "rests", '[');
    for (const struct health *r = engine_rests(d->engine, h); r; r = r->next) {
        if (!r->window || (r->uid != asker->uid && !asker->is_admin))
            continue;
        json_begin(out, NULL, '{');
        json_put_uint(out, "uid", r->uid);
        json_put_text(out, "user", r->user);
        json_put_uint(out, "failures", r->failures);
        if (r->until_us > mono_us)
            json_put_seconds(out, "until", r->until_us + ahead_us);
        else
            json_put_null(out, "until");
        json_put_uint(out, "at_a_time", r->window);
        json_put_uint(out, "under_way", r->n_trials);
        view_reason(out, "reason", r->reason.code, r->reason.blame, r->reason.text);
        json_end(out, '}');
    }
    json_end(out, ']');
}

void view_host(const struct daemon *d, const struct host *h, const struct match_place *places,
               size_t n, const struct asker *asker, struct buf *out)
{
    uint64_t used = 0;
    for (size_t i = 0; i < h->n_queues; i++)
        used += h->queues[i].used;
    bool is_drained = state_site_is_drained(engine_state(d->engine), h->name);
    json_begin(out, NULL, '{');
    json_put_uint(out, "id", h->id);
    json_put_text(out, "name", h->name);
    json_put_text(out, "im", h->im);
    json_put_text(out, "tm", h->tm);
    json_put_text(out, "em", h->em);
    json_put_text(out, "state", is_drained ? "drained" : h->is_up ? "up" : "unknown");
    view_reason(out, "reason", h->reason.code, h->reason.blame, h->reason.text);
    put_attributes(out, h);
    json_put_uint(out, "used_slots", used);
    json_put_uint(out, "running_jobs", h->running);
    put_queues(out, h, places, n);
    put_rests(d, h, asker, out);
    json_put_bool(out, "needs_credential", engine_needs_credential(d->engine, h));
    json_end(out, '}');
}
