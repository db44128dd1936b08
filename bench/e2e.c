/* Jobs end to end, as one client sees them.
 *
 *     e2e flow SOCKET JOBS WINDOW TEMPLATE PREFIX PID    keep WINDOW jobs under way until JOBS have
 * ended e2e one SOCKET JOBS TEMPLATE PREFIX                one after another: submit to exit code
 * known
 *
 * It submits on one connection and watches on another. Lines are scanned, not parsed, and a piece
 * of each is enough, so that with two processors it is not the client that is measured. PID: the
 * daemon's, for its processor time. The first tenth of the jobs does not count. */
#include "bench/report.h"
#include "client/gw.h"
#include "lib/buf.h"
#include "lib/file.h"
#include "lib/mem.h"

#include <errno.h>
#include <inttypes.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

struct peer {
    int fd;
    struct buf in, out;
};

struct flow {
    struct peer submit, watch;
    struct buf request; /* after its id */
    uint64_t jobs, window, sent, acknowledged, ended, failed, first_job;
    double *sent_s; /* by order of submission, which is that of ids */
    double *took_s; /* by order of ids */
    uint64_t warm;
    double start_s, start_cpu_s;
    long pid;
};

static void die(const char *what)
{
    fprintf(stderr, "e2e: %s%s%s\n", what, errno ? ": " : "", errno ? strerror(errno) : "");
    exit(1);
}

static struct peer peer_connect(const char *path)
{
    struct sockaddr_un a = {.sun_family = AF_UNIX};
    struct peer p = {.fd = socket(AF_UNIX, SOCK_STREAM, 0)};
    snprintf(a.sun_path, sizeof a.sun_path, "%s", path);
    if (p.fd < 0 || connect(p.fd, (struct sockaddr *)&a, sizeof a) < 0)
        die(path);
    return p;
}

/* utime and stime of a process. */
static double cpu_s(long pid)
{
    char path[64];
    struct buf text = BUF_INIT;
    unsigned long user = 0, system_ = 0;
    snprintf(path, sizeof path, "/proc/%ld/stat", pid);
    if (pid && file_read(path, 4096, &text, NULL) == 0)
        sscanf(strrchr(buf_str(&text), ')'),
               ") %*c %*d %*d %*d %*d %*d %*u %*u %*u %*u %*u %lu %lu", &user, &system_);
    buf_clear(&text);
    return (double)(user + system_) / (double)sysconf(_SC_CLK_TCK);
}

static uint64_t number_after(const char *line, const char *name)
{
    const char *at = strstr(line, name);
    return at ? strtoull(at + strlen(name), NULL, 10) : 0;
}

static void take_answer(struct flow *f, const char *line)
{
    uint64_t job = number_after(line, "\"job\":");
    if (strstr(line, "\"ok\":false"))
        die(line);
    if (!job)
        return; /* the greeting */
    if (!f->first_job)
        f->first_job = job - (number_after(line, "\"id\":") - 1);
    f->acknowledged++;
}

static void take_event(struct flow *f, const char *line)
{
    bool is_end = strstr(line, "\"attempt-ended\"") != NULL;
    if (!is_end || !f->first_job)
        return;
    uint64_t i = number_after(line, "\"job\":") - f->first_job;
    if (i >= f->jobs)
        return;
    f->failed += strstr(line, "\"outcome\":\"done\"") == NULL;
    f->took_s[i] = report_now_s() - f->sent_s[i];
    if (++f->ended == f->warm) {
        f->start_s = report_now_s();
        f->start_cpu_s = cpu_s(f->pid);
    }
}

static void take(struct flow *f, struct peer *p, void (*line)(struct flow *f, const char *line))
{
    buf_reserve(&p->in, 1 << 20);
    ssize_t n = recv(p->fd, p->in.data + p->in.len, 1 << 20, MSG_DONTWAIT);
    if (n == 0 || (n < 0 && errno != EAGAIN))
        die("the daemon is gone");
    if (n < 0)
        return;
    p->in.len += (size_t)n;
    p->in.data[p->in.len] = '\0';
    size_t done = 0;
    for (char *end; (end = memchr(p->in.data + done, '\n', p->in.len - done));) {
        *end = '\0';
        line(f, p->in.data + done);
        done = (size_t)(end - p->in.data) + 1;
    }
    buf_drop(&p->in, done);
}

static void give(struct peer *p)
{
    ssize_t n = p->out.len ? send(p->fd, p->out.data, p->out.len, MSG_DONTWAIT | MSG_NOSIGNAL) : 0;
    if (n > 0)
        buf_drop(&p->out, (size_t)n);
}

