/* The engine and sites that fail: few attempts are burnt there, and nobody else pays for it. */
#include "gwd/engine/health.h"
#include "tests/unit/engine_checks.h"

static const char plain[] = "EXECUTABLE = run.sh\nOUTPUT_FILES = result\n";

static struct world *begin(const char *hosts)
{
    struct world *w = world_create();
    w->hosts = hosts;
    w->config.site_failures = 3;
    w->config.site_pause_us = 60000000;
    w->config.site_pause_max_us = 900000000;
    w->config.attempts_max = 5;
    world_start(w);
    world_listen(w);
    return w;
}

/* `host` refuses what is submitted there, for a reason "code:blame". */
static void break_host(struct world *w, const char *host, const char *text)
{
    w->faults[0] = (struct fault){"SUBMIT", host, text, 0, 1000000};
}

static uint64_t submit_as(struct world *w, const char *source, uint64_t tasks, uint64_t uid)
{
    struct submission sub = submission_of(source, tasks);
    sub.owner.uid = uid;
    return world_submit_as(w, &sub);
}

static uint64_t attempts_at(struct world *w, uint64_t id, uint64_t n, const char *host)
{
    uint64_t count = 0;
    struct job *j = state_job_of(engine_state(w->engine), id);
    for (uint64_t i = 0; i < n; i++) {
        const struct task *t = job_task(j, i);
        for (size_t k = 0; t && k < t->n_attempts; k++)
            count += strcmp(t->attempts[k].host, host) == 0;
    }
    return count;
}

static const struct match_why *why(struct world *w, uint64_t id)
{
    return engine_why(w->engine, state_job_of(engine_state(w->engine), id)->spec->class);
}

static void a_site_where_everything_fails_does_not_eat_a_queue(void **state)
{
    (void)state;
    struct world *w = begin("alpha beta");
    break_host(w, "beta", "site-failure:site no");
    uint64_t id = submit_as(w, "EXECUTABLE = run.sh\nNUMBER_OF_RETRIES = 0\n", 300, 1000);
    world_pass(w, 3600);
    struct job *j = state_job_of(engine_state(w->engine), id);
    for (uint64_t i = 0; i < 300; i++)
        assert_int_equal(job_task_phase(j, i), PHASE_DONE);
    /* Its slots before it was known, and one after each pause. */
    assert_in_range(attempts_at(w, id, 300, "beta"), 4, 16);
    world_destroy(w);
}

static void the_only_site_is_waited_for_and_then_given_more_and_more(void **state)
{
    (void)state;
    struct world *w = begin("beta");
    break_host(w, "beta", "site-failure:site no");
    uint64_t id = submit_as(w, "EXECUTABLE = run.sh\nNUMBER_OF_RETRIES = 0\n", 50, 1000);
    world_pass(w, 30);
    /* Its four slots, and two that had got free before the third failure. */
    assert_int_equal(attempts_at(w, id, 50, "beta"), 6);
    assert_int_equal(why(w, id)->resting, 1);
    const struct host *host;
    struct job *j = state_job_of(engine_state(w->engine), id);
    const struct health *h = engine_first_rest(w->engine, j->spec->class, &host);
    assert_string_equal(host->name, "beta");
    assert_string_equal(h->reason.code, "site-failure");
    world_pass(w, 60);
    assert_int_equal(attempts_at(w, id, 50, "beta"), 7);
    w->faults[0].times = 0;
    world_pass(w, 600);
    for (uint64_t i = 0; i < 50; i++)
        assert_int_equal(job_task_phase(j, i), PHASE_DONE);
    assert_null(engine_rests(w->engine, host));
    world_destroy(w);
}

static void another_owner_is_not_kept_from_a_site(void **state)
{
    (void)state;
    struct world *w = begin("beta");
    break_host(w, "beta", "site-failure:site no");
    uint64_t id = submit_as(w, "EXECUTABLE = run.sh\nNUMBER_OF_RETRIES = 0\n", 50, 1000);
    world_pass(w, 30);
    assert_int_equal(why(w, id)->resting, 1);
    w->faults[0].times = 0;
    uint64_t other = submit_as(w, plain, 10, 1001);
    world_pass(w, 20);
    for (uint64_t i = 0; i < 10; i++)
        assert_int_equal(job_task_phase(state_job_of(engine_state(w->engine), other), i),
                         PHASE_DONE);
    /* Nor does it help the first one. */
    assert_int_equal(why(w, id)->resting, 1);
    world_destroy(w);
}

static void what_the_job_is_to_blame_for_does_not_count(void **state)
{
    (void)state;
    struct world *w = begin("beta");
    break_host(w, "beta", "refused:job no");
    for (int i = 0; i < 10; i++) {
        uint64_t id = submit_as(w, plain, 1, 1000);
        world_pass(w, 1);
        check_failed(w, id, "refused", BLAME_JOB, 1);
    }
    size_t n;
    assert_null(engine_rests(w->engine, engine_hosts(w->engine, &n)[0]));
    world_destroy(w);
}

static void a_failure_of_our_own_makes_the_site_rest_at_once(void **state)
{
    (void)state;
    struct world *w = begin("beta");
    break_host(w, "beta", "internal:us no");
    uint64_t id = submit_as(w, "EXECUTABLE = run.sh\nNUMBER_OF_RETRIES = 0\n", 1, 1000);
    world_pass(w, 30);
    assert_int_equal(attempts_at(w, id, 1, "beta"), 1);
    assert_int_equal(why(w, id)->resting, 1);
    world_destroy(w);
}

static void an_administrator_who_undrains_a_host_gives_it_jobs_again(void **state)
{
    (void)state;
    struct world *w = begin("beta");
    break_host(w, "beta", "site-failure:site no");
    uint64_t id = submit_as(w, "EXECUTABLE = run.sh\nNUMBER_OF_RETRIES = 0\n", 20, 1000);
    world_pass(w, 30);
    w->faults[0].times = 0;
    struct input in = {.kind = IN_DRAIN,
                       .asker = {.is_admin = true},
                       .drain = {.host = "beta", .is_drained = false}};
    world_step(w, &in);
    world_pass(w, 25);
    for (uint64_t i = 0; i < 20; i++)
        assert_int_equal(job_task_phase(state_job_of(engine_state(w->engine), id), i), PHASE_DONE);
    world_destroy(w);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_site_where_everything_fails_does_not_eat_a_queue),
        cmocka_unit_test(the_only_site_is_waited_for_and_then_given_more_and_more),
        cmocka_unit_test(another_owner_is_not_kept_from_a_site),
        cmocka_unit_test(what_the_job_is_to_blame_for_does_not_count),
        cmocka_unit_test(a_failure_of_our_own_makes_the_site_rest_at_once),
        cmocka_unit_test(an_administrator_who_undrains_a_host_gives_it_jobs_again),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
