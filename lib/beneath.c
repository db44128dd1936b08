#include "lib/beneath.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <linux/openat2.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

/* --- opening --- */

static atomic_bool is_without_openat2;

void beneath_forget_openat2(bool is_forgotten)
{
    atomic_store(&is_without_openat2, is_forgotten);
}

/* A name of `path`, which is moved behind it; NULL: not a name. */
static const char *take_name(const char **path, char name[NAME_MAX + 1])
{
    size_t n = strcspn(*path, "/");
    if (n == 0 || n > NAME_MAX)
        return NULL;
    memcpy(name, *path, n);
    name[n] = '\0';
    *path += n + ((*path)[n] == '/');
    return strcmp(name, "..") == 0 ? NULL : name;
}

static int open_name(int dir, const char *name, int flags, mode_t mode)
{
    int fd = openat(dir, name, flags | O_NOFOLLOW | O_CLOEXEC, mode);
    struct stat st;
    if (fd >= 0)
        return fd;
    int e = errno;
    /* With O_DIRECTORY the kernel says ENOTDIR of a link. */
    bool is_link =
        e == ENOTDIR && fstatat(dir, name, &st, AT_SYMLINK_NOFOLLOW) == 0 && S_ISLNK(st.st_mode);
    return is_link ? -ELOOP : -e;
}

static int open_by_names(int dir, const char *path, int flags, mode_t mode)
{
    char name[NAME_MAX + 1];
    int at = dir;
    for (;;) {
        bool is_name = take_name(&path, name) != NULL;
        int next = !is_name ? -EXDEV
                   : *path  ? open_name(at, name, O_PATH | O_DIRECTORY, 0)
                            : open_name(at, name, flags, mode);
        if (at != dir)
            close(at);
        if (next < 0 || !*path)
            return next;
        at = next;
    }
}

int beneath_open(int dir, const char *path, int flags, mode_t mode)
{
    struct open_how how = {.flags = (unsigned)flags | O_CLOEXEC,
                           .mode = flags & O_CREAT ? mode : 0,
                           .resolve = RESOLVE_BENEATH | RESOLVE_NO_SYMLINKS};
    for (int tries = 0; !atomic_load(&is_without_openat2) && tries < 100; tries++) {
        int fd = (int)syscall(SYS_openat2, dir, path, &how, sizeof how);
        if (fd >= 0)
            return fd;
        /* EPERM is a filter's word as well as a file's, which is then told by the other way. */
        if (errno == ENOSYS || errno == EPERM)
            break;
        if (errno != EAGAIN && errno != EINTR) /* EAGAIN: something was renamed meanwhile */
            return -errno;
    }
    return open_by_names(dir, path, flags, mode);
}

int beneath_open_linked(int dir, const char *name)
{
    char target[NAME_MAX + 1];
    int fd = beneath_open(dir, name, O_PATH | O_DIRECTORY, 0);
    if (fd != -ELOOP)
        return fd;
    ssize_t n = readlinkat(dir, name, target, sizeof target);
    if (n <= 0 || n == sizeof target || memchr(target, '/', (size_t)n))
        return -ELOOP;
    target[n] = '\0';
    return beneath_open(dir, target, O_PATH | O_DIRECTORY, 0);
}

int beneath_make_parents(int dir, const char *path, mode_t mode, const char **ret_last)
{
    char name[NAME_MAX + 1];
    int at = openat(dir, ".", O_PATH | O_DIRECTORY | O_CLOEXEC);
    if (at < 0)
        return -errno;
    while (strchr(path, '/')) {
        int next = -EXDEV;
        if (take_name(&path, name))
            next = mkdirat(at, name, mode) < 0 && errno != EEXIST
                       ? -errno
                       : beneath_open(at, name, O_PATH | O_DIRECTORY, 0);
        close(at);
        if (next < 0)
            return next;
        at = next;
    }
    *ret_last = path;
    return at;
}

/* --- removing --- */

/* Somebody who makes files as fast as we remove them must not keep us. */
enum { IDLE_ROUNDS_MAX = 16, REMOVAL_MAX_S = 600 };

struct removal {
    int top;             /* the tree's own directory */
    unsigned long moved; /* directories brought up to it */
    time_t until;
    const atomic_bool *is_cancelled;
};

static time_t now_s(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return t.tv_sec;
}

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

static int check_time(const struct removal *r)
{
    if (r->is_cancelled && atomic_load(r->is_cancelled))
        return -ECANCELED;
    return now_s() > r->until ? -ENOTEMPTY : 0;
}

