/* Connections that misbehave, for tests/fault/clients.sh:
 *
 *     hostile_trials [--uid N] SOCKET SEED FIRST N
 *
 * runs the trials FIRST to FIRST+N-1 of that seed, several at a time, as user N (root only). Prints
 * a line for each that was answered otherwise than promised; exits 1 when there is one. */
#include "tests/fault/hostile.h"
#include "lib/buf.h"

#include <inttypes.h>
#include <sys/wait.h>

enum { WORKERS = 24 };

/* --- trials: each returns NULL, or what was wrong --- */

/* Refused by name, and the connection ended. What was still on its way when it was closed may take
 * the last line with it: then there is but the greeting. */
static const char *expect_refusal(int fd)
{
    bool is_end;
    long lines = read_lines(fd, 0, &is_end);
    return lines < 0                                         ? "it was neither answered nor ended"
           : lines > 1 && !strstr(last_read, "\"ok\":false") ? "it was not refused"
                                                             : NULL;
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

int main(int argc, char **argv)
{
    take_uid(&argc, &argv);
    if (argc != 5) {
        fputs("hostile_trials: see the head of tests/fault/hostile_trials.c\n", stderr);
        return 2;
    }
    socket_path = argv[1];
    return trials(number(argv[2]), number(argv[3]), number(argv[4]));
}
