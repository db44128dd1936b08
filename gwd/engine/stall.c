/* Copies of which nothing is heard any more, while their driver answers all else: an answer was
 * lost, or it hangs on them. END stops what may still go on, START opens the handle anew, and then
 * they have failed, and their phase does what it does about a failure. A driver that cannot end
 * them leaves END unanswered, and is ended itself. */
#include "gwd/engine/engine_private.h"

#include <string.h>

static const char code[] = "unreachable";
static const char text[] = "nothing was heard of a copy for too long";
static const char failure[] = "unreachable:site nothing was heard of a copy for too long";

static bool is_copying(const struct flight *f, uint64_t number)
{
    switch ((int)f->step) {
    case PRO_COPY:
    case EPI_COPY:
    case ABO_COPY:
        return copies_is_open(f, number);
    case PRO_FILL:
    case EPI_STATUS:
        return f->lone_copy == number;
    default:
        return false;
    }
}

/* A prolog as often as anything is tried again, also when its copies took the driver with them. Of
 * results nothing is given up for that. */
static bool is_enough(struct flight *f)
{
    return f->task->phase == PHASE_PROLOG && ++f->stalls > f->job->spec->t->retries;
}

static void begin(struct engine *e, struct flight *f, uint64_t number)
{
    if (!is_copying(f, number))
        return;
    reason_set(&f->trouble, code, BLAME_SITE, text);
    if (is_enough(f)) {
        flight_fail(f, code, BLAME_SITE, text);
        abort_begin(e, f);
        return;
    }
    f->timer++;
    f->stalled = f->step;
    f->stalled_copy = number;
    tm_send(e, f, STA_END, "END", 0, NULL, NULL, NULL);
}

void stall_input(struct engine *e, const struct input *in)
{
    struct flight *f = flight_find(e, in->answer.ref);
    struct input failed = *in;
    if (f && strcmp(in->answer.driver, flight_attempt(f)->tm) == 0)
        begin(e, f, in->answer.number);
    if (in->answer.ref.job)
        return;
    failed.answer.verb = "CP";
    failed.answer.is_success = false;
    failed.answer.text = failure;
    if (!trace_answer(e, &failed))
        lease_answer(e, &failed);
}

/* All that are open; the one that stalled is the last. */
static void fail(struct engine *e, struct flight *f, const char *why)
{
    struct input in = {.kind = IN_ANSWER,
                       .answer = {.kind = DRIVER_TM, .verb = "CP", .ref = f->ref, .text = why}};
    bool is_lone = f->stalled == PRO_FILL || f->stalled == EPI_STATUS;
    f->step = f->stalled;
    for (size_t i = 0; !is_lone && i < f->copies.n; i++) {
        in.answer.number = f->copies.items[i].number;
        if (f->copies.items[i].is_open && in.answer.number != f->stalled_copy)
            copies_answer(f, &in);
    }
    in.answer.number = f->stalled_copy;
    flight_tm_answer(e, f, &in);
}

void stall_answer(struct engine *e, struct flight *f, const struct input *in)
{
    const char *verb = in->answer.verb;
    bool is_ok = in->answer.is_success;
    /* Done before END reached it. What END cancels fails below. */
    if (strcmp(verb, "CP") == 0 && is_ok && in->answer.number != f->stalled_copy)
        copies_answer(f, in);
    else if (strcmp(verb, "END") == 0 && f->step == STA_END)
        tm_send(e, f, STA_START, "START", 0, NULL, NULL, NULL);
    else if (strcmp(verb, "START") == 0 && f->step == STA_START)
        fail(e, f, is_ok ? failure : in->answer.text);
}
