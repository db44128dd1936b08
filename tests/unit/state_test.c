/* The reducer, by random histories of plausible and implausible events and by the cases that matter
 * most. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "tests/unit/history.h"

#include <malloc.h>
#include <time.h>

static void a_refused_event_changes_nothing_and_the_counters_always_agree(void **state)
{
    (void)state;
    uint64_t seed, end, n_taken = 0, n_refused = 0;
    for (seeds(60, &seed, &end); seed < end; seed++) {
        struct rng r = rng_of_seed(seed);
        struct state s;
        state_init(&s);
        struct buf before = dump_of(&s);
        for (int64_t i = 1; i <= 250; i++) {
            struct event ev;
            struct gw_err err = {0};
            make_event(&r, &s, i * 1000, &ev);
            uint64_t seq = s.seq;
            int result = state_apply(&s, &ev, &err);
            struct buf after = dump_of(&s);
            const char *wrong = recount(&s);
            if (result < 0 && (!bufs_are_equal(&before, &after) || s.seq != seq))
                fail_msg("seed %" PRIu64 ", event %" PRId64
                         ": refused (%s), but it changed the state",
                         seed, i, err.text);
            if (result < 0 && !err.text[0])
                fail_msg("seed %" PRIu64 ", event %" PRId64 ": refused without a word", seed, i);
            if (wrong)
                fail_msg("seed %" PRIu64 ", event %" PRId64 " (%s): %s", seed, i,
                         event_kind_info((unsigned)ev.kind)->name, wrong);
            *(result < 0 ? &n_refused : &n_taken) += 1;
            buf_clear(&before);
            before = after;
        }
        buf_clear(&before);
        state_clear(&s);
    }
    /* The histories are of use only when both happen. */
    assert_true(n_taken > n_refused && n_refused > n_taken / 20);
}

/* A history's events, stored. */
static struct buf history(uint64_t seed, int64_t length)
{
    struct rng r = rng_of_seed(seed);
    struct state s;
    struct buf all = BUF_INIT;
    state_init(&s);
    for (int64_t i = 1; i <= length; i++) {
        struct event ev;
        make_event(&r, &s, i * 1000, &ev);
        if (state_apply(&s, &ev, NULL) == 0)
            event_encode(&ev, &all);
    }
    state_clear(&s);
    return all;
}

static size_t event_length(const struct buf *b, size_t at)
{
    struct event ev;
    struct event_arena arena = {0};
    long used = event_decode(b->data + at, b->len - at, &ev, &arena, NULL);
    assert_true(used > 0);
    event_arena_clear(&arena);
    return (size_t)used;
}

static void check_equal(const struct state *a, const struct state *b, uint64_t seed, size_t at,
                        const char *what)
{
    struct buf x = dump_of(a), y = dump_of(b);
    if (!bufs_are_equal(&x, &y))
        fail_msg("seed %" PRIu64 ", byte %zu: %s", seed, at, what);
    buf_clear(&x);
    buf_clear(&y);
}

static void check_cuts(uint64_t seed, const struct buf *all)
{
    struct state whole, prefix;
    state_init(&whole);
    state_init(&prefix);
    assert_int_equal(fold_bytes(&whole, all, NULL), 0);
    size_t n = 0;
    for (size_t at = 0; at < all->len; n++) {
        size_t used = event_length(all, at);
        struct buf one = {.data = all->data + at, .len = used};
        assert_int_equal(fold_bytes(&prefix, &one, NULL), 0);
        at += used;
        struct buf dump = dump_of(&prefix);
        struct state loaded;
        struct gw_err err = {0};
        state_init(&loaded);
        if (fold_bytes(&loaded, &dump, &err) < 0)
            fail_msg("seed %" PRIu64 ", byte %zu: the dump is refused: %s", seed, at, err.text);
        check_equal(&prefix, &loaded, seed, at,
                    "a dump folded into an empty state makes another one");
        if (!jobs_are_equal(&prefix, &loaded))
            fail_msg("seed %" PRIu64 ", byte %zu: a dump forgets something", seed, at);
        const char *wrong = recount(&loaded);
        if (wrong)
            fail_msg("seed %" PRIu64 ", byte %zu, after loading: %s", seed, at, wrong);
        if (n % 8 == 0) {
            struct buf rest = {.data = all->data + at, .len = all->len - at};
            if (fold_bytes(&loaded, &rest, &err) < 0)
                fail_msg("seed %" PRIu64 ", byte %zu: the rest is refused after a dump: %s", seed,
                         at, err.text);
            check_equal(&whole, &loaded, seed, at, "checkpoint + rest is not the whole");
        }
        state_clear(&loaded);
        buf_clear(&dump);
    }
    check_equal(&whole, &prefix, seed, all->len, "prefix + rest is not the whole");
    state_clear(&whole);
    state_clear(&prefix);
}

