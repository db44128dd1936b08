/* A search in a process of its own. LDAP's library blocks in name resolution and in a server that
 * sends half a message; a process can be killed then, and what a hostile server breaks is not the
 * driver. */
#ifndef IM_GLUE_FETCH_H
#define IM_GLUE_FETCH_H

#include "drivers/loop.h"
#include "im/glue/options.h"

#include <stdbool.h>
#include <stddef.h>

struct fetch;

/* The end of it, once: search_hosts()'s lines, or why there are none. The fetch is gone then. */
typedef void fetch_fn(void *ctx, bool is_good, const char *text, size_t len);

/* At most timeout_s and a little after, fn is called; never from within. NULL with errno: no
 * process could be made. */
struct fetch *fetch_start(struct loop *loop, const struct options *o, const struct target *t,
                          fetch_fn *fn, void *ctx);
void fetch_stop(struct fetch *f); /* fn is not called; NULL is fine */

#endif
