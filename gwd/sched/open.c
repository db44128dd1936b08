/* Hosts with a free slot, in the order in which they last opened; and which blocked lane comes
 * first for those that opened since all blocked lanes looked. */
#include "gwd/sched/sched_private.h"
#include "lib/mem.h"

#include <string.h>

static void unlink_host(struct sched *s, struct sched_host *h)
{
    *(h->prev ? &h->prev->next : &s->open_first) = h->next;
    *(h->next ? &h->next->prev : &s->open_last) = h->prev;
    h->prev = h->next = NULL;
}

void host_close(struct sched *s, struct sched_host *h)
{
    if (h->is_open)
        unlink_host(s, h);
    h->is_open = false;
}

static void fresh_add(struct sched *s, struct sched_host *h)
{
    if (!s->n_blocked || s->is_flooded || h->is_fresh)
        return;
    s->woken = SLOT_NONE; /* another lane may come first now */
    if (s->fresh.n < FRESH_MAX) {
        h->is_fresh = true;
        list_add(&s->fresh, (uint32_t)h->host->id);
        return;
    }
    for (size_t i = 0; i < s->fresh.n; i++)
        s->hosts[s->fresh.items[i]]->is_fresh = false;
    s->fresh.n = 0;
    s->is_flooded = true;
    s->flood_at = 0;
}

void host_open(struct sched *s, struct sched_host *h)
{
    if (h->is_todo || h->is_throttled || h->removed)
        return;
    host_close(s, h);
    h->n_free = facts_most_free(h);
    if (!h->n_free)
        return;
    h->stamp = ++s->stamp;
    h->is_open = true;
    h->prev = s->open_last;
    *(h->prev ? &h->prev->next : &s->open_first) = h;
    s->open_last = h;
    fresh_add(s, h);
}

/* May a fresh host that it has not seen serve the lane? */
static bool may_serve(const struct sched *s, uint32_t slot)
{
    const struct lane *l = &s->lanes[slot];
    for (size_t i = 0; i < s->fresh.n; i++) {
        uint32_t id = s->fresh.items[i];
        const struct sched_host *h = s->hosts[id];
        if (h->stamp > l->stamp && cells_get(s, slot, id) == FITS && h->n_free >= l->class->np &&
            facts_has_room(l->class, h))
            return true;
    }
    return false;
}

/* 0x80 in each byte that is 0. */
static uint64_t zero_bytes(const uint8_t *at)
{
    const uint64_t low = UINT64_C(0x7f7f7f7f7f7f7f7f);
    uint64_t x;
    memcpy(&x, at, sizeof x);
    return ~(((x & low) + low) | x | low);
}

/* Of eight lanes, those that wait and match a fresh host by its cell. */
static uint64_t candidates(const struct sched *s, uint32_t slot)
{
    uint64_t blocked = zero_bytes(s->is_busy + slot), matching = 0;
    if (!blocked || !cells_has(s, slot))
        return blocked;
    const uint8_t *cells = s->blocks[slot / BLOCK_SLOTS] + slot % BLOCK_SLOTS;
    for (size_t i = 0; i < s->fresh.n; i++)
        matching |= zero_bytes(cells + (size_t)s->fresh.items[i] * BLOCK_SLOTS);
    return blocked & matching;
}

static void drop_closed(struct sched *s)
{
    size_t n = 0;
    for (size_t i = 0; i < s->fresh.n; i++) {
        struct sched_host *h = s->hosts[s->fresh.items[i]];
        h->is_fresh = h->is_open;
        if (h->is_open)
            s->fresh.items[n++] = s->fresh.items[i];
    }
    s->fresh.n = n;
}

uint32_t fresh_best(struct sched *s)
{
    uint32_t best = SLOT_NONE;
    drop_closed(s);
    for (uint32_t base = 0; s->fresh.n && s->n_blocked && base < s->n_slots; base += 8)
        for (uint64_t set = candidates(s, base); set; set &= set - 1) {
            uint32_t slot = base + (uint32_t)__builtin_ctzll(set) / 8;
            if ((best == SLOT_NONE || key_goes_before(&s->keys[slot], &s->keys[best])) &&
                may_serve(s, slot))
                best = slot;
        }
    s->budget -= (int64_t)(s->n_slots / 64 * (1 + s->fresh.n));
    return best;
}