static void a_checkpoint_at_any_place_and_the_rest_make_the_same_state_as_all_events(void **state)
{
    (void)state;
    uint64_t seed, end;
    for (seeds(40, &seed, &end); seed < end; seed++) {
        struct buf all = history(seed, 120);
        check_cuts(seed, &all);
        buf_clear(&all);
    }
}

/* Fold a dump with a field of each tenth event or so spoiled; stops at the first refusal. */
static void fold_spoiled(struct rng *r, struct state *s, const struct buf *dump)
{
    int result = 0;
    for (size_t at = 0; at < dump->len && result == 0;) {
        struct event ev;
        struct event_arena arena = {0};
        at += (size_t)event_decode(dump->data + at, dump->len - at, &ev, &arena, NULL);
        if (rng_below(r, 10) == 0)
            spoil(r, &ev);
        result = state_apply(s, &ev, NULL);
        event_arena_clear(&arena);
    }
}

static void a_spoiled_checkpoint_is_refused_or_makes_a_state_that_agrees_with_itself(void **state)
{
    (void)state;
    uint64_t seed, end, n_loaded = 0;
    for (seeds(400, &seed, &end); seed < end; seed++) {
        struct rng r = rng_of_seed(seed);
        struct buf all = history(seed, 40);
        struct state s, other;
        state_init(&s);
        state_init(&other);
        assert_int_equal(fold_bytes(&s, &all, NULL), 0);
        struct buf dump = dump_of(&s);
        fold_spoiled(&r, &other, &dump);
        const char *wrong = recount(&other);
        n_loaded += !other.is_loading;
        if (wrong && !other.is_loading)
            fail_msg("seed %" PRIu64 ": %s", seed, wrong);
        state_clear(&other);
        state_clear(&s);
        buf_clear(&dump);
        buf_clear(&all);
    }
    assert_true(n_loaded > 20);
}

/* --- cases --- */

static struct state fresh_state(void)
{
    struct state s;
    state_init(&s);
    struct event ev = created_event();
    assert_int_equal(state_apply(&s, &ev, NULL), 0);
    return s;
}

static void take(struct state *s, struct event ev)
{
    struct gw_err err = {0};
    if (!ev.at_us)
        ev.at_us = 5000;
    if (state_apply(s, &ev, &err) < 0)
        fail_msg("%s", err.text);
    assert_null(recount(s));
}

static void refuse(struct state *s, struct event ev)
{
    struct gw_err err = {0};
    if (!ev.at_us)
        ev.at_us = 5000;
    if (state_apply(s, &ev, &err) == 0)
        fail_msg("%s of job %" PRIu64 " was taken", event_kind_info((unsigned)ev.kind)->name,
                 ev.job);
    assert_int_equal(err.code, GW_ECORRUPT);
    assert_true(err.text[0]);
}

static struct event started(uint64_t job, uint64_t task, uint64_t attempt)
{
    return (struct event){.kind = EV_ATTEMPT_STARTED,
                          .job = job,
                          .task = task,
                          .attempt = attempt,
                          .epoch = 1,
                          .host = "h",
                          .tm = "t",
                          .em = "e",
                          .stage_url = "file:///s"};
}

static struct event step(enum event_kind kind, uint64_t job, uint64_t task, uint64_t attempt)
{
    return (struct event){
        .kind = kind, .job = job, .task = task, .attempt = attempt, .contact = "c"};
}

