#include "vm/base.h"

#include "lib/mem.h"

#include <dirent.h>
#include <errno.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static const char *const parents[] = {"/tmp", "/var/tmp"};

static char *known_name(const char *parent)
{
    return xasprintf("%s/.gwvm-%lu", parent, (unsigned long)geteuid());
}

static bool is_ours(const char *path)
{
    struct stat st;
    return lstat(path, &st) == 0 && S_ISDIR(st.st_mode) && st.st_uid == geteuid() &&
           !(st.st_mode & 077);
}

/* Takes the path, which counts where it is ours. */
static void add(struct bases *b, char *path)
{
    if (!is_ours(path)) {
        free(path);
        return;
    }
    b->paths = xreallocarray(b->paths, b->n + 1, sizeof *b->paths);
    b->paths[b->n++] = path;
}

static void list_in(const char *parent, struct bases *b)
{
    char *known = known_name(parent);
    const char *name = known + strlen(parent) + 1;
    size_t len = strlen(name);
    DIR *d = opendir(parent);
    const struct dirent *e;
    add(b, xstrdup(known));
    while (d && (e = readdir(d)))
        if (strncmp(e->d_name, name, len) == 0 && e->d_name[len] == '.')
            add(b, xasprintf("%s/%s", parent, e->d_name));
    if (d)
        closedir(d);
    free(known);
}

void bases_list(struct bases *ret)
{
    *ret = (struct bases){0};
    for (size_t i = 0; i < GW_COUNT(parents); i++)
        list_in(parents[i], ret);
}

void bases_clear(struct bases *b)
{
    for (size_t i = 0; i < b->n; i++)
        free(b->paths[i]);
    free(b->paths);
    *b = (struct bases){0};
}

/* Where the known name is somebody else's. */
static int open_other(const char *parent, const char *known, char **ret, struct gw_err *err)
{
    struct bases there = {0};
    list_in(parent, &there);
    char *path = there.n ? xstrdup(there.paths[0]) : xasprintf("%s.XXXXXX", known);
    int r = there.n || mkdtemp(path) ? 0 : gw_err_sys(err, errno, "making directory %s", path);
    bases_clear(&there);
    if (r < 0)
        free(path);
    else
        *ret = path;
    return r;
}

static int open_in(const char *parent, char **ret, struct gw_err *err)
{
    char *known = known_name(parent);
    mkdir(known, 0700); /* whatever comes of it: what stands there is looked at */
    if (is_ours(known)) {
        *ret = known;
        return 0;
    }
    int r = open_other(parent, known, ret, err);
    free(known);
    return r;
}

int base_open(char **ret, struct gw_err *err)
{
    int r = open_in(parents[0], ret, err);
    for (size_t i = 1; r < 0 && i < GW_COUNT(parents); i++)
        if (open_in(parents[i], ret, NULL) == 0)
            return 0;
    return r;
}
