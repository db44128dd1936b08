/* The scheduler: who goes where, in which order, and what is said about those who wait. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "gwd/sched/sched.h"
#include "tests/unit/core.h"

#include <time.h>

enum { NOW_US = 1000000, HOSTS_MAX = 64, BUDGET = 1000000000 };

/* A state, hosts, and a log of what was taken: "1.0@a 2.0@b". */
struct bench {
    struct state state;
    struct host *hosts[HOSTS_MAX];
    size_t n_hosts;
    struct match_limits limits;
    const char *unusable; /* name of a host whose driver is down */
    bool has_credential;
    uint64_t user_running;
    int64_t now_us, wake_us;
    struct buf log;
    struct sched *sched;
    uint64_t n_taken;
    bool is_cut;
};

static void take(void *ctx, const struct match *m);
static unsigned host_offers(const void *ctx, const struct host *h);
static bool has_credential(const void *ctx, const struct job_class *c);
static uint64_t user_running(const void *ctx, uint64_t uid);

static struct bench *bench_create(void)
{
    struct bench *b = xcalloc(1, sizeof *b);
    struct event ev = created_event();
    state_init(&b->state);
    b->now_us = NOW_US;
    assert_int_equal(state_apply(&b->state, &ev, NULL), 0);
    b->sched = sched_create(&(struct sched_env){.state = &b->state,
                                                .host_offers = host_offers,
                                                .has_credential = has_credential,
                                                .user_running = user_running,
                                                .take = take,
                                                .ctx = b});
    return b;
}

static void bench_destroy(struct bench *b)
{
    sched_destroy(b->sched);
    for (size_t i = 0; i < b->n_hosts; i++)
        host_destroy(b->hosts[i]);
    state_clear(&b->state);
    buf_clear(&b->log);
    free(b);
}

static struct host *add_host(struct bench *b, const char *name, const char *sample)
{
    struct host *h = host_create(b->n_hosts, name, "i", "t", "e");
    struct gw_err err = {0};
    bool is_changed;
    b->hosts[b->n_hosts++] = h;
    if (sample && host_sample(h, sample, &is_changed, &err) < 0)
        fail_msg("%s", err.text);
    sched_add_host(b->sched, h);
    return h;
}

static void apply(struct bench *b, struct event ev)
{
    struct gw_err err = {0};
    if (!ev.at_us)
        ev.at_us = 1;
    if (state_apply(&b->state, &ev, &err) < 0)
        fail_msg("%s", err.text);
}

/* A job whose template has these lines more. */
static uint64_t add_job(struct bench *b, const char *lines, uint64_t tasks, int64_t priority)
{
    char *source = xasprintf("EXECUTABLE = /bin/true\n%s\n", lines);
    struct event ev = submit_event(b->state.next_job, tasks, source);
    ev.priority = priority;
    apply(b, ev);
    free(source);
    return ev.job;
}

static void start_at(struct bench *b, uint64_t job, uint64_t task, const char *host)
{
    struct task *t = job_task(state_job(&b->state, job), task);
    apply(b, (struct event){.kind = EV_ATTEMPT_STARTED,
                            .job = job,
                            .task = task,
                            .attempt = t ? t->n_attempts + 1 : 1,
                            .epoch = 1,
                            .host = host,
                            .tm = "t",
                            .em = "e",
                            .stage_url = "file:///s"});
}

static void fail_there(struct bench *b, uint64_t job, const char *host, enum blame blame,
                       int64_t not_before_us)
{
    start_at(b, job, 0, host);
    apply(b, (struct event){.kind = EV_ATTEMPT_ENDED,
                            .job = job,
                            .attempt = job_task(state_job(&b->state, job), 0)->n_attempts,
                            .outcome = OUTCOME_REQUEUE,
                            .reason = "io",
                            .blame = blame,
                            .not_before_us = not_before_us});
}

static void take(void *ctx, const struct match *m)
{
    struct bench *b = ctx;
    buf_printf(&b->log, "%s%" PRIu64 ".%" PRIu64 "@%s", b->log.len ? " " : "", m->job->id, m->task,
               m->host->name);
    if (m->host->n_queues > 1)
        buf_printf(&b->log, "/%s", m->host->queues[m->queue].name);
    m->host->queues[m->queue].used += m->job->spec->t->np;
    if (m->job->spec->t->vm_image)
        m->host->vm_memory_mib += m->job->spec->t->vm_memory_mib;
    b->user_running++;
    b->n_taken++;
    start_at(b, m->job->id, m->task, m->host->name);
}

