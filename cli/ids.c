#include "cli/ids.h"
#include "lib/mem.h"
#include "lib/num.h"

#include <stdlib.h>
#include <string.h>

/* One id or range. */
static int parse_part(const char *part, uint64_t *first, uint64_t *last)
{
    const uint64_t max = INT64_MAX;
    const char *dash = strchr(part, '-');
    char *from = dash ? xstrndup(part, (size_t)(dash - part)) : xstrdup(part);
    int r = num_parse_u64(from, 0, max, first, NULL);
    free(from);
    *last = *first;
    if (r == 0 && dash)
        r = num_parse_u64(dash + 1, 0, max, last, NULL);
    return r == 0 && *first <= *last ? 0 : -1;
}

static int add_part(struct ids *ids, const char *part, struct gw_err *err)
{
    uint64_t first = 0, last = 0;
    if (parse_part(part, &first, &last) < 0)
        return gw_err_set(err, GW_EINVAL, "\"%s\" is not a job id; write 12, or 3-7 for a range",
                          part);
    if (last - first >= IDS_MAX - ids->n)
        return gw_err_set(err, GW_EINVAL, "\"%s\" makes more than %d jobs", part, IDS_MAX);
    ids->items = xreallocarray(ids->items, ids->n + (size_t)(last - first) + 1, sizeof *ids->items);
    for (uint64_t id = first; id <= last; id++)
        ids->items[ids->n++] = id;
    return 0;
}

int ids_add(struct ids *ids, const char *text, struct gw_err *err)
{
    size_t before = ids->n, parts = 0;
    char *copy = xstrdup(text), *rest = NULL;
    int r = 0;
    for (char *part = strtok_r(copy, " \t\n,", &rest); part && r == 0;
         part = strtok_r(NULL, " \t\n,", &rest)) {
        r = add_part(ids, part, err);
        parts++;
    }
    free(copy);
    if (r == 0 && parts == 0)
        r = gw_err_set(err, GW_EINVAL, "\"%s\" has no job id; write 12, or 3-7 for a range", text);
    if (r < 0)
        ids->n = before;
    return r;
}

void ids_clear(struct ids *ids)
{
    free(ids->items);
    *ids = (struct ids){0};
}
