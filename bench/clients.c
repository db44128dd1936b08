/* What clients see: submissions over one connection, gwsubmit processes, watchers.
 *
 *     clients submit SOCKET N WINDOW [PID]        one connection, WINDOW submissions under way; the
 *                                                 processor time of gwd (PID) for each
 *     clients spawn-submit SOCKET N PARALLEL      gwsubmit processes (found in PATH)
 *     clients watch SOCKET CLIENTS DEAD N_JOBS    CLIENTS that read all events, DEAD that never do,
 *                                                 while N_JOBS are submitted, which must not start
 *                                                 (enough of them to fill a socket: 1,000)
 *     clients talk SOCKET LINE...                 sends lines, prints what comes until a second is
 *                                                 silent
 *     clients deaf SOCKET                         watches and never reads; ends when it is cut off
 *     clients crowd SOCKET N LINE [STATUSES]      one connection sends LINE N times and closes its
 *                                                 writing end; another asks `status` meanwhile, and
 *                                                 so often (0) before the first begins to read
 *
 * The jobs are those of `bare.jt` in the current directory if there is one. */
#include "bench/report.h"
#include "client/gw.h"
#include "lib/buf.h"
#include "lib/file.h"
#include "lib/mem.h"

#include <errno.h>
#include <inttypes.h>
#include <poll.h>
#include <spawn.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

extern char **environ;

enum { WINDOW = 100, CUT_WITHIN_S = 20 };

static _Noreturn void die(const char *what, const char *why)
{
    fprintf(stderr, "clients: %s: %s\n", what, why);
    exit(1);
}

static unsigned long number(const char *text)
{
    char *end;
    unsigned long n = strtoul(text, &end, 10);
    if (*end || end == text)
        die(text, "not a number");
    return n;
}

static const char *job_template(void)
{
    static struct buf text;
    if (text.len == 0 && file_read("bare.jt", 65536, &text, NULL) < 0)
        buf_puts(&text, "EXECUTABLE = /bin/true\n");
    return buf_str(&text);
}

/* --- submit --- */

/* Seconds of processor time that a process has used. */
static double cpu_s(const char *pid)
{
    struct buf text = BUF_INIT;
    unsigned long user = 0, system = 0;
    char *path = xasprintf("/proc/%s/stat", pid);
    if (file_read(path, 4096, &text, NULL) == 0) {
        const char *after = strrchr(buf_str(&text), ')');
        if (after)
            sscanf(after, ") %*c %*s %*s %*s %*s %*s %*s %*s %*s %*s %*s %lu %lu", &user, &system);
    }
    free(path);
    buf_clear(&text);
    return (double)(user + system) / (double)sysconf(_SC_CLK_TCK);
}

static int64_t send_one(struct gw *gw)
{
    struct gw_err err;
    char key[64];
    struct gw_submission s = {
        .template = job_template(), .file = "bare.jt", .home = "/tmp", .priority = -1, .key = key};
    gw_new_key(gw, key);
    int64_t id = gw_submit_send(gw, &s, &err);
    if (id < 0)
        die("submit", err.text);
    return id;
}

static void take_one(struct gw *gw, int64_t id)
{
    struct gw_err err;
    struct gw_submitted sub;
    if (gw_submit_answer(gw, id, &sub, &err) < 0)
        die("submit", err.text);
    json_decref(sub.warnings);
}

static struct gw *open_gw(const char *socket)
{
    struct gw *gw;
    struct gw_err err;
    if (gw_connect(socket, &gw, &err) < 0)
        die("connecting", err.text);
    return gw;
}

static void submit_many(struct gw *gw, unsigned long n, unsigned long window)
{
    int64_t *ids = xcalloc(window, sizeof *ids);
    for (unsigned long i = 0; i < n + window; i++) {
        if (i >= window && i - window < n)
            take_one(gw, ids[i % window]);
        if (i < n)
            ids[i % window] = send_one(gw);
    }
    free(ids);
}

