#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "drivers/fields.h"
#include "lib/mem.h"

#include <stdio.h>
#include <string.h>

static void a_line_is_cut_into_its_fields(void **state)
{
    (void)state;
    static const char *const lines[] = {"CP 12 3 X file:///a file:///b",
                                        "CP 12 3 X file:///a file:///b ",
                                        "CP 12 3 X file:///a file:///b\r"};
    for (size_t i = 0; i < GW_COUNT(lines); i++) {
        struct fields f;
        assert_int_equal(fields_split(lines[i], strlen(lines[i]), 6, true, &f, NULL), 0);
        assert_int_equal(f.n, 6);
        assert_string_equal(f.field[0], "CP");
        assert_string_equal(f.field[1], "12");
        assert_string_equal(f.field[5], "file:///b");
        fields_clear(&f);
    }
}

static void fields_are_decoded_only_when_that_was_agreed_on(void **state)
{
    (void)state;
    static const char line[] = "SUBMIT 1 h%2Fx /a%20b%25%0a";
    struct fields f;
    assert_int_equal(fields_split(line, strlen(line), 4, true, &f, NULL), 0);
    assert_string_equal(f.field[2], "h/x");
    assert_string_equal(f.field[3], "/a b%\n");
    fields_clear(&f);
    assert_int_equal(fields_split(line, strlen(line), 4, false, &f, NULL), 0);
    assert_string_equal(f.field[3], "/a%20b%25%0a");
    fields_clear(&f);
}

static void a_malformed_line_is_refused_and_says_why(void **state)
{
    (void)state;
    static const struct {
        const char *line;
        size_t len; /* 0: strlen */
        const char *why;
    } cases[] = {
        {"", 0, "field 1 is empty"},
        {"POLL", 0, "1 fields, 4 expected"},
        {"POLL 1 -", 0, "3 fields, 4 expected"},
        {"POLL 1 - - -", 0, "more than the 4 fields"},
        {"POLL  1 - -", 0, "field 2 is empty"},
        {" POLL 1 - -", 0, "field 1 is empty"},
        {"POLL 1 -  ", 0, "field 4 is empty"},
        {"POLL 1 - -  ", 0, "field 5 is empty"},
        {"POLL 1\t- - -", 0, "byte 7 is the control character 0x09"},
        {"POLL 1 - a\0b", 12, "byte 11 is the control character 0x00"},
        {"POLL 1 - %00", 0, "\"%00\""},
        {"POLL 1 - %", 0, "\"%\""},
        {"POLL 1 - a%2", 0, "\"%2\""},
        {"POLL 1 - %zz", 0, "\"%zz\""},
        {"POLL 123456789012345678901 - -", 0, "longer than 20 bytes"},
    };
    for (size_t i = 0; i < GW_COUNT(cases); i++) {
        struct fields f = {0};
        struct gw_err err = {0};
        size_t len = cases[i].len ? cases[i].len : strlen(cases[i].line);
        assert_int_equal(fields_split(cases[i].line, len, 4, true, &f, &err), -GW_EPROTO);
        if (!strstr(err.text, cases[i].why))
            fail_msg("\"%s\": \"%s\" does not say \"%s\"", cases[i].line, err.text, cases[i].why);
        assert_null(f.text);
    }
}

static void what_is_encoded_is_decoded_to_itself(void **state)
{
    (void)state;
    char all[256];
    for (int i = 0; i < 255; i++)
        all[i] = (char)(i + 1);
    all[255] = '\0';
    struct buf line = BUF_INIT;
    buf_puts(&line, "V 1 - ");
    fields_encode(&line, all);
    struct fields f;
    assert_int_equal(fields_split(line.data, line.len, 4, true, &f, NULL), 0);
    assert_string_equal(f.field[3], all);
    fields_clear(&f);
    buf_clear(&line);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_line_is_cut_into_its_fields),
        cmocka_unit_test(fields_are_decoded_only_when_that_was_agreed_on),
        cmocka_unit_test(a_malformed_line_is_refused_and_says_why),
        cmocka_unit_test(what_is_encoded_is_decoded_to_itself),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
