/* Whether a host's name can be resolved, found out beside the loop.
 *
 * The GRAM client resolves names within its calls, with a lock held that all its other calls need:
 * one name whose servers are silent would hold up every site for the resolver's time limits (6 s,
 * measured). So a name is first resolved here, in a thread of its own. */
#ifndef EM_GRAM5_NAMES_H
#define EM_GRAM5_NAMES_H

#include "em/gram5/mailbox.h"

typedef void names_fn(void *ctx, const char *error); /* NULL: it resolves */

/* Answers once, in the loop's thread. */
void names_look(struct mailbox *m, const char *host, names_fn *fn, void *ctx);

#endif
