/* Copies from a file system that is slow or gone: preloaded into gw_tm_local. Of the file that
 * COPY_OF names copy_file_range() gives a MiB a second, or, with COPY_HANGS, does not come back. */
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { SLICE = 1 << 20 };

static int is_named(int fd)
{
    char link[64], path[PATH_MAX];
    const char *name = getenv("COPY_OF");
    snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
    ssize_t n = readlink(link, path, sizeof path - 1);
    path[n > 0 ? n : 0] = '\0';
    return name && strcmp(path, name) == 0;
}

ssize_t copy_file_range(int from, off_t *in, int to, off_t *out, size_t len, unsigned flags)
{
    static _Thread_local char slice[SLICE];
    ssize_t n;
    (void)flags;
    while (is_named(from) && getenv("COPY_HANGS"))
        pause();
    if (is_named(from))
        sleep(1);
    n = pread(from, slice, len < SLICE ? len : SLICE, *in);
    n = n > 0 ? pwrite(to, slice, (size_t)n, *out) : n;
    *in += n > 0 ? n : 0;
    *out += n > 0 ? n : 0;
    return n;
}
