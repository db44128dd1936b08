/* The queue of a class: the order of priority and id, whatever is added and removed. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "gwd/model/jobqueue.h"
#include "tests/unit/core.h"

#include <time.h>

enum { JOBS = 300, MANY = 1000000 };

static void check_order(struct job *root, const struct job *jobs, size_t n)
{
    size_t n_queued = 0, n_seen = 0;
    for (size_t i = 0; i < n; i++)
        n_queued += jobs[i].is_queued;
    for (struct job *j = jobqueue_first(root), *next; j; j = next, n_seen++) {
        next = jobqueue_after(root, j);
        assert_true(j->is_queued && (!next || job_goes_before(j, next)));
    }
    assert_int_equal(n_seen, n_queued);
}

static void jobs_come_out_in_order_whatever_was_added_and_removed(void **state)
{
    (void)state;
    struct rng rng = rng_of_seed(7);
    static struct job jobs[JOBS];
    struct job *root = NULL;
    for (size_t i = 0; i < JOBS; i++)
        jobs[i] = (struct job){.id = i + 1, .priority = (int64_t)rng_below(&rng, 4)};
    for (int round = 0; round < 20000; round++) {
        struct job *j = &jobs[rng_below(&rng, JOBS)];
        if (j->is_queued)
            jobqueue_remove(&root, j);
        else
            jobqueue_add(&root, j);
        j->is_queued = !j->is_queued;
        if (round % 100 == 0)
            check_order(root, jobs, JOBS);
    }
}

static double cpu_s(void)
{
    struct timespec t;
    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t);
    return (double)t.tv_sec + (double)t.tv_nsec * 1e-9;
}

/* Forwards, backwards, released in between: no order of ids is a bad one. */
static void a_million_jobs_are_queued_in_any_order_in_seconds(void **state)
{
    (void)state;
    struct job *jobs = xcalloc(MANY, sizeof *jobs), *root = NULL;
    double start = cpu_s();
    for (size_t i = 0; i < MANY; i++) {
        jobs[i] = (struct job){.id = i + 1, .priority = (int64_t)(i % 3)};
        jobqueue_add(&root, &jobs[i]);
    }
    for (size_t i = MANY; i-- > 0;)
        if (i % 2)
            jobqueue_remove(&root, &jobs[i]);
    for (size_t i = 1; i < MANY; i += 2)
        jobqueue_add(&root, &jobs[i]);
    for (size_t i = 0; i < MANY; i++)
        jobqueue_remove(&root, jobqueue_first(root));
    double took = cpu_s() - start;
    assert_null(root);
    free(jobs);
    if (took > 10)
        fail_msg("3 million changes took %.2f s", took);
    print_message("3 million changes took %.2f s\n", took);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(jobs_come_out_in_order_whatever_was_added_and_removed),
        cmocka_unit_test(a_million_jobs_are_queued_in_any_order_in_seconds),
    };
    return cmocka_run_group_tests_name("jobqueue", tests, NULL, NULL);
}
