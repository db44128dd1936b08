#include "gwd/daemon/moments.h"

#include <string.h>

static void drop(struct moments *m, size_t i)
{
    m->n--;
    memmove(m->items + i, m->items + i + 1, (m->n - i) * sizeof *m->items);
}

/* The one that is not of the newest any more stays when a long step was over. */
static void make_room(struct moments *m)
{
    size_t i = m->n < MOMENTS_FINE ? 0 : m->n - MOMENTS_FINE;
    if (i > 0 && m->items[i].at_us - m->items[i - 1].at_us < MOMENT_LONG_STEP_US)
        drop(m, i);
    else if (m->n == MOMENTS)
        drop(m, 0);
}

void moments_add(struct moments *m, struct moment now, int64_t step_us)
{
    const struct moment *last = m->n ? &m->items[m->n - 1] : NULL;
    if (last && (now.seq == last->seq || now.at_us - last->at_us < step_us))
        return;
    make_room(m);
    m->items[m->n++] = now;
}
