/* The places of a lane: the best ones that it found among open hosts. A spot is what was known when
 * it was found; whether it still holds is looked up when it is the best. So what makes a host worse
 * costs nothing, and what makes it better gives it a new stamp, by which the lane finds it again.
 */
#include "gwd/sched/sched_private.h"
#include "lib/mem.h"

#include <stdlib.h>
#include <string.h>

static bool is_better(const struct spot *a, const struct spot *b)
{
    if (a->rank != b->rank)
        return a->rank > b->rank;
    if (a->n_free != b->n_free)
        return a->n_free > b->n_free;
    return a->host != b->host ? a->host < b->host : a->queue < b->queue;
}

void spots_release(struct sched *s, struct lane *l)
{
    s->n_kept -= l->cap_spots;
    free(l->spots);
    l->spots = NULL;
    l->n_spots = l->cap_spots = 0;
}

void spots_forget(struct sched *s, struct lane *l)
{
    spots_release(s, l);
    l->is_truncated = false;
    l->stamp = 0;
}

static void leave_out(struct lane *l, const struct spot *spot)
{
    if (!l->is_truncated || is_better(spot, &l->best_left_out))
        l->best_left_out = *spot;
    l->is_truncated = true;
}

static bool is_valid(const struct sched *s, const struct spot *spot)
{
    const struct sched_host *h = s->hosts[spot->host];
    return h->is_open && h->stamp == spot->stamp;
}

static void make_room(struct sched *s, struct lane *l)
{
    if (l->n_spots < l->cap_spots)
        return;
    if (l->n_spots == SPOTS_MAX) {
        if (is_valid(s, &l->spots[0]))
            leave_out(l, &l->spots[0]);
        memmove(l->spots, l->spots + 1, --l->n_spots * sizeof *l->spots);
        return;
    }
    s->n_kept -= l->cap_spots;
    l->cap_spots = l->cap_spots ? 2 * l->cap_spots : 4;
    s->n_kept += l->cap_spots;
    l->spots = xreallocarray(l->spots, l->cap_spots, sizeof *l->spots);
}

/* Not when one that is better was left out: the first spot is the best of all, always. */
static void add(struct sched *s, struct lane *l, const struct spot *spot)
{
    if (l->is_truncated && !is_better(spot, &l->best_left_out))
        return;
    if (l->n_spots == SPOTS_MAX && is_better(&l->spots[0], spot)) {
        leave_out(l, spot);
        return;
    }
    make_room(s, l);
    uint32_t low = 0, high = l->n_spots;
    while (low < high) {
        uint32_t mid = (low + high) / 2;
        if (is_better(spot, &l->spots[mid]))
            low = mid + 1;
        else
            high = mid;
    }
    memmove(l->spots + low + 1, l->spots + low, (l->n_spots++ - low) * sizeof *l->spots);
    l->spots[low] = *spot;
}

/* A queue of an open host as a place for the lane now. */
static bool spot_of(struct sched *s, uint32_t slot, struct sched_host *h, size_t queue,
                    struct spot *ret)
{
    const struct lane *l = &s->lanes[slot];
    uint32_t n_free = h->n_queues == 1 ? h->n_free : facts_free(h, queue);
    *ret =
        (struct spot){.stamp = h->stamp, .host = h->id, .queue = (uint32_t)queue, .n_free = n_free};
    return n_free >= l->class->np && facts_has_room(l->class, h) &&
           facts_queue(s, l, h, queue, &ret->rank);
}

/* The open host that opened first of those that the lane has not seen. */
static struct sched_host *unseen(const struct sched *s, const struct lane *l)
{
    if (!l->stamp)
        return s->open_first;
    struct sched_host *h = s->open_last;
    if (!h || h->stamp <= l->stamp)
        return NULL;
    while (h->prev && h->prev->stamp > l->stamp)
        h = h->prev;
    return h;
}

bool spots_look(struct sched *s, uint32_t slot)
{
    struct lane *l = &s->lanes[slot];
    for (struct sched_host *h = unseen(s, l); h; h = h->next) {
        if (s->budget-- <= 0)
            return false;
        bool fits =
            cells_has(s, slot) ? cells_get(s, slot, h->id) == FITS : facts_verdict(s, l, h) == FITS;
        struct spot spot;
        for (size_t q = 0; fits && q < h->n_queues; q++)
            if (spot_of(s, slot, h, q, &spot))
                add(s, l, &spot);
        l->stamp = h->stamp;
    }
    l->stamp = s->stamp;
    return true;
}

static bool failed_at(const struct task *t, const struct host *h)
{
    for (size_t i = 0; t && i < t->n_attempts; i++)
        if (t->attempts[i].reason.blame == BLAME_SITE && strcmp(t->attempts[i].host, h->name) == 0)
            return true;
    return false;
}

/* For a task that failed at the best place of all: all open hosts are gone through. */
static void best_elsewhere(struct sched *s, uint32_t slot, const struct task *t, struct spot *ret)
{
    bool is_found = false, best_failed = false;
    for (struct sched_host *h = s->open_first; h; h = h->next) {
        s->budget--;
        if (cells_get(s, slot, h->id) != FITS ||
            (!cells_has(s, slot) && facts_verdict(s, &s->lanes[slot], h) != FITS))
            continue;
        bool failed = failed_at(t, h->host);
        struct spot spot;
        for (size_t q = 0; q < h->n_queues; q++) {
            if (!spot_of(s, slot, h, q, &spot) ||
                (is_found && (failed != best_failed ? failed : !is_better(&spot, ret))))
                continue;
            is_found = true;
            best_failed = failed;
            *ret = spot;
        }
    }
}

/* Among what was found; false when none of it holds any more. */
static bool best_found(struct sched *s, struct lane *l, struct spot *ret)
{
    while (l->n_spots) {
        struct spot spot = l->spots[l->n_spots - 1];
        struct sched_host *h = s->hosts[spot.host];
        uint32_t n_free = is_valid(s, &spot) ? facts_free(h, spot.queue) : 0;
        bool holds = n_free >= l->class->np && n_free && facts_has_room(l->class, h);
        if (holds && n_free == spot.n_free) {
            *ret = spot;
            return true;
        }
        l->n_spots--;
        spot.n_free = n_free;
        if (holds)
            add(s, l, &spot);
    }
    return false;
}

enum spot_answer spots_best(struct sched *s, uint32_t slot, const struct job *j, uint64_t task,
                            struct spot *ret)
{
    struct lane *l = &s->lanes[slot];
    const struct task *t = job_task(j, task);
    while (!best_found(s, l, ret)) {
        if (!l->is_truncated)
            return SPOT_NONE;
        spots_forget(s, l);
        if (!spots_look(s, slot))
            return SPOT_LATER;
    }
    if (failed_at(t, s->hosts[ret->host]->host))
        best_elsewhere(s, slot, t, ret);
    return SPOT_FOUND;
}
