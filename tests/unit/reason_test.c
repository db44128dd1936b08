/* Reasons, as drivers give them. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "gwd/model/reason.h"
#include "lib/mem.h"

#include <stdlib.h>
#include <string.h>

static void check_text(const char *got, const char *expected)
{
    if (!expected)
        assert_null(got);
    else
        assert_string_equal(got, expected);
}

static void a_drivers_text_is_split_when_it_has_our_form_and_kept_when_not(void **state)
{
    (void)state;
    static const struct {
        const char *text, *code;
        enum blame blame;
        const char *sentence;
    } cases[] = {
        {"no-input:job cannot read /x", "no-input", BLAME_JOB, "cannot read /x"},
        {"io:site disk: broken", "io", BLAME_SITE, "disk: broken"},
        {"internal:us", "internal", BLAME_US, NULL},
        {"busy:site ", "busy", BLAME_SITE, NULL},
        {"fine:none x", "fine", BLAME_NONE, "x"},
        /* GridWay's drivers, and what only looks like ours */
        {"-", "site-failure", BLAME_SITE, NULL},
        {"", "site-failure", BLAME_SITE, NULL},
        {"Can not open file: x", "site-failure", BLAME_SITE, "Can not open file: x"},
        {"no-input:them x", "site-failure", BLAME_SITE, "no-input:them x"},
        {"no-input:job: x", "site-failure", BLAME_SITE, "no-input:job: x"},
        {"No-Input:job x", "site-failure", BLAME_SITE, "No-Input:job x"},
        {":job x", "site-failure", BLAME_SITE, ":job x"},
        {"a:", "site-failure", BLAME_SITE, "a:"},
        {" io:site x", "site-failure", BLAME_SITE, " io:site x"},
    };
    for (size_t i = 0; i < GW_COUNT(cases); i++) {
        struct reason r = {0};
        reason_from_driver(&r, cases[i].text);
        assert_string_equal(r.code, cases[i].code);
        assert_int_equal(r.blame, cases[i].blame);
        check_text(r.text, cases[i].sentence);
        reason_clear(&r);
    }
}

static void a_code_of_any_length_is_taken_up_to_forty_bytes(void **state)
{
    (void)state;
    for (int len = 39; len <= 42; len++) {
        char *text =
            xasprintf("%.*s:job x", len, "aaaaaaaaaabbbbbbbbbbccccccccccddddddddddeeeeeeeeee");
        struct reason r = {0};
        reason_from_driver(&r, text);
        assert_int_equal(r.blame, len <= 40 ? BLAME_JOB : BLAME_SITE);
        reason_clear(&r);
        free(text);
    }
}

static void a_reason_may_be_set_from_its_own_parts(void **state)
{
    (void)state;
    struct reason r = {0};
    reason_set(&r, "io", BLAME_SITE, "first");
    reason_set(&r, r.code, BLAME_JOB, r.text);
    assert_string_equal(r.code, "io");
    assert_string_equal(r.text, "first");
    assert_int_equal(r.blame, BLAME_JOB);
    reason_clear(&r);
    assert_null(r.code);
    reason_clear(&r);
}

static void only_small_letters_digits_and_dashes_make_a_code(void **state)
{
    (void)state;
    static const struct {
        const char *code;
        bool is_valid;
    } cases[] = {{"a", true},   {"no-input", true}, {"x86-64", true},
                 {"", false},   {"no_x", false},    {"no x", false},
                 {"NO", false}, {"a\n", false},     {"\xc3\xa9", false}};
    for (size_t i = 0; i < GW_COUNT(cases); i++)
        assert_int_equal(reason_code_is_valid(cases[i].code), cases[i].is_valid);
}

static void every_blame_has_a_name_that_leads_back_to_it(void **state)
{
    (void)state;
    enum blame back;
    for (int b = BLAME_NONE; b <= BLAME_US; b++) {
        assert_true(blame_of_name(blame_name((enum blame)b), &back));
        assert_int_equal(back, b);
    }
    assert_false(blame_of_name("them", &back));
    assert_false(blame_of_name("", &back));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_drivers_text_is_split_when_it_has_our_form_and_kept_when_not),
        cmocka_unit_test(a_code_of_any_length_is_taken_up_to_forty_bytes),
        cmocka_unit_test(a_reason_may_be_set_from_its_own_parts),
        cmocka_unit_test(only_small_letters_digits_and_dashes_make_a_code),
        cmocka_unit_test(every_blame_has_a_name_that_leads_back_to_it),
    };
    return cmocka_run_group_tests_name("reason", tests, NULL, NULL);
}
