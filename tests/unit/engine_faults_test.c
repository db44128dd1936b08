/* The engine against faults at every place: the daemon killed after each event and effect, a driver
 * killed at each of its requests, the job killed at each moment. Each time the job ends as it
 * should, runs once, and leaves nothing. */
#include "tests/unit/world.h"

static const char plain[] = "EXECUTABLE = run.sh\nINPUT_FILES = data\nOUTPUT_FILES = result\n";
static const char leased[] =
    "EXECUTABLE = run.sh\nOUTPUT_FILES = result\nON_LOST = retry-after-lease\nLEASE = 60s\n";
static const char vm[] = "EXECUTABLE = run.sh\nOUTPUT_FILES = result\nVM_IMAGE = "
                         "/images/debian.qcow2\nVM_MEMORY = 256\n";

/* What is run: some tasks of a job, under an execution and a transfer driver with some features. */
struct scene {
    const char *source;
    uint64_t tasks;
    unsigned features, tm_features;
};

enum {
    SMALL = FEATURES_ALL | FEATURE_SMALL,
    NOT_IDEMPOTENT = FEATURES_ALL & ~FEATURE_IDEMPOTENT,
    TWO_STEP = NOT_IDEMPOTENT | FEATURE_COMMIT
};

static const struct scene scenes[] = {
    {plain, 1, FEATURES_ALL, FEATURES_ALL}, {plain, 1, NOT_IDEMPOTENT, FEATURES_ALL},
    {plain, 1, TWO_STEP, FEATURES_ALL},     {leased, 1, TWO_STEP, FEATURES_ALL},
    {vm, 3, NOT_IDEMPOTENT, FEATURES_ALL},  {plain, 1, NOT_IDEMPOTENT, SMALL},
    {leased, 1, TWO_STEP, SMALL},           {vm, 3, NOT_IDEMPOTENT, SMALL},
};

static struct world *begin(const struct scene *s)
{
    struct world *w = world_create();
    w->features[DRIVER_EM] = s->features;
    w->features[DRIVER_TM] = s->tm_features;
    w->exit_code = 5;
    w->config.keeps_traces = true;
    world_start(w);
    world_listen(w);
    w->n_effects = w->n_events = 0;
    return w;
}

static void submit(struct world *w, const struct scene *s)
{
    struct submission sub = submission_of(s->source, s->tasks);
    world_submit_as(w, &sub);
}

/* Events and effects of a run without faults. */
static void measure(const struct scene *s, uint64_t *ret_effects, uint64_t *ret_events)
{
    struct world *w = begin(s);
    submit(w, s);
    world_pass(w, 30);
    *ret_effects = w->n_effects;
    *ret_events = w->n_events;
    assert_in_range(*ret_effects, 20, 300);
    world_destroy(w);
}

static void check_clean(struct world *w, const char *what, uint64_t k)
{
    struct host *h = engine_host(w->engine, "alpha");
    if (h->running || h->vm_memory_mib || h->queues[0].used)
        fail_msg("%s %" PRIu64 ": the host's slots are not free", what, k);
    for (struct world_file *f = w->files; f; f = f->hh.next)
        if (f->is_there &&
            (strstr(f->url, "/.gw_i.") || strncmp(f->url, "file:///spool/1.", 16) == 0))
            fail_msg("%s %" PRIu64 ": %s is left", what, k, f->url);
    for (struct run *r = w->runs; r; r = r->next)
        if (r->is_running)
            fail_msg("%s %" PRIu64 ": a payload still runs", what, k);
}

/* All tasks are done by their first attempt, which was submitted and started once. */
static void check_done_once(struct world *w, const struct scene *s, const char *what, uint64_t k)
{
    for (uint64_t id = 1; id <= s->tasks; id++) {
        struct task *t = world_task(w, id);
        if (!t || t->phase != PHASE_DONE || t->n_attempts != 1 || t->attempts[0].exit_code != 5)
            fail_msg("scene %zu, %s %" PRIu64 ": task %" PRIu64
                     " is %s after %zu attempts; sent: %s",
                     (size_t)(s - scenes), what, k, id, phase_name(world_phase(w, id)),
                     t ? t->n_attempts : 0, buf_str(&w->trace));
    }
    uint64_t n_runs = 0;
    for (struct run *r = w->runs; r; r = r->next, n_runs++)
        if (r->n_started != 1 || r->n_submitted != 1)
            fail_msg("scene %zu, %s %" PRIu64 ": submitted %u times, started %u times; sent: %s",
                     (size_t)(s - scenes), what, k, r->n_submitted, r->n_started,
                     buf_str(&w->trace));
    assert_int_equal(n_runs, s->tasks);
    assert_true(world_has(w, "file:///home/ann/result"));
    check_clean(w, what, k);
}

