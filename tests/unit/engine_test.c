/* The engine by transcripts: a world of scripted drivers and sites answers its effects
 * (tests/unit/world.h). */
#include "tests/unit/world.h"

static const char job[] = "EXECUTABLE = run.sh\nINPUT_FILES = data\nOUTPUT_FILES = result\n";
static const char once[] = "EXECUTABLE = run.sh\nOUTPUT_FILES = result\nRESCHEDULE_ON_FAILURE = "
                           "no\nNUMBER_OF_RETRIES = 0\n";
static const char vm_job[] = "EXECUTABLE = run.sh\nOUTPUT_FILES = result\nVM_IMAGE = "
                             "/images/debian.qcow2\nVM_MEMORY = 256\n";

static struct world *new_world(void)
{
    struct world *w = world_create();
    world_start(w);
    world_listen(w);
    return w;
}

static void check_done(const struct world *w, uint64_t id, uint64_t n_attempts)
{
    struct task *t = world_task(w, id);
    if (!t || t->phase != PHASE_DONE)
        fail_msg("job %" PRIu64 " is %s, not DONE; sent: %s", id, phase_name(world_phase(w, id)),
                 buf_str(&w->trace));
    assert_int_equal(t->n_attempts, n_attempts);
}

static void check_failed(const struct world *w, uint64_t id, const char *code, enum blame blame,
                         uint64_t n_attempts)
{
    struct task *t = world_task(w, id);
    if (!t || t->phase != PHASE_FAILED)
        fail_msg("job %" PRIu64 " is %s, not FAILED; sent: %s", id, phase_name(world_phase(w, id)),
                 buf_str(&w->trace));
    assert_string_equal(t->reason.code, code);
    assert_int_equal(t->reason.blame, blame);
    assert_int_equal(t->n_attempts, n_attempts);
}

/* Nothing is left at the site or in the spool, and no slot is taken. */
static void check_clean(struct world *w)
{
    size_t n;
    struct host *const *hosts = engine_hosts(w->engine, &n);
    for (size_t i = 0; i < n; i++) {
        assert_int_equal(hosts[i]->running, 0);
        assert_int_equal(hosts[i]->vm_memory_mib, 0);
        for (size_t q = 0; q < hosts[i]->n_queues; q++)
            assert_int_equal(hosts[i]->queues[q].used, 0);
    }
    for (struct world_file *f = w->files; f; f = f->hh.next)
        if (f->is_there &&
            (strstr(f->url, "/.gw_i.") || strncmp(f->url, "file:///spool/1.", 16) == 0))
            fail_msg("%s is left", f->url);
    for (struct run *r = w->runs; r; r = r->next)
        assert_false(r->is_running);
}

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
        {job, {"CP", "/result", "io:site x", 0, 3}, NULL, PHASE_DONE, NULL, BLAME_NONE, 1, 1},
        {job, {"CP", "/result", "io:site x", 0, 4}, NULL, PHASE_DONE, NULL, BLAME_NONE, 2, 2},
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
        {once, {"START", NULL, "io:site x", 1, 99}, NULL, PHASE_FAILED, "io", BLAME_SITE, 1, 1},
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

/* --- unknown --- */

