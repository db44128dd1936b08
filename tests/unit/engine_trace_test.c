/* The engine: what sites know of the state, and that an older copy of it is noticed by it. */
#include "tests/unit/engine_checks.h"

static const char file[] = "file:///site/.gw_epoch_i";

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
    assert_string_equal(world_file(w, file)->text, "INSTANCE=i\nEPOCH=1\n");
    assert_null(engine_notice(w->engine));
    run_job(w);
    assert_int_equal(world_file(w, file)->n_written, 1);
    world_destroy(w);
}

/* The epochs of the run before and of this one are 0 and 1. */
static void an_epoch_that_the_state_does_not_know_of_is_noticed(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        bool is_noticed;
    } cases[] = {
        {"INSTANCE=i\nEPOCH=1\n", false},
        {"INSTANCE=i\nEPOCH=7\n", true},
        {"INSTANCE=i\nEPOCH=9000000000000000000\n", false}, /* nobody has given it */
        {"rubbish", false},
    };
    for (size_t i = 0; i < GW_COUNT(cases); i++) {
        struct world *w = new_traced_world();
        world_write(w, file, cases[i].text);
        run_job(w);
        assert_int_equal(engine_notice(w->engine) != NULL, cases[i].is_noticed);
        if (cases[i].is_noticed)
            assert_non_null(strstr(engine_notice(w->engine), "epoch 7"));
        assert_string_equal(world_file(w, file)->text, "INSTANCE=i\nEPOCH=1\n");
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
    assert_string_equal(world_file(w, file)->text, "INSTANCE=i\nEPOCH=5\n");
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
        assert_string_equal(world_file(w, file)->text, "INSTANCE=i\nEPOCH=1\n");
        world_destroy(w);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_site_is_told_once_which_run_works_there),
        cmocka_unit_test(an_epoch_that_the_state_does_not_know_of_is_noticed),
        cmocka_unit_test(the_runs_before_are_known),
        cmocka_unit_test(a_site_that_cannot_be_read_is_looked_at_again_and_no_job_waits_for_it),
        cmocka_unit_test(a_driver_that_goes_down_in_between_changes_nothing),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
