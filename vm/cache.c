#include "vm/cache.h"

#include "lib/file.h"
#include "lib/log.h"
#include "lib/mem.h"
#include "vm/hash.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

/* How often an entry may be moved away under us before we give up. */
enum { TRIES = 10 };

static const char cache_name[] = ".gw_cache";

/* One look at an entry: its directory as it is now, and the lock that we hold on it. */
struct entry {
    char *dir; /* links resolved */
    int lock, image;
    struct stat st;
};

static void close_entry(struct entry *e)
{
    if (e->image >= 0)
        close(e->image);
    if (e->lock >= 0)
        close(e->lock);
    free(e->dir);
}

static char *join(const char *dir, const char *name)
{
    return xasprintf("%s/%s", dir, name);
}

static char *dir_of(const char *path)
{
    const char *slash = strrchr(path, '/');
    return slash ? xstrndup(path, (size_t)(slash - path)) : xstrdup(".");
}

char *cache_of(const char *path)
{
    char *entry = dir_of(path), *cache = dir_of(entry);
    const char *last = strrchr(cache, '/');
    if (strcmp(last ? last + 1 : cache, cache_name) != 0) {
        free(cache);
        cache = NULL;
    }
    free(entry);
    return cache;
}

static int missing(const char *path, bool is_cached, struct vm_failure *f)
{
    vm_fail(f, REASON_IMAGE_MISSING, "image %s: %s", path, strerror(errno));
    if (is_cached) /* it was there when the prolog ended, and will be again after the next one */
        f->blame = "site";
    return -1;
}

/* Whoever removes or renames an entry leaves its lock file behind for those who wait on it: a lock
 * counts only when it is on the file that bears the name now. */
static bool is_current(const struct entry *e)
{
    char *path = join(e->dir, "lock");
    struct stat ours, named;
    bool is_same = fstat(e->lock, &ours) == 0 && stat(path, &named) == 0 &&
                   ours.st_ino == named.st_ino && ours.st_dev == named.st_dev;
    free(path);
    return is_same;
}

/* 0 with the entry locked (operation of flock), 1 when it moved away meanwhile, -1 with f. */
static int open_entry(const char *path, int operation, struct entry *ret, struct vm_failure *f)
{
    char *link = dir_of(path);
    struct entry e = {realpath(link, NULL), -1, -1, {0}};
    free(link);
    if (!e.dir)
        return missing(path, true, f);
    char *lock = join(e.dir, "lock"), *image = join(e.dir, "image");
    int r = 0;
    e.lock = open(lock, O_RDWR | O_CREAT | O_NOFOLLOW | O_CLOEXEC, 0600);
    if (e.lock < 0)
        r = errno == ENOENT
                ? 1
                : vm_fail(f, REASON_HYPERVISOR, "opening %s: %s", lock, strerror(errno));
    while (r == 0 && flock(e.lock, operation) < 0)
        if (errno != EINTR)
            r = vm_fail(f, REASON_HYPERVISOR, "locking %s: %s", lock, strerror(errno));
    if (r == 0 && !is_current(&e))
        r = 1;
    if (r == 0) {
        e.image = open(image, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY | O_CLOEXEC);
        if (e.image < 0 || fstat(e.image, &e.st) < 0)
            r = missing(path, true, f);
    }
    free(lock);
    free(image);
    if (r == 0)
        *ret = e;
    else
        close_entry(&e);
    return r;
}

static void describe(const struct entry *e, const char *hex, char *text, size_t size)
{
    snprintf(text, size, "%s %" PRIu64 " %" PRId64 ".%09ld\n", hex, (uint64_t)e->st.st_size,
             (int64_t)e->st.st_mtim.tv_sec, e->st.st_mtim.tv_nsec);
}

/* Whether the file `verified` is about the image as it is now; its digest then. */
static bool is_verified(const struct entry *e, char hex[HASH_HEX + 1])
{
    char *path = join(e->dir, "verified"), want[160];
    struct buf b = BUF_INIT;
    bool is_true = false;
    if (file_read(path, sizeof want, &b, NULL) == 0 && b.len > HASH_HEX &&
        strspn(b.data, "0123456789abcdef") == HASH_HEX) {
        memcpy(hex, b.data, HASH_HEX);
        hex[HASH_HEX] = '\0';
        describe(e, hex, want, sizeof want);
        is_true = strcmp(b.data, want) == 0;
    }
    buf_clear(&b);
    free(path);
    return is_true;
}

static void remove_entry(const char *dir)
{
    char *gone = xasprintf("%s.%ld.gone", dir, (long)getpid());
    if (rename(dir, gone) == 0)
        file_remove_tree(gone, NULL);
    free(gone);
}

static int check_digest(const char *path, const char *hex, const char *sha256, struct vm_failure *f)
{
    if (!sha256 || strcmp(hex, sha256) == 0)
        return 0;
    return vm_fail(f, REASON_IMAGE_CHECKSUM, "image %s has SHA-256 %s, expected %s", path, hex,
                   sha256);
}

