/* The engine: what attempts leave at a site is cleaned when that can be, with little work until
 * then. */
#include "tests/unit/engine_checks.h"

static const char job[] = "EXECUTABLE = run.sh\nOUTPUT_FILES = result\n";
static const char now[] = "EXECUTABLE = run.sh\nOUTPUT_FILES = result\nON_LOST = retry-now\n";
static const char leased[] =
    "EXECUTABLE = run.sh\nOUTPUT_FILES = result\nON_LOST = retry-after-lease\nLEASE = 60s\n";
static const char bare[] = "EXECUTABLE = /bin/true\nSTAGING = no\nON_LOST = retry-now\n";

static size_t count_of(const char *text, const char *word)
{
    size_t n = 0;
    for (const char *p = text; (p = strstr(p, word)); p++)
        n++;
    return n;
}

/* From now on nobody reaches what `has` names at the site, or everybody does again. Polls of all
 * are without an answer then. */
static void cut(struct world *w, const char *recover, const char *rmdir, bool is_cut)
{
    const struct fault faults[] = {{"RECOVER", recover, "unreachable:site x", 0, 1000000},
                                   {"POLL", NULL, "unreachable:site x", 0, 1000000},
                                   {"RMDIR", rmdir, "unreachable:site x", 0, 1000000},
                                   {"CANCEL", NULL, "", 0, 1000000}};
    for (size_t i = 0; i < GW_COUNT(faults); i++)
        w->faults[i] = is_cut ? faults[i] : (struct fault){0};
}

/* The daemon and its drivers are there anew, or only the drivers, or all are as they were. */
enum end { END_NONE, END_DRIVERS, END_DAEMON, ENDS };

static void end_some(struct world *w, enum end end)
{
    static const enum driver_kind kinds[] = {DRIVER_EM, DRIVER_TM};
    if (end == END_DAEMON)
        world_restart(w);
    for (size_t i = 0; end == END_DRIVERS && i < GW_COUNT(kinds); i++) {
        world_driver(w, kinds[i], false);
        world_driver(w, kinds[i], true);
    }
}

static void what_was_given_up_as_lost_is_cancelled_and_removed_when_its_site_is_back(void **state)
{
    (void)state;
    static const char *const sources[] = {now, leased, bare};
    for (size_t i = 0; i < GW_COUNT(sources); i++)
        for (int end = 0; end < ENDS; end++) {
            struct world *w = new_world();
            w->is_endless = w->may_run_twice = true;
            uint64_t id = world_submit(w, sources[i]);
            world_pass(w, 5);
            struct run *r = run_of(w, (struct task_ref){id, 0, 1});
            cut(w, "/1.0.1/", "/.gw_i.1.1.0.1", true);
            world_tell(w, DRIVER_EM, "CALLBACK", r->ref, 0, false, "unreachable:site x");
            world_pass(w, 300);
            assert_true(world_task(w, id)->n_attempts > 1);
            assert_true(r->is_running);
            end_some(w, (enum end)end);
            world_pass(w, 3600);
            assert_true(r->is_running);
            cut(w, NULL, NULL, false);
            /* A driver that was started since has to find it again. */
            if (end != END_NONE)
                w->faults[0] = (struct fault){"POLL", NULL, "internal:us no such job", 0, 1000000};
            world_pass(w, 180);
            if (!r->is_cancelled || world_count(w, "/.gw_i.1.1.0.1/", NULL))
                fail_msg("source %zu, end %d: cancelled %d, %u files are left; sent: %s", i, end,
                         r->is_cancelled, world_count(w, "/.gw_i.1.1.0.1/", NULL),
                         buf_str(&w->trace));
            /* The others go on. */
            w->is_endless = false;
            world_pass(w, 300);
            assert_int_equal(world_phase(w, id), PHASE_DONE);
            check_clean(w);
            world_destroy(w);
        }
}

static void
a_directory_that_cannot_be_removed_does_not_keep_the_job_and_is_removed_later(void **state)
{
    (void)state;
    for (int is_killed = 0; is_killed < 2; is_killed++)
        for (int end = 0; end < ENDS; end++) {
            struct world *w = new_world();
            w->is_endless = is_killed;
            w->faults[0] = (struct fault){"RMDIR", NULL, "unreachable:site x", 0, 1000000};
            uint64_t id = world_submit(w, job);
            world_pass(w, 5);
            if (is_killed)
                world_wish(w, id, WISH_GONE, false);
            world_pass(w, 300);
            if (is_killed)
                check_failed(w, id, "killed", BLAME_NONE, 1);
            else
                check_done(w, id, 1);
            end_some(w, (enum end)end);
            /* The job stays longer than its time: a restart would not know of the directory. */
            world_pass(w, 3 * 3600);
            assert_true(world_count(w, "/.gw_i.", NULL) > 0);
            assert_non_null(world_task(w, id));
            end_some(w, (enum end)end);
            w->faults[0].times = 0;
            world_pass(w, 120);
            check_clean(w);
            world_pass(w, 2 * 3600);
            assert_null(world_task(w, id));
            world_destroy(w);
        }
}

