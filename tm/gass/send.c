/* From a file of this machine to a site. */
#include "lib/mem.h"
#include "tm/gass/cp.h"
#include "tm/place.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <unistd.h>

struct sending {
    struct cp *c;
    int fd;
    const char *path; /* for messages */
};

static int source_trouble(struct trouble *t, enum gw_errc code, const char *path, const char *what)
{
    int r = trouble_set(t, code, NULL, "%s: %s", path, what);
    t->is_source = true;
    return r;
}

static int is_unchanged(const struct sending *x, struct trouble *t)
{
    struct stat st;
    if (fstat(x->fd, &st) == 0 && (uint64_t)st.st_size == x->c->size &&
        st.st_mtim.tv_sec == x->c->mtime)
        return 0;
    return source_trouble(t, GW_EIO, x->path, "it changed while it was copied");
}

static int send_from(struct sending *x, struct ftp *f, uint64_t at, struct trouble *t)
{
    struct cp *c = x->c;
    char *data = xmalloc(CP_BYTES);
    int r = ftp_put_begin(f, c->part.text, at, c->size, t);
    while (r == 0 && at < c->size) {
        size_t want = c->size - at < CP_BYTES ? (size_t)(c->size - at) : CP_BYTES;
        ssize_t n = pread(x->fd, data, want, (off_t)at);
        if (n < 0)
            r = source_trouble(t, GW_EIO, x->path, "it cannot be read");
        else if (n == 0)
            r = source_trouble(t, GW_EIO, x->path, "it became shorter while it was copied");
        else
            r = ftp_write(f, data, (size_t)n, t);
        at += n > 0 ? (uint64_t)n : 0;
        atomic_store(&c->g->moved, at);
    }
    free(data);
    if (r < 0)
        ftp_data_stop(f);
    return r < 0 ? r : ftp_put_end(f, t);
}

static int send_step(struct ftp *f, void *ctx, struct trouble *t)
{
    struct sending *x = ctx;
    struct cp *c = x->c;
    uint64_t at = 0;
    int r = 0;
    if (c->is_about_to_end)
        return cp_finish(c, f, t);
    r = cp_look_part(c, f, &at, t);
    if (r == 0)
        r = send_from(x, f, at, t);
    if (r < 0)
        return cp_failed(c, t);
    r = is_unchanged(x, t);
    return r < 0 ? r : cp_finish(c, f, t);
}

static void send_file(struct sending *x)
{
    struct cp *c = x->c;
    struct trouble t;
    if (gass_do(c->g, c->g->to.host, send_step, x, &c->has_moved, &t) < 0)
        cp_fail(c, &t, c->is_output);
}

void cp_send(struct cp *c)
{
    struct place from;
    struct stat st;
    struct trouble t = {0};
    if (!work_open_source(&c->g->r, &from))
        return;
    int fd = place_open_file(&from, &st, &t.err);
    if (fd < 0) {
        gass_fail_source(c->g, &t, from.path);
    } else if (st.st_size > CP_BULK_BYTES && c->g->class != CLASS_BULK) {
        c->g->is_bulk = true;
    } else {
        c->has_source = true;
        c->size = (uint64_t)st.st_size;
        atomic_store(&c->g->total, c->size);
        c->mtime = st.st_mtim.tv_sec;
        send_file(&(struct sending){.c = c, .fd = fd, .path = from.path});
    }
    if (fd >= 0)
        close(fd);
    place_close(&from);
}
