#include "vm/hash.h"

#include "lib/mem.h"

#include <errno.h>
#include <openssl/evp.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

static int update(EVP_MD_CTX *ctx, int fd, const char *name, struct gw_err *err)
{
    enum { BLOCK = 1 << 20 };
    char *block = xmalloc(BLOCK);
    off_t at = 0;
    int r = 0;
    for (;;) {
        ssize_t n = pread(fd, block, BLOCK, at);
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            r = gw_err_sys(err, errno, "reading %s", name);
        if (n <= 0)
            break;
        EVP_DigestUpdate(ctx, block, (size_t)n);
        at += n;
    }
    free(block);
    return r;
}

int hash_file(int fd, const char *name, char ret_hex[HASH_HEX + 1], struct gw_err *err)
{
    EVP_MD_CTX *ctx = EVP_MD_CTX_new();
    unsigned char digest[EVP_MAX_MD_SIZE];
    unsigned n = 0;
    if (!ctx || !EVP_DigestInit_ex(ctx, EVP_sha256(), NULL)) {
        EVP_MD_CTX_free(ctx);
        return gw_err_set(err, GW_EINTERNAL, "SHA-256 is not available");
    }
    int r = update(ctx, fd, name, err);
    if (r == 0) {
        EVP_DigestFinal_ex(ctx, digest, &n);
        for (unsigned i = 0; i < n; i++)
            snprintf(ret_hex + 2 * i, 3, "%02x", digest[i]);
    }
    EVP_MD_CTX_free(ctx);
    return r;
}
