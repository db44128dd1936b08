#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "drivers/script.h"
#include "lib/mem.h"

#include <stdio.h>
#include <string.h>

static struct script parse(const char *text)
{
    struct script s;
    struct gw_err err = {0};
    if (script_parse(text, strlen(text), "s", &s, &err) < 0)
        fail_msg("%s", err.text);
    return s;
}

static void a_rule_has_answers_and_delays(void **state)
{
    (void)state;
    struct script s =
        parse("# comment\n\nSUBMIT -> @500 SUBMIT %1 FAILURE a -> b\n   !part x\n\t@7 !bytes 12\n"
              "/^CP 3 / -> !none\nPOLL -> !default\n !exit 3\n !hang\nEND -> !raw a\\0\n !flood "
              "b\n !close\n");
    assert_int_equal(s.n, 4);
    assert_int_equal(s.rules[0].n_actions, 3);
    assert_int_equal(s.rules[0].actions[0].after_ms, 500);
    assert_string_equal(s.rules[0].actions[0].text, "SUBMIT %1 FAILURE a -> b");
    assert_int_equal(s.rules[0].actions[1].what, SCRIPT_PART);
    assert_string_equal(s.rules[0].actions[1].text, "x");
    assert_int_equal(s.rules[0].actions[2].what, SCRIPT_BYTES);
    assert_int_equal(s.rules[0].actions[2].n, 12);
    assert_int_equal(s.rules[0].actions[2].after_ms, 7);
    assert_int_equal(s.rules[1].n_actions, 0);
    assert_int_equal(s.rules[2].actions[0].what, SCRIPT_DEFAULT);
    assert_int_equal(s.rules[2].actions[1].n, 3);
    assert_int_equal(s.rules[2].actions[2].what, SCRIPT_HANG);
    assert_int_equal(s.rules[3].actions[0].what, SCRIPT_RAW);
    assert_string_equal(s.rules[3].actions[0].text, "a\\0");
    assert_int_equal(s.rules[3].actions[1].what, SCRIPT_FLOOD);
    assert_int_equal(s.rules[3].actions[2].what, SCRIPT_CLOSE);
    script_clear(&s);
}

static void the_first_rule_that_applies_counts(void **state)
{
    (void)state;
    struct script s = parse("SUBMIT x2 -> a\n/^SUB.* h$/ -> b\nSUBMIT -> c\n");
    assert_ptr_equal(script_match(&s, "SUBMIT 1 h"), &s.rules[0]);
    assert_ptr_equal(script_match(&s, "SUBMIT 1 h"), &s.rules[0]);
    assert_ptr_equal(script_match(&s, "SUBMIT 1 h"), &s.rules[1]);
    assert_ptr_equal(script_match(&s, "SUBMIT 1 g"), &s.rules[2]);
    assert_null(script_match(&s, "SUBMITX 1 g"));
    assert_null(script_match(&s, "POLL 1 - -"));
    script_clear(&s);
}

static void a_mistake_is_named_by_line(void **state)
{
    (void)state;
    static const struct {
        const char *text, *message;
    } cases[] = {
        {"A -> b\nSUBMIT", "s:2: \"SUBMIT\": PATTERN -> ANSWER"},
        {"  a", "s:1: an answer stands before the first rule"},
        {"/(/ -> a", "s:1: \"(\" is not a regular expression"},
        {"A B -> a", "s:1: \"A B\" is neither a verb"},
        {" \n-> a", "s:2: \"\" is neither a verb"},
        {"A -> !what", "s:1: \"!what\" is none of"},
        {"A -> @x b", "\"x\" is not an integer"},
        {"A -> !exit 256", "\"256\" is not an integer"},
        {"A -> !bytes 0", "\"0\" is not an integer"},
        {"A x0 -> b", "\"0\" is not an integer"},
    };
    for (size_t i = 0; i < GW_COUNT(cases); i++) {
        struct script s = {0};
        struct gw_err err = {0};
        assert_int_equal(script_parse(cases[i].text, strlen(cases[i].text), "s", &s, &err),
                         -GW_EINVAL);
        if (!strstr(err.text, cases[i].message))
            fail_msg("\"%s\": \"%s\" does not say \"%s\"", cases[i].text, err.text,
                     cases[i].message);
        assert_int_equal(s.n, 0);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_rule_has_answers_and_delays),
        cmocka_unit_test(the_first_rule_that_applies_counts),
        cmocka_unit_test(a_mistake_is_named_by_line),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
