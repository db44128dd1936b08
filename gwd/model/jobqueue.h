/* Jobs by priority, then id: a treap whose weights are a function of the ids, so that equal states
 * have equal trees. Adding and removing cost O(log n) wherever in the order; a job that is in no
 * queue is not touched. Links are in the jobs. */
#ifndef GWD_MODEL_JOBQUEUE_H
#define GWD_MODEL_JOBQUEUE_H

#include "gwd/model/job.h"

bool job_goes_before(const struct job *a, const struct job *b);

void jobqueue_add(struct job **root, struct job *j); /* that is in no queue */
void jobqueue_remove(struct job **root, struct job *j);
struct job *jobqueue_first(struct job *root);                      /* or NULL */
struct job *jobqueue_after(struct job *root, const struct job *j); /* or NULL */

#endif
