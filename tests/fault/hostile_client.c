/* Clients as they should not be, and one as it should, for tests/fault/clients.sh.
 *
 *     hostile_client witness SOCKET MOST_MS       submits held jobs one after the other and lists
 * one until its standard input ends; says how many and how long the slowest took; 1 when one took
 * longer than MOST_MS or went wrong hostile_client trials SOCKET SEED FIRST N   trials FIRST ...
 * FIRST+N-1, each a connection that misbehaves; a line for each that was answered otherwise than
 * promised hostile_client hold SOCKET N                opens N connections and holds them until its
 *                                                 standard input ends; says how many were greeted
 *     hostile_client flood SOCKET BYTES           so many bytes without a newline
 *     hostile_client requests SOCKET N            N requests for all jobs whose answers are not
 * read hostile_client deaf SOCKET N                N connections that watch all events and never
 * read hostile_client past SOCKET SECONDS          64 watches from the first event on, ended and
 * begun again as long hostile_client reconnect SOCKET SECONDS     connects and goes, as fast as it
 * can hostile_client half SOCKET SECONDS LINE     that request again and again, unread, on 16
 *                                                 connections
 *     hostile_client say SOCKET LINE...           requests, and the answers to them
 *     hostile_client listen SOCKET LINE           the same, until its standard input ends
 *
 * With `--uid N` before the command it is that user (root only). */
#include "client/gw.h"
#include "lib/buf.h"
#include "lib/mem.h"
#include "lib/num.h"

#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <inttypes.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

enum { WORKERS = 24, ANSWER_MS = 20000 };

static const char *socket_path;

static _Noreturn void die(const char *what)
{
    fprintf(stderr, "hostile_client: %s: %s\n", what, strerror(errno));
    exit(2);
}

static uint64_t number(const char *text)
{
    uint64_t n;
    struct gw_err err;
    if (num_parse_u64(text, 0, INT64_MAX, &n, &err) < 0) {
        fprintf(stderr, "hostile_client: %s\n", err.text);
        exit(2);
    }
    return n;
}

static int64_t now_ms(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (int64_t)t.tv_sec * 1000 + t.tv_nsec / 1000000;
}

static void pause_ms(long ms)
{
    nanosleep(&(struct timespec){.tv_sec = ms / 1000, .tv_nsec = ms % 1000 * 1000000}, NULL);
}

/* --- random numbers: splitmix64 --- */

static uint64_t random_state;

static uint64_t random_below(uint64_t n)
{
    uint64_t z = random_state += UINT64_C(0x9e3779b97f4a7c15);
    z = (z ^ z >> 30) * UINT64_C(0xbf58476d1ce4e5b9);
    z = (z ^ z >> 27) * UINT64_C(0x94d049bb133111eb);
    return (z ^ z >> 31) % n;
}

/* --- a connection without libgw --- */

/* -1 when the daemon has gone. It may be busy accepting others. */
static int connect_fd(void)
{
    struct sockaddr_un a = {.sun_family = AF_UNIX};
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (fd < 0)
        die("socket");
    if (strlen(socket_path) >= sizeof a.sun_path)
        die("the socket's name");
    memcpy(a.sun_path, socket_path, strlen(socket_path));
    if (connect(fd, (struct sockaddr *)&a, sizeof a) == 0)
        return fd;
    close(fd);
    return -1;
}

/* What the daemon takes within ANSWER_MS; false when it has closed, or takes no more. */
static bool send_all(int fd, const char *data, size_t len)
{
    int64_t end = now_ms() + ANSWER_MS;
    while (len > 0) {
        ssize_t n = send(fd, data, len, MSG_NOSIGNAL | MSG_DONTWAIT);
        if (n > 0) {
            data += n;
            len -= (size_t)n;
            continue;
        }
        struct pollfd p = {.fd = fd, .events = POLLOUT};
        if (errno != EAGAIN || now_ms() > end || poll(&p, 1, 1000) < 0)
            return false;
    }
    return true;
}

static bool say(int fd, const char *line)
{
    return send_all(fd, line, strlen(line)) && send_all(fd, "\n", 1);
}

/* Reads until the connection ends or, with `lines` > 0, so many lines have come; -1 when neither is
 * within ANSWER_MS. *ret_is_end: it ended. Keeps the last bytes for those who look for a word. */
