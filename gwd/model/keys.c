/* Jobs by submission key: open addressing, so that a key costs its job twelve bytes or so. */
#include "gwd/model/state_private.h"
#include "lib/mem.h"
#include "lib/num.h"

#include <stdlib.h>
#include <string.h>

static size_t home_of(const struct state *s, const char *key)
{
    uint64_t h = num_fnv64(key, strlen(key));
    return (h ^ h >> 32) & (s->keys.n_slots - 1);
}

/* The slot of the key, or the free one where it would go. */
static size_t slot_of(const struct state *s, const char *key)
{
    size_t i = home_of(s, key);
    while (s->keys.slots[i] && strcmp(s->keys.slots[i]->key, key) != 0)
        i = (i + 1) & (s->keys.n_slots - 1);
    return i;
}

struct job *keys_find(const struct state *s, const char *key)
{
    return s->keys.n ? s->keys.slots[slot_of(s, key)] : NULL;
}

static void resize(struct state *s, size_t n_slots)
{
    struct job **old = s->keys.slots;
    size_t n_old = s->keys.n_slots;
    s->keys.n_slots = n_slots;
    s->keys.slots = xcalloc(n_slots, sizeof(struct job *));
    for (size_t i = 0; i < n_old; i++)
        if (old[i])
            s->keys.slots[slot_of(s, old[i]->key)] = old[i];
    free(old);
}

void keys_add(struct state *s, struct job *j)
{
    if (4 * (s->keys.n + 1) > 3 * s->keys.n_slots)
        resize(s, s->keys.n_slots ? 2 * s->keys.n_slots : 64);
    size_t i = slot_of(s, j->key);
    if (s->keys.slots[i])
        s->loading->n_doubles++;
    else
        s->keys.n++;
    s->keys.slots[i] = j;
}

void keys_remove(struct state *s, struct job *j)
{
    size_t mask = s->keys.n_slots - 1, hole = slot_of(s, j->key);
    if (s->keys.slots[hole] != j) {
        s->loading->n_doubles--;
        return;
    }
    s->keys.slots[hole] = NULL;
    s->keys.n--;
    /* Those behind it that would no longer be found move up. */
    for (size_t i = (hole + 1) & mask; s->keys.slots[i]; i = (i + 1) & mask) {
        size_t home = home_of(s, s->keys.slots[i]->key);
        if (((i - home) & mask) < ((i - hole) & mask))
            continue;
        s->keys.slots[hole] = s->keys.slots[i];
        s->keys.slots[i] = NULL;
        hole = i;
    }
    if (s->keys.n_slots > 64 && 8 * s->keys.n < s->keys.n_slots)
        resize(s, s->keys.n_slots / 2);
}
