/* What a failed request means to people: a reason of docs/PROTOCOL section 5 and a sentence. */
#ifndef EM_GRAM5_WORDS_H
#define EM_GRAM5_WORDS_H

#include "em/gram5/gram.h"
#include "gsi/explain.h"

/* `gatekeeper`: whom it was about. `c`: the credential that it was asked with, or NULL. */
void words_of_failure(const struct gram_reply *r, const char *gatekeeper,
                      const struct credential *c, struct explanation *ret);

#endif
