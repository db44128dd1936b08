/* One pass: what changed is evaluated, then lanes take turns in the order of their first jobs. A
 * turn starts one task at its best place, or blocks the lane. Of the blocked lanes that a fresh
 * host may serve only the first is woken, and the next one after its turn. */
#include "gwd/sched/sched_private.h"
#include "lib/mem.h"

#include <stdlib.h>
#include <string.h>

void list_add(struct list_u32 *list, uint32_t item)
{
    if (list->n == list->cap) {
        list->cap = list->cap ? 2 * list->cap : 16;
        list->items = xreallocarray(list->items, list->cap, sizeof *list->items);
    }
    list->items[list->n++] = item;
}

struct sched *sched_create(const struct sched_env *env)
{
    struct sched *s = xcalloc(1, sizeof *s);
    s->env = *env;
    s->woken = SLOT_NONE;
    if (!s->env.cells_max)
        s->env.cells_max = SCHED_CELLS_MAX;
    state_mark_classes(s->env.state);
    return s;
}

void sched_destroy(struct sched *s)
{
    if (!s)
        return;
    for (uint32_t i = 0; i < s->n_hosts; i++) {
        facts_forget(s, s->hosts[i]);
        free(s->hosts[i]);
    }
    free(s->hosts);
    free(s->fresh.items);
    free(s->throttled.items);
    lanes_clear(s);
    cells_clear(s);
    facts_clear(s);
    free(s->why);
    free(s);
}

/* --- what changed --- */

void sched_add_host(struct sched *s, struct host *h)
{
    cells_add_host(s);
    struct sched_host *new = xcalloc(1, sizeof *new);
    new->host = h;
    new->id = (uint32_t)h->id;
    s->hosts[h->id] = new;
    cells_redo_host(s, (uint32_t)h->id);
}

void sched_host_changed(struct sched *s, const struct host *h)
{
    cells_redo_host(s, (uint32_t)h->id);
}

void sched_host_freed(struct sched *s, const struct host *h)
{
    host_open(s, s->hosts[h->id]);
}

void sched_user_freed(struct sched *s, uint64_t uid)
{
    for (size_t i = 0; i < s->n_freed_users; i++)
        if (s->freed_users[i].uid == uid)
            return;
    if (!s->n_limited)
        return;
    if (s->n_freed_users == s->cap_freed_users) {
        s->cap_freed_users = s->cap_freed_users ? 2 * s->cap_freed_users : 8;
        s->freed_users = xreallocarray(s->freed_users, s->cap_freed_users, sizeof *s->freed_users);
    }
    s->freed_users[s->n_freed_users++] = (struct freed_user){uid, SLOT_NONE};
}

void sched_credentials_changed(struct sched *s)
{
    s->credentials_at = 0;
}

bool sched_is_idle(const struct sched *s)
{
    if (s->env.state->n_changed || s->rows.n || s->columns.n || s->credentials_at < s->n_slots)
        return false;
    return s->env.state->is_paused ||
           (!s->heap.n && !s->fresh.n && !s->is_flooded && !s->throttled.n && !s->n_freed_users);
}

/* --- who wakes up --- */

static void wake_all(struct sched *s, enum lane_state state)
{
    for (uint32_t i = 0; i < s->n_slots; i++)
        if (s->lanes[i].state == state)
            lane_set(s, i, LANE_LIVE);
}

static bool flood(struct sched *s)
{
    for (; s->is_flooded && s->flood_at < s->n_slots; s->flood_at++) {
        if (s->budget <= 0)
            return false;
        if (s->lanes[s->flood_at].state != LANE_BLOCKED)
            continue;
        s->budget -= 4;
        lane_set(s, s->flood_at, LANE_LIVE);
    }
    s->is_flooded = false;
    return true;
}

static void settle(struct sched *s)
{
    for (size_t i = 0; i < s->fresh.n; i++)
        s->hosts[s->fresh.items[i]]->is_fresh = false;
    s->fresh.n = 0;
}

