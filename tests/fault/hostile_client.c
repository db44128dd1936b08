/* Clients as they should not be, and one as it should, for tests/fault/clients.sh:
 *
 *     hostile_client [--uid N] COMMAND SOCKET ...
 *
 * as user N (root only).
 *
 *     witness SOCKET MOST_MS       submits held jobs one after the other until its standard input
 *                                  ends; says how many and how long the slowest took; 1 when one
 *                                  took longer than MOST_MS or went wrong
 *     hold SOCKET N                opens N connections, says how many were greeted, and holds them
 *                                  until its standard input ends
 *     flood SOCKET BYTES           so many bytes without a newline
 *     requests SOCKET N            N requests for jobs whose answers are not read at first
 *     deaf SOCKET N                N connections that watch all events and never read; says when
 *                                  they watch, and when all were cut off
 *     past SOCKET SECONDS          watches from the first event on, ended and begun again
 *     reconnect SOCKET SECONDS     connects and goes, as fast as it can
 *     half SOCKET SECONDS LINE     that request again and again, unread, on 16 connections
 *     say SOCKET LINE...           requests, and the answers to them
 *     listen SOCKET LINE           the same, until its standard input ends */
#include "client/gw.h"
#include "tests/fault/hostile.h"

#include <inttypes.h>
#include <sys/resource.h>

/* --- larger ones --- */

static void await_end_of_input(void)
{
    char c;
    while (read(STDIN_FILENO, &c, 1) > 0)
        ;
}

static int hold(uint64_t n)
{
    struct rlimit files = {n + 64, n + 64}, had;
    getrlimit(RLIMIT_NOFILE, &had);
    if (had.rlim_cur < n + 64 && setrlimit(RLIMIT_NOFILE, &files) < 0)
        die("RLIMIT_NOFILE");
    uint64_t greeted = 0, refused = 0;
    int *fds = xcalloc(n, sizeof *fds);
    for (uint64_t i = 0; i < n; i++)
        fds[i] = connect_fd();
    for (uint64_t i = 0; i < n; i++) {
        bool is_end;
        last_read[0] = '\0';
        if (fds[i] < 0 || read_lines(fds[i], 1, &is_end) < 0)
            continue;
        greeted += strstr(last_read, "\"gwd\":") != NULL;
        refused += strstr(last_read, "close some") != NULL;
    }
    printf("greeted %" PRIu64 " refused %" PRIu64 "\n", greeted, refused);
    fflush(stdout);
    await_end_of_input();
    free(fds);
    return 0;
}

static int flood(uint64_t bytes)
{
    static char data[1 << 20];
    bool is_end;
    int fd = connect_fd();
    memset(data, 'x', sizeof data);
    uint64_t sent = 0;
    while (sent < bytes && send_all(fd, data, sizeof data))
        sent += sizeof data;
    long lines = read_lines(fd, 0, &is_end);
    printf("sent %" PRIu64 " %s\n", sent, lines >= 0 ? "ended" : "not ended");
    close(fd);
    return lines < 0;
}

/* All that the daemon takes without being read; then as many as it takes while it is. Each has to
 * be answered. */
static int requests(uint64_t n)
{
    char line[100];
    static char data[1 << 18];
    int fd = connect_fd();
    uint64_t sent = 0, unread = 0;
    long answers = -1; /* the greeting is none */
    int64_t end = now_ms() + 3000;
    while (sent < n) {
        ssize_t got = now_ms() < end ? 0 : recv(fd, data, sizeof data, MSG_DONTWAIT);
        for (ssize_t i = 0; i < got; i++)
            answers += data[i] == '\n';
        snprintf(line, sizeof line, "{\"id\":%" PRIu64 ",\"op\":\"jobs\",\"limit\":1}\n", sent + 1);
        size_t len = strlen(line);
        ssize_t took = send(fd, line, len, MSG_NOSIGNAL | MSG_DONTWAIT);
        if (took < 0 && got <= 0)
            pause_ms(1);
        if (took < 0)
            continue;
        if ((size_t)took < len && !send_all(fd, line + took, len - (size_t)took))
            break;
        sent++;
        unread = now_ms() < end ? sent : unread;
    }
    bool is_end = false;
    while (answers < (long)sent && !is_end) {
        long more = read_lines(fd, (long)sent - answers, &is_end);
        if (more < 0)
            break;
        answers += more;
    }
    printf("sent %" PRIu64 " answered %ld, of %" PRIu64 " nothing was read for seconds\n", sent,
           answers, unread);
    close(fd);
    return answers != (long)sent;
}