static int hash(int fd, const char *path, char hex[HASH_HEX + 1], struct vm_failure *f)
{
    struct gw_err err;
    return hash_file(fd, path, hex, &err) < 0 ? vm_fail_err(f, REASON_HYPERVISOR, &err) : 0;
}

/* An entry u-... whose content is known now is moved to sha256-HEX, or dropped when that is there;
 * its old name becomes a link, by which other jobs come. Losing a race here costs a second copy,
 * not more. */
static void name_by_content(const char *dir, const char *hex)
{
    const char *last = strrchr(dir, '/');
    if (!last || strncmp(last + 1, "u-", 2) != 0)
        return;
    char *name = xasprintf("sha256-%s", hex);
    char *target = xasprintf("%.*s/%s", (int)(last - dir), dir, name);
    if (access(target, F_OK) == 0)
        remove_entry(dir);
    else if (rename(dir, target) < 0)
        log_warn("image cache: renaming %s: %s", dir, strerror(errno));
    if (symlink(name, dir) < 0 && errno != EEXIST)
        log_warn("image cache: linking %s: %s", dir, strerror(errno));
    free(target);
    free(name);
}

/* With the entry locked for us alone: hash and look at the image, note that, and give the entry its
 * name. */
static int verify(const struct entry *e, const char *path, const char *sha256, struct vm_failure *f)
{
    char hex[HASH_HEX + 1], text[160];
    struct image image;
    if (hash(e->image, path, hex, f) < 0)
        return -1;
    if (check_digest(path, hex, sha256, f) < 0 || image_check(e->image, path, &image, f) < 0) {
        if (f->reason != REASON_HYPERVISOR)
            remove_entry(e->dir);
        return -1;
    }
    describe(e, hex, text, sizeof text);
    char *verified = join(e->dir, "verified");
    struct gw_err err;
    int r = file_write(verified, text, strlen(text), 0644, &err);
    free(verified);
    if (r < 0)
        return vm_fail_err(f, REASON_HYPERVISOR, &err);
    name_by_content(e->dir, hex);
    return 0;
}

static int verify_alone(const char *path, const char *sha256, struct vm_failure *f)
{
    struct entry e;
    char hex[HASH_HEX + 1];
    int r = open_entry(path, LOCK_EX, &e, f);
    if (r != 0)
        return r;
    if (!is_verified(&e, hex)) /* nobody did it while we waited */
        r = verify(&e, path, sha256, f);
    close_entry(&e);
    return r;
}

/* 0 when taken, 1 to try again, -1 with f. */
static int try_take(const char *path, const char *sha256, struct cached_image *ret,
                    struct vm_failure *f)
{
    struct entry e;
    char hex[HASH_HEX + 1];
    int r = open_entry(path, LOCK_SH, &e, f);
    if (r != 0)
        return r;
    if (!is_verified(&e, hex)) {
        close_entry(&e);
        r = verify_alone(path, sha256, f);
        return r < 0 ? r : 1;
    }
    struct cached_image c = {NULL, {0}, -1};
    r = check_digest(path, hex, sha256, f);
    if (r == 0)
        r = image_check(e.image, path, &c.image, f);
    if (r == 0) {
        futimens(e.lock, NULL); /* the time of its last use */
        c.path = join(e.dir, "image");
        c.lock = e.lock;
        e.lock = -1;
        *ret = c;
    }
    close_entry(&e);
    return r;
}

static int take_plain(const char *path, const char *sha256, struct cached_image *ret,
                      struct vm_failure *f)
{
    struct cached_image c = {realpath(path, NULL), {0}, -1};
    int fd = c.path ? open(c.path, O_RDONLY | O_NONBLOCK | O_NOCTTY | O_CLOEXEC) : -1;
    int r = fd < 0 ? missing(path, false, f) : 0;
    char hex[HASH_HEX + 1];
    if (r == 0)
        r = image_check(fd, path, &c.image, f);
    if (r == 0 && sha256)
        r = hash(fd, path, hex, f);
    if (r == 0 && sha256)
        r = check_digest(path, hex, sha256, f);
    if (fd >= 0)
        close(fd);
    if (r == 0)
        *ret = c;
    else
        free(c.path);
    return r;
}

int cache_take(const char *path, const char *sha256, struct cached_image *ret, struct vm_failure *f)
{
    char *cache = cache_of(path);
    if (!cache)
        return take_plain(path, sha256, ret, f);
    free(cache);
    int r = 1;
    for (int i = 0; r > 0 && i < TRIES; i++)
        r = try_take(path, sha256, ret, f);
    if (r > 0)
        return vm_fail(f, REASON_HYPERVISOR, "image %s: its cache entry changed %d times", path,
                       TRIES);
    return r;
}

void cache_release(struct cached_image *c)
{
    if (c->lock >= 0)
        close(c->lock);
    free(c->path);
    *c = (struct cached_image){.lock = -1};
}