static void wake_blocked(struct sched *s)
{
    if (!s->fresh.n || s->woken != SLOT_NONE)
        return;
    uint32_t slot = fresh_best(s);
    if (slot == SLOT_NONE) {
        settle(s);
        return;
    }
    lane_set(s, slot, LANE_LIVE);
    s->woken = slot;
}

static bool user_is_at_limit(const struct sched *s, uint64_t uid)
{
    return s->limits.per_user && s->env.user_running(s->env.ctx, uid) >= s->limits.per_user;
}

static uint32_t limited_best(struct sched *s, uint64_t uid)
{
    uint32_t best = SLOT_NONE;
    for (uint32_t i = 0; i < s->n_slots; i++)
        if (s->lanes[i].state == LANE_LIMITED && s->lanes[i].class->uid == uid &&
            (best == SLOT_NONE || key_goes_before(&s->keys[i], &s->keys[best])))
            best = i;
    s->budget -= s->n_slots / 16;
    return best;
}

static void wake_limited(struct sched *s)
{
    for (size_t i = 0; i < s->n_freed_users;) {
        struct freed_user *u = &s->freed_users[i];
        if (u->woken == SLOT_NONE && !user_is_at_limit(s, u->uid))
            u->woken = limited_best(s, u->uid);
        if (u->woken == SLOT_NONE) {
            *u = s->freed_users[--s->n_freed_users];
            continue;
        }
        if (s->lanes[u->woken].state == LANE_LIMITED)
            lane_set(s, u->woken, LANE_LIVE);
        i++;
    }
}

/* --- a turn --- */

static void start(struct sched *s, struct job *j, uint64_t task, const struct spot *spot)
{
    struct sched_host *h = s->hosts[spot->host];
    struct match m = {j, task, h->host, spot->queue, spot->rank};
    s->env.take(s->env.ctx, &m);
    s->n_taken++;

    h->n_pass = h->pass == s->pass ? h->n_pass + 1 : 1;
    h->pass = s->pass;
    h->is_throttled = s->limits.per_host && h->n_pass >= s->limits.per_host;
    if (h->is_throttled)
        list_add(&s->throttled, spot->host);
    h->n_free = facts_most_free(h);
    if (h->is_throttled || !h->n_free)
        host_close(s, h);
    s->budget = s->budget > 0 ? s->budget : 1; /* what one start changes is little */
    lanes_take_changes(s);
    s->budget -= START_COST;
}

/* Its validity is a matter of time too, so that it is asked again at the last moment. */
static bool credential_serves(struct sched *s, uint32_t slot, const struct spot *spot)
{
    if (!(s->hosts[spot->host]->offers & OFFER_TO_OWNER) ||
        s->env.has_credential(s->env.ctx, s->lanes[slot].class))
        return true;
    s->lanes[slot].has_credential = false;
    cells_redo_lane(s, slot);
    return false;
}

static void turn(struct sched *s, uint32_t slot)
{
    const struct job_class *c = s->lanes[slot].class;
    struct job *j = c->first;
    struct spot spot;
    uint64_t task;
    lane_let_go(s, slot);
    s->budget--;
    if (user_is_at_limit(s, c->uid)) {
        lane_set(s, slot, LANE_LIMITED);
        return;
    }
    if (!spots_look(s, slot) || !job_next_ready(j, &task))
        return;
    switch (spots_best(s, slot, j, task, &spot)) {
    case SPOT_FOUND:
        if (credential_serves(s, slot, &spot))
            start(s, j, task, &spot);
        break;
    case SPOT_NONE:
        s->is_cut |= s->throttled.n > 0;
        lane_set(s, slot, LANE_BLOCKED);
        break;
    case SPOT_LATER:
        break;
    }
}

/* --- a pass --- */

static bool begin(struct sched *s, const struct match_limits *limits)
{
    bool has_new_limit = limits->per_user != s->limits.per_user;
    s->n_taken = 0;
    s->is_cut = false;
    if (!lanes_take_changes(s))
        return false;
    s->limits = *limits;
    s->pass++;
    /* Among those that wait another one may be the first now. */
    s->woken = SLOT_NONE;
    for (size_t i = 0; i < s->n_freed_users; i++)
        s->freed_users[i].woken = SLOT_NONE;
    if (has_new_limit)
        wake_all(s, LANE_LIMITED);
    for (size_t i = 0; i < s->throttled.n; i++) {
        struct sched_host *h = s->hosts[s->throttled.items[i]];
        h->is_throttled = false;
        host_open(s, h);
    }
    s->throttled.n = 0;
    return true;
}

