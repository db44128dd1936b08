/* What keeping jobs costs, without a daemon. Prints a JSON line for each figure:
 *
 *     mem.job, mem.task      of the state: a pending single job, a pending task of an array
 *     store.life             processor time of a job's nine events from submitted to forgotten:
 * made, folded, in the journal, in a checkpoint and out of it, archived; by all threads, the
 * kernel's share too store.commit_*         what a turn waits for: its commit and its piece of a
 * checkpoint store.one_row_commits  what this disk gives at most store.load_N           a new
 * process loads the state of N unfinished jobs
 *
 *     store DIR [JOBS]       DIR: where the files go (removed again); JOBS: 1,000,000 by default
 *     store keep DIR JOBS    leave a state of unfinished jobs in DIR, for a daemon to start with */
#include "bench/report.h"
#include "gwd/store/store.h"
#include "lib/file.h"
#include "lib/mem.h"

#include <inttypes.h>
#include <malloc.h>
#include <sqlite3.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

static const char source[] = "NAME = bench\n"
                             "EXECUTABLE = /bin/true\n"
                             "ARGUMENTS = one two three\n"
                             "REQUIREMENTS = ARCH = \"x86_64\" & CPU_MHZ > 1000\n"
                             "RANK = CPU_MHZ\n";

static void die(const struct gw_err *err)
{
    fprintf(stderr, "store: %s\n", err->text);
    exit(1);
}

static double cpu_s(void)
{
    struct rusage u;
    getrusage(RUSAGE_SELF, &u);
    return (double)(u.ru_utime.tv_sec + u.ru_stime.tv_sec) +
           (double)(u.ru_utime.tv_usec + u.ru_stime.tv_usec) / 1e6;
}

static size_t allocated(void)
{
    struct mallinfo2 m = mallinfo2();
    return m.uordblks + m.hblkhd;
}

/* --- a store with its state, and turns --- */

struct world {
    char *dir;
    struct store *store;
    struct state state;
    struct buf events; /* of the turn that is being made */
    uint64_t first_seq, n_events;
    double *latencies; /* seconds, of each turn */
    size_t n_latencies;
    double busy_s;
};

static void emit(struct world *w, struct event *ev)
{
    struct gw_err err = {0};
    ev->at_us = 1700000000000000 + (int64_t)w->state.seq * 7;
    ev->seq = w->state.seq + 1;
    event_encode(ev, &w->events);
    if (state_apply(&w->state, ev, &err) < 0)
        die(&err);
    if (w->n_events++ == 0)
        w->first_seq = ev->seq;
}

static void turn(struct world *w, uint64_t checkpoint_every)
{
    struct gw_err err = {0};
    double start = report_now_s();
    if (w->n_events && store_append(w->store, w->first_seq, w->n_events, &w->events, &err) < 0)
        die(&err);
    if (checkpoint_every &&
        store_checkpoint_some(w->store, &w->state, checkpoint_every, 100000, &err) < 0)
        die(&err);
    w->latencies = xreallocarray(w->latencies, w->n_latencies + 1, sizeof *w->latencies);
    w->latencies[w->n_latencies++] = report_now_s() - start;
    buf_reset(&w->events);
    w->n_events = 0;
}

static void create(struct world *w)
{
    struct event ev = {
        .kind = EV_STATE_CREATED, .instance = "11111111-2222-4333-8444-555555555555", .epoch = 1};
    emit(w, &ev);
}

static uint64_t submit(struct world *w, uint64_t tasks)
{
    char key[64];
    snprintf(key, sizeof key, "1000:%08" PRIx64 "-aaaa-4bbb-8ccc-%012" PRIx64, w->state.next_job,
             w->state.next_job * 7);
    struct event ev = {.kind = EV_JOB_SUBMITTED,
                       .job = w->state.next_job,
                       .tasks = tasks,
                       .source = source,
                       .file = "bench.jt",
                       .home = "/home/ann",
                       .user = "ann",
                       .uid = 1000,
                       .gid = 1000,
                       .array_increment = 1,
                       .array_id = tasks > 1 ? w->state.next_array : 0,
                       .key = key};
    uint64_t job = ev.job;
    emit(w, &ev);
    return job;
}

