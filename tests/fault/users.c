/* Users of a daemon that keeps dying: they submit, hold, release, kill and wait, and write down
 * what they were told. They come back whenever the connection is lost, as the commands do.
 *
 *     users SOCKET LEDGER PAYLOAD HOME SEED JOBS [USERS [WAIT_S [ENOUGH [PADDING]]]]
 *
 * USERS (2) processes submit JOBS tasks between them, some at a time, and wait for their ends, each
 * for at most WAIT_S (60) seconds; with ENOUGH they go on until that file is there. Each template
 * has PADDING (0) bytes more than it needs. Exits 1 when something did not end in time or was
 * refused. In LEDGER, beside the lines of the jobs themselves (payload.c):
 *
 *     submitted ID TASKS CODE FILES   acknowledged; the program will exit with CODE; FILES 1: an
 *                                     output comes home
 *     held ID, releasing ID           not to start in between
 *     killing ID                      asked for
 *     killed ID                       confirmed: neither start nor end after it
 *     told ID PHASE CODE              the end of a task, as the client was told */
#include "client/gw.h"
#include "tests/fault/record.h"
#include "lib/buf.h"
#include "lib/mem.h"

#include <fcntl.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

enum { AT_ONCE = 24, ARRAY_MAX = 12, PATIENCE_MS = 300, TOLD_MAX = 4096 };

struct user {
    const char *socket, *payload, *ledger_path, *home, *enough;
    struct gw *gw;
    int ledger;
    uint64_t random;
    uint64_t ids[TOLD_MAX]; /* of this batch */
    size_t n_ids;
    uint64_t n_submitted, wait_ms, padding;
};

struct plan { /* of one submission */
    bool is_staged, is_held, is_killed, is_array, is_held_later;
    uint64_t tasks;
    unsigned code, ms;
};

