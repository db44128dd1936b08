#include "tm/place.h"

#include "lib/beneath.h"
#include "lib/buf.h"
#include "lib/mem.h"

#include <errno.h>
#include <fcntl.h>
#include <pwd.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <unistd.h>

static bool is_this_machine(const char *host, size_t len)
{
    char own[256] = "";
    gethostname(own, sizeof own - 1);
    size_t short_len = strcspn(own, ".");
    return len == 0 || (len == 9 && strncasecmp(host, "localhost", 9) == 0) ||
           (len == strlen(own) && strncasecmp(host, own, len) == 0) ||
           (len == short_len && strncasecmp(host, own, len) == 0);
}

static const char *home(void)
{
    const char *h = getenv("HOME");
    const struct passwd *pw = h && h[0] == '/' ? NULL : getpwuid(getuid());
    return h && h[0] == '/' ? h : pw ? pw->pw_dir : "/";
}

/* Append the names of `path`, each behind a slash. */
static int append_names(struct buf *out, const char *path, const char *url, struct gw_err *err)
{
    while (*path) {
        path += strspn(path, "/");
        size_t len = strcspn(path, "/");
        if (len == 2 && strncmp(path, "..", 2) == 0)
            return gw_err_set(err, GW_EINVAL, "\"%s\" has \"..\" in its path", url);
        if (len && !(len == 1 && path[0] == '.')) {
            buf_putc(out, '/');
            buf_put(out, path, len);
        }
        path += len;
    }
    return 0;
}

int place_path(const char *url, char **ret_path, struct gw_err *err)
{
    static const char scheme[] = "file://";
    if (strncasecmp(url, scheme, sizeof scheme - 1) != 0)
        return gw_err_set(err, GW_EINVAL, "\"%s\" is not a file: URL, the only kind served here",
                          url);
    const char *host = url + sizeof scheme - 1;
    const char *path = strchr(host, '/');
    if (!path)
        return gw_err_set(err, GW_EINVAL, "\"%s\" has no path", url);
    if (!is_this_machine(host, (size_t)(path - host)))
        return gw_err_set(err, GW_EINVAL, "\"%s\" is on another machine", url);
    struct buf out = BUF_INIT;
    int r = 0;
    if (path[1] == '~') {
        if (path[2] && path[2] != '/')
            r = gw_err_set(err, GW_EINVAL, "\"%s\": only /~/, the account's own home, is served",
                           url);
        else
            r = append_names(&out, home(), home(), err);
        path += 2;
    }
    if (r == 0)
        r = append_names(&out, path, url, err);
    if (r == 0 && out.len == 0)
        r = gw_err_set(err, GW_EINVAL, "\"%s\" names no file", url);
    if (r == 0)
        *ret_path = buf_take(&out);
    buf_clear(&out);
    return r;
}

static enum place_zone next_zone(enum place_zone zone, const char *name)
{
    if (zone != ZONE_OUTSIDE || strncmp(name, ".gw_", 4) != 0)
        return zone;
    return strcmp(name, ".gw_cache") == 0 ? ZONE_CACHE : ZONE_JOB;
}

/* One name below `dir`, where the zone of `dir` is `before` and of the name `zone`. */
static int open_dir(int dir, const char *name, enum place_zone before, enum place_zone zone)
{
    if (before == ZONE_CACHE)
        return beneath_open_linked(dir, name);
    if (zone == ZONE_JOB)
        return beneath_open(dir, name, O_PATH | O_DIRECTORY, 0);
    int fd = openat(dir, name, O_PATH | O_DIRECTORY | O_CLOEXEC);
    return fd < 0 ? -errno : fd;
}