/* Says when they watch, and when each of them has been cut off. */
static int deaf(uint64_t n)
{
    struct pollfd *fds = xcalloc(n + 1, sizeof *fds);
    uint64_t left = n;
    for (uint64_t i = 0; i < n; i++) {
        fds[i].fd = connect_fd();
        say(fds[i].fd, "{\"id\":1,\"op\":\"watch\",\"from\":1}");
    }
    fds[n] = (struct pollfd){.fd = STDIN_FILENO, .events = POLLIN};
    puts("watching");
    fflush(stdout);
    while (poll(fds, n + 1, -1) >= 0 && !fds[n].revents) {
        for (uint64_t i = 0; i < n; i++)
            if (fds[i].revents) {
                close(fds[i].fd);
                fds[i] = (struct pollfd){.fd = -1};
                left--;
            }
        if (left == 0) {
            puts("cut off");
            fflush(stdout);
            await_end_of_input();
            break;
        }
    }
    free(fds);
    return 0;
}

static int past(uint64_t seconds)
{
    int64_t end = now_ms() + (int64_t)seconds * 1000;
    uint64_t id = 0, rounds = 0;
    char line[100];
    static char data[65536];
    int fd = connect_fd();
    while (fd >= 0 && now_ms() < end) {
        for (unsigned i = 0; i < 60; i++) {
            snprintf(line, sizeof line, "{\"id\":%" PRIu64 ",\"op\":\"watch\",\"from\":1}", ++id);
            say(fd, line);
        }
        for (unsigned i = 0; i < 100; i++)
            if (recv(fd, data, sizeof data, MSG_DONTWAIT) <= 0)
                pause_ms(1);
        for (unsigned i = 0; i < 60; i++) {
            snprintf(line, sizeof line,
                     "{\"id\":%" PRIu64 ",\"op\":\"unwatch\",\"watch\":%" PRIu64 "}", id + 1000000,
                     id - i);
            say(fd, line);
            id++;
        }
        rounds++;
    }
    printf("rounds %" PRIu64 "\n", rounds);
    return 0;
}

static int reconnect(uint64_t seconds)
{
    int64_t end = now_ms() + (int64_t)seconds * 1000;
    uint64_t n = 0;
    for (; now_ms() < end; n++) {
        int fd = connect_fd();
        if (fd >= 0)
            close(fd);
    }
    printf("connected %" PRIu64 "\n", n);
    return 0;
}

static int half(uint64_t seconds, const char *request)
{
    int64_t end = now_ms() + (int64_t)seconds * 1000;
    int fds[16];
    uint64_t sent = 0;
    size_t len = strlen(request);
    for (size_t i = 0; i < GW_COUNT(fds); i++)
        fds[i] = connect_fd();
    while (now_ms() < end) {
        bool did = false;
        for (size_t i = 0; i < GW_COUNT(fds); i++) {
            struct pollfd p = {.fd = fds[i], .events = POLLOUT};
            if (poll(&p, 1, 0) > 0 && p.revents == POLLOUT && send_all(fds[i], request, len) &&
                send_all(fds[i], "\n", 1)) {
                did = true;
                sent++;
            }
        }
        if (!did)
            pause_ms(1);
    }
    printf("sent %" PRIu64 "\n", sent);
    return 0;
}

