/* The engine by transcripts: a world of scripted drivers and sites answers its effects
 * (tests/unit/world.h). */
#include "tests/unit/engine_checks.h"

static const char job[] = "EXECUTABLE = run.sh\nINPUT_FILES = data\nOUTPUT_FILES = result\n";
static const char once[] = "EXECUTABLE = run.sh\nOUTPUT_FILES = result\nRESCHEDULE_ON_FAILURE = "
                           "no\nNUMBER_OF_RETRIES = 0\n";
static const char now[] = "EXECUTABLE = run.sh\nOUTPUT_FILES = result\nON_LOST = retry-now\n";
static const char once_now[] =
    "EXECUTABLE = run.sh\nRESCHEDULE_ON_FAILURE = no\nON_LOST = retry-now\n";
static const char vm_job[] = "EXECUTABLE = run.sh\nOUTPUT_FILES = result\nVM_IMAGE = "
                             "/images/debian.qcow2\nVM_MEMORY = 256\n";

/* --- the way of a job --- */

static void a_plain_job_goes_its_way(void **state)
{
    (void)state;
    struct world *w = new_world();
    w->exit_code = 7;
    uint64_t id = world_submit(w, job);
    assert_int_equal(id, 1);
    world_pass(w, 5);
    check_done(w, id, 1);
    assert_string_equal(buf_str(&w->trace), "START MKDIR CP CP CP CP CP END SUBMIT "
                                            "START CP CP CP CP RMDIR END");
    struct attempt *a = &world_task(w, id)->attempts[0];
    assert_int_equal(a->exit_code, 7);
    assert_string_equal(a->contact, "i.1.1.0.1");
    assert_true(a->active_us > 0);
    assert_true(world_has(w, "file:///home/ann/result"));
    assert_string_equal(world_file(w, "file:///home/ann/stdout.1")->text, "out");
    assert_int_equal(w->runs->n_started, 1);
    check_clean(w);
    world_destroy(w);
}

/* What needs no answer of what was asked before is not held back for it. */
static void small_files_go_in_the_requests(void **state)
{
    (void)state;
    struct world *w = world_create();
    w->features[DRIVER_TM] = FEATURES_ALL | FEATURE_SMALL;
    world_start(w);
    world_listen(w);
    w->exit_code = 7;
    uint64_t id = world_submit(w, job);
    assert_string_equal(buf_str(&w->trace), "START CP PUT PUT CP CP");
    world_pass(w, 5);
    check_done(w, id, 1);
    assert_string_equal(buf_str(&w->trace), "START CP PUT PUT CP CP END SUBMIT "
                                            "START GET CP CP CP RMDIR END");
    assert_int_equal(world_task(w, id)->attempts[0].exit_code, 7);
    assert_true(world_has(w, "file:///home/ann/result"));
    assert_int_equal(world_count(w, "/spool/1.0.1/job.ctl", NULL), 0);
    check_clean(w);
    world_destroy(w);
}

static void the_wrapper_is_not_copied_where_the_host_has_the_program(void **state)
{
    (void)state;
    struct world *w = world_create();
    w->features[DRIVER_TM] = FEATURES_ALL | FEATURE_SMALL;
    char *sample = xasprintf("%s WRAPPER=\"/opt/gwd/gw_wrapper\"", w->samples[0]);
    w->samples[0] = sample;
    w->is_endless = true;
    world_start(w);
    world_listen(w);
    world_submit(w, job);
    world_pass(w, 5);
    const char *text = world_file(w, "file:///site/.gw_i.1.1.0.1/.wrapper")->text;
    assert_int_equal(strncmp(text, "#!/opt/gwd/gw_wrapper\nGW_TOKEN='i.1.1.0.1'\n", 43), 0);
    assert_non_null(strstr(text, "\nset --\n"));
    assert_false(world_has(w, "file:///site/.gw_i.1.1.0.1/job.ctl"));
    w->is_endless = false;
    world_pass(w, 5);
    check_done(w, 1, 1);
    check_clean(w);
    world_destroy(w);
    free(sample);
}

