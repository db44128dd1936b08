/* How a site has served an owner lately, and so how many attempts of his it is given. A site that
 * fails several tasks in a row, for its own sake, rests: it is given nothing for a pause, which
 * doubles each time, and then few attempts at a time, more with each one that goes well. So a site
 * at which everything fails at once cannot eat a queue.
 *
 * Of each owner by itself: whom a site does not authorize takes it from nobody else, nor does
 * somebody whose jobs kill their wrappers. Functions of their arguments; nothing is stored, because
 * it is soon learnt again. */
#ifndef GWD_ENGINE_HEALTH_H
#define GWD_ENGINE_HEALTH_H

#include "gwd/model/reason.h"

#include <stdbool.h>
#include <stdint.h>

struct health_rules {
    uint64_t failures_max; /* tasks that fail in a row; 0: no site ever rests */
    int64_t pause_us, pause_max_us;
};

struct health {
    uint64_t uid;            /* of the owner, */
    char *user, *credential; /* or NULL */
    uint64_t failures;       /* in a row, of different tasks */
    uint64_t job, task;      /* that failed last */
    struct reason reason;    /* why it did */
    uint64_t window; /* attempts at a time since it first rested; 0: as many as there is room for */
    uint64_t n_trials; /* attempts under way that were started under a window */
    unsigned n_pauses; /* in a row */
    int64_t failed_us; /* mono: the last of these */
    int64_t until_us;  /* mono: nothing is started before */
    int64_t look_us;   /* mono: when the window may grow because attempts go on running */
    struct health *prev, *next;
};

struct health *health_create(uint64_t uid, const char *user, const char *credential);
void health_destroy(struct health *h);

/* May an attempt be started now? */
bool health_may_start(const struct health *h, int64_t mono_us);

/* An attempt is started; true: it counts as a trial, which health_trial_ended() is told of. */
bool health_started(struct health *h);
void health_trial_ended(struct health *h);

/* An attempt of the task failed for the site's sake. */
void health_failed(struct health *h, const struct health_rules *rules, int64_t mono_us,
                   uint64_t job, uint64_t task, const struct reason *why);

/* An attempt went well. True: all is forgotten, as if nothing had ever failed. */
bool health_succeeded(struct health *h);

/* look_us has come. `is_running`: a trial runs since. True: all is forgotten. */
bool health_look(struct health *h, const struct health_rules *rules, int64_t mono_us,
                 bool is_running);

/* When something changes without an event: the end of a pause, or the next look. INT64_MAX: never.
 */
int64_t health_next_us(const struct health *h, int64_t mono_us);

#endif