static void open_world(struct world *w, const char *dir)
{
    struct gw_err err = {0};
    *w = (struct world){.dir = xstrdup(dir)};
    state_init(&w->state);
    if (file_mkdirs(dir, 0700, &err) < 0 || store_open(dir, &w->store, &err) < 0 ||
        store_load(w->store, &w->state, &err) < 0)
        die(&err);
}

static void close_world(struct world *w)
{
    store_close(w->store);
    state_clear(&w->state);
    buf_clear(&w->events);
    free(w->latencies);
    free(w->dir);
}

/* --- figures --- */

static void memory(uint64_t n)
{
    struct world w = {0};
    state_init(&w.state);
    create(&w);
    submit(&w, 1);
    buf_reset(&w.events);
    size_t before = allocated() - w.events.cap;
    for (uint64_t i = 0; i < n; i++) {
        submit(&w, 1);
        buf_reset(&w.events);
    }
    report("mem.job", (double)(allocated() - w.events.cap - before) / (double)n, "B");
    before = allocated();
    submit(&w, 1000000);
    report("mem.task", (double)(allocated() - before) / 1e6, "B");
    state_clear(&w.state);
    buf_clear(&w.events);
}

static void make_state(const char *dir, uint64_t n)
{
    struct gw_err err = {0};
    struct world w;
    open_world(&w, dir);
    create(&w);
    for (uint64_t i = 0; i < n; i++) {
        submit(&w, 1);
        if (i % 100 == 99)
            turn(&w, 0);
    }
    turn(&w, 0);
    if (store_checkpoint(w.store, &w.state, 0, &err) < 0)
        die(&err);
    close_world(&w);
}

/* In a process of its own, so that nothing of how the state was made helps. */
static void restart(const char *dir, uint64_t n)
{
    make_state(dir, n);
    fflush(stdout);
    pid_t pid = fork();
    if (pid == 0) {
        char name[64];
        struct world w;
        double start = report_now_s();
        open_world(&w, dir);
        snprintf(name, sizeof name, "store.load_%" PRIu64, n);
        report(name, (report_now_s() - start) * 1e3, "ms");
        fflush(stdout);
        _exit(w.state.n_tasks[PHASE_PENDING] == n ? 0 : 1);
    }
    int status;
    waitpid(pid, &status, 0);
    if (status != 0)
        exit(1);
    file_remove_tree(dir, NULL);
}

static void step(struct world *w, uint64_t job, enum event_kind kind)
{
    struct event ev = {.kind = kind, .job = job, .attempt = 1};
    if (kind == EV_ATTEMPT_STARTED) {
        ev.epoch = 1;
        ev.host = "node17.example.org";
        ev.queue = "default";
        ev.lrms = "jobmanager-fork";
        ev.im = "static";
        ev.tm = "local";
        ev.em = "fork";
        ev.stage_url = "file:///var/lib/gwd/site";
        ev.gwvm = "";
        ev.match_rank = 2400000;
    }
    if (kind == EV_ATTEMPT_SUBMITTED)
        ev.contact = "11111111-2222-4333-8444-555555555555.1.123456.0.1";
    if (kind == EV_ATTEMPT_ENDED)
        ev.outcome = OUTCOME_DONE;
    emit(w, &ev);
}

