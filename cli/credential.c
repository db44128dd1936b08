/* gw_credential [-a] FILE: what a proxy certificate says, for gw, which asks it only when somebody
 * wants to know: a program that carries OpenSSL takes three times as long to start; and for a gwd
 * of many users, which lets the owner look.
 *
 * Prints END=seconds since 1970, with -a START, LIMITED (1: it is a limited one) and VERSION (text
 * that changes with the file), and IDENTITY=subject, and exits with 0; or a sentence that says what
 * is wrong with the file, and exits with 1. */
#include "wire/proxy.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

static void print(const struct proxy *p, const struct stat *st, bool is_all)
{
    printf("END=%" PRId64 "\n", p->end_s);
    if (is_all)
        printf("START=%" PRId64 "\nLIMITED=%d\nVERSION=%ju.%ju.%jd.%jd.%09ld\n", p->start_s,
               (int)p->is_limited, (uintmax_t)st->st_dev, (uintmax_t)st->st_ino,
               (intmax_t)st->st_size, (intmax_t)st->st_mtim.tv_sec, st->st_mtim.tv_nsec);
    printf("IDENTITY=%s\n", p->identity);
}

int main(int argc, char **argv)
{
    struct buf data = BUF_INIT;
    struct proxy proxy = {0};
    struct gw_err err = {0};
    struct stat st = {0};
    bool is_all = argc == 3 && strcmp(argv[1], "-a") == 0;
    if (argc != 2 && !is_all) {
        fputs("Usage: gw_credential [-a] FILE\n", stderr);
        return 64;
    }
    const char *path = argv[argc - 1];
    int r = proxy_read(path, &data, &st, &err);
    if (r == 0 && (r = proxy_decode(data.data, data.len, &proxy, &err)) < 0)
        gw_err_context(&err, "the credential %s", path);
    buf_wipe(&data);
    if (r < 0)
        printf("%s\n", err.text);
    else
        print(&proxy, &st, is_all);
    proxy_clear(&proxy);
    return r < 0;
}
