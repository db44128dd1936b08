/* What a driver was asked and has not answered, and how long it may leave it so. Time is counted in
 * looks of the watchdog, and so only while this process runs itself: when it was stopped, or the
 * machine slept, answers have come that nobody has read yet.
 *
 * A request that is not answered in time is the driver's end. A copy may take any time, so it is
 * the driver that has to say that it goes on; one of which nothing is heard is the engine's to
 * break off, and the copies of others go on. */
#include "gwd/daemon/driver_private.h"
#include "lib/log.h"
#include "lib/mem.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <utlist.h>

enum { PROGRESS_S = 20 /* so often it tells of each copy at least (docs/PROTOCOL) */ };

static struct pending **list_of(struct driver_process *p, const struct pending *q)
{
    return q->is_copy ? &p->copies : &p->pending;
}

static void take_off(struct driver_process *p, struct pending *q)
{
    struct pending **list = list_of(p, q);
    DL_DELETE(*list, q);
    free(q);
}

void pending_drop_all(struct driver_process *p, struct handle *h)
{
    struct pending *q, *tmp;
    LL_FOREACH_SAFE2(h->pending, q, tmp, of_handle)
    take_off(p, q);
    h->pending = NULL;
}

void pending_add(struct driver_process *p, struct handle *h, const char *verb, uint64_t number)
{
    struct pending *q = xcalloc(1, sizeof *q), **list;
    *q = (struct pending){.verb = verb,
                          .handle = h,
                          .number = number,
                          .is_copy = strcmp(verb, "CP") == 0,
                          .look = p->daemon->driver_looks,
                          .of_handle = h->pending};
    h->pending = q;
    list = list_of(p, q);
    DL_APPEND(*list, q);
}

/* A handle has few. */
bool pending_settle(struct driver_process *p, struct handle *h, const char *verb, uint64_t number)
{
    struct pending **oldest = NULL;
    for (struct pending **q = &h->pending; *q; q = &(*q)->of_handle)
        if (strcmp((*q)->verb, verb) == 0 && (!(*q)->is_copy || (*q)->number == number))
            oldest = q;
    if (!oldest)
        return false;
    struct pending *done = *oldest;
    *oldest = done->of_handle;
    take_off(p, done);
    return true;
}

void pending_goes_on(struct driver_process *p, struct handle *h, uint64_t number)
{
    struct pending *q = h->pending;
    while (q && !(q->is_copy && q->number == number))
        q = q->of_handle;
    if (!q)
        return;
    q->look = p->daemon->driver_looks;
    DL_DELETE(p->copies, q);
    DL_APPEND(p->copies, q);
}

static void break_off(struct driver_process *p, struct pending *q, uint64_t after_s)
{
    struct input in = {.kind = IN_STALLED,
                       .answer = {.kind = p->settings->kind,
                                  .driver = p->settings->name,
                                  .ref = q->handle->ref,
                                  .number = q->number}};
    log_warn("%s: nothing was heard of a copy of job %" PRIu64 ".%" PRIu64 " for %" PRIu64
             " s; it is broken off",
             LABEL(p), in.answer.ref.job, in.answer.ref.task, after_s);
    LL_DELETE2(q->handle->pending, q, of_handle);
    take_off(p, q);
    turn_input(p->daemon, &in);
}

void pending_look(struct driver_process *p)
{
    const struct settings *s = p->daemon->settings;
    uint64_t now = p->daemon->driver_looks, timeout_s = settings_driver_timeout_s(s);
    uint64_t copy_s =
        p->features & FEATURE_PROGRESS ? timeout_s + PROGRESS_S : settings_copy_timeout_s(s);
    if (p->pending && now - p->pending->look > WATCHDOG_LOOKS(timeout_s)) {
        p->unanswered = p->pending->handle->ref;
        driver_down(p, "it leaves a request unanswered");
        return;
    }
    while (p->copies && now - p->copies->look > WATCHDOG_LOOKS(copy_s))
        break_off(p, p->copies, copy_s);
}