static int by_value(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

static void on_archived(void *ctx)
{
    (void)ctx;
}

/* Jobs that have ended leave, as the daemon has it: archived first, forgotten when that is on disk.
 */
static void leave(struct world *w, uint64_t *next, uint64_t *archived, uint64_t end)
{
    struct gw_err err = {0};
    if (store_archive_is_busy(w->store))
        return;
    if (*next < *archived && store_archive_result(w->store, &err) < 0)
        die(&err);
    for (; *next < *archived; ++*next) {
        struct event ev = {.kind = EV_JOB_FORGOTTEN, .job = *next};
        emit(w, &ev);
    }
    for (; *archived < end && *archived < *next + 256; ++*archived) {
        size_t it = 0;
        store_archive_put(w->store, state_job(&w->state, *archived), &it);
    }
    if (*archived > *next)
        store_archive_write(w->store, 1, on_archived, NULL);
}

/* Jobs go through their lives 150 abreast; each turn is a step of all, as a busy daemon gathers
 * them. */
static void life(const char *dir, uint64_t n)
{
    enum { ABREAST = 150, RETAINED = 66 };
    static const enum event_kind steps[] = {
        EV_ATTEMPT_STARTED, EV_ATTEMPT_STAGED,   EV_ATTEMPT_SUBMITTED, EV_ATTEMPT_ACTIVE,
        EV_ATTEMPT_EXITED,  EV_RESULTS_ACCEPTED, EV_ATTEMPT_ENDED};
    struct world w;
    open_world(&w, dir);
    create(&w);
    double start = cpu_s();
    uint64_t next = 1, archived = 1;
    for (uint64_t i = 0; i < n; i += ABREAST) {
        uint64_t first = w.state.next_job;
        for (int k = 0; k < ABREAST; k++)
            submit(&w, 1);
        turn(&w, 1000);
        for (size_t s = 0; s < GW_COUNT(steps); s++) {
            for (uint64_t k = 0; k < ABREAST; k++)
                step(&w, first + k, steps[s]);
            if (first > RETAINED * ABREAST)
                leave(&w, &next, &archived, first - RETAINED * ABREAST);
            turn(&w, 1000);
        }
    }
    turn(&w, 1000);
    report("store.life", (cpu_s() - start) * 1e6 / (double)n, "us");
    qsort(w.latencies, w.n_latencies, sizeof *w.latencies, by_value);
    report("store.commit_p50", w.latencies[w.n_latencies / 2] * 1e3, "ms");
    report("store.commit_p99", w.latencies[w.n_latencies * 99 / 100] * 1e3, "ms");
    report("store.commit_max", w.latencies[w.n_latencies - 1] * 1e3, "ms");
    close_world(&w);
    file_remove_tree(dir, NULL);
}

static void yardstick(const char *dir)
{
    struct gw_err err = {0};
    struct world w;
    sqlite3_stmt *insert;
    sqlite3 *db;
    open_world(&w, dir);
    char *path = xasprintf("%s/yard.db", dir);
    if (sqlite3_open(path, &db) != SQLITE_OK ||
        sqlite3_exec(db,
                     "PRAGMA journal_mode=WAL; PRAGMA synchronous=FULL;"
                     "CREATE TABLE row(id INTEGER PRIMARY KEY, data BLOB NOT NULL);",
                     NULL, NULL, NULL) != SQLITE_OK ||
        sqlite3_prepare_v2(db, "INSERT INTO row(data) VALUES(zeroblob(200))", -1, &insert, NULL) !=
            SQLITE_OK) {
        gw_err_set(&err, GW_EIO, "%s", sqlite3_errmsg(db));
        die(&err);
    }
    double start = report_now_s(), end;
    long n = 0;
    do {
        sqlite3_step(insert);
        sqlite3_reset(insert);
        n++;
    } while ((end = report_now_s()) - start < 1);
    report("store.one_row_commits", (double)n / (end - start), "1/s");
    sqlite3_finalize(insert);
    sqlite3_close(db);
    free(path);
    close_world(&w);
    file_remove_tree(dir, NULL);
}

int main(int argc, char **argv)
{
    if (argc < 2) {
        fprintf(stderr, "usage: store DIR [JOBS]\n");
        return 64;
    }
    if (strcmp(argv[1], "keep") == 0) {
        if (argc > 3)
            make_state(argv[2], strtoull(argv[3], NULL, 10));
        return argc > 3 ? 0 : 64;
    }
    uint64_t n = argc > 2 ? strtoull(argv[2], NULL, 10) : 1000000;
    char *dir = xasprintf("%s/store-bench", argv[1]);
    yardstick(dir);
    memory(n);
    life(dir, n / 10);
    restart(dir, n / 10);
    restart(dir, n);
    free(dir);
    return 0;
}
