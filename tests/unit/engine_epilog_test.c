/* The engine: results that are at a site are fetched, however long that takes. */
#include "tests/unit/engine_checks.h"

static const char job[] = "EXECUTABLE = run.sh\nOUTPUT_FILES = result\n";
static const char now[] = "EXECUTABLE = run.sh\nOUTPUT_FILES = result\nON_LOST = retry-now\n";

static size_t count_of(const char *text, const char *word)
{
    size_t n = 0;
    for (const char *p = text; (p = strstr(p, word)); p++)
        n++;
    return n;
}

static const char *trouble_of(const struct world *w, uint64_t id)
{
    struct job *j = state_job_of(engine_state(w->engine), id);
    const struct reason *r = engine_trouble(w->engine, j, job_task(j, id - j->id));
    return r ? r->code : "none";
}

/* A case goes on for three hours, in which nothing is lost and little is asked; then all is well
 * again. */
static void check_wait(struct world *w, uint64_t id, const char *code, size_t i)
{
    buf_reset(&w->trace);
    world_pass(w, 3 * 3600);
    struct task *t = world_task(w, id);
    if (!t || t->phase != PHASE_EPILOG || t->n_attempts != 1)
        fail_msg("case %zu: %s; sent: %s", i, phase_name(world_phase(w, id)), buf_str(&w->trace));
    assert_string_equal(trouble_of(w, id), code);
    assert_null(strstr(buf_str(&w->trace), "RMDIR"));
    assert_in_range(count_of(buf_str(&w->trace), " ") + 1, 100, 800);
    for (size_t k = 0; k < GW_COUNT(w->faults); k++)
        w->faults[k].times = 0;
    world_pass(w, 120);
    check_done(w, id, 1);
    assert_int_equal(world_task(w, id)->attempts[0].unknown_since_us, 0);
    assert_int_equal(w->n_submits, 1);
    assert_true(world_has(w, "file:///home/ann/result"));
    check_clean(w);
}

static void results_that_cannot_be_fetched_wait_until_they_can(void **state)
{
    (void)state;
    static const struct {
        const char *source;
        struct fault fault;
        const char *code;
    } cases[] = {
        {job, {"START", NULL, "unreachable:site x", 1, 1000000}, "unreachable"},
        {job, {"START", NULL, "internal:us x", 1, 1000000}, "internal"},
        {job, {"CP", "/status", "unreachable:site x", 0, 1000000}, "unreachable"},
        {job, {"CP", "/status", "not-authorized:site x", 0, 1000000}, "not-authorized"},
        {job, {"CP", "/result", "unreachable:site x", 0, 1000000}, "unreachable"},
        {job, {"CP", "/result", "io:site x", 0, 1000000}, "io"},
        {job, {"CP", "/stdout", "busy:site x", 0, 1000000}, "busy"},
        /* what the owner has to mend, also for those who do not want to wait for a site */
        {job, {"CP", "/result", "no-space:site x", 0, 1000000}, "no-space"},
        {now, {"CP", "/result", "no-space:site x", 0, 1000000}, "no-space"},
        {now, {"CP", "/status", "no-space:site x", 0, 1000000}, "no-space"},
        {job, {"CP", "/result", "not-allowed:job x", 0, 1000000}, "not-allowed"},
        {now, {"CP", "/result", "not-allowed:job x", 0, 1000000}, "not-allowed"},
        {"EXECUTABLE = run.sh\nOUTPUT_FILES = result\nON_LOST = retry-after-lease\nLEASE = 60s\n",
         {"CP", "/result", "not-allowed:job x", 0, 1000000},
         "not-allowed"},
    };
    for (size_t i = 0; i < GW_COUNT(cases); i++) {
        struct world *w = new_world();
        w->faults[0] = cases[i].fault;
        uint64_t id = world_submit(w, cases[i].source);
        check_wait(w, id, cases[i].code, i);
        world_destroy(w);
    }
}

static void so_do_those_of_an_attempt_that_was_found_by_its_token(void **state)
{
    (void)state;
    struct world *w = new_world();
    w->is_endless = true;
    uint64_t id = world_submit(w, job);
    while (!w->n_submits)
        world_hear(w);
    world_driver(w, DRIVER_EM, false);
    world_driver(w, DRIVER_EM, true);
    world_listen(w);
    assert_null(world_task(w, id)->attempts[0].contact);
    w->is_endless = false;
    w->faults[0] = (struct fault){"START", NULL, "unreachable:site x", 0, 1000000};
    world_pass(w, 60);
    /* It is known from the state alone that there may be results. */
    world_restart(w);
    check_wait(w, id, "unreachable", 0);
    world_destroy(w);
}

static void what_its_owner_does_not_want_to_wait_for_is_tried_a_few_times(void **state)
{
    (void)state;
    static const struct {
        const char *source;
        int64_t after_s;
    } cases[] = {
        {now, 12},
        {"EXECUTABLE = run.sh\nOUTPUT_FILES = result\nON_LOST = retry-after-lease\nLEASE = 100s\n",
         220},
    };
    for (size_t i = 0; i < GW_COUNT(cases); i++) {
        struct world *w = new_world();
        w->faults[0] = (struct fault){"CP", "/result", "unreachable:site x", 0, 1000000};
        uint64_t id = world_submit(w, cases[i].source);
        world_pass(w, cases[i].after_s);
        assert_true(world_task(w, id)->n_attempts > 1);
        w->faults[0].times = 0;
        world_pass(w, 300);
        assert_int_equal(world_phase(w, id), PHASE_DONE);
        check_clean(w);
        world_destroy(w);
    }
}

