/* How a site that fails is given fewer attempts, and gets its trust back. */
#include "gwd/engine/health.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

static const struct health_rules rules = {3, 60, 240};
static const struct reason why = {(char *)"no-status", BLAME_SITE, (char *)"nothing"};

static void fail_tasks(struct health *h, int64_t at_us, uint64_t first, uint64_t n)
{
    for (uint64_t i = 0; i < n; i++)
        health_failed(h, &rules, at_us, 1, first + i, &why);
}

static void a_site_rests_after_some_tasks_in_a_row(void **state)
{
    (void)state;
    struct health *h = health_create(1000, "ann", NULL);
    fail_tasks(h, 0, 0, 2);
    assert_true(health_may_start(h, 0));
    assert_int_equal(health_next_us(h, 0), INT64_MAX);
    fail_tasks(h, 5, 2, 1);
    assert_false(health_may_start(h, 5));
    assert_int_equal(health_next_us(h, 5), 65);
    assert_false(health_may_start(h, 64));
    assert_true(health_may_start(h, 65));
    health_destroy(h);
}

static void one_task_alone_brings_no_site_into_disrepute(void **state)
{
    (void)state;
    struct health *h = health_create(1000, "ann", NULL);
    for (int i = 0; i < 10; i++)
        health_failed(h, &rules, i, 1, 7, &why);
    assert_true(health_may_start(h, 10));
    assert_int_equal(h->failures, 1);
    health_destroy(h);
}

static void a_success_in_between_begins_the_count_anew(void **state)
{
    (void)state;
    struct health *h = health_create(1000, "ann", NULL);
    fail_tasks(h, 0, 0, 2);
    assert_true(health_succeeded(h));
    health_destroy(h);
}

static void after_the_pause_one_is_tried_at_a_time_and_each_failure_doubles_it(void **state)
{
    (void)state;
    static const int64_t pauses_us[] = {120, 240, 240, 240};
    struct health *h = health_create(1000, "ann", NULL);
    fail_tasks(h, 0, 0, 3);
    int64_t now_us = 60;
    for (size_t i = 0; i < 4; i++) {
        assert_true(health_may_start(h, now_us));
        assert_true(health_started(h));
        assert_false(health_may_start(h, now_us));
        health_trial_ended(h);
        health_failed(h, &rules, now_us, 1, 9, &why); /* the same task counts now */
        assert_false(health_may_start(h, now_us + pauses_us[i] - 1));
        now_us += pauses_us[i];
    }
    health_destroy(h);
}

static void what_was_under_way_when_the_rest_began_does_not_lengthen_it(void **state)
{
    (void)state;
    struct health *h = health_create(1000, "ann", NULL);
    fail_tasks(h, 0, 0, 3);
    fail_tasks(h, 50, 3, 100);
    assert_true(health_may_start(h, 60));
    health_destroy(h);
}

static void each_success_doubles_how_many_are_given_until_all_is_forgotten(void **state)
{
    (void)state;
    struct health *h = health_create(1000, "ann", NULL);
    fail_tasks(h, 0, 0, 3);
    for (uint64_t window = 1; window < 64; window *= 2) {
        for (uint64_t i = 0; i < window; i++) {
            assert_true(health_may_start(h, 60));
            assert_true(health_started(h));
        }
        assert_false(health_may_start(h, 60));
        for (uint64_t i = 0; i < window; i++)
            health_trial_ended(h);
        assert_false(health_succeeded(h));
    }
    /* A failure on the way halves it, after the first pause again. */
    fail_tasks(h, 60, 200, 1);
    assert_int_equal(h->window, 32);
    assert_int_equal(health_next_us(h, 60), 120);
    assert_false(health_succeeded(h));
    assert_true(health_may_start(h, 61)); /* a success ends a pause */
    assert_true(health_succeeded(h));
    health_destroy(h);
}

static void a_trial_that_goes_on_running_is_a_success_in_the_making(void **state)
{
    (void)state;
    struct health *h = health_create(1000, "ann", NULL);
    fail_tasks(h, 0, 0, 3);
    assert_true(health_started(h));
    assert_false(health_look(h, &rules, 60, true)); /* the pause has ended: too early */
    assert_int_equal(h->window, 1);
    assert_int_equal(health_next_us(h, 60), 120);
    assert_false(health_look(h, &rules, 120, false)); /* it still waits in a queue there */
    assert_int_equal(h->window, 1);
    for (int64_t at_us = 180; h->window < 64; at_us += 60)
        assert_false(health_look(h, &rules, at_us, true));
    assert_true(health_look(h, &rules, 10000, true));
    health_destroy(h);
}

static void what_nobody_tries_is_forgotten(void **state)
{
    (void)state;
    struct health *h = health_create(1000, "ann", NULL);
    fail_tasks(h, 0, 0, 3);
    assert_false(health_look(h, &rules, 480, false));
    assert_true(health_look(h, &rules, 600, false));
    health_destroy(h);
}

static void with_a_zero_no_site_ever_rests(void **state)
{
    (void)state;
    const struct health_rules never = {0, 60, 240};
    struct health *h = health_create(1000, "ann", NULL);
    for (uint64_t i = 0; i < 100; i++)
        health_failed(h, &never, 0, 1, i, &why);
    assert_true(health_may_start(h, 0));
    health_destroy(h);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_site_rests_after_some_tasks_in_a_row),
        cmocka_unit_test(one_task_alone_brings_no_site_into_disrepute),
        cmocka_unit_test(a_success_in_between_begins_the_count_anew),
        cmocka_unit_test(after_the_pause_one_is_tried_at_a_time_and_each_failure_doubles_it),
        cmocka_unit_test(what_was_under_way_when_the_rest_began_does_not_lengthen_it),
        cmocka_unit_test(each_success_doubles_how_many_are_given_until_all_is_forgotten),
        cmocka_unit_test(a_trial_that_goes_on_running_is_a_success_in_the_making),
        cmocka_unit_test(what_nobody_tries_is_forgotten),
        cmocka_unit_test(with_a_zero_no_site_ever_rests),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