static char last_read[4096];
static long read_lines(int fd, long lines, bool *ret_is_end)
{
    int64_t end = now_ms() + ANSWER_MS;
    char data[65536];
    long seen = 0;
    *ret_is_end = false;
    while (lines == 0 || seen < lines) {
        struct pollfd p = {.fd = fd, .events = POLLIN};
        int64_t left = end - now_ms();
        if (left <= 0 || poll(&p, 1, (int)left) <= 0)
            return -1;
        ssize_t n = recv(fd, data, sizeof data, 0);
        if (n <= 0) {
            *ret_is_end = true;
            return seen;
        }
        for (ssize_t i = 0; i < n; i++)
            seen += data[i] == '\n';
        size_t keep = (size_t)n < sizeof last_read ? (size_t)n : sizeof last_read - 1;
        memcpy(last_read, data + n - keep, keep);
        last_read[keep] = '\0';
    }
    return seen;
}

/* --- trials: each returns NULL, or what was wrong --- */

/* Refused by name, and the connection ended. */
static const char *expect_refusal(int fd)
{
    bool is_end;
    long lines = read_lines(fd, 0, &is_end);
    if (lines < 0)
        return "it was neither answered nor ended";
    /* What was still on its way when it was closed may take the last line with it. */
    return NULL;
}

static const char *expect_answers(int fd, long n)
{
    bool is_end;
    long lines = read_lines(fd, n + 1, &is_end);
    return lines < 0 ? "its requests were not answered in time"
           : is_end  ? "the connection ended before its requests were answered"
                     : NULL;
}

static const char *try_silent(int fd)
{
    (void)fd;
    pause_ms((long)random_below(300));
    return NULL;
}

static const char *try_ten_bytes(int fd)
{
    send_all(fd, "{\"id\":1,\"op", 1 + random_below(11));
    pause_ms((long)random_below(300));
    return NULL;
}

static const char *try_drip(int fd)
{
    static const char line[] = "{\"id\":7,\"op\":\"status\"}\n";
    for (size_t i = 0; i < sizeof line - 1; i++) {
        send_all(fd, line + i, 1);
        pause_ms((long)random_below(15));
    }
    return expect_answers(fd, 1);
}

static const char *try_no_newline(int fd)
{
    size_t len = 1 + random_below(6 << 20);
    char *data = xmalloc(len);
    memset(data, 'x', len);
    bool is_taken = send_all(fd, data, len);
    free(data);
    return is_taken && len <= 4 << 20 ? NULL : expect_refusal(fd);
}

static const char *try_deep(int fd)
{
    size_t len = 3000 + random_below(1 << 20);
    char *data = xmalloc(len);
    memset(data, random_below(2) ? '[' : '{', len);
    data[len - 1] = '\n';
    send_all(fd, data, len);
    free(data);
    return expect_refusal(fd);
}

static const char *try_many_values(int fd)
{
    static const char *const units[] = {"1,", "{},", "[],", "\"\",", "[[1]],"};
    const char *unit = units[random_below(GW_COUNT(units))];
    size_t n = 300000 + random_below(500000);
    struct buf line = BUF_INIT;
    buf_puts(&line, "{\"id\":1,\"op\":\"jobs\",\"ids\":[");
    for (size_t i = 0; i < n; i++)
        buf_puts(&line, unit);
    buf_puts(&line, "1]}\n");
    send_all(fd, line.data, line.len);
    buf_clear(&line);
    shutdown(fd, SHUT_WR);
    bool is_end;
    return read_lines(fd, 0, &is_end) < 0 ? "it was neither answered nor ended" : NULL;
}

static const char *try_bad_number(int fd)
{
    static const char *const lines[] = {
        "{\"id\":123456789012345678901234567890,\"op\":\"status\"}",
        "{\"id\":1e999999,\"op\":\"status\"}",
        "{\"id\":-1,\"op\":\"status\"}",
        "{\"id\":0,\"op\":\"status\"}",
        "{\"id\":9007199254740992,\"op\":\"status\"}",
        "{\"id\":1.5,\"op\":\"status\"}",
        "{\"id\":\"1\",\"op\":\"status\"}",
        "{\"id\":1,\"id\":1,\"op\":\"status\"}",
        "[1,2,3]",
        "null",
        "",
    };
    say(fd, lines[random_below(GW_COUNT(lines))]);
    return expect_refusal(fd);
}

static const char *try_bad_text(int fd)
{
    char line[200];
    static const char head[] = "{\"id\":1,\"op\":\"";
    size_t len = sizeof head - 1 + random_below(100);
    memcpy(line, head, sizeof head - 1);
    for (size_t i = sizeof head - 1; i < len; i++)
        line[i] = (char)random_below(256);
    line[len++] = (char)0xff;
    line[len++] = '\0';
    line[len++] = '\n';
    send_all(fd, line, len);
    return expect_refusal(fd);
}

