/* The verdicts on all classes and hosts, a byte each, and the counters that agree with them. What
 * is to be evaluated anew waits in two lists, rows (a host for every class) and columns (a class on
 * every host), and either goes on where the budget ended. */
#include "gwd/sched/sched_private.h"
#include "lib/mem.h"

#include <stdlib.h>
#include <string.h>

bool cells_has(const struct sched *s, uint32_t slot)
{
    return slot / BLOCK_SLOTS < s->n_blocks;
}

static uint8_t *cell(const struct sched *s, uint32_t slot, uint32_t host)
{
    return &s->blocks[slot / BLOCK_SLOTS][(size_t)host * BLOCK_SLOTS + slot % BLOCK_SLOTS];
}

uint8_t cells_get(const struct sched *s, uint32_t slot, uint32_t host)
{
    return cells_has(s, slot) ? *cell(s, slot, host) : FITS;
}

static size_t block_size(const struct sched *s)
{
    return (size_t)s->cap_hosts * BLOCK_SLOTS;
}

static void column_add(struct sched *s, uint32_t slot)
{
    struct lane *l = &s->lanes[slot];
    if (l->is_todo)
        return;
    l->is_todo = true;
    list_add(&s->columns, slot);
}

/* --- hosts and lanes come --- */

static void grow(struct sched *s)
{
    s->cap_hosts = s->cap_hosts ? 2 * s->cap_hosts : 16;
    s->hosts = xreallocarray(s->hosts, s->cap_hosts, sizeof(struct sched_host *));
    while (s->n_blocks && s->n_blocks * block_size(s) > s->env.cells_max)
        free(s->blocks[--s->n_blocks]);
    for (uint32_t i = 0; i < s->n_blocks; i++)
        s->blocks[i] = xreallocarray(s->blocks[i], block_size(s), 1);
}

void cells_add_host(struct sched *s)
{
    if (s->n_hosts == s->cap_hosts)
        grow(s);
    s->n_hosts++;
    for (uint32_t i = 0; !s->are_columns_todo && i < s->n_slots; i++)
        if (s->lanes[i].class)
            column_add(s, i);
    s->are_columns_todo = true;
}

/* Another block, when there is room for it. */
static bool block_add(struct sched *s)
{
    if ((s->n_blocks + 1) * block_size(s) > s->env.cells_max)
        return false;
    s->blocks = xreallocarray(s->blocks, s->n_blocks + 1, sizeof(uint8_t *));
    s->blocks[s->n_blocks] = xreallocarray(NULL, block_size(s) + 1, 1);
    s->n_blocks++;
    return true;
}

void cells_redo_lane(struct sched *s, uint32_t slot)
{
    struct lane *l = &s->lanes[slot];
    lane_set(s, slot, LANE_NEW);
    spots_forget(s, l);
    l->n_known = 0;
    memset(l->n_hosts, 0, l->n_verdicts * sizeof *l->n_hosts);
    column_add(s, slot);
}

void cells_add_lane(struct sched *s, uint32_t slot)
{
    while (!cells_has(s, slot) && block_add(s))
        ;
    cells_redo_lane(s, slot);
}

void cells_redo_host(struct sched *s, uint32_t host)
{
    struct sched_host *h = s->hosts[host];
    host_close(s, h);
    facts_forget(s, h);
    h->row_done = 0;
    if (h->is_todo)
        return;
    h->is_todo = true;
    list_add(&s->rows, host);
}

/* --- the work --- */

/* Verdicts up to a host. */
static bool column_work(struct sched *s, uint32_t slot, uint32_t end)
{
    struct lane *l = &s->lanes[slot];
    if (!cells_has(s, slot))
        l->n_known = s->n_hosts;
    for (; l->n_known < end && s->budget > 0; l->n_known++) {
        uint8_t v = facts_verdict(s, l, s->hosts[l->n_known]);
        *cell(s, slot, l->n_known) = v;
        l->n_hosts[v]++;
    }
    s->n_known = l->n_known > s->n_known ? l->n_known : s->n_known;
    return l->n_known >= end;
}

/* Take out the columns that are complete. Returns the first host that one of the others lacks. */
static uint32_t columns_close(struct sched *s)
{
    uint32_t lacking = s->n_hosts;
    size_t n = 0;
    for (size_t i = 0; i < s->columns.n; i++) {
        uint32_t slot = s->columns.items[i];
        struct lane *l = &s->lanes[slot];
        if (l->class && l->n_known < s->n_hosts) {
            lacking = l->n_known < lacking ? l->n_known : lacking;
            s->columns.items[n++] = slot;
            continue;
        }
        l->is_todo = s->are_columns_todo = false;
        if (l->state == LANE_NEW)
            lane_activate(s, slot);
    }
    s->columns.n = n;
    return lacking;
}

/* Some hosts for all lanes, then the next ones: what is read of a host is still at hand then. */
static bool columns_work(struct sched *s)
{
    while (s->columns.n) {
        for (; s->column_at < s->columns.n; s->column_at++) {
            uint32_t slot = s->columns.items[s->column_at];
            if (s->lanes[slot].class && !column_work(s, slot, s->column_end))
                return false;
        }
        s->column_at = 0;
        s->budget -= (int64_t)(s->columns.n / 8);
        uint32_t end = columns_close(s) + TILE_HOSTS;
        s->column_end = end < s->n_hosts ? end : s->n_hosts;
    }
    return true;
}

static bool row_work(struct sched *s, uint32_t host)
{
    struct sched_host *h = s->hosts[host];
    facts_learn(s, h);
    uint32_t n = s->n_blocks * BLOCK_SLOTS < s->n_slots ? s->n_blocks * BLOCK_SLOTS : s->n_slots;
    for (; host < s->n_known && h->row_done < n; h->row_done++) {
        struct lane *l = &s->lanes[h->row_done];
        if (s->budget-- <= 0)
            return false;
        if (!l->class || l->n_known <= host)
            continue; /* its column gets here */
        uint8_t *at = cell(s, h->row_done, host), v = facts_verdict(s, l, h);
        l->n_hosts[*at]--;
        l->n_hosts[v]++;
        *at = v;
    }
    return true;
}

static bool ask_credentials(struct sched *s)
{
    for (; s->credentials_at < s->n_slots; s->credentials_at++) {
        struct lane *l = &s->lanes[s->credentials_at];
        if (s->budget <= 0)
            return false;
        if (!l->class)
            continue;
        s->budget -= 2;
        bool has = s->env.has_credential(s->env.ctx, l->class);
        if (has == l->has_credential)
            continue;
        l->has_credential = has;
        if (s->n_to_owner)
            cells_redo_lane(s, s->credentials_at);
    }
    return true;
}

bool cells_work(struct sched *s)
{
    if (!ask_credentials(s))
        return false;
    while (s->rows.n) {
        uint32_t host = s->rows.items[s->rows.n - 1];
        if (s->budget <= 0 || !row_work(s, host))
            return false;
        s->rows.n--;
        s->hosts[host]->is_todo = false;
        host_open(s, s->hosts[host]);
    }
    return columns_work(s);
}

void cells_clear(struct sched *s)
{
    for (uint32_t i = 0; i < s->n_blocks; i++)
        free(s->blocks[i]);
    free(s->blocks);
    free(s->rows.items);
    free(s->columns.items);
}
