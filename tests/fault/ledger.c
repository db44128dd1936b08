/* Compares what sites and users wrote down (payload.c, users.c) with what the daemon says in the
 * end.
 *
 *     ledger check SOCKET LEDGER HOME   all jobs have ended
 *     ledger left DIR                   what is left of a daemon that was stopped
 *
 * No template of users.c allows for work that is done again: an attempt whose program came to its
 * end is the last one, whether or not its job is killed. Prints a line for each promise that was
 * broken, and exits 1 when there was one. */
#include "client/gw.h"
#include "lib/buf.h"
#include "lib/file.h"
#include "lib/mem.h"

#include <dirent.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <uthash.h>

enum { LEDGER_MAX = 256 << 20, WINDOW = 200, LEFT_WAIT_MS = 10000, TOKEN_SIZE = 128 };

/* What a site has of one attempt. */
struct attempt_facts {
    char token[TOKEN_SIZE];
    uint64_t id;
    unsigned starts, ends;
    int code;
    UT_hash_handle hh;
};

/* What is known of one task, by its id; places are line numbers of the ledger, 0: never. */
struct task_facts {
    bool is_acknowledged, has_output, was_told, is_in_table;
    int code, told_code;
    char told_phase[12];
    unsigned killing, killed, held, releasing;
    const struct attempt_facts *ended; /* whose program came to its end */
};

struct ledger {
    struct attempt_facts *attempts;
    struct task_facts *tasks;
    uint64_t n_tasks; /* ids below it have a place */
    const char *home;
    unsigned violations;
};