static void
an_attempt_whose_fate_is_unknown_is_waited_for_or_replaced_as_its_owner_chose(void **state)
{
    (void)state;
    static const struct {
        const char *source;
        bool is_replaced;
        int64_t after_s; /* lease + margin */
    } cases[] = {
        {"EXECUTABLE = run.sh\n", false, 0},
        {"EXECUTABLE = run.sh\nON_LOST = wait\nLEASE = 60s\n", false, 0},
        {"EXECUTABLE = run.sh\nON_LOST = retry-now\n", true, 0},
        {"EXECUTABLE = run.sh\nON_LOST = retry-after-lease\nLEASE = 100s\n", true, 130},
    };
    for (size_t i = 0; i < GW_COUNT(cases); i++) {
        struct world *w = new_world();
        w->is_endless = w->may_run_twice = true;
        uint64_t id = world_submit(w, cases[i].source);
        world_pass(w, 5);
        w->faults[0] = (struct fault){"RECOVER", NULL, "unreachable:site x", 0, 1000000};
        w->faults[1] = (struct fault){"POLL", NULL, "", 0, 1000000};
        world_tell(w, DRIVER_EM, "CALLBACK", (struct task_ref){id, 0, 1}, 0, false,
                   "unreachable:site x");
        world_listen(w);
        assert_int_equal(world_task(w, id)->attempts[0].unknown_since_us != 0,
                         !cases[i].is_replaced || cases[i].after_s);
        if (cases[i].after_s) {
            world_pass(w, cases[i].after_s - 2);
            assert_int_equal(world_task(w, id)->n_attempts, 1);
            world_pass(w, 6);
        } else {
            world_pass(w, 7200);
        }
        assert_int_equal(world_task(w, id)->n_attempts, cases[i].is_replaced ? 2 : 1);
        /* Heard of again: known, and it ends as it should. */
        w->faults[0].times = w->faults[1].times = 0;
        w->is_endless = false;
        world_pass(w, 300);
        check_done(w, id, cases[i].is_replaced ? 2 : 1);
        assert_int_equal(world_task(w, id)->attempts[0].unknown_since_us, 0);
        world_destroy(w);
    }
}

static void the_lease_of_a_lost_attempt_is_not_renewed(void **state)
{
    (void)state;
    struct world *w = new_world();
    w->is_endless = true;
    uint64_t id =
        world_submit(w, "EXECUTABLE = run.sh\nON_LOST = retry-after-lease\nLEASE = 100s\n");
    world_pass(w, 5);
    assert_null(strstr(world_file(w, "file:///spool/lease")->text, "LOST="));
    w->faults[0] = (struct fault){"RECOVER", NULL, "unreachable:site x", 0, 1000000};
    w->faults[1] = (struct fault){"POLL", NULL, "", 0, 1000000};
    world_tell(w, DRIVER_EM, "CALLBACK", (struct task_ref){id, 0, 1}, 0, false,
               "unreachable:site x");
    world_listen(w);
    assert_non_null(strstr(world_file(w, "file:///site/.gw_lease_i")->text, "LOST=1.0.1\n"));
    /* Other jobs of the site go on. */
    world_submit(w, "EXECUTABLE = run.sh\nLEASE = 100s\n");
    world_pass(w, 60);
    const char *lease = world_file(w, "file:///site/.gw_lease_i")->text;
    assert_non_null(strstr(lease, "LOST=1.0.1\n"));
    assert_null(strstr(lease, "LOST=2.0.1"));
    world_destroy(w);
}

/* A job with a lease of 100 s (the margin is 30 s) runs, and nobody hears of it from now on. */
static uint64_t lose(struct world *w, const char *recover)
{
    w->is_endless = w->may_run_twice = true;
    uint64_t id =
        world_submit(w, "EXECUTABLE = run.sh\nON_LOST = retry-after-lease\nLEASE = 100s\n");
    world_pass(w, 1);
    w->faults[0] = (struct fault){"RECOVER", NULL, recover, 0, 1000000};
    w->faults[1] = (struct fault){"POLL", NULL, "", 0, 1000000};
    return id;
}

static void lost_is_told(struct world *w, uint64_t id)
{
    world_tell(w, DRIVER_EM, "CALLBACK", (struct task_ref){id, 0, 1}, 0, false,
               "unreachable:site x");
    world_listen(w);
}

static void a_site_that_answers_nothing_does_not_delay_the_next_attempt(void **state)
{
    (void)state;
    struct world *w = new_world();
    uint64_t id = lose(w, "");
    lost_is_told(w, id);
    world_pass(w, 129);
    assert_int_equal(world_task(w, id)->n_attempts, 1);
    world_pass(w, 2);
    assert_int_equal(world_task(w, id)->n_attempts, 2);
    world_destroy(w);
}

