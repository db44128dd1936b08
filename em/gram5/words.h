/* What a failed request means to people: a reason of docs/PROTOCOL section 5 and a sentence. */
#ifndef EM_GRAM5_WORDS_H
#define EM_GRAM5_WORDS_H

#include "em/gram5/gram.h"
#include "gsi/explain.h"

/* `gatekeeper`: whom it was about. `c`: the credential that it was asked with, or NULL. */
void words_of_failure(const struct gram_reply *r, const char *gatekeeper,
                      const struct credential *c, struct explanation *ret);

typedef void words_fn(void *ctx, const struct explanation *e);

/* The same of a request to the gatekeeper itself, which is asked what it has against us where
 * GRAM's code does not say. Calls fn once, in the loop's thread, perhaps before it returns. */
void words_find(struct mailbox *m, const struct gram_reply *r, const char *gatekeeper,
                const struct credential *c, words_fn *fn, void *ctx);

#endif