static struct event ended(uint64_t job, uint64_t task, uint64_t attempt, enum outcome outcome,
                          const char *reason)
{
    return (struct event){.kind = EV_ATTEMPT_ENDED,
                          .job = job,
                          .task = task,
                          .attempt = attempt,
                          .outcome = outcome,
                          .reason = reason,
                          .blame = BLAME_SITE};
}

static void a_job_goes_its_way_through_the_phases(void **state)
{
    (void)state;
    struct state s = fresh_state();
    take(&s, submit_event(1, 1, plain_job));
    struct job *j = state_job(&s, 1);
    assert_int_equal(job_ready(j), 1);
    assert_ptr_equal(j->spec->class->queue, j);
    take(&s, started(1, 0, 1));
    assert_null(j->spec->class->queue);
    assert_int_equal(job_task_phase(j, 0), PHASE_PROLOG);
    take(&s, step(EV_ATTEMPT_STAGED, 1, 0, 1));
    assert_int_equal(job_task_phase(j, 0), PHASE_WRAPPER);
    take(&s, step(EV_ATTEMPT_SUBMITTED, 1, 0, 1));
    assert_string_equal(task_attempt(job_task(j, 0))->contact, "c");
    take(&s, step(EV_ATTEMPT_ACTIVE, 1, 0, 1));
    take(&s, step(EV_ATTEMPT_EXITED, 1, 0, 1));
    assert_int_equal(job_task_phase(j, 0), PHASE_EPILOG);
    struct event accepted = step(EV_RESULTS_ACCEPTED, 1, 0, 1);
    accepted.exit_code = 7;
    take(&s, accepted);
    assert_false(job_is_final(j));
    take(&s, ended(1, 0, 1, OUTCOME_DONE, NULL));
    assert_int_equal(job_task_phase(j, 0), PHASE_DONE);
    assert_int_equal(job_task(j, 0)->attempts[0].exit_code, 7);
    assert_true(job_is_final(j));
    assert_int_equal(job_ended_us(j), 5000);
    take(&s, (struct event){.kind = EV_JOB_FORGOTTEN, .job = 1});
    assert_null(state_job(&s, 1));
    state_clear(&s);
}

/* One line a case: a job is brought so far, then the event must be refused. */
static void what_cannot_happen_is_refused(void **state)
{
    (void)state;
    struct state s = fresh_state();
    struct event again = created_event(), sub = submit_event(2, 1, plain_job);
    struct event failed = step(EV_ATTEMPT_FAILED, 1, 0, 1);
    refuse(&s, again);
    take(&s, submit_event(1, 1, plain_job));
    refuse(&s, submit_event(1, 1, plain_job));
    refuse(&s, submit_event(2, 0, plain_job));
    refuse(&s, submit_event(2, UINT64_C(1) << 33, plain_job));
    refuse(&s, submit_event(UINT64_MAX - 3, 2, plain_job));
    refuse(&s, submit_event(2, 1, "EXECUTABLE\n"));
    sub.home = "relative";
    refuse(&s, sub);
    sub = submit_event(2, 3, plain_job);
    sub.array_increment = INT64_MAX;
    refuse(&s, sub);
    sub.array_increment = 1;
    sub.array_start = INT64_MAX;
    refuse(&s, sub);
    refuse(&s, step(EV_ATTEMPT_STAGED, 1, 0, 1));
    refuse(&s, started(1, 1, 1));
    refuse(&s, started(1, 0, 2));
    refuse(&s, started(2, 0, 1));
    refuse(&s, (struct event){.kind = EV_JOB_FORGOTTEN, .job = 1});
    refuse(&s, (struct event){.kind = EV_CK_END});
    take(&s, started(1, 0, 1));
    refuse(&s, started(1, 0, 2));
    refuse(&s, step(EV_ATTEMPT_EXITED, 1, 0, 1));
    refuse(&s, step(EV_RESULTS_ACCEPTED, 1, 0, 1));
    refuse(&s, ended(1, 0, 1, OUTCOME_DONE, NULL));
    refuse(&s, ended(1, 0, 1, OUTCOME_FAILED, NULL));
    refuse(&s, ended(1, 0, 2, OUTCOME_FAILED, "io"));
    refuse(&s, (struct event){
                   .kind = EV_TASK_ENDED, .job = 1, .outcome = OUTCOME_FAILED, .reason = "killed"});
    take(&s, step(EV_ATTEMPT_STAGED, 1, 0, 1));
    take(&s, step(EV_ATTEMPT_EXITED, 1, 0, 1));
    refuse(&s, step(EV_ATTEMPT_ACTIVE, 1, 0, 1));
    refuse(&s, step(EV_ATTEMPT_FAILED, 1, 0, 1));
    take(&s, step(EV_RESULTS_ACCEPTED, 1, 0, 1));
    failed.reason = "io";
    refuse(&s, failed);
    refuse(&s, step(EV_RESULTS_ACCEPTED, 1, 0, 1));
    /* Results that were accepted are never made a second time. */
    refuse(&s, ended(1, 0, 1, OUTCOME_REQUEUE, "io"));
    take(&s, ended(1, 0, 1, OUTCOME_DONE, NULL));
    refuse(&s, started(1, 0, 2));
    state_clear(&s);
}