/* Nothing undoes accepted results; the directory is another matter. */
static void killed_hard_after_its_results_are_home_a_job_leaves_nothing(void **state)
{
    (void)state;
    struct world *w = new_world();
    w->faults[0] = (struct fault){"RMDIR", NULL, "unreachable:site x", 0, 6};
    uint64_t id = world_submit(w, job);
    world_pass(w, 2);
    assert_true(world_task(w, id)->attempts[0].is_accepted);
    assert_int_equal(world_phase(w, id), PHASE_EPILOG);
    world_wish(w, id, WISH_GONE, true);
    check_done(w, id, 1);
    assert_true(world_count(w, "/.gw_i.", NULL) > 0);
    world_pass(w, 300);
    check_clean(w);
    world_destroy(w);
}

static void a_payload_that_nobody_can_ask_about_does_not_keep_its_directory(void **state)
{
    (void)state;
    struct world *w = world_create();
    w->features[DRIVER_EM] = 0;
    w->is_endless = true;
    world_start(w);
    world_listen(w);
    uint64_t id = world_submit(w, job);
    world_pass(w, 5);
    w->faults[0] = (struct fault){"POLL", NULL, "what?", 0, 1000000};
    w->faults[1] = (struct fault){"RECOVER", NULL, "what?", 0, 1000000};
    w->faults[2] = (struct fault){"CANCEL", NULL, "what?", 0, 1000000};
    world_wish(w, id, WISH_GONE, true);
    world_pass(w, 600);
    assert_int_equal(world_count(w, "/.gw_i.", NULL), 0);
    world_destroy(w);
}

static void a_site_that_does_not_come_back_costs_little(void **state)
{
    (void)state;
    enum { N = 200 };
    struct world *w = world_create();
    static const char host[] = "LRMS_NAME=\"fork\" NODECOUNT=500 ARCH=\"x86_64\" CPU_SMP=8 "
                               "SIZE_MEM_MB=4096 STAGE_URL=\"file:///site/\" "
                               "QUEUE_NAME[0]=\"default\" QUEUE_NODECOUNT[0]=500";
    w->samples[0] = host;
    w->is_endless = true;
    world_start(w);
    world_listen(w);
    struct submission sub = submission_of(job, N);
    uint64_t id = world_submit_as(w, &sub);
    world_pass(w, 60);
    assert_int_equal(engine_state(w->engine)->n_tasks[PHASE_WRAPPER], N);
    cut(w, NULL, NULL, true);
    for (uint64_t i = 0; i < N; i++)
        world_wish(w, id + i, WISH_GONE, true);
    world_pass(w, 3600);
    buf_reset(&w->trace);
    world_pass(w, 3600);
    /* One at a time, and the longest pause is a minute here. */
    assert_in_range(count_of(buf_str(&w->trace), "POLL"), 50, 70);
    assert_int_equal(count_of(buf_str(&w->trace), "RMDIR"), 0);
    /* When it is back after all, all goes at once. */
    cut(w, NULL, NULL, false);
    world_pass(w, 120);
    assert_int_equal(world_count(w, "/.gw_i.", NULL), 0);
    for (struct run *r = w->runs; r; r = r->next)
        assert_true(r->is_cancelled);
    world_destroy(w);
}

static void after_a_week_what_is_left_is_given_up(void **state)
{
    (void)state;
    struct world *w = new_world();
    w->config.backoff_max_us = INT64_C(600000000);
    w->faults[0] = (struct fault){"RMDIR", NULL, "not-allowed:site x", 0, 1000000};
    uint64_t id = world_submit(w, job);
    world_pass(w, 6 * 86400);
    assert_non_null(world_task(w, id));
    world_pass(w, 2 * 86400);
    assert_null(world_task(w, id));
    buf_reset(&w->trace);
    world_pass(w, 86400);
    assert_int_equal(w->trace.len, 0);
    world_destroy(w);
}

