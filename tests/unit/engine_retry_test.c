/* The engine: what does not get going is tried again with pauses and an end, and an attempt of
 * which its driver dies takes neither the driver nor other attempts with it. */
#include "tests/unit/engine_checks.h"

static const char once[] = "EXECUTABLE = run.sh\nOUTPUT_FILES = result\nINPUT_FILES = data\n"
                           "RESCHEDULE_ON_FAILURE = no\n";

enum { TWO_STEP = (FEATURES_ALL | FEATURE_COMMIT) & ~(unsigned)FEATURE_IDEMPOTENT };

static struct world *begin(unsigned em_features)
{
    struct world *w = world_create();
    w->features[DRIVER_EM] = em_features;
    world_start(w);
    world_listen(w);
    return w;
}

static unsigned count(const struct world *w, const char *verb)
{
    unsigned n = 0;
    for (const char *at = buf_str(&w->trace); (at = strstr(at, verb)); at++)
        n++;
    return n;
}

/* --- what fails --- */

static void what_does_not_get_going_is_tried_again_with_pauses_and_an_end(void **state)
{
    (void)state;
    static const struct {
        const char *answer, *code;
        enum blame blame;
        unsigned n_submits, n_commits;
        bool is_cancelled;
    } cases[] = {
        {"not-found:us it was held for too long", "not-committed", BLAME_SITE, 4, 4, false},
        {"busy:site try again later", "not-committed", BLAME_SITE, 1, 4, true},
        {"refused:job what it is", "refused", BLAME_JOB, 1, 1, true},
        {"lost:site it is over", "lost", BLAME_SITE, 1, 1, false},
    };
    for (size_t i = 0; i < GW_COUNT(cases); i++) {
        struct world *w = begin(TWO_STEP);
        w->is_endless = true;
        w->faults[0] = (struct fault){"COMMIT", NULL, cases[i].answer, 0, 1000000};
        uint64_t id = world_submit(w, once);
        world_listen(w);
        assert_int_equal(count(w, "SUBMIT"), 1);
        assert_int_equal(count(w, "COMMIT"), 1);
        world_pass(w, 100);
        check_failed(w, id, cases[i].code, cases[i].blame, 1);
        assert_int_equal(count(w, "SUBMIT"), cases[i].n_submits);
        assert_int_equal(count(w, "COMMIT"), cases[i].n_commits);
        assert_int_equal(w->runs->is_cancelled, cases[i].is_cancelled);
        assert_int_equal(w->runs->n_started, 0);
        check_clean(w);
        world_destroy(w);
    }
}

/* The site took the commit, and said that it failed: what runs is not given up before its end. */
static void what_may_run_is_withdrawn_only_when_the_site_says_so(void **state)
{
    (void)state;
    struct world *w = begin(TWO_STEP);
    w->faults[0] = (struct fault){"COMMIT", NULL, "busy:site try again later", 0, 1000000};
    w->faults[1] = (struct fault){"CANCEL", NULL, "unreachable:site x", 0, 20};
    uint64_t id = world_submit(w, "EXECUTABLE = run.sh\nOUTPUT_FILES = result\n");
    world_pass(w, 100);
    assert_int_equal(world_phase(w, id), PHASE_WRAPPER);
    assert_int_equal(world_task(w, id)->n_attempts, 1);
    assert_in_range(count(w, "CANCEL"), 2, 8);
    w->faults[0].times = 0;
    world_pass(w, 3600);
    check_done(w, id, 2);
    assert_string_equal(world_task(w, id)->attempts[0].reason.code, "not-committed");
    check_clean(w);
    world_destroy(w);
}

static void what_is_not_there_any_more_ends_as_killed_when_that_is_wished(void **state)
{
    (void)state;
    struct world *w = begin(TWO_STEP);
    w->faults[0] = (struct fault){"COMMIT", NULL, "", 0, 1};
    uint64_t id = world_submit(w, once);
    world_listen(w);
    world_wish(w, id, WISH_GONE, false);
    assert_int_equal(w->reply.n_pending, 1);
    world_tell(w, DRIVER_EM, "COMMIT", (struct task_ref){id, 0, 1}, 0, false, "not-found:us x");
    world_pass(w, 10);
    check_failed(w, id, "killed", BLAME_NONE, 1);
    assert_int_equal(count(w, "SUBMIT"), 1);
    check_clean(w);
    world_destroy(w);
}

/* --- what kills its driver --- */

enum { JOBS = 12 };

static struct world *die_of(const char *verb, uint64_t jobs, unsigned em, unsigned tm)
{
    struct world *w = world_create();
    w->features[DRIVER_EM] = em;
    w->features[DRIVER_TM] = tm;
    w->samples[0] = "LRMS_NAME=\"fork\" NODECOUNT=99 ARCH=\"x86_64\" CPU_SMP=8 SIZE_MEM_MB=4096 "
                    "STAGE_URL=\"file:///site/\" QUEUE_NAME[0]=\"default\" QUEUE_NODECOUNT[0]=99";
    world_start(w);
    world_listen(w);
    w->deadly_verb = verb;
    w->deadly_jobs = jobs;
    return w;
}

