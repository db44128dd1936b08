/* Threads for what may block, so that the loop does not. */
#ifndef TM_POOL_H
#define TM_POOL_H

#include "drivers/loop.h"

/* Embed it first in what is to be done. `work` runs in a thread of the pool; then `done` in the
 * loop's, which may free it. */
struct pool_task {
    void (*work)(struct pool_task *t);
    void (*done)(struct pool_task *t);
    struct pool_task *prev, *next;
};

struct pool;
struct pool *pool_create(struct loop *l, unsigned n_threads);
void pool_add(struct pool *p, struct pool_task *t);
void pool_destroy(struct pool *p); /* all that was added is worked and done first */

#endif
