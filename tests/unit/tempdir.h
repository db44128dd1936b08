/* A directory of a test's own, below $TMPDIR. */
#ifndef TESTS_UNIT_TEMPDIR_H
#define TESTS_UNIT_TEMPDIR_H

#include "lib/file.h"
#include "lib/mem.h"

#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

/* malloc'ed; for tempdir_remove(). NULL: it could not be made. */
static inline char *tempdir_make(const char *name)
{
    const char *tmp = getenv("TMPDIR");
    char *dir = xasprintf("%s/%s.XXXXXX", tmp && *tmp ? tmp : "/tmp", name);
    if (mkdtemp(dir))
        return dir;
    free(dir);
    return NULL;
}

static inline int tempdir_remove(char *dir)
{
    int r = file_remove_tree(dir, NULL);
    free(dir);
    return r;
}

/* As a set-up and its tear-down: the test runs in it, and has its path as state. */
static inline int tempdir_enter(void **state)
{
    *state = tempdir_make("gw_test");
    return *state && chdir(*state) == 0 ? 0 : -1;
}

static inline int tempdir_leave(void **state)
{
    return chdir("/") == 0 ? tempdir_remove(*state) : -1;
}

static inline bool tempdir_has(const char *path)
{
    struct stat st;
    return lstat(path, &st) == 0;
}

static inline void tempdir_put(const char *path, const char *text)
{
    if (file_write(path, text, strlen(text), 0600, NULL) < 0)
        abort();
}

#endif
