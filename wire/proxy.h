/* A proxy certificate's file, as grid-proxy-init makes it: PEM, the proxy's own certificate, its
 * key, then the chain up to the owner's certificate (RFC 3820, and the older Globus kind). Nothing
 * is made of the key. */
#ifndef WIRE_PROXY_H
#define WIRE_PROXY_H

#include "lib/buf.h"
#include "lib/err.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/stat.h>

enum { PROXY_FILE_MAX = 1 << 20 };

struct proxy {
    char *identity;  /* subject of the owner's own certificate, "/O=Grid/CN=Ann" */
    char *issuer;    /* who signed that */
    int64_t start_s; /* seconds since 1970: the whole chain is valid from then */
    int64_t end_s;   /* ... to then */
    bool is_limited; /* job services refuse a limited proxy */
};

/* Read such a file; `out` has the key as well, and its owner wipes it (buf_wipe). A file that
 * Globus would refuse is refused: -GW_ENOENT, -GW_EPERM (unreadable, not a regular file, another's,
 * others may use it), -GW_ECORRUPT (too large); the text names the file and what its owner should
 * do. *ret_st, all zero when it could not be opened, tells one version of the file from another;
 * may be NULL. */
int proxy_read(const char *path, struct buf *out, struct stat *ret_st, struct gw_err *err);

/* -GW_ECORRUPT: it is no credential; the text says what is missing. */
int proxy_decode(const void *data, size_t len, struct proxy *ret, struct gw_err *err);
void proxy_clear(struct proxy *p);

#endif
