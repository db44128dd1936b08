/* The site's image cache (docs/jobdir.md): a directory an image, named by its content once that is
 * known; a lock that users share; verified once. */
#ifndef VM_CACHE_H
#define VM_CACHE_H

#include "vm/image.h"

#include <stdint.h>
#include <time.h>

struct cached_image {
    char *path; /* absolute, links resolved: what QEMU gets */
    struct image image;
    int lock; /* held until cache_release; -1 for an image outside a cache */
};

/* Make the image at `path` ready for use: found, whole, of the wanted SHA-256 (64 lower-case
 * digits; NULL: any). In a cache (.../.gw_cache/KEY/image) it is locked and hashed before its first
 * use, and an entry u-... becomes a link to sha256-HEX; an entry that is wrong is removed.
 * Elsewhere it is checked each time. Returns 0, or -1 with one of the REASON_IMAGE_... */
int cache_take(const char *path, const char *sha256, struct cached_image *ret,
               struct vm_failure *f);
void cache_release(struct cached_image *c);

/* Remove the entries of directory `cache` that nobody uses: those not used for `max_age_s`, then
 * the longest unused until all take at most `max_bytes`; 0 is no limit. `now`: time(2). What came
 * in the last hour stays: its job may be waiting in a batch queue. Best effort. */
void cache_evict(const char *cache, uint64_t max_bytes, uint64_t max_age_s, time_t now);

/* The directory of the cache that `path` is in (".../.gw_cache"), the caller's; or NULL. */
char *cache_of(const char *path);

#endif
