/* From site to site: their servers connect with each other, and no byte comes here. */
#include "lib/mem.h"
#include "tm/gass/cp.h"
#include "tm/gass/raw.h"

#include <stdlib.h>

/* How much has arrived, over another session. */
static int look_step(struct ftp *f, void *ctx, struct trouble *t)
{
    struct cp *c = ctx;
    struct facts facts;
    int r = ftp_facts(f, c->part.text, &facts, t);
    if (r == 0)
        atomic_store(&c->g->r.moved, facts.size);
    return r;
}

static bool goes_on(void *ctx)
{
    struct cp *c = ctx;
    struct trouble t;
    uint64_t before = atomic_load(&c->g->r.moved);
    return gass_do_once(c->g->to.host, &c->g->r.is_cancelled, look_step, c, &t) == 0 &&
           atomic_load(&c->g->r.moved) > before;
}

static int md5_there(struct cp *c, struct ftp *f, uint64_t len, char ret[33], struct trouble *t)
{
    return raw_md5(f, c->g->from.host, c->g->from.path, len, ret, t);
}

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
    r = cp_look_part(c, f, md5_there, &at, t);
    if (r < 0)
        return r;
    atomic_store(&c->g->r.moved, at);
    r = ftp_third_party(f, g->from.text, c->part.text, at, c->size, goes_on, c, t);
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