static const char *next_name(DIR *dir)
{
    struct dirent *e;
    do
        e = readdir(dir);
    while (e && (strcmp(e->d_name, ".") == 0 || strcmp(e->d_name, "..") == 0));
    return e ? e->d_name : NULL;
}

/* Call fn for as many entries of a directory as there are now. Those that appear or vanish
 * meanwhile are another round's: a reading that goes on for as long as somebody adds to what is
 * read would not end. */
static int each_entry(int fd, int (*fn)(struct removal *r, int fd, const char *name),
                      struct removal *r, unsigned long *ret_n)
{
    int copy = openat(fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    DIR *dir = copy < 0 ? NULL : fdopendir(copy);
    int result = dir ? 0 : -errno;
    unsigned long rest = 0;
    const char *name;
    while (result == 0 && next_name(dir)) {
        rest++;
        result = check_time(r);
    }
    if (result == 0)
        rewinddir(dir);
    for (; result == 0 && rest > 0 && (name = next_name(dir)); rest--) {
        ++*ret_n;
        result = check_time(r);
        if (result == 0)
            result = fn(r, fd, name);
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
    if (e == EISDIR)
        return 1;
    if (fstatat(fd, name, &st, AT_SYMLINK_NOFOLLOW) == 0 && S_ISDIR(st.st_mode))
        return 1;
    return -e;
}

/* 0 also when it is something else by now, or gone: the next round's. */
static int open_entry(int fd, const char *name, int *ret)
{
    *ret = open_dir(fd, name);
    return *ret >= 0 || *ret == -ENOENT || *ret == -ENOTDIR || *ret == -ELOOP ? 0 : *ret;
}

/* An entry two levels down: directories go up one level instead of us going down. */
static int lift(struct removal *r, int fd, const char *name)
{
    int is_dir = unlink_file(fd, name), sub;
    if (is_dir <= 0)
        return is_dir;
    if (unlinkat(fd, name, AT_REMOVEDIR) == 0)
        return 0;
    int result = open_entry(fd, name, &sub); /* to move a directory it must be writable */
    if (sub < 0)
        return result;
    close(sub);
    char to[64];
    snprintf(to, sizeof to, ".gw_rm_%ld_%lu", (long)getpid(), r->moved++);
    return renameat(fd, name, r->top, to) < 0 && errno != ENOENT && errno != EEXIST ? -errno : 0;
}

static int remove_entry(struct removal *r, int fd, const char *name)
{
    int is_dir = unlink_file(fd, name), sub;
    if (is_dir <= 0)
        return is_dir;
    int result = open_entry(fd, name, &sub);
    if (sub < 0)
        return result;
    unsigned long n = 0;
    result = each_entry(sub, lift, r, &n);
    close(sub);
    /* Not empty, or no directory: something appeared, which the next round removes. */
    if (result == 0 && unlinkat(fd, name, AT_REMOVEDIR) < 0 && errno != ENOENT &&
        errno != ENOTEMPTY && errno != ENOTDIR)
        result = -errno;
    return result;
}

static int empty(struct removal *r)
{
    int result = 0, idle = 0;
    for (unsigned long n = 1; result == 0 && n > 0;) {
        unsigned long moved = r->moved;
        n = 0;
        result = each_entry(r->top, remove_entry, r, &n);
        idle = r->moved == moved ? idle + 1 : 0;
        if (result == 0 && n > 0 && idle > IDLE_ROUNDS_MAX)
            result = -ENOTEMPTY;
    }
    return result;
}

/* 1 when the name has become another thing's meanwhile. */
static int remove_tree(int dir, const char *name, const atomic_bool *is_cancelled)
{
    struct removal r = {.until = now_s() + REMOVAL_MAX_S, .is_cancelled = is_cancelled};
    int result = open_entry(dir, name, &r.top);
    if (r.top < 0)
        return result < 0 ? result : 1;
    result = empty(&r);
    close(r.top);
    if (result == 0 && unlinkat(dir, name, AT_REMOVEDIR) < 0)
        result = errno == ENOENT ? 0 : errno == ENOTDIR ? 1 : -errno;
    return result;
}

int beneath_remove(int dir, const char *name, const atomic_bool *is_cancelled)
{
    int result = 1;
    for (int i = 0; result > 0 && i < IDLE_ROUNDS_MAX; i++) {
        result = unlink_file(dir, name);
        if (result > 0)
            result = remove_tree(dir, name, is_cancelled);
    }
    return result > 0 ? -ENOTEMPTY : result;
}