static const char *try_never_reading(int fd)
{
    char line[100];
    unsigned n = 50 + (unsigned)random_below(500);
    for (unsigned i = 1; i <= n; i++) {
        snprintf(line, sizeof line, "{\"id\":%u,\"op\":\"jobs\"}", i);
        if (send(fd, line, strlen(line), MSG_NOSIGNAL | MSG_DONTWAIT) < 0 ||
            send(fd, "\n", 1, MSG_NOSIGNAL | MSG_DONTWAIT) < 0)
            break;
    }
    pause_ms((long)random_below(300));
    return NULL;
}

static const char *try_slow_reader(int fd)
{
    char byte;
    say(fd, "{\"id\":1,\"op\":\"jobs\"}");
    say(fd, "{\"id\":2,\"op\":\"watch\"}");
    for (unsigned i = (unsigned)random_below(20); i > 0; i--) {
        if (recv(fd, &byte, 1, MSG_DONTWAIT) < 0 && errno != EAGAIN)
            break;
        pause_ms(10);
    }
    return NULL;
}

static const char *try_half_closed(int fd)
{
    long n = 1 + (long)random_below(50);
    char line[60];
    bool is_end;
    for (long i = 1; i <= n; i++) {
        snprintf(line, sizeof line, "{\"id\":%ld,\"op\":\"status\"}", i);
        say(fd, line);
    }
    shutdown(fd, SHUT_WR);
    long lines = read_lines(fd, 0, &is_end);
    return lines < 0        ? "half closed, it was neither answered nor ended"
           : lines != n + 1 ? "half closed, not all that it had said was answered"
                            : NULL;
}

static const char *try_dying(int fd)
{
    static const char *const lines[] = {
        "{\"id\":1,\"op\":\"watch\",\"from\":1}",
        "{\"id\":1,\"op\":\"jobs\"}",
        "{\"id\":1,\"op\":\"submit\",\"template\":\"EXECUTABLE=/bin/true\\n\",\"home\":\"/tmp\","
        "\"hold\":true}",
        "{\"id\":1,\"op\":\"wish\",\"wish\":\"gone\",\"ids\":[1,2,3]}",
        "{\"id\":1,\"op\":\"logs\",\"job\":1,\"follow\":true}",
        "{\"id\":1,\"op\":\"users\"}",
        "{\"id\":1,\"op\":\"hosts\"}",
    };
    const char *line = lines[random_below(GW_COUNT(lines))];
    send_all(fd, line, random_below(strlen(line) + 1));
    if (random_below(2))
        send_all(fd, "\n", 1);
    if (random_below(2)) /* a reset, where the system has one */
        setsockopt(fd, SOL_SOCKET, SO_LINGER, &(struct linger){1, 0}, sizeof(struct linger));
    pause_ms((long)random_below(20));
    return NULL;
}

static const char *try_watching(int fd)
{
    bool is_end;
    long n = 1 + (long)random_below(40);
    char line[80];
    for (long i = 1; i <= n; i++) {
        snprintf(line, sizeof line, "{\"id\":%ld,\"op\":\"watch\",\"from\":%" PRIu64 "}", i,
                 random_below(2) ? 1 : random_below(100000));
        if (!say(fd, line))
            return NULL;
        if (random_below(2)) {
            snprintf(line, sizeof line, "{\"id\":%ld,\"op\":\"unwatch\",\"watch\":%ld}", 1000 + i,
                     i);
            say(fd, line);
        }
    }
    if (random_below(2))
        read_lines(fd, 1 + (long)random_below(50), &is_end);
    return NULL;
}

