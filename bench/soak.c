/* Jobs at a steady rate for a long time, and whether anything grows.
 *
 *     soak SOCKET PID STATE_DIR JOBS_PER_S SECONDS TEMPLATE
 *
 * One connection submits; each answer's delay counts from when the job was due, so that a pause of
 * the daemon counts for all that it held up. Memory and descriptors of the daemon PID and the sizes
 * of the files in STATE_DIR are looked at every SECONDS/120. Growth is the median of the last
 * quarter over that of the second, in percent: the first fills what retention keeps. */
#include "bench/report.h"
#include "client/gw.h"
#include "lib/buf.h"
#include "lib/file.h"
#include "lib/mem.h"

#include <dirent.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum { SAMPLES = 120 };

enum figure { RSS_MIB, DESCRIPTORS, WAL_MIB, STATE_MIB, ARCHIVE_MIB, FIGURES };

struct soak {
    const char *pid, *state_dir;
    struct gw *gw;
    json_t *submission;
    double *delays_ms; /* of each job */
    size_t n, cap;
    double samples[FIGURES][SAMPLES];
    size_t n_samples;
};

static int fail(const struct gw_err *err)
{
    fprintf(stderr, "soak: %s\n", err->text);
    return 1;
}

static double rss_mib(const char *pid)
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

static double descriptors(const char *pid)
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

static double size_mib(const char *dir, const char *name)
{
    char *path = xasprintf("%s/%s", dir, name);
    struct stat st;
    double size = stat(path, &st) == 0 ? (double)st.st_size : 0;
    free(path);
    return size / 1048576;
}

static void sample(struct soak *s)
{
    size_t i = s->n_samples;
    if (i == SAMPLES)
        return;
    s->samples[RSS_MIB][i] = rss_mib(s->pid);
    s->samples[DESCRIPTORS][i] = descriptors(s->pid);
    s->samples[WAL_MIB][i] = size_mib(s->state_dir, "state.db-wal");
    s->samples[STATE_MIB][i] = size_mib(s->state_dir, "state.db");
    s->samples[ARCHIVE_MIB][i] = size_mib(s->state_dir, "archive.db");
    s->n_samples++;
}

static int by_size(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;
    return x < y ? -1 : x > y;
}

static double median(const double *values, size_t n)
{
    double sorted[SAMPLES];
    if (n == 0)
        return 0;
    memcpy(sorted, values, n * sizeof *sorted);
    qsort(sorted, n, sizeof *sorted, by_size);
    return sorted[n / 2];
}

static double growth_percent(const struct soak *s, enum figure f)
{
    size_t quarter = s->n_samples / 4;
    double before = median(s->samples[f] + quarter, quarter),
           after = median(s->samples[f] + s->n_samples - quarter, quarter);
    return before > 0 ? (after / before - 1) * 100 : 0;
}

static double largest(const struct soak *s, enum figure f)
{
    double max = 0;
    for (size_t i = 0; i < s->n_samples; i++)
        max = s->samples[f][i] > max ? s->samples[f][i] : max;
    return max;
}

static void tell(struct soak *s)
{
    qsort(s->delays_ms, s->n, sizeof *s->delays_ms, by_size);
    report("soak.ack_p50", s->delays_ms[s->n / 2], "ms");
    report("soak.ack_p99", s->delays_ms[s->n * 99 / 100], "ms");
    report("soak.ack_max", s->delays_ms[s->n - 1], "ms");
    report("soak.rss", largest(s, RSS_MIB), "MiB");
    report("soak.rss_growth", growth_percent(s, RSS_MIB), "%");
    report("soak.wal", largest(s, WAL_MIB), "MiB");
    report("soak.wal_growth", growth_percent(s, WAL_MIB), "%");
    report("soak.state", largest(s, STATE_MIB), "MiB");
    report("soak.state_growth", growth_percent(s, STATE_MIB), "%");
    report("soak.archive", largest(s, ARCHIVE_MIB), "MiB");
    report("soak.archive_growth", growth_percent(s, ARCHIVE_MIB), "%");
    report("soak.descriptors_growth", growth_percent(s, DESCRIPTORS), "%");
}

static void sleep_until(double at_s)
{
    double rest = at_s - report_now_s();
    if (rest > 0)
        usleep((useconds_t)(rest * 1e6));
}

static int submit(struct soak *s, double due_s, struct gw_err *err)
{
    int r = gw_request(s->gw, "submit", json_deep_copy(s->submission), NULL, err);
    if (s->n == s->cap) {
        s->cap = s->cap ? 2 * s->cap : 1024;
        s->delays_ms = xreallocarray(s->delays_ms, s->cap, sizeof *s->delays_ms);
    }
    s->delays_ms[s->n++] = (report_now_s() - due_s) * 1e3;
    return r;
}

static int run(struct soak *s, double rate, double seconds, struct gw_err *err)
{
    double start = report_now_s(), due = start;
    for (int r; due < start + seconds; due += 1 / rate) {
        sleep_until(due);
        r = submit(s, due, err);
        if (r < 0)
            return r;
        if (due - start >= seconds / SAMPLES * (double)s->n_samples)
            sample(s);
    }
    return 0;
}

int main(int argc, char **argv)
{
    if (argc != 7) {
        fprintf(stderr, "usage: soak SOCKET PID STATE_DIR JOBS_PER_S SECONDS TEMPLATE\n");
        return 64;
    }
    struct soak s = {.pid = argv[2], .state_dir = argv[3]};
    struct gw_err err = {0};
    struct buf template = BUF_INIT;
    if (file_read(argv[6], 1 << 16, &template, &err) < 0 || gw_connect(argv[1], &s.gw, &err) < 0)
        return fail(&err);
    s.submission = json_pack("{ss ss}", "template", buf_str(&template), "home", "/tmp");
    int r = run(&s, strtod(argv[4], NULL), strtod(argv[5], NULL), &err);
    if (r < 0)
        return fail(&err);
    tell(&s);
    gw_close(s.gw);
    json_decref(s.submission);
    buf_clear(&template);
    free(s.delays_ms);
    return 0;
}
