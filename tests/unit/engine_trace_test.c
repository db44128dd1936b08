/* The engine: what sites know of the state, and that an older copy of it is noticed by it. */
#include "tests/unit/engine_checks.h"

static const char file[] = "file:///site/.gw_epoch_i";
static const char ours[] = "INSTANCE=i\nEPOCH=1\nFENCE=1\n";
static const char later[] = "INSTANCE=i\nEPOCH=7\nFENCE=7\n";

static struct world *new_traced_world(void)
{
    struct world *w = world_create();
    w->config.keeps_traces = true;
    world_start(w);
    world_listen(w);
    return w;
}

static void run_job(struct world *w)
{
    uint64_t id = world_submit(w, "EXECUTABLE = run.sh\n");
    world_pass(w, 60);
    check_done(w, id, 1);
}

static void a_site_is_told_once_which_run_works_there(void **state)
{
    (void)state;
    struct world *w = new_traced_world();
    run_job(w);
    assert_string_equal(world_file(w, file)->text, ours);
    assert_null(engine_notice(w->engine));
    run_job(w);
    assert_int_equal(world_file(w, file)->n_written, 1);
    world_destroy(w);
}

/* The epochs of the run before and of this one are 0 and 1, the fence is 1. */
static void an_epoch_that_the_state_does_not_know_of_is_noticed(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        bool is_noticed, is_kept;
    } cases[] = {
        {"INSTANCE=i\nEPOCH=1\n", false, false},
        {"INSTANCE=i\nEPOCH=7\n", true, false},
        {"INSTANCE=i\nEPOCH=7\nFENCE=1\n", true, true},
        {later, true, true},
        {"INSTANCE=i\nEPOCH=9000000000000000000\n", false, false}, /* nobody has given it */
        {"rubbish", false, false},
    };
    for (size_t i = 0; i < GW_COUNT(cases); i++) {
        struct world *w = new_traced_world();
        world_write(w, file, cases[i].text);
        run_job(w);
        assert_int_equal(engine_notice(w->engine) != NULL, cases[i].is_noticed);
        if (cases[i].is_noticed)
            assert_non_null(strstr(engine_notice(w->engine), "epoch 7"));
        assert_string_equal(world_file(w, file)->text, cases[i].is_kept ? cases[i].text : ours);
        world_destroy(w);
    }
}

static void the_runs_before_are_known(void **state)
{
    (void)state;
    struct world *w = new_traced_world();
    run_job(w);
    struct event ev = {
        .kind = EV_EPOCH_RAISED, .epoch = 5, .seq = engine_state(w->engine)->seq + 1};
    event_encode(&ev, &w->journal);
    world_restart(w);
    world_listen(w);
    run_job(w);
    assert_null(engine_notice(w->engine));
    assert_string_equal(world_file(w, file)->text, "INSTANCE=i\nEPOCH=5\nFENCE=1\n");
    world_destroy(w);
}

static void a_site_that_cannot_be_read_is_looked_at_again_and_no_job_waits_for_it(void **state)
{
    (void)state;
    struct world *w = new_traced_world();
    world_write(w, file, "INSTANCE=i\nEPOCH=7\n");
    w->faults[0] = (struct fault){"CP", ".gw_epoch_i", "unreachable:site x", 0, 1};
    run_job(w);
    assert_null(engine_notice(w->engine));
    assert_string_equal(world_file(w, file)->text, "INSTANCE=i\nEPOCH=7\n");
    run_job(w);
    assert_non_null(engine_notice(w->engine));
    world_destroy(w);
}

static void a_driver_that_goes_down_in_between_changes_nothing(void **state)
{
    (void)state;
    for (unsigned n = 1; n < 12; n++) {
        struct world *w = new_traced_world();
        world_write(w, file, "INSTANCE=i\nEPOCH=7\n");
        uint64_t id = world_submit(w, "EXECUTABLE = run.sh\n");
        for (unsigned i = 0; i < n && w->answers; i++)
            world_hear(w);
        world_driver(w, DRIVER_TM, false);
        world_driver(w, DRIVER_TM, true);
        world_pass(w, 60);
        check_done(w, id, 1);
        run_job(w);
        assert_non_null(engine_notice(w->engine));
        assert_string_equal(world_file(w, file)->text, ours);
        world_destroy(w);
    }
}

