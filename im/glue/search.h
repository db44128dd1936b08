/* One server asked, and what it publishes turned into hosts. This blocks, for as long as the server
 * likes: fetch.h does it in a process that can be killed. */
#ifndef IM_GLUE_SEARCH_H
#define IM_GLUE_SEARCH_H

#include "im/glue/options.h"
#include "lib/buf.h"
#include "lib/err.h"

/* Append a line "HOST ATTRIBUTES\n" for each host, "!HOST SENTENCE\n" for one that cannot be used
 * because its job directories would be outside of the server's realm, and "! SENTENCE\n" where
 * hosts outside of it were left out. The text of an error begins with the URL. */
int search_hosts(const struct options *o, const struct target *t, struct buf *out,
                 struct gw_err *err);

#endif