static void a_vm_job_stages_image_and_gwvm_and_lists_its_vm(void **state)
{
    (void)state;
    struct world *w = new_world();
    uint64_t id = world_submit(w, vm_job);
    struct attempt *a = &world_task(w, id)->attempts[0];
    assert_int_equal(a->n_vms, 1);
    assert_int_equal(strlen(a->vms[0].uuid), 36);
    assert_int_equal(engine_host(w->engine, "alpha")->vm_memory_mib, 256);
    w->is_endless = true;
    world_pass(w, 5);
    a = &world_task(w, id)->attempts[0];
    assert_int_equal(a->vms[0].state, VM_RUNNING);
    assert_int_equal(world_count(w, "/.gw_cache/u-", NULL), 1);
    assert_int_equal(world_count(w, "/gwvm", NULL), 1);
    w->is_endless = false;
    world_pass(w, 5);
    check_done(w, id, 1);
    assert_int_equal(world_task(w, id)->attempts[0].vms[0].state, VM_GONE);
    assert_int_equal(world_count(w, "/.gw_cache/u-", NULL), 1);
    check_clean(w);
    world_destroy(w);
}

static void a_task_is_matched_only_while_slots_are_free(void **state)
{
    (void)state;
    struct world *w = new_world();
    w->is_endless = true;
    struct submission sub = submission_of(job, 10);
    world_submit_as(w, &sub);
    world_pass(w, 5);
    assert_int_equal(engine_state(w->engine)->n_tasks[PHASE_WRAPPER], 4);
    w->is_endless = false;
    world_pass(w, 5);
    assert_int_equal(engine_state(w->engine)->n_tasks[PHASE_DONE], 10);
    assert_int_equal(w->n_submits, 10);
    check_clean(w);
    world_destroy(w);
}

/* --- failures --- */

struct failure {
    const char *source;
    struct fault fault;
    const char *failed; /* the payload's own */
    enum phase phase;
    const char *code;
    enum blame blame;
    uint64_t n_attempts, n_submits;
};