static void a_lease_file_that_may_still_come_delays_the_next_attempt(void **state)
{
    (void)state;
    struct world *w = new_world();
    uint64_t id = lose(w, "unreachable:site x");
    w->faults[2] = (struct fault){"CP", ".gw_lease", "", 0, 1};
    world_pass(w, 50);
    const char *seq = strstr(world_file(w, "file:///spool/lease")->text, "SEQ=");
    struct task_ref copy = {0, 0, strtoull(seq + 4, NULL, 10)};
    w->faults[3] = (struct fault){"END", NULL, "", 0, 1};
    lost_is_told(w, id);
    world_pass(w, 300);
    assert_int_equal(world_task(w, id)->n_attempts, 1);
    world_tell(w, DRIVER_TM, "END", copy, 0, true, "-");
    world_listen(w);
    world_pass(w, 129);
    assert_int_equal(world_task(w, id)->n_attempts, 1);
    world_pass(w, 11);
    assert_int_equal(world_task(w, id)->n_attempts, 2);
    world_destroy(w);
}

static void leases_are_renewed_at_a_third_of_the_shortest_also_after_a_restart(void **state)
{
    (void)state;
    struct world *w = new_world();
    unsigned written;
    w->is_endless = true;
    world_submit(w, "EXECUTABLE = run.sh\nLEASE = 3h\n");
    world_pass(w, 1);
    assert_int_equal(world_count(w, "/site/.gw_lease_i", &written), 1);
    assert_int_equal(written, 1);
    /* A shorter one does not wait for the longer one's turn. */
    world_submit(w, "EXECUTABLE = run.sh\nLEASE = 30s\n");
    world_pass(w, 60);
    world_count(w, "/site/.gw_lease_i", &written);
    assert_in_range(written, 7, 9);
    world_restart(w);
    world_listen(w);
    unsigned before = written;
    world_pass(w, 60);
    world_count(w, "/site/.gw_lease_i", &written);
    assert_in_range(written - before, 6, 8);
    /* None is left: none is renewed. */
    w->is_endless = false;
    world_pass(w, 60);
    world_count(w, "/site/.gw_lease_i", &before);
    world_pass(w, 600);
    world_count(w, "/site/.gw_lease_i", &written);
    assert_int_equal(written, before);
    world_destroy(w);
}

/* --- the image cache --- */

static void ten_vm_jobs_of_one_image_copy_it_once(void **state)
{
    (void)state;
    struct world *w = new_world();
    struct submission sub = submission_of(vm_job, 10);
    world_submit_as(w, &sub);
    world_pass(w, 60);
    unsigned written;
    assert_int_equal(engine_state(w->engine)->n_tasks[PHASE_DONE], 10);
    assert_int_equal(world_count(w, "/.gw_cache/", &written), 1);
    assert_int_equal(written, 1);
    check_clean(w);
    world_destroy(w);
}

static void when_the_filler_of_the_cache_fails_the_next_one_fills_it(void **state)
{
    (void)state;
    static const char *const ends[] = {"io:site x", "kill", "driver"};
    for (size_t i = 0; i < GW_COUNT(ends); i++) {
        struct world *w = new_world();
        if (i == 0)
            w->faults[0] = (struct fault){"CP", ".gw_cache", ends[i], 0, 2};
        else
            w->faults[0] = (struct fault){"CP", ".gw_cache", "", 0, 1}; /* copies for ever */
        struct submission sub = submission_of(vm_job, 4);
        uint64_t id = world_submit_as(w, &sub);
        world_listen(w);
        if (i == 1) {
            world_wish(w, id, WISH_GONE, false);
        } else if (i == 2) {
            world_driver(w, DRIVER_TM, false);
            world_driver(w, DRIVER_TM, true);
        }
        world_pass(w, 300);
        unsigned written;
        assert_int_equal(engine_state(w->engine)->n_tasks[PHASE_DONE], i == 1 ? 3 : 4);
        world_count(w, "/.gw_cache/", &written);
        assert_int_equal(written, 1);
        check_clean(w);
        world_destroy(w);
    }
}

