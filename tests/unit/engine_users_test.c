/* Multi-user mode: drivers act as the jobs' owners, each by a process of his own. */
#include "tests/unit/world.h"

#include <inttypes.h>

enum { ANN = 1000, BOB = 1001 };

static const char plain[] = "EXECUTABLE = run.sh\nOUTPUT_FILES = result\n";
static const char bare[] = "EXECUTABLE = /bin/run\nSTAGING = no\n";

static struct world *begin(void)
{
    struct world *w = world_create();
    w->config.is_multi_user = w->config.keeps_traces = true;
    w->features[DRIVER_TM] = FEATURES_ALL | FEATURE_SMALL;
    w->features[DRIVER_EM] = FEATURES_ALL | FEATURE_INLINE;
    w->exit_code = 3;
    world_start(w);
    world_listen(w);
    return w;
}

static uint64_t submit(struct world *w, const char *source, uint64_t uid, char *credential)
{
    struct submission sub = submission_of(source, 1);
    sub.owner.uid = uid;
    sub.owner.credential = credential;
    return world_submit_as(w, &sub);
}

/* What the daemon tells of a user's process. */
static void of_user(struct world *w, enum driver_kind kind, uint64_t uid, const char *why,
                    bool is_refused, bool was_silent)
{
    static const char *const names[] = {"static", "local", "fork"};
    w->absent_uid = why ? uid : 0;
    w->absent_kind = kind;
    struct input in = {.kind = why ? IN_DRIVER_DOWN : IN_DRIVER_UP,
                       .driver = {.kind = kind,
                                  .name = names[kind],
                                  .is_of_user = true,
                                  .uid = uid,
                                  .why = why,
                                  .is_refused = is_refused,
                                  .was_silent = was_silent}};
    world_step(w, &in);
}

/* Nothing of his is answered any more. */
static void lose_answers(struct world *w, uint64_t id)
{
    struct answer *a, *tmp;
    DL_FOREACH_SAFE(w->answers, a, tmp)
    if (a->ref.job == id)
        answer_free(w, a);
}

static void what_a_user_left_at_a_site_waits_for_his_process_alone(void **state)
{
    (void)state;
    struct world *w = begin();
    w->is_endless = true;
    uint64_t ids[] = {submit(w, plain, ANN, NULL), submit(w, plain, BOB, NULL)};
    world_pass(w, 5);
    of_user(w, DRIVER_TM, BOB, "it ended", false, false);
    struct input in = {.kind = IN_WISH,
                       .asker = {.connection = 1, .is_admin = true},
                       .wish = {.wish = WISH_GONE, .is_hard = true, .ids = ids, .n_ids = 2}};
    world_step(w, &in);
    world_pass(w, 600);
    assert_int_equal(world_count(w, "/.gw_i.1.1.0.1/", NULL), 0);
    assert_true(world_count(w, "/.gw_i.1.2.0.1/", NULL) > 0);
    of_user(w, DRIVER_TM, BOB, NULL, false, false);
    world_pass(w, 120);
    assert_int_equal(world_count(w, "/.gw_i.", NULL), 0);
    world_destroy(w);
}

static void nothing_goes_through_files_of_ours(void **state)
{
    (void)state;
    struct world *w = begin();
    uint64_t ids[] = {submit(w, plain, ANN, NULL), submit(w, bare, BOB, NULL)};
    world_pass(w, 60);
    for (size_t i = 0; i < GW_COUNT(ids); i++)
        assert_int_equal(world_phase(w, ids[i]), PHASE_DONE);
    unsigned n_written;
    world_count(w, "file:///spool/", &n_written);
    assert_int_equal(n_written, 0);
    assert_int_equal(world_count(w, "file:///site/.gw_epoch_", NULL), 1);
    world_destroy(w);
}

