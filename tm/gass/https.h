/* Files of servers that speak https: web servers and GASS servers. Calls wait, as those of ftp.h
 * do.
 */
#ifndef TM_GASS_HTTPS_H
#define TM_GASS_HTTPS_H

#include "tm/gass/tls.h"
#include "tm/gass/url.h"

/* What a server says of a file. */
struct https_file {
    bool has_size;
    uint64_t size;       /* of the whole */
    int64_t mtime;       /* 0: not told */
    char validator[200]; /* ETag or Last-Modified: whether it is still the same; or "" */
};

struct https;

/* Up to five redirections are followed, to https: only; from another host on nobody is shown a
 * credential. */
int https_head(const struct url *u, const atomic_bool *is_cancelled, struct https_file *ret,
               struct trouble *t);

/* From byte *offset on where the server can and `file`, as it was told before, is still the same;
 * else *offset becomes 0. NULL with the trouble. */
struct https *https_get(const struct url *u, const atomic_bool *is_cancelled, uint64_t *offset,
                        struct https_file *file, struct trouble *t);
ssize_t https_read(struct https *h, void *data, size_t size, struct trouble *t); /* 0: the end */

/* `size` bytes have to be written; https_put_end awaits the server's word. */
struct https *https_put(const struct url *u, const atomic_bool *is_cancelled, uint64_t size,
                        struct trouble *t);
int https_write(struct https *h, const void *data, size_t len, struct trouble *t);
int https_put_end(struct https *h, struct trouble *t);

void https_close(struct https *h); /* NULL is fine */

#endif