static void without_a_driver_that_can_fill_a_cache_the_image_goes_with_the_job(void **state)
{
    (void)state;
    struct world *w = world_create();
    w->features[DRIVER_TM] &= ~(unsigned)(FEATURE_STAT | FEATURE_ATOMIC);
    world_start(w);
    world_listen(w);
    uint64_t id = world_submit(w, vm_job);
    world_pass(w, 60);
    check_done(w, id, 1);
    assert_int_equal(world_count(w, "/.gw_cache/", NULL), 0);
    assert_non_null(strstr(buf_str(&w->trace), "START MKDIR CP"));
    world_destroy(w);
}

/* --- wishes --- */

static void a_held_job_waits_until_it_is_released(void **state)
{
    (void)state;
    struct world *w = new_world();
    struct submission sub = submission_of(job, 1);
    sub.is_held = true;
    uint64_t id = world_submit_as(w, &sub);
    world_pass(w, 60);
    assert_int_equal(world_phase(w, id), PHASE_PENDING);
    world_wish(w, id, WISH_RUN, false);
    assert_int_equal(w->reply.n_done, 1);
    world_pass(w, 60);
    check_done(w, id, 1);
    world_wish(w, id, WISH_HELD, false);
    assert_int_equal(w->reply.n_refused, 1);
    world_destroy(w);
}

static void who_may_not_is_refused_and_changes_nothing(void **state)
{
    (void)state;
    struct world *w = new_world();
    w->is_endless = true;
    uint64_t id = world_submit(w, job), none = 99;
    size_t before = w->journal.len;
    struct input in = {.kind = IN_WISH,
                       .asker = {.connection = 1, .uid = 1001},
                       .wish = {.wish = WISH_GONE, .ids = &id, .n_ids = 1}};
    world_step(w, &in);
    assert_int_equal(w->reply.n_refused, 1);
    in.wish.ids = &none;
    world_step(w, &in);
    assert_string_equal(w->reply.text, "no such job");
    in = (struct input){
        .kind = IN_PAUSE, .asker = {.connection = 1, .uid = 1000}, .is_paused = true};
    world_step(w, &in);
    assert_int_equal(w->reply.code, GW_EPERM);
    in = (struct input){
        .kind = IN_DRAIN, .asker = {.connection = 1, .uid = 1000}, .drain = {"alpha", true}};
    world_step(w, &in);
    assert_int_equal(w->reply.code, GW_EPERM);
    assert_int_equal(w->journal.len, before);
    in = (struct input){.kind = IN_WISH,
                        .asker = {.connection = 1, .uid = 0, .is_admin = true},
                        .wish = {.wish = WISH_GONE, .ids = &id, .n_ids = 1}};
    world_step(w, &in);
    assert_int_equal(w->reply.n_pending, 1);
    world_destroy(w);
}

static void a_wish_for_an_array_reaches_all_of_its_tasks(void **state)
{
    (void)state;
    struct world *w = new_world();
    w->is_endless = true;
    struct submission sub = submission_of(job, 12);
    uint64_t id = world_submit_as(w, &sub);
    world_pass(w, 5);
    struct input in = {.kind = IN_WISH,
                       .asker = {.connection = 1, .uid = 1000},
                       .wish = {.wish = WISH_HELD, .array_id = 1}};
    world_step(w, &in);
    assert_int_equal(w->reply.n_done, 8);
    in.wish.wish = WISH_GONE;
    world_step(w, &in);
    assert_int_equal(w->reply.n_pending, 4);
    assert_int_equal(w->reply.n_done, 8);
    /* What is being killed is not called back. */
    in.wish.wish = WISH_RUN;
    world_step(w, &in);
    world_pass(w, 60);
    assert_int_equal(engine_state(w->engine)->n_tasks[PHASE_FAILED], 12);
    for (uint64_t i = 0; i < 4; i++)
        assert_string_equal(world_task(w, id + i)->reason.code, "killed");
    int64_t ended_us = job_ended_us(state_job(engine_state(w->engine), id));
    size_t before = w->journal.len;
    in.wish.wish = WISH_GONE;
    world_step(w, &in);
    assert_int_equal(w->reply.n_done, 12);
    assert_int_equal(w->journal.len, before);
    assert_int_equal(job_ended_us(state_job(engine_state(w->engine), id)), ended_us);
    in.wish.array_id = 77;
    world_step(w, &in);
    assert_string_equal(w->reply.text, "no such array");
    check_clean(w);
    world_destroy(w);
}