static bool is_deadly(const struct world *w, uint64_t id)
{
    return w->deadly_jobs >> id & 1;
}

static void of_many_the_deadly_end_and_the_others_do_not_suffer(void **state)
{
    (void)state;
    static const struct {
        const char *verb;
        unsigned em, tm;
    } cases[] = {{"SUBMIT", FEATURES_ALL, FEATURES_ALL},
                 {"SUBMIT", TWO_STEP, FEATURES_ALL},
                 {"COMMIT", TWO_STEP, FEATURES_ALL},
                 {"MKDIR", FEATURES_ALL, FEATURES_ALL},
                 {"CP", FEATURES_ALL, FEATURES_ALL},
                 {"PUT", FEATURES_ALL, FEATURES_ALL | FEATURE_SMALL}};
    static const uint64_t sets[] = {1 << 1, 1 << 5, 1 << JOBS, 1 << 2 | 1 << 3 | 1 << 9,
                                    (1 << (JOBS + 1)) - 2};
    for (size_t i = 0; i < GW_COUNT(cases); i++)
        for (size_t k = 0; k < GW_COUNT(sets); k++) {
            struct world *w = die_of(cases[i].verb, sets[k], cases[i].em, cases[i].tm);
            w->is_request_lost = true;
            for (uint64_t id = 1; id <= JOBS; id++)
                world_submit(w, once);
            world_pass(w, 3600);
            for (uint64_t id = 1; id <= JOBS; id++)
                if (is_deadly(w, id))
                    check_failed(w, id, "driver-died", BLAME_SITE, 1);
                else
                    check_done(w, id, 1);
            /* Four each, and some to find out which it is. */
            unsigned n = (unsigned)__builtin_popcountll(sets[k]);
            print_message("%s, %u deadly of %u: %u deaths\n", cases[i].verb, n, JOBS, w->n_deaths);
            assert_in_range(w->n_deaths, 4 * n, 4 + 10 * n);
            world_pass(w, 7200);
            check_clean(w);
            world_destroy(w);
        }
}

/* The others were still to come, and are made again with it. */
static void a_copy_that_failed_before_its_driver_died_decides_nothing(void **state)
{
    (void)state;
    struct world *w = begin(FEATURES_ALL);
    w->faults[0] = (struct fault){"CP", "run.sh", "credential:job it has expired", 0, 1};
    w->faults[1] = (struct fault){"CP", "data", "", 0, 1};
    uint64_t id = world_submit(w, once);
    world_listen(w);
    assert_int_equal(world_phase(w, id), PHASE_PROLOG);
    world_driver(w, DRIVER_TM, false);
    world_driver(w, DRIVER_TM, true);
    world_pass(w, 60);
    check_done(w, id, 1);
    check_clean(w);
    world_destroy(w);
}

/* The driver was killed by others, again and again, when something was out. */
static void accidents_are_no_verdict(void **state)
{
    (void)state;
    static const char *const verbs[] = {"SUBMIT", "CP", "RMDIR"};
    for (size_t i = 0; i < GW_COUNT(verbs); i++) {
        struct world *w = die_of(verbs[i], ~UINT64_C(0), FEATURES_ALL, FEATURES_ALL);
        for (uint64_t id = 1; id <= JOBS; id++)
            world_submit(w, once);
        for (unsigned n = 0; n < 100 && w->n_deaths < 3; n++)
            world_pass(w, 1);
        w->deadly_verb = NULL;
        world_pass(w, 600);
        for (uint64_t id = 1; id <= JOBS; id++)
            check_done(w, id, 1);
        check_clean(w);
        world_destroy(w);
    }
}

static void a_driver_that_answers_nobody_is_waited_for(void **state)
{
    (void)state;
    struct world *w = die_of(NULL, ~UINT64_C(0), FEATURES_ALL, FEATURES_ALL);
    world_submit(w, once);
    world_pass(w, 60);
    check_done(w, 1, 1);
    w->deadly_verb = "START";
    w->stays_down = true;
    for (uint64_t id = 2; id <= JOBS; id++)
        world_submit(w, once);
    for (unsigned n = 0; n < 100; n++) {
        world_pass(w, 60);
        world_driver(w, DRIVER_TM, true);
    }
    assert_in_range(w->n_deaths, 90, 101);
    for (uint64_t id = 2; id <= JOBS; id++)
        assert_int_equal(world_phase(w, id), PHASE_PROLOG);
    w->deadly_verb = NULL;
    world_driver(w, DRIVER_TM, true);
    world_pass(w, 3600);
    for (uint64_t id = 2; id <= JOBS; id++)
        check_done(w, id, 1);
    world_destroy(w);
}