static void sequence_numbers_only_rise(void **state)
{
    (void)state;
    struct state s = fresh_state();
    struct event ev = submit_event(1, 1, plain_job);
    ev.seq = 9;
    take(&s, ev);
    ev.job = 2;
    refuse(&s, ev);
    ev.seq = 8;
    refuse(&s, ev);
    ev.seq = 10;
    take(&s, ev);
    assert_int_equal(s.seq, 10);
    state_clear(&s);
}

static void accepted_results_refute_what_was_thought_before(void **state)
{
    (void)state;
    struct state s = fresh_state();
    take(&s, submit_event(1, 1, plain_job));
    take(&s, started(1, 0, 1));
    take(&s, step(EV_ATTEMPT_STAGED, 1, 0, 1));
    struct event exited = step(EV_ATTEMPT_EXITED, 1, 0, 1);
    exited.reason = "lost";
    exited.blame = BLAME_SITE;
    take(&s, exited);
    take(&s, step(EV_RESULTS_ACCEPTED, 1, 0, 1));
    take(&s, ended(1, 0, 1, OUTCOME_DONE, NULL));
    assert_null(job_task(state_job(&s, 1), 0)->attempts[0].reason.code);
    assert_null(job_task(state_job(&s, 1), 0)->reason.code);
    state_clear(&s);
}

static void a_lost_attempt_is_lost_since_the_first_word_of_it_and_found_by_the_next(void **state)
{
    (void)state;
    struct state s = fresh_state();
    take(&s, submit_event(1, 1, plain_job));
    take(&s, started(1, 0, 1));
    take(&s, step(EV_ATTEMPT_STAGED, 1, 0, 1));
    struct event lost = step(EV_ATTEMPT_LOST, 1, 0, 1);
    take(&s, lost);
    lost.at_us = 6000;
    take(&s, lost);
    assert_int_equal(task_attempt(job_task(state_job(&s, 1), 0))->unknown_since_us, 5000);
    take(&s, step(EV_ATTEMPT_FOUND, 1, 0, 1));
    assert_int_equal(task_attempt(job_task(state_job(&s, 1), 0))->unknown_since_us, 0);
    state_clear(&s);
}

static void a_task_that_was_wished_gone_is_not_called_back(void **state)
{
    (void)state;
    struct state s = fresh_state();
    take(&s, submit_event(1, 3, plain_job));
    take(&s, started(1, 1, 1));
    take(&s, (struct event){.kind = EV_WISHED, .job = 1, .task = 1, .wish = WISH_GONE});
    refuse(&s, (struct event){.kind = EV_WISHED, .job = 1, .task = 1, .wish = WISH_RUN});
    take(&s, (struct event){.kind = EV_WISHED, .job = 1, .task = TASK_ALL, .wish = WISH_HELD});
    struct job *j = state_job(&s, 1);
    assert_int_equal(job_task_wish(j, 0), WISH_HELD);
    assert_int_equal(job_task_wish(j, 1), WISH_GONE);
    state_clear(&s);
}

