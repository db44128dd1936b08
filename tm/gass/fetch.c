/* From a site to a file of this machine. */
#include "lib/mem.h"
#include "tm/copy.h"
#include "tm/gass/cp.h"
#include "tm/part.h"
#include "wire/status.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { SIZELESS_MAX = 64 << 20 /* of files that have no size, as in /proc */ };

struct fetch {
    struct cp *c;
    const struct place *to;
    struct part part;
    bool is_open; /* part is there */
    uint64_t done;
};

static int here(struct trouble *t, int r)
{
    t->errnum = 0;
    t->reason = NULL;
    t->is_link = t->is_source = false;
    return r;
}

static int write_at(struct fetch *x, const char *data, size_t len, struct trouble *t)
{
    uint64_t begun = x->done;
    while (len) {
        ssize_t n = pwrite(x->part.fd, data, len, (off_t)x->done);
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            return here(t, gw_err_sys(&t->err, errno, "writing %s", x->to->path));
        data += n;
        len -= (size_t)n;
        x->done += (uint64_t)n;
    }
    /* Written out on the way, so that the sync at the end is short. */
    sync_file_range(x->part.fd, (off_t)begun, (off_t)(x->done - begun), SYNC_FILE_RANGE_WRITE);
    return 0;
}

/* A source that grows while it is read, or a server that does not stop: what was there when we
 * looked is what is copied. */
static int receive(struct fetch *x, struct ftp *f, struct trouble *t)
{
    struct cp *c = x->c;
    uint64_t end = c->size ? c->size : SIZELESS_MAX;
    char *data = xmalloc(CP_BYTES);
    ssize_t n = 0;
    bool is_small = x->done == 0 && c->size <= CP_BULK_BYTES;
    int r = ftp_get_begin(f, c->g->from.text, x->done, x->done ? c->size : 0, is_small, t);
    while (r == 0 && (n = ftp_read(f, data, CP_BYTES, t)) > 0) {
        uint64_t left = end - x->done;
        c->has_moved = true;
        r = write_at(x, data, (uint64_t)n < left ? (size_t)n : (size_t)left, t);
        atomic_store(&c->g->r.moved, x->done);
        if ((uint64_t)n > left)
            break;
    }
    free(data);
    if (r < 0 || n > 0)
        ftp_data_stop(f);
    else if (n < 0) {
        t->is_source = true;
        r = (int)n;
    }
    if (r < 0 && is_small)
        c->is_stale = true;
    return r;
}

/* The temporary, made when the source is known to be there; emptied when that has changed. */
static int open_part(struct fetch *x, struct trouble *t)
{
    struct cp *c = x->c;
    if (x->is_open && c->is_stale) {
        x->done = 0;
        c->is_stale = false;
        if (ftruncate(x->part.fd, 0) < 0)
            return here(t, gw_err_sys(&t->err, errno, "%s", x->to->path));
    }
    if (!x->is_open) {
        int r = part_open(x->to, &x->part, &t->err);
        if (r < 0)
            return here(t, r);
        x->is_open = true;
    }
    return 0;
}

/* The status file of an attempt comes to gwd's own disk, which a payload must not fill. */
static bool is_status(const char *path)
{
    const char *last = strrchr(path, '/');
    const char *dir = last ? memrchr(path, '/', (size_t)(last - path)) : NULL;
    return dir && strcmp(last, "/status") == 0 && strncmp(dir, "/.gw_", 5) == 0;
}

static int fetch_step(struct ftp *f, void *ctx, struct trouble *t)
{
    struct fetch *x = ctx;
    struct cp *c = x->c;
    int r = cp_look_source(c, f, t);
    if (r < 0)
        return r;
    if (c->size > STATUS_FILE_MAX && is_status(c->g->from.path)) {
        r = trouble_set(t, GW_EINVAL, NULL, "%s has %" PRIu64 " bytes, more than a status file",
                        c->g->from.path, c->size);
        t->is_source = true;
        return r;
    }
    if (c->size > CP_BULK_BYTES && c->g->class != CLASS_BULK) {
        c->g->is_bulk = true;
        return 0;
    }
    r = open_part(x, t);
    /* Most payloads leave a stream empty. Elsewhere than in a job directory there are files, as in
     * /proc, that have no size and yet are not empty. */
    bool is_empty = c->size == 0 && url_is_in_job(c->g->from.path);
    if (r == 0 && !is_empty && !(x->done && x->done == c->size))
        r = receive(x, f, t);
    if (r == 0 && x->done < c->size) {
        r = trouble_set(t, GW_EIO, NULL, "%s: %" PRIu64 " bytes came of %" PRIu64, c->g->from.path,
                        x->done, c->size);
        t->is_link = t->is_source = true;
        c->is_stale |= c->size <= CP_BULK_BYTES;
    }
    return r;
}

static void fetch_to(struct cp *c, const struct place *to)
{
    struct fetch x = {.c = c, .to = to};
    struct trouble t;
    struct gass_request *g = c->g;
    int r = gass_do(g, g->from.host, fetch_step, &x, &c->has_moved, &t);
    if (r == 0 && x.is_open) {
        x.is_open = false;
        r = here(&t, part_finish(&x.part, copy_mode(c->mode, g->r.is_executable), &t.err));
    }
    if (x.is_open)
        part_discard(&x.part);
    if (r < 0)
        cp_fail(c, &t, c->is_output && to->zone == ZONE_OUTSIDE);
}

void cp_fetch(struct cp *c)
{
    struct place to;
    if (!work_open_target(&c->g->r, c->is_output, &to))
        return;
    fetch_to(c, &to);
    place_close(&to);
}
