/* Lists of job ids, as people write them. */
#ifndef CLI_IDS_H
#define CLI_IDS_H

#include "lib/err.h"

#include <stddef.h>
#include <stdint.h>

enum { IDS_MAX = 1000000 };

struct ids {
    uint64_t *items;
    size_t n;
};

/* Add what `text` says: "12", "3-7", several joined by blanks or commas. -GW_EINVAL names the part
 * that is wrong; nothing is added then. */
int ids_add(struct ids *ids, const char *text, struct gw_err *err);
void ids_clear(struct ids *ids);

#endif