static void equal_submissions_share_their_spec_and_their_class(void **state)
{
    (void)state;
    struct state s = fresh_state();
    struct event other = submit_event(3, 1, plain_job);
    other.home = "/home/bob";
    take(&s, submit_event(1, 1, plain_job));
    take(&s, submit_event(2, 1, plain_job));
    take(&s, other);
    take(&s, submit_event(4, 1, ranked_job));
    assert_ptr_equal(state_job(&s, 1)->spec, state_job(&s, 2)->spec);
    assert_ptr_not_equal(state_job(&s, 1)->spec, state_job(&s, 3)->spec);
    assert_ptr_equal(state_job(&s, 1)->spec->class, state_job(&s, 3)->spec->class);
    assert_int_equal(HASH_COUNT(s.classes), 2);
    state_clear(&s);
}

static void a_submission_key_is_known_until_its_job_is_forgotten(void **state)
{
    (void)state;
    struct state s = fresh_state();
    struct event ev = submit_event(1, 1, plain_job);
    ev.key = "1000:k";
    take(&s, ev);
    assert_ptr_equal(state_job_by_key(&s, "1000:k"), state_job(&s, 1));
    ev.job = 2;
    refuse(&s, ev);
    take(&s, (struct event){
                 .kind = EV_TASK_ENDED, .job = 1, .outcome = OUTCOME_FAILED, .reason = "killed"});
    take(&s, (struct event){.kind = EV_JOB_FORGOTTEN, .job = 1});
    assert_null(state_job_by_key(&s, "1000:k"));
    take(&s, ev);
    state_clear(&s);
}

static void the_queue_of_a_class_is_by_priority_and_then_by_id(void **state)
{
    (void)state;
    static const int64_t priorities[] = {0, 5, 0, 20, 5};
    static const uint64_t order[] = {4, 2, 5, 1, 3};
    struct state s = fresh_state();
    for (size_t i = 0; i < GW_COUNT(priorities); i++) {
        struct event ev = submit_event(i + 1, 1, plain_job);
        ev.priority = priorities[i];
        take(&s, ev);
    }
    size_t i = 0;
    struct job_class *c = s.classes;
    for (struct job *j = c->first; j; j = jobqueue_after(c->queue, j))
        assert_int_equal(j->id, order[i++]);
    assert_int_equal(i, GW_COUNT(order));
    /* A task that comes back stands where it stood. */
    take(&s, started(2, 0, 1));
    take(&s, ended(2, 0, 1, OUTCOME_REQUEUE, "io"));
    assert_int_equal(jobqueue_after(c->queue, c->first)->id, 2);
    state_clear(&s);
}

static void a_task_in_back_off_is_passed_over_until_its_time(void **state)
{
    (void)state;
    struct state s = fresh_state();
    take(&s, submit_event(1, 2, plain_job));
    take(&s, started(1, 0, 1));
    struct event back = ended(1, 0, 1, OUTCOME_REQUEUE, "io");
    back.not_before_us = 9000;
    take(&s, back);
    uint64_t index = 77;
    assert_int_equal(state_wake(&s, 8000, 1000), 9000);
    assert_true(job_next_ready(state_job(&s, 1), &index));
    assert_int_equal(index, 1);
    assert_int_equal(state_wake(&s, 9000, 1000), INT64_MAX);
    assert_true(job_next_ready(state_job(&s, 1), &index));
    assert_int_equal(index, 0);
    assert_null(recount(&s));
    state_clear(&s);
}

static void a_clock_that_was_put_back_makes_no_back_off_longer(void **state)
{
    (void)state;
    struct state s = fresh_state();
    take(&s, submit_event(1, 2, plain_job));
    const int64_t due_us[] = {9000, 9500};
    for (uint64_t i = 0; i < 2; i++) {
        take(&s, started(1, i, 1));
        struct event back = ended(1, i, 1, OUTCOME_REQUEUE, "io");
        back.not_before_us = due_us[i];
        take(&s, back);
    }
    assert_int_equal(state_wake(&s, 8500, 1000), 9000);
    assert_int_equal(job_ready(state_job(&s, 1)), 0);
    /* Nobody waits for as long as they would now. */
    assert_int_equal(state_wake(&s, 8000, 900), INT64_MAX);
    assert_int_equal(job_ready(state_job(&s, 1)), 2);
    assert_null(recount(&s));
    state_clear(&s);
}

