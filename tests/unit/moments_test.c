/* Moments of served time: fine ones for the listing, coarse ones for a week. */
#include "gwd/daemon/moments.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#define HOUR_US (INT64_C(3600) * 1000000)

/* As a start asks: the first moment that is not before the event. */
static int64_t age_us(const struct moments *m, uint64_t seq, int64_t now_us)
{
    for (size_t i = 0; i < m->n; i++)
        if (m->items[i].seq >= seq)
            return now_us - m->items[i].at_us;
    return 0;
}

static void an_events_age_is_known_for_the_listing_finely_and_for_a_week_at_all(void **state)
{
    (void)state;
    static const int64_t retentions_us[] = {HOUR_US, 24 * HOUR_US, 30 * 24 * HOUR_US};
    for (size_t k = 0; k < sizeof retentions_us / sizeof *retentions_us; k++) {
        struct moments m = {0};
        int64_t step_us = retentions_us[k] / MOMENT_STEPS, now_us = 0;
        uint64_t seq = 0; /* one in each step */
        for (; now_us < 40 * 24 * HOUR_US; now_us += step_us)
            moments_add(&m, (struct moment){++seq, now_us}, step_us);
        now_us -= step_us;
        assert_true(m.n <= MOMENTS);
        for (uint64_t i = 1; i <= seq; i++) {
            int64_t is_us = now_us - (int64_t)(i - 1) * step_us, said_us = age_us(&m, i, now_us);
            int64_t most_us = is_us <= retentions_us[k] ? 0 : MOMENT_LONG_STEP_US + 2 * step_us;
            assert_true(said_us <= is_us);
            if (is_us <= retentions_us[k] || is_us <= REMAINS_KEPT_US)
                assert_true(is_us - said_us <= most_us);
        }
    }
}

static void a_moment_without_a_new_event_says_nothing(void **state)
{
    (void)state;
    struct moments m = {0};
    moments_add(&m, (struct moment){5, 100}, 10);
    moments_add(&m, (struct moment){5, 200}, 10);
    moments_add(&m, (struct moment){6, 105}, 10);
    assert_int_equal(m.n, 1);
    moments_add(&m, (struct moment){6, 200}, 10);
    assert_int_equal(m.n, 2);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(an_events_age_is_known_for_the_listing_finely_and_for_a_week_at_all),
        cmocka_unit_test(a_moment_without_a_new_event_says_nothing),
    };
    return cmocka_run_group_tests_name("moments", tests, NULL, NULL);
}
