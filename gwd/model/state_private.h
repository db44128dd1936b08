/* The few ways in which fold.c and checkpoint.c change the indexes of a state. Nobody else includes
 * this. */
#ifndef GWD_MODEL_STATE_PRIVATE_H
#define GWD_MODEL_STATE_PRIVATE_H

#include "gwd/model/state.h"

void state_add_job(struct state *s, struct job *j); /* its id is greater than all before */
void state_remove_job(struct state *s, struct job *j);
void state_requeue(
    struct job *j); /* put into or take out of its class's queue, as it is ready or not */

/* The task's own struct, made when it was like the rest. */
struct task *state_touch(struct state *s, struct job *j, uint64_t index);

/* Change phase and wish, and all that is counted or listed by them. */
void state_set(struct state *s, struct job *j, struct task *t, enum phase phase, enum wish wish);

/* Apply one checkpoint event (EV_CK_*). */
int checkpoint_apply(struct state *s, const struct event *ev, struct gw_err *err);

/* Make a job of a submission or checkpoint event, not yet in the indexes. */
int job_of_event(struct state *s, const struct event *ev, struct job **ret, struct gw_err *err);

/* A new last attempt of `t` at the place that the event names. */
struct attempt *attempt_of_event(struct task *t, const struct event *ev);

#endif
