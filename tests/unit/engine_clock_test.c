/* The engine when somebody sets the wall clock: no deadline comes early, none moves away. */
#include "tests/unit/engine_checks.h"

#define PROXY "/tmp/x509up_u1000"
#define HOUR_US (INT64_C(3600) * 1000000)
#define YEAR_US (365 * 24 * HOUR_US)

static const char plain[] = "EXECUTABLE = run.sh\nOUTPUT_FILES = result\n";

static void a_back_off_is_not_longer_when_the_clock_is_put_back(void **state)
{
    (void)state;
    const bool is_restarted[] = {false, true};
    for (size_t i = 0; i < GW_COUNT(is_restarted); i++) {
        struct world *w = new_world();
        w->faults[0] = (struct fault){"MKDIR", NULL, "not-authorized:site no", 0, 1};
        uint64_t id = world_submit(w, plain);
        while (world_task(w, id)->n_attempts != 1 || world_phase(w, id) != PHASE_PENDING)
            world_hear(w);
        w->wall_ahead_us = -YEAR_US;
        if (is_restarted[i])
            world_restart(w);
        world_pass(w, 61);
        check_done(w, id, 2);
        world_destroy(w);
    }
}

/* A proxy of twelve hours, as seen at now_us of the wall clock. */
static struct world *world_with_credential(uint64_t *ret_id)
{
    static char path[] = PROXY;
    struct world *w = world_create();
    w->features[DRIVER_TM] = w->features[DRIVER_EM] = FEATURES_ALL | FEATURE_CREDENTIAL;
    world_start(w);
    world_listen(w);
    struct submission sub = submission_of(plain, 1);
    sub.owner.credential = path;
    *ret_id = world_submit_as(w, &sub);
    struct input in = {.kind = IN_CREDENTIAL,
                       .credential = {.path = PROXY,
                                      .identity = "/O=Grid/CN=Ann",
                                      .starts_us = w->now_us,
                                      .expires_us = w->now_us + 12 * HOUR_US,
                                      .version = 1}};
    world_step(w, &in);
    return w;
}

static void a_credential_is_judged_anew_when_the_clock_is_set(void **state)
{
    (void)state;
    const int64_t wrong_us[] = {YEAR_US, -YEAR_US};
    for (size_t i = 0; i < GW_COUNT(wrong_us); i++)
        for (int is_waiting = 0; is_waiting < 2; is_waiting++) {
            uint64_t id;
            struct world *w;
            if (is_waiting) { /* wrong before it was looked at */
                w = world_with_credential(&id);
                world_pass(w, 60);
                check_done(w, id, 1);
                w->wall_ahead_us = wrong_us[i];
                static char path[] = PROXY;
                struct submission sub = submission_of(plain, 1);
                sub.owner.credential = path;
                id = world_submit_as(w, &sub);
                world_pass(w, 60);
                assert_int_equal(world_phase(w, id), PHASE_PENDING);
            } else {
                w = world_with_credential(&id);
                w->wall_ahead_us = wrong_us[i];
                world_pass(w, 60);
                struct job *j = state_job_of(engine_state(w->engine), id);
                assert_string_equal(engine_trouble(w->engine, j, job_task(j, 0))->code,
                                    "credential");
            }
            w->wall_ahead_us = 0;
            world_pass(w, 61);
            check_done(w, id, 1);
            world_destroy(w);
        }
}

static uint64_t lease_seq(struct world *w)
{
    return strtoull(strstr(world_file(w, "file:///site/.gw_lease_i")->text, "SEQ=") + 4, NULL, 10);
}

static void a_lease_file_has_a_larger_number_also_after_a_restart_a_year_ago(void **state)
{
    (void)state;
    struct world *w = new_world();
    w->is_endless = true;
    world_submit(w, "EXECUTABLE = run.sh\nLEASE = 30s\n");
    world_pass(w, 60);
    uint64_t before = lease_seq(w);
    w->wall_ahead_us = -YEAR_US;
    world_pass(w, 20);
    assert_true(lease_seq(w) > before);
    before = lease_seq(w);
    for (int i = 0; i < 3; i++) {
        world_restart(w);
        world_listen(w);
        assert_true(lease_seq(w) > before);
        before = lease_seq(w);
    }
    w->is_endless = false;
    world_pass(w, 60);
    world_destroy(w);
}

static void a_finished_job_stays_for_its_time_whatever_the_clock_says(void **state)
{
    (void)state;
    const int64_t wrong_us[] = {YEAR_US, -YEAR_US};
    for (size_t i = 0; i < GW_COUNT(wrong_us); i++) {
        struct world *w = new_world();
        uint64_t id = world_submit(w, plain);
        world_pass(w, 60);
        w->wall_ahead_us = wrong_us[i];
        uint64_t other = world_submit(w, plain);
        world_pass(w, 60);
        w->wall_ahead_us = 0;
        world_pass(w, 3400);
        check_done(w, id, 1);
        check_done(w, other, 1);
        world_pass(w, 300);
        assert_null(state_job_of(engine_state(w->engine), id));
        assert_null(state_job_of(engine_state(w->engine), other));
        world_destroy(w);
    }
}

static void a_finished_job_stays_for_its_time_also_over_a_start_with_another_clock(void **state)
{
    (void)state;
    const int64_t wrong_us[] = {YEAR_US, -YEAR_US};
    for (size_t i = 0; i < GW_COUNT(wrong_us); i++)
        for (int is_set_before = 0; is_set_before < 2; is_set_before++) {
            struct world *w = new_world();
            uint64_t id = world_submit(w, plain);
            world_pass(w, 990);
            if (is_set_before) {
                w->wall_ahead_us = wrong_us[i];
                world_submit(w, plain);
                world_pass(w, 10);
            }
            w->wall_ahead_us = wrong_us[i];
            world_restart(w);
            world_pass(w, 2500);
            check_done(w, id, 1);
            w->wall_ahead_us = 0;
            world_restart(w);
            world_pass(w, 50);
            check_done(w, id, 1);
            world_pass(w, 100);
            assert_null(state_job_of(engine_state(w->engine), id));
            world_destroy(w);
        }
}

/* Then its time begins anew, and it does not go early. */
static void where_nothing_is_known_of_runs_before_a_finished_job_stays_for_longer(void **state)
{
    (void)state;
    struct world *w = new_world();
    uint64_t id = world_submit(w, plain);
    world_pass(w, 3000);
    w->n_seen = 0;
    world_restart(w);
    world_pass(w, 3500);
    check_done(w, id, 1);
    world_pass(w, 200);
    assert_null(state_job_of(engine_state(w->engine), id));
    world_destroy(w);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_back_off_is_not_longer_when_the_clock_is_put_back),
        cmocka_unit_test(a_credential_is_judged_anew_when_the_clock_is_set),
        cmocka_unit_test(a_lease_file_has_a_larger_number_also_after_a_restart_a_year_ago),
        cmocka_unit_test(a_finished_job_stays_for_its_time_whatever_the_clock_says),
        cmocka_unit_test(a_finished_job_stays_for_its_time_also_over_a_start_with_another_clock),
        cmocka_unit_test(where_nothing_is_known_of_runs_before_a_finished_job_stays_for_longer),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
