/* By when which events were there, on the clock of served time (gwd/daemon/served.c): the newest
 * moments a short step apart, for jobs in the listing, those before them a long one, for what is
 * left at sites. So few are kept, however different these times are. */
#ifndef GWD_DAEMON_MOMENTS_H
#define GWD_DAEMON_MOMENTS_H

#include "gwd/engine/engine.h"

/* The oldest is as old as a job gets that is still in the listing, and as what is still left. */
enum {
    MOMENT_STEPS = 64,
    MOMENTS_FINE = MOMENT_STEPS + 2,
    MOMENTS = MOMENTS_FINE + MOMENT_STEPS + 2
};
#define MOMENT_LONG_STEP_US (REMAINS_KEPT_US / MOMENT_STEPS)

struct moments {
    struct moment {
        uint64_t seq;
        int64_t at_us;
    } items[MOMENTS];
    size_t n;
};

/* Nothing is added when no event came, or when the last one is less than `step_us` ago. */
void moments_add(struct moments *m, struct moment now, int64_t step_us);

#endif
