/* From a file of this machine to a site. */
#include "lib/mem.h"
#include "tm/gass/cp.h"
#include "tm/place.h"

#include <errno.h>
#include <fcntl.h>
#include <openssl/evp.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

struct sending {
    struct cp *c;
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
    if (fstat(x->c->fd, &st) == 0 && (uint64_t)st.st_size == x->c->size &&
        st.st_mtim.tv_sec == x->c->mtime)
        return 0;
    return source_trouble(t, GW_EIO, x->path, "it changed while it was copied");
}

static int send_from(struct sending *x, struct ftp *f, uint64_t at, struct trouble *t)
{
    struct cp *c = x->c;
    char *data = xmalloc(CP_BYTES);
    int r = ftp_put_begin(f, c->part.text, at, c->size, at == 0 && c->size <= CP_BULK_BYTES, t);
    while (r == 0 && at < c->size) {
        size_t want = c->size - at < CP_BYTES ? (size_t)(c->size - at) : CP_BYTES;
        ssize_t n = pread(c->fd, data, want, (off_t)at);
        if (n < 0)
            r = source_trouble(t, GW_EIO, x->path, "it cannot be read");
        else if (n == 0)
            r = source_trouble(t, GW_EIO, x->path, "it became shorter while it was copied");
        else
            r = ftp_write(f, data, (size_t)n, t);
        at += n > 0 ? (uint64_t)n : 0;
        atomic_store(&c->g->r.moved, at);
    }
    free(data);
    if (r < 0)
        ftp_data_stop(f);
    return r < 0 ? r : ftp_put_end(f, t);
}

static int md5_here(struct cp *c, struct ftp *f, uint64_t len, char ret[33], struct trouble *t)
{
    unsigned char sum[EVP_MAX_MD_SIZE];
    EVP_MD_CTX *ctx = EVP_MD_CTX_new();
    char *data = xmalloc(CP_BYTES);
    uint64_t at = 0;
    bool is_good = ctx && EVP_DigestInit_ex(ctx, EVP_md5(), NULL);
    while (is_good && at < len && !atomic_load(&c->g->r.is_cancelled)) {
        ssize_t n =
            pread(c->fd, data, len - at < CP_BYTES ? (size_t)(len - at) : CP_BYTES, (off_t)at);
        is_good = n > 0 && EVP_DigestUpdate(ctx, data, (size_t)n);
        progress_sign(&c->g->r);
        at += n > 0 ? (uint64_t)n : 0;
    }
    is_good = is_good && at == len && EVP_DigestFinal_ex(ctx, sum, NULL);
    for (int i = 0; is_good && i < 16; i++)
        snprintf(ret + 2 * i, 3, "%02x", sum[i]);
    EVP_MD_CTX_free(ctx);
    free(data);
    (void)f;
    return is_good ? 0 : trouble_set(t, GW_EIO, NULL, "no checksum of the source can be had");
}

static int send_step(struct ftp *f, void *ctx, struct trouble *t)
{
    struct sending *x = ctx;
    struct cp *c = x->c;
    uint64_t at = 0;
    int r = 0;
    if (c->is_about_to_end)
        return cp_finish(c, f, t);
    r = cp_look_part(c, f, md5_here, &at, t);
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
        atomic_store(&c->g->r.total, c->size);
        c->mtime = st.st_mtim.tv_sec;
        c->fd = fd;
        send_file(&(struct sending){.c = c, .path = from.path});
    }
    if (fd >= 0)
        close(fd);
    place_close(&from);
}