static void each_failure_is_tried_again_or_not_by_its_blame(void **state)
{
    (void)state;
    static const struct failure cases[] = {
        /* stage in: the job's fault ends it, the site's is tried again (3 times by default), then
           elsewhere */
        {job,
         {"CP", "data", "no-input:job x", 0, 9},
         NULL,
         PHASE_FAILED,
         "no-input",
         BLAME_JOB,
         1,
         0},
        {job, {"CP", "data", "io:site x", 0, 3}, NULL, PHASE_DONE, NULL, BLAME_NONE, 1, 1},
        {job, {"CP", "data", "io:site x", 0, 4}, NULL, PHASE_DONE, NULL, BLAME_NONE, 2, 1},
        {job, {"CP", "data", "io:site x", 0, 99}, NULL, PHASE_FAILED, "io", BLAME_SITE, 4, 0},
        {job, {"MKDIR", NULL, "io:site x", 0, 3}, NULL, PHASE_DONE, NULL, BLAME_NONE, 1, 1},
        {job, {"MKDIR", NULL, "io:site x", 0, 99}, NULL, PHASE_FAILED, "io", BLAME_SITE, 4, 0},
        {job,
         {"MKDIR", NULL, "not-allowed:job x", 0, 99},
         NULL,
         PHASE_FAILED,
         "not-allowed",
         BLAME_JOB,
         1,
         0},
        {job,
         {"START", NULL, "unreachable:site x", 0, 3},
         NULL,
         PHASE_DONE,
         NULL,
         BLAME_NONE,
         1,
         1},
        {job,
         {"START", NULL, "unreachable:site x", 0, 99},
         NULL,
         PHASE_FAILED,
         "unreachable",
         BLAME_SITE,
         4,
         0},
        /* what only an administrator changes is not tried again at that site */
        {job,
         {"MKDIR", NULL, "not-authorized:site x", 0, 1},
         NULL,
         PHASE_DONE,
         NULL,
         BLAME_NONE,
         2,
         1},
        {job, {"CP", "data", "untrusted:site x", 0, 1}, NULL, PHASE_DONE, NULL, BLAME_NONE, 2, 1},
        {job,
         {"SUBMIT", NULL, "not-authorized:site x", 0, 1},
         NULL,
         PHASE_DONE,
         NULL,
         BLAME_NONE,
         2,
         1},
        {job, {"END", NULL, "internal:us x", 0, 3}, NULL, PHASE_DONE, NULL, BLAME_NONE, 1, 1},
        {once, {"CP", "run.sh", "io:site x", 0, 1}, NULL, PHASE_FAILED, "io", BLAME_SITE, 1, 0},
        /* a driver of GridWay's, without blame */
        {job,
         {"CP", "data", "Could not copy", 0, 99},
         NULL,
         PHASE_FAILED,
         "site-failure",
         BLAME_SITE,
         4,
         0},
        /* submission */
        {job,
         {"SUBMIT", NULL, "refused:job x", 0, 9},
         NULL,
         PHASE_FAILED,
         "refused",
         BLAME_JOB,
         1,
         0},
        {job, {"SUBMIT", NULL, "busy:site x", 0, 3}, NULL, PHASE_DONE, NULL, BLAME_NONE, 1, 1},
        {job, {"SUBMIT", NULL, "busy:site x", 0, 99}, NULL, PHASE_FAILED, "busy", BLAME_SITE, 4, 0},
        {once, {"SUBMIT", NULL, "busy:site x", 0, 1}, NULL, PHASE_FAILED, "busy", BLAME_SITE, 1, 0},
        /* the payload */
        {job, {0}, "exec-failed:job x", PHASE_FAILED, "exec-failed", BLAME_JOB, 1, 1},
        {job, {0}, "no-space:site x", PHASE_FAILED, "no-space", BLAME_SITE, 4, 4},
        {job, {0}, "lease-expired:us x", PHASE_FAILED, "lease-expired", BLAME_US, 4, 4},
        {once, {0}, "no-space:site x", PHASE_FAILED, "no-space", BLAME_SITE, 1, 1},
        /* stage out */
        {job,
         {"CP", "/result", "no-output:job x", 0, 9},
         NULL,
         PHASE_FAILED,
         "no-output",
         BLAME_JOB,
         1,
         1},
        {job, {"CP", "/result", "io:site x", 0, 20}, NULL, PHASE_DONE, NULL, BLAME_NONE, 1, 1},
        {now, {"CP", "/result", "io:site x", 0, 3}, NULL, PHASE_DONE, NULL, BLAME_NONE, 1, 1},
        {now, {"CP", "/result", "io:site x", 0, 4}, NULL, PHASE_DONE, NULL, BLAME_NONE, 2, 2},
        {job, {"CP", "/status", "no-input:job x", 0, 1}, NULL, PHASE_DONE, NULL, BLAME_NONE, 2, 2},
        {job,
         {"CP", "/status", "no-input:job x", 0, 99},
         NULL,
         PHASE_FAILED,
         "no-status",
         BLAME_SITE,
         4,
         4},
        {job, {"CP", "/status", "io:site x", 0, 3}, NULL, PHASE_DONE, NULL, BLAME_NONE, 1, 1},
        {job,
         {"START", NULL, "unreachable:site x", 1, 3},
         NULL,
         PHASE_DONE,
         NULL,
         BLAME_NONE,
         1,
         1},
        {once_now, {"START", NULL, "io:site x", 1, 99}, NULL, PHASE_FAILED, "io", BLAME_SITE, 1, 1},
        {job, {"RMDIR", NULL, "io:site x", 0, 99}, NULL, PHASE_DONE, NULL, BLAME_NONE, 1, 1},
        {job, {"END", NULL, "internal:us x", 1, 99}, NULL, PHASE_DONE, NULL, BLAME_NONE, 1, 1},
    };
    for (size_t i = 0; i < GW_COUNT(cases); i++) {
        const struct failure *c = &cases[i];
        struct world *w = new_world();
        w->faults[0] = c->fault;
        w->failed = c->failed;
        uint64_t id = world_submit(w, c->source);
        world_pass(w, 3600 / 2);
        struct task *t = world_task(w, id);
        bool is_right = t && t->phase == c->phase && t->n_attempts == c->n_attempts &&
                        w->n_submits == c->n_submits;
        if (is_right && c->phase == PHASE_FAILED)
            is_right = t->reason.code && strcmp(t->reason.code, c->code) == 0 &&
                       t->reason.blame == c->blame;
        if (!is_right)
            fail_msg("case %zu (%s %s): %s, reason %s, %zu attempts, %u submissions; sent: %s", i,
                     c->fault.verb ? c->fault.verb : "payload",
                     c->fault.text ? c->fault.text : c->failed, phase_name(world_phase(w, id)),
                     t && t->reason.code ? t->reason.code : "none", t ? t->n_attempts : 0,
                     w->n_submits, buf_str(&w->trace));
        if (!c->fault.verb || strcmp(c->fault.verb, "RMDIR") != 0)
            check_clean(w);
        world_destroy(w);
    }
}