static unsigned host_offers(const void *ctx, const struct host *h)
{
    const struct bench *b = ctx;
    unsigned offers = !b->unusable || strcmp(b->unusable, h->name) != 0 ? OFFER_USABLE : 0;
    if (strcmp(h->name, "bare") == 0)
        offers |= OFFER_BARE;
    return strcmp(h->name, "grid") == 0 ? offers | OFFER_TO_OWNER : offers;
}

static bool has_credential(const void *ctx, const struct job_class *c)
{
    const struct bench *b = ctx;
    (void)c;
    return b->has_credential;
}

static uint64_t user_running(const void *ctx, uint64_t uid)
{
    const struct bench *b = ctx;
    (void)uid;
    return b->user_running;
}

static const char *run(struct bench *b)
{
    buf_reset(&b->log);
    b->n_taken = 0;
    b->wake_us = state_wake(&b->state, b->now_us, INT64_MAX);
    b->is_cut = sched_run(b->sched, &b->limits, b->now_us, BUDGET);
    const char *wrong = recount(&b->state);
    if (wrong)
        fail_msg("%s", wrong);
    return buf_str(&b->log);
}

static const struct match_why *why(struct bench *b, uint64_t job)
{
    return sched_why(b->sched, state_job(&b->state, job)->spec->class);
}

#define SLOTS(n) "LRMS_NAME=\"fork\" NODECOUNT=" #n " "

/* --- order --- */

static void jobs_go_by_priority_and_then_in_the_order_of_submission(void **state)
{
    (void)state;
    struct bench *b = bench_create();
    add_host(b, "a", SLOTS(4));
    add_job(b, "", 1, 0);
    add_job(b, "RANK = 1", 1, 5); /* another class */
    add_job(b, "", 1, 5);
    add_job(b, "", 1, 20);
    add_job(b, "", 1, 0);
    assert_string_equal(run(b), "4.0@a 2.0@a 3.0@a 1.0@a");
    assert_string_equal(run(b), "");
    bench_destroy(b);
}

static void equal_places_are_filled_evenly_and_ranked_ones_in_order(void **state)
{
    (void)state;
    struct bench *b = bench_create();
    add_host(b, "a", SLOTS(2) "CPU_MHZ=1000");
    add_host(b, "b", SLOTS(3) "CPU_MHZ=3000");
    add_host(b, "c", SLOTS(2) "CPU_MHZ=2000");
    add_job(b, "", 4, 0);
    assert_string_equal(run(b), "1.0@b 1.1@a 1.2@b 1.3@c");
    add_job(b, "RANK = CPU_MHZ", 3, 0);
    assert_string_equal(run(b), "5.0@b 5.1@c 5.2@a");
    bench_destroy(b);
}

static void a_rank_that_a_host_cannot_answer_counts_as_nothing(void **state)
{
    (void)state;
    struct bench *b = bench_create();
    add_host(b, "a", SLOTS(1));
    add_host(b, "b", SLOTS(1) "LOAD=-5");
    add_host(b, "c", SLOTS(1) "LOAD=5");
    add_job(b, "RANK = LOAD", 3, 0);
    assert_string_equal(run(b), "1.0@c 1.1@a 1.2@b");
    bench_destroy(b);
}

static void the_host_where_a_task_failed_before_comes_last(void **state)
{
    (void)state;
    struct bench *b = bench_create();
    add_host(b, "a", SLOTS(1) "CPU_MHZ=9000");
    struct host *other = add_host(b, "b", SLOTS(1) "CPU_MHZ=1");
    uint64_t id = add_job(b, "RANK = CPU_MHZ", 1, 0);
    fail_there(b, id, "a", BLAME_SITE, 0);
    assert_string_equal(run(b), "1.0@b");
    /* When it is all that there is, it is taken. */
    id = add_job(b, "RANK = CPU_MHZ", 1, 0);
    fail_there(b, id, "a", BLAME_SITE, 0);
    other->queues[0].used = 1;
    assert_string_equal(run(b), "2.0@a");
    /* A failure that was not the site's counts for nothing. */
    b->hosts[0]->queues[0].used = other->queues[0].used = 0;
    sched_host_freed(b->sched, b->hosts[0]);
    sched_host_freed(b->sched, other);
    id = add_job(b, "RANK = CPU_MHZ", 1, 0);
    fail_there(b, id, "a", BLAME_US, 0);
    assert_string_equal(run(b), "3.0@a");
    bench_destroy(b);
}

