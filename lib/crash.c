#include "lib/crash.h"

#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static struct {
    pthread_once_t once;
    const char *name; /* NULL: none was named */
    size_t name_len;
    atomic_long left;
} point = {.once = PTHREAD_ONCE_INIT};

static void read_wish(void)
{
    const char *wish = getenv("GW_CRASH"), *colon = wish ? strchr(wish, ':') : NULL;
    if (!colon)
        return;
    atomic_store(&point.left, strtol(colon + 1, NULL, 10));
    point.name_len = (size_t)(colon - wish);
    point.name = wish;
}

void crash_point(const char *name)
{
    pthread_once(&point.once, read_wish);
    if (!point.name || strncmp(point.name, name, point.name_len) != 0 || name[point.name_len])
        return;
    if (atomic_fetch_sub(&point.left, 1) == 1)
        kill(getpid(), SIGKILL);
}