static void a_failed_attempt_is_followed_by_one_at_another_host(void **state)
{
    (void)state;
    struct world *w = world_create();
    w->hosts = "alpha beta";
    world_start(w);
    world_listen(w);
    w->faults[0] = (struct fault){"SUBMIT", "alpha/", "busy:site x", 0, 99};
    uint64_t id = world_submit(w, job);
    world_pass(w, 300);
    check_done(w, id, 2);
    assert_string_equal(world_task(w, id)->attempts[0].host, "alpha");
    assert_string_equal(world_task(w, id)->attempts[1].host, "beta");
    /* It was not tried again before its back-off. */
    assert_true(world_task(w, id)->attempts[1].started_us >=
                world_task(w, id)->attempts[0].ended_us + 1000000);
    check_clean(w);
    world_destroy(w);
}

static void the_streams_of_a_payload_that_failed_come_home(void **state)
{
    (void)state;
    struct world *w = new_world();
    w->failed = "walltime:job too long";
    uint64_t id = world_submit(w, job);
    world_pass(w, 60);
    check_failed(w, id, "walltime", BLAME_JOB, 1);
    assert_string_equal(world_task(w, id)->reason.text, "too long");
    assert_true(world_has(w, "file:///home/ann/stdout.1"));
    assert_false(world_has(w, "file:///home/ann/result"));
    world_destroy(w);
}

static void the_status_file_knows_better_than_the_batch_system(void **state)
{
    (void)state;
    struct world *w = new_world();
    w->is_endless = true;
    uint64_t id = world_submit(w, job);
    world_pass(w, 5);
    run_end(w, w->runs, "FAILED");
    world_pass(w, 5);
    check_done(w, id, 1);
    assert_null(world_task(w, id)->attempts[0].reason.code);
    world_destroy(w);
}

/* --- what drivers say, and when --- */

static void callbacks_before_the_answer_to_submit_and_doubled_do_no_harm(void **state)
{
    (void)state;
    for (int mode = 0; mode < 4; mode++) {
        struct world *w = new_world();
        w->is_callback_first = mode & 1;
        w->is_doubling = mode & 2;
        uint64_t id = world_submit(w, job);
        world_pass(w, 60);
        check_done(w, id, 1);
        assert_string_equal(world_task(w, id)->attempts[0].contact, "i.1.1.0.1");
        assert_int_equal(w->n_submits, 1);
        assert_string_equal(world_file(w, "file:///home/ann/stdout.1")->text, "out");
        assert_string_equal(world_file(w, "file:///home/ann/result")->text, "result");
        check_clean(w);
        world_destroy(w);
    }
}

