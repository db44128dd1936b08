/* What an entry of the log looks like, whatever was put into it from outside. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "lib/log.h"
#include "lib/mem.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* The line that an entry of this text becomes, without its time. */
static const char *entry_of(const char *text)
{
    static char line[4096];
    int ends[2], before = dup(STDERR_FILENO);
    assert_int_equal(pipe(ends), 0);
    assert_int_equal(dup2(ends[1], STDERR_FILENO), STDERR_FILENO);
    log_warn("%s", text);
    dup2(before, STDERR_FILENO);
    close(before);
    close(ends[1]);
    ssize_t n = read(ends[0], line, sizeof line - 1);
    close(ends[0]);
    assert_true(n > 0);
    line[n] = '\0';
    char *level = strstr(line, " WARN ");
    assert_non_null(level);
    return level + 1;
}

static void nothing_from_outside_commands_who_reads_the_log(void **state)
{
    (void)state;
    static const struct {
        const char *text, *shown;
    } cases[] = {
        {"plain", "plain"},
        {"", ""},
        {"two\nlines\r\t", "two\\x0alines\\x0d\\x09"},
        {"\x1b[2J\x7f", "\\x1b[2J\\x7f"},
        {"C1: \xc2\x9b"
         "2J and \xc2\x80",
         "C1: \\xc2\\x9b2J and \\xc2\\x80"},
        {"one byte: \x9b"
         "2J",
         "one byte: \\x9b2J"},
        {"Malm\xc3\xb6, \xe2\x82\xac, \xf0\x9f\x98\x80, \xc2\xa0",
         "Malm\xc3\xb6, \xe2\x82\xac, \xf0\x9f\x98\x80, \xc2\xa0"},
        {"cut \xe2\x82", "cut \\xe2\\x82"},
        {"long \xc0\x9b, \xed\xa0\x80", "long \\xc0\\x9b, \\xed\\xa0\\x80"},
    };
    for (size_t i = 0; i < GW_COUNT(cases); i++) {
        char *expected = xasprintf("WARN gwd: %s\n", cases[i].shown);
        assert_string_equal(entry_of(cases[i].text), expected);
        free(expected);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(nothing_from_outside_commands_who_reads_the_log),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