static double seconds(void)
{
    struct timespec t;
    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t);
    return (double)t.tv_sec + (double)t.tv_nsec * 1e-9;
}

/* PREFIX, then `n` times `item`, in which %u is a number, with `comma` between them. */
static char *repeated(const char *prefix, const char *item, const char *comma, unsigned n)
{
    struct buf text = BUF_INIT;
    const char *number = strstr(item, "%u");
    buf_puts(&text, "EXECUTABLE = /bin/true\n");
    buf_puts(&text, prefix);
    for (unsigned i = 0; i < n; i++) {
        buf_puts(&text, i ? comma : "");
        buf_put(&text, item, number ? (size_t)(number - item) : strlen(item));
        if (number)
            buf_printf(&text, "%u%s", i, number + 2);
    }
    buf_putc(&text, '\n');
    return buf_take(&text);
}

static void what_is_made_of_a_template_is_counted_for_its_user(void **state)
{
    (void)state;
    static const struct {
        const char *prefix, *item, *comma;
        unsigned n;
    } rows[] = {
        {"", "", "", 0},
        {"INPUT_FILES = ", "%u", ",", 100000},
        {"OUTPUT_FILES = ", "out-%u", ",", 1000},
        {"ENVIRONMENT = ", "A%u=", ",", 4000},
        {"REQUIREMENTS = ", "A%u=\"x*\"", "&", 250},
        {"REQUIREMENTS = 0 < ", "1", "+", 5000},
        {"RANK = ", "-1", "", 9000},
        {"ARGUMENTS = ", "x", " ", 500000},
    };
    for (size_t i = 0; i < GW_COUNT(rows); i++) {
        struct state s = fresh_state();
        char *source = repeated(rows[i].prefix, rows[i].item, rows[i].comma, rows[i].n);
        char path[4096];
        memset(path, '/', sizeof path - 1);
        path[sizeof path - 1] = '\0';
        take(&s, submit_event(1, 1, plain_job));
        const struct user_record *u = state_user_record(&s, "ann");
        assert_non_null(u);
        for (uint64_t job = 2; job <= 3; job++) {
            struct event ev = submit_event(job, 1, source);
            if (job == 3) /* the same text is another template from elsewhere */
                ev.home = ev.file = ev.credential = path;
            uint64_t counted = u->template_bytes;
            size_t before = mallinfo2().uordblks;
            take(&s, ev);
            size_t used = mallinfo2().uordblks - before;
            counted = u->template_bytes - counted;
            if (counted + counted / 64 < used) /* long ones are whole pages */
                fail_msg("%s..., job %" PRIu64 ": %" PRIu64 " bytes are counted, and %zu used",
                         rows[i].prefix, job, counted, used);
        }
        free(source);
        state_clear(&s);
    }
}

static void an_array_of_a_million_tasks_costs_next_to_nothing(void **state)
{
    (void)state;
    enum { ARRAYS = 100, TASKS = 1000000 };
    struct state s = fresh_state();
    double start = seconds();
    size_t before = mallinfo2().uordblks;
    for (uint64_t i = 0; i < ARRAYS; i++) {
        struct event ev = submit_event(1 + i * TASKS, TASKS, plain_job);
        ev.array_id = i + 1;
        take(&s, ev);
    }
    size_t used = mallinfo2().uordblks - before;
    assert_int_equal(s.n_tasks[PHASE_PENDING], (uint64_t)ARRAYS * TASKS);

    uint64_t middle = TASKS / 2;
    struct job *j = state_job_of(&s, 1 + middle);
    take(&s, (struct event){.kind = EV_TASK_ENDED,
                            .job = 1,
                            .task = middle,
                            .outcome = OUTCOME_FAILED,
                            .reason = "killed"});
    assert_int_equal(job_ready(j), TASKS - 1);
    assert_int_equal(job_task_phase(j, middle), PHASE_FAILED);
    assert_int_equal(job_task_phase(j, middle + 1), PHASE_PENDING);
    take(&s, started(1, 0, 1));
    take(&s, (struct event){.kind = EV_TASK_ENDED,
                            .job = 1,
                            .task = TASK_ALL,
                            .outcome = OUTCOME_FAILED,
                            .reason = "killed"});
    assert_int_equal(job_ready(j), 0);
    assert_false(job_is_final(j));
    assert_int_equal(s.n_tasks[PHASE_FAILED], TASKS - 1);
    assert_int_equal(s.n_tasks[PHASE_PROLOG], 1);
    take(&s, ended(1, 0, 1, OUTCOME_FAILED, "killed"));
    assert_true(job_is_final(j));
    for (uint64_t i = 1; i < ARRAYS; i++)
        take(&s, (struct event){.kind = EV_TASK_ENDED,
                                .job = 1 + i * TASKS,
                                .task = TASK_ALL,
                                .outcome = OUTCOME_FAILED,
                                .reason = "killed"});
    assert_int_equal(s.n_tasks[PHASE_FAILED], (uint64_t)ARRAYS * TASKS);
    double took = seconds() - start;
    if (used > ARRAYS * 4096 || took > 2)
        fail_msg("%d arrays took %zu bytes and %.3f s", ARRAYS, used, took);
    state_clear(&s);
}

