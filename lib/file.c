#include "lib/file.h"

#include "lib/beneath.h"
#include "lib/mem.h"

#include <errno.h>
#include <fcntl.h>
#include <libgen.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static int read_fd(int fd, const char *path, size_t max, struct buf *b, struct gw_err *err)
{
    size_t got = 0;
    for (;;) {
        buf_reserve(b, 65536);
        ssize_t n = read(fd, b->data + b->len, 65536);
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            return gw_err_sys(err, errno, "reading %s", path);
        if (n == 0)
            return 0;
        got += (size_t)n;
        if (got > max)
            return gw_err_set(err, GW_ENOSPC, "%s is larger than the %zu bytes allowed", path, max);
        b->len += (size_t)n;
        b->data[b->len] = '\0';
    }
}

/* Whoever else may write there decides what is in it. */
static int check_owner(const struct stat *st, const char *path, struct gw_err *err)
{
    if (st->st_uid != geteuid() && st->st_uid != 0)
        return gw_err_set(err, GW_EPERM,
                          "%s belongs to the account %lu, who could put anything there: give it to "
                          "the account %lu with chown, or choose another",
                          path, (unsigned long)st->st_uid, (unsigned long)geteuid());
    if (st->st_mode & (S_IWGRP | S_IWOTH))
        return gw_err_set(err, GW_EPERM,
                          "%s can be written by others than its owner: close it with chmod go-w, "
                          "or choose another",
                          path);
    return 0;
}

static int read_file(const char *path, size_t max, bool is_trusted, struct buf *b,
                     struct gw_err *err)
{
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK);
    if (fd < 0)
        return gw_err_sys(err, errno, "opening %s", path);
    struct stat st;
    size_t before = b->len;
    int r;
    if (fstat(fd, &st) < 0)
        r = gw_err_sys(err, errno, "looking at %s", path);
    else if (!S_ISREG(st.st_mode))
        r = gw_err_set(err, GW_EINVAL, "%s is not a regular file", path);
    else
        r = is_trusted ? check_owner(&st, path, err) : 0;
    if (r == 0)
        r = read_fd(fd, path, max, b, err);
    close(fd);
    if (r < 0 && b->data) {
        b->len = before;
        b->data[before] = '\0';
    }
    return r;
}

int file_read(const char *path, size_t max, struct buf *b, struct gw_err *err)
{
    return read_file(path, max, false, b, err);
}

int file_read_trusted(const char *path, size_t max, struct buf *b, struct gw_err *err)
{
    return read_file(path, max, true, b, err);
}

int file_write_all(int fd, const void *data, size_t len)
{
    const char *p = data;
    while (len) {
        ssize_t n = write(fd, p, len);
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            return -errno;
        p += n;
        len -= (size_t)n;
    }
    return 0;
}

static int sync_dir_of(const char *path)
{
    char *copy = xstrdup(path);
    int fd = open(dirname(copy), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    free(copy);
    if (fd < 0)
        return -errno;
    int r = fsync(fd) < 0 ? -errno : 0;
    close(fd);
    return r;
}

int file_make(int dir, const char *name, mode_t mode)
{
    for (int tries = 0; tries < 10; tries++) {
        int fd = openat(dir, name, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, mode);
        if (fd >= 0)
            return fd;
        if (errno != EEXIST)
            return -errno;
        int r = beneath_remove(dir, name, NULL);
        if (r < 0)
            return r;
    }
    return -EEXIST;
}

static int write_and_sync(const char *path, const void *data, size_t len, mode_t mode)
{
    int fd = file_make(AT_FDCWD, path, mode);
    if (fd < 0)
        return fd;
    int r = file_write_all(fd, data, len);
    if (r == 0 && fchmod(fd, mode) < 0)
        r = -errno;
    if (r == 0 && fsync(fd) < 0)
        r = -errno;
    if (close(fd) < 0 && r == 0)
        r = -errno;
    return r;
}

int file_write(const char *path, const void *data, size_t len, mode_t mode, struct gw_err *err)
{
    char *tmp = xasprintf("%s.%ld.tmp", path, (long)getpid());
    int r = write_and_sync(tmp, data, len, mode);
    if (r == 0 && rename(tmp, path) < 0)
        r = -errno;
    if (r < 0)
        unlink(tmp);
    else
        r = sync_dir_of(path);
    free(tmp);
    return r < 0 ? gw_err_sys(err, -r, "writing %s", path) : 0;
}

int file_mkdirs(const char *path, mode_t mode, struct gw_err *err)
{
    char *copy = xstrdup(path);
    int r = 0;
    for (char *p = copy + (*copy == '/'); r == 0; p++) {
        if (*p && *p != '/')
            continue;
        char c = *p;
        *p = '\0';
        if (mkdir(copy, mode) < 0 && errno != EEXIST)
            r = gw_err_sys(err, errno, "making directory %s", copy);
        *p = c;
        if (!c)
            break;
    }
    struct stat st;
    if (r == 0 && (stat(path, &st) < 0 || !S_ISDIR(st.st_mode)))
        r = gw_err_set(err, GW_EINVAL, "%s is not a directory", path);
    free(copy);
    return r;
}

static int check_own(int fd, const char *path, struct gw_err *err)
{
    struct stat st;
    if (fstat(fd, &st) < 0)
        return gw_err_sys(err, errno, "looking at %s", path);
    if (st.st_uid != geteuid() || !(st.st_mode & (S_IWGRP | S_IWOTH)))
        return check_owner(&st, path, err);
    return fchmod(fd, st.st_mode & 0755) < 0 ? gw_err_sys(err, errno, "closing %s to others", path)
                                             : 0;
}

int file_own_dir(const char *path, struct gw_err *err)
{
    int r = file_mkdirs(path, 0700, err);
    if (r < 0)
        return r;
    int fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (fd < 0)
        return gw_err_sys(err, errno, "opening %s", path);
    r = check_own(fd, path, err);
    close(fd);
    return r;
}

int file_remove_tree(const char *path, struct gw_err *err)
{
    int r = beneath_remove(AT_FDCWD, path, NULL);
    return r < 0 && r != -ENOTDIR ? gw_err_sys(err, -r, "removing %s", path) : 0;
}
