/* Does a daemon grow? Its memory, its descriptors and the files of its state, looked at again and
 * again. Growth is the median of the last quarter over that of the second: the first fills what
 * retention keeps. */
#ifndef BENCH_GROWTH_H
#define BENCH_GROWTH_H

#include "lib/buf.h"
#include "lib/file.h"
#include "lib/mem.h"

#include <dirent.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum { GROWTH_SAMPLES = 120 };

enum growth_figure { RSS_MIB, DESCRIPTORS, WAL_MIB, STATE_MIB, ARCHIVE_MIB, GROWTH_FIGURES };

struct growth {
    const char *pid, *state_dir;
    double samples[GROWTH_FIGURES][GROWTH_SAMPLES];
    size_t n;
};

static inline double growth_rss_mib(const char *pid)
{
    char *path = xasprintf("/proc/%s/statm", pid);
    struct buf text = BUF_INIT;
    struct gw_err err;
    double pages = 0;
    if (file_read(path, 4096, &text, &err) == 0) {
        char *end;
        strtod(buf_str(&text), &end);
        pages = strtod(end, NULL);
    }
    buf_clear(&text);
    free(path);
    return pages * (double)sysconf(_SC_PAGESIZE) / 1048576;
}

static inline double growth_descriptors(const char *pid)
{
    char *path = xasprintf("/proc/%s/fd", pid);
    DIR *dir = opendir(path);
    double n = 0;
    while (dir && readdir(dir))
        n++;
    if (dir)
        closedir(dir);
    free(path);
    return n;
}

static inline double growth_size_mib(const char *dir, const char *name)
{
    char *path = xasprintf("%s/%s", dir, name);
    struct stat st;
    double size = stat(path, &st) == 0 ? (double)st.st_size : 0;
    free(path);
    return size / 1048576;
}

static inline void growth_sample(struct growth *g)
{
    size_t i = g->n;
    if (i == GROWTH_SAMPLES)
        return;
    g->samples[RSS_MIB][i] = growth_rss_mib(g->pid);
    g->samples[DESCRIPTORS][i] = growth_descriptors(g->pid);
    g->samples[WAL_MIB][i] = growth_size_mib(g->state_dir, "state.db-wal");
    g->samples[STATE_MIB][i] = growth_size_mib(g->state_dir, "state.db");
    g->samples[ARCHIVE_MIB][i] = growth_size_mib(g->state_dir, "archive.db");
    g->n++;
}

/* Every second sample goes, so that there is room for as many again. */
static inline void growth_thin(struct growth *g)
{
    for (size_t i = 0; i < g->n / 2; i++)
        for (size_t f = 0; f < GROWTH_FIGURES; f++)
            g->samples[f][i] = g->samples[f][2 * i];
    g->n /= 2;
}

static inline int growth_by_size(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;
    return x < y ? -1 : x > y;
}

static inline double growth_median(const double *values, size_t n)
{
    double sorted[GROWTH_SAMPLES];
    if (n == 0)
        return 0;
    memcpy(sorted, values, n * sizeof *sorted);
    qsort(sorted, n, sizeof *sorted, growth_by_size);
    return sorted[n / 2];
}

/* Of the second quarter, and of the last. */
static inline double growth_before(const struct growth *g, enum growth_figure f)
{
    return growth_median(g->samples[f] + g->n / 4, g->n / 4);
}

static inline double growth_after(const struct growth *g, enum growth_figure f)
{
    return growth_median(g->samples[f] + g->n - g->n / 4, g->n / 4);
}

static inline double growth_percent(const struct growth *g, enum growth_figure f)
{
    double before = growth_before(g, f);
    return before > 0 ? (growth_after(g, f) / before - 1) * 100 : 0;
}

static inline double growth_largest(const struct growth *g, enum growth_figure f)
{
    double max = 0;
    for (size_t i = 0; i < g->n; i++)
        max = g->samples[f][i] > max ? g->samples[f][i] : max;
    return max;
}

#endif