static double now_s(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

/* splitmix64, as in lib.sh */
static unsigned dice(struct user *u, unsigned n)
{
    uint64_t z = u->random += UINT64_C(0x9E3779B97F4A7C15);
    z = (z ^ (z >> 30)) * UINT64_C(0xBF58476D1CE4E5B9);
    z = (z ^ (z >> 27)) * UINT64_C(0x94D049BB133111EB);
    z ^= z >> 31;
    return (unsigned)((z >> 1) % n);
}

static void note(struct user *u, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
static void note(struct user *u, const char *fmt, ...)
{
    char line[RECORD_BYTES];
    va_list ap;
    va_start(ap, fmt);
    vsnprintf(line, sizeof line, fmt, ap);
    va_end(ap);
    if (!record_write(u->ledger, line))
        _exit(74);
}

static _Noreturn void give_up(const char *what, const char *why)
{
    fprintf(stderr, "users: %s: %s\n", what, why);
    _exit(1);
}

/* Tries again until it is said yes or no; false: the daemon did not come back for `wait_ms`. */
static void come_back(struct user *u, const char *what, int code, const struct gw_err *why,
                      double *until_s)
{
    struct gw_err err;
    if (!*until_s)
        *until_s = now_s() + (double)u->wait_ms / 1e3;
    if ((code != -GW_EUNAVAIL && code != -GW_ETIMEDOUT) || now_s() > *until_s)
        give_up(what, why->text);
    gw_reconnect(u->gw, PATIENCE_MS, &err);
}

static void connect_first(struct user *u)
{
    double until_s = now_s() + (double)u->wait_ms / 1e3;
    struct gw_err err;
    while (gw_connect(u->socket, &u->gw, &err) < 0) {
        if (now_s() > until_s)
            give_up("connecting", err.text);
        usleep(20000);
    }
}

static void wish(struct user *u, const char *what, uint64_t first, uint64_t tasks,
                 json_t **ret_answer)
{
    uint64_t ids[ARRAY_MAX];
    struct gw_err err = {0};
    double until_s = 0;
    for (uint64_t i = 0; i < tasks; i++)
        ids[i] = first + i;
    for (int r; (r = gw_wish(u->gw, what, ids, tasks, 0, false, ret_answer, &err)) < 0;)
        come_back(u, what, r, &err, &until_s);
}

/* Those of `list` that are not in `except`. */
static void note_each(struct user *u, const char *word, const json_t *list, const json_t *except)
{
    size_t i, k;
    json_t *id, *other;
    json_array_foreach(list, i, id)
    {
        bool is_other = false;
        json_array_foreach(except, k, other)
        {
            is_other = is_other || json_equal(id, other);
        }
        if (!is_other)
            note(u, "%s %" PRIi64, word, (int64_t)json_integer_value(id));
    }
}

static void kill_jobs(struct user *u, uint64_t first, uint64_t tasks)
{
    json_t *answer;
    for (uint64_t i = 0; i < tasks; i++)
        note(u, "killing %" PRIu64, first + i);
    wish(u, "gone", first, tasks, &answer);
    note_each(u, "killed", gw_array(answer, "done"), gw_array(answer, "ended"));
    json_decref(answer);
}

static void hold_jobs(struct user *u, uint64_t first, uint64_t tasks)
{
    json_t *answer;
    wish(u, "held", first, tasks, &answer);
    note_each(u, "held", gw_array(answer, "done"), NULL);
    json_decref(answer);
}

static void release_jobs(struct user *u, uint64_t first, uint64_t tasks)
{
    json_t *answer;
    for (uint64_t i = 0; i < tasks; i++)
        note(u, "releasing %" PRIu64, first + i);
    wish(u, "run", first, tasks, &answer);
    json_decref(answer);
}

static struct plan invent(struct user *u)
{
    struct plan p = {.tasks = 1, .code = dice(u, 6), .ms = dice(u, 60)};
    p.is_staged = dice(u, 3) == 0;
    p.is_array = dice(u, 4) == 0;
    if (p.is_array)
        p.tasks = 2 + dice(u, ARRAY_MAX - 1);
    p.is_held = dice(u, 8) == 0;
    p.is_held_later = !p.is_held && dice(u, 10) == 0;
    p.is_killed = dice(u, 6) == 0;
    if (p.is_killed)
        p.ms = dice(u, 2) ? 20000 : dice(u, 80);
    return p;
}

static void write_template(const struct user *u, const struct plan *p, struct buf *out)
{
    buf_printf(out,
               "EXECUTABLE = %s\nARGUMENTS = %s %u %u%s\nSTDOUT_FILE = /dev/null\n"
               "STDERR_FILE = /dev/null\n",
               u->payload, u->ledger_path, p->code, p->ms, p->is_staged ? " token" : "");
    buf_puts(out, p->is_staged ? "OUTPUT_FILES = token token.${JOB_ID}\n" : "STAGING = no\n");
    for (uint64_t n = 0; n < u->padding; n += 64)
        buf_printf(out, "# %061" PRIu64 "\n", n);
}

static void submit(struct user *u, const struct plan *p)
{
    struct buf text = BUF_INIT;
    struct gw_submitted s;
    struct gw_err err = {0};
    double until_s = 0;
    char key[64];
    write_template(u, p, &text);
    gw_new_key(u->gw, key);
    struct gw_submission ask = {.template = buf_str(&text),
                                .home = u->home,
                                .tasks = p->tasks,
                                .is_array = p->is_array,
                                .increment = 1,
                                .is_held = p->is_held,
                                .priority = -1,
                                .key = key};
    for (int r; (r = gw_submit(u->gw, &ask, PATIENCE_MS, &s, &err)) < 0;)
        come_back(u, "submit", r, &err, &until_s);
    note(u, "submitted %" PRIu64 " %" PRIu64 " %u %d", s.job, s.tasks, p->code, p->is_staged);
    for (uint64_t i = 0; p->is_held && i < s.tasks; i++)
        note(u, "held %" PRIu64, s.job + i);
    for (uint64_t i = 0; i < s.tasks; i++)
        u->ids[u->n_ids++] = s.job + i;
    u->n_submitted += s.tasks;
    json_decref(s.warnings);
    buf_clear(&text);
}

static void on_end(void *ctx, const json_t *job)
{
    note(ctx, "told %" PRIi64 " %s %" PRIi64, gw_int(job, "id", 0), gw_text(job, "phase", "?"),
         gw_int(job, "exit_code", -1));
}

static void wait_for_all(struct user *u)
{
    struct gw_err err = {0};
    struct gw_wait w = {.ids = u->ids,
                        .n = u->n_ids,
                        .timeout_ms = (int64_t)u->wait_ms,
                        .patience_ms = (int64_t)u->wait_ms,
                        .on_end = on_end,
                        .ctx = u};
    if (u->n_ids && gw_wait(u->gw, &w, &err) < 0)
        give_up("waiting for jobs", err.text);
}

/* Submissions one after another, and some time after each what else is to become of it. */
static void batch(struct user *u, uint64_t most)
{
    struct plan plans[AT_ONCE];
    uint64_t first[AT_ONCE], n_before = u->n_submitted;
    size_t n = 0;
    u->n_ids = 0;
    for (; n < AT_ONCE && u->n_submitted - n_before < most; n++) {
        plans[n] = invent(u);
        first[n] = u->n_submitted - n_before;
        submit(u, &plans[n]);
        size_t of = dice(u, (unsigned)n + 1);
        if (plans[of].is_held_later)
            hold_jobs(u, u->ids[first[of]], plans[of].tasks);
        if (plans[of].is_killed)
            kill_jobs(u, u->ids[first[of]], plans[of].tasks);
        plans[of].is_killed = plans[of].is_killed && of == n; /* the last one twice */
    }
    for (size_t i = 0; i < n; i++) {
        if (plans[i].is_killed)
            kill_jobs(u, u->ids[first[i]], plans[i].tasks);
        if (plans[i].is_held || plans[i].is_held_later)
            release_jobs(u, u->ids[first[i]], plans[i].tasks);
    }
    wait_for_all(u);
}

static bool is_enough(const struct user *u, uint64_t jobs)
{
    return u->n_submitted >= jobs && (!u->enough || access(u->enough, F_OK) == 0);
}

static int live(struct user *u, uint64_t jobs)
{
    u->ledger = open(u->ledger_path, O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC, 0600);
    if (u->ledger < 0)
        give_up(u->ledger_path, "cannot be opened");
    connect_first(u);
    while (!is_enough(u, jobs))
        batch(u, jobs < 200 ? jobs : 200);
    gw_close(u->gw);
    close(u->ledger);
    return 0;
}

static uint64_t number(int argc, char **argv, int at, uint64_t otherwise)
{
    return at < argc ? strtoull(argv[at], NULL, 10) : otherwise;
}

int main(int argc, char **argv)
{
    static struct user u;
    if (argc < 7) {
        fprintf(stderr, "usage: users SOCKET LEDGER PAYLOAD HOME SEED JOBS [USERS [WAIT_S [ENOUGH "
                        "[PADDING]]]]\n");
        return 64;
    }
    uint64_t seed = number(argc, argv, 5, 1), users = number(argc, argv, 7, 2);
    uint64_t jobs = (number(argc, argv, 6, 1) + users - 1) / users;
    int code = 0, status;
    u = (struct user){.socket = argv[1],
                      .ledger_path = argv[2],
                      .payload = argv[3],
                      .home = argv[4],
                      .enough = argc > 9 && *argv[9] ? argv[9] : NULL,
                      .wait_ms = number(argc, argv, 8, 60) * 1000,
                      .padding = number(argc, argv, 10, 0)};
    for (uint64_t i = 0; i < users; i++) {
        u.random = seed * 1000003 + i;
        pid_t pid = fork();
        if (pid <= 0)
            return pid < 0 ? 71 : live(&u, jobs);
    }
    while (wait(&status) > 0)
        code = code || status != 0;
    return code;
}