static void submit(const char *socket, unsigned long n, unsigned long window, const char *pid)
{
    struct gw *gw = open_gw(socket);
    submit_many(gw, window, window);
    double cpu = pid ? cpu_s(pid) : 0, start = report_now_s();
    submit_many(gw, n, window);
    double took = report_now_s() - start;
    char name[64];
    snprintf(name, sizeof name, "submit.window%lu", window);
    report(name, (double)n / took, "jobs/s");
    snprintf(name, sizeof name, "submit.window%lu.cpu", window);
    if (pid)
        report(name, (cpu_s(pid) - cpu) / (double)n * 1e6, "us");
    gw_close(gw);
}

/* --- processes --- */

static void spawn(const char *const argv[])
{
    pid_t pid;
    int e = posix_spawnp(&pid, argv[0], NULL, NULL, (char **)argv, environ);
    if (e)
        die(argv[0], strerror(e));
}

static void reap(const char *what)
{
    int status;
    if (wait(&status) < 0 || !WIFEXITED(status) || WEXITSTATUS(status) != 0)
        die(what, "a process failed");
}

/* Processes a second, so many at a time. */
static double spawn_rate(const char *const argv[], unsigned long n, unsigned long parallel)
{
    unsigned long running = 0;
    double start = report_now_s();
    for (unsigned long i = 0; i < n; i++) {
        if (running == parallel) {
            reap(argv[0]);
            running--;
        }
        spawn(argv);
        running++;
    }
    for (; running; running--)
        reap(argv[0]);
    return (double)n / (report_now_s() - start);
}

static void spawn_submit(const char *socket, unsigned long n, unsigned long parallel)
{
    const char *name = parallel == 1 ? "gwsubmit.serial" : "gwsubmit.parallel";
    char yard[64], path[] = "/tmp/clients.XXXXXX";
    int fd = mkstemp(path);
    const char *text = job_template();
    if (fd < 0 || write(fd, text, strlen(text)) != (ssize_t)strlen(text))
        die(path, strerror(errno));
    close(fd);
    setenv("GW_SOCKET", socket, 1);
    double rate = spawn_rate((const char *[]){"gwsubmit", "-t", path, NULL}, n, parallel);
    double true_rate = spawn_rate((const char *[]){"/bin/true", NULL}, n, parallel);
    unlink(path);
    report(name, rate, "jobs/s");
    snprintf(yard, sizeof yard, "%s.true", name);
    report(yard, true_rate, "processes/s");
}

/* --- watchers --- */

struct watcher {
    int fd;
    unsigned long lines;
};

static int connect_fd(const char *path)
{
    struct sockaddr_un addr = {.sun_family = AF_UNIX};
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (strlen(path) >= sizeof addr.sun_path)
        die(path, "too long");
    memcpy(addr.sun_path, path, strlen(path));
    if (fd < 0 || connect(fd, (struct sockaddr *)&addr, sizeof addr) < 0)
        die(path, strerror(errno));
    return fd;
}

static void send_line(int fd, const char *line)
{
    char *text = xasprintf("%s\n", line);
    if (send(fd, text, strlen(text), MSG_NOSIGNAL) != (ssize_t)strlen(text))
        die("sending", strerror(errno));
    free(text);
}

static int watch_fd(const char *path)
{
    int fd = connect_fd(path);
    send_line(fd, "{\"id\":1,\"op\":\"watch\"}");
    return fd;
}

static void talk(const char *path, char **lines)
{
    static char chunk[65536];
    int fd = connect_fd(path);
    for (; *lines; lines++)
        send_line(fd, *lines);
    struct pollfd p = {.fd = fd, .events = POLLIN};
    for (ssize_t n = 1; n > 0 && poll(&p, 1, 1000) > 0;) {
        n = recv(fd, chunk, sizeof chunk, 0);
        fwrite(chunk, 1, n > 0 ? (size_t)n : 0, stdout);
    }
}

