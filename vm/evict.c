#include "vm/cache.h"

#include "lib/file.h"
#include "lib/log.h"
#include "lib/mem.h"

#include <dirent.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

enum { FRESH_S = 3600 };

struct candidate {
    char *dir;
    uint64_t bytes;
    time_t used, came; /* last use; when the image came or was last changed */
    bool is_gone;
};

struct listing {
    struct candidate *items;
    size_t n;
};

static char *join(const char *dir, const char *name)
{
    return xasprintf("%s/%s", dir, name);
}

/* A link whose entry was removed. */
static void drop_dangling(const char *path)
{
    struct stat st;
    if (stat(path, &st) < 0)
        unlink(path);
}

static void consider(struct listing *l, char *dir)
{
    char *image = join(dir, "image"), *lock = join(dir, "lock");
    struct stat st, used;
    if (stat(image, &st) == 0 && S_ISREG(st.st_mode)) {
        time_t last = stat(lock, &used) == 0 ? used.st_mtime : st.st_ctime;
        l->items = xreallocarray(l->items, l->n + 1, sizeof *l->items);
        l->items[l->n++] =
            (struct candidate){xstrdup(dir), (uint64_t)st.st_blocks * 512,
                               last > st.st_ctime ? last : st.st_ctime, st.st_ctime, false};
    }
    free(image);
    free(lock);
}

static struct listing list(const char *cache)
{
    struct listing l = {0};
    DIR *d = opendir(cache);
    struct dirent *e;
    while (d && (e = readdir(d))) {
        if (strncmp(e->d_name, "u-", 2) != 0 && strncmp(e->d_name, "sha256-", 7) != 0)
            continue;
        char *path = join(cache, e->d_name);
        struct stat st;
        if (lstat(path, &st) == 0 && S_ISLNK(st.st_mode))
            drop_dangling(path);
        else
            consider(&l, path);
        free(path);
    }
    if (d)
        closedir(d);
    return l;
}

static int by_last_use(const void *a, const void *b)
{
    const struct candidate *x = a, *y = b;
    return (x->used > y->used) - (x->used < y->used);
}

/* Only with the lock for us alone, which nobody gets while a VM uses the image; moved away first,
 * so that no new user finds half an entry. */
static bool remove_unused(const struct candidate *c)
{
    char *path = join(c->dir, "lock");
    int lock = open(path, O_RDWR | O_CREAT | O_NOFOLLOW | O_CLOEXEC, 0600);
    free(path);
    if (lock < 0)
        return false;
    bool is_gone = false;
    if (flock(lock, LOCK_EX | LOCK_NB) == 0) {
        char *gone = xasprintf("%s.%ld.gone", c->dir, (long)getpid());
        is_gone = rename(c->dir, gone) == 0;
        if (is_gone) {
            file_remove_tree(gone, NULL);
            log_info("image cache: removed %s", c->dir);
        }
        free(gone);
    }
    close(lock);
    return is_gone;
}

static void evict_old(struct listing *l, uint64_t max_age_s, time_t now)
{
    for (size_t i = 0; max_age_s && i < l->n; i++)
        if (l->items[i].used < now && (uint64_t)(now - l->items[i].used) > max_age_s)
            l->items[i].is_gone = remove_unused(&l->items[i]);
}

static void evict_large(struct listing *l, uint64_t max_bytes, time_t now)
{
    uint64_t total = 0;
    for (size_t i = 0; i < l->n; i++)
        total += l->items[i].is_gone ? 0 : l->items[i].bytes;
    for (size_t i = 0; max_bytes && i < l->n && total > max_bytes; i++) {
        struct candidate *c = &l->items[i];
        if (!c->is_gone && now - c->came > FRESH_S && remove_unused(c))
            total -= c->bytes;
    }
}

void cache_evict(const char *cache, uint64_t max_bytes, uint64_t max_age_s, time_t now)
{
    if (!max_bytes && !max_age_s)
        return;
    struct listing l = list(cache);
    if (l.n)
        qsort(l.items, l.n, sizeof *l.items, by_last_use);
    evict_old(&l, max_age_s, now);
    evict_large(&l, max_bytes, now);
    for (size_t i = 0; i < l.n; i++)
        free(l.items[i].dir);
    free(l.items);
}