static void broken(struct ledger *l, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
static void broken(struct ledger *l, const char *fmt, ...)
{
    va_list ap;
    va_start(ap, fmt);
    vprintf(fmt, ap);
    va_end(ap);
    putchar('\n');
    l->violations++;
}

static struct task_facts *task_of(struct ledger *l, uint64_t id)
{
    if (id >= l->n_tasks) {
        uint64_t n = id + 1 > 2 * l->n_tasks ? id + 1 : 2 * l->n_tasks;
        l->tasks = xreallocarray(l->tasks, n, sizeof *l->tasks);
        memset(l->tasks + l->n_tasks, 0, (n - l->n_tasks) * sizeof *l->tasks);
        l->n_tasks = n;
    }
    return &l->tasks[id];
}

/* --- the ledger --- */

static struct attempt_facts *attempt_of(struct ledger *l, const char *token)
{
    struct attempt_facts *a;
    uint64_t job = 0, task = 0;
    HASH_FIND_STR(l->attempts, token, a);
    if (a)
        return a;
    const char *dot = strchr(token, '.'); /* instance.epoch.job.task.attempt */
    if (!dot || sscanf(dot, ".%*u.%" SCNu64 ".%" SCNu64 ".", &job, &task) != 2 || job > 1 << 30)
        broken(l, "a program was started that knows no attempt: token %s", token);
    a = xcalloc(1, sizeof *a);
    snprintf(a->token, sizeof a->token, "%s", token);
    a->id = job + task;
    HASH_ADD_STR(l->attempts, token, a);
    return a;
}

static void take_start(struct ledger *l, const char *token)
{
    struct attempt_facts *a = attempt_of(l, token);
    const struct task_facts *t = task_of(l, a->id);
    if (++a->starts == 2)
        broken(l, "attempt %s was started twice", token);
    if (t->killed)
        broken(l, "attempt %s was started after its job was said to be killed", token);
    if (t->held && !t->releasing)
        broken(l, "attempt %s was started while its job was held", token);
}

static void take_end(struct ledger *l, const char *token, int code)
{
    struct attempt_facts *a = attempt_of(l, token);
    struct task_facts *t = task_of(l, a->id);
    a->ends++;
    a->code = code;
    if (t->killed)
        broken(l, "attempt %s still ran when its job was said to be killed", token);
    if (t->ended && t->ended != a)
        broken(l, "job %" PRIu64 " was done by attempt %s and again by %s", a->id, t->ended->token,
               token);
    t->ended = a;
}

static void take_submitted(struct ledger *l, const char *text)
{
    uint64_t first, n;
    int code, has_output;
    if (sscanf(text, "%" SCNu64 " %" SCNu64 " %d %d", &first, &n, &code, &has_output) != 4) {
        broken(l, "the ledger has: submitted %s", text);
        return;
    }
    for (uint64_t id = first; id < first + n; id++) {
        struct task_facts *t = task_of(l, id);
        if (t->is_acknowledged)
            broken(l, "job %" PRIu64 " was given to two submissions", id);
        t->is_acknowledged = true;
        t->code = code;
        t->has_output = has_output;
    }
}

static void take_line(struct ledger *l, char *line, unsigned number)
{
    size_t len = strlen(line);
    while (len && line[len - 1] == ' ') /* that fill up a record */
        line[--len] = '\0';
    char *rest = strchr(line, ' ');
    if (!rest) {
        broken(l, "line %u of the ledger: %s", number, line);
        return;
    }
    *rest++ = '\0';
    char *space = strchr(rest, ' ');
    struct task_facts *t = NULL;
    if (strcmp(line, "start") == 0) {
        take_start(l, rest);
    } else if (strcmp(line, "end") == 0 && space) {
        *space = '\0';
        take_end(l, rest, (int)strtol(space + 1, NULL, 10));
    } else if (strcmp(line, "submitted") == 0) {
        take_submitted(l, rest);
    } else {
        t = task_of(l, strtoull(rest, NULL, 10));
    }
    if (t && strcmp(line, "killing") == 0)
        t->killing = number;
    else if (t && strcmp(line, "killed") == 0)
        t->killed = number;
    else if (t && strcmp(line, "held") == 0)
        t->held = number;
    else if (t && strcmp(line, "releasing") == 0)
        t->releasing = number;
    else if (t && strcmp(line, "told") == 0) {
        t->was_told = true;
        sscanf(rest, "%*u %11s %d", t->told_phase, &t->told_code);
    } else if (t)
        broken(l, "line %u of the ledger: %s %s", number, line, rest);
}

static void read_ledger(struct ledger *l, const char *path)
{
    struct buf text = BUF_INIT;
    struct gw_err err;
    unsigned number = 0;
    if (file_read(path, LEDGER_MAX, &text, &err) < 0) {
        fprintf(stderr, "ledger: %s\n", err.text);
        exit(74);
    }
    char *save, *copy = xmemdup0(buf_str(&text), text.len);
    for (char *line = strtok_r(copy, "\n", &save); line; line = strtok_r(NULL, "\n", &save))
        take_line(l, line, ++number);
    free(copy);
    buf_clear(&text);
}

/* --- what gwd says --- */

/* The output of the accepted attempt, and of no other, came home. */
static void check_output(struct ledger *l, uint64_t id, const char *token)
{
    char *path = xasprintf("%s/token.%" PRIu64, l->home, id);
    struct buf text = BUF_INIT;
    struct gw_err err;
    if (file_read(path, TOKEN_SIZE, &text, &err) < 0)
        broken(l, "job %" PRIu64 ": its output did not come home: %s", id, err.text);
    else if (strcmp(buf_str(&text), token) != 0)
        broken(l, "job %" PRIu64 ": its output is that of %s, its result that of %s", id,
               buf_str(&text), token);
    buf_clear(&text);
    free(path);
}

static void check_done(struct ledger *l, uint64_t id, const json_t *job)
{
    struct attempt_facts *a;
    const struct task_facts *t = task_of(l, id);
    const char *token = gw_text(job, "token", "");
    int code = (int)gw_int(job, "exit_code", -1);
    HASH_FIND_STR(l->attempts, token, a);
    if (!a || !a->starts)
        broken(l, "job %" PRIu64 " is DONE by attempt %s, which never started", id, token);
    else if (!a->ends)
        broken(l, "job %" PRIu64 " is DONE by attempt %s, which did not come to its end", id,
               token);
    else if (a->code != code)
        broken(l, "job %" PRIu64 " has exit code %d, its program had %d", id, code, a->code);
    if (t->is_acknowledged && t->code != code)
        broken(l, "job %" PRIu64 " has exit code %d, %d was expected", id, code, t->code);
    if (t->has_output)
        check_output(l, id, token);
}

static void check_job(struct ledger *l, uint64_t id, const json_t *job)
{
    struct task_facts *t = task_of(l, id);
    const char *phase = gw_text(job, "phase", "?");
    t->is_in_table = true;
    if (!t->is_acknowledged)
        broken(l, "job %" PRIu64 " is there, and no user was told of it", id);
    if (strcmp(phase, "DONE") == 0)
        check_done(l, id, job);
    else if (strcmp(phase, "FAILED") != 0)
        broken(l, "job %" PRIu64 " has not ended: %s", id, phase);
    else if (!t->killing)
        broken(l, "job %" PRIu64 " failed: %s: %s", id,
               gw_text(gw_object(job, "reason"), "code", "?"),
               gw_text(gw_object(gw_object(job, "reason"), "params"), "message", ""));
    if (t->was_told &&
        (strcmp(phase, t->told_phase) != 0 || gw_int(job, "exit_code", -1) != t->told_code))
        broken(l, "job %" PRIu64 " is %s (%" PRIi64 "), its user was told %s (%d)", id, phase,
               gw_int(job, "exit_code", -1), t->told_phase, t->told_code);
}

/* No program without an attempt that gwd knows, and one result at most. */
static void check_attempts(struct ledger *l, uint64_t id, const json_t *answer)
{
    size_t i, accepted = 0;
    json_t *attempt;
    const json_t *list = gw_array(answer, "attempts");
    json_array_foreach(list, i, attempt)
    {
        struct attempt_facts *a;
        HASH_FIND_STR(l->attempts, gw_text(attempt, "token", ""), a);
        if (a)
            a->id = 0; /* known */
        accepted += gw_is_null(attempt, "reason") && !gw_is_null(attempt, "exit_code") ? 1 : 0;
    }
    if (accepted > 1)
        broken(l, "job %" PRIu64 " has the results of %zu attempts", id, accepted);
}

struct question {
    int64_t job, history; /* requests */
    uint64_t id;
};

static void ask(struct gw *gw, struct question *q, uint64_t id)
{
    struct gw_err err;
    q->id = id;
    q->job = gw_start(gw, "jobs", json_pack("{s[I]}", "ids", (json_int_t)id), &err);
    q->history = gw_start(gw, "history", json_pack("{sI}", "job", (json_int_t)id), &err);
}

static void hear(struct ledger *l, struct gw *gw, const struct question *q)
{
    json_t *answer;
    struct gw_err err = {0};
    int r = gw_answer(gw, q->job, &answer, &err);
    if (r == 0) {
        check_job(l, q->id, json_array_get(gw_array(answer, "jobs"), 0));
        json_decref(answer);
    } else if (task_of(l, q->id)->is_acknowledged) {
        broken(l, "job %" PRIu64 " was acknowledged and is lost: %s", q->id, err.text);
    }
    if (gw_answer(gw, q->history, &answer, &err) == 0) {
        check_attempts(l, q->id, answer);
        json_decref(answer);
    } else if (r == 0) {
        broken(l, "job %" PRIu64 " has no history: %s", q->id, err.text);
    }
}

/* Every id that anybody has heard of, and those up to the last that gwd has. */
static uint64_t last_id(struct ledger *l, struct gw *gw)
{
    json_t *filter = json_pack("{s[s]}", "fields", "id"), *jobs;
    struct gw_err err;
    uint64_t last = l->n_tasks ? l->n_tasks - 1 : 0;
    if (gw_jobs(gw, filter, &jobs, NULL, &err) == 0) {
        size_t n = json_array_size(jobs);
        uint64_t id = n ? (uint64_t)gw_int(json_array_get(jobs, n - 1), "id", 0) : 0;
        last = id > last ? id : last;
        json_decref(jobs);
    }
    json_decref(filter);
    return last;
}

static void ask_all(struct ledger *l, struct gw *gw)
{
    struct question open[WINDOW];
    uint64_t last = last_id(l, gw), asked = 0;
    for (uint64_t id = 1; id <= last; id++) {
        for (; asked < last && asked < id + WINDOW - 1; asked++)
            ask(gw, &open[(asked + 1) % WINDOW], asked + 1);
        hear(l, gw, &open[id % WINDOW]);
    }
}

static int check(const char *socket, const char *path, const char *home)
{
    struct ledger l = {.home = home};
    struct gw *gw;
    struct gw_err err;
    struct attempt_facts *a, *tmp;
    if (gw_connect(socket, &gw, &err) < 0) {
        printf("the daemon is not there: %s\n", err.text);
        return 1;
    }
    read_ledger(&l, path);
    ask_all(&l, gw);
    HASH_ITER (hh, l.attempts, a, tmp) {
        if (a->id)
            broken(&l, "attempt %s was started and is not in the history of job %" PRIu64, a->token,
                   a->id);
        HASH_DEL(l.attempts, a);
        free(a);
    }
    gw_close(gw);
    free(l.tasks);
    return l.violations ? 1 : 0;
}

/* --- what is left --- */

static bool mentions(const char *pid, const char *name, const char *what)
{
    char path[64], text[4097];
    snprintf(path, sizeof path, "/proc/%.20s/%s", pid, name);
    ssize_t n = 0;
    if (strcmp(name, "cwd") == 0) {
        n = readlink(path, text, sizeof text - 1);
    } else {
        FILE *f = fopen(path, "re");
        n = f ? (ssize_t)fread(text, 1, sizeof text - 1, f) : 0;
        if (f)
            fclose(f);
    }
    return n > 0 && memmem(text, (size_t)n, what, strlen(what));
}

static unsigned processes_of(const char *dir, bool is_told)
{
    unsigned n = 0;
    char own[24];
    snprintf(own, sizeof own, "%ld", (long)getpid());
    DIR *proc = opendir("/proc");
    for (const struct dirent *e; proc && (e = readdir(proc));) {
        if (e->d_name[0] < '1' || e->d_name[0] > '9' || strcmp(e->d_name, own) == 0)
            continue;
        if (mentions(e->d_name, "cmdline", dir) || mentions(e->d_name, "cwd", dir)) {
            n++;
            if (is_told)
                printf("process %s is left\n", e->d_name);
        }
    }
    if (proc)
        closedir(proc);
    return n;
}

static unsigned job_directories(const char *dir)
{
    unsigned n = 0;
    char *site = xasprintf("%s/site", dir);
    DIR *d = opendir(site);
    for (const struct dirent *e; d && (e = readdir(d));)
        if (strncmp(e->d_name, ".gw_", 4) == 0 && strchr(e->d_name, '.') &&
            strchr(e->d_name + 4, '.')) {
            n++;
            printf("the job directory %s is left\n", e->d_name);
        }
    if (d)
        closedir(d);
    free(site);
    return n;
}

static int left(const char *dir)
{
    for (int ms = 0; ms < LEFT_WAIT_MS && processes_of(dir, false); ms += 20)
        usleep(20000);
    return processes_of(dir, true) + job_directories(dir) ? 1 : 0;
}

int main(int argc, char **argv)
{
    if (argc == 5 && strcmp(argv[1], "check") == 0)
        return check(argv[2], argv[3], argv[4]);
    if (argc == 3 && strcmp(argv[1], "left") == 0)
        return left(argv[2]);
    fprintf(stderr, "usage: ledger check SOCKET LEDGER HOME | ledger left DIR\n");
    return 64;
}