/* --- two daemons, and attempts with a lease --- */

static const char leased[] = "EXECUTABLE = run.sh\nON_LOST = retry-after-lease\nLEASE = 30s\n";

static unsigned lease_files(const struct world *w)
{
    unsigned n;
    world_count(w, "/site/.gw_lease_i", &n);
    return n;
}

static void where_a_later_daemon_works_no_lease_is_renewed_and_no_end_counts(void **state)
{
    static const struct {
        const char *mark, *failed;
        bool is_left;
    } cases[] = {
        {later, NULL, true},
        {later, "lease-expired:us x", true},
        {"INSTANCE=i\nEPOCH=7\nFENCE=1\n", NULL, true},
        {"INSTANCE=i\nEPOCH=7\n", NULL, false},
        {"INSTANCE=i\nEPOCH=0\nFENCE=7\n", NULL, false},
    };
    (void)state;
    for (size_t i = 0; i < GW_COUNT(cases); i++) {
        struct world *w = new_traced_world();
        w->is_endless = true;
        uint64_t id = world_submit(w, leased);
        world_pass(w, 25);
        assert_int_equal(lease_files(w), 3);
        world_write(w, file, cases[i].mark);
        world_pass(w, 60);
        assert_int_equal(lease_files(w), cases[i].is_left ? 3 : 9);
        w->is_endless = false;
        w->failed = cases[i].failed;
        world_pass(w, 600);
        if (cases[i].is_left) {
            assert_int_equal(world_phase(w, id), PHASE_EPILOG);
            assert_string_equal(
                engine_trouble(w->engine, state_job(engine_state(w->engine), id), world_task(w, id))
                    ->code,
                "superseded");
            assert_null(strstr(buf_str(&w->trace), "RMDIR"));
            assert_string_equal(world_file(w, file)->text, cases[i].mark);
            /* The other one is gone. */
            world_remove(w, file);
            w->failed = NULL;
            world_pass(w, 200);
        }
        check_done(w, id, cases[i].failed ? 2 : 1);
        assert_string_equal(world_file(w, file)->text, ours);
        world_destroy(w);
    }
}

static void where_a_later_daemon_works_nothing_with_a_lease_begins_or_is_replaced(void **state)
{
    (void)state;
    struct world *w = new_traced_world();
    w->is_endless = true;
    uint64_t id = world_submit(w, leased);
    world_pass(w, 5);
    world_write(w, file, later);
    world_pass(w, 10);
    w->faults[0] = (struct fault){"RECOVER", NULL, "unreachable:site x", 0, 1000000};
    w->faults[1] = (struct fault){"POLL", NULL, "", 0, 1000000};
    world_tell(w, DRIVER_EM, "CALLBACK", (struct task_ref){id, 0, 1}, 0, false,
               "unreachable:site x");
    uint64_t next = world_submit(w, leased), other = world_submit(w, "EXECUTABLE = run.sh\n");
    world_pass(w, 2000);
    assert_int_equal(world_task(w, id)->n_attempts, 1);
    assert_int_equal(world_phase(w, next), PHASE_WRAPPER);
    assert_int_equal(w->n_submits, 2); /* that without a lease is one */
    w->faults[0].times = w->faults[1].times = 0;
    w->is_endless = false;
    world_remove(w, file);
    world_pass(w, 300);
    check_done(w, id, 1);
    check_done(w, next, 1);
    check_done(w, other, 1);
    world_destroy(w);
}

/* The daemon is started on a copy of the state. */
static void restart_as_copy(struct world *w)
{
    struct event ev = {.kind = EV_EPOCH_RAISED, .at_us = 1, .epoch = 7, .fence = 7};
    event_encode(&ev, &w->journal);
    world_restart(w);
}

