/* Copies of which nothing is heard any more: broken off and made again, as often as anything is. */
#include "tests/unit/world.h"

static const char plain[] = "EXECUTABLE = run.sh\nINPUT_FILES = data\nOUTPUT_FILES = result\n";
static const char leased[] =
    "EXECUTABLE = run.sh\nOUTPUT_FILES = result\nON_LOST = retry-after-lease\nLEASE = 60s\n";
static const char vm[] = "EXECUTABLE = run.sh\nOUTPUT_FILES = result\nVM_IMAGE = "
                         "/images/debian.qcow2\nVM_MEMORY = 256\n";

enum { SMALL = FEATURES_ALL | FEATURE_SMALL };

/* The first copies that have `has` in them are not heard of, but for `skip`. */
static struct world *begin(const char *source, uint64_t tasks, unsigned tm_features,
                           struct fault fault)
{
    struct world *w = world_create();
    struct submission sub = submission_of(source, tasks);
    w->features[DRIVER_TM] = tm_features;
    world_start(w);
    world_listen(w);
    w->faults[0] = fault;
    world_submit_as(w, &sub);
    return w;
}

/* The daemon's watchdog. */
static void say_stalled(struct world *w)
{
    struct input in = {
        .kind = IN_STALLED,
        .answer = {
            .kind = DRIVER_TM, .driver = "local", .ref = w->unheard, .number = w->unheard_number}};
    world_step(w, &in);
}

static void check_nothing_left(struct world *w)
{
    struct host *h = engine_host(w->engine, "alpha");
    assert_int_equal(h->running + h->vm_memory_mib + h->queues[0].used, 0);
    for (struct world_file *f = w->files; f; f = f->hh.next)
        if (f->is_there && strstr(f->url, "/.gw_i."))
            fail_msg("%s is left", f->url);
}

static void check_done_once(struct world *w, uint64_t tasks, int k)
{
    for (uint64_t id = 1; id <= tasks; id++) {
        struct task *t = world_task(w, id);
        if (!t || t->phase != PHASE_DONE || t->n_attempts != 1)
            fail_msg("copy %d: task %" PRIu64 " is %s; sent: %s", k, id,
                     phase_name(world_phase(w, id)), buf_str(&w->trace));
    }
    for (struct run *r = w->runs; r; r = r->next)
        assert_int_equal(r->n_started, 1);
    check_nothing_left(w);
}

/* The k-th copy is not heard of; false: there are fewer. */
static bool one_stalls(const char *source, uint64_t tasks, unsigned tm_features, int k,
                       const char *how)
{
    struct world *w = begin(source, tasks, tm_features, (struct fault){"CP", NULL, how, k, 1});
    world_pass(w, 20);
    bool is_one = w->faults[0].times == 0;
    if (is_one) {
        say_stalled(w);
        say_stalled(w); /* it is known already */
        world_pass(w, 300);
    }
    check_done_once(w, tasks, k);
    world_destroy(w);
    return is_one;
}

static void any_copy_of_which_nothing_is_heard_is_made_again(void **state)
{
    static const struct {
        const char *source;
        uint64_t tasks;
        unsigned tm_features;
        int copies; /* at least */
    } scenes[] = {{plain, 1, FEATURES_ALL, 7},
                  {plain, 1, SMALL, 4},
                  {leased, 1, FEATURES_ALL, 7},
                  {vm, 3, FEATURES_ALL, 19},
                  {vm, 3, SMALL, 10}};
    static const char *const hows[] = {"", "lost"};
    (void)state;
    for (size_t i = 0; i < GW_COUNT(scenes); i++)
        for (size_t how = 0; how < GW_COUNT(hows); how++) {
            int k = 0;
            while (
                one_stalls(scenes[i].source, scenes[i].tasks, scenes[i].tm_features, k, hows[how]))
                k++;
            if (k < scenes[i].copies)
                fail_msg("scene %zu has %d copies", i, k);
        }
}

/* As with any failure of the site's: so many tries, and then another attempt. */
static void a_copy_that_never_ends_is_not_made_for_ever(void **state)
{
    (void)state;
    for (int is_ended_by_death = 0; is_ended_by_death < 2; is_ended_by_death++) {
        struct world *w =
            begin(plain, 1, FEATURES_ALL, (struct fault){"CP", "run.sh", "", 0, 1000});
        for (int i = 0; i < 20; i++) {
            world_pass(w, 60);
            w->faults[1] = (struct fault){"END", NULL, "", 0, is_ended_by_death};
            say_stalled(w);
            world_pass(w, 60);
            if (is_ended_by_death) {
                world_driver(w, DRIVER_TM, false);
                world_driver(w, DRIVER_TM, true);
            }
        }
        struct task *t = world_task(w, 1);
        assert_int_equal(t->phase, PHASE_FAILED);
        assert_string_equal(t->reason.code, "unreachable");
        assert_int_equal(t->n_attempts, w->config.attempts_max);
        check_nothing_left(w);
        world_destroy(w);
    }
}

