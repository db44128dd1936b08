/* The engine and the credentials in whose name its drivers act: nothing fails for the want of one.
 */
#include "tests/unit/world.h"

#define PROXY "/tmp/x509up_u1000"
#define HOUR_US (INT64_C(3600) * 1000000)

static const char plain[] = "EXECUTABLE = run.sh\nOUTPUT_FILES = result\n";

static void found(struct world *w, const char *problem, int64_t life_us)
{
    static uint64_t version;
    struct input in = {.kind = IN_CREDENTIAL,
                       .credential = {.path = PROXY,
                                      .identity = "/O=Grid/CN=Ann",
                                      .problem = problem,
                                      .expires_us = w->now_us + life_us,
                                      .version = ++version}};
    world_step(w, &in);
}

static struct world *begin(void)
{
    struct world *w = world_create();
    w->config.credential_life_us = HOUR_US / 4;
    w->features[DRIVER_TM] = FEATURES_ALL | FEATURE_CREDENTIAL;
    w->features[DRIVER_EM] = FEATURES_ALL | FEATURE_CREDENTIAL | FEATURE_COMMIT;
    w->exit_code = 3;
    world_start(w);
    world_listen(w);
    return w;
}

static uint64_t submit(struct world *w, const char *source)
{
    static char path[] = PROXY;
    struct submission sub = submission_of(source, 1);
    sub.owner.credential = path;
    return world_submit_as(w, &sub);
}

static const struct reason *parked(struct world *w, uint64_t id)
{
    struct job *j = state_job_of(engine_state(w->engine), id);
    return engine_trouble(w->engine, j, job_task(j, 0));
}

static const struct match_why *why(struct world *w, uint64_t id)
{
    return engine_why(w->engine, state_job_of(engine_state(w->engine), id)->spec->class);
}

static void check_done_once(struct world *w, uint64_t id)
{
    struct task *t = world_task(w, id);
    assert_int_equal(t->phase, PHASE_DONE);
    assert_int_equal(t->n_attempts, 1);
    assert_int_equal(t->attempts[0].exit_code, 3);
    assert_int_equal(w->runs->n_started, 1);
    assert_int_equal(world_count(w, "/.gw_i.", NULL), 0);
}

static void a_job_waits_for_its_credential_and_then_starts_by_itself(void **state)
{
    (void)state;
    struct world *w = begin();
    uint64_t id = submit(w, plain);
    assert_int_equal(w->n_looks, 1);
    assert_int_equal(why(w, id)->no_credential, 1);
    found(w, "the credential " PROXY " does not exist", 0);
    world_pass(w, 1000);
    assert_int_equal(world_phase(w, id), PHASE_PENDING);
    found(w, NULL, HOUR_US / 8);
    world_pass(w, 10);
    assert_int_equal(world_phase(w, id), PHASE_PENDING);
    assert_int_equal(why(w, id)->no_credential, 1);
    found(w, NULL, HOUR_US);
    world_pass(w, 10);
    check_done_once(w, id);
    world_destroy(w);
}

static void a_job_without_a_credential_starts_where_none_is_asked_for(void **state)
{
    (void)state;
    struct world *w = begin();
    uint64_t id = world_submit(w, plain);
    world_pass(w, 10);
    assert_int_equal(world_phase(w, id), PHASE_PENDING);
    w->features[DRIVER_TM] = w->features[DRIVER_EM] = FEATURES_ALL;
    for (int kind = DRIVER_TM; kind <= DRIVER_EM; kind++) {
        world_driver(w, (enum driver_kind)kind, false);
        world_driver(w, (enum driver_kind)kind, true);
    }
    world_pass(w, 10);
    check_done_once(w, id);
    world_destroy(w);
}

