#include "gwd/engine/timers.h"

#include "lib/mem.h"

#include <stdlib.h>

void timers_add(struct timers *t, struct timer timer)
{
    if (t->n == t->cap) {
        t->cap = t->cap ? 2 * t->cap : 64;
        t->heap = xreallocarray(t->heap, t->cap, sizeof *t->heap);
    }
    size_t i = t->n++;
    while (i > 0 && t->heap[(i - 1) / 2].at_us > timer.at_us) {
        t->heap[i] = t->heap[(i - 1) / 2];
        i = (i - 1) / 2;
    }
    t->heap[i] = timer;
}

bool timers_take(struct timers *t, int64_t now_us, struct timer *ret)
{
    if (t->n == 0 || t->heap[0].at_us > now_us)
        return false;
    *ret = t->heap[0];
    struct timer last = t->heap[--t->n];
    size_t i = 0;
    for (size_t child; (child = 2 * i + 1) < t->n; i = child) {
        if (child + 1 < t->n && t->heap[child + 1].at_us < t->heap[child].at_us)
            child++;
        if (last.at_us <= t->heap[child].at_us)
            break;
        t->heap[i] = t->heap[child];
    }
    t->heap[i] = last;
    return true;
}

int64_t timers_next(const struct timers *t)
{
    return t->n ? t->heap[0].at_us : INT64_MAX;
}

void timers_clear(struct timers *t)
{
    free(t->heap);
    *t = (struct timers){0};
}
