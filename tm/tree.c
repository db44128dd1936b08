#include "tm/tree.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

struct removal {
    int top;             /* the tree's own directory */
    unsigned long moved; /* directories brought up to it */
    const atomic_bool *is_cancelled;
};

/* A directory that its owner may not enter is made so that we may: by descriptor, because the name
 * may change. */
static int open_dir(int dir, const char *name)
{
    int flags = O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC;
    int fd = openat(dir, name, flags | O_PATH), opened;
    if (fd < 0)
        return -errno;
    struct stat st;
    char path[64];
    snprintf(path, sizeof path, "/proc/self/fd/%d", fd);
    if (fstat(fd, &st) == 0 && (st.st_mode & 0700) != 0700)
        (void)!chmod(path, 0700);
    opened = openat(fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    int e = errno;
    close(fd);
    return opened < 0 ? -e : opened;
}

/* Call fn for each entry of a directory. Entries that appear or vanish meanwhile are another
 * round's. */
static int each_entry(int fd, int (*fn)(struct removal *r, int fd, const char *name),
                      struct removal *r, unsigned long *ret_n)
{
    int copy = openat(fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    DIR *dir = copy < 0 ? NULL : fdopendir(copy);
    int result = dir ? 0 : -errno;
    struct dirent *e;
    while (result == 0 && (errno = 0, e = readdir(dir))) {
        if (strcmp(e->d_name, ".") == 0 || strcmp(e->d_name, "..") == 0)
            continue;
        ++*ret_n;
        result = atomic_load(r->is_cancelled) ? -ECANCELED : fn(r, fd, e->d_name);
    }
    if (dir)
        closedir(dir);
    else if (copy >= 0)
        close(copy);
    return result;
}

/* 1 when it is a directory. */
static int unlink_file(int fd, const char *name)
{
    if (unlinkat(fd, name, 0) == 0 || errno == ENOENT)
        return 0;
    struct stat st;
    int e = errno;
    if (fstatat(fd, name, &st, AT_SYMLINK_NOFOLLOW) == 0 && S_ISDIR(st.st_mode))
        return 1;
    return -e;
}

/* An entry two levels down: directories go up one level instead of us going down. */
static int lift(struct removal *r, int fd, const char *name)
{
    int is_dir = unlink_file(fd, name);
    if (is_dir <= 0)
        return is_dir;
    if (unlinkat(fd, name, AT_REMOVEDIR) == 0)
        return 0;
    int sub = open_dir(fd, name); /* to move a directory it must be writable */
    if (sub < 0)
        return sub == -ENOENT ? 0 : sub;
    close(sub);
    char to[64];
    snprintf(to, sizeof to, ".gw_rm_%ld_%lu", (long)getpid(), r->moved++);
    return renameat(fd, name, r->top, to) < 0 && errno != ENOENT ? -errno : 0;
}

static int remove_entry(struct removal *r, int fd, const char *name)
{
    int is_dir = unlink_file(fd, name);
    if (is_dir <= 0)
        return is_dir;
    int sub = open_dir(fd, name);
    if (sub < 0)
        return sub == -ENOENT ? 0 : sub;
    unsigned long n = 0;
    int result = each_entry(sub, lift, r, &n);
    close(sub);
    /* Not empty: something appeared, which the next round removes. */
    if (result == 0 && unlinkat(fd, name, AT_REMOVEDIR) < 0 && errno != ENOENT &&
        errno != ENOTEMPTY)
        result = -errno;
    return result;
}

int tree_remove(const struct place *p, const atomic_bool *is_cancelled, struct gw_err *err)
{
    int is_dir = unlink_file(p->dirfd, p->name);
    if (is_dir < 0)
        return gw_err_sys(err, -is_dir, "removing %s", p->path);
    if (!is_dir)
        return 0;
    struct removal r = {.top = open_dir(p->dirfd, p->name), .is_cancelled = is_cancelled};
    int result = r.top < 0 ? r.top : 0;
    for (unsigned long n = 1; result == 0 && n > 0;) {
        n = 0;
        result = each_entry(r.top, remove_entry, &r, &n);
    }
    if (r.top >= 0)
        close(r.top);
    if (result == 0 && unlinkat(p->dirfd, p->name, AT_REMOVEDIR) < 0)
        result = -errno;
    if (result == -ECANCELED)
        return gw_err_set(err, GW_ESTATE, "cancelled");
    return result < 0 && result != -ENOENT ? gw_err_sys(err, -result, "removing %s", p->path) : 0;
}