static void be_deaf(const char *path)
{
    struct pollfd p = {.fd = watch_fd(path)};
    puts("watching");
    fflush(stdout);
    puts(poll(&p, 1, 60000) > 0 ? "cut off" : "still there");
}

/* Lines that have come are counted, not kept. False: nothing will come any more. */
static bool count_lines(int fd, unsigned long *lines)
{
    static char chunk[1 << 18];
    ssize_t n = recv(fd, chunk, sizeof chunk, MSG_DONTWAIT);
    for (const char *p = chunk, *end = chunk + (n > 0 ? n : 0);
         p < end && (p = memchr(p, '\n', (size_t)(end - p))); p++)
        ++*lines;
    return n > 0 || (n < 0 && errno == EAGAIN);
}

static unsigned long read_lines(int fd)
{
    unsigned long lines = 0;
    if (!count_lines(fd, &lines))
        die("a watcher", "it was cut off though it reads");
    return lines;
}

/* --- a crowd --- */

/* A connection with much to say: what it has not said yet, and the lines that it was answered. */
struct crowd {
    int fd;
    struct buf text;
    size_t sent;
    unsigned long lines;
};

static void crowd_send(struct crowd *w)
{
    ssize_t n =
        send(w->fd, w->text.data + w->sent, w->text.len - w->sent, MSG_NOSIGNAL | MSG_DONTWAIT);
    if (n < 0 && errno != EAGAIN)
        die("sending", strerror(errno));
    w->sent += n > 0 ? (size_t)n : 0;
    if (w->sent == w->text.len)
        shutdown(w->fd, SHUT_WR);
}

/* Asks for the status until the crowd has been answered and its connection was closed. */
static void crowd(const char *path, unsigned long n, const char *line, unsigned long patience)
{
    struct crowd w = {.fd = connect_fd(path)};
    struct pollfd p[2] = {{.fd = w.fd}, {.fd = connect_fd(path), .events = POLLIN}};
    unsigned long asked = 0, answered = 0;
    double asked_s = 0, slowest_s = 0;
    for (unsigned long i = 0; i < n; i++)
        buf_printf(&w.text, "%s\n", line);
    for (bool is_open = true; is_open;) {
        bool is_sending = w.sent < w.text.len;
        p[0].events = (short)((is_sending ? POLLOUT : 0) | (answered > patience ? POLLIN : 0));
        p[0].fd = p[0].events ? w.fd : -1;
        if (poll(p, 2, 60000) <= 0)
            die("crowd", "nothing comes");
        if (is_sending && (p[0].revents & POLLOUT))
            crowd_send(&w);
        if ((p[1].revents & POLLIN) && !count_lines(p[1].fd, &answered))
            die("status", "it was cut off");
        if (asked < answered) { /* the greeting is the first line */
            double now_s = report_now_s();
            if (asked && now_s - asked_s > slowest_s)
                slowest_s = now_s - asked_s;
            asked_s = now_s;
            asked++;
            send_line(p[1].fd, "{\"id\":1,\"op\":\"status\"}");
        }
        if (p[0].revents & ~POLLOUT)
            is_open = count_lines(w.fd, &w.lines);
    }
    report("crowd.answers", (double)w.lines - 1, "answers");
    report("crowd.status.slowest", slowest_s * 1000, "ms");
    report("crowd.statuses", (double)answered - 1, "answers");
    buf_clear(&w.text);
}

/* Until each has `want` lines more than before. */
static void read_until(int epoll, struct watcher *w, size_t n, unsigned long want)
{
    size_t ready = 0;
    struct epoll_event events[64];
    while (ready < n) {
        int got = epoll_wait(epoll, events, 64, 30000);
        if (got <= 0)
            die("a watcher", "no event comes");
        for (int i = 0; i < got; i++) {
            struct watcher *at = &w[events[i].data.u32];
            bool had = at->lines >= want;
            at->lines += read_lines(at->fd);
            ready += !had && at->lines >= want;
        }
    }
}