static void an_answer_that_comes_again_later_counts_for_no_other_copy(void **state)
{
    (void)state;
    static const struct fault faults[] = {
        {"CP", "/stdout.execution", "io:site x", 0, 1},
        {"CP", "/stderr.execution", "io:site x", 0, 1},
        {"CP", "/result", "io:site x", 0, 2},
        {"CP", "/.wrapper", "io:site x", 0, 1},
        {"CP", "/job.ctl", "io:site x", 0, 1},
        {"CP", "/job.env", "io:site x", 0, 1},
    };
    for (size_t i = 0; i < GW_COUNT(faults); i++) {
        struct world *w = new_world();
        w->is_late_doubling = true;
        w->faults[0] = faults[i];
        uint64_t id = world_submit(w, vm_job);
        world_pass(w, 60);
        check_done(w, id, 1);
        assert_int_equal(w->faults[0].times, 0);
        assert_true(world_has(w, "file:///home/ann/stdout.1"));
        assert_true(world_has(w, "file:///home/ann/stderr.1"));
        assert_true(world_has(w, "file:///home/ann/result"));
        check_clean(w);
        world_destroy(w);
    }
}

/* Of the second SUBMIT the answer is lost; that of the first comes in its place. */
static void a_failure_heard_again_does_not_submit_what_runs(void **state)
{
    (void)state;
    struct world *w = new_world();
    w->is_endless = true;
    w->faults[0] = (struct fault){"SUBMIT", NULL, "busy:site x", 0, 1};
    uint64_t id = world_submit(w, job);
    world_listen(w);
    while (!w->n_submits) {
        struct input in = {.kind = IN_TIME};
        w->now_us = engine_next_time(w->engine);
        world_step(w, &in);
    }
    world_forget_answers(w, DRIVER_EM);
    world_tell(w, DRIVER_EM, "CALLBACK", (struct task_ref){id, 0, 1}, 0, true, "ACTIVE");
    world_tell(w, DRIVER_EM, "SUBMIT", (struct task_ref){id, 0, 1}, 0, false, "busy:site x");
    world_pass(w, 60);
    assert_non_null(strstr(buf_str(&w->trace), "RECOVER"));
    w->is_endless = false;
    world_pass(w, 60);
    check_done(w, id, 1);
    assert_int_equal(w->n_submits, 1);
    check_clean(w);
    world_destroy(w);
}

static void a_job_killed_between_two_tries_to_submit_it_needs_no_cancel(void **state)
{
    (void)state;
    struct world *w = new_world();
    w->faults[0] = (struct fault){"SUBMIT", NULL, "busy:site x", 0, 9};
    uint64_t id = world_submit(w, job);
    world_listen(w);
    assert_int_equal(world_phase(w, id), PHASE_WRAPPER);
    world_wish(w, id, WISH_GONE, false);
    world_pass(w, 5);
    check_failed(w, id, "killed", BLAME_NONE, 1);
    assert_null(strstr(buf_str(&w->trace), "CANCEL"));
    check_clean(w);
    world_destroy(w);
}

