/* Copies with a web server at one end. From it to a file, what breaks goes on where it was, if the
 * server can; else it begins anew. A file that is put there appears by the server's own ways. */
#include "lib/mem.h"
#include "tm/copy.h"
#include "tm/gass/cp.h"
#include "tm/gass/https.h"
#include "tm/part.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* One try. */
struct web {
    struct cp *c;
    struct https *https;
    struct https_file file;
    struct ftp *ftp;
    int fd; /* of the local end */
    uint64_t at;
};

typedef ssize_t web_read(struct web *w, void *data, size_t size, struct trouble *t);
typedef int web_write(struct web *w, const void *data, size_t len, struct trouble *t);

static ssize_t read_https(struct web *w, void *data, size_t size, struct trouble *t)
{
    return https_read(w->https, data, size, t);
}

static ssize_t read_ftp(struct web *w, void *data, size_t size, struct trouble *t)
{
    return ftp_read(w->ftp, data, size, t);
}

static ssize_t read_file(struct web *w, void *data, size_t size, struct trouble *t)
{
    ssize_t n = pread(w->fd, data, size, (off_t)w->at);
    return n < 0 ? trouble_set(t, GW_EIO, NULL, "%s cannot be read", w->c->g->r.from) : n;
}

static int write_https(struct web *w, const void *data, size_t len, struct trouble *t)
{
    return https_write(w->https, data, len, t);
}

static int write_ftp(struct web *w, const void *data, size_t len, struct trouble *t)
{
    return ftp_write(w->ftp, data, len, t);
}

static int write_file(struct web *w, const void *data, size_t len, struct trouble *t)
{
    uint64_t at = w->at;
    for (const char *p = data; len;) {
        ssize_t n = pwrite(w->fd, p, len, (off_t)at);
        if (n < 0 && errno != EINTR) {
            *t = (struct trouble){.errnum = errno};
            return gw_err_sys(&t->err, errno, "%s", w->c->g->r.to);
        }
        p += n > 0 ? n : 0;
        at += n > 0 ? (uint64_t)n : 0;
        len -= n > 0 ? (size_t)n : 0;
    }
    return 0;
}

/* All of the source, which says its size, or not. */
static int pump(struct web *w, web_read *from, web_write *to, struct trouble *t)
{
    struct cp *c = w->c;
    char *data = xmalloc(CP_BYTES);
    ssize_t n = 0;
    int r = 0;
    while (r == 0 && (n = from(w, data, CP_BYTES, t)) > 0) {
        if (atomic_load(&c->g->r.is_cancelled)) {
            r = trouble_set(t, GW_ESTATE, "internal:us", "cancelled");
            break;
        }
        r = to(w, data, (size_t)n, t);
        w->at += r == 0 ? (size_t)n : 0;
        atomic_store(&c->g->r.moved, w->at);
    }
    free(data);
    if (r == 0 && n < 0) {
        t->is_source = true;
        return (int)n;
    }
    if (r == 0 && c->size && w->at != c->size) {
        trouble_set(t, GW_EIO, NULL, "%s: %" PRIu64 " bytes came of %" PRIu64, c->g->r.from, w->at,
                    c->size);
        t->is_link = t->is_source = true;
        return -t->err.code;
    }
    if (r == 0)
        c->size = w->at;
    return r;
}

/* From w->at on, or from the beginning. */
static int open_get(struct web *w, struct trouble *t)
{
    struct gass_request *g = w->c->g;
    w->https = https_get(&g->from, &g->r.is_cancelled, &w->at, &w->file, t);
    if (!w->https) {
        t->is_source = true;
        return -t->err.code;
    }
    w->c->size = w->file.has_size ? w->file.size : 0;
    atomic_store(&g->r.total, w->c->size);
    return 0;
}

static int open_put(struct web *w, struct trouble *t)
{
    struct gass_request *g = w->c->g;
    w->at = 0;
    w->https = https_put(&g->to, &g->r.is_cancelled, w->c->size, t);
    return w->https ? 0 : -t->err.code;
}

static int close_web(struct web *w, int r)
{
    https_close(w->https);
    w->https = NULL;
    return r;
}

/* ---- the ways */

static int to_file(struct web *w, struct trouble *t)
{
    int r = open_get(w, t);
    if (r == 0 && ftruncate(w->fd, (off_t)w->at) < 0)
        r = trouble_set(t, GW_EIO, NULL, "%s cannot be written", w->c->g->r.to);
    if (r == 0)
        r = pump(w, read_https, write_file, t);
    return close_web(w, r);
}

static int from_file(struct web *w, struct trouble *t)
{
    int r = open_put(w, t);
    if (r == 0)
        r = pump(w, read_file, write_https, t);
    if (r == 0)
        r = https_put_end(w->https, t);
    return close_web(w, r);
}

