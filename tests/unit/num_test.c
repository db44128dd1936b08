#include "lib/mem.h"
#include "lib/num.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

/* What none of the functions takes. */
static const char *const rubbish[] = {"",    " ",   " 1",  "1 ", "+1",       "x",   "1x", "0x10",
                                      "1.5", "1e3", "--1", "-",  "\xd9\xa1", "1\n", ":"};

static void unsigned_numbers_are_strict(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        uint64_t min, max, value;
        int result;
    } cases[] = {
        {"0", 0, UINT64_MAX, 0, 0},
        {"007", 0, 10, 7, 0},
        {"18446744073709551615", 0, UINT64_MAX, UINT64_MAX, 0},
        {"18446744073709551616", 0, UINT64_MAX, 0, -GW_EINVAL},
        {"99999999999999999999999", 0, UINT64_MAX, 0, -GW_EINVAL},
        {"5", 5, 5, 5, 0},
        {"4", 5, 6, 0, -GW_EINVAL},
        {"7", 5, 6, 0, -GW_EINVAL},
        {"-1", 0, 6, 0, -GW_EINVAL},
    };
    for (size_t i = 0; i < GW_COUNT(cases); i++) {
        uint64_t v = 42;
        assert_int_equal(num_parse_u64(cases[i].text, cases[i].min, cases[i].max, &v, NULL),
                         cases[i].result);
        assert_int_equal(v, cases[i].result ? 42 : cases[i].value);
    }
    for (size_t i = 0; i < GW_COUNT(rubbish); i++)
        assert_int_equal(num_parse_u64(rubbish[i], 0, UINT64_MAX, &(uint64_t){0}, NULL),
                         -GW_EINVAL);
}

static void signed_numbers_are_strict(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        int64_t value;
        int result;
    } cases[] = {
        {"-1", -1, 0},
        {"0", 0, 0},
        {"-0", 0, 0},
        {"9223372036854775807", INT64_MAX, 0},
        {"-9223372036854775808", INT64_MIN, 0},
        {"9223372036854775808", 0, -GW_EINVAL},
        {"-9223372036854775809", 0, -GW_EINVAL},
    };
    for (size_t i = 0; i < GW_COUNT(cases); i++) {
        int64_t v = 42;
        assert_int_equal(num_parse_i64(cases[i].text, INT64_MIN, INT64_MAX, &v, NULL),
                         cases[i].result);
        assert_int_equal(v, cases[i].result ? 42 : cases[i].value);
    }
    for (size_t i = 0; i < GW_COUNT(rubbish); i++)
        assert_int_equal(num_parse_i64(rubbish[i], INT64_MIN, INT64_MAX, &(int64_t){0}, NULL),
                         -GW_EINVAL);
    assert_int_equal(num_parse_i64("5", -3, 4, &(int64_t){0}, NULL), -GW_EINVAL);
}

static void flags_are_words(void **state)
{
    (void)state;
    static const char *const yes[] = {"yes", "YES", "true", "On", "1"}, *const no[] = {"no", "No",
                                                                                       "false",
                                                                                       "OFF", "0"};
    for (size_t i = 0; i < GW_COUNT(yes); i++) {
        bool v = false;
        assert_int_equal(num_parse_bool(yes[i], &v, NULL), 0);
        assert_true(v);
        assert_int_equal(num_parse_bool(no[i], &v, NULL), 0);
        assert_false(v);
    }
    bool v = true;
    assert_int_equal(num_parse_bool("y", &v, NULL), -GW_EINVAL);
    assert_int_equal(num_parse_bool("", &v, NULL), -GW_EINVAL);
    assert_true(v);
}

static void sizes_have_units_of_1024(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        uint64_t bytes;
        int result;
    } cases[] = {
        {"3", 3 << 20, 0}, /* the bare unit is MiB here */
        {"3K", 3 << 10, 0},
        {"3k", 3 << 10, 0},
        {"3M", 3 << 20, 0},
        {"3MB", 3 << 20, 0},
        {"3MiB", 3 << 20, 0},
        {"3g", UINT64_C(3) << 30, 0},
        {"3T", UINT64_C(3) << 40, 0},
        {"0", 0, 0},
        {"8388607T", UINT64_C(8388607) << 40, 0},
        {"8388608T", 0, -GW_EINVAL},
        {"8796093022208", 0, -GW_EINVAL},
        {"18446744073709551615K", 0, -GW_EINVAL},
        {"3P", 0, -GW_EINVAL},
        {"3 M", 0, -GW_EINVAL},
        {"3MiBx", 0, -GW_EINVAL},
        {"K", 0, -GW_EINVAL},
        {"-3M", 0, -GW_EINVAL},
    };
    for (size_t i = 0; i < GW_COUNT(cases); i++) {
        uint64_t v = 42;
        assert_int_equal(num_parse_size(cases[i].text, 1 << 20, &v, NULL), cases[i].result);
        assert_int_equal(v, cases[i].result ? 42 : cases[i].bytes);
    }
    for (size_t i = 0; i < GW_COUNT(rubbish); i++)
        assert_int_equal(num_parse_size(rubbish[i], 1, &(uint64_t){0}, NULL), -GW_EINVAL);
}

