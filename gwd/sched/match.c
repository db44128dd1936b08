#include "gwd/sched/match.h"

#include "lib/mem.h"

#include <stdlib.h>
#include <string.h>
#include <utlist.h>

struct where {
    const struct host *host;
    size_t queue;
};

static struct value lookup(const void *ctx, const char *name, size_t slot)
{
    const struct where *at = ctx;
    const struct attr *a = host_attr(at->host, at->queue, name);
    (void)slot;
    if (!a)
        return (struct value){.type = VALUE_UNKNOWN};
    if (a->is_number)
        return (struct value){.type = VALUE_NUMBER, .number = a->number, .string = a->text};
    return (struct value){.type = VALUE_STRING, .string = a->text};
}

static struct match_why *why_create(const struct match_pass *pass, const struct job_class *c)
{
    size_t n = expr_conjuncts(c->requirements, NULL);
    struct match_why *why = xcalloc(1, sizeof *why + n * sizeof why->unmatched[0]);
    why->at_us = pass->now_us;
    why->hosts = pass->n_hosts;
    why->n_conjuncts = n;
    return why;
}

/* The first conjunct that is not true for a queue; n_conjuncts when all are. */
static size_t first_unmatched(const struct job_class *c, const struct where *at, size_t n)
{
    for (size_t i = 0; i < n; i++)
        if (expr_test(c->requirements, i, lookup, at) != EXPR_TRUE)
            return i;
    return n;
}

static bool vm_fits(const struct job_class *c, const struct host *h)
{
    uint64_t cpus = host_number(h, "CPU_SMP"), mem = host_number(h, "SIZE_MEM_MB");
    return (!cpus || c->vm_cpus <= cpus) && (!mem || c->vm_memory_mib <= mem);
}

/* Is there memory for one more VM of the class beside those that we have there? */
static bool vm_has_room(const struct job_class *c, const struct host *h)
{
    uint64_t mem = host_number(h, "SIZE_MEM_MB");
    return !c->needs_vm || !mem || h->vm_memory_mib + c->vm_memory_mib <= mem;
}

/* The counter of `why` for a host that is out of the question before its queues are looked at, or
 * NULL. */
static uint64_t *removed_by(const struct match_pass *pass, const struct job_class *c,
                            const struct host *h, struct match_why *why)
{
    if (!h->is_up || !pass->is_usable(pass->ctx, h))
        return &why->down;
    if (state_site_is_drained(pass->state, h->name))
        return &why->drained;
    if (pass->has_credential && !pass->has_credential(pass->ctx, c, h))
        return &why->no_credential;
    if (!*host_text(h, "LRMS_NAME"))
        return &why->no_lrms;
    if (c->needs_vm && !*host_text(h, "VM_HYPERVISOR"))
        return &why->no_vm;
    if (c->needs_vm && !vm_fits(c, h))
        return &why->too_small;
    return NULL;
}

struct places {
    struct match_place *items;
    size_t n, cap;
};

static void place_add(struct places *p, struct match_place place)
{
    if (p->n == p->cap) {
        p->cap = p->cap ? 2 * p->cap : 8;
        p->items = xreallocarray(p->items, p->cap, sizeof *p->items);
    }
    p->items[p->n++] = place;
}

/* Add the matching queues of one host; otherwise count what removed the host: the conjunct that its
 * best queue got to. */
static void look_at_host(const struct job_class *c, struct host *h, struct places *places,
                         struct match_why *why)
{
    bool is_found = false, is_large = false;
    size_t furthest = 0;
    for (size_t q = 0; q < h->n_queues; q++) {
        struct where at = {h, q};
        size_t i = first_unmatched(c, &at, why->n_conjuncts);
        furthest = i > furthest ? i : furthest;
        if (i < why->n_conjuncts)
            continue;
        is_found = true;
        if (h->queues[q].nodes < c->np)
            continue;
        is_large = true;
        place_add(places, (struct match_place){h, q, expr_rank(c->rank, lookup, &at)});
    }
    if (!is_found)
        why->unmatched[furthest]++;
    else if (!is_large)
        why->too_small++;
}

static int by_rank(const void *a, const void *b)
{
    const struct match_place *x = a, *y = b;
    if (x->rank != y->rank)
        return x->rank > y->rank ? -1 : 1;
    if (x->host->id != y->host->id)
        return x->host->id < y->host->id ? -1 : 1;
    return x->queue < y->queue ? -1 : x->queue > y->queue;
}

static struct places class_places(const struct match_pass *pass, const struct job_class *c,
                                  struct match_why *why)
{
    struct places places = {0};
    for (size_t i = 0; i < pass->n_hosts; i++) {
        uint64_t *count = removed_by(pass, c, pass->hosts[i], why);
        if (count)
            (*count)++;
        else
            look_at_host(c, pass->hosts[i], &places, why);
    }
    if (places.n)
        qsort(places.items, places.n, sizeof *places.items, by_rank);
    return places;
}

struct match_place *match_places(const struct match_pass *pass, const struct job_class *class,
                                 size_t *ret_n)
{
    struct match_why *why = why_create(pass, class);
    struct places places = class_places(pass, class, why);
    free(why);
    *ret_n = places.n;
    return places.items;
}

