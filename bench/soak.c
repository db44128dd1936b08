/* Jobs at a steady rate for a long time, and whether anything grows.
 *
 *     soak SOCKET PID STATE_DIR JOBS_PER_S SECONDS TEMPLATE
 *
 * One connection submits; each answer's delay counts from when the job was due, so that a pause of
 * the daemon counts for all that it held up. Memory and descriptors of the daemon PID and the sizes
 * of the files in STATE_DIR are looked at every SECONDS/120. Growth is the median of the last
 * quarter over that of the second, in percent: the first fills what retention keeps. */
#include "bench/growth.h"
#include "bench/report.h"
#include "client/gw.h"
#include "lib/buf.h"
#include "lib/file.h"
#include "lib/mem.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

struct soak {
    struct gw *gw;
    json_t *submission;
    double *delays_ms; /* of each job */
    size_t n, cap;
    struct growth growth;
};

static int fail(const struct gw_err *err)
{
    fprintf(stderr, "soak: %s\n", err->text);
    return 1;
}

static void tell(struct soak *s)
{
    qsort(s->delays_ms, s->n, sizeof *s->delays_ms, growth_by_size);
    report("soak.ack_p50", s->delays_ms[s->n / 2], "ms");
    report("soak.ack_p99", s->delays_ms[s->n * 99 / 100], "ms");
    report("soak.ack_max", s->delays_ms[s->n - 1], "ms");
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
        if (due - start >= seconds / GROWTH_SAMPLES * (double)s->growth.n)
            growth_sample(&s->growth);
    }
    return 0;
}

int main(int argc, char **argv)
{
    if (argc != 7) {
        fprintf(stderr, "usage: soak SOCKET PID STATE_DIR JOBS_PER_S SECONDS TEMPLATE\n");
        return 64;
    }
    struct soak s = {.growth = {.pid = argv[2], .state_dir = argv[3]}};
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
