/* A heap of what is to happen, by time and, at one time, in the order in which it was added. */
#include "sim/sim_private.h"

#include "lib/mem.h"

#include <stdlib.h>

static bool is_before(const struct agenda_item *a, const struct agenda_item *b)
{
    return a->at_us != b->at_us ? a->at_us < b->at_us : a->order < b->order;
}

void agenda_add(struct agenda *a, int64_t at_us, agenda_act *act, void *what)
{
    if (a->n == a->cap) {
        a->cap = a->cap ? 2 * a->cap : 256;
        a->items = xreallocarray(a->items, a->cap, sizeof *a->items);
    }
    const struct agenda_item item = {at_us, a->order++, act, what};
    size_t i = a->n++;
    for (; i > 0 && is_before(&item, &a->items[(i - 1) / 2]); i = (i - 1) / 2)
        a->items[i] = a->items[(i - 1) / 2];
    a->items[i] = item;
}

bool agenda_take(struct agenda *a, struct agenda_item *ret)
{
    if (a->n == 0)
        return false;
    *ret = a->items[0];
    const struct agenda_item last = a->items[--a->n];
    size_t i = 0;
    for (size_t child; (child = 2 * i + 1) < a->n; i = child) {
        if (child + 1 < a->n && is_before(&a->items[child + 1], &a->items[child]))
            child++;
        if (!is_before(&a->items[child], &last))
            break;
        a->items[i] = a->items[child];
    }
    a->items[i] = last;
    return true;
}

void agenda_clear(struct agenda *a)
{
    free(a->items);
    *a = (struct agenda){0};
}
