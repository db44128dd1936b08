#include "tm/gass/cp.h"

#include "lib/log.h"
#include "lib/mem.h"
#include "tm/gass/partname.h"
#include "tm/gass/raw.h"

#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

/* What a server that dies has written may be in the wrong order near its end. */
enum { DOUBTFUL_BYTES = 16 << 20 };

int cp_look_source(struct cp *c, struct ftp *f, struct trouble *t)
{
    struct facts facts;
    const struct url *from = &c->g->from;
    int r = ftp_facts(f, from->text, &facts, t);
    if (r == 0 && facts.is_link && url_is_in_job(from->path))
        r = trouble_set(t, GW_EINVAL, NULL, "%s is a symbolic link, which is not followed here",
                        from->path);
    else if (r == 0 && facts.is_forbidden)
        r = trouble_set(t, GW_EPERM, NULL, "%s may not be read", from->path);
    else if (r == 0 && facts.type != FACTS_FILE)
        r = trouble_set(t, GW_EINVAL, NULL, "%s is not a regular file", from->path);
    if (r < 0) {
        t->is_source = true;
        return r;
    }
    /* One that changed between two tries is copied from its beginning. */
    if (c->has_source && (facts.size != c->size || facts.mtime != c->mtime))
        c->is_stale = true;
    c->has_source = true;
    c->size = facts.size;
    atomic_store(&c->g->r.total, c->size);
    c->mtime = facts.mtime;
    c->mode = facts.has_mode ? facts.mode : 0644;
    return 0;
}

static int make_parents(struct cp *c, struct ftp *f, struct trouble *t)
{
    char *parent = c->wants_parents ? url_parent(c->g->to.path) : NULL;
    int r = 0;
    if (parent) {
        struct url up;
        url_with_path(&c->g->to, parent, &up);
        r = site_mkdirs(f, &up, t);
        url_clear(&up);
        free(parent);
    }
    if (r == 0)
        c->wants_parents = false;
    return r;
}

/* The size says little: a server may have made room first, or written in another order. */
static bool is_same(struct cp *c, struct ftp *f, cp_md5 *md5, uint64_t len)
{
    char theirs[RAW_MD5], ours[RAW_MD5];
    struct trouble t;
    int r = raw_md5(f, c->part.host, c->part.path, len, theirs, &t);
    progress_sign(&c->g->r);
    if (r == 0 && md5(c, f, len, ours, &t) == 0) {
        if (strcasecmp(ours, theirs) == 0)
            return true;
        gw_err_set(&t.err, GW_ECORRUPT, "what has arrived is not what was sent");
    }
    log_info("%s: begins anew: %s", c->part.path, t.err.text);
    return false;
}

int cp_look_part(struct cp *c, struct ftp *f, cp_md5 *md5, uint64_t *ret_offset, struct trouble *t)
{
    struct facts facts;
    uint64_t offset = 0;
    int r = make_parents(c, f, t);
    if (r == 0 && c->has_part)
        r = ftp_facts(f, c->part.text, &facts, t);
    if (r < 0 && t->err.code != GW_ENOENT)
        return r;
    if (r == 0 && c->has_part && !c->is_stale && facts.type == FACTS_FILE && facts.size <= c->size)
        offset = facts.size > DOUBTFUL_BYTES ? facts.size - DOUBTFUL_BYTES : 0;
    if (offset && (!md5 || !is_same(c, f, md5, offset)))
        offset = 0;
    if (offset)
        log_info("%s: goes on at byte %" PRIu64, c->part.path, offset);
    if (offset > c->best) {
        c->best = offset;
        c->has_moved = true;
    }
    *ret_offset = offset;
    c->has_part = true;
    c->is_stale = false;
    return 0;
}

int cp_failed(struct cp *c, const struct trouble *t)
{
    if (t->errnum != ENOENT || t->is_source || c->has_parents)
        return -t->err.code;
    c->wants_parents = c->has_parents = true;
    return STEP_AGAIN;
}

static int check_size(struct cp *c, const struct facts *facts, struct trouble *t)
{
    if (facts->size == c->size)
        return 0;
    return trouble_set(t, GW_EIO, NULL, "%s: %" PRIu64 " bytes arrived of %" PRIu64, c->g->to.path,
                       facts->size, c->size);
}

/* Its name was changed by an earlier try, whose answer did not reach us. */
static int look_renamed(struct cp *c, struct ftp *f, struct trouble *t)
{
    struct facts facts;
    struct trouble other;
    if (ftp_facts(f, c->g->to.text, &facts, &other) < 0 || facts.size != c->size)
        return -t->err.code;
    c->has_part = false;
    return 0;
}

int cp_finish(struct cp *c, struct ftp *f, struct trouble *t)
{
    struct facts facts;
    int r = ftp_facts(f, c->part.text, &facts, t);
    if (r < 0)
        return c->is_about_to_end && t->err.code == GW_ENOENT ? look_renamed(c, f, t) : r;
    r = check_size(c, &facts, t);
    mode_t mode = facts.has_mode ? facts.mode | (facts.mode & 0444) >> 2 : 0755;
    if (r == 0 && c->g->r.is_executable && mode != facts.mode)
        r = ftp_chmod(f, c->part.text, mode, t);
    if (r < 0)
        return r;
    c->is_about_to_end = true;
    r = ftp_move(f, c->part.text, c->g->to.text, t);
    if (r == 0)
        c->has_part = false;
    return r;
}

void cp_fail(struct cp *c, struct trouble *t, bool is_jobs_choice)
{
    struct gass_request *g = c->g;
    if (t->errnum)
        gw_err_sys(&t->err, t->errnum, "%s", t->is_source ? g->r.from : g->r.to);
    /* Who was not let in has written nothing, and could remove nothing. */
    if (t->reason && t->err.code == GW_EPERM)
        c->has_part = false;
    if (t->is_source)
        gass_fail_source(g, t, g->r.from);
    else
        gass_fail_target(g, t, is_jobs_choice);
}

static int discard_step(struct ftp *f, void *ctx, struct trouble *t)
{
    struct cp *c = ctx;
    return ftp_delete(f, c->part.text, t);
}

/* What END waits for: bounded, and not itself cancelled. */
static void discard_part(struct cp *c)
{
    struct trouble t;
    if (gass_do_once(c->g->to.host, NULL, discard_step, c, &t) < 0 && t.err.code != GW_ENOENT)
        log_warn("%s is left behind: %s", c->part.path, t.err.text);
}

void gass_copy(struct gass_request *g)
{
    struct cp c = {.g = g};
    struct gw_err err;
    const char *from = g->from.path ? g->from.path : g->from.text;
    const char *to = g->to.path ? g->to.path : g->to.text;
    c.is_output = url_is_in_job(from) && !url_is_in_job(to);
    bool is_to_site = g->to.scheme == URL_GSIFTP;
    if (is_to_site && partname_take(&g->to, &c.part, &err) < 0) {
        work_fail(&g->r, "busy:site", &err);
        return;
    }
    if (g->from.scheme == URL_HTTPS || g->to.scheme == URL_HTTPS)
        cp_web(&c);
    else if (!is_to_site)
        cp_fetch(&c);
    else if (g->from.scheme == URL_FILE)
        cp_send(&c);
    else
        cp_third(&c);
    if (is_to_site && c.has_part)
        discard_part(&c);
    if (is_to_site)
        partname_give(&c.part);
}
