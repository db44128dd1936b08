/* Jobs without staging: what the engine asks of the drivers, and what a crash anywhere does. */
#include "tests/unit/world.h"

static const char bare_job[] = "EXECUTABLE = /bin/run\nARGUMENTS = ${JOB_ID} 'a b'\nSTAGING = no\n"
                               "ENVIRONMENT = COLOUR=red\nSTDOUT_FILE = /tmp/out.${JOB_ID}\n";

static struct world *world_with(unsigned more, unsigned less)
{
    struct world *w = world_create();
    w->features[DRIVER_EM] = (w->features[DRIVER_EM] | more) & ~less;
    world_start(w);
    world_listen(w);
    return w;
}

static struct task *done(struct world *w, uint64_t id)
{
    struct task *t = world_task(w, id);
    if (!t || t->phase != PHASE_DONE)
        fail_msg("job %" PRIu64 " is %s, not DONE; sent: %s", id, phase_name(world_phase(w, id)),
                 buf_str(&w->trace));
    assert_int_equal(world_count(w, "/spool/", NULL), 0);
    return t;
}

static void a_bare_job_is_one_request_and_one_answer(void **state)
{
    (void)state;
    struct world *w = world_with(FEATURE_INLINE, 0);
    w->exit_code = 7;
    uint64_t id = world_submit(w, bare_job);
    world_pass(w, 5);
    struct task *t = done(w, id);
    assert_string_equal(buf_str(&w->trace), "SUBMIT");
    assert_int_equal(t->attempts[0].exit_code, 7);
    assert_true(t->attempts[0].is_accepted && t->attempts[0].staged_us && t->attempts[0].exited_us);
    unsigned n_written;
    world_count(w, "/spool/", &n_written);
    assert_int_equal(n_written, 0);
    world_destroy(w);
}

static void a_driver_without_inline_reads_the_description_from_a_file(void **state)
{
    (void)state;
    struct world *w = world_with(0, 0);
    uint64_t id = world_submit(w, bare_job);
    struct rsl rsl;
    const char *text = world_file(w, "file:///spool/1.0.1/job.rsl")->text;
    assert_int_equal(rsl_decode(text, strlen(text), &rsl, NULL), 0);
    assert_string_equal(rsl_get(&rsl, "executable"), "/bin/run");
    assert_string_equal(rsl_get(&rsl, "stdin"), "/dev/null");
    assert_string_equal(rsl_get(&rsl, "stdout"), "/tmp/out.1");
    assert_string_equal(rsl_get(&rsl, "stderr"), "/dev/null");
    assert_null(rsl_get(&rsl, "directory"));
    assert_string_equal(rsl_getenv(&rsl, "GW_TOKEN"), "i.1.1.0.1");
    assert_string_equal(rsl_getenv(&rsl, "GW_STAGING"), "no");
    assert_string_equal(rsl_getenv(&rsl, "GW_JOB_ID"), "1");
    assert_string_equal(rsl_getenv(&rsl, "COLOUR"), "red");
    assert_int_equal(rsl_find(&rsl, "arguments")->n, 2);
    assert_string_equal(rsl_find(&rsl, "arguments")->values[0], "1");
    assert_string_equal(rsl_find(&rsl, "arguments")->values[1], "a b");
    rsl_clear(&rsl);
    world_pass(w, 5);
    done(w, id);
    world_destroy(w);
}

static void a_staged_job_takes_the_inline_description_too(void **state)
{
    (void)state;
    struct world *w = world_with(FEATURE_INLINE, 0);
    uint64_t id = world_submit(w, "EXECUTABLE = run.sh\n");
    world_pass(w, 5);
    done(w, id);
    unsigned n_written;
    world_count(w, "job.rsl", &n_written);
    assert_int_equal(n_written, 0);
    world_destroy(w);
}

/* Killed after each event and effect in turn: the payload starts once, and its code is known. */
static void wherever_the_daemon_is_killed_it_runs_once_and_its_code_counts(void **state)
{
    (void)state;
    for (unsigned is_inline = 0; is_inline < 2; is_inline++)
        for (uint64_t at = 1; at < 40; at++) {
            struct world *w = world_with(is_inline ? FEATURE_INLINE : 0, 0);
            w->exit_code = 3;
            w->crash_at = w->n_effects + at;
            uint64_t id = world_submit(w, bare_job);
            id = id ? id : 1;
            world_pass(w, 5);
            bool is_over = !w->is_crashed;
            if (w->is_crashed)
                world_restart(w);
            world_pass(w, 120);
            if (!world_task(w, id)) { /* it was never on disk */
                world_destroy(w);
                continue;
            }
            assert_int_equal(world_phase(w, id), PHASE_DONE);
            assert_int_equal(world_task(w, id)->n_attempts, 1);
            assert_int_equal(world_task(w, id)->attempts[0].exit_code, 3);
            assert_int_equal(w->runs->n_started, 1);
            world_destroy(w);
            if (is_over)
                break;
        }
}