/* Only the daemon's own time counts, and all of it. */
static void the_week_goes_on_over_restarts(void **state)
{
    (void)state;
    struct world *w = new_world();
    w->config.backoff_max_us = INT64_C(600000000);
    w->faults[0] = (struct fault){"RMDIR", NULL, "not-allowed:site x", 0, 1000000};
    uint64_t id = world_submit(w, job);
    for (int day = 0; day < 6; day++) {
        world_pass(w, 86400);
        world_restart(w);
    }
    assert_non_null(world_task(w, id));
    world_pass(w, 86400 / 2);
    world_restart(w);
    assert_non_null(world_task(w, id));
    world_pass(w, 86400);
    assert_null(world_task(w, id));
    world_destroy(w);
}

static bool is_left(struct world *w, uint64_t id)
{
    struct left left;
    return engine_left(w->engine, (struct task_ref){id, 0, 1}, &left);
}

static uint64_t left_by(struct world *w, uint64_t uid, const char *source, bool may_run)
{
    struct submission sub = submission_of(source, 1);
    sub.owner.uid = uid;
    uint64_t id = world_submit_as(w, &sub);
    world_pass(w, 5);
    if (!may_run)
        run_end(w, run_of(w, (struct task_ref){id, 0, 1}), "DONE");
    world_pass(w, 2);
    struct input in = {.kind = IN_WISH,
                       .asker = {.connection = 1, .uid = uid},
                       .wish = {.wish = WISH_GONE, .is_hard = true, .ids = &id, .n_ids = 1}};
    world_step(w, &in);
    assert_true(phase_is_final(world_phase(w, id)));
    world_pass(w, 60);
    return id;
}

static void over_his_share_a_user_loses_his_own_oldest_and_programs_last(void **state)
{
    (void)state;
    struct world *w = new_world();
    uint64_t n, n_dropped, own[8];
    w->config.remains_max = 3;
    w->is_endless = true;
    cut(w, NULL, NULL, true);
    uint64_t other = left_by(w, 7, job, false);
    static const bool may_run[] = {true, false, false, false, true, true, false, true};
    for (size_t i = 0; i < GW_COUNT(own); i++)
        own[i] = left_by(w, 8, job, may_run[i]);
    /* Three programs stayed while directories came and went; then the oldest of them went. */
    static const bool stays[] = {false, false, false, false, true, true, false, true};
    for (size_t i = 0; i < GW_COUNT(own); i++)
        if (is_left(w, own[i]) != stays[i])
            fail_msg("number %zu is %sleft", i, stays[i] ? "not " : "");
    assert_true(is_left(w, other));
    engine_left_count(w->engine, 8, &n, &n_dropped);
    assert_int_equal(n, 3);
    assert_int_equal(n_dropped, 5);
    /* The first, the second and the fourth. */
    assert_int_equal(count_of(buf_str(&w->warnings), "\n"), 3);
    assert_non_null(strstr(buf_str(&w->warnings), "uid 8 has left more than 3 "));
    assert_null(strstr(buf_str(&w->warnings), "uid 7"));
    world_destroy(w);
}

static void what_is_left_tells_how_often_and_why(void **state)
{
    (void)state;
    struct world *w = new_world();
    struct left left = {0};
    w->faults[0] = (struct fault){"RMDIR", NULL, "not-allowed:site that is mine", 0, 1000000};
    uint64_t id = world_submit(w, job);
    world_pass(w, 600);
    assert_true(engine_left(w->engine, (struct task_ref){id, 0, 1}, &left));
    assert_false(left.may_run);
    assert_in_range(left.asked, 5, 20);
    assert_string_equal(left.said->code, "not-allowed");
    assert_string_equal(left.said->text, "that is mine");
    w->faults[0].times = 0;
    world_pass(w, 120);
    assert_false(engine_left(w->engine, (struct task_ref){id, 0, 1}, &left));
    world_destroy(w);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_was_given_up_as_lost_is_cancelled_and_removed_when_its_site_is_back),
        cmocka_unit_test(
            a_directory_that_cannot_be_removed_does_not_keep_the_job_and_is_removed_later),
        cmocka_unit_test(killed_hard_after_its_results_are_home_a_job_leaves_nothing),
        cmocka_unit_test(a_payload_that_nobody_can_ask_about_does_not_keep_its_directory),
        cmocka_unit_test(a_site_that_does_not_come_back_costs_little),
        cmocka_unit_test(after_a_week_what_is_left_is_given_up),
        cmocka_unit_test(the_week_goes_on_over_restarts),
        cmocka_unit_test(over_his_share_a_user_loses_his_own_oldest_and_programs_last),
        cmocka_unit_test(what_is_left_tells_how_often_and_why),
    };
    return cmocka_run_group_tests_name("engine_remains", tests, NULL, NULL);
}
