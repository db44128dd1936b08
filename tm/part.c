#include "tm/part.h"

#include "lib/mem.h"
#include "lib/num.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <unistd.h>

enum { TRIES_MAX = 100 };

char *part_name(const void *destination, size_t len, int n)
{
    return xasprintf(".gw_part_%016" PRIx64 ".%d", num_fnv64(destination, len), n);
}

static int open_part(const struct place *to, const char *part, bool *ret_is_new)
{
    int flags = O_RDWR | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC;
    int fd = openat(to->dirfd, part, flags | O_CREAT | O_EXCL, 0600);
    *ret_is_new = fd >= 0;
    if (fd >= 0 || errno != EEXIST)
        return fd < 0 ? -errno : fd;
    fd = openat(to->dirfd, part, flags);
    return fd >= 0 ? fd : errno == ENOENT ? -EAGAIN : -errno;
}

/* What is no temporary of ours goes. In a directory that others write to, such as /tmp, it may be a
 * stranger's, and stay: another name then. */
static int put_away(const struct place *to, const char *part)
{
    return unlinkat(to->dirfd, part, 0) == 0 || errno == ENOENT ? -EAGAIN : -EBUSY;
}

static bool is_there(const struct place *to, const char *part)
{
    struct stat st;
    return fstatat(to->dirfd, part, &st, AT_SYMLINK_NOFOLLOW) == 0;
}

/* A stranger's would give him what we write. */
static bool is_ours(const struct stat *st)
{
    return S_ISREG(st->st_mode) && st->st_nlink == 1 && st->st_uid == geteuid();
}

/* The temporary is ours while we hold its lock; one that nobody holds was left by a killed copy. */
static int lock_part(const struct place *to, const char *part)
{
    struct stat own, there;
    bool is_new;
    int fd = open_part(to, part, &is_new), r = 0;
    if (fd < 0)
        return fd != -EAGAIN && is_there(to, part) ? put_away(to, part) : fd;
    if (fstat(fd, &own) < 0)
        r = -errno;
    else if (!is_new && !is_ours(&own))
        r = put_away(to, part);
    else if (flock(fd, LOCK_EX | LOCK_NB) < 0 && errno == EWOULDBLOCK)
        r = -EBUSY;
    else if (fstatat(to->dirfd, part, &there, AT_SYMLINK_NOFOLLOW) < 0 ||
             there.st_ino != own.st_ino || there.st_dev != own.st_dev)
        r = -EAGAIN; /* renamed to its destination between our open and our lock */
    else if (ftruncate(fd, 0) < 0)
        r = -errno;
    if (r < 0)
        close(fd);
    return r < 0 ? r : fd;
}

static int open_free(const struct place *to, char **ret_part)
{
    int fd = -EBUSY;
    for (int i = 0, tries = 0; i < PARTS_MAX && tries < TRIES_MAX; tries++) {
        char *part = part_name(to->name, strlen(to->name), i);
        fd = lock_part(to, part);
        if (fd >= 0) {
            *ret_part = part;
            return fd;
        }
        free(part);
        if (fd != -EBUSY && fd != -EAGAIN)
            break;
        i += fd == -EBUSY;
    }
    return fd;
}

static int check_destination(const struct place *to, struct gw_err *err)
{
    struct stat st;
    if (fstatat(to->dirfd, to->name, &st, AT_SYMLINK_NOFOLLOW) < 0 || S_ISREG(st.st_mode))
        return 0;
    return gw_err_set(err, GW_EINVAL, "%s exists and is not a regular file", to->path);
}

int part_open(const struct place *to, struct part *ret, struct gw_err *err)
{
    struct part p = {.to = to};
    int r = check_destination(to, err);
    if (r < 0)
        return r;
    p.fd = open_free(to, &p.name);
    if (p.fd < 0)
        return gw_err_sys(err, -p.fd, "making %s", to->path);
    *ret = p;
    return 0;
}

static void clear(struct part *p)
{
    close(p->fd);
    free(p->name);
    *p = (struct part){.fd = -1};
}

void part_discard(struct part *p)
{
    unlinkat(p->to->dirfd, p->name, 0);
    clear(p);
}

int part_publish(struct part *p, mode_t mode, struct gw_err *err)
{
    const struct place *to = p->to;
    if (fchmod(p->fd, mode) < 0 || renameat(to->dirfd, p->name, to->dirfd, to->name) < 0) {
        int r = gw_err_sys(err, errno, "copying to %s", to->path);
        part_discard(p);
        return r;
    }
    clear(p);
    return 0;
}

int part_finish(struct part *p, mode_t mode, struct gw_err *err)
{
    const struct place *to = p->to;
    if (fsync(p->fd) < 0) {
        int r = gw_err_sys(err, errno, "copying to %s", to->path);
        part_discard(p);
        return r;
    }
    int r = part_publish(p, mode, err);
    return r < 0 ? r : place_sync(to, err);
}