static void requirements_choose_hosts_and_queues(void **state)
{
    (void)state;
    struct bench *b = bench_create();
    add_host(b, "a", SLOTS(9) "ARCH=\"i686\"");
    add_host(b, "b",
             SLOTS(9) "ARCH=\"x86_64\" QUEUE_NAME[0]=\"short\" QUEUE_MAXTIME[0]=10 "
                      "QUEUE_NAME[1]=\"long\" QUEUE_MAXTIME[1]=600");
    add_job(b, "REQUIREMENTS = ARCH = \"x86*\" & QUEUE_MAXTIME > 60", 2, 0);
    add_job(b, "REQUIREMENTS = HOSTNAME = \"a\"", 1, 0);
    assert_string_equal(run(b), "1.0@b/long 1.1@b/long 3.0@a");
    bench_destroy(b);
}

/* --- room --- */

static void a_job_of_np_takes_np_slots_or_waits(void **state)
{
    (void)state;
    struct bench *b = bench_create();
    struct host *h = add_host(b, "a", SLOTS(4));
    add_job(b, "NP = 3\nTYPE = mpi", 2, 0);
    assert_string_equal(run(b), "1.0@a");
    assert_int_equal(host_free(h, 0), 1);
    assert_int_equal(why(b, 1)->busy, 1);
    add_job(b, "NP = 5\nTYPE = mpi", 1, 0);
    run(b);
    assert_int_equal(why(b, 3)->too_small, 1);
    assert_int_equal(why(b, 3)->busy, 0);
    bench_destroy(b);
}

static void vms_go_where_a_hypervisor_has_room_for_their_memory(void **state)
{
    (void)state;
    static const char job[] = "VM_IMAGE = /i.qcow2\nVM_MEMORY = 1000\nVM_CPUS = 2";
    struct bench *b = bench_create();
    add_host(b, "a", SLOTS(9));
    add_host(b, "b", SLOTS(9) "VM_HYPERVISOR=\"qemu\" CPU_SMP=1 SIZE_MEM_MB=9000");
    add_host(b, "c", SLOTS(9) "VM_HYPERVISOR=\"qemu\" CPU_SMP=2 SIZE_MEM_MB=999");
    add_host(b, "d", SLOTS(9) "VM_HYPERVISOR=\"qemu\" CPU_SMP=2 SIZE_MEM_MB=2500");
    add_job(b, job, 3, 0);
    assert_string_equal(run(b), "1.0@d 1.1@d");
    assert_int_equal(why(b, 1)->no_vm, 1);
    assert_int_equal(why(b, 1)->too_small, 2);
    assert_int_equal(why(b, 1)->busy, 1);
    b->hosts[3]->vm_memory_mib -= 1000;
    sched_host_freed(b->sched, b->hosts[3]);
    assert_string_equal(run(b), "1.2@d");
    bench_destroy(b);
}

/* --- why not --- */

static void each_host_that_is_ruled_out_is_counted_once_by_what_ruled_it_out(void **state)
{
    (void)state;
    struct bench *b = bench_create();
    add_host(b, "silent", NULL);
    add_host(b, "down", SLOTS(1))->is_up = false;
    add_host(b, "driverless", SLOTS(1));
    add_host(b, "drained", SLOTS(1));
    add_host(b, "no-lrms", "NODECOUNT=4");
    add_host(b, "first", SLOTS(1) "ARCH=\"i686\" CPU_MHZ=5000");
    add_host(b, "second", SLOTS(1) "ARCH=\"x86_64\" CPU_MHZ=100");
    add_host(b, "second-unknown", SLOTS(1) "ARCH=\"x86_64\"");
    add_host(b, "small", SLOTS(0) "ARCH=\"x86_64\" CPU_MHZ=5000");
    add_host(b, "busy", SLOTS(1) "ARCH=\"x86_64\" CPU_MHZ=5000")->queues[0].used = 1;
    b->unusable = "driverless";
    apply(b, (struct event){.kind = EV_SITE_DRAINED, .host = "drained", .flag = 1});
    uint64_t id = add_job(b, "REQUIREMENTS = ARCH = \"x86_64\" & CPU_MHZ > 1000", 1, 0);
    assert_string_equal(run(b), "");
    const struct match_why *w = why(b, id);
    assert_int_equal(w->at_us, NOW_US);
    assert_int_equal(w->hosts, 10);
    assert_int_equal(w->down, 3);
    assert_int_equal(w->drained, 1);
    assert_int_equal(w->no_lrms, 1);
    assert_int_equal(w->no_vm, 0);
    assert_int_equal(w->n_conjuncts, 2);
    assert_int_equal(w->unmatched[0], 1);
    assert_int_equal(w->unmatched[1], 2);
    assert_int_equal(w->too_small, 1);
    assert_int_equal(w->busy, 1);
    assert_false(w->is_paused || w->is_user_limit);
    bench_destroy(b);
}