static void an_array_of_a_million_is_killed_at_once(void **state)
{
    (void)state;
    struct world *w = new_world();
    w->is_endless = true;
    struct submission sub = submission_of(job, 1000000);
    uint64_t id = world_submit_as(w, &sub);
    world_pass(w, 5);
    size_t before = w->journal.len;
    struct input in = {.kind = IN_WISH,
                       .asker = {.connection = 1, .uid = 1000},
                       .wish = {.wish = WISH_GONE, .array_id = 1}};
    world_step(w, &in);
    assert_int_equal(w->reply.n_done, 1000000 - 4);
    world_pass(w, 60);
    assert_true(job_is_final(state_job(engine_state(w->engine), id)));
    assert_true(w->journal.len - before < 10000);
    world_destroy(w);
}

/* --- dispatch --- */

static void a_drained_host_and_a_paused_daemon_start_nothing_new(void **state)
{
    (void)state;
    struct world *w = new_world();
    struct input in = {
        .kind = IN_DRAIN, .asker = {.connection = 1, .is_admin = true}, .drain = {"alpha", true}};
    world_step(w, &in);
    uint64_t id = world_submit(w, job);
    world_pass(w, 60);
    assert_int_equal(world_phase(w, id), PHASE_PENDING);
    world_restart(w);
    world_pass(w, 60);
    assert_int_equal(world_phase(w, id), PHASE_PENDING);
    in = (struct input){
        .kind = IN_PAUSE, .asker = {.connection = 1, .is_admin = true}, .is_paused = true};
    world_step(w, &in);
    in = (struct input){
        .kind = IN_DRAIN, .asker = {.connection = 1, .is_admin = true}, .drain = {"alpha", false}};
    world_step(w, &in);
    world_pass(w, 60);
    assert_int_equal(world_phase(w, id), PHASE_PENDING);
    in = (struct input){
        .kind = IN_PAUSE, .asker = {.connection = 1, .is_admin = true}, .is_paused = false};
    world_step(w, &in);
    world_pass(w, 60);
    check_done(w, id, 1);
    in = (struct input){
        .kind = IN_DRAIN, .asker = {.connection = 1, .is_admin = true}, .drain = {"nobody", true}};
    world_step(w, &in);
    assert_int_equal(w->reply.code, GW_ENOENT);
    world_destroy(w);
}

static void a_long_pass_goes_on_by_its_timer_and_lets_the_loop_look_up(void **state)
{
    (void)state;
    struct world *w = world_create();
    w->samples[0] = "LRMS_NAME=\"fork\" NODECOUNT=900 STAGE_URL=\"file:///home/ann\"";
    world_start(w);
    world_listen(w);
    struct submission sub = submission_of("EXECUTABLE = /bin/true\n", 800);
    sub.is_array = true;
    world_submit_as(w, &sub);
    const uint64_t *n_waiting = &engine_state(w->engine)->n_tasks[PHASE_PENDING];
    unsigned n_steps = 0;
    for (; *n_waiting > 0; n_steps++) {
        uint64_t before = *n_waiting;
        struct input in = {.kind = IN_TIME};
        assert_true(n_steps < 100 && engine_next_time(w->engine) <= w->now_us);
        world_step(w, &in);
        assert_true(before - *n_waiting < 400);
    }
    assert_true(n_steps > 1);
    world_destroy(w);
}