/* Refused at each request in turn, as it would be when the proxy ran out just then. */
static void
a_credential_that_is_refused_at_any_request_parks_the_job_and_fails_nothing(void **state)
{
    static const struct {
        const char *verb, *has;
        bool is_news; /* the payload runs when it is refused */
    } places[] = {
        {"START", NULL, false},   {"MKDIR", NULL, false},  {"CP", "job.env", false},
        {"SUBMIT", NULL, false},  {"COMMIT", NULL, false}, {"CP", "/status", false},
        {"CP", "/result", false}, {"RMDIR", NULL, false},  {"POLL", NULL, true},
    };
    (void)state;
    for (size_t i = 0; i < GW_COUNT(places); i++) {
        struct world *w = begin();
        w->is_endless = places[i].is_news;
        w->features[DRIVER_EM] &= ~(unsigned)FEATURE_POLL_ALL;
        world_driver(w, DRIVER_EM, false);
        world_driver(w, DRIVER_EM, true);
        w->faults[0] = (struct fault){.verb = places[i].verb,
                                      .has = places[i].has,
                                      .text = "credential:job it expired",
                                      .times = 1000};
        if (places[i].is_news) /* else the next question is answered */
            w->faults[1] = (struct fault){
                .verb = "RECOVER", .text = "credential:job it expired", .times = 1000};
        uint64_t id =
            submit(w, "EXECUTABLE = run.sh\nOUTPUT_FILES = result\nON_LOST = retry-now\n");
        found(w, NULL, HOUR_US);
        world_pass(w, 1000);
        if (!parked(w, id))
            fail_msg("%s %s: it is not parked; sent: %s", places[i].verb,
                     places[i].has ? places[i].has : "", buf_str(&w->trace));
        assert_string_equal(parked(w, id)->code, "credential");
        assert_string_equal(parked(w, id)->text, "it expired");
        w->faults[0].times = w->faults[1].times = 0;
        w->is_endless = false;
        found(w, NULL, HOUR_US);
        world_pass(w, 1000);
        check_done_once(w, id);
        world_destroy(w);
    }
}

static void what_was_killed_is_removed_when_the_credential_is_good_again(void **state)
{
    (void)state;
    struct world *w = begin();
    w->is_endless = true;
    uint64_t id = submit(w, plain);
    found(w, NULL, HOUR_US);
    world_pass(w, 10);
    w->faults[0] = (struct fault){"RMDIR", NULL, "credential:job it expired", 0, 1000};
    world_wish(w, id, WISH_GONE, false);
    world_pass(w, 1000);
    assert_non_null(parked(w, id));
    w->faults[0].times = 0;
    found(w, NULL, HOUR_US);
    world_pass(w, 10);
    assert_int_equal(world_phase(w, id), PHASE_FAILED);
    assert_int_equal(world_count(w, "/.gw_i.", NULL), 0);
    world_destroy(w);
}

static void what_is_under_way_when_it_expires_goes_on_after_the_renewal(void **state)
{
    (void)state;
    struct world *w = begin();
    w->is_endless = true;
    uint64_t id = submit(w, plain);
    found(w, NULL, HOUR_US);
    world_pass(w, 10);
    assert_int_equal(world_phase(w, id), PHASE_WRAPPER);
    world_pass(w, 3600);
    w->is_endless = false; /* it ends when nobody may fetch its results */
    world_pass(w, 3600);
    assert_int_equal(world_phase(w, id), PHASE_EPILOG);
    assert_non_null(parked(w, id));
    assert_non_null(strstr(parked(w, id)->text, "has expired"));
    found(w, NULL, HOUR_US);
    world_pass(w, 10);
    check_done_once(w, id);
    world_destroy(w);
}

static void nothing_is_submitted_with_a_short_one(void **state)
{
    (void)state;
    struct world *w = begin();
    uint64_t id = submit(w, plain);
    found(w, NULL, HOUR_US / 4 + 2000000);
    w->faults[0] = (struct fault){.verb = "CP", .has = "job.env", .text = "io:site no", .times = 2};
    world_pass(w, 600);
    assert_int_equal(world_phase(w, id), PHASE_WRAPPER);
    assert_int_equal(w->n_submits, 0);
    assert_non_null(parked(w, id));
    found(w, NULL, HOUR_US);
    world_pass(w, 10);
    check_done_once(w, id);
    world_destroy(w);
}

