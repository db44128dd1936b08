/* This machine as a host: what it has, and what of it is free now. */
#ifndef IM_SELF_H
#define IM_SELF_H

#include "lib/buf.h"
#include "lib/err.h"

struct self_host {
    char *name;
    unsigned slots;  /* jobs at once */
    char *stage_url; /* where their directories are made */
};

/* "NAME:SLOTS:STAGE_URL"; -GW_EINVAL. */
int self_parse(const char *text, struct self_host *ret, struct gw_err *err);
void self_clear(struct self_host *h);

/* Append the attributes of docs/attributes.md as they are now. What cannot be learnt is left out.
 */
void self_attributes(const struct self_host *h, struct buf *out);

#endif