/* RECOVER is asked after a restart of the driver; what it says then, and a kill in the meantime. */
static void whatever_recover_answers_the_job_goes_on(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        bool is_success, is_killed;
        enum phase phase;
    } cases[] = {
        {"not-found:us x", false, false, PHASE_DONE},
        {"not-found:us x", false, true, PHASE_FAILED},
        {"lost:site x", false, false, PHASE_DONE},
        {"lost:site x", false, true, PHASE_FAILED},
        {"no idea", false, false, PHASE_DONE},
        {"no idea", false, true, PHASE_FAILED},
        {"gibberish", true, false, PHASE_DONE},
        {"gibberish", true, true, PHASE_FAILED},
        {"", true, false, PHASE_DONE},
        {"PENDING", true, true, PHASE_FAILED},
        {"SUSPENDED", true, false, PHASE_DONE},
        {"ACTIVE x", true, true, PHASE_FAILED},
        {"FAILED", true, false, PHASE_DONE},
        {"DONE:5", true, true, PHASE_FAILED},
    };
    for (size_t i = 0; i < GW_COUNT(cases); i++) {
        struct world *w = new_world();
        /* It got there, or was never heard of again. */
        bool is_there = cases[i].is_success && strchr("PAS", *cases[i].text) && *cases[i].text;
        w->faults[0] = (struct fault){"SUBMIT", NULL, "", 0, is_there ? 0 : 1};
        w->faults[1] = (struct fault){"RECOVER", NULL, "", 0, 1};
        uint64_t id = world_submit(w, job);
        world_listen(w);
        world_driver(w, DRIVER_EM, false);
        world_driver(w, DRIVER_EM, true);
        if (cases[i].is_killed)
            world_wish(w, id, WISH_GONE, false);
        world_tell(w, DRIVER_EM, "RECOVER", (struct task_ref){id, 0, 1}, 0, cases[i].is_success,
                   cases[i].text);
        world_pass(w, 600);
        if (world_phase(w, id) != cases[i].phase)
            fail_msg("case %zu (%s): %s; sent: %s", i, cases[i].text,
                     phase_name(world_phase(w, id)), buf_str(&w->trace));
        check_clean(w);
        world_destroy(w);
    }
}

static void what_an_interrupted_prolog_left_is_gone_before_the_job_runs(void **state)
{
    (void)state;
    struct world *w = new_world();
    w->is_endless = true;
    w->faults[0] = (struct fault){"END", NULL, "", 0, 1};
    uint64_t id = world_submit(w, job);
    world_listen(w);
    assert_int_equal(world_phase(w, id), PHASE_PROLOG);
    world_write(w, "file:///site/.gw_i.1.1.0.1/stale", "x");
    world_restart(w);
    world_pass(w, 5);
    assert_int_equal(world_phase(w, id), PHASE_WRAPPER);
    assert_false(world_has(w, "file:///site/.gw_i.1.1.0.1/stale"));
    world_destroy(w);
}

static void an_epilog_that_is_begun_again_comes_to_the_same_end(void **state)
{
    (void)state;
    struct world *w = new_world();
    w->failed = "walltime:job too long";
    w->faults[0] = (struct fault){"CP", "stdout.execution", "", 0, 1};
    uint64_t id = world_submit(w, job);
    world_pass(w, 5);
    assert_int_equal(world_phase(w, id), PHASE_EPILOG);
    world_driver(w, DRIVER_TM, false);
    world_driver(w, DRIVER_TM, true);
    world_pass(w, 60);
    check_failed(w, id, "walltime", BLAME_JOB, 1);
    check_clean(w);
    world_destroy(w);
}

static void what_a_driver_said_of_the_end_is_known_after_a_restart(void **state)
{
    (void)state;
    struct world *w = new_world();
    w->faults[0] = (struct fault){"SUBMIT", NULL, "refused:job x", 0, 1};
    w->faults[1] = (struct fault){"START", NULL, "", 1, 1};
    uint64_t id = world_submit(w, job);
    world_pass(w, 5);
    assert_int_equal(world_phase(w, id), PHASE_EPILOG);
    world_restart(w);
    world_pass(w, 60);
    check_failed(w, id, "refused", BLAME_JOB, 1);
    world_destroy(w);
}

