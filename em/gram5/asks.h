/* Requests to sites, so that no site can hold up another and none of ours waits for ever.
 *
 * Per host at most so many requests are under way; the rest waits in order. Each has a time limit
 * from when it was sent. A host that let one run out is silent: while it is, one request at a time
 * is sent there, and what waits is given up after a while. What is given up is answered here; a
 * reply that still comes is dropped, but for the one to a submission: the job it made at the site
 * is cancelled. */
#ifndef EM_GRAM5_ASKS_H
#define EM_GRAM5_ASKS_H

#include "em/gram5/gram.h"

/* Instead of a GRAM code. */
enum {
    ASK_SILENT = -1,  /* no reply in time, or not even sent because others had none */
    ASK_NO_NAME = -2, /* the host's name cannot be resolved */
};

struct asks;
struct ask;

/* Once, in the loop's thread; the ask is gone then. `r` lives for the call. */
typedef void ask_fn(void *ctx, const struct gram_reply *r);

struct asks *asks_create(struct loop *l, struct mailbox *m, struct gram *g);
struct ask *asks_send(struct asks *a, enum gram_op op, const char *target, const char *rsl,
                      ask_fn *fn, void *ctx);
void asks_forget(struct ask *k); /* fn will not be called; NULL is fine */

void asks_replied(struct asks *a, const struct gram_reply *r); /* what gram.h tells */

#endif
