/* When finished jobs leave the state: in the order of their ends, some at a time, and only when
 * they are in the archive. Their time is one in which they could be seen: wall clocks have no part
 * in it. */
#include "gwd/engine/engine_private.h"
#include "lib/mem.h"

#include <stdlib.h>
#include <string.h>

/* At most so many at a time; fewer wait for each other for a second, because each time costs syncs.
 */
enum { FORGET_CHUNK = 256, FORGET_GATHER_US = 1000000 };

static void set_timer(struct engine *e, int64_t at_us)
{
    timers_add(&e->timers, (struct timer){.at_us = at_us, .kind = TIMER_FORGET});
}

static void gather(struct engine *e)
{
    const struct forget_queue *q = &e->forget;
    if (q->at < q->n)
        set_timer(e, q->items[q->at].at_us + FORGET_GATHER_US);
}

static bool has_chunk(const struct engine *e)
{
    const struct forget_queue *q = &e->forget;
    return q->n - q->at >= FORGET_CHUNK && q->items[q->at + FORGET_CHUNK - 1].at_us <= e->mono_us;
}

static void add(struct engine *e, const struct job *j, int64_t age_us)
{
    struct forget_queue *q = &e->forget;
    int64_t rest_us = e->config->retention_us - age_us;
    if (q->n == q->cap) {
        q->cap = q->cap ? q->cap + q->cap / 2 : 64;
        q->items = xreallocarray(q->items, q->cap, sizeof *q->items);
    }
    q->items[q->n++] =
        (struct forget_item){.at_us = e->mono_us + (rest_us > 0 ? rest_us : 0), .job = j->id};
}

void forget_later(struct engine *e, const struct job *j)
{
    struct forget_queue *q = &e->forget;
    add(e, j, 0);
    if (q->n == q->at + 1 && !q->n_asked)
        gather(e);
}

/* The last event that changed it; the end of a final job, or one after it. */
static uint64_t last_event(const struct job *j)
{
    uint64_t last = j->seq;
    size_t it = 0;
    for (struct task *t; (t = job_next_task(j, &it));)
        last = t->seq > last ? t->seq : last;
    return last;
}

int64_t seen_age_us(const struct input *start, uint64_t seq)
{
    const struct seen *seen = start->seen;
    size_t low = 0, high = start->n_seen; /* the first that is not before it */
    while (low < high) {
        size_t mid = low + (high - low) / 2;
        if (seen[mid].seq < seq)
            low = mid + 1;
        else
            high = mid;
    }
    return low < start->n_seen ? seen[low].age_us : 0;
}

void forget_loaded(struct engine *e, const struct job *j, const struct input *start)
{
    add(e, j, seen_age_us(start, last_event(j)));
}

static int by_time(const void *a, const void *b)
{
    const struct forget_item *x = a, *y = b;
    if (x->at_us != y->at_us)
        return x->at_us < y->at_us ? -1 : 1;
    return (x->job > y->job) - (x->job < y->job);
}

void forget_start(struct engine *e)
{
    struct forget_queue *q = &e->forget;
    if (q->n == 0)
        return;
    qsort(q->items, q->n, sizeof *q->items, by_time);
    gather(e);
}

void forget_time(struct engine *e)
{
    struct forget_queue *q = &e->forget;
    if (q->n_asked)
        return; /* IN_ARCHIVED goes on */
    while (q->at + q->n_asked < q->n && q->n_asked < FORGET_CHUNK &&
           q->items[q->at + q->n_asked].at_us <= e->mono_us) {
        uint64_t job = q->items[q->at + q->n_asked].job;
        bool is_kept = remains_has(e, job);
        if (is_kept && q->n_asked)
            break; /* those before it leave first */
        if (is_kept) {
            remains_keep(e, job);
            q->at++;
            continue;
        }
        effect_add(e, EFFECT_ARCHIVE)->ref = (struct task_ref){.job = job};
        q->n_asked++;
    }
    if (!q->n_asked)
        gather(e);
}

void forget_archived(struct engine *e, bool is_archived)
{
    struct forget_queue *q = &e->forget;
    size_t n = q->n_asked;
    q->n_asked = 0;
    if (n == 0)
        return;
    if (!is_archived) {
        set_timer(e, e->mono_us + e->config->retry_us);
        return;
    }
    for (size_t i = 0; i < n; i++) {
        struct event ev = {.kind = EV_JOB_FORGOTTEN, .job = q->items[q->at++].job};
        emit(e, &ev);
    }
    if (q->at == q->n || q->at > q->n / 2 + FORGET_CHUNK) {
        memmove(q->items, q->items + q->at, (q->n - q->at) * sizeof *q->items);
        q->n -= q->at;
        q->at = 0;
    }
    if (has_chunk(e))
        forget_time(e);
    else
        gather(e);
}

void forget_clear(struct engine *e)
{
    free(e->forget.items);
    e->forget = (struct forget_queue){0};
}