static void a_user_whose_process_is_gone_waits_alone(void **state)
{
    (void)state;
    static const enum driver_kind kinds[] = {DRIVER_TM, DRIVER_EM};
    for (size_t i = 0; i < GW_COUNT(kinds); i++) {
        struct world *w = begin();
        w->is_endless = kinds[i] == DRIVER_EM;
        uint64_t anns = submit(w, plain, ANN, NULL);
        if (kinds[i] == DRIVER_EM)
            world_pass(w, 10);
        lose_answers(w, anns);
        of_user(w, kinds[i], ANN, "its process ended", false, false);
        uint64_t bobs = submit(w, plain, BOB, NULL);
        world_pass(w, 1000);
        w->is_endless = false;
        world_pass(w, 1000);
        assert_int_equal(world_phase(w, bobs), PHASE_DONE);
        assert_int_not_equal(world_phase(w, anns), PHASE_DONE);
        assert_int_not_equal(world_phase(w, anns), PHASE_FAILED);
        of_user(w, kinds[i], ANN, NULL, false, false);
        world_pass(w, 1000);
        assert_int_equal(world_phase(w, anns), PHASE_DONE);
        assert_int_equal(world_task(w, anns)->n_attempts, 1);
        world_destroy(w);
    }
}

static void check_refused(struct world *w, uint64_t id)
{
    struct task *t = world_task(w, id);
    assert_int_equal(t->phase, PHASE_FAILED);
    assert_int_equal(t->n_attempts, 1);
    assert_string_equal(t->attempts[0].reason.code, "not-served");
    assert_string_equal(t->attempts[0].reason.text, "not in the list");
}

static void who_may_not_be_served_is_told_so(void **state)
{
    (void)state;
    struct world *w = begin();
    uint64_t id = submit(w, plain, ANN, NULL);
    lose_answers(w, id);
    of_user(w, DRIVER_TM, ANN, "not in the list", true, true);
    world_pass(w, 10);
    check_refused(w, id);
    of_user(w, DRIVER_TM, ANN, NULL, false, false);
    id = submit(w, bare, ANN, NULL);
    lose_answers(w, id);
    of_user(w, DRIVER_EM, ANN, "not in the list", true, true);
    world_pass(w, 10);
    check_refused(w, id);
    assert_null(w->runs ? w->runs->next : NULL);
    of_user(w, DRIVER_EM, ANN, NULL, false, false);
    id = submit(w, plain, ANN, NULL);
    world_pass(w, 60);
    assert_int_equal(world_phase(w, id), PHASE_DONE);
    world_destroy(w);
}

static void who_may_no_more_be_served_loses_nothing_that_runs(void **state)
{
    (void)state;
    struct world *w = begin();
    w->is_endless = true;
    uint64_t id = submit(w, plain, ANN, NULL);
    world_pass(w, 10);
    of_user(w, DRIVER_EM, ANN, "not in the list", true, false);
    w->is_endless = false;
    world_pass(w, 1000);
    assert_int_equal(world_phase(w, id), PHASE_WRAPPER);
    struct job *j = state_job_of(engine_state(w->engine), id);
    assert_string_equal(engine_trouble(w->engine, j, job_task(j, 0))->text, "not in the list");
    of_user(w, DRIVER_EM, ANN, NULL, false, false);
    world_pass(w, 100);
    assert_int_equal(world_phase(w, id), PHASE_DONE);
    world_destroy(w);
}

/* After a restart nobody knows what was asked before it. */
static void a_restart_and_then_a_refusal_fail_nothing_that_may_run(void **state)
{
    (void)state;
    struct world *w = begin();
    uint64_t id = submit(w, bare, ANN, NULL);
    world_restart(w);
    lose_answers(w, id);
    of_user(w, DRIVER_EM, ANN, "not in the list", true, true);
    world_pass(w, 1000);
    assert_int_equal(world_phase(w, id), PHASE_WRAPPER);
    of_user(w, DRIVER_EM, ANN, NULL, false, false);
    world_pass(w, 100);
    assert_int_equal(world_phase(w, id), PHASE_DONE);
    world_destroy(w);
}

/* Also where the driver could not tell whether it was. */
static void what_was_never_sent_is_not_taken_for_started(void **state)
{
    (void)state;
    struct world *w = begin();
    w->features[DRIVER_EM] &= ~(unsigned)FEATURE_RECOVER_TOKEN;
    world_driver(w, DRIVER_EM, true);
    w->faults[0] = (struct fault){.verb = "SUBMIT", .text = "", .times = 1};
    uint64_t id = submit(w, plain, ANN, NULL);
    world_pass(w, 10);
    assert_int_equal(world_phase(w, id), PHASE_WRAPPER);
    of_user(w, DRIVER_EM, ANN, "no answer to INIT in time", false, true);
    of_user(w, DRIVER_EM, ANN, NULL, false, false);
    world_pass(w, 10);
    assert_int_equal(world_phase(w, id), PHASE_DONE);
    assert_int_equal(world_task(w, id)->n_attempts, 1);
    world_destroy(w);
}

