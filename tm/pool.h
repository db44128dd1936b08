/* Threads for what may block, so that the loop does not. */
#ifndef TM_POOL_H
#define TM_POOL_H

#include "drivers/loop.h"

#include <stdbool.h>

/* Embed it first in what is to be done. `work` runs in a thread of the pool; then `done` in the
 * loop's, which may free it. */
struct pool_task {
    void (*work)(struct pool_task *t);
    void (*done)(struct pool_task *t);
    struct pool_task *prev, *next;
};

/* What a thread does with the tasks that it has worked, before they are done: what they have in
 * common, such as a sync. They are a list by `next`. */
typedef void pool_settle(struct pool_task *tasks);

struct pool;
struct pool *pool_create(struct loop *l, unsigned threads_max); /* they are started as needed */
/* A pool whose threads take all that waits at a time, `batch_max` at most. */
struct pool *pool_create_batches(struct loop *l, unsigned threads_max, unsigned batch_max,
                                 pool_settle *settle);
void pool_add(struct pool *p, struct pool_task *t);

/* Outside the loop: wait until all that was added is done, calling `done` here. false: some is not.
 */
bool pool_drain(struct pool *p, unsigned timeout_ms);
void pool_destroy(struct pool *p); /* all that was added is worked and done first */

#endif