static void a_paused_daemon_matches_nothing_and_says_so(void **state)
{
    (void)state;
    struct bench *b = bench_create();
    add_host(b, "a", SLOTS(1));
    uint64_t id = add_job(b, "", 1, 0);
    apply(b, (struct event){.kind = EV_DISPATCH_PAUSED, .flag = 1});
    assert_string_equal(run(b), "");
    assert_true(why(b, id)->is_paused);
    apply(b, (struct event){.kind = EV_DISPATCH_PAUSED});
    assert_string_equal(run(b), "1.0@a");
    bench_destroy(b);
}

static void without_any_host_the_reason_is_that_there_is_none(void **state)
{
    (void)state;
    struct bench *b = bench_create();
    uint64_t id = add_job(b, "", 1, 0);
    assert_string_equal(run(b), "");
    assert_int_equal(why(b, id)->hosts, 0);
    assert_int_equal(why(b, id)->busy, 0);
    bench_destroy(b);
}

static void jobs_without_staging_go_where_the_driver_takes_them(void **state)
{
    (void)state;
    struct bench *b = bench_create();
    add_host(b, "a", SLOTS(9));
    add_host(b, "bare", SLOTS(1));
    uint64_t id = add_job(b, "STAGING = no", 2, 0);
    add_job(b, "", 1, 0);
    assert_string_equal(run(b), "1.0@bare 3.0@a");
    assert_int_equal(why(b, id)->no_bare, 1);
    assert_int_equal(why(b, id)->busy, 1);
    bench_destroy(b);
}

static void a_host_of_the_owners_name_waits_for_his_credential(void **state)
{
    (void)state;
    struct bench *b = bench_create();
    add_host(b, "grid", SLOTS(2));
    uint64_t id = add_job(b, "", 2, 0);
    assert_string_equal(run(b), "");
    assert_int_equal(why(b, id)->no_credential, 1);
    b->has_credential = true;
    sched_credentials_changed(b->sched);
    b->limits.per_pass = 1;
    assert_string_equal(run(b), "1.0@grid");
    /* It ends between two passes, and nobody has said so yet. */
    b->has_credential = false;
    assert_string_equal(run(b), "");
    assert_true(b->is_cut);
    assert_string_equal(run(b), "");
    assert_int_equal(why(b, id)->no_credential, 1);
    bench_destroy(b);
}

/* --- limits and time --- */

static void limits_hold_and_ask_for_another_pass_when_it_would_find_room(void **state)
{
    (void)state;
    struct bench *b = bench_create();
    add_host(b, "a", SLOTS(9));
    add_host(b, "b", SLOTS(9));
    uint64_t id = add_job(b, "", 30, 0);
    b->limits = (struct match_limits){.per_pass = 3};
    assert_string_equal(run(b), "1.0@a 1.1@b 1.2@a");
    assert_true(b->is_cut);
    b->limits = (struct match_limits){.per_host = 1};
    assert_string_equal(run(b), "1.3@b 1.4@a");
    assert_true(b->is_cut);
    b->limits = (struct match_limits){.per_user = 6};
    assert_string_equal(run(b), "1.5@b");
    assert_false(b->is_cut);
    assert_true(why(b, id)->is_user_limit);
    b->limits = (struct match_limits){0};
    run(b);
    assert_int_equal(b->n_taken, 12);
    assert_false(b->is_cut);
    /* All is full: a limit changes nothing about that. */
    b->limits = (struct match_limits){.per_pass = 3, .per_host = 1};
    assert_string_equal(run(b), "");
    assert_false(b->is_cut);
    bench_destroy(b);
}