static int to_site(struct ftp *f, void *ctx, struct trouble *t)
{
    struct web w = {.c = ctx, .ftp = f};
    uint64_t at;
    int r = cp_look_part(w.c, f, NULL, &at, t);
    if (r == 0)
        r = open_get(&w, t);
    if (r < 0)
        return r;
    r = ftp_put_begin(f, w.c->part.text, 0, 0, false, t);
    if (r == 0)
        r = pump(&w, read_https, write_ftp, t);
    close_web(&w, 0);
    if (r < 0)
        ftp_data_stop(f);
    else
        r = ftp_put_end(f, t);
    return r < 0 ? cp_failed(w.c, t) : cp_finish(w.c, f, t);
}

static int from_site(struct ftp *f, void *ctx, struct trouble *t)
{
    struct web w = {.c = ctx, .ftp = f};
    int r = cp_look_source(w.c, f, t);
    if (r == 0)
        r = open_put(&w, t);
    if (r < 0)
        return r;
    r = ftp_get_begin(f, w.c->g->from.text, 0, 0, false, t);
    if (r == 0)
        r = pump(&w, read_ftp, write_https, t);
    if (r < 0)
        ftp_data_stop(f);
    else
        r = https_put_end(w.https, t);
    return close_web(&w, r);
}

/* ---- with a file here */

static int repeat(struct cp *c, int (*way)(struct web *w, struct trouble *t), struct web *w,
                  struct trouble *t)
{
    int r = way(w, t);
    for (unsigned tries = 1; r < 0 && t->is_link && tries < CP_WEB_TRIES; tries++) {
        uint64_t before = w->at;
        gass_pause(c->g, 1U << (tries - 1));
        r = way(w, t);
        tries = w->at > before ? 1 : tries;
    }
    return r;
}

static void fetch_from_web(struct cp *c)
{
    struct place to;
    struct part part;
    struct trouble t = {0};
    if (!work_open_target(&c->g->r, c->is_output, &to))
        return;
    int r = part_open(&to, &part, &t.err);
    if (r == 0) {
        r = repeat(c, to_file, &(struct web){.c = c, .fd = part.fd}, &t);
        if (r == 0)
            r = part_finish(&part, copy_mode(0644, c->g->r.is_executable), &t.err);
        else
            part_discard(&part);
    }
    if (r < 0)
        cp_fail(c, &t, c->is_output && to.zone == ZONE_OUTSIDE);
    place_close(&to);
}

static void send_file_to_web(struct cp *c)
{
    struct place from;
    struct stat st;
    struct trouble t = {.is_source = true};
    if (!work_open_source(&c->g->r, &from))
        return;
    int fd = place_open_file(&from, &st, &t.err);
    int r = fd < 0 ? fd : 0;
    if (r == 0) {
        c->size = (uint64_t)st.st_size;
        atomic_store(&c->g->r.total, c->size);
        r = repeat(c, from_file, &(struct web){.c = c, .fd = fd}, &t);
        close(fd);
    }
    if (r < 0)
        cp_fail(c, &t, c->is_output);
    place_close(&from);
}

void cp_web(struct cp *c)
{
    struct gass_request *g = c->g;
    struct trouble t;
    int r = 0;
    if (g->class != CLASS_BULK) { /* how much it is, nobody knows before */
        g->is_bulk = true;
        return;
    }
    if (g->to.scheme == URL_FILE)
        fetch_from_web(c);
    else if (g->from.scheme == URL_FILE)
        send_file_to_web(c);
    else if (g->to.scheme == URL_GSIFTP)
        r = gass_do(g, g->to.host, to_site, c, NULL, &t);
    else if (g->from.scheme == URL_GSIFTP)
        r = gass_do(g, g->from.host, from_site, c, NULL, &t);
    else
        r = trouble_set(&t, GW_EINVAL, "bad-url:job", "one end has to be a site or a file");
    if (r < 0)
        cp_fail(c, &t, c->is_output);
}

void gass_look_web(struct gass_request *g)
{
    struct https_file file;
    struct trouble t;
    int r = https_head(&g->from, &g->r.is_cancelled, &file, &t);
    for (unsigned tries = 1; r < 0 && t.is_link && tries < CP_WEB_TRIES; tries++) {
        gass_pause(g, 1U << (tries - 1));
        r = https_head(&g->from, &g->r.is_cancelled, &file, &t);
    }
    if (r == 0 && !file.has_size && strcmp(g->r.verb, "STAT") == 0)
        r = trouble_set(&t, GW_EIO, NULL, "%s: the server does not tell its size", g->r.from);
    if (r < 0)
        gass_fail_source(g, &t, g->r.from);
    else if (strcmp(g->r.verb, "STAT") == 0)
        snprintf(g->r.text, sizeof g->r.text, "%" PRIu64 " %" PRId64, file.size, file.mtime);
}
