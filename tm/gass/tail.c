/* TAIL of a file at a site: one look, a second apart from the next (tm/tail.c). */
#include "lib/file.h"
#include "lib/mem.h"
#include "tm/gass/gass.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { TAIL_MAX = 1 << 20, PIECE = 64 << 10 };

struct look {
    struct gass_request *g;
    struct buf data;
};

static int range(struct look *l, struct ftp *f, uint64_t end, struct trouble *t)
{
    struct gass_request *g = l->g;
    char *piece = xmalloc(PIECE);
    ssize_t n = 0;
    int r = ftp_get_begin(f, g->from.text, g->r.offset, end, false, t);
    while (r == 0 && l->data.len < TAIL_MAX && (n = ftp_read(f, piece, PIECE, t)) > 0)
        buf_put(&l->data, piece, (size_t)n);
    free(piece);
    if (n > 0)
        ftp_data_stop(f);
    if (l->data.len > TAIL_MAX)
        l->data.len = TAIL_MAX;
    return n < 0 ? (int)n : r;
}

/* Not there yet is no failure, but for its directory. */
static int look_parent(struct look *l, struct ftp *f, struct trouble *t)
{
    char *parent = url_parent(l->g->from.path);
    struct facts facts;
    int r = 0;
    if (parent) {
        struct url up;
        url_with_path(&l->g->from, parent, &up);
        r = ftp_facts(f, up.text, &facts, t);
        url_clear(&up);
    }
    free(parent);
    return r;
}

static int tail_look(struct ftp *f, void *ctx, struct trouble *t)
{
    struct look *l = ctx;
    struct gass_request *g = l->g;
    struct facts facts;
    buf_reset(&l->data);
    int r = ftp_facts(f, g->from.text, &facts, t);
    if (r < 0 && t->err.code == GW_ENOENT)
        return look_parent(l, f, t);
    if (r < 0)
        return r;
    if (facts.is_link && url_is_in_job(g->from.path))
        return trouble_set(t, GW_EINVAL, NULL, "%s is a symbolic link, which is not followed here",
                           g->from.path);
    if (facts.type != FACTS_FILE)
        return trouble_set(t, GW_EINVAL, NULL, "%s is not a regular file", g->from.path);
    if (facts.size <= g->r.offset)
        return 0;
    uint64_t end = facts.size - g->r.offset > TAIL_MAX ? g->r.offset + TAIL_MAX : facts.size;
    return range(l, f, end, t);
}

static void write_piece(struct gass_request *g, const struct buf *data)
{
    if (!g->r.to) {
        work_tail_inline(&g->r, data->data,
                         data->len < TAIL_INLINE_MAX ? data->len : TAIL_INLINE_MAX);
        return;
    }
    struct trouble t = {.reason = "internal:us"};
    int fd =
        open(g->r.to, O_WRONLY | O_CREAT | O_TRUNC | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC, 0600);
    int r = fd < 0 ? -errno : file_write_all(fd, data->data, data->len);
    if (fd >= 0)
        close(fd);
    if (r == 0) {
        g->r.offset += data->len;
        return;
    }
    gw_err_sys(&t.err, -r, "writing to %s", g->r.to);
    gass_fail_target(g, &t, false);
}

void gass_tail(struct gass_request *g)
{
    struct look l = {.g = g};
    struct trouble t;
    g->r.is_polled = true;
    int r = gass_do(g, g->from.host, tail_look, &l, NULL, &t);
    /* END ends it with the offset that it had. */
    if (r < 0 && !atomic_load(&g->r.is_cancelled))
        gass_fail_source(g, &t, g->from.path);
    else if (r == 0 && l.data.len)
        write_piece(g, &l.data);
    buf_clear(&l.data);
}
