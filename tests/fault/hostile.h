/* What the hostile clients of tests/fault/clients.sh have in common: a connection to the daemon
 * without libgw, which keeps no promise of its own, and random numbers. */
#ifndef TESTS_FAULT_HOSTILE_H
#define TESTS_FAULT_HOSTILE_H

#include "lib/mem.h"
#include "lib/num.h"

#include <errno.h>
#include <grp.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

enum { ANSWER_MS = 20000 };

static const char *socket_path;

static inline _Noreturn void die(const char *what)
{
    fprintf(stderr, "hostile: %s: %s\n", what, strerror(errno));
    exit(2);
}

static inline uint64_t number(const char *text)
{
    uint64_t n;
    struct gw_err err;
    if (num_parse_u64(text, 0, INT64_MAX, &n, &err) < 0) {
        fprintf(stderr, "hostile: %s\n", err.text);
        exit(2);
    }
    return n;
}

static inline int64_t now_ms(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (int64_t)t.tv_sec * 1000 + t.tv_nsec / 1000000;
}

static inline void pause_ms(long ms)
{
    nanosleep(&(struct timespec){.tv_sec = ms / 1000, .tv_nsec = ms % 1000 * 1000000}, NULL);
}

/* --- random numbers: splitmix64 --- */

static uint64_t random_state;

static inline uint64_t random_below(uint64_t n)
{
    uint64_t z = random_state += UINT64_C(0x9e3779b97f4a7c15);
    z = (z ^ z >> 30) * UINT64_C(0xbf58476d1ce4e5b9);
    z = (z ^ z >> 27) * UINT64_C(0x94d049bb133111eb);
    return (z ^ z >> 31) % n;
}

/* --- a connection without libgw --- */

/* -1 when the daemon has gone. It may be busy accepting others. */
static inline int connect_fd(void)
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
static inline bool send_all(int fd, const char *data, size_t len)
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

static inline bool say(int fd, const char *line)
{
    return send_all(fd, line, strlen(line)) && send_all(fd, "\n", 1);
}

/* Reads until the connection ends or, with `lines` > 0, so many lines have come; -1 when neither is
 * within ANSWER_MS. *ret_is_end: it ended. Keeps the last bytes for those who look for a word. */
static char last_read[4096];
static inline long read_lines(int fd, long lines, bool *ret_is_end)
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

/* `--uid N` before the other arguments: to be that user from now on. */
static inline void take_uid(int *argc, char ***argv)
{
    if (*argc < 3 || strcmp((*argv)[1], "--uid") != 0)
        return;
    uint64_t uid = number((*argv)[2]);
    if (setgroups(0, NULL) < 0 || setgid((gid_t)uid) < 0 || setuid((uid_t)uid) < 0)
        die("becoming another user");
    *argc -= 2;
    *argv += 2;
}

#endif
