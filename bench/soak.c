/* Jobs at a steady rate for a long time, and whether anything grows.
 *
 *     soak SOCKET PID STATE_DIR JOBS_PER_S SECONDS TEMPLATE [TRACE]
 *
 * One connection submits; each answer's delay counts from when the job was due, so that a pause of
 * the daemon counts for all that it held up. Beside it a thread writes and syncs 4 KiB in STATE_DIR
 * at a tenth of the rate, counted in the same way: what disk and machine do in the same time. TRACE
 * gets a line for each second: its number, the longest delays of both in ms. Memory and descriptors
 * of the daemon PID and the sizes of the files in STATE_DIR are looked at every SECONDS/120. Growth
 * is the median of the last quarter over that of the second, in percent: the first fills what
 * retention keeps. */
#include "bench/growth.h"
#include "bench/report.h"
#include "client/gw.h"
#include "lib/buf.h"
#include "lib/file.h"
#include "lib/mem.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

struct delays {
    double *ms; /* from when it was due */
    size_t n, cap;
};

struct probe {
    int fd;
    double start, every_s;
    atomic_bool is_over;
    pthread_t thread;
    struct delays delays;
};

struct soak {
    struct gw *gw;
    json_t *submission;
    struct delays delays; /* of each job */
    struct growth growth;
    struct probe probe;
    double rate;
};

static int fail(const struct gw_err *err)
{
    fprintf(stderr, "soak: %s\n", err->text);
    return 1;
}

static void add(struct delays *d, double due_s)
{
    if (d->n == d->cap) {
        d->cap = d->cap ? 2 * d->cap : 1024;
        d->ms = xreallocarray(d->ms, d->cap, sizeof *d->ms);
    }
    d->ms[d->n++] = (report_now_s() - due_s) * 1e3;
}

static void tell_delays(struct delays *d, const char *p50, const char *p99, const char *max)
{
    qsort(d->ms, d->n, sizeof *d->ms, growth_by_size);
    report(p50, d->ms[d->n / 2], "ms");
    report(p99, d->ms[d->n * 99 / 100], "ms");
    report(max, d->ms[d->n - 1], "ms");
}

static void tell(struct soak *s)
{
    tell_delays(&s->delays, "soak.ack_p50", "soak.ack_p99", "soak.ack_max");
    tell_delays(&s->probe.delays, "soak.disk_p50", "soak.disk_p99", "soak.disk_max");
    report("soak.rss", growth_largest(&s->growth, RSS_MIB), "MiB");
    report("soak.rss_growth", growth_percent(&s->growth, RSS_MIB), "%");
    report("soak.wal", growth_largest(&s->growth, WAL_MIB), "MiB");
    report("soak.wal_growth", growth_percent(&s->growth, WAL_MIB), "%");
    report("soak.state", growth_largest(&s->growth, STATE_MIB), "MiB");
    report("soak.state_growth", growth_percent(&s->growth, STATE_MIB), "%");
    report("soak.archive", growth_largest(&s->growth, ARCHIVE_MIB), "MiB");
    report("soak.archive_growth", growth_percent(&s->growth, ARCHIVE_MIB), "%");
    report("soak.descriptors_growth", growth_percent(&s->growth, DESCRIPTORS), "%");
}

static void sleep_until(double at_s)
{
    double rest = at_s - report_now_s();
    if (rest > 0)
        usleep((useconds_t)(rest * 1e6));
}

/* --- what the disk does meanwhile --- */

static void *probe_run(void *ctx)
{
    struct probe *p = ctx;
    static char block[4096];
    for (double due = p->start; !p->is_over; due += p->every_s) {
        sleep_until(due);
        off_t at = (off_t)(p->delays.n % 256 * sizeof block);
        memset(block, (int)p->delays.n, sizeof block);
        if (pwrite(p->fd, block, sizeof block, at) != sizeof block || fdatasync(p->fd) < 0)
            break;
        add(&p->delays, due);
    }
    return NULL;
}

static int probe_start(struct probe *p, const char *dir, double every_s, struct gw_err *err)
{
    char *path = xasprintf("%s/soak.probe", dir);
    p->fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
    p->every_s = every_s;
    p->start = report_now_s();
    int r = p->fd < 0 || posix_fallocate(p->fd, 0, 256 * 4096) != 0 ||
                    pthread_create(&p->thread, NULL, probe_run, p) != 0
                ? gw_err_sys(err, errno, "%s", path)
                : 0;
    free(path);
    return r;
}

static void probe_stop(struct probe *p)
{
    p->is_over = true;
    pthread_join(p->thread, NULL);
    close(p->fd);
}

/* --- jobs --- */

static int submit(struct soak *s, double due_s, struct gw_err *err)
{
    int r = gw_request(s->gw, "submit", json_deep_copy(s->submission), NULL, err);
    add(&s->delays, due_s);
    return r;
}

static double longest(const struct delays *d, double from, double to)
{
    double most = 0;
    for (size_t i = (size_t)from; i < (size_t)to && i < d->n; i++)
        most = d->ms[i] > most ? d->ms[i] : most;
    return most;
}

static void trace(const struct soak *s, const char *path, double seconds)
{
    FILE *f = fopen(path, "we");
    double per_s = 1 / s->probe.every_s;
    for (double i = 0; f && i < seconds; i++)
        fprintf(f, "%.0f %.1f %.1f\n", i, longest(&s->delays, i * s->rate, (i + 1) * s->rate),
                longest(&s->probe.delays, i * per_s, (i + 1) * per_s));
    if (f)
        fclose(f);
}

static int run(struct soak *s, double seconds, struct gw_err *err)
{
    double start = s->probe.start, due = start;
    for (int r; due < start + seconds; due += 1 / s->rate) {
        sleep_until(due);
        r = submit(s, due, err);
        if (r < 0)
            return r;
        if (due - start >= seconds / GROWTH_SAMPLES * (double)s->growth.n)
            growth_sample(&s->growth);
    }
    return 0;
}

int main(int argc, char **argv)
{
    if (argc < 7 || argc > 8) {
        fprintf(stderr, "usage: soak SOCKET PID STATE_DIR JOBS_PER_S SECONDS TEMPLATE [TRACE]\n");
        return 64;
    }
    static struct soak s;
    s.growth.pid = argv[2];
    s.growth.state_dir = argv[3];
    s.rate = strtod(argv[4], NULL);
    double seconds = strtod(argv[5], NULL);
    struct gw_err err = {0};
    struct buf template = BUF_INIT;
    if (file_read(argv[6], 1 << 16, &template, &err) < 0 || gw_connect(argv[1], &s.gw, &err) < 0)
        return fail(&err);
    s.submission = json_pack("{ss ss}", "template", buf_str(&template), "home", "/tmp");
    if (probe_start(&s.probe, argv[3], 10 / s.rate, &err) < 0)
        return fail(&err);
    int r = run(&s, seconds, &err);
    probe_stop(&s.probe);
    if (r < 0)
        return fail(&err);
    if (argc == 8)
        trace(&s, argv[7], seconds);
    tell(&s);
    gw_close(s.gw);
    json_decref(s.submission);
    buf_clear(&template);
    free(s.delays.ms);
    free(s.probe.delays.ms);
    return 0;
}