/* Let time pass; a daemon that is killed comes up again. */
static void pass(struct world *w, int64_t for_s, bool ends_meanwhile)
{
    world_pass(w, for_s);
    if (!w->is_crashed)
        return;
    if (ends_meanwhile) {
        w->is_up[DRIVER_EM] = false;
        world_end_runs(w);
    }
    world_restart(w);
    world_pass(w, for_s);
}

/* Run a scene with its faults set. Payloads end at once, and while the daemon is down, or only
 * later. */
static void run_to_end(struct world *w, const struct scene *s, bool ends_meanwhile)
{
    w->is_endless = !ends_meanwhile;
    submit(w, s);
    pass(w, 30, ends_meanwhile);
    w->is_endless = false;
    pass(w, 300, ends_meanwhile);
}

static void killed_at_any_effect_the_daemon_goes_on_where_it_was(void **state)
{
    (void)state;
    for (size_t i = 0; i < GW_COUNT(scenes); i++) {
        uint64_t n_effects, n_events;
        measure(&scenes[i], &n_effects, &n_events);
        for (uint64_t k = 1; k <= n_effects; k++)
            for (int ends_meanwhile = 0; ends_meanwhile < 2; ends_meanwhile++) {
                struct world *w = begin(&scenes[i]);
                w->crash_at = k;
                run_to_end(w, &scenes[i], ends_meanwhile);
                check_done_once(
                    w, &scenes[i],
                    ends_meanwhile ? "killed, payload ends: effect" : "killed at effect", k);
                world_destroy(w);
            }
    }
}

/* A turn is stored whole, so this is more than can happen; it shows that no pair of events leans on
 * being one. */
static void killed_after_any_event_the_daemon_goes_on_where_it_was(void **state)
{
    (void)state;
    for (size_t i = 0; i < GW_COUNT(scenes); i++) {
        uint64_t n_effects, n_events;
        measure(&scenes[i], &n_effects, &n_events);
        for (uint64_t k = 1; k <= n_events; k++) {
            struct world *w = begin(&scenes[i]);
            w->crash_at_event = k;
            run_to_end(w, &scenes[i], k % 2);
            check_done_once(w, &scenes[i], "killed after event", k);
            world_destroy(w);
        }
    }
}

static void a_driver_killed_at_any_request_is_asked_again_and_nothing_is_done_twice(void **state)
{
    (void)state;
    for (size_t i = 0; i < GW_COUNT(scenes); i++) {
        uint64_t n_effects, n_events;
        measure(&scenes[i], &n_effects, &n_events);
        for (uint64_t k = 1; k <= n_effects; k++)
            for (int is_lost = 0; is_lost < 2; is_lost++) {
                struct world *w = begin(&scenes[i]);
                w->stop_driver_at = k;
                w->is_request_lost = is_lost;
                run_to_end(w, &scenes[i], true);
                check_done_once(
                    w, &scenes[i],
                    is_lost ? "driver and request lost at effect" : "driver lost after effect", k);
                world_destroy(w);
            }
    }
}

/* GridWay's drivers offer nothing: what was submitted and not answered stays unknown, and is not
 * started again. */
static void under_a_driver_that_cannot_find_an_attempt_none_is_started_twice(void **state)
{
    (void)state;
    static const struct scene scene = {plain, 1, 0, FEATURES_ALL};
    uint64_t n_effects, n_events, n_unknown = 0;
    measure(&scene, &n_effects, &n_events);
    for (uint64_t k = 1; k <= 2 * n_effects; k++) {
        struct world *w = begin(&scene);
        if (k <= n_effects)
            w->crash_at = k;
        else
            w->stop_driver_at = k - n_effects;
        run_to_end(w, &scene, true);
        assert_true(w->n_submits <= 1);
        struct task *t = world_task(w, 1);
        bool is_unknown = t->phase == PHASE_WRAPPER && t->attempts[0].unknown_since_us;
        if (!is_unknown)
            check_done_once(w, &scene, "fault", k);
        n_unknown += is_unknown;
        /* Its owner has a way out. */
        if (is_unknown) {
            world_wish(w, 1, WISH_GONE, true);
            assert_int_equal(world_phase(w, 1), PHASE_FAILED);
        }
        world_destroy(w);
    }
    assert_in_range(n_unknown, 1, 8);
}

/* --- kill --- */

/* Go on until k effects were performed. */
static void until(struct world *w, uint64_t k)
{
    while (w->n_effects < k) {
        if (w->answers)
            world_hear(w);
        else if (!world_end_runs(w))
            break;
    }
}