static void jobs_are_forgotten_one_by_one_and_all_others_are_still_found(void **state)
{
    (void)state;
    enum { JOBS = 1000 };
    struct state s = fresh_state();
    for (uint64_t i = 0; i < JOBS; i++) {
        struct event ev = submit_event(1 + 3 * i, 3, plain_job);
        assert_int_equal(state_apply(&s, &ev, NULL), 0);
    }
    struct rng r = rng_of_seed(1);
    for (int i = 0; i < 900; i++) {
        struct job *j;
        while (!(j = some_job(&r, &s)))
            ;
        uint64_t id = j->id;
        struct event end = {.kind = EV_TASK_ENDED,
                            .at_us = 1,
                            .job = id,
                            .task = TASK_ALL,
                            .outcome = OUTCOME_FAILED,
                            .reason = "killed"};
        struct event forget = {.kind = EV_JOB_FORGOTTEN, .at_us = 1, .job = id};
        assert_int_equal(state_apply(&s, &end, NULL), 0);
        assert_int_equal(state_apply(&s, &forget, NULL), 0);
        for (uint64_t k = id; k < id + 3; k++)
            assert_null(state_job_of(&s, k));
    }
    assert_null(recount(&s));
    assert_true(s.n_jobs < 400);
    assert_null(state_job_of(&s, 0));
    assert_null(state_job_of(&s, 3 * JOBS + 1));
    state_clear(&s);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_refused_event_changes_nothing_and_the_counters_always_agree),
        cmocka_unit_test(a_checkpoint_at_any_place_and_the_rest_make_the_same_state_as_all_events),
        cmocka_unit_test(a_spoiled_checkpoint_is_refused_or_makes_a_state_that_agrees_with_itself),
        cmocka_unit_test(a_job_goes_its_way_through_the_phases),
        cmocka_unit_test(what_cannot_happen_is_refused),
        cmocka_unit_test(sequence_numbers_only_rise),
        cmocka_unit_test(accepted_results_refute_what_was_thought_before),
        cmocka_unit_test(a_lost_attempt_is_lost_since_the_first_word_of_it_and_found_by_the_next),
        cmocka_unit_test(a_task_that_was_wished_gone_is_not_called_back),
        cmocka_unit_test(equal_submissions_share_their_spec_and_their_class),
        cmocka_unit_test(a_submission_key_is_known_until_its_job_is_forgotten),
        cmocka_unit_test(the_queue_of_a_class_is_by_priority_and_then_by_id),
        cmocka_unit_test(a_task_in_back_off_is_passed_over_until_its_time),
        cmocka_unit_test(a_clock_that_was_put_back_makes_no_back_off_longer),
        cmocka_unit_test(what_is_made_of_a_template_is_counted_for_its_user),
        cmocka_unit_test(an_array_of_a_million_tasks_costs_next_to_nothing),
        cmocka_unit_test(jobs_are_forgotten_one_by_one_and_all_others_are_still_found),
    };
    return cmocka_run_group_tests_name("state", tests, NULL, NULL);
}
