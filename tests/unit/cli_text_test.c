/* What commands say and how they read what people write: no daemon. */
#include "cli/exit.h"
#include "cli/ids.h"
#include "cli/moment.h"
#include "cli/outcome.h"
#include "cli/progress.h"
#include "cli/ps.h"
#include "cli/screen.h"
#include "lib/err.h"
#include "lib/mem.h"

#include <locale.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <cmocka.h>

static void ids_are_numbers_and_ranges(void **state)
{
    static const struct {
        const char *text, *ids; /* NULL: refused */
    } cases[] = {
        {"12", "12 "},
        {"3-5", "3 4 5 "},
        {"1,2 7-8", "1 2 7 8 "},
        {"0", "0 "},
        {"7-7", "7 "},
        {"", NULL},
        {"  ", NULL},
        {"5-3", NULL},
        {"-3", NULL},
        {"3-", NULL},
        {"1-2-3", NULL},
        {"12x", NULL},
        {"+1", NULL},
        {"1 x", NULL},
        {"0-9999999999", NULL},
        {"99999999999999999999", NULL},
    };
    (void)state;
    for (size_t i = 0; i < GW_COUNT(cases); i++) {
        struct ids ids = {0};
        struct gw_err err = {0};
        char got[64] = "";
        int r = ids_add(&ids, cases[i].text, &err);
        for (size_t k = 0; k < ids.n; k++)
            snprintf(got + strlen(got), sizeof got - strlen(got), "%d ", (int)ids.items[k]);
        assert_int_equal(r, cases[i].ids ? 0 : -GW_EINVAL);
        assert_string_equal(got, cases[i].ids ? cases[i].ids : "");
        assert_true(cases[i].ids || strstr(err.text, "job"));
        ids_clear(&ids);
    }
}

static void escape_check(const char *text, const char *want)
{
    struct buf out = BUF_INIT;
    screen_escape(&out, text);
    assert_string_equal(buf_str(&out), want);
    buf_clear(&out);
}

static void nothing_from_outside_reaches_the_terminal_as_a_command(void **state)
{
    (void)state;
    assert_non_null(setlocale(LC_CTYPE, "C.UTF-8"));
    escape_check("plain ~", "plain ~");
    escape_check("\033[31mred\a\177", "\\x1b[31mred\\x07\\x7f");
    escape_check("two\nlines\ttab\r", "two\\x0alines\\x09tab\\x0d");
    escape_check("gr\xc3\xbc\xc3\x9f \xe6\x97\xa5", "gr\xc3\xbc\xc3\x9f \xe6\x97\xa5");
    escape_check("\xc2\x9b"
                 "31m",
                 "\\u{009b}31m");
    escape_check("a\xe2\x80\xae"
                 "b\xe2\x80\x8b",
                 "a\\u{202e}b\\u{200b}");
    escape_check("\xff\xc3", "\\xff\\xc3");
    escape_check("\xc0\xaf", "\\xc0\\xaf");
    setlocale(LC_CTYPE, "C");
    escape_check("gr\xc3\xbc", "gr\\xc3\\xbc");
}

static void times_look_like_gridways(void **state)
{
    char text[MOMENT_MAX];
    (void)state;
    setenv("TZ", "UTC", 1);
    tzset();
    assert_string_equal(moment_clock(1767225661.9, false, text), "00:01:01");
    assert_string_equal(moment_clock(1767225661.9, true, text), "01/01 00:01:01");
    assert_string_equal(moment_clock(0, false, text), "--:--:--");
    assert_string_equal(moment_clock(1e300, false, text), "--:--:--");
    assert_string_equal(moment_clock(-5, true, text), "--/-- --:--:--");
    assert_string_equal(moment_span(3725.9, text), "1:02:05");
    assert_string_equal(moment_span(360000, text), "100:00:00");
    assert_string_equal(moment_span(-1, text), "0:00:00");
}