/* What may run is not given up: it is asked about ever less often, and found in the end. */
static void a_driver_that_dies_of_a_question_is_asked_it_ever_less_often(void **state)
{
    (void)state;
    /* A POLL of all would tell of it. */
    struct world *w =
        die_of(NULL, 1 << 2, FEATURES_ALL & ~(unsigned)FEATURE_POLL_ALL, FEATURES_ALL);
    w->is_endless = true;
    for (uint64_t id = 1; id <= 3; id++)
        world_submit(w, once);
    world_pass(w, 10);
    w->deadly_verb = "RECOVER";
    world_driver(w, DRIVER_EM, false);
    world_driver(w, DRIVER_EM, true);
    world_pass(w, 600);
    assert_true(world_task(w, 2)->attempts[0].unknown_since_us);
    assert_string_equal(
        engine_trouble(w->engine, state_job(engine_state(w->engine), 2), world_task(w, 2))->code,
        "driver-died");
    unsigned before = w->n_deaths;
    world_pass(w, 3600);
    assert_in_range(w->n_deaths - before, 30, 65); /* BACKOFF_MAX is 60 s */
    w->is_endless = false;
    world_pass(w, 600);
    check_done(w, 1, 1);
    check_done(w, 3, 1);
    w->deadly_verb = NULL;
    world_pass(w, 600);
    check_done(w, 2, 1);
    check_clean(w);
    world_destroy(w);
}

static void results_of_which_a_driver_dies_wait_as_their_owner_chose(void **state)
{
    (void)state;
    static const char now[] = "EXECUTABLE = run.sh\nOUTPUT_FILES = result\nON_LOST = retry-now\n";
    for (int is_now = 0; is_now < 2; is_now++) {
        struct world *w = die_of(NULL, 1 << 2, FEATURES_ALL, FEATURES_ALL);
        w->is_endless = true;
        for (uint64_t id = 1; id <= 3; id++)
            world_submit(w, is_now ? now : once);
        world_pass(w, 10);
        w->deadly_verb = "CP";
        w->is_endless = false;
        for (unsigned n = 0; n < 1800 && world_task(w, 2)->n_attempts == 1; n++)
            world_pass(w, 1);
        check_done(w, 1, 1);
        check_done(w, 3, 1);
        assert_int_equal(world_task(w, 2)->attempts[0].unknown_since_us != 0, !is_now);
        assert_in_range(w->n_deaths, 4, is_now ? 12 : 50);
        w->deadly_verb = NULL;
        world_pass(w, 900);
        check_done(w, 2, is_now ? 2 : 1);
        check_clean(w);
        world_destroy(w);
    }
}

/* The watchdog knows whose request it was. */
static void who_leaves_a_driver_hanging_is_named_though_others_are_out(void **state)
{
    (void)state;
    struct world *w = die_of(NULL, 0, FEATURES_ALL, FEATURES_ALL);
    w->faults[0] = (struct fault){"SUBMIT", "/2.0.", "", 0, 1000000};
    w->faults[1] = (struct fault){"SUBMIT", "/3.0.", "", 0, 3};
    for (uint64_t id = 1; id <= 3; id++)
        world_submit(w, once);
    for (unsigned n = 0; n < 4; n++) {
        world_pass(w, 60);
        assert_int_equal(world_phase(w, 2), PHASE_WRAPPER);
        w->is_up[DRIVER_EM] = false;
        world_forget_answers(w, DRIVER_EM);
        struct input in = {.kind = IN_DRIVER_DOWN,
                           .driver = {.kind = DRIVER_EM,
                                      .name = "fork",
                                      .why = "it leaves a request unanswered",
                                      .unanswered = {2, 0, 1}}};
        world_step(w, &in);
        world_driver(w, DRIVER_EM, true);
    }
    world_pass(w, 60);
    check_failed(w, 2, "driver-died", BLAME_SITE, 1);
    check_done(w, 1, 1);
    check_done(w, 3, 1);
    check_clean(w);
    world_destroy(w);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_does_not_get_going_is_tried_again_with_pauses_and_an_end),
        cmocka_unit_test(what_may_run_is_withdrawn_only_when_the_site_says_so),
        cmocka_unit_test(what_is_not_there_any_more_ends_as_killed_when_that_is_wished),
        cmocka_unit_test(of_many_the_deadly_end_and_the_others_do_not_suffer),
        cmocka_unit_test(a_copy_that_failed_before_its_driver_died_decides_nothing),
        cmocka_unit_test(accidents_are_no_verdict),
        cmocka_unit_test(a_driver_that_answers_nobody_is_waited_for),
        cmocka_unit_test(a_driver_that_dies_of_a_question_is_asked_it_ever_less_often),
        cmocka_unit_test(results_of_which_a_driver_dies_wait_as_their_owner_chose),
        cmocka_unit_test(who_leaves_a_driver_hanging_is_named_though_others_are_out),
    };
    return cmocka_run_group_tests_name("engine_retry", tests, NULL, NULL);
}