static void limits_of_a_pass_delay_jobs_and_lose_none(void **state)
{
    (void)state;
    static const struct match_limits limits[] = {{.per_pass = 1}, {.per_host = 1}, {.per_user = 1}};
    for (size_t i = 0; i < GW_COUNT(limits); i++) {
        struct world *w = world_create();
        w->config.limits = limits[i];
        world_start(w);
        world_listen(w);
        struct submission sub = submission_of(job, 9);
        world_submit_as(w, &sub);
        world_pass(w, 30);
        assert_int_equal(engine_state(w->engine)->n_tasks[PHASE_DONE], 9);
        w->is_endless = true;
        world_submit_as(w, &sub);
        world_pass(w, 10);
        assert_int_equal(engine_state(w->engine)->n_tasks[PHASE_WRAPPER],
                         limits[i].per_user ? 1 : 4);
        world_destroy(w);
    }
}

static void slots_are_counted_right_when_queues_come_and_go(void **state)
{
    (void)state;
    struct world *w = new_world();
    w->is_endless = true;
    struct submission sub = submission_of(job, 3);
    world_submit_as(w, &sub);
    world_pass(w, 5);
    /* The queue is renamed, one of its jobs ends, and it comes back. */
    w->samples[0] = "QUEUE_NAME[0]=\"other\"";
    world_pass(w, 61);
    run_end(w, w->runs, "DONE");
    world_pass(w, 5);
    w->samples[0] = "QUEUE_NAME[0]=\"default\"";
    world_pass(w, 61);
    struct host *h = engine_host(w->engine, "alpha");
    assert_int_equal(h->queues[0].used, 2);
    w->is_endless = false;
    world_pass(w, 60);
    check_clean(w);
    world_destroy(w);
}

static void what_ends_before_its_host_is_known_again_is_not_counted_there(void **state)
{
    (void)state;
    struct world *w = new_world();
    w->is_endless = true;
    uint64_t id = world_submit(w, vm_job);
    world_pass(w, 5);
    run_end(w, w->runs, "DONE");
    /* After the restart the information driver names the host, and answers about it much later. */
    w->faults[0] = (struct fault){"MONITOR", NULL, "", 0, 1};
    world_restart(w);
    world_pass(w, 30);
    check_done(w, id, 1);
    world_pass(w, 60);
    check_clean(w);
    world_destroy(w);
}

/* --- requests --- */

static void a_submission_key_makes_one_job_however_often_it_is_sent(void **state)
{
    (void)state;
    struct world *w = new_world();
    struct submission sub = submission_of(job, 1);
    sub.key = "k1";
    uint64_t id = world_submit_as(w, &sub);
    assert_int_equal(world_submit_as(w, &sub), id);
    world_restart(w);
    assert_int_equal(world_submit_as(w, &sub), id);
    sub.key = "k2";
    assert_int_not_equal(world_submit_as(w, &sub), id);
    sub.key = "k1";
    sub.owner.uid = 1001;
    assert_int_not_equal(world_submit_as(w, &sub), id);
    world_destroy(w);
}

