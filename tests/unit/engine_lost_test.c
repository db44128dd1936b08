/* The engine: attempts whose fate is unknown, leases, the image cache. */
#include "tests/unit/engine_checks.h"

static const char vm_job[] = "EXECUTABLE = run.sh\nOUTPUT_FILES = result\nVM_IMAGE = "
                             "/images/debian.qcow2\nVM_MEMORY = 256\n";

/* --- unknown --- */

static void
an_attempt_whose_fate_is_unknown_is_waited_for_or_replaced_as_its_owner_chose(void **state)
{
    (void)state;
    static const struct {
        const char *source;
        bool is_replaced;
        int64_t after_s; /* lease + margin */
    } cases[] = {
        {"EXECUTABLE = run.sh\n", false, 0},
        {"EXECUTABLE = run.sh\nON_LOST = wait\nLEASE = 60s\n", false, 0},
        {"EXECUTABLE = run.sh\nON_LOST = retry-now\n", true, 0},
        {"EXECUTABLE = run.sh\nON_LOST = retry-after-lease\nLEASE = 100s\n", true, 130},
    };
    for (size_t i = 0; i < GW_COUNT(cases); i++) {
        struct world *w = new_world();
        w->is_endless = w->may_run_twice = true;
        uint64_t id = world_submit(w, cases[i].source);
        world_pass(w, 5);
        w->faults[0] = (struct fault){"RECOVER", NULL, "unreachable:site x", 0, 1000000};
        w->faults[1] = (struct fault){"POLL", NULL, "", 0, 1000000};
        world_tell(w, DRIVER_EM, "CALLBACK", (struct task_ref){id, 0, 1}, 0, false,
                   "unreachable:site x");
        world_listen(w);
        assert_int_equal(world_task(w, id)->attempts[0].unknown_since_us != 0,
                         !cases[i].is_replaced || cases[i].after_s);
        if (cases[i].after_s) {
            world_pass(w, cases[i].after_s - 2);
            assert_int_equal(world_task(w, id)->n_attempts, 1);
            world_pass(w, 6);
        } else {
            world_pass(w, 7200);
        }
        assert_int_equal(world_task(w, id)->n_attempts, cases[i].is_replaced ? 2 : 1);
        /* Heard of again: known, and it ends as it should. */
        w->faults[0].times = w->faults[1].times = 0;
        w->is_endless = false;
        world_pass(w, 300);
        check_done(w, id, cases[i].is_replaced ? 2 : 1);
        assert_int_equal(world_task(w, id)->attempts[0].unknown_since_us, 0);
        world_destroy(w);
    }
}

/* Whatever becomes of what is lost: that a job is killed is said when its site has said so. */
static void what_is_killed_is_pending_until_the_site_confirms_it(void **state)
{
    (void)state;
    static const char *const sources[] = {"EXECUTABLE = run.sh\nON_LOST = retry-now\n",
                                          "EXECUTABLE = run.sh\n"};
    for (size_t i = 0; i < 2 * GW_COUNT(sources); i++) {
        struct world *w = new_world();
        w->is_endless = true;
        uint64_t id = world_submit(w, sources[i / 2]);
        world_pass(w, 5);
        w->faults[0] = (struct fault){"RECOVER", NULL, "unreachable:site x", 0, 1000000};
        w->faults[1] = (struct fault){"POLL", NULL, "", 0, 1000000};
        w->faults[2] = (struct fault){"CANCEL", NULL, "", 0, 1000000};
        world_wish(w, id, WISH_GONE, false);
        assert_int_equal(w->reply.n_pending, 1);
        world_tell(w, DRIVER_EM, "CALLBACK", (struct task_ref){id, 0, 1}, 0, false,
                   "unreachable:site x");
        world_pass(w, 3600);
        if (i % 2)
            world_restart(w);
        world_pass(w, 3600);
        assert_int_equal(world_phase(w, id), PHASE_WRAPPER);
        assert_true(w->runs->is_running);
        w->faults[0].times = w->faults[1].times = w->faults[2].times = 0;
        world_pass(w, 300);
        check_failed(w, id, "killed", BLAME_NONE, 1);
        check_clean(w);
        world_destroy(w);
    }
}