static void check_killed(struct world *w, const struct scene *s, const char *what, uint64_t k)
{
    for (uint64_t id = 1; id <= s->tasks; id++) {
        struct task *t = world_task(w, id);
        bool is_killed = t && t->phase == PHASE_FAILED && strncmp(t->reason.code, "killed", 6) == 0;
        bool is_done = t && t->phase == PHASE_DONE && t->attempts[0].is_accepted;
        if (!is_killed && !is_done)
            fail_msg("scene %zu, %s %" PRIu64 ": task %" PRIu64 " is %s (%s); sent: %s",
                     (size_t)(s - scenes), what, k, id, phase_name(world_phase(w, id)),
                     t && t->reason.code ? t->reason.code : "-", buf_str(&w->trace));
    }
    check_clean(w, what, k);
}

static void kill_all(struct world *w, const struct scene *s)
{
    for (uint64_t id = 1; id <= s->tasks; id++)
        world_wish(w, id, WISH_GONE, false);
}

static void killed_at_any_moment_a_job_ends_and_leaves_nothing(void **state)
{
    (void)state;
    for (size_t i = 0; i < GW_COUNT(scenes); i++) {
        uint64_t n_effects, n_events;
        measure(&scenes[i], &n_effects, &n_events);
        for (uint64_t k = 1; k <= n_effects; k++)
            for (int endless = 0; endless < 2; endless++) {
                struct world *w = begin(&scenes[i]);
                submit(w, &scenes[i]);
                w->is_endless = endless;
                until(w, k);
                kill_all(w, &scenes[i]);
                world_pass(w, 300);
                check_killed(w, &scenes[i], "job killed at effect", k);
                world_destroy(w);
            }
    }
}

static void killed_and_then_cut_off_at_any_place_a_job_still_ends(void **state)
{
    (void)state;
    for (size_t i = 0; i < GW_COUNT(scenes); i++) {
        uint64_t n_effects, n_events;
        measure(&scenes[i], &n_effects, &n_events);
        for (uint64_t k = 1; k <= n_effects; k += 3)
            for (uint64_t after = 1; after <= 12; after++)
                for (int fault = 0; fault < 3; fault++) {
                    struct world *w = begin(&scenes[i]);
                    submit(w, &scenes[i]);
                    w->is_endless = true;
                    until(w, k);
                    if (fault == 0)
                        w->crash_at = w->n_effects + after;
                    else
                        w->stop_driver_at = w->n_effects + after;
                    w->is_request_lost = fault == 2;
                    kill_all(w, &scenes[i]);
                    world_pass(w, 60);
                    if (w->is_crashed) {
                        world_restart(w);
                        kill_all(
                            w,
                            &scenes[i]); /* its answer may have been lost: the client asks again */
                    }
                    world_pass(w, 300);
                    check_killed(w, &scenes[i], "killed, then cut off: effect", k);
                    world_destroy(w);
                }
    }
}

static void killed_hard_a_job_is_over_at_once(void **state)
{
    (void)state;
    uint64_t n_accepted = 0;
    for (size_t i = 0; i < GW_COUNT(scenes); i++) {
        uint64_t n_effects, n_events;
        measure(&scenes[i], &n_effects, &n_events);
        for (uint64_t k = 1; k <= n_effects; k++) {
            struct world *w = begin(&scenes[i]);
            submit(w, &scenes[i]);
            w->is_endless = k % 2;
            until(w, k);
            for (uint64_t id = 1; id <= scenes[i].tasks; id++) {
                struct task *t = world_task(w, id);
                /* What is accepted stays so. */
                bool is_accepted = t && t->attempts[t->n_attempts - 1].is_accepted;
                world_wish(w, id, WISH_GONE, true);
                assert_int_equal(world_phase(w, id), is_accepted ? PHASE_DONE : PHASE_FAILED);
                n_accepted += is_accepted;
            }
            struct host *h = engine_host(w->engine, "alpha");
            assert_int_equal(h->running + h->queues[0].used, 0);
            /* What it asked the site to do goes on by itself, and concerns nobody. */
            world_pass(w, 60);
            for (struct run *r = w->runs; r; r = r->next)
                assert_false(r->is_running);
            world_destroy(w);
        }
    }
    assert_true(n_accepted > 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(killed_at_any_effect_the_daemon_goes_on_where_it_was),
        cmocka_unit_test(killed_after_any_event_the_daemon_goes_on_where_it_was),
        cmocka_unit_test(a_driver_killed_at_any_request_is_asked_again_and_nothing_is_done_twice),
        cmocka_unit_test(under_a_driver_that_cannot_find_an_attempt_none_is_started_twice),
        cmocka_unit_test(killed_at_any_moment_a_job_ends_and_leaves_nothing),
        cmocka_unit_test(killed_and_then_cut_off_at_any_place_a_job_still_ends),
        cmocka_unit_test(killed_hard_a_job_is_over_at_once),
    };
    return cmocka_run_group_tests_name("engine_faults", tests, NULL, NULL);
}