static void a_task_in_back_off_is_left_out_and_its_time_is_told(void **state)
{
    (void)state;
    struct bench *b = bench_create();
    add_host(b, "a", SLOTS(9));
    uint64_t first = add_job(b, "", 1, 0), second = add_job(b, "", 1, 0);
    fail_there(b, first, "x", BLAME_SITE, NOW_US + 500);
    fail_there(b, second, "x", BLAME_SITE, NOW_US + 300);
    add_job(b, "", 1, 0);
    assert_string_equal(run(b), "3.0@a");
    assert_int_equal(b->wake_us, NOW_US + 300);
    b->now_us = NOW_US + 300;
    assert_string_equal(run(b), "2.0@a");
    assert_int_equal(b->wake_us, NOW_US + 500);
    b->now_us = NOW_US + 500;
    assert_string_equal(run(b), "1.0@a");
    assert_int_equal(b->wake_us, INT64_MAX);
    bench_destroy(b);
}

static void held_tasks_are_left_out(void **state)
{
    (void)state;
    struct bench *b = bench_create();
    add_host(b, "a", SLOTS(9));
    uint64_t id = add_job(b, "", 4, 0);
    apply(b, (struct event){.kind = EV_WISHED, .job = id, .task = 1, .wish = WISH_HELD});
    assert_string_equal(run(b), "1.0@a 1.2@a 1.3@a");
    apply(b, (struct event){.kind = EV_WISHED, .job = id, .task = 1, .wish = WISH_RUN});
    assert_string_equal(run(b), "1.1@a");
    bench_destroy(b);
}

static void the_places_of_a_class_are_listed_best_first_also_when_they_are_full(void **state)
{
    (void)state;
    struct bench *b = bench_create();
    add_host(b, "a", SLOTS(1) "CPU_MHZ=1");
    add_host(b, "b", SLOTS(1) "CPU_MHZ=2")->queues[0].used = 1;
    add_host(b, "c", SLOTS(1));
    add_host(b, "d", NULL);
    uint64_t id = add_job(b, "REQUIREMENTS = CPU_MHZ > 0\nRANK = CPU_MHZ", 1, 0);
    run(b);
    size_t n;
    struct match_place *places = sched_places(b->sched, state_job(&b->state, id)->spec->class, &n);
    assert_int_equal(n, 2);
    assert_string_equal(places[0].host->name, "b");
    assert_string_equal(places[1].host->name, "a");
    free(places);
    bench_destroy(b);
}

static void a_class_is_found_by_its_slot_also_when_that_had_another_one(void **state)
{
    (void)state;
    struct bench *b = bench_create();
    struct host *h = add_host(b, "a", SLOTS(1));
    h->queues[0].used = 1;
    uint64_t id = add_job(b, "REQUIREMENTS = NOSUCH = 1", 1, 0);
    assert_string_equal(run(b), "");
    assert_int_equal(why(b, id)->unmatched[0], 1);
    apply(b, (struct event){
                 .kind = EV_TASK_ENDED, .job = id, .outcome = OUTCOME_FAILED, .reason = "killed"});
    apply(b, (struct event){.kind = EV_JOB_FORGOTTEN, .job = id});
    id = add_job(b, "RANK = 2", 1, 0);
    assert_null(why(b, id));
    assert_string_equal(run(b), "");
    assert_int_equal(why(b, id)->busy, 1);
    h->queues[0].used = 0;
    sched_host_freed(b->sched, h);
    assert_string_equal(run(b), "2.0@a");
    bench_destroy(b);
}

static void a_pass_that_was_cut_goes_on_where_it_ended(void **state)
{
    (void)state;
    struct bench *b = bench_create();
    for (int i = 0; i < HOSTS_MAX; i++) {
        char name[16];
        snprintf(name, sizeof name, "h%d", i);
        add_host(b, name, SLOTS(1) "CPU_MHZ=5");
    }
    for (int i = 0; i < 40; i++) {
        char text[40];
        snprintf(text, sizeof text, "REQUIREMENTS = CPU_MHZ != %d", i);
        add_job(b, text, 1, i);
    }
    uint64_t n_passes = 0, last = 41;
    assert_true(sched_is_idle(b->sched) == false);
    for (b->is_cut = true; b->is_cut; n_passes++)
        b->is_cut = sched_run(b->sched, &b->limits, NOW_US, 100);
    assert_true(n_passes > 39);
    assert_true(sched_is_idle(b->sched));
    assert_int_equal(b->n_taken, 39); /* all but the one that wants no 5 */
    for (const char *p = buf_str(&b->log); p; p = strchr(p, ' ') ? strchr(p, ' ') + 1 : NULL) {
        uint64_t id = strtoul(p, NULL, 10);
        assert_true(id < last);
        last = id;
    }
    bench_destroy(b);
}

