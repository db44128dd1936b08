/* The data of a transfer to or from us. Several blocks are with the library at a time; what it
 * gives back lies here until the caller comes for it, so that disks are not read or written in the
 * library's threads. */
#include "tm/gass/ftp_private.h"

#include "lib/mem.h"

#include <string.h>

enum { LIST_BYTES = 64 << 10 };

static void on_block(void *arg, globus_ftp_client_handle_t *handle, globus_object_t *error,
                     globus_byte_t *buffer, globus_size_t length, globus_off_t offset,
                     globus_bool_t is_eof)
{
    (void)handle;
    struct call *c = arg;
    pthread_mutex_lock(&c->mutex);
    for (size_t i = 0; i < BLOCKS; i++) {
        struct block *b = &c->blocks[i];
        if (b->bytes != buffer)
            continue;
        *b = (struct block){.bytes = buffer, .len = error ? 0 : length, .offset = (uint64_t)offset};
        break;
    }
    if (is_eof)
        c->is_at_end = true;
    call_moved(c);
    pthread_mutex_unlock(&c->mutex);
}

/* ---- from a server */

/* Give the library what is free. */
static void register_reads(struct call *c)
{
    for (size_t i = 0; i < BLOCKS && !c->is_at_end && !c->is_done && !c->is_broken_off; i++) {
        struct block *b = &c->blocks[i];
        if (b->is_out || b->len)
            continue;
        if (!b->bytes)
            b->bytes = xmalloc(BLOCK_BYTES);
        b->is_out = true;
        pthread_mutex_unlock(&c->mutex);
        bool is_taken = globus_ftp_client_register_read(&c->ftp->handle, b->bytes, BLOCK_BYTES,
                                                        on_block, c) == GLOBUS_SUCCESS;
        pthread_mutex_lock(&c->mutex);
        if (!is_taken) {
            /* It is about to end; its end says why. */
            b->is_out = false;
            c->is_at_end = true;
        }
    }
}

/* Callbacks run in several threads, so the order is that of the offsets. */
static struct block *next_block(struct call *c)
{
    for (size_t i = 0; i < BLOCKS; i++) {
        struct block *b = &c->blocks[i];
        if (!b->is_out && b->len && b->offset + b->used == c->ftp->position)
            return b;
    }
    return NULL;
}

static bool has_data(struct call *c)
{
    return next_block(c) != NULL;
}

int ftp_get_begin(struct ftp *f, const char *url, uint64_t offset, uint64_t end, bool is_small,
                  struct trouble *t)
{
    globus_ftp_client_operationattr_t *attr = is_small ? &f->small_attr : &f->attr;
    struct call *c = call_begin(f, url);
    globus_result_t r = offset || end
                            ? globus_ftp_client_partial_get(
                                  &f->handle, url, attr, NULL, (globus_off_t)offset,
                                  end ? (globus_off_t)end : (globus_off_t)-1, call_on_done, c)
                            : globus_ftp_client_get(&f->handle, url, attr, NULL, call_on_done, c);
    if (!call_is_under_way(c, r))
        return call_end(c, t);
    f->data = c;
    f->position = offset;
    return 0;
}

static int end_of(struct ftp *f, struct trouble *t)
{
    struct call *c = f->data;
    f->data = NULL;
    int r = call_end(c, t);
    /* A data connection that failed takes its control connection's state with it. */
    if (r < 0)
        f->is_spoiled = true;
    return r;
}

ssize_t ftp_read(struct ftp *f, void *data, size_t size, struct trouble *t)
{
    struct call *c = f->data;
    size_t n = 0;
    if (!c)
        return 0;
    pthread_mutex_lock(&c->mutex);
    register_reads(c);
    call_wait(c, has_data);
    struct block *b = next_block(c);
    if (b && !c->is_broken_off) {
        n = b->len - b->used < size ? b->len - b->used : size;
        memcpy(data, b->bytes + b->used, n);
        b->used += n;
        f->position += n;
        if (b->used == b->len)
            b->len = 0;
    }
    pthread_mutex_unlock(&c->mutex);
    if (n)
        return (ssize_t)n;
    return end_of(f, t);
}

