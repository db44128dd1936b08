/* The scheduler alone: JOBS pending in 1,000 classes on 10,000 hosts with a slot each. Processor
 * time, medians of five. What the model does about a start is in it; the engine's part is not.
 *
 *     sched [JOBS] */
#include "bench/report.h"
#include "gwd/sched/sched.h"
#include "lib/mem.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

enum { CLASSES = 1000, HOSTS = 10000, ROUNDS = 5, REPEATS = 1000, PASS_BUDGET = 50000 };

static struct state state;
static struct host *hosts[HOSTS];
static struct job *at_host[HOSTS]; /* the last one that was started there */
static struct sched *sched;
static double slice_max_ms;
static uint64_t n_started;

static double cpu_ms(void)
{
    struct timespec t;
    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t);
    return (double)t.tv_sec * 1e3 + (double)t.tv_nsec / 1e6;
}

static void fail(const char *why)
{
    fprintf(stderr, "sched: %s\n", why);
    exit(1);
}

static void apply(struct event ev)
{
    struct gw_err err;
    ev.at_us = 1;
    if (state_apply(&state, &ev, &err) < 0)
        fail(err.text);
}

static unsigned host_offers(const void *ctx, const struct host *h)
{
    (void)ctx, (void)h;
    return OFFER_USABLE;
}

static bool has_credential(const void *ctx, const struct job_class *c)
{
    (void)ctx, (void)c;
    return true;
}

static uint64_t user_running(const void *ctx, uint64_t uid)
{
    (void)ctx, (void)uid;
    return 0;
}

static void take(void *ctx, const struct match *m)
{
    (void)ctx;
    apply((struct event){.kind = EV_ATTEMPT_STARTED,
                         .job = m->job->id,
                         .attempt = 1,
                         .epoch = 1,
                         .host = m->host->name,
                         .tm = "t",
                         .em = "e",
                         .stage_url = "file:///s"});
    m->host->queues[0].used++;
    at_host[m->host->id] = m->job;
    n_started++;
}

/* Until nothing more can be started. */
static void run(void)
{
    static const struct match_limits no_limits;
    for (bool is_cut = true; is_cut;) {
        double start = cpu_ms(), took;
        is_cut = sched_run(sched, &no_limits, 1, PASS_BUDGET);
        took = cpu_ms() - start;
        slice_max_ms = took > slice_max_ms ? took : slice_max_ms;
    }
}

static void submit(uint64_t n_jobs)
{
    for (uint64_t i = 0; i < n_jobs; i++) {
        uint64_t class = i * 7919 % CLASSES;
        char *source = xasprintf("EXECUTABLE = /bin/true\nREQUIREMENTS = ARCH = \"x86_64\" & "
                                 "CPU_MHZ > %" PRIu64 " & SIZE_MEM_MB > 512\n%s",
                                 class, class % 2 ? "RANK = CPU_MHZ\n" : "");
        apply((struct event){.kind = EV_JOB_SUBMITTED,
                             .job = i + 1,
                             .tasks = 1,
                             .source = source,
                             .home = "/home/ann",
                             .user = "ann",
                             .uid = 1000,
                             .gid = 1000,
                             .array_increment = 1,
                             .priority = (int64_t)(i % 20)});
        free(source);
    }
}

static void sample(struct host *h, unsigned mhz)
{
    struct gw_err err;
    bool is_changed;
    char *text = xasprintf("ARCH=\"x86_64\" CPU_MHZ=%u SIZE_MEM_MB=4096 LRMS_NAME=\"fork\" "
                           "NODECOUNT=1",
                           mhz);
    if (host_sample(h, text, &is_changed, &err) < 0)
        fail(err.text);
    free(text);
}

static void from_scratch(void)
{
    sched_destroy(sched);
    for (size_t i = 0; i < HOSTS; i++)
        hosts[i]->queues[0].used = 0;
    sched = sched_create(&(struct sched_env){.state = &state,
                                             .host_offers = host_offers,
                                             .has_credential = has_credential,
                                             .user_running = user_running,
                                             .take = take});
    for (size_t i = 0; i < HOSTS; i++)
        sched_add_host(sched, hosts[i]);
    run();
}

static void nothing_changed(void)
{
    for (size_t i = 0; i < REPEATS; i++)
        run();
}

static void one_host_freed(void)
{
    for (size_t i = 0; i < REPEATS; i++) {
        struct host *h = hosts[i * 7919 % HOSTS];
        apply((struct event){.kind = EV_ATTEMPT_ENDED,
                             .job = at_host[h->id]->id,
                             .attempt = 1,
                             .outcome = OUTCOME_FAILED,
                             .reason = "io"});
        h->queues[0].used--;
        sched_host_freed(sched, h);
        run();
    }
}

static void one_sample_changed(void)
{
    for (size_t i = 0; i < REPEATS; i++) {
        struct host *h = hosts[i * 6271 % HOSTS];
        sample(h, 500 + (unsigned)(rand() % 2000));
        sched_host_changed(sched, h);
        run();
    }
}

static int by_value(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

static void measure(const char *name, void (*step)(void), unsigned repeats)
{
    double took[ROUNDS];
    for (size_t i = 0; i < ROUNDS; i++) {
        double start = cpu_ms();
        step();
        took[i] = (cpu_ms() - start) / repeats;
    }
    qsort(took, ROUNDS, sizeof *took, by_value);
    report(name, took[ROUNDS / 2], "ms");
}

int main(int argc, char **argv)
{
    uint64_t n_jobs = argc > 1 ? strtoull(argv[1], NULL, 10) : 1000000;
    state_init(&state);
    apply((struct event){.kind = EV_STATE_CREATED, .instance = "i", .epoch = 1});
    submit(n_jobs);
    for (size_t i = 0; i < HOSTS; i++) {
        char name[16];
        snprintf(name, sizeof name, "h%zu", i);
        hosts[i] = host_create(i, name, "i", "t", "e");
        sample(hosts[i], 500 + (unsigned)(i * 6271 % 2000));
    }
    measure("sched.scratch", from_scratch, 1);
    measure("sched.unchanged", nothing_changed, REPEATS);
    n_started = 0;
    measure("sched.freed", one_host_freed, REPEATS);
    if (n_started != ROUNDS * REPEATS)
        fail("a freed host was not used");
    measure("sched.sample", one_sample_changed, REPEATS);
    report("sched.slice", slice_max_ms, "ms");
    sched_destroy(sched);
    for (size_t i = 0; i < HOSTS; i++)
        host_destroy(hosts[i]);
    state_clear(&state);
    return 0;
}