/* Until nothing comes any more for what was asked. */
static void turn(struct flow *f)
{
    struct pollfd fds[] = {{f->submit.fd, (short)(POLLIN | (f->submit.out.len ? POLLOUT : 0)), 0},
                           {f->watch.fd, POLLIN, 0}};
    give(&f->submit);
    if (poll(fds, 2, 60000) <= 0)
        die("nothing happens for a minute");
    /* Answers first: an event says which job only when the first one's id is known. */
    take(f, &f->submit, take_answer);
    take(f, &f->watch, take_event);
}

static void submit(struct flow *f)
{
    f->sent_s[f->sent] = report_now_s();
    buf_printf(&f->submit.out, "{\"id\":%" PRIu64 "%s", ++f->sent, buf_str(&f->request));
}

static void prepare(struct flow *f, const char *socket, const char *template)
{
    struct gw_err err = {0};
    struct buf text = BUF_INIT;
    if (file_read(template, 1 << 16, &text, &err) < 0)
        die(err.text);
    json_t *fields =
        json_pack("{ss ss ss}", "op", "submit", "template", buf_str(&text), "home", "/tmp");
    char *json = json_dumps(fields, JSON_COMPACT);
    buf_printf(&f->request, ",%s\n", json + 1);
    free(json);
    json_decref(fields);
    buf_clear(&text);
    f->sent_s = xcalloc(f->jobs, sizeof *f->sent_s);
    f->took_s = xcalloc(f->jobs, sizeof *f->took_s);
    f->submit = peer_connect(socket);
    f->watch = peer_connect(socket);
    buf_puts(&f->watch.out, "{\"id\":1,\"op\":\"watch\"}\n");
    give(&f->watch);
    while (!f->watch.in.len || !strstr(buf_str(&f->watch.in), "\"ok\":true")) {
        buf_reserve(&f->watch.in, 65536);
        ssize_t n = read(f->watch.fd, f->watch.in.data + f->watch.in.len, 65536);
        if (n <= 0)
            die("no answer to watch");
        f->watch.in.len += (size_t)n;
        f->watch.in.data[f->watch.in.len] = '\0';
    }
    buf_reset(&f->watch.in);
}

static int by_size(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;
    return x < y ? -1 : x > y;
}

static void report_times(struct flow *f, const char *prefix)
{
    char name[64];
    double *took = f->took_s + f->warm;
    size_t n = f->jobs - f->warm;
    qsort(took, n, sizeof *took, by_size);
    snprintf(name, sizeof name, "%s.p50", prefix);
    report(name, took[n / 2] * 1e3, "ms");
    snprintf(name, sizeof name, "%s.p99", prefix);
    report(name, took[n * 99 / 100] * 1e3, "ms");
}

static void finish(struct flow *f)
{
    if (f->failed)
        die("not all jobs came to their end without a reason");
    close(f->submit.fd);
    close(f->watch.fd);
    buf_clear(&f->submit.in);
    buf_clear(&f->submit.out);
    buf_clear(&f->watch.in);
    buf_clear(&f->watch.out);
    buf_clear(&f->request);
    free(f->sent_s);
    free(f->took_s);
}

static int flow(char **argv)
{
    struct flow f = {.jobs = strtoull(argv[1], NULL, 10),
                     .window = strtoull(argv[2], NULL, 10),
                     .pid = strtol(argv[5], NULL, 10)};
    char name[64];
    f.warm = f.jobs / 10 + 1;
    prepare(&f, argv[0], argv[3]);
    while (f.ended < f.jobs) {
        while (f.sent < f.jobs && f.sent - f.ended < f.window)
            submit(&f);
        turn(&f);
    }
    double passed_s = report_now_s() - f.start_s, cpu = cpu_s(f.pid) - f.start_cpu_s;
    double counted = (double)(f.jobs - f.warm);
    snprintf(name, sizeof name, "%s.rate", argv[4]);
    report(name, counted / passed_s, "jobs/s");
    snprintf(name, sizeof name, "%s.cpu", argv[4]);
    report(name, cpu / counted * 1e6, "us");
    report_times(&f, argv[4]);
    finish(&f);
    return 0;
}

static int one(char **argv)
{
    struct flow f = {.jobs = strtoull(argv[1], NULL, 10)};
    f.warm = f.jobs / 10;
    prepare(&f, argv[0], argv[2]);
    while (f.ended < f.jobs) {
        submit(&f);
        while (f.ended < f.sent)
            turn(&f);
    }
    report_times(&f, argv[3]);
    finish(&f);
    return 0;
}

int main(int argc, char **argv)
{
    if (argc == 8 && strcmp(argv[1], "flow") == 0)
        return flow(argv + 2);
    if (argc == 6 && strcmp(argv[1], "one") == 0)
        return one(argv + 2);
    fprintf(stderr, "usage: e2e flow SOCKET JOBS WINDOW TEMPLATE PREFIX PID | one SOCKET JOBS "
                    "TEMPLATE PREFIX\n");
    return 64;
}