/* One class in a pass. */
struct lane {
    struct job_class *class;
    struct places places;
    struct match_why *why;
    struct job *next; /* the job to look at; NULL: done */
};

static bool failed_at(const struct job *j, uint64_t index, const struct host *h)
{
    const struct task *t = job_task(j, index);
    for (size_t i = 0; t && i < t->n_attempts; i++)
        if (t->attempts[i].reason.blame == BLAME_SITE && strcmp(t->attempts[i].host, h->name) == 0)
            return true;
    return false;
}

/* The best place with room now: highest rank, then most free slots; where the task failed before
 * only when there is nothing else. A place that only the limit of this pass rules out is one for
 * the next pass. */
static const struct match_place *best_place(struct match_pass *pass, const struct lane *lane,
                                            const uint64_t *per_host, const struct job *j,
                                            uint64_t task)
{
    const struct match_place *best = NULL;
    bool best_failed = true;
    uint64_t best_free = 0;
    for (size_t i = 0; i < lane->places.n; i++) {
        const struct match_place *p = &lane->places.items[i];
        uint64_t n_free = host_free(p->host, p->queue);
        if (n_free < lane->class->np || !vm_has_room(lane->class, p->host))
            continue;
        if (pass->limits.per_host && per_host[p->host->id] >= pass->limits.per_host) {
            pass->is_cut = true;
            continue;
        }
        bool failed = failed_at(j, task, p->host);
        bool is_better = !best || (best_failed && !failed) ||
                         (failed == best_failed && p->rank == best->rank && n_free > best_free);
        if (is_better) {
            best = p;
            best_failed = failed;
            best_free = n_free;
        }
    }
    return best;
}

static bool user_is_at_limit(const struct match_pass *pass, uint64_t uid)
{
    return pass->limits.per_user && pass->user_running(pass->ctx, uid) >= pass->limits.per_user;
}

/* Start one task of the lane; false when it has none that could start now. */
static bool lane_take(struct match_pass *pass, struct lane *lane, uint64_t *per_host)
{
    uint64_t task;
    if (user_is_at_limit(pass, lane->class->uid)) {
        lane->why->is_user_limit = true;
        return false;
    }
    if (!lane->next || !job_next_ready(lane->next, &task))
        return false;
    const struct match_place *p = best_place(pass, lane, per_host, lane->next, task);
    if (!p) {
        lane->why->busy = lane->places.n ? lane->why->hosts - lane->why->down - lane->why->drained -
                                               lane->why->no_credential - lane->why->no_lrms -
                                               lane->why->no_vm - lane->why->too_small
                                         : 0;
        for (size_t i = 0; lane->why->busy && i < lane->why->n_conjuncts; i++)
            lane->why->busy -= lane->why->unmatched[i];
        return false;
    }
    per_host[p->host->id]++;
    struct match m = {lane->next, task, p->host, p->queue, p->rank};
    pass->take(pass->ctx, &m);
    pass->n_taken++;
    lane->next = lane->class->first;
    return true;
}

static bool goes_first(const struct lane *a, const struct lane *b)
{
    const struct job *x = a->next, *y = b->next;
    return x->priority != y->priority ? x->priority > y->priority : x->id < y->id;
}

static void lane_close(struct lane *lane)
{
    free(lane->places.items);
    free(lane->class->why);
    lane->class->why = lane->why;
}

static size_t lanes_open(struct match_pass *pass, struct lane **ret)
{
    struct lane *lanes = NULL;
    size_t n = 0;
    for (struct job_class *c = pass->state->classes; c; c = c->hh.next) {
        if (!c->queue)
            continue;
        lanes = xreallocarray(lanes, n + 1, sizeof *lanes);
        struct lane *lane = &lanes[n++];
        *lane = (struct lane){.class = c, .why = why_create(pass, c), .next = c->first};
        lane->why->is_paused = pass->state->is_paused;
        if (!pass->state->is_paused)
            lane->places = class_places(pass, c, lane->why);
        else
            lane->next = NULL;
    }
    *ret = lanes;
    return n;
}

void match_run(struct match_pass *pass)
{
    uint64_t id_max = 0;
    for (size_t i = 0; i < pass->n_hosts; i++)
        id_max = pass->hosts[i]->id > id_max ? pass->hosts[i]->id : id_max;
    uint64_t *per_host = xcalloc(id_max + 1, sizeof *per_host);
    pass->n_taken = 0;
    pass->is_cut = false;
    pass->wake_us = state_wake(pass->state, pass->now_us);
    struct lane *lanes;
    size_t n = lanes_open(pass, &lanes);
    for (;;) {
        struct lane *first = NULL;
        for (size_t i = 0; i < n; i++)
            if (lanes[i].next && (!first || goes_first(&lanes[i], first)))
                first = &lanes[i];
        if (!first)
            break;
        if (pass->limits.per_pass && pass->n_taken >= pass->limits.per_pass) {
            pass->is_cut = true;
            break;
        }
        if (!lane_take(pass, first, per_host))
            first->next = NULL;
    }
    for (size_t i = 0; i < n; i++)
        lane_close(&lanes[i]);
    free(lanes);
    free(per_host);
}