/* Nobody will ever know whether it reached the site: only its owner can give it up. */
static void what_nobody_can_be_asked_about_is_given_up_by_its_owner_alone(void **state)
{
    (void)state;
    struct world *w = world_create();
    w->features[DRIVER_EM] = 0;
    world_start(w);
    world_listen(w);
    w->faults[0] = (struct fault){"SUBMIT", NULL, "", 0, 1};
    uint64_t id = world_submit(w, "EXECUTABLE = run.sh\n");
    world_pass(w, 10);
    world_driver(w, DRIVER_EM, false);
    world_driver(w, DRIVER_EM, true);
    world_wish(w, id, WISH_GONE, false);
    world_pass(w, 3600);
    assert_int_equal(world_phase(w, id), PHASE_WRAPPER);
    struct job *j = state_job(engine_state(w->engine), id);
    assert_string_equal(engine_trouble(w->engine, j, job_task(j, 0))->code, "cannot-tell");
    world_wish(w, id, WISH_GONE, true);
    check_failed(w, id, "killed-hard", BLAME_NONE, 1);
    world_pass(w, 600);
    check_clean(w);
    world_destroy(w);
}

static void the_lease_of_a_lost_attempt_is_not_renewed(void **state)
{
    (void)state;
    struct world *w = new_world();
    w->is_endless = true;
    uint64_t id =
        world_submit(w, "EXECUTABLE = run.sh\nON_LOST = retry-after-lease\nLEASE = 100s\n");
    world_pass(w, 5);
    assert_null(strstr(world_file(w, "file:///spool/lease")->text, "LOST="));
    w->faults[0] = (struct fault){"RECOVER", NULL, "unreachable:site x", 0, 1000000};
    w->faults[1] = (struct fault){"POLL", NULL, "", 0, 1000000};
    world_tell(w, DRIVER_EM, "CALLBACK", (struct task_ref){id, 0, 1}, 0, false,
               "unreachable:site x");
    world_listen(w);
    assert_non_null(strstr(world_file(w, "file:///site/.gw_lease_i")->text, "LOST=1.0.1\n"));
    /* Other jobs of the site go on. */
    world_submit(w, "EXECUTABLE = run.sh\nLEASE = 100s\n");
    world_pass(w, 60);
    const char *lease = world_file(w, "file:///site/.gw_lease_i")->text;
    assert_non_null(strstr(lease, "LOST=1.0.1\n"));
    assert_null(strstr(lease, "LOST=2.0.1"));
    world_destroy(w);
}

/* A job with a lease of 100 s (the margin is 30 s) runs, and nobody hears of it from now on. */
static uint64_t lose(struct world *w, const char *recover)
{
    w->is_endless = w->may_run_twice = true;
    uint64_t id =
        world_submit(w, "EXECUTABLE = run.sh\nON_LOST = retry-after-lease\nLEASE = 100s\n");
    world_pass(w, 1);
    w->faults[0] = (struct fault){"RECOVER", NULL, recover, 0, 1000000};
    w->faults[1] = (struct fault){"POLL", NULL, "", 0, 1000000};
    return id;
}

static void lost_is_told(struct world *w, uint64_t id)
{
    world_tell(w, DRIVER_EM, "CALLBACK", (struct task_ref){id, 0, 1}, 0, false,
               "unreachable:site x");
    world_listen(w);
}

static void a_site_that_answers_nothing_does_not_delay_the_next_attempt(void **state)
{
    (void)state;
    struct world *w = new_world();
    uint64_t id = lose(w, "");
    lost_is_told(w, id);
    world_pass(w, 129);
    assert_int_equal(world_task(w, id)->n_attempts, 1);
    world_pass(w, 2);
    assert_int_equal(world_task(w, id)->n_attempts, 2);
    world_destroy(w);
}