static void durations_have_units_or_colons(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        uint64_t seconds;
        int result;
    } cases[] = {
        {"90", 90, 0},
        {"90s", 90, 0},
        {"5m", 300, 0},
        {"2h", 7200, 0},
        {"3d", 259200, 0},
        {"1:30", 90, 0},
        {"1:00:00", 3600, 0},
        {"1:2:3:4", 93784, 0},
        {"0:90:0", 5400, 0},
        {"9223372036854775807", INT64_MAX, 0},
        {"9223372036854775808", 0, -GW_EINVAL},
        {"106751991167301d", 0, -GW_EINVAL},
        {"106751991167301:0:0:0", 0, -GW_EINVAL},
        {"9223372036854775807:0", 0, -GW_EINVAL},
        {"1:2:3:4:5", 0, -GW_EINVAL},
        {"1::2", 0, -GW_EINVAL},
        {":1", 0, -GW_EINVAL},
        {"1:", 0, -GW_EINVAL},
        {"1:2m", 0, -GW_EINVAL},
        {"5mm", 0, -GW_EINVAL},
        {"m", 0, -GW_EINVAL},
        {"-5", 0, -GW_EINVAL},
        {"5w", 0, -GW_EINVAL},
    };
    for (size_t i = 0; i < GW_COUNT(cases); i++) {
        uint64_t v = 42;
        assert_int_equal(num_parse_duration(cases[i].text, &v, NULL), cases[i].result);
        assert_int_equal(v, cases[i].result ? 42 : cases[i].seconds);
    }
    for (size_t i = 0; i < GW_COUNT(rubbish); i++)
        assert_int_equal(num_parse_duration(rubbish[i], &(uint64_t){0}, NULL), -GW_EINVAL);
}

static void an_error_quotes_the_value_and_says_what_is_expected(void **state)
{
    (void)state;
    struct gw_err err = {0};
    num_parse_u64("seven", 1, 9, &(uint64_t){0}, &err);
    assert_string_equal(err.text, "\"seven\" is not an integer from 1 to 9");
    assert_int_equal(err.code, GW_EINVAL);
    char text[3000];
    memset(text, 'x', sizeof text - 1);
    text[sizeof text - 1] = '\0';
    num_parse_size(text, 1, &(uint64_t){0}, &err);
    assert_int_equal(strlen(err.text), GW_ERR_TEXT_MAX - 1);
    assert_string_equal(err.text + GW_ERR_TEXT_MAX - 4, "...");
}

static void checksums_are_those_of_the_command_cksum(void **state)
{
    (void)state;
    /* printf ... | cksum */
    assert_int_equal(num_cksum("", 0), 4294967295);
    assert_int_equal(num_cksum("a", 1), 1220704766);
    assert_int_equal(num_cksum("123456789", 9), 930766865);
    char zeros[300] = {0};
    assert_int_equal(num_cksum(zeros, sizeof zeros), 351385237);
}

static void the_hash_is_FNV_1a(void **state)
{
    (void)state;
    assert_true(num_fnv64("", 0) == UINT64_C(0xcbf29ce484222325));
    assert_true(num_fnv64("a", 1) == UINT64_C(0xaf63dc4c8601ec8c));
    assert_true(num_fnv64("foobar", 6) == UINT64_C(0x85944171f73967e8));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(unsigned_numbers_are_strict),
        cmocka_unit_test(signed_numbers_are_strict),
        cmocka_unit_test(flags_are_words),
        cmocka_unit_test(sizes_have_units_of_1024),
        cmocka_unit_test(durations_have_units_or_colons),
        cmocka_unit_test(an_error_quotes_the_value_and_says_what_is_expected),
        cmocka_unit_test(checksums_are_those_of_the_command_cksum),
        cmocka_unit_test(the_hash_is_FNV_1a),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
