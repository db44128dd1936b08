/* Interning of what equal submissions share (struct job_spec), and of what the scheduler sees as
 * equal (struct job_class). Used by state_apply only. */
#ifndef GWD_MODEL_JOBSPEC_H
#define GWD_MODEL_JOBSPEC_H

#include "gwd/model/state.h"

/* The spec of a submission event, made when it is new; one reference is the caller's.
 * -GW_ECORRUPT when the template does not parse. */
int jobspec_take(struct state *s, const struct event *ev, struct job_spec **ret,
                 struct gw_err *err);
/* What it takes in memory, about: its texts, what was made of them, and its class as if that were
 * its own. */
uint64_t jobspec_bytes(const struct job_spec *spec);

void jobspec_release(struct state *s, struct job_spec *spec);

#endif