static void an_attempt_that_was_replaced_is_named_as_long_as_its_task_goes_on(void **state)
{
    (void)state;
    struct world *w = new_world();
    uint64_t id = lose(w, "unreachable:site x");
    lost_is_told(w, id);
    world_pass(w, 140);
    assert_int_equal(world_task(w, id)->n_attempts, 2);
    /* The site is heard of again, and others' leases are renewed there. */
    w->faults[0].times = w->faults[1].times = 0;
    world_submit(w, "EXECUTABLE = run.sh\nLEASE = 30s\n");
    world_pass(w, 60);
    const char *lease = world_file(w, "file:///site/.gw_lease_i")->text;
    assert_non_null(strstr(lease, "LOST=1.0.1\n"));
    world_restart(w);
    world_listen(w);
    world_pass(w, 60);
    assert_non_null(strstr(world_file(w, "file:///site/.gw_lease_i")->text, "LOST=1.0.1\n"));
    world_wish(w, id, WISH_GONE, false);
    world_pass(w, 60);
    assert_null(strstr(world_file(w, "file:///site/.gw_lease_i")->text, "LOST="));
    world_destroy(w);
}

static void a_lease_file_that_may_still_come_delays_the_next_attempt(void **state)
{
    (void)state;
    struct world *w = new_world();
    uint64_t id = lose(w, "unreachable:site x");
    w->faults[2] = (struct fault){"CP", ".gw_lease", "", 0, 1};
    world_pass(w, 50);
    const char *seq = strstr(world_file(w, "file:///spool/lease")->text, "SEQ=");
    struct task_ref copy = {0, 0, strtoull(seq + 4, NULL, 10)};
    w->faults[3] = (struct fault){"END", NULL, "", 0, 1};
    lost_is_told(w, id);
    world_pass(w, 300);
    assert_int_equal(world_task(w, id)->n_attempts, 1);
    world_tell(w, DRIVER_TM, "END", copy, 0, true, "-");
    world_listen(w);
    world_pass(w, 129);
    assert_int_equal(world_task(w, id)->n_attempts, 1);
    world_pass(w, 11);
    assert_int_equal(world_task(w, id)->n_attempts, 2);
    world_destroy(w);
}

static void leases_are_renewed_at_a_third_of_the_shortest_also_after_a_restart(void **state)
{
    (void)state;
    struct world *w = new_world();
    unsigned written;
    w->is_endless = true;
    world_submit(w, "EXECUTABLE = run.sh\nLEASE = 3h\n");
    world_pass(w, 1);
    assert_int_equal(world_count(w, "/site/.gw_lease_i", &written), 1);
    assert_int_equal(written, 1);
    /* A shorter one does not wait for the longer one's turn. */
    world_submit(w, "EXECUTABLE = run.sh\nLEASE = 30s\n");
    world_pass(w, 60);
    world_count(w, "/site/.gw_lease_i", &written);
    assert_in_range(written, 7, 9);
    world_restart(w);
    world_listen(w);
    unsigned before = written;
    world_pass(w, 60);
    world_count(w, "/site/.gw_lease_i", &written);
    assert_in_range(written - before, 6, 8);
    /* None is left: none is renewed. */
    w->is_endless = false;
    world_pass(w, 60);
    world_count(w, "/site/.gw_lease_i", &before);
    world_pass(w, 600);
    world_count(w, "/site/.gw_lease_i", &written);
    assert_int_equal(written, before);
    world_destroy(w);
}

/* --- the image cache --- */

static void ten_vm_jobs_of_one_image_copy_it_once(void **state)
{
    (void)state;
    struct world *w = new_world();
    struct submission sub = submission_of(vm_job, 10);
    world_submit_as(w, &sub);
    world_pass(w, 60);
    unsigned written;
    assert_int_equal(engine_state(w->engine)->n_tasks[PHASE_DONE], 10);
    assert_int_equal(world_count(w, "/.gw_cache/", &written), 1);
    assert_int_equal(written, 1);
    check_clean(w);
    world_destroy(w);
}