static void a_stale_attempts_answer_is_refused(void **state)
{
    (void)state;
    struct world *w = new_world();
    w->faults[0] = (struct fault){"SUBMIT", NULL, "busy:site x", 0, 4};
    w->is_endless = true;
    uint64_t id = world_submit(w, job);
    world_pass(w, 300);
    assert_int_equal(world_task(w, id)->n_attempts, 2);
    assert_int_equal(world_phase(w, id), PHASE_WRAPPER);
    static const char *const verbs[] = {"SUBMIT",  "CALLBACK", "POLL",
                                        "RECOVER", "COMMIT",   "CANCEL"};
    static const char *const texts[] = {"DONE", "FAILED", "contact", ""};
    size_t before = w->journal.len;
    for (uint64_t attempt = 0; attempt <= 3; attempt += attempt == 1 ? 2 : 1)
        for (size_t v = 0; v < GW_COUNT(verbs); v++)
            for (size_t t = 0; t < GW_COUNT(texts); t++)
                world_tell(w, DRIVER_EM, verbs[v], (struct task_ref){id, 0, attempt}, 0, t != 3,
                           texts[t]);
    world_listen(w);
    assert_int_equal(w->journal.len, before);
    w->is_endless = false;
    world_pass(w, 60);
    check_done(w, id, 2);
    world_tell(w, DRIVER_EM, "CALLBACK", (struct task_ref){id, 0, 2}, 0, true, "FAILED");
    world_tell(w, DRIVER_TM, "CP", (struct task_ref){id, 0, 2}, 0, false, "io:site x");
    before = w->journal.len;
    world_listen(w);
    assert_int_equal(w->journal.len, before);
    world_destroy(w);
}

/* Every line that a driver could send at any moment, in every phase: nothing breaks, and the job
 * still ends. */
static void answers_nobody_asked_for_do_not_stop_a_job(void **state)
{
    (void)state;
    static const char *const verbs[] = {"START", "MKDIR",   "RMDIR",    "EXISTS",   "CP",
                                        "END",   "STAT",    "SUBMIT",   "COMMIT",   "CANCEL",
                                        "POLL",  "RECOVER", "CALLBACK", "DISCOVER", "MONITOR"};
    static const char *const texts[] = {"",        "-",         "PENDING",     "ACTIVE",
                                        "garbage", "io:site x", "busy:site x", "1 2"};
    uint64_t seed, end;
    for (seeds(300, &seed, &end); seed < end; seed++) {
        struct rng r = rng_of_seed(seed);
        struct world *w = new_world();
        uint64_t id = world_submit(w, seed % 2 ? job : vm_job);
        for (int i = 0; i < 40; i++) {
            if (w->answers)
                world_hear(w);
            else
                world_end_runs(w);
            size_t verb = rng_below(&r, GW_COUNT(verbs));
            enum driver_kind kind = verb < 7 ? DRIVER_TM : verb < 13 ? DRIVER_EM : DRIVER_IM;
            world_tell(w, kind, verbs[verb], (struct task_ref){id, 0, rng_below(&r, 2) + 1},
                       rng_below(&r, 8), rng_below(&r, 2), texts[rng_below(&r, GW_COUNT(texts))]);
        }
        world_pass(w, 1800);
        if (!phase_is_final(world_phase(w, id)))
            fail_msg("seed %" PRIu64 ": %s; sent: %s", seed, phase_name(world_phase(w, id)),
                     buf_str(&w->trace));
        check_clean(w);
        world_destroy(w);
    }
}

static void a_two_step_driver_is_told_to_commit_after_the_contact_is_known(void **state)
{
    (void)state;
    for (int is_lost = 0; is_lost < 2; is_lost++) {
        struct world *w = world_create();
        w->features[DRIVER_EM] |= FEATURE_COMMIT;
        world_start(w);
        world_listen(w);
        /* The answer of COMMIT is a failure that says nothing: it is asked, and told again. */
        if (is_lost)
            w->faults[0] = (struct fault){"COMMIT", NULL, "io:site x", 0, 2};
        uint64_t id = world_submit(w, job);
        world_pass(w, 120);
        check_done(w, id, 1);
        assert_non_null(strstr(buf_str(&w->trace), "SUBMIT COMMIT"));
        assert_int_equal(w->runs->n_started, 1);
        world_destroy(w);
    }
}

/* As after a crash of the part of the driver that knew it: what it said of that was not heard. */
static void
a_commit_that_the_driver_refuses_is_followed_by_the_question_what_became_of_it(void **state)
{
    (void)state;
    struct world *w = world_create();
    w->features[DRIVER_EM] |= FEATURE_COMMIT;
    world_start(w);
    world_listen(w);
    w->faults[0] = (struct fault){"COMMIT", NULL, "internal:us no job has the handle", 0, 1};
    uint64_t id = world_submit(w, job);
    world_pass(w, 120);
    check_done(w, id, 1);
    assert_non_null(strstr(buf_str(&w->trace), "SUBMIT COMMIT RECOVER COMMIT"));
    world_destroy(w);
}

