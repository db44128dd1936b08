#include "lib/diag.h"
#include "lib/mem.h"
#include "lib/utf8.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

/* What one error at a place of a source prints. */
static char *printed(const char *source, struct place at, const char *hint)
{
    struct diags d;
    struct buf out = BUF_INIT;
    diags_init(&d, "a.jt", source);
    diags_add(&d, DIAG_ERROR, at, hint, "wrong %d", 1);
    diags_print(&d, false, &out);
    diags_clear(&d);
    return buf_take(&out);
}

static void a_mistake_is_shown_with_its_line_and_a_caret(void **state)
{
    (void)state;
    static const struct {
        const char *source;
        struct place at;
        const char *hint, *printed;
    } cases[] = {
        {"A = 1\nBB = 2\n",
         {2, 1, 2},
         "did you mean B?",
         "a.jt:2:1: error: wrong 1\n    2 | BB = 2\n      | ^~\na.jt: did you mean B?\n"},
        {"A", {1, 2, 0}, NULL, "a.jt:1:2: error: wrong 1\n    1 | A\n      |  ^\n"},
        {"A = 1\r\n", {1, 6, 0}, NULL, "a.jt:1:6: error: wrong 1\n    1 | A = 1\n      |      ^\n"},
        {"\tA\t= 1",
         {1, 4, 1},
         NULL,
         "a.jt:1:4: error: wrong 1\n    1 | \tA\t= 1\n      | \t \t^\n"},
        {"\xc3\xa9 = \xe2\x82\xac x",
         {1, 6, 5},
         NULL,
         "a.jt:1:6: error: wrong 1\n    1 | \xc3\xa9 = \xe2\x82\xac x\n      |     ^~~\n"},
        {"A = \033[1m\xff",
         {1, 1, 1},
         NULL,
         "a.jt:1:1: error: wrong 1\n    1 | A = ?[1m?\n      | ^\n"},
        {"A = \xc2\x9b"
         "1m",
         {1, 1, 1},
         NULL,
         "a.jt:1:1: error: wrong 1\n    1 | A = ??1m\n      | ^\n"},
        {"A", {0, 0, 0}, "do", "a.jt: error: wrong 1\na.jt: do\n"},
        {"A", {7, 1, 1}, NULL, "a.jt:7:1: error: wrong 1\n"},
        {"A", {1, 9, 1}, NULL, "a.jt:1:9: error: wrong 1\n"},
        {"A", {1, 1, 100}, NULL, "a.jt:1:1: error: wrong 1\n    1 | A\n      | ^\n"},
        {NULL, {1, 1, 1}, NULL, "a.jt:1:1: error: wrong 1\n"},
    };
    for (size_t i = 0; i < GW_COUNT(cases); i++) {
        char *text = printed(cases[i].source, cases[i].at, cases[i].hint);
        assert_string_equal(text, cases[i].printed);
        free(text);
    }
}

static void of_a_long_line_the_part_around_the_place_is_shown(void **state)
{
    (void)state;
    char line[5000];
    memset(line, 'x', sizeof line - 1);
    line[sizeof line - 1] = '\0';
    line[3000] = '!';
    char *text = printed(line, (struct place){1, 3001, 1}, NULL);
    char *shown = strchr(text, '\n') + 1, *caret = strchr(shown, '\n') + 1;
    assert_true(strlen(shown) < 400);
    assert_int_equal(strchr(shown, '!') - shown, strchr(caret, '^') - caret);
    assert_non_null(strstr(shown, "x...\n"));
    free(text);
}

static void mistakes_are_sorted_by_place_and_equal_places_keep_their_order(void **state)
{
    (void)state;
    struct diags d;
    struct buf out = BUF_INIT;
    diags_init(&d, "f", NULL);
    diags_add(&d, DIAG_ERROR, (struct place){2, 5, 1}, NULL, "d");
    diags_add(&d, DIAG_WARNING, (struct place){2, 1, 1}, NULL, "b");
    diags_add(&d, DIAG_ERROR, (struct place){2, 1, 1}, NULL, "c");
    diags_add(&d, DIAG_ERROR, (struct place){0}, NULL, "a");
    diags_sort(&d);
    diags_print(&d, false, &out);
    assert_string_equal(buf_str(&out),
                        "f: error: a\nf:2:1: warning: b\nf:2:1: error: c\nf:2:5: error: d\n");
    assert_int_equal(d.errors, 3);
    assert_string_equal(diags_first_error(&d)->text, "a");
    diags_clear(&d);
    buf_clear(&out);
}

