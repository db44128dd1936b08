/* From site to site: their servers connect with each other, and no byte comes here. */
#include "lib/mem.h"
#include "tm/gass/cp.h"

#include <stdlib.h>

static int third_step(struct ftp *f, void *ctx, struct trouble *t)
{
    struct cp *c = ctx;
    const struct gass_request *g = c->g;
    uint64_t at = 0;
    if (c->is_about_to_end)
        return cp_finish(c, f, t);
    int r = cp_look_source(c, f, t);
    if (r < 0)
        return r;
    if (c->size > CP_BULK_BYTES && g->class != CLASS_BULK) {
        c->g->is_bulk = true;
        return 0;
    }
    r = cp_look_part(c, f, &at, t);
    if (r < 0)
        return r;
    r = ftp_third_party(f, g->from.text, c->part.text, at, c->size, &c->g->moved, t);
    return r < 0 ? cp_failed(c, t) : cp_finish(c, f, t);
}

void cp_third(struct cp *c)
{
    struct gass_request *g = c->g;
    struct trouble t;
    char *key = xasprintf("%s>%s", g->from.host, g->to.host);
    if (gass_do(g, key, third_step, c, &c->has_moved, &t) < 0)
        cp_fail(c, &t, c->is_output);
    free(key);
}