static void an_outcome_has_words_and_an_exit_code(void **state)
{
    static const struct {
        const char *job, *words;
        int fold, own;
    } cases[] = {
        {"{\"phase\":\"DONE\",\"exit_code\":0}", "done", 0, 0},
        {"{\"phase\":\"DONE\",\"exit_code\":7}", "done, exit code 7", EXIT_JOB, 7},
        {"{\"phase\":\"DONE\",\"exit_code\":137,\"signal\":9}", "done, ended by signal 9", EXIT_JOB,
         137},
        {"{\"phase\":\"FAILED\",\"reason\":{\"code\":\"killed\"}}", "killed", EXIT_JOB, EXIT_JOB},
        {"{\"phase\":\"FAILED\",\"exit_code\":0,\"reason\":{\"code\":\"no-output\"}}",
         "failed: an output file of the template was not there at the end", EXIT_JOB, EXIT_JOB},
        {"{\"phase\":\"FAILED\"}", "failed", EXIT_JOB, EXIT_JOB},
        {"{\"phase\":\"DONE\",\"exit_code\":70000}", "done", EXIT_JOB, EXIT_JOB},
    };
    (void)state;
    for (size_t i = 0; i < GW_COUNT(cases); i++) {
        struct buf out = BUF_INIT;
        json_t *job = json_loads(cases[i].job, 0, NULL);
        outcome_words(job, &out);
        assert_string_equal(buf_str(&out), cases[i].words);
        assert_int_equal(outcome_fold(0, job, false), cases[i].fold);
        assert_int_equal(outcome_fold(0, job, true), cases[i].own);
        assert_int_equal(outcome_fold(200, job, true), 200);
        json_decref(job);
        buf_clear(&out);
    }
}

static void state_changes_are_one_line_each(void **state)
{
    static const struct {
        const char *event, *line; /* NULL: not told */
    } cases[] = {
        {"{\"at\":1767225661,\"kind\":\"attempt-started\",\"job\":10,\"id\":12,\"host\":\"h\"}",
         "00:01:01  12  prolog: files go to h"},
        {"{\"at\":1767225661,\"kind\":\"results-accepted\",\"id\":12,\"exit_code\":7}",
         "00:01:01  12  results are home, exit code 7"},
        {"{\"at\":1767225661,\"kind\":\"attempt-ended\",\"id\":12,\"outcome\":\"requeue\","
         "\"reason\":{\"code\":\"no-space\"}}",
         "00:01:01  12  to be tried again: there is no space left, or a quota is reached"},
        {"{\"kind\":\"attempt-ended\",\"id\":12,\"outcome\":\"done\"}", NULL},
        {"{\"kind\":\"wished\",\"id\":12,\"wish\":\"gone\"}", "--:--:--  12  kill asked for"},
        {"{\"kind\":\"from-the-future\",\"id\":12}", NULL},
        {"{\"kind\":\"site-drained\",\"host\":\"h\"}", NULL},
        {"{}", NULL},
    };
    (void)state;
    setenv("TZ", "UTC", 1);
    tzset();
    for (size_t i = 0; i < GW_COUNT(cases); i++) {
        struct buf out = BUF_INIT;
        json_t *event = json_loads(cases[i].event, 0, NULL);
        assert_int_equal(progress_words(event, &out), cases[i].line != NULL);
        assert_string_equal(buf_str(&out), cases[i].line ? cases[i].line : "");
        json_decref(event);
        buf_clear(&out);
    }
}

static void every_error_has_its_exit_code(void **state)
{
    static const struct {
        enum gw_errc code;
        int exit;
    } cases[] = {{GW_EINVAL, 64},    {GW_ENOENT, 68},   {GW_EEXIST, 1},    {GW_EPERM, 77},
                 {GW_ESTATE, 1},     {GW_EIO, 74},      {GW_ENOSPC, 75},   {GW_EPROTO, 76},
                 {GW_ETIMEDOUT, 75}, {GW_EUNAVAIL, 69}, {GW_ECORRUPT, 70}, {GW_EINTERNAL, 70}};
    (void)state;
    for (size_t i = 0; i < GW_COUNT(cases); i++) {
        assert_int_equal(exit_of_error((int)cases[i].code), cases[i].exit);
        assert_int_equal(exit_of_error(-(int)cases[i].code), cases[i].exit);
    }
}

static void field_letters_that_do_not_exist_are_named(void **state)
{
    (void)state;
    assert_int_equal(ps_bad_field(PS_DEFAULT_FIELDS), 0);
    assert_int_equal(ps_bad_field("uJQ"), 'Q');
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(ids_are_numbers_and_ranges),
        cmocka_unit_test(nothing_from_outside_reaches_the_terminal_as_a_command),
        cmocka_unit_test(times_look_like_gridways),
        cmocka_unit_test(an_outcome_has_words_and_an_exit_code),
        cmocka_unit_test(state_changes_are_one_line_each),
        cmocka_unit_test(every_error_has_its_exit_code),
        cmocka_unit_test(field_letters_that_do_not_exist_are_named),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