/* A child submits; its end is not waited for here. */
static pid_t submit_apart(const char *socket, unsigned long n)
{
    pid_t pid = fork();
    if (pid < 0)
        die("fork", strerror(errno));
    if (pid)
        return pid;
    struct gw *gw = open_gw(socket);
    submit_many(gw, n, WINDOW);
    _exit(0);
}

/* Seconds until all have seen n submissions. */
static double watched(const char *socket, int epoll, struct watcher *w, size_t n_watchers,
                      unsigned long n)
{
    for (size_t i = 0; i < n_watchers; i++)
        w[i].lines = 0;
    double start = report_now_s();
    pid_t pid = submit_apart(socket, n);
    read_until(epoll, w, n_watchers, n);
    double took = report_now_s() - start;
    int status;
    if (waitpid(pid, &status, 0) != pid || status != 0)
        die("the submitter", "it failed");
    return took;
}

static void watch(const char *socket, size_t clients, size_t dead, unsigned long n)
{
    struct watcher *w = xcalloc(clients, sizeof *w);
    int epoll = epoll_create1(EPOLL_CLOEXEC);
    for (size_t i = 0; i < clients; i++) {
        struct epoll_event ev = {.events = EPOLLIN, .data.u32 = (uint32_t)i};
        w[i].fd = watch_fd(socket);
        epoll_ctl(epoll, EPOLL_CTL_ADD, w[i].fd, &ev);
    }
    read_until(epoll, w, clients, 2);      /* the greeting and the answer */
    watched(socket, epoll, w, clients, n); /* the first one finds nothing warm */
    double alone = watched(socket, epoll, w, clients, n);
    struct pollfd *p = xcalloc(dead, sizeof *p);
    for (size_t i = 0; i < dead; i++)
        p[i].fd = watch_fd(socket);
    double with = watched(socket, epoll, w, clients, n);
    int n_cut = 0;
    for (double end = report_now_s() + CUT_WITHIN_S; dead && report_now_s() < end;) {
        n_cut = poll(p, dead, 200);
        if (n_cut == (int)dead)
            break;
        watched(socket, epoll, w, clients, 1);
    }
    alone = (alone + watched(socket, epoll, w, clients, n)) / 2; /* before and after */
    report("watch.alone", (double)clients * (double)n / alone, "events/s");
    report("watch.with_dead", (double)clients * (double)n / with, "events/s");
    if (dead) {
        report("watch.slowed", (with / alone - 1) * 100, "%");
        report("watch.cut", n_cut, "clients");
    }
    free(p);
    free(w);
}

int main(int argc, char **argv)
{
    const char *what = argc > 1 ? argv[1] : "";
    if (strcmp(what, "submit") == 0 && argc >= 5)
        submit(argv[2], number(argv[3]), number(argv[4]), argc > 5 ? argv[5] : NULL);
    else if (strcmp(what, "spawn-submit") == 0 && argc == 5)
        spawn_submit(argv[2], number(argv[3]), number(argv[4]));
    else if (strcmp(what, "watch") == 0 && argc == 6)
        watch(argv[2], number(argv[3]), number(argv[4]), number(argv[5]));
    else if (strcmp(what, "talk") == 0 && argc > 3)
        talk(argv[2], argv + 3);
    else if (strcmp(what, "deaf") == 0 && argc == 3)
        be_deaf(argv[2]);
    else if (strcmp(what, "crowd") == 0 && argc >= 5)
        crowd(argv[2], number(argv[3]), argv[4], argc > 5 ? number(argv[5]) : 0);
    else
        die("usage", "clients submit SOCKET N WINDOW [PID] | spawn-submit SOCKET N PARALLEL | "
                     "watch SOCKET CLIENTS DEAD N_JOBS | talk SOCKET LINE... | deaf SOCKET | "
                     "crowd SOCKET N LINE [STATUSES]");
    return 0;
}