static void a_kill_ends_the_wait_for_results(void **state)
{
    (void)state;
    for (int is_hard = 0; is_hard < 2; is_hard++) {
        struct world *w = new_world();
        w->faults[0] = (struct fault){"CP", "/result", "not-allowed:job x", 0, 1000000};
        uint64_t id = world_submit(w, job);
        world_pass(w, 600);
        assert_int_equal(world_phase(w, id), PHASE_EPILOG);
        world_wish(w, id, WISH_GONE, is_hard);
        world_pass(w, 60);
        check_failed(w, id, is_hard ? "killed-hard" : "killed", BLAME_NONE, 1);
        check_clean(w);
        world_destroy(w);
    }
}

/* The last answer of the site's before the daemon is gone is that of RMDIR. */
static void why_an_attempt_failed_is_known_when_its_directory_is_gone(void **state)
{
    (void)state;
    static const struct {
        const char *failed;
        struct fault fault;
        const char *code;
    } cases[] = {
        {"image:job x", {0}, "image"},
        {NULL, {"CP", "/result", "no-file:job x", 0, 1000000}, "no-file"},
    };
    for (size_t i = 0; i < GW_COUNT(cases); i++) {
        struct world *w = new_world();
        w->failed = cases[i].failed;
        w->faults[0] = cases[i].fault;
        w->faults[1] = (struct fault){"RMDIR", NULL, "unreachable:site x", 0, 1000000};
        uint64_t id = world_submit(w, job);
        world_pass(w, 2);
        assert_int_equal(world_phase(w, id), PHASE_EPILOG);
        assert_non_null(strstr(buf_str(&w->trace), "RMDIR"));
        world_remove(w, "file:///site/.gw_i.1.1.0.1");
        w->failed = NULL;
        memset(w->faults, 0, sizeof w->faults);
        world_restart(w);
        world_pass(w, 300);
        check_failed(w, id, cases[i].code, BLAME_JOB, 1);
        check_clean(w);
        world_destroy(w);
    }
}

/* --- a driver that tells no reasons, as GridWay's --- */

static struct world *blind_world(void)
{
    struct world *w = world_create();
    w->features[DRIVER_TM] = 0;
    world_start(w);
    world_listen(w);
    return w;
}

static void without_reasons_a_site_out_of_reach_is_not_taken_for_one_without_results(void **state)
{
    (void)state;
    static const char *const verbs[] = {"CP", "EXISTS", "MKDIR"};
    struct world *w = blind_world();
    w->is_endless = true;
    uint64_t id = world_submit(w, job);
    world_pass(w, 5);
    for (size_t k = 0; k < GW_COUNT(verbs); k++)
        w->faults[k] = (struct fault){verbs[k], "/.gw_i.", "it did not work", 0, 1000000};
    w->is_endless = false;
    check_wait(w, id, "unreachable", 0);
    world_destroy(w);
}

static void without_reasons_results_that_do_not_come_are_not_thrown_away(void **state)
{
    (void)state;
    struct world *w = blind_world();
    w->faults[0] = (struct fault){"CP", "/result", "it did not work", 0, 1000000};
    uint64_t id = world_submit(w, job);
    check_wait(w, id, "site-failure", 0);
    world_destroy(w);
}

static void without_reasons_results_that_are_gone_are_not_waited_for(void **state)
{
    (void)state;
    struct world *w = blind_world();
    w->faults[0] = (struct fault){"CP", "/result", "it did not work", 0, 3};
    uint64_t id = world_submit(w, job);
    world_pass(w, 2);
    world_remove(w, "file:///site/.gw_i.1.1.0.1");
    world_pass(w, 300);
    check_done(w, id, 2);
    assert_string_equal(world_task(w, id)->attempts[0].reason.code, "no-status");
    check_clean(w);
    world_destroy(w);
}

static void without_reasons_a_status_that_is_not_there_ends_the_attempt(void **state)
{
    (void)state;
    for (int is_gone = 0; is_gone < 2; is_gone++) {
        struct world *w = blind_world();
        w->faults[0] = (struct fault){"CP", "/status", "it did not work", 0, 5};
        /* A directory that is not there can be made. */
        w->faults[1] = (struct fault){"EXISTS", NULL, "it did not work", 0, is_gone ? 100 : 0};
        uint64_t id = world_submit(w, job);
        world_pass(w, 300);
        check_done(w, id, 2);
        assert_string_equal(world_task(w, id)->attempts[0].reason.code, "no-status");
        check_clean(w);
        world_destroy(w);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(results_that_cannot_be_fetched_wait_until_they_can),
        cmocka_unit_test(so_do_those_of_an_attempt_that_was_found_by_its_token),
        cmocka_unit_test(what_its_owner_does_not_want_to_wait_for_is_tried_a_few_times),
        cmocka_unit_test(a_kill_ends_the_wait_for_results),
        cmocka_unit_test(why_an_attempt_failed_is_known_when_its_directory_is_gone),
        cmocka_unit_test(without_reasons_a_site_out_of_reach_is_not_taken_for_one_without_results),
        cmocka_unit_test(without_reasons_results_that_do_not_come_are_not_thrown_away),
        cmocka_unit_test(without_reasons_results_that_are_gone_are_not_waited_for),
        cmocka_unit_test(without_reasons_a_status_that_is_not_there_ends_the_attempt),
    };
    return cmocka_run_group_tests_name("engine_epilog", tests, NULL, NULL);
}