bool sched_run(struct sched *s, const struct match_limits *limits, int64_t now_us, int64_t budget)
{
    s->budget = budget;
    s->now_us = now_us;
    if (!begin(s, limits) || !cells_work(s))
        return true;
    if (s->env.state->is_paused)
        return false;
    while (flood(s)) {
        wake_blocked(s);
        wake_limited(s);
        if (!s->heap.n)
            return s->is_cut || s->columns.n || s->rows.n;
        if (s->budget <= 0 || (limits->per_pass && s->n_taken >= limits->per_pass))
            return true;
        turn(s, s->heap.items[0]);
    }
    return true;
}

/* --- what is told --- */

/* NULL: it has not come yet. */
static const struct lane *lane_of(const struct sched *s, const struct job_class *c)
{
    const struct lane *l = c->slot < s->n_slots ? &s->lanes[c->slot] : NULL;
    return l && l->class && l->class_id == c->id ? l : NULL;
}

/* The counters of a class that has no cells. */
static void count_now(struct sched *s, const struct lane *l)
{
    memset(l->n_hosts, 0, l->n_verdicts * sizeof *l->n_hosts);
    for (uint32_t i = 0; i < s->n_hosts; i++)
        l->n_hosts[facts_verdict(s, l, s->hosts[i])]++;
}

const struct match_why *sched_why(struct sched *s, const struct job_class *c)
{
    const struct lane *l = lane_of(s, c);
    if (!l || l->state == LANE_NEW)
        return NULL;
    if (!cells_has(s, c->slot))
        count_now(s, l);
    size_t n = expr_conjuncts(c->requirements, NULL);
    struct match_why *why = xrealloc(s->why, sizeof *why + n * sizeof why->unmatched[0]);
    *why = (struct match_why){.at_us = s->now_us,
                              .is_paused = s->env.state->is_paused,
                              .is_user_limit = l->state == LANE_LIMITED,
                              .hosts = s->n_hosts,
                              .down = l->n_hosts[IS_DOWN],
                              .drained = l->n_hosts[IS_DRAINED],
                              .no_credential = l->n_hosts[NO_CREDENTIAL],
                              .no_bare = l->n_hosts[NO_BARE],
                              .no_lrms = l->n_hosts[NO_LRMS],
                              .no_vm = l->n_hosts[NO_VM],
                              .too_small = l->n_hosts[TOO_SMALL],
                              .resting = l->n_hosts[RESTS],
                              .busy = l->n_hosts[FITS],
                              .n_conjuncts = n};
    for (size_t i = 0; i < n; i++)
        why->unmatched[i] = UNMATCHED + i < l->n_verdicts ? l->n_hosts[UNMATCHED + i] : 0;
    s->why = why;
    return why;
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

struct match_place *sched_places(struct sched *s, const struct job_class *c, size_t *ret_n)
{
    struct match_place *places = NULL;
    size_t n = 0, cap = 0;
    s->budget = INT64_MAX;
    lanes_take_changes(s);
    const struct lane *l = lane_of(s, c);
    for (uint32_t i = 0; i < s->n_hosts; i++) {
        struct sched_host *h = s->hosts[i];
        struct match_place place = {.host = h->host};
        uint8_t v = facts_verdict(s, l, h);
        if (v != FITS && v != RESTS)
            continue;
        for (place.queue = 0; place.queue < h->host->n_queues; place.queue++) {
            if (!facts_queue(s, l, h, place.queue, &place.rank))
                continue;
            if (n == cap) {
                cap = cap ? 2 * cap : 8;
                places = xreallocarray(places, cap, sizeof *places);
            }
            places[n++] = place;
        }
    }
    if (n)
        qsort(places, n, sizeof *places, by_rank);
    *ret_n = n;
    return places;
}