/* Requests of which some bytes are others. */
static const char *try_mutated(int fd)
{
    static const char *const lines[] = {
        "{\"id\":1,\"op\":\"jobs\",\"ids\":[1,2],\"fields\":[\"id\"],\"after\":0,\"limit\":5}",
        "{\"id\":1,\"op\":\"wish\",\"wish\":\"gone\",\"array\":9,\"hard\":true}",
        "{\"id\":1,\"op\":\"watch\",\"from\":5,\"ids\":[1],\"array\":0}",
        "{\"id\":1,\"op\":\"submit\",\"template\":\"EXECUTABLE = /bin/true\\nREQUIREMENTS = "
        "CPU_MHZ "
        "> 3\\n\",\"home\":\"/tmp\",\"hold\":true,\"tasks\":3,\"array\":true,\"key\":\"k\"}",
        "{\"id\":1,\"op\":\"hosts\",\"match\":1}",
        "{\"id\":1,\"op\":\"logs\",\"job\":1,\"stream\":\"stdout\",\"offset\":0}",
    };
    for (unsigned k = 1 + (unsigned)random_below(20); k > 0; k--) {
        char line[300];
        const char *text = lines[random_below(GW_COUNT(lines))];
        size_t len = strlen(text);
        memcpy(line, text, len);
        for (unsigned i = 1 + (unsigned)random_below(4); i > 0; i--)
            line[random_below(len)] = (char)random_below(256);
        line[len++] = '\n';
        if (!send_all(fd, line, len))
            break;
    }
    shutdown(fd, SHUT_WR);
    bool is_end;
    return read_lines(fd, 0, &is_end) < 0 ? "it was neither answered nor ended" : NULL;
}

static const struct behaviour {
    const char *name;
    const char *(*act)(int fd);
    unsigned weight;
} behaviours[] = {
    {"silent", try_silent, 8},
    {"ten bytes", try_ten_bytes, 8},
    {"a byte at a time", try_drip, 8},
    {"no newline", try_no_newline, 3},
    {"deep", try_deep, 4},
    {"many values", try_many_values, 1},
    {"bad number", try_bad_number, 12},
    {"bad text", try_bad_text, 12},
    {"never reading", try_never_reading, 6},
    {"slow reader", try_slow_reader, 6},
    {"half closed", try_half_closed, 12},
    {"dying", try_dying, 30},
    {"watching", try_watching, 8},
    {"mutated", try_mutated, 20},
};

static const struct behaviour *choose(void)
{
    unsigned all = 0;
    for (size_t i = 0; i < GW_COUNT(behaviours); i++)
        all += behaviours[i].weight;
    unsigned at = (unsigned)random_below(all);
    const struct behaviour *b = behaviours;
    while (at >= b->weight)
        at -= b++->weight;
    return b;
}

/* 1 when it was answered otherwise than promised. */
static int try_one(uint64_t seed, uint64_t trial)
{
    random_state = seed * UINT64_C(0x5851f42d4c957f2d) ^ trial * UINT64_C(0x14057b7ef767814f);
    const struct behaviour *b = choose();
    int fd = connect_fd();
    const char *wrong = fd < 0 ? "nobody answers at the socket" : b->act(fd);
    if (fd >= 0)
        close(fd);
    if (wrong)
        printf("trial %" PRIu64 " (%s): %s\n", trial, b->name, wrong);
    return wrong != NULL;
}

static int trials(uint64_t seed, uint64_t first, uint64_t n)
{
    int status, bad = 0;
    for (unsigned w = 0; w < WORKERS; w++) {
        pid_t pid = fork();
        if (pid < 0)
            die("fork");
        if (pid == 0) {
            for (uint64_t i = w; i < n; i += WORKERS)
                bad |= try_one(seed, first + i);
            fflush(stdout);
            _exit(bad);
        }
    }
    while (wait(&status) > 0)
        bad |= !WIFEXITED(status) || WEXITSTATUS(status) != 0;
    return bad;
}

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

static int deaf(uint64_t n)
{
    int *fds = xcalloc(n, sizeof *fds);
    for (uint64_t i = 0; i < n; i++) {
        fds[i] = connect_fd();
        say(fds[i], "{\"id\":1,\"op\":\"watch\",\"from\":1}");
    }
    puts("watching");
    fflush(stdout);
    await_end_of_input();
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

static void become(uint64_t uid)
{
    if (setgroups(0, NULL) < 0 || setgid((gid_t)uid) < 0 || setuid((uid_t)uid) < 0)
        die("becoming another user");
}

static int run(int argc, char **argv)
{
    const char *what = argc > 2 ? argv[1] : "";
    uint64_t n = argc > 3 && argv[3][0] != '{' ? number(argv[3]) : 0;
    socket_path = argc > 2 ? argv[2] : "";
    if (strcmp(what, "witness") == 0 && argc == 4)
        return witness(n);
    if (strcmp(what, "trials") == 0 && argc == 6)
        return trials(n, number(argv[4]), number(argv[5]));
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
    if (argc > 3 && strcmp(argv[1], "--uid") == 0) {
        become(number(argv[2]));
        return run(argc - 2, argv + 2);
    }
    return run(argc, argv);
}