/* A start costs 500, and a search elsewhere each open host: else one pass takes as long as it
 * likes. */
static void a_search_of_all_hosts_is_charged_to_the_pass(void **state)
{
    (void)state;
    struct bench *b = bench_create();
    for (int i = 0; i < HOSTS_MAX; i++) {
        char name[16];
        snprintf(name, sizeof name, "h%d", i);
        add_host(b, name, i ? SLOTS(9) "CPU_MHZ=5" : SLOTS(9) "CPU_MHZ=9000");
    }
    for (int i = 0; i < 60; i++)
        fail_there(b, add_job(b, "RANK = CPU_MHZ", 1, 0), "h0", BLAME_SITE, 0);
    apply(b, (struct event){.kind = EV_DISPATCH_PAUSED, .flag = 1});
    assert_string_equal(run(b), ""); /* but all is evaluated */
    apply(b, (struct event){.kind = EV_DISPATCH_PAUSED, .flag = 0});
    assert_true(sched_run(b->sched, &b->limits, NOW_US, 20000));
    assert_in_range(b->n_taken, 20000 / (500 + HOSTS_MAX) - 2, 20000 / (500 + HOSTS_MAX) + 1);
    assert_null(strstr(buf_str(&b->log), "@h0"));
    bench_destroy(b);
}

/* The number of classes counts, not of jobs: 100,000 tasks and 2,000 jobs over 64 hosts. */
static void a_pass_costs_classes_times_hosts_and_not_jobs_times_hosts(void **state)
{
    (void)state;
    struct bench *b = bench_create();
    for (int i = 0; i < HOSTS_MAX; i++) {
        char name[16];
        snprintf(name, sizeof name, "h%d", i);
        add_host(b, name, SLOTS(4) "ARCH=\"x86_64\"");
    }
    for (int i = 0; i < 2000; i++)
        add_job(b, "REQUIREMENTS = ARCH = \"x86_64\"", 50, i % 5);
    clock_t start = clock();
    run(b);
    assert_int_equal(b->n_taken, 4 * HOSTS_MAX);
    for (int i = 0; i < 100; i++)
        assert_string_equal(run(b), "");
    double took = (double)(clock() - start) / CLOCKS_PER_SEC;
    if (took > 3)
        fail_msg("101 passes took %.2f s", took);
    bench_destroy(b);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(jobs_go_by_priority_and_then_in_the_order_of_submission),
        cmocka_unit_test(equal_places_are_filled_evenly_and_ranked_ones_in_order),
        cmocka_unit_test(a_rank_that_a_host_cannot_answer_counts_as_nothing),
        cmocka_unit_test(the_host_where_a_task_failed_before_comes_last),
        cmocka_unit_test(requirements_choose_hosts_and_queues),
        cmocka_unit_test(a_job_of_np_takes_np_slots_or_waits),
        cmocka_unit_test(vms_go_where_a_hypervisor_has_room_for_their_memory),
        cmocka_unit_test(each_host_that_is_ruled_out_is_counted_once_by_what_ruled_it_out),
        cmocka_unit_test(a_paused_daemon_matches_nothing_and_says_so),
        cmocka_unit_test(without_any_host_the_reason_is_that_there_is_none),
        cmocka_unit_test(limits_hold_and_ask_for_another_pass_when_it_would_find_room),
        cmocka_unit_test(a_task_in_back_off_is_left_out_and_its_time_is_told),
        cmocka_unit_test(held_tasks_are_left_out),
        cmocka_unit_test(the_places_of_a_class_are_listed_best_first_also_when_they_are_full),
        cmocka_unit_test(a_pass_costs_classes_times_hosts_and_not_jobs_times_hosts),
        cmocka_unit_test(jobs_without_staging_go_where_the_driver_takes_them),
        cmocka_unit_test(a_host_of_the_owners_name_waits_for_his_credential),
        cmocka_unit_test(a_class_is_found_by_its_slot_also_when_that_had_another_one),
        cmocka_unit_test(a_pass_that_was_cut_goes_on_where_it_ended),
        cmocka_unit_test(a_search_of_all_hosts_is_charged_to_the_pass),
    };
    return cmocka_run_group_tests_name("sched", tests, NULL, NULL);
}
