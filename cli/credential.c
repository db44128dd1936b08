/* gw_credential FILE: what a proxy certificate says, for gw, which asks it only when somebody wants
 * to know: a program that carries OpenSSL takes three times as long to start.
 *
 * Prints END=seconds since 1970 and IDENTITY=subject, and exits with 0; or a sentence that says
 * what is wrong with the file, and exits with 1. */
#include "wire/proxy.h"

#include <inttypes.h>
#include <stdio.h>

int main(int argc, char **argv)
{
    struct buf data = BUF_INIT;
    struct proxy proxy = {0};
    struct gw_err err = {0};
    if (argc != 2) {
        fputs("Usage: gw_credential FILE\n", stderr);
        return 64;
    }
    int r = proxy_read(argv[1], &data, NULL, &err);
    if (r == 0 && (r = proxy_decode(data.data, data.len, &proxy, &err)) < 0)
        gw_err_context(&err, "%s", argv[1]);
    buf_wipe(&data);
    if (r < 0)
        printf("%s\n", err.text);
    else
        printf("END=%" PRId64 "\nIDENTITY=%s\n", proxy.end_s, proxy.identity);
    proxy_clear(&proxy);
    return r < 0;
}
