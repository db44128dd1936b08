#include "em/gram5/code.h"

#include "em/gram5/asks.h"
#include "lib/mem.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

static void states_are_told_in_the_words_of_the_protocol(void **state)
{
    (void)state;
    static const struct {
        int state;
        const char *word;
        bool is_held, is_end;
    } cases[] = {
        {0, NULL, false, false},       {1, "PENDING", false, false},
        {2, "ACTIVE", false, false},   {4, "FAILED", false, true},
        {8, "DONE", false, true},      {16, "SUSPENDED", false, false},
        {32, "PENDING", true, false},  {64, "PENDING", false, false},
        {128, "ACTIVE", false, false}, {3, NULL, false, false},
        {0xFFFFF, NULL, false, false},
    };
    for (size_t i = 0; i < GW_COUNT(cases); i++) {
        const char *word = code_state_word(cases[i].state);
        assert_int_equal(word != NULL, cases[i].word != NULL);
        if (word)
            assert_string_equal(word, cases[i].word);
        assert_int_equal(code_is_held(cases[i].state), cases[i].is_held);
        assert_int_equal(code_is_end(cases[i].state), cases[i].is_end);
    }
}

static void codes_say_what_to_do_next(void **state)
{
    (void)state;
    static const struct {
        int code;
        enum code_kind kind;
    } cases[] = {
        {0, CODE_OK},
        {110, CODE_HELD},
        {7, CODE_UNREACHABLE},
        {10, CODE_UNREACHABLE},
        {12, CODE_UNREACHABLE},
        {79, CODE_UNREACHABLE},
        {156, CODE_UNKNOWN_JOB},
        {121, CODE_NO_RECORD},
        {94, CODE_DENIED},
        {130, CODE_STOPPED},
        {ASK_SILENT, CODE_SILENT},
        {ASK_NO_NAME, CODE_SILENT},
        {48, CODE_OTHER},
        {99999, CODE_OTHER},
    };
    for (size_t i = 0; i < GW_COUNT(cases); i++)
        assert_int_equal(code_kind(cases[i].code), cases[i].kind);
}

static void each_failure_has_a_reason(void **state)
{
    (void)state;
    static const struct {
        int code;
        const char *reason;
    } cases[] = {
        {ASK_SILENT, "unreachable:site"},
        {12, "unreachable:site"},
        {79, "unreachable:site"},
        {7, "not-authorized:site"},
        {47, "not-authorized:site"},
        {131, "credential:job"},
        {93, "refused:job"},
        {48, "refused:job"},
        {4, "io:site"},
        {73, "io:site"},
        {99999, "io:site"},
    };
    for (size_t i = 0; i < GW_COUNT(cases); i++)
        assert_string_equal(code_reason(cases[i].code), cases[i].reason);
}

/* What a job manager says of jobs that it stops looking after, and that run on. */
static void an_end_that_is_hearsay_is_not_believed(void **state)
{
    (void)state;
    static const int hearsay[] = {111, 125, 130, 131}, real[] = {0, 8, 17, 155};
    for (size_t i = 0; i < GW_COUNT(hearsay); i++)
        assert_true(code_is_hearsay(hearsay[i]));
    for (size_t i = 0; i < GW_COUNT(real); i++)
        assert_false(code_is_hearsay(real[i]));
    assert_true(code_is_never_begun(111));
    assert_false(code_is_never_begun(131));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(states_are_told_in_the_words_of_the_protocol),
        cmocka_unit_test(codes_say_what_to_do_next),
        cmocka_unit_test(each_failure_has_a_reason),
        cmocka_unit_test(an_end_that_is_hearsay_is_not_believed),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
