/* A proxy certificate's file, as grid-proxy-init makes it: PEM, the proxy's own certificate, its
 * key, then the chain up to the owner's certificate (RFC 3820, and the older Globus kind). The
 * key is not read. */
#ifndef WIRE_PROXY_H
#define WIRE_PROXY_H

#include "lib/err.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { PROXY_FILE_MAX = 1 << 20 };

struct proxy {
    char *identity;  /* subject of the owner's own certificate, "/O=Grid/CN=Ann" */
    char *issuer;    /* who signed that */
    int64_t start_s; /* seconds since 1970: the whole chain is valid from then */
    int64_t end_s;   /* ... to then */
    bool is_limited; /* job services refuse a limited proxy */
};

/* -GW_ECORRUPT: it is no credential; the text says what is missing. */
int proxy_decode(const void *data, size_t len, struct proxy *ret, struct gw_err *err);
void proxy_clear(struct proxy *p);

#endif