static void a_copy_replaces_what_is_from_before_two_leases_after_its_mark(void **state)
{
    (void)state;
    struct world *w = new_traced_world();
    w->is_endless = w->may_run_twice = true;
    uint64_t id = world_submit(w, leased);
    world_pass(w, 5);
    w->faults[0] = (struct fault){"RECOVER", NULL, "unreachable:site x", 0, 1000000};
    w->faults[1] = (struct fault){"POLL", NULL, "", 0, 1000000};
    w->faults[2] = (struct fault){"CP", ".gw_epoch_i", "unreachable:site x", 0, 1000000};
    restart_as_copy(w);
    world_pass(w, 2000);
    assert_int_equal(world_task(w, id)->n_attempts, 1);
    w->faults[2].times = 0;
    world_pass(w, 10); /* the next renewal has come */
    assert_string_equal(world_file(w, file)->text, later);
    world_pass(w, 79);
    assert_int_equal(world_task(w, id)->n_attempts, 1);
    world_pass(w, 12);
    assert_int_equal(world_task(w, id)->n_attempts, 2);
    w->is_endless = false;
    w->faults[0].times = w->faults[1].times = 0;
    world_pass(w, 100);
    check_done(w, id, 2);
    world_destroy(w);
}

/* Its directory is there, and no status: it may run yet, under the other daemon. */
static void without_a_status_a_copy_waits_as_long(void **state)
{
    (void)state;
    struct world *w = new_traced_world();
    w->is_endless = w->may_run_twice = true;
    uint64_t id = world_submit(w, leased);
    world_pass(w, 5);
    w->faults[0] = (struct fault){"RECOVER", NULL, "lost:site x", 0, 1};
    restart_as_copy(w);
    world_pass(w, 85);
    assert_int_equal(world_phase(w, id), PHASE_EPILOG);
    world_pass(w, 15);
    assert_int_equal(world_task(w, id)->n_attempts, 2);
    w->is_endless = false;
    world_pass(w, 100);
    check_done(w, id, 2);
    world_destroy(w);
}

static void so_it_does_with_what_was_on_its_way(void **state)
{
    (void)state;
    struct world *w = new_traced_world();
    w->faults[0] = (struct fault){"MKDIR", NULL, "", 0, 1};
    uint64_t id = world_submit(w, leased);
    world_pass(w, 1);
    restart_as_copy(w);
    world_pass(w, 85);
    assert_int_equal(world_task(w, id)->n_attempts, 1);
    assert_int_equal(world_phase(w, id), PHASE_PROLOG);
    world_pass(w, 30);
    check_done(w, id, 2);
    assert_string_equal(world_task(w, id)->attempts[0].reason.code, "copied");
    world_destroy(w);
}

static void a_driver_that_knows_no_reasons_is_no_obstacle(void **state)
{
    (void)state;
    struct world *w = new_traced_world();
    w->features[DRIVER_TM] &= ~(unsigned)FEATURE_BLAME;
    world_driver(w, DRIVER_TM, false);
    world_driver(w, DRIVER_TM, true);
    w->faults[0] = (struct fault){"CP", "site/.gw_epoch_i", "it is not there", 0, 1};
    uint64_t id = world_submit(w, leased);
    world_pass(w, 60);
    check_done(w, id, 1);
    assert_string_equal(world_file(w, file)->text, ours);
    world_destroy(w);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_site_is_told_once_which_run_works_there),
        cmocka_unit_test(an_epoch_that_the_state_does_not_know_of_is_noticed),
        cmocka_unit_test(the_runs_before_are_known),
        cmocka_unit_test(a_site_that_cannot_be_read_is_looked_at_again_and_no_job_waits_for_it),
        cmocka_unit_test(a_driver_that_goes_down_in_between_changes_nothing),
        cmocka_unit_test(where_a_later_daemon_works_no_lease_is_renewed_and_no_end_counts),
        cmocka_unit_test(where_a_later_daemon_works_nothing_with_a_lease_begins_or_is_replaced),
        cmocka_unit_test(a_copy_replaces_what_is_from_before_two_leases_after_its_mark),
        cmocka_unit_test(without_a_status_a_copy_waits_as_long),
        cmocka_unit_test(so_it_does_with_what_was_on_its_way),
        cmocka_unit_test(a_driver_that_knows_no_reasons_is_no_obstacle),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