static void when_the_filler_of_the_cache_fails_the_next_one_fills_it(void **state)
{
    (void)state;
    static const char *const ends[] = {"io:site x", "kill", "driver"};
    for (size_t i = 0; i < GW_COUNT(ends); i++) {
        struct world *w = new_world();
        if (i == 0)
            w->faults[0] = (struct fault){"CP", ".gw_cache", ends[i], 0, 2};
        else
            w->faults[0] = (struct fault){"CP", ".gw_cache", "", 0, 1}; /* copies for ever */
        struct submission sub = submission_of(vm_job, 4);
        uint64_t id = world_submit_as(w, &sub);
        world_listen(w);
        if (i == 1) {
            world_wish(w, id, WISH_GONE, false);
        } else if (i == 2) {
            world_driver(w, DRIVER_TM, false);
            world_driver(w, DRIVER_TM, true);
        }
        world_pass(w, 300);
        unsigned written;
        assert_int_equal(engine_state(w->engine)->n_tasks[PHASE_DONE], i == 1 ? 3 : 4);
        world_count(w, "/.gw_cache/", &written);
        assert_int_equal(written, 1);
        check_clean(w);
        world_destroy(w);
    }
}

static void without_a_driver_that_can_fill_a_cache_the_image_goes_with_the_job(void **state)
{
    (void)state;
    struct world *w = world_create();
    w->features[DRIVER_TM] &= ~(unsigned)(FEATURE_STAT | FEATURE_ATOMIC);
    world_start(w);
    world_listen(w);
    uint64_t id = world_submit(w, vm_job);
    world_pass(w, 60);
    check_done(w, id, 1);
    assert_int_equal(world_count(w, "/.gw_cache/", NULL), 0);
    assert_non_null(strstr(buf_str(&w->trace), "START MKDIR CP"));
    world_destroy(w);
}

/* --- a state that is a copy --- */

/* The daemon that it was copied from may have gone on: its directory is left alone. */
static void what_was_being_staged_when_the_state_was_copied_is_not_staged_again(void **state)
{
    (void)state;
    struct world *w = new_world();
    w->faults[0] = (struct fault){"MKDIR", NULL, "", 0, 1};
    uint64_t id = world_submit(w, "EXECUTABLE = run.sh\n");
    world_listen(w);
    assert_int_equal(world_phase(w, id), PHASE_PROLOG);
    world_write(w, "file:///site/.gw_i.1.1.0.1/claim.i.1.1.0.1", "");
    struct event ev = {.kind = EV_EPOCH_RAISED, .at_us = 1, .epoch = 7, .fence = 7};
    event_encode(&ev, &w->journal);
    world_restart(w);
    world_pass(w, 60);
    check_done(w, id, 2);
    assert_string_equal(world_task(w, id)->attempts[0].reason.code, "copied");
    assert_true(world_has(w, "file:///site/.gw_i.1.1.0.1/claim.i.1.1.0.1"));
    assert_int_equal(world_count(w, "/.gw_i.7.1.0.2/", NULL), 0);
    world_destroy(w);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(
            an_attempt_whose_fate_is_unknown_is_waited_for_or_replaced_as_its_owner_chose),
        cmocka_unit_test(what_is_killed_is_pending_until_the_site_confirms_it),
        cmocka_unit_test(what_nobody_can_be_asked_about_is_given_up_by_its_owner_alone),
        cmocka_unit_test(the_lease_of_a_lost_attempt_is_not_renewed),
        cmocka_unit_test(an_attempt_that_was_replaced_is_named_as_long_as_its_task_goes_on),
        cmocka_unit_test(a_site_that_answers_nothing_does_not_delay_the_next_attempt),
        cmocka_unit_test(a_lease_file_that_may_still_come_delays_the_next_attempt),
        cmocka_unit_test(leases_are_renewed_at_a_third_of_the_shortest_also_after_a_restart),
        cmocka_unit_test(ten_vm_jobs_of_one_image_copy_it_once),
        cmocka_unit_test(when_the_filler_of_the_cache_fails_the_next_one_fills_it),
        cmocka_unit_test(what_was_being_staged_when_the_state_was_copied_is_not_staged_again),
        cmocka_unit_test(without_a_driver_that_can_fill_a_cache_the_image_goes_with_the_job),
    };
    return cmocka_run_group_tests_name("engine_lost", tests, NULL, NULL);
}