/* Prints what comes until the daemon has said nothing for a moment, or has gone. */
static void print_answers(int fd, int first_ms)
{
    enum { QUIET_MS = 60 };
    static char data[65536];
    struct pollfd p = {.fd = fd, .events = POLLIN};
    ssize_t n;
    while (poll(&p, 1, first_ms) > 0 && (n = recv(fd, data, sizeof data, 0)) > 0) {
        fwrite(data, 1, (size_t)n, stdout);
        first_ms = QUIET_MS;
    }
    fflush(stdout);
}

/* Each is answered before the next is said; then what else comes in a moment. */
static int say_lines(char **lines)
{
    bool is_end;
    int fd = connect_fd();
    read_lines(fd, 1, &is_end);
    for (; *lines && !is_end; lines++) {
        if (!say(fd, *lines))
            return 1;
        print_answers(fd, ANSWER_MS);
    }
    return 0;
}

/* All that comes until standard input ends. */
static int listen_to(const char *line)
{
    int fd = connect_fd();
    struct pollfd p = {.fd = STDIN_FILENO, .events = POLLIN};
    say(fd, line);
    do
        print_answers(fd, 100);
    while (poll(&p, 1, 0) == 0);
    return 0;
}

/* --- the witness --- */

static int witness(uint64_t most_ms)
{
    struct gw *gw;
    struct gw_err err;
    uint64_t n = 0, id = 0;
    int64_t slowest = 0;
    int bad = 0;
    for (struct pollfd p = {.fd = STDIN_FILENO, .events = POLLIN}; !bad && poll(&p, 1, 2) == 0;
         n++) {
        struct gw_submission s = {.template = "EXECUTABLE = /bin/true\n",
                                  .home = "/tmp",
                                  .priority = -1,
                                  .is_held = true};
        struct gw_submitted sub;
        int64_t begin = now_ms();
        int r = gw_connect(socket_path, &gw, &err);
        if (r == 0)
            r = gw_submit(gw, &s, 0, &sub, &err);
        if (r == 0) {
            bad |= sub.job <= id;
            id = sub.job;
            json_decref(sub.warnings);
            gw_close(gw);
        } else {
            printf("the witness was refused: %s\n", err.text);
            bad = 1;
        }
        int64_t took = now_ms() - begin;
        slowest = took > slowest ? took : slowest;
    }
    printf("submitted %" PRIu64 " slowest %" PRId64 " ms\n", n, slowest);
    return bad || slowest > (int64_t)most_ms;
}

static int run(int argc, char **argv)
{
    const char *what = argc > 2 ? argv[1] : "";
    uint64_t n = argc > 3 && argv[3][0] != '{' ? number(argv[3]) : 0;
    socket_path = argc > 2 ? argv[2] : "";
    if (strcmp(what, "witness") == 0 && argc == 4)
        return witness(n);
    if (strcmp(what, "hold") == 0 && argc == 4)
        return hold(n);
    if (strcmp(what, "flood") == 0 && argc == 4)
        return flood(n);
    if (strcmp(what, "requests") == 0 && argc == 4)
        return requests(n);
    if (strcmp(what, "deaf") == 0 && argc == 4)
        return deaf(n);
    if (strcmp(what, "past") == 0 && argc == 4)
        return past(n);
    if (strcmp(what, "reconnect") == 0 && argc == 4)
        return reconnect(n);
    if (strcmp(what, "half") == 0 && argc == 5)
        return half(n, argv[4]);
    if (strcmp(what, "listen") == 0 && argc == 4)
        return listen_to(argv[3]);
    if (strcmp(what, "say") == 0 && argc > 3)
        return say_lines(argv + 3);
    fputs("hostile_client: see the head of tests/fault/hostile_client.c\n", stderr);
    return 2;
}

int main(int argc, char **argv)
{
    take_uid(&argc, &argv);
    return run(argc, argv);
}