static void a_renewed_credential_is_told_to_the_driver_of_a_running_job(void **state)
{
    (void)state;
    struct world *w = begin();
    w->is_endless = true;
    submit(w, plain);
    found(w, NULL, HOUR_US);
    world_pass(w, 10);
    unsigned before = w->n_credentials;
    found(w, NULL, 2 * HOUR_US);
    assert_int_equal(w->n_credentials, before + 1);
    world_destroy(w);
}

static void a_parked_job_can_be_killed(void **state)
{
    (void)state;
    for (int is_hard = 0; is_hard <= 1; is_hard++) {
        struct world *w = begin();
        w->is_endless = true;
        uint64_t id = submit(w, plain);
        found(w, NULL, HOUR_US);
        world_pass(w, 10);
        found(w, "it is gone", 0);
        world_pass(w, 10);
        world_wish(w, id, WISH_GONE, is_hard);
        world_pass(w, 1000);
        if (!is_hard) {
            assert_int_equal(world_phase(w, id), PHASE_WRAPPER);
            assert_non_null(parked(w, id));
            found(w, NULL, HOUR_US);
            world_pass(w, 1000);
            assert_int_equal(world_count(w, "/.gw_i.", NULL), 0);
            assert_false(w->runs->is_running);
        }
        assert_int_equal(world_phase(w, id), PHASE_FAILED);
        world_destroy(w);
    }
}

static void results_that_cannot_be_reached_are_waited_for(void **state)
{
    (void)state;
    struct world *w = begin();
    uint64_t id = submit(w, plain);
    w->faults[0] = (struct fault){
        .verb = "CP", .has = "/status", .text = "unreachable:site the link is cut", .times = 40};
    found(w, NULL, 100 * HOUR_US);
    world_pass(w, 600);
    assert_int_equal(world_phase(w, id), PHASE_EPILOG);
    assert_true(task_attempt(world_task(w, id))->unknown_since_us != 0);
    world_pass(w, 3600);
    check_done_once(w, id);
    world_destroy(w);
}

static void results_that_cannot_be_reached_are_not_waited_for_when_the_owner_says_so(void **state)
{
    (void)state;
    struct world *w = begin();
    uint64_t id = submit(w, "EXECUTABLE = run.sh\nOUTPUT_FILES = result\nON_LOST = retry-now\n");
    w->faults[0] = (struct fault){
        .verb = "CP", .has = "/status", .text = "unreachable:site the link is cut", .times = 5};
    found(w, NULL, 100 * HOUR_US);
    world_pass(w, 3600);
    assert_int_equal(world_phase(w, id), PHASE_DONE);
    assert_int_equal(world_task(w, id)->n_attempts, 2);
    world_destroy(w);
}

static void one_who_waits_for_results_can_be_killed(void **state)
{
    (void)state;
    struct world *w = begin();
    uint64_t id = submit(w, plain);
    w->faults[0] = (struct fault){
        .verb = "CP", .has = "/status", .text = "unreachable:site the link is cut", .times = 1000};
    found(w, NULL, 100 * HOUR_US);
    world_pass(w, 600);
    world_wish(w, id, WISH_GONE, false);
    world_pass(w, 600);
    assert_int_equal(world_phase(w, id), PHASE_FAILED);
    assert_int_equal(world_count(w, "/.gw_i.", NULL), 0);
    world_destroy(w);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_job_waits_for_its_credential_and_then_starts_by_itself),
        cmocka_unit_test(a_job_without_a_credential_starts_where_none_is_asked_for),
        cmocka_unit_test(
            a_credential_that_is_refused_at_any_request_parks_the_job_and_fails_nothing),
        cmocka_unit_test(what_was_killed_is_removed_when_the_credential_is_good_again),
        cmocka_unit_test(what_is_under_way_when_it_expires_goes_on_after_the_renewal),
        cmocka_unit_test(nothing_is_submitted_with_a_short_one),
        cmocka_unit_test(a_renewed_credential_is_told_to_the_driver_of_a_running_job),
        cmocka_unit_test(a_parked_job_can_be_killed),
        cmocka_unit_test(results_that_cannot_be_reached_are_waited_for),
        cmocka_unit_test(results_that_cannot_be_reached_are_not_waited_for_when_the_owner_says_so),
        cmocka_unit_test(one_who_waits_for_results_can_be_killed),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