static void a_job_that_the_site_held_for_too_long_is_submitted_anew(void **state)
{
    (void)state;
    struct world *w = world_create();
    w->features[DRIVER_EM] = (FEATURES_ALL & ~(unsigned)FEATURE_IDEMPOTENT) | FEATURE_COMMIT;
    world_start(w);
    world_listen(w);
    w->faults[0] = (struct fault){"COMMIT", NULL, "not-found:us it was dropped", 0, 1};
    uint64_t id = world_submit(w, job);
    world_pass(w, 120);
    check_done(w, id, 1);
    assert_non_null(strstr(buf_str(&w->trace), "SUBMIT COMMIT SUBMIT COMMIT"));
    assert_int_equal(w->runs->n_started, 1);
    world_destroy(w);
}

static void a_lost_end_is_found_by_the_poll(void **state)
{
    (void)state;
    for (int has_poll_all = 0; has_poll_all < 2; has_poll_all++) {
        struct world *w = world_create();
        if (!has_poll_all)
            w->features[DRIVER_EM] &= ~(unsigned)FEATURE_POLL_ALL;
        world_start(w);
        w->is_endless = true;
        world_listen(w);
        uint64_t id = world_submit(w, job);
        world_pass(w, 1);
        run_end(w, w->runs, "DONE");
        world_forget_answers(w, DRIVER_EM);
        world_pass(w, 30);
        assert_int_equal(world_phase(w, id), PHASE_WRAPPER);
        world_pass(w, 60);
        check_done(w, id, 1);
        world_destroy(w);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_plain_job_goes_its_way),
        cmocka_unit_test(small_files_go_in_the_requests),
        cmocka_unit_test(the_wrapper_is_not_copied_where_the_host_has_the_program),
        cmocka_unit_test(a_vm_job_stages_image_and_gwvm_and_lists_its_vm),
        cmocka_unit_test(a_task_is_matched_only_while_slots_are_free),
        cmocka_unit_test(each_failure_is_tried_again_or_not_by_its_blame),
        cmocka_unit_test(a_failed_attempt_is_followed_by_one_at_another_host),
        cmocka_unit_test(the_streams_of_a_payload_that_failed_come_home),
        cmocka_unit_test(the_status_file_knows_better_than_the_batch_system),
        cmocka_unit_test(callbacks_before_the_answer_to_submit_and_doubled_do_no_harm),
        cmocka_unit_test(an_answer_that_comes_again_later_counts_for_no_other_copy),
        cmocka_unit_test(a_failure_heard_again_does_not_submit_what_runs),
        cmocka_unit_test(a_job_killed_between_two_tries_to_submit_it_needs_no_cancel),
        cmocka_unit_test(whatever_recover_answers_the_job_goes_on),
        cmocka_unit_test(what_an_interrupted_prolog_left_is_gone_before_the_job_runs),
        cmocka_unit_test(an_epilog_that_is_begun_again_comes_to_the_same_end),
        cmocka_unit_test(what_a_driver_said_of_the_end_is_known_after_a_restart),
        cmocka_unit_test(a_stale_attempts_answer_is_refused),
        cmocka_unit_test(answers_nobody_asked_for_do_not_stop_a_job),
        cmocka_unit_test(a_two_step_driver_is_told_to_commit_after_the_contact_is_known),
        cmocka_unit_test(
            a_commit_that_the_driver_refuses_is_followed_by_the_question_what_became_of_it),
        cmocka_unit_test(a_job_that_the_site_held_for_too_long_is_submitted_anew),
        cmocka_unit_test(a_lost_end_is_found_by_the_poll),
    };
    return cmocka_run_group_tests_name("engine", tests, NULL, NULL);
}
