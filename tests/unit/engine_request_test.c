/* The engine: what clients ask for, and the limits of dispatch. */
#include "tests/unit/engine_checks.h"

static const char job[] = "EXECUTABLE = run.sh\nINPUT_FILES = data\nOUTPUT_FILES = result\n";
static const char vm_job[] = "EXECUTABLE = run.sh\nOUTPUT_FILES = result\nVM_IMAGE = "
                             "/images/debian.qcow2\nVM_MEMORY = 256\n";

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
    assert_int_equal(w->reply.n_ended, 0);
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
    assert_int_equal(w->reply.n_ended, 12);
    assert_int_equal(w->journal.len, before);
    assert_int_equal(job_ended_us(state_job(engine_state(w->engine), id)), ended_us);
    in.wish.array_id = 77;
    world_step(w, &in);
    assert_string_equal(w->reply.text, "no such array");
    check_clean(w);
    world_destroy(w);
}

static void an_array_killed_hard_is_answered_once_for_each_task(void **state)
{
    (void)state;
    struct world *w = new_world();
    struct submission sub = submission_of(job, 6);
    w->is_endless = true;
    world_submit_as(w, &sub);
    world_pass(w, 10);
    assert_int_equal(world_phase(w, 1), PHASE_WRAPPER);
    assert_int_equal(world_phase(w, 6), PHASE_PENDING);
    struct input in = {.kind = IN_WISH,
                       .asker = {.connection = 1, .uid = 1000},
                       .wish = {.wish = WISH_GONE, .is_hard = true, .array_id = 1}};
    world_step(w, &in);
    assert_int_equal(w->reply.n_done, 6);
    assert_int_equal(w->reply.n_pending, 0);
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

/* --- a kill that the site does not confirm --- */

static struct kill_progress kill_of(struct world *w, uint64_t id)
{
    struct job *j = state_job_of(engine_state(w->engine), id);
    struct kill_progress kill;
    engine_kill(w->engine, j, job_task(j, id - j->id), &kill);
    return kill;
}

static void a_kill_is_wanted_until_the_site_confirms_it(void **state)
{
    (void)state;
    struct world *w = new_world();
    w->is_endless = true;
    uint64_t id = world_submit(w, job);
    world_pass(w, 5);
    assert_int_equal(world_phase(w, id), PHASE_WRAPPER);
    w->faults[0] = (struct fault){"CANCEL", NULL, "unreachable:site no route to it", 0, 50};
    world_wish(w, id, WISH_GONE, false);
    assert_int_equal(w->reply.n_pending, 1);
    int64_t wished_us = world_task(w, id)->wished_us;
    assert_true(wished_us > 0);
    world_pass(w, 600);
    struct kill_progress kill = kill_of(w, id);
    assert_string_equal(kill.said->code, "unreachable");
    assert_string_equal(kill.said->text, "no route to it");
    /* With growing pauses: at first after 10 s, then at most every minute. */
    assert_in_range(kill.asked, 8, 16);
    assert_int_equal(world_phase(w, id), PHASE_WRAPPER);
    world_restart(w);
    world_pass(w, 60);
    assert_int_equal(world_task(w, id)->wish, WISH_GONE);
    assert_int_equal(world_task(w, id)->wished_us, wished_us);
    assert_in_range(kill_of(w, id).asked, 1, 4);
    world_driver(w, DRIVER_EM, false);
    assert_string_equal(kill_of(w, id).driver, world_task(w, id)->attempts[0].em);
    world_driver(w, DRIVER_EM, true);
    /* A second kill asks at once, and does not change since when it is wanted. */
    unsigned before = kill_of(w, id).asked;
    world_pass(w, 10);
    world_wish(w, id, WISH_GONE, false);
    assert_true(kill_of(w, id).asked > before);
    assert_int_equal(world_task(w, id)->wished_us, wished_us);
    world_pass(w, 2700);
    check_failed(w, id, "killed", BLAME_NONE, 1);
    assert_int_equal(w->faults[0].times, 0);
    check_clean(w);
    world_destroy(w);
}

static void what_a_killed_payload_has_printed_comes_home(void **state)
{
    (void)state;
    for (int fails = 0; fails < 2; fails++) {
        struct world *w = new_world();
        w->is_endless = true;
        uint64_t id = world_submit(w, job);
        world_pass(w, 5);
        char *url =
            engine_job_url(w->engine, state_job(engine_state(w->engine), id), world_task(w, id),
                           task_attempt(world_task(w, id)), "stdout.execution");
        world_write(w, url, "so far");
        if (fails)
            w->faults[0] = (struct fault){"CP", "stdout", "unreachable:site gone", 0, 9};
        world_wish(w, id, WISH_GONE, false);
        world_pass(w, 5);
        check_failed(w, id, "killed", BLAME_NONE, 1);
        char *home =
            engine_stream_url(w->engine, state_job(engine_state(w->engine), id), 0, STREAM_STDOUT);
        assert_int_equal(world_has(w, home), !fails);
        check_clean(w);
        free(url);
        free(home);
        world_destroy(w);
    }
}

static size_t count_of(const char *text, const char *word)
{
    size_t n = 0;
    for (const char *p = text; (p = strstr(p, word)); p++)
        n++;
    return n;
}

static void what_a_hard_kill_leaves_is_removed_beside(void **state)
{
    (void)state;
    static const int failures[] = {0, 3, 8};
    for (size_t i = 0; i < GW_COUNT(failures); i++) {
        struct world *w = new_world();
        w->is_endless = true;
        uint64_t id = world_submit(w, job);
        world_pass(w, 5);
        buf_reset(&w->trace);
        w->faults[0] = (struct fault){"RMDIR", NULL, "unreachable:site", 0, failures[i]};
        world_wish(w, id, WISH_GONE, true);
        check_failed(w, id, "killed-hard", BLAME_NONE, 1);
        assert_string_equal(buf_str(&w->trace), "CANCEL");
        world_pass(w, 600);
        assert_int_equal(count_of(buf_str(&w->trace), "RMDIR"), failures[i] + 1);
        assert_int_equal(world_count(w, "/.gw_", NULL), 0);
        assert_int_equal(count_of(buf_str(&w->trace), "END"), failures[i] + 1);
        world_destroy(w);
    }
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

static void a_submission_key_is_of_what_it_was_first_given_with(void **state)
{
    (void)state;
    struct world *w = new_world();
    struct submission first = submission_of(job, 2);
    first.key = "k";
    first.is_array = true;
    uint64_t id = world_submit_as(w, &first);
    struct submission others[6];
    for (size_t i = 0; i < GW_COUNT(others); i++)
        others[i] = first;
    others[0].source = vm_job;
    others[1].home = "/home/other";
    others[2].tasks = 3;
    others[3].start = 7;
    others[4].priority = first.priority + 1;
    others[5].owner.credential = "/tmp/another";
    for (size_t i = 0; i < GW_COUNT(others); i++) {
        world_submit_as(w, &others[i]);
        assert_int_equal(w->reply.code, GW_EEXIST);
        assert_non_null(strstr(w->reply.text, "a new job needs a new key"));
    }
    first.file = "another name of the same text";
    assert_int_equal(world_submit_as(w, &first), id);
    world_destroy(w);
}

static void the_limits_of_a_user_are_his_alone(void **state)
{
    (void)state;
    struct world *w = new_world();
    w->config.jobs_max_user = 3;
    w->config.templates_max_user = 4096;
    struct submission his = submission_of(job, 3), one = submission_of(job, 1);
    his.is_held = true;
    uint64_t id = world_submit_as(w, &his);
    world_submit_as(w, &one);
    assert_int_equal(w->reply.code, GW_ENOSPC);
    assert_string_equal(w->reply.text,
                        "MAX_JOBS_USER allows 3 unfinished jobs of one user; you have 3");
    one.owner.user = "bob";
    one.owner.uid = 1001;
    world_submit_as(w, &one);
    assert_int_equal(w->reply.code, 0);
    world_restart(w);
    one = submission_of(job, 1);
    world_submit_as(w, &one);
    assert_int_equal(w->reply.code, GW_ENOSPC);
    world_wish(w, id, WISH_GONE, false);
    world_submit_as(w, &one);
    assert_int_equal(w->reply.code, 0);
    world_wish(w, id + 1, WISH_GONE, false);
    /* Equal texts are kept once, those that differ add up. */
    one = submission_of(vm_job, 1);
    world_submit_as(w, &one);
    assert_int_equal(w->reply.code, 0);
    world_wish(w, id + 2, WISH_GONE, false);
    world_submit_as(w, &one);
    assert_int_equal(w->reply.code, GW_ENOSPC);
    assert_non_null(strstr(w->reply.text, "MAX_TEMPLATES_USER"));
    world_destroy(w);
}

static void finished_jobs_count_until_they_leave_the_listing(void **state)
{
    (void)state;
    struct world *w = new_world();
    w->config.listed_max_user = 4;
    struct submission three = submission_of(job, 3), two = submission_of(job, 2);
    three.is_array = three.is_held = two.is_array = two.is_held = true;
    uint64_t id = world_submit_as(w, &three);
    for (uint64_t i = 0; i < 3; i++)
        world_wish(w, id + i, WISH_GONE, false);
    for (int starts = 0; starts < 2; starts++) {
        world_submit_as(w, &two);
        assert_int_equal(w->reply.code, GW_ENOSPC);
        assert_string_equal(w->reply.text,
                            "MAX_LISTED_USER allows 4 jobs of one user in the listing; there are 3 "
                            "of yours, until finished ones leave it");
        world_restart(w);
    }
    two.owner.user = "bob";
    two.owner.uid = 1001;
    world_submit_as(w, &two);
    assert_int_equal(w->reply.code, 0);
    two = submission_of(job, 2);
    world_pass(w, w->config.retention_us / 1000000 + 10);
    world_submit_as(w, &two);
    assert_int_equal(w->reply.code, 0);
    world_destroy(w);
}

static void so_many_credentials_of_one_user_are_looked_at(void **state)
{
    (void)state;
    struct world *w = new_world();
    char path[32];
    struct submission sub = submission_of(job, 1);
    sub.is_held = true;
    sub.owner.credential = path;
    for (unsigned i = 0; i < 256; i++) {
        snprintf(path, sizeof path, "/tmp/c%u", i);
        world_submit_as(w, &sub);
        assert_int_equal(w->reply.code, 0);
    }
    snprintf(path, sizeof path, "/tmp/more");
    world_submit_as(w, &sub);
    assert_int_equal(w->reply.code, GW_ENOSPC);
    snprintf(path, sizeof path, "/tmp/c7");
    world_submit_as(w, &sub);
    assert_int_equal(w->reply.code, 0);
    world_destroy(w);
}

static void others_jobs_do_not_exist_where_they_are_hidden(void **state)
{
    (void)state;
    struct world *w = new_world();
    w->config.hides_others = true;
    struct submission his = submission_of(job, 2);
    his.is_array = his.is_held = true;
    uint64_t id = world_submit_as(w, &his);
    struct input in = {.kind = IN_WISH,
                       .asker = {.connection = 1, .uid = 1001},
                       .wish = {.wish = WISH_GONE, .ids = &id, .n_ids = 1}};
    world_step(w, &in);
    assert_int_equal(w->reply.n_refused, 1);
    assert_string_equal(w->reply.text, "no such job");
    in.wish.ids = NULL;
    in.wish.n_ids = 0;
    in.wish.array_id = 1;
    world_step(w, &in);
    assert_int_equal(w->reply.n_refused, 1);
    assert_string_equal(w->reply.text, "no such array");
    assert_int_equal(world_phase(w, id), PHASE_PENDING);
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
        cmocka_unit_test(a_held_job_waits_until_it_is_released),
        cmocka_unit_test(who_may_not_is_refused_and_changes_nothing),
        cmocka_unit_test(a_wish_for_an_array_reaches_all_of_its_tasks),
        cmocka_unit_test(an_array_killed_hard_is_answered_once_for_each_task),
        cmocka_unit_test(an_array_of_a_million_is_killed_at_once),
        cmocka_unit_test(a_drained_host_and_a_paused_daemon_start_nothing_new),
        cmocka_unit_test(a_long_pass_goes_on_by_its_timer_and_lets_the_loop_look_up),
        cmocka_unit_test(limits_of_a_pass_delay_jobs_and_lose_none),
        cmocka_unit_test(slots_are_counted_right_when_queues_come_and_go),
        cmocka_unit_test(what_ends_before_its_host_is_known_again_is_not_counted_there),
        cmocka_unit_test(a_kill_is_wanted_until_the_site_confirms_it),
        cmocka_unit_test(what_a_killed_payload_has_printed_comes_home),
        cmocka_unit_test(what_a_hard_kill_leaves_is_removed_beside),
        cmocka_unit_test(a_submission_key_makes_one_job_however_often_it_is_sent),
        cmocka_unit_test(a_submission_key_is_of_what_it_was_first_given_with),
        cmocka_unit_test(the_limits_of_a_user_are_his_alone),
        cmocka_unit_test(finished_jobs_count_until_they_leave_the_listing),
        cmocka_unit_test(so_many_credentials_of_one_user_are_looked_at),
        cmocka_unit_test(others_jobs_do_not_exist_where_they_are_hidden),
        cmocka_unit_test(submissions_beyond_the_limits_are_refused),
        cmocka_unit_test(a_finished_job_is_forgotten_after_its_time_and_not_before),
    };
    return cmocka_run_group_tests_name("engine_request", tests, NULL, NULL);
}
