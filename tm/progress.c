/* PROGRESS: how far copies are, and that those that wait, wait. gwd breaks off one of which it
 * hears nothing, so nothing is told that is not so: a thread that hangs in the kernel tells
 * nothing. */
#include "tm/request.h"

#include <inttypes.h>
#include <string.h>
#include <utlist.h>

enum { SECOND_MS = 1000, WAITING_S = 20 };

static void tell(struct request *r)
{
    uint64_t moved = atomic_load(&r->moved);
    unsigned signs = atomic_load(&r->signs);
    bool is_first = r->told.seconds++ == 0; /* it may be less than a second old */
    bool is_waiting = !atomic_load(&r->is_at_work) && r->told.seconds % WAITING_S == 0;
    if (is_first || (moved == r->told.moved && signs == r->told.signs && !is_waiting))
        return;
    r->told.moved = moved;
    r->told.signs = signs;
    kit_succeed(r->transfers->kit, "PROGRESS", r->handle, r->number, "%" PRIu64 " %" PRIu64, moved,
                (uint64_t)atomic_load(&r->total));
}

static void on_second(void *ctx)
{
    struct transfers *t = ctx;
    struct request *r;
    t->is_telling = false;
    DL_FOREACH (t->requests, r)
        if (strcmp(r->verb, "CP") == 0 && !r->asked) {
            tell(r);
            progress_begin(t);
        }
}

void progress_begin(struct transfers *t)
{
    if (t->is_telling || !kit_has(t->kit, KIT_PROGRESS))
        return;
    t->is_telling = true;
    loop_timer_add(kit_loop(t->kit), SECOND_MS, on_second, t);
}

void progress_sign(struct request *r)
{
    atomic_fetch_add(&r->signs, 1);
}