static void what_is_too_long_for_a_line_is_refused(void **state)
{
    (void)state;
    static const char *const kinds[] = {"EXECUTABLE = run.sh",
                                        "EXECUTABLE = /bin/run\nSTAGING = no"};
    char *value = xmalloc(20001);
    memset(value, 'x', 20000);
    value[20000] = '\0';
    for (size_t i = 0; i < GW_COUNT(kinds); i++) {
        struct world *w = begin();
        struct buf source = BUF_INIT;
        buf_printf(&source, "%s\nENVIRONMENT = A=%s\n", kinds[i], value);
        uint64_t id = submit(w, source.data, ANN, NULL);
        world_pass(w, 60);
        struct task *t = world_task(w, id);
        assert_int_equal(t->phase, PHASE_FAILED);
        assert_string_equal(t->attempts[0].reason.code, "refused");
        assert_int_equal(t->n_attempts, 1);
        assert_int_equal(w->n_submits, 0);
        buf_clear(&source);
        world_destroy(w);
    }
    free(value);
}

static void found(struct world *w, uint64_t uid, const char *path, const char *problem)
{
    static uint64_t version;
    struct input in = {.kind = IN_CREDENTIAL,
                       .credential = {.uid = uid,
                                      .path = path,
                                      .identity = "/O=Grid/CN=Ann",
                                      .problem = problem,
                                      .expires_us = w->now_us + INT64_C(3600000000),
                                      .version = ++version}};
    world_step(w, &in);
}

static void two_users_may_see_one_file_differently(void **state)
{
    (void)state;
    static char path[] = "/tmp/x509up_u1000";
    struct world *w = begin();
    for (int k = DRIVER_TM; k <= DRIVER_EM; k++) {
        w->features[k] |= FEATURE_CREDENTIAL;
        world_driver(w, (enum driver_kind)k, true);
    }
    uint64_t anns = submit(w, plain, ANN, path), bobs = submit(w, plain, BOB, path);
    assert_int_equal(w->n_looks, 2);
    found(w, BOB, path, "it may not be read");
    found(w, ANN, path, NULL);
    world_pass(w, 60);
    assert_int_equal(world_phase(w, anns), PHASE_DONE);
    assert_int_equal(world_phase(w, bobs), PHASE_PENDING);
    found(w, BOB, path, NULL);
    world_pass(w, 60);
    assert_int_equal(world_phase(w, bobs), PHASE_DONE);
    world_destroy(w);
}

static unsigned leases_brought(struct world *w, int64_t in_s)
{
    unsigned before, after;
    world_count(w, "file:///site/.gw_lease_", &before);
    world_pass(w, in_s);
    world_count(w, "file:///site/.gw_lease_", &after);
    return after - before;
}

static void each_user_has_a_lease_file_of_his_own(void **state)
{
    (void)state;
    static const char leased[] = "EXECUTABLE = run.sh\nON_LOST = retry-after-lease\nLEASE = 10m\n";
    struct world *w = begin();
    w->is_endless = true;
    submit(w, leased, ANN, NULL);
    submit(w, leased, BOB, NULL);
    world_pass(w, 5);
    assert_int_equal(leases_brought(w, 250), 2);
    /* Bob's goes on while Ann's process is away. */
    of_user(w, DRIVER_TM, ANN, "its process ended", false, false);
    assert_int_equal(leases_brought(w, 200), 1);
    world_destroy(w);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(nothing_goes_through_files_of_ours),
        cmocka_unit_test(what_a_user_left_at_a_site_waits_for_his_process_alone),
        cmocka_unit_test(a_user_whose_process_is_gone_waits_alone),
        cmocka_unit_test(who_may_not_be_served_is_told_so),
        cmocka_unit_test(who_may_no_more_be_served_loses_nothing_that_runs),
        cmocka_unit_test(a_restart_and_then_a_refusal_fail_nothing_that_may_run),
        cmocka_unit_test(what_was_never_sent_is_not_taken_for_started),
        cmocka_unit_test(what_is_too_long_for_a_line_is_refused),
        cmocka_unit_test(two_users_may_see_one_file_differently),
        cmocka_unit_test(each_user_has_a_lease_file_of_his_own),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