/* Results are worth any number of tries. */
static void results_that_stall_come_home_in_the_end(void **state)
{
    (void)state;
    struct world *w = begin(plain, 1, FEATURES_ALL, (struct fault){"CP", "/result", "", 0, 12});
    for (int i = 0; i < 12; i++) {
        world_pass(w, 120);
        say_stalled(w);
    }
    world_pass(w, 600);
    check_done_once(w, 1, 0);
    world_destroy(w);
}

static void killed_while_a_copy_is_broken_off_a_job_ends(void **state)
{
    (void)state;
    for (int dies = 0; dies < 2; dies++) {
        struct world *w = begin(plain, 1, FEATURES_ALL, (struct fault){"CP", "run.sh", "", 0, 1});
        w->faults[1] = (struct fault){"END", NULL, "", 0, dies};
        world_pass(w, 20);
        say_stalled(w);
        if (dies)
            world_pass(w, 20);
        world_wish(w, 1, WISH_GONE, false);
        if (dies) {
            world_driver(w, DRIVER_TM, false);
            world_driver(w, DRIVER_TM, true);
        }
        world_pass(w, 300);
        assert_int_equal(world_phase(w, 1), PHASE_FAILED);
        assert_string_equal(world_task(w, 1)->reason.code, "killed");
        check_nothing_left(w);
        world_destroy(w);
    }
}

static unsigned lease_files(struct world *w)
{
    unsigned n_written;
    world_count(w, ".gw_lease_", &n_written);
    return n_written;
}

/* In time: before the lease of 60 s is over. */
static void a_lease_file_that_stalls_is_followed_by_another(void **state)
{
    (void)state;
    struct world *w = begin(leased, 1, FEATURES_ALL, (struct fault){"CP", "spool/lease", "", 0, 1});
    w->is_endless = true;
    world_pass(w, 35);
    assert_int_equal(lease_files(w), 0);
    world_pass(w, 15);
    assert_int_equal(lease_files(w), 1);
    world_pass(w, 60);
    assert_in_range(lease_files(w), 3, 5);
    say_stalled(w); /* that one is over */
    world_pass(w, 60);
    assert_in_range(lease_files(w), 6, 8);
    world_destroy(w);
}

/* Where the renewals are further apart than the watchdog's patience. */
static void a_lease_file_that_the_watchdog_gives_up_is_followed_by_another(void **state)
{
    static const char day[] = "EXECUTABLE = run.sh\nON_LOST = retry-after-lease\nLEASE = 1d\n";
    (void)state;
    struct world *w = begin(day, 1, FEATURES_ALL, (struct fault){"CP", "spool/lease", "", 0, 1});
    w->is_endless = true;
    world_pass(w, 620);
    say_stalled(w);
    world_pass(w, 9 * 3600);
    assert_int_equal(lease_files(w), 1);
    world_destroy(w);
}

/* Of copies that go on together one has failed, and it is not known yet what to do about that. */
static void a_failure_is_forgotten_with_the_copies_beside_it(void **state)
{
    (void)state;
    static const char *const failures[] = {"credential:job it has expired", "refused:job no"};
    for (int is_stalled = 0; is_stalled < 2; is_stalled++)
        for (size_t i = 0; i < GW_COUNT(failures); i++) {
            struct world *w = begin(plain, 1, FEATURES_ALL, (struct fault){"CP", "data", "", 0, 1});
            w->faults[1] = (struct fault){"CP", "run.sh", failures[i], 0, 1};
            w->faults[2] = (struct fault){"END", NULL, "", 0, is_stalled};
            world_pass(w, 20);
            if (is_stalled)
                say_stalled(w);
            world_driver(w, DRIVER_TM, false);
            world_driver(w, DRIVER_TM, true);
            world_pass(w, 300);
            check_done_once(w, 1, (int)i);
            world_destroy(w);
        }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(any_copy_of_which_nothing_is_heard_is_made_again),
        cmocka_unit_test(a_copy_that_never_ends_is_not_made_for_ever),
        cmocka_unit_test(results_that_stall_come_home_in_the_end),
        cmocka_unit_test(killed_while_a_copy_is_broken_off_a_job_ends),
        cmocka_unit_test(a_failure_is_forgotten_with_the_copies_beside_it),
        cmocka_unit_test(a_lease_file_that_stalls_is_followed_by_another),
        cmocka_unit_test(a_lease_file_that_the_watchdog_gives_up_is_followed_by_another),
    };
    return cmocka_run_group_tests_name("engine_stall", tests, NULL, NULL);
}
