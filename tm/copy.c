#include "tm/copy.h"

#include "lib/file.h"
#include "lib/mem.h"
#include "tm/part.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/fs.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

enum {
    CHUNK = 8 << 20,
    BUFFER = 256 << 10,
    SIZELESS_MAX = 64 << 20, /* of /proc and /sys; an empty file that grows while it is read */
};

/* One copy as it goes on. A failing step sets is_source and returns -errno. */
struct copy {
    int from, to;
    off_t at; /* in both files */
    const struct copy_watch *watch;
    bool is_source, has_no_range;
};

static int source_failed(struct copy *c)
{
    c->is_source = true;
    return -errno;
}

/* Without the kernel's help. Returns the bytes copied, 0 at the end of the source. */
static ssize_t copy_by_hand(struct copy *c, size_t n)
{
    char *buffer = xmalloc(BUFFER);
    ssize_t got = pread(c->from, buffer, n < BUFFER ? n : BUFFER, c->at);
    ssize_t r = got < 0 ? source_failed(c) : got;
    for (ssize_t done = 0; r > 0 && done < got;) {
        ssize_t put = pwrite(c->to, buffer + done, (size_t)(got - done), c->at + done);
        if (put < 0 && errno != EINTR)
            r = -errno;
        else if (put > 0)
            done += put;
    }
    free(buffer);
    return r;
}

static ssize_t copy_some(struct copy *c, size_t n)
{
    if (!c->has_no_range) {
        off_t in = c->at, out = c->at;
        ssize_t got = copy_file_range(c->from, &in, c->to, &out, n, 0);
        if (got >= 0)
            return got;
        if (errno != EXDEV && errno != EINVAL && errno != ENOSYS && errno != EOPNOTSUPP &&
            errno != EBADF && errno != EPERM)
            return -errno;
        c->has_no_range = true;
    }
    return copy_by_hand(c, n);
}

/* Up to `end`, or to the end of a source that became shorter: *ret_is_short. */
static int copy_until(struct copy *c, off_t end, bool *ret_is_short)
{
    while (c->at < end) {
        if (atomic_load(c->watch->is_cancelled))
            return -ECANCELED;
        off_t left = end - c->at;
        ssize_t n = copy_some(c, left < CHUNK ? (size_t)left : CHUNK);
        if (n < 0)
            return (int)n;
        if (n == 0) {
            *ret_is_short = true;
            return 0;
        }
        /* Written out on the way, so that the sync at the end is short and a cancel is quick. */
        if (end > CHUNK)
            sync_file_range(c->to, c->at, n, SYNC_FILE_RANGE_WRITE);
        c->at += n;
        if (c->watch->moved)
            atomic_store(c->watch->moved, (uint64_t)c->at);
    }
    return 0;
}

static int copy_sparse(struct copy *c, off_t size)
{
    bool is_short = false;
    int r = 0;
    while (r == 0 && !is_short && c->at < size) {
        off_t data = lseek(c->from, c->at, SEEK_DATA), hole;
        if (data < 0 && errno == ENXIO) {
            c->at = size;
            break;
        }
        hole = data < 0 ? -1 : lseek(c->from, data, SEEK_HOLE);
        if (hole < 0) { /* a file system without holes */
            data = c->at;
            hole = size;
        }
        c->at = data;
        r = copy_until(c, hole < size ? hole : size, &is_short);
    }
    return r;
}

static int copy_content(struct copy *c, const struct stat *st)
{
    struct stat now = *st;
    bool is_short = false;
    if (c->watch->total)
        atomic_store(c->watch->total, (uint64_t)st->st_size);
    if (ioctl(c->to, FICLONE, c->from) == 0)
        return 0;
    /* Files of /proc and /sys have contents but no size. */
    int r = st->st_size ? copy_sparse(c, st->st_size) : copy_until(c, SIZELESS_MAX, &is_short);
    if (r == 0 && fstat(c->from, &now) < 0)
        r = source_failed(c);
    /* Of a source that was cut meanwhile, no hole is made up for what is gone. */
    off_t end = st->st_size && now.st_size < c->at ? now.st_size : c->at;
    if (r == 0 && ftruncate(c->to, end) < 0)
        r = -errno;
    return r;
}

static mode_t own_umask;

void copy_init(void)
{
    own_umask = umask(0);
    umask(own_umask);
}

mode_t copy_mode(mode_t mode, bool is_executable)
{
    mode = (mode & 0777) | 0600;
    if (is_executable)
        mode |= (mode & 0444) >> 2;
    return mode & ~(own_umask & 0077);
}

static int copy_open(const struct place *to, struct copy *c, const struct stat *st,
                     struct part *ret, struct gw_err *err)
{
    struct part part;
    int r = part_open(to, &part, err);
    if (r < 0)
        return r;
    c->to = part.fd;
    r = copy_content(c, st);
    if (r == 0) {
        *ret = part;
        return 0;
    }
    part_discard(&part);
    if (r == -ECANCELED)
        return gw_err_set(err, GW_ESTATE, "cancelled");
    return gw_err_sys(err, -r, "copying to %s", to->path);
}

int copy_prepare(const struct place *from, const struct place *to, bool is_executable,
                 const struct copy_watch *watch, bool *ret_is_source, struct part *ret,
                 mode_t *ret_mode, struct gw_err *err)
{
    struct stat st;
    struct copy c = {.watch = watch, .is_source = true};
    c.from = place_open_file(from, &st, err);
    if (c.from < 0) {
        *ret_is_source = true;
        return c.from;
    }
    c.is_source = false;
    int r = copy_open(to, &c, &st, ret, err);
    close(c.from);
    *ret_is_source = c.is_source;
    if (r == 0)
        *ret_mode = copy_mode(st.st_mode, is_executable);
    return r;
}

int copy_file(const struct place *from, const struct place *to, bool is_executable,
              const struct copy_watch *watch, bool *ret_is_source, struct gw_err *err)
{
    struct part part;
    mode_t mode;
    int r = copy_prepare(from, to, is_executable, watch, ret_is_source, &part, &mode, err);
    return r < 0 ? r : part_finish(&part, mode, err);
}

int copy_tail(int fd, int to_fd, off_t offset, size_t max, size_t *ret_n)
{
    char *buffer = xmalloc(BUFFER);
    size_t done = 0;
    int r = 0;
    while (r == 0 && done < max) {
        size_t want = max - done < BUFFER ? max - done : BUFFER;
        ssize_t n = pread(fd, buffer, want, offset + (off_t)done);
        if (n < 0)
            r = -errno;
        if (n <= 0)
            break;
        r = file_write_all(to_fd, buffer, (size_t)n);
        if (r == 0)
            done += (size_t)n;
    }
    free(buffer);
    *ret_n = done;
    return r;
}