static void only_colour_uses_escapes_and_texts_hold_none(void **state)
{
    (void)state;
    for (int has_colour = 0; has_colour < 2; has_colour++) {
        struct diags d;
        struct buf out = BUF_INIT;
        diags_init(&d, "f", "A = 1");
        diags_add(&d, DIAG_WARNING, (struct place){1, 1, 1}, "h\033", "t\033[2J\n%s", "\xfe");
        diags_print(&d, has_colour, &out);
        assert_int_equal(strchr(buf_str(&out), '\033') != NULL, has_colour);
        assert_non_null(strstr(buf_str(&out), "t?[2J??"));
        diags_clear(&d);
        buf_clear(&out);
    }
}

static void what_is_beyond_the_limit_is_counted(void **state)
{
    (void)state;
    struct diags d;
    struct buf out = BUF_INIT;
    diags_init(&d, "f", NULL);
    for (unsigned i = 0; i < DIAGS_MAX + 7; i++) {
        assert_int_equal(diags_is_full(&d), i >= DIAGS_MAX);
        diags_add(&d, DIAG_ERROR, (struct place){i, 1, 1}, NULL, "x");
    }
    assert_int_equal(d.n, DIAGS_MAX);
    assert_int_equal(d.errors, DIAGS_MAX + 7);
    diags_print(&d, false, &out);
    assert_non_null(strstr(buf_str(&out), "f: 7 more are not shown\n"));
    diags_clear(&d);
    buf_clear(&out);
}

static void a_misspelt_word_is_taken_for_the_nearest_name(void **state)
{
    (void)state;
    static const char *const names[] = {"ARGUMENTS",   "NAME",        "NP",
                                        "STDOUT_FILE", "STDERR_FILE", "TYPE"};
    static const struct {
        const char *word, *name;
    } cases[] = {{"ARGUMENT", "ARGUMENTS"},
                 {"arguments", "ARGUMENTS"},
                 {"Argments", "ARGUMENTS"},
                 {"AGRUMENTS", "ARGUMENTS"},
                 {"AGRUMNETS", "ARGUMENTS"},
                 {"ARGxxxxTS", NULL},
                 {"NAEM", "NAME"},
                 {"STDOUT", NULL},
                 {"STDOUTFILE", "STDOUT_FILE"},
                 {"STDERFILE", "STDERR_FILE"},
                 {"np", "NP"},
                 {"N", "NP"},
                 {"XYZ", NULL},
                 {"", NULL},
                 {"TYPE", "TYPE"}};
    for (size_t i = 0; i < GW_COUNT(cases); i++) {
        const char *name = diag_nearest(cases[i].word, names, GW_COUNT(names));
        if (!cases[i].name != !name || (name && strcmp(name, cases[i].name) != 0))
            fail_msg("%s is taken for %s", cases[i].word, name ? name : "nothing");
    }
    char long_word[200];
    memset(long_word, 'A', sizeof long_word - 1);
    long_word[sizeof long_word - 1] = '\0';
    assert_null(diag_nearest(long_word, names, GW_COUNT(names)));
}

static void utf8_is_taken_in_its_shortest_form_only(void **state)
{
    (void)state;
    static const struct {
        const char *bytes;
        size_t length;
    } cases[] = {{"a", 1},
                 {"\xc3\xa9", 2},
                 {"\xe2\x82\xac", 3},
                 {"\xf0\x9f\x98\x80", 4},
                 {"", 0},
                 {"\x80", 0},
                 {"\xc0\xaf", 0},
                 {"\xc1\xbf", 0},
                 {"\xe0\x80\xaf", 0},
                 {"\xed\xa0\x80", 0},
                 {"\xf4\x90\x80\x80", 0},
                 {"\xf5\x80\x80\x80", 0},
                 {"\xc3", 0},
                 {"\xe2\x82", 0},
                 {"\xe2\x28\xa1", 0},
                 {"\xff", 0}};
    for (size_t i = 0; i < GW_COUNT(cases); i++)
        assert_int_equal(utf8_length(cases[i].bytes, strlen(cases[i].bytes)), cases[i].length);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_mistake_is_shown_with_its_line_and_a_caret),
        cmocka_unit_test(of_a_long_line_the_part_around_the_place_is_shown),
        cmocka_unit_test(mistakes_are_sorted_by_place_and_equal_places_keep_their_order),
        cmocka_unit_test(only_colour_uses_escapes_and_texts_hold_none),
        cmocka_unit_test(what_is_beyond_the_limit_is_counted),
        cmocka_unit_test(a_misspelt_word_is_taken_for_the_nearest_name),
        cmocka_unit_test(utf8_is_taken_in_its_shortest_form_only),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