int ftp_list(struct ftp *f, const char *url, size_t max, struct buf *out, struct trouble *t)
{
    struct call *c = call_begin(f, url);
    globus_result_t begun =
        globus_ftp_client_machine_list(&f->handle, url, &f->small_attr, call_on_done, c);
    if (!call_is_under_way(c, begun))
        return call_end(c, t);
    f->data = c;
    f->position = 0;
    char *piece = xmalloc(LIST_BYTES);
    ssize_t n;
    size_t had = out->len;
    while ((n = ftp_read(f, piece, LIST_BYTES, t)) > 0 && out->len - had <= max)
        buf_put(out, piece, (size_t)n);
    free(piece);
    if (n > 0) {
        ftp_data_stop(f);
        return trouble_set(t, GW_ENOSPC, NULL, "%s has too many entries", url);
    }
    return (int)n;
}

/* ---- to a server */

int ftp_put_begin(struct ftp *f, const char *url, uint64_t offset, uint64_t end, bool is_small,
                  struct trouble *t)
{
    globus_ftp_client_operationattr_t *attr = is_small ? &f->small_attr : &f->attr;
    struct call *c = call_begin(f, url);
    globus_result_t r =
        offset ? globus_ftp_client_partial_put(&f->handle, url, attr, NULL, (globus_off_t)offset,
                                               (globus_off_t)end, call_on_done, c)
               : globus_ftp_client_put(&f->handle, url, attr, NULL, call_on_done, c);
    if (!call_is_under_way(c, r))
        return call_end(c, t);
    f->data = c;
    f->position = offset;
    return 0;
}

static struct block *free_block(struct call *c)
{
    for (size_t i = 0; i < BLOCKS; i++)
        if (!c->blocks[i].is_out)
            return &c->blocks[i];
    return NULL;
}

static bool has_room(struct call *c)
{
    return free_block(c) != NULL;
}

/* One block, or the end. */
static int send_block(struct ftp *f, const void *data, size_t len, bool is_eof, struct trouble *t)
{
    struct call *c = f->data;
    pthread_mutex_lock(&c->mutex);
    bool is_on = call_wait(c, has_room) && !c->is_broken_off;
    struct block *b = is_on ? free_block(c) : NULL;
    if (b) {
        if (!b->bytes)
            b->bytes = xmalloc(BLOCK_BYTES);
        memcpy(b->bytes, data, len);
        b->is_out = true;
    }
    pthread_mutex_unlock(&c->mutex);
    if (b && globus_ftp_client_register_write(&f->handle, b->bytes, len, (globus_off_t)f->position,
                                              is_eof, on_block, c) == GLOBUS_SUCCESS) {
        f->position += len;
        return 0;
    }
    int r = end_of(f, t);
    return r < 0 ? r : trouble_set(t, GW_EIO, NULL, "the site ended a transfer early");
}

int ftp_write(struct ftp *f, const void *data, size_t len, struct trouble *t)
{
    int r = 0;
    for (const char *p = data; r == 0 && len;) {
        size_t n = len < BLOCK_BYTES ? len : BLOCK_BYTES;
        r = send_block(f, p, n, false, t);
        p += n;
        len -= n;
    }
    return r;
}

int ftp_put_end(struct ftp *f, struct trouble *t)
{
    int r = send_block(f, "", 0, true, t);
    return r < 0 ? r : end_of(f, t);
}

void ftp_data_stop(struct ftp *f)
{
    static const atomic_bool yes = true;
    struct trouble t;
    if (!f->data)
        return;
    f->is_cancelled = &yes;
    (void)end_of(f, &t);
    f->is_spoiled = true;
}