static void a_driver_that_stops_anywhere_is_asked_and_not_told_again(void **state)
{
    (void)state;
    for (unsigned is_lost = 0; is_lost < 2; is_lost++)
        for (uint64_t at = 1; at < 10; at++) {
            struct world *w = world_with(0, 0);
            w->stop_driver_at = w->n_effects + at;
            w->is_request_lost = is_lost;
            uint64_t id = world_submit(w, bare_job);
            world_pass(w, 300);
            assert_int_equal(world_phase(w, id), PHASE_DONE);
            assert_int_equal(w->runs->n_started, 1);
            world_destroy(w);
        }
}

static void a_bare_job_is_killed_wherever_it_is(void **state)
{
    (void)state;
    for (unsigned is_running = 0; is_running < 2; is_running++) {
        struct world *w = world_with(FEATURE_INLINE, 0);
        w->is_endless = true;
        uint64_t id = world_submit(w, bare_job);
        if (is_running)
            world_pass(w, 5);
        world_wish(w, id, WISH_GONE, false);
        world_pass(w, 30);
        struct task *t = world_task(w, id);
        assert_int_equal(t->phase, PHASE_FAILED);
        assert_string_equal(t->reason.code, "killed");
        assert_false(w->runs->is_running);
        world_destroy(w);
    }
}

static void what_is_lost_is_tried_again_by_the_owners_wish(void **state)
{
    (void)state;
    static const struct {
        const char *more;
        enum phase phase;
        uint64_t n_attempts;
    } cases[] = {{"", PHASE_DONE, 2}, {"RESCHEDULE_ON_FAILURE = no\n", PHASE_FAILED, 1}};
    for (size_t i = 0; i < GW_COUNT(cases); i++) {
        struct world *w = world_with(FEATURE_INLINE, 0);
        w->may_run_twice = true;
        char *source = xasprintf("%s%s", bare_job, cases[i].more);
        uint64_t id = world_submit(w, source);
        world_listen(w);
        world_tell(w, DRIVER_EM, "CALLBACK", (struct task_ref){id, 0, 1}, 0, false,
                   "lost:site over, without a result");
        w->runs->is_running = false;
        world_pass(w, 300);
        assert_int_equal(world_phase(w, id), cases[i].phase);
        assert_int_equal(world_task(w, id)->n_attempts, cases[i].n_attempts);
        assert_string_equal(world_task(w, id)->attempts[0].reason.code, "lost");
        free(source);
        world_destroy(w);
    }
}

static void an_end_without_a_code_is_no_result(void **state)
{
    (void)state;
    struct world *w = world_with(FEATURE_INLINE, 0);
    w->is_endless = true;
    char *source = xasprintf("%sRESCHEDULE_ON_FAILURE = no\n", bare_job);
    uint64_t id = world_submit(w, source);
    world_pass(w, 5);
    w->runs->is_running = false;
    world_tell(w, DRIVER_EM, "CALLBACK", (struct task_ref){id, 0, 1}, 0, true, "DONE");
    world_pass(w, 5);
    assert_int_equal(world_phase(w, id), PHASE_FAILED);
    assert_string_equal(world_task(w, id)->reason.code, "lost");
    free(source);
    world_destroy(w);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_bare_job_is_one_request_and_one_answer),
        cmocka_unit_test(a_driver_without_inline_reads_the_description_from_a_file),
        cmocka_unit_test(a_staged_job_takes_the_inline_description_too),
        cmocka_unit_test(wherever_the_daemon_is_killed_it_runs_once_and_its_code_counts),
        cmocka_unit_test(a_driver_that_stops_anywhere_is_asked_and_not_told_again),
        cmocka_unit_test(a_bare_job_is_killed_wherever_it_is),
        cmocka_unit_test(what_is_lost_is_tried_again_by_the_owners_wish),
        cmocka_unit_test(an_end_without_a_code_is_no_result),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
