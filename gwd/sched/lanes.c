/* Lanes by what they wait for; those that may match now are in a heap by their first job. */
#include "gwd/sched/sched_private.h"
#include "lib/mem.h"

#include <stdlib.h>
#include <string.h>

bool key_goes_before(const struct lane_key *a, const struct lane_key *b)
{
    return a->priority != b->priority ? a->priority > b->priority : a->job < b->job;
}

/* --- the heap --- */

static void heap_put(struct sched *s, size_t at, uint32_t slot)
{
    s->heap.items[at] = slot;
    s->lanes[slot].heap_at = (uint32_t)at;
}

/* Put `slot` where it belongs, seen from the free place `at`. */
static void heap_settle(struct sched *s, size_t at, uint32_t slot)
{
    const struct lane_key *key = &s->keys[slot];
    uint32_t *items = s->heap.items;
    for (; at > 0 && key_goes_before(key, &s->keys[items[(at - 1) / 2]]); at = (at - 1) / 2)
        heap_put(s, at, items[(at - 1) / 2]);
    for (size_t child; (child = 2 * at + 1) < s->heap.n; at = child) {
        if (child + 1 < s->heap.n &&
            key_goes_before(&s->keys[items[child + 1]], &s->keys[items[child]]))
            child++;
        if (key_goes_before(key, &s->keys[items[child]]))
            break;
        heap_put(s, at, items[child]);
    }
    heap_put(s, at, slot);
}

static void heap_remove(struct sched *s, uint32_t slot)
{
    size_t at = s->lanes[slot].heap_at;
    uint32_t last = s->heap.items[--s->heap.n];
    if (last != slot)
        heap_settle(s, at, last);
}

/* --- states --- */

/* The fresh hosts or the user that waited for its turn go on. */
void lane_let_go(struct sched *s, uint32_t slot)
{
    if (s->woken == slot)
        s->woken = SLOT_NONE;
    for (size_t i = 0; i < s->n_freed_users; i++)
        if (s->freed_users[i].woken == slot)
            s->freed_users[i].woken = SLOT_NONE;
}

void lane_set(struct sched *s, uint32_t slot, enum lane_state state)
{
    struct lane *l = &s->lanes[slot];
    if (l->state == state)
        return;
    if (l->state == LANE_LIVE) {
        heap_remove(s, slot);
        lane_let_go(s, slot);
    }
    s->n_blocked -= l->state == LANE_BLOCKED;
    s->n_limited -= l->state == LANE_LIMITED;
    l->state = state;
    s->n_blocked += state == LANE_BLOCKED;
    s->n_limited += state == LANE_LIMITED;
    s->is_busy[slot] = state != LANE_BLOCKED;
    if (state == LANE_BLOCKED)
        spots_release(s, l); /* none is left */
    else if (state == LANE_IDLE && s->n_kept > KEPT_MAX)
        spots_forget(s, l);
    if (state == LANE_LIVE) {
        list_add(&s->heap, slot);
        heap_settle(s, s->heap.n - 1, slot);
    }
}

void lane_activate(struct sched *s, uint32_t slot)
{
    lane_set(s, slot, s->lanes[slot].class->first ? LANE_LIVE : LANE_IDLE);
}

/* --- classes come, go, and have another first job --- */

static void grow(struct sched *s, uint32_t n)
{
    if (n > s->cap_slots) {
        uint32_t had = s->cap_slots;
        s->cap_slots = n < 64 ? 64 : (n + n / 2 + 7) / 8 * 8;
        s->lanes = xreallocarray(s->lanes, s->cap_slots, sizeof *s->lanes);
        s->keys = xreallocarray(s->keys, s->cap_slots, sizeof *s->keys);
        s->is_busy = xreallocarray(s->is_busy, s->cap_slots, 1);
        memset(s->is_busy + had, 1, s->cap_slots - had);
    }
    for (; s->n_slots < n; s->n_slots++)
        s->lanes[s->n_slots] = (struct lane){.state = LANE_NONE};
}

/* The class itself may be gone already. */
static void lane_remove(struct sched *s, uint32_t slot)
{
    struct lane *l = &s->lanes[slot];
    lane_set(s, slot, LANE_NONE);
    spots_forget(s, l);
    facts_release(l->ranking);
    free(l->numbers);
    free(l->n_hosts);
    *l = (struct lane){.state = LANE_NONE, .is_todo = l->is_todo};
}

static void lane_add(struct sched *s, uint32_t slot, const struct job_class *c)
{
    struct lane *l = &s->lanes[slot];
    size_t n = UNMATCHED + expr_conjuncts(c->requirements, NULL) + 1;
    *l = (struct lane){.class = c,
                       .class_id = c->id,
                       .is_todo = l->is_todo,
                       .has_credential = s->env.has_credential(s->env.ctx, c),
                       .cost = 1 + (uint32_t)(expr_cost(c->requirements) / 8),
                       .ranking = facts_ranking(s, c),
                       .n_verdicts = n < VERDICT_MAX + 1 ? (uint32_t)n : VERDICT_MAX + 1};
    l->numbers = facts_numbers(s, c, &l->has_numbers);
    l->n_hosts = xcalloc(l->n_verdicts, sizeof *l->n_hosts);
    s->budget -= LANE_COST;
    cells_add_lane(s, slot);
}

static void look_at_first(struct sched *s, uint32_t slot)
{
    struct lane *l = &s->lanes[slot];
    const struct job *first = l->class->first;
    if (!first) {
        if (l->state != LANE_NEW)
            lane_set(s, slot, LANE_IDLE);
        return;
    }
    s->keys[slot] = (struct lane_key){first->priority, first->id};
    if (l->state == LANE_LIVE)
        heap_settle(s, l->heap_at, slot);
    else if (l->state == LANE_IDLE)
        lane_set(s, slot, LANE_LIVE);
}

static void slot_changed(struct sched *s, uint32_t slot)
{
    const struct job_class *c = s->env.state->class_slots[slot].class;
    if (s->lanes[slot].class && (!c || c->id != s->lanes[slot].class_id))
        lane_remove(s, slot);
    s->budget--;
    if (c && !s->lanes[slot].class)
        lane_add(s, slot, c);
    if (c)
        look_at_first(s, slot);
}

bool lanes_take_changes(struct sched *s)
{
    struct state *state = s->env.state;
    if (state->n_slots > s->n_slots)
        grow(s, state->n_slots);
    for (uint32_t slot; s->budget > 0 && state_take_changed(state, &slot);)
        slot_changed(s, slot);
    return !state->n_changed;
}

void lanes_clear(struct sched *s)
{
    for (uint32_t i = 0; i < s->n_slots; i++) {
        free(s->lanes[i].numbers);
        free(s->lanes[i].n_hosts);
        free(s->lanes[i].spots);
        facts_release(s->lanes[i].ranking);
    }
    free(s->lanes);
    free(s->keys);
    free(s->is_busy);
    free(s->heap.items);
    free(s->freed_users);
}
