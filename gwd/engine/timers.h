/* A heap of times at which the engine wants to be called. An entry is never taken out before its
 * time: whoever set it compares its generation. */
#ifndef GWD_ENGINE_TIMERS_H
#define GWD_ENGINE_TIMERS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum timer_kind {
    TIMER_FLIGHT,
    TIMER_DISCOVER,
    TIMER_MONITOR,
    TIMER_POLL,
    TIMER_MATCH,
    TIMER_FORGET,
    TIMER_LEASE,
    TIMER_CREDENTIAL,
    TIMER_REST,
    TIMER_REMAINS,
    TIMER_INQUEST
};

struct timer {
    int64_t at_us; /* mono */
    enum timer_kind kind;
    uint64_t job, task, generation; /* of a flight; job: index for DISCOVER, MONITOR and REST, first
                                       id for FORGET */
};

struct timers {
    struct timer *heap;
    size_t n, cap;
};

void timers_add(struct timers *t, struct timer timer);
bool timers_take(struct timers *t, int64_t now_us, struct timer *ret); /* one that is due */
int64_t timers_next(const struct timers *t);                           /* INT64_MAX: none */
void timers_clear(struct timers *t);

#endif