static int sync_dir(int dir)
{
    int fd = openat(dir, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (fd < 0)
        return errno == EACCES ? 0 : -errno; /* may be entered, not read: nothing to be done */
    int r = fsync(fd) < 0 && errno != EINVAL ? -errno : 0;
    close(fd);
    return r;
}

static int make_dir(int dir, const char *name, enum place_zone zone, enum place_parents parents)
{
    if (mkdirat(dir, name, zone == ZONE_OUTSIDE ? 0777 : 0700) < 0)
        return errno == EEXIST ? 0 : -errno;
    return parents == PARENTS_MADE ? sync_dir(dir) : 0;
}

static int describe(int dir, const char *name, int e, const char *path, struct gw_err *err)
{
    struct stat st;
    bool is_link = (e == ENOTDIR || e == ELOOP || e == EXDEV) &&
                   fstatat(dir, name, &st, AT_SYMLINK_NOFOLLOW) == 0 && S_ISLNK(st.st_mode);
    if (is_link)
        return gw_err_set(err, GW_EINVAL,
                          "%s: \"%s\" is a symbolic link, which is not followed here", path, name);
    return gw_err_sys(err, e, "%s", path);
}

static int descend(int *dir, const char *name, enum place_zone *zone, enum place_parents parents,
                   const char *path, struct gw_err *err)
{
    enum place_zone next = next_zone(*zone, name);
    int fd = open_dir(*dir, name, *zone, next);
    if (fd == -ENOENT && parents != PARENTS_THERE) {
        int r = make_dir(*dir, name, next, parents);
        if (r < 0)
            return gw_err_sys(err, -r, "making a directory for %s", path);
        fd = open_dir(*dir, name, *zone, next);
    }
    if (fd < 0)
        return describe(*dir, name, -fd, path, err);
    close(*dir);
    *dir = fd;
    *zone = next;
    return 0;
}

int place_open(const char *path, enum place_parents parents, struct place *ret, struct gw_err *err)
{
    enum place_zone zone = ZONE_OUTSIDE;
    int r = 0, dir = open("/", O_PATH | O_DIRECTORY | O_CLOEXEC);
    if (dir < 0)
        return gw_err_sys(err, errno, "opening /");
    char *copy = xstrdup(path), *name = copy + 1, *slash;
    while (r == 0 && (slash = strchr(name, '/'))) {
        *slash = '\0';
        r = descend(&dir, name, &zone, parents, path, err);
        name = slash + 1;
    }
    if (r == 0)
        *ret = (struct place){.dirfd = dir,
                              .name = xstrdup(name),
                              .path = xstrdup(path),
                              .zone = next_zone(zone, name)};
    else
        close(dir);
    free(copy);
    return r;
}

void place_close(struct place *p)
{
    if (p->path)
        close(p->dirfd);
    free(p->name);
    free(p->path);
    *p = (struct place){0};
}

int place_stat(const struct place *p, struct stat *ret, struct gw_err *err)
{
    struct stat st;
    if (fstatat(p->dirfd, p->name, &st, p->zone == ZONE_OUTSIDE ? 0 : AT_SYMLINK_NOFOLLOW) < 0)
        return gw_err_sys(err, errno, "%s", p->path);
    *ret = st;
    return 0;
}

static int open_last(const struct place *p, int flags)
{
    if (p->zone != ZONE_OUTSIDE)
        return beneath_open(p->dirfd, p->name, flags, 0);
    int fd = openat(p->dirfd, p->name, flags);
    return fd < 0 ? -errno : fd;
}

int place_open_file(const struct place *p, struct stat *ret, struct gw_err *err)
{
    /* Not to wait for the other end of a FIFO; without effect on a regular file. */
    int flags = O_RDONLY | O_NONBLOCK | O_NOCTTY | O_CLOEXEC;
    int fd = open_last(p, flags);
    if (fd == -ENXIO)
        return gw_err_set(err, GW_EINVAL, "%s is not a regular file", p->path);
    if (fd < 0)
        return describe(p->dirfd, p->name, -fd, p->path, err);
    struct stat st;
    int r = 0;
    if (fstat(fd, &st) < 0)
        r = gw_err_sys(err, errno, "%s", p->path);
    else if (!S_ISREG(st.st_mode))
        r = gw_err_set(err, GW_EINVAL, "%s is not a regular file", p->path);
    if (r < 0) {
        close(fd);
        return r;
    }
    *ret = st;
    return fd;
}

int place_sync(const struct place *p, struct gw_err *err)
{
    int r = sync_dir(p->dirfd);
    return r < 0 ? gw_err_sys(err, -r, "syncing the directory of %s", p->path) : 0;
}