static void submissions_beyond_the_limits_are_refused(void **state)
{
    (void)state;
    static const struct {
        uint64_t jobs_max, array_max, tasks;
        int64_t start, increment;
        int code;
    } cases[] = {
        {0, 10, 10, 0, 1, 0},
        {0, 10, 11, 0, 1, GW_EINVAL},
        {0, 10, 0, 0, 1, GW_EINVAL},
        {5, 10, 3, 0, 1, 0},
        {5, 10, 4, 0, 1, GW_ENOSPC},
        {0, 0, UINT64_C(1) << 40, 0, 1, GW_EINVAL},
        {5, 0, UINT64_MAX, 0, 1, GW_EINVAL},
        {0, 10, 5, INT64_MAX, 1, GW_EINVAL},
        {0, 10, 5, 0, INT64_MAX, GW_EINVAL},
        {0, 10, 5, INT64_MIN, -1, GW_EINVAL},
        {0, 10, 1, INT64_MAX, INT64_MIN, 0},
    };
    for (size_t i = 0; i < GW_COUNT(cases); i++) {
        struct world *w = world_create();
        w->config.jobs_max = cases[i].jobs_max;
        w->config.array_max = cases[i].array_max;
        w->hosts = "";
        world_start(w);
        struct submission two = submission_of(job, 2);
        world_submit_as(w, &two);
        struct submission sub = submission_of(job, cases[i].tasks);
        sub.start = cases[i].start;
        sub.increment = cases[i].increment;
        world_submit_as(w, &sub);
        if (w->reply.code != cases[i].code)
            fail_msg("case %zu: code %d: %s", i, w->reply.code, w->reply.text);
        world_destroy(w);
    }
}

static void a_finished_job_is_forgotten_after_its_time_and_not_before(void **state)
{
    (void)state;
    struct world *w = new_world();
    uint64_t id = world_submit(w, job);
    world_pass(w, 60);
    check_done(w, id, 1);
    world_pass(w, 3500 - 60);
    assert_int_equal(world_phase(w, id), PHASE_DONE);
    /* The time goes on over a restart. */
    world_restart(w);
    world_pass(w, 50);
    assert_int_equal(world_phase(w, id), PHASE_DONE);
    assert_int_equal(w->n_archived, 0);
    /* Not before it is in the archive, which is full for a while. */
    w->archive_is_full = true;
    world_pass(w, 300);
    assert_int_equal(world_phase(w, id), PHASE_DONE);
    assert_true(w->n_archived > 1);
    w->archive_is_full = false;
    world_pass(w, 300);
    assert_int_equal(world_phase(w, id), PHASE_COUNT);
    assert_int_equal(world_submit(w, job), id + 1);
    world_destroy(w);
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
        cmocka_unit_test(
            an_attempt_whose_fate_is_unknown_is_waited_for_or_replaced_as_its_owner_chose),
        cmocka_unit_test(the_lease_of_a_lost_attempt_is_not_renewed),
        cmocka_unit_test(a_site_that_answers_nothing_does_not_delay_the_next_attempt),
        cmocka_unit_test(a_lease_file_that_may_still_come_delays_the_next_attempt),
        cmocka_unit_test(leases_are_renewed_at_a_third_of_the_shortest_also_after_a_restart),
        cmocka_unit_test(ten_vm_jobs_of_one_image_copy_it_once),
        cmocka_unit_test(when_the_filler_of_the_cache_fails_the_next_one_fills_it),
        cmocka_unit_test(without_a_driver_that_can_fill_a_cache_the_image_goes_with_the_job),
        cmocka_unit_test(a_held_job_waits_until_it_is_released),
        cmocka_unit_test(who_may_not_is_refused_and_changes_nothing),
        cmocka_unit_test(a_wish_for_an_array_reaches_all_of_its_tasks),
        cmocka_unit_test(an_array_of_a_million_is_killed_at_once),
        cmocka_unit_test(a_drained_host_and_a_paused_daemon_start_nothing_new),
        cmocka_unit_test(a_long_pass_goes_on_by_its_timer_and_lets_the_loop_look_up),
        cmocka_unit_test(limits_of_a_pass_delay_jobs_and_lose_none),
        cmocka_unit_test(slots_are_counted_right_when_queues_come_and_go),
        cmocka_unit_test(what_ends_before_its_host_is_known_again_is_not_counted_there),
        cmocka_unit_test(a_submission_key_makes_one_job_however_often_it_is_sent),
        cmocka_unit_test(submissions_beyond_the_limits_are_refused),
        cmocka_unit_test(a_finished_job_is_forgotten_after_its_time_and_not_before),
    };
    return cmocka_run_group_tests_name("engine", tests, NULL, NULL);
}
