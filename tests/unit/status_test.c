#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "lib/mem.h"
#include "wire/status.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static void write_example(struct buf *b)
{
    status_begin(b, "GWSTATUS", 1);
    status_put(b, "TOKEN", "8c1c.1.12.0.1");
    status_put(b, "STATE", "exited");
    status_put(b, "EXIT_CODE", "7");
    status_put(b, "MESSAGE", "a\tb\nc=d \xc3\xa9");
    status_end(b);
}

static void what_was_written_is_read_back(void **state)
{
    (void)state;
    struct buf b = BUF_INIT;
    write_example(&b);
    struct status_file s;
    assert_int_equal(status_decode(b.data, b.len, "GWSTATUS", &s, NULL), 0);
    assert_string_equal(s.kind, "GWSTATUS");
    assert_int_equal(s.version, 1);
    assert_int_equal(s.n, 4);
    assert_string_equal(status_get(&s, "TOKEN"), "8c1c.1.12.0.1");
    assert_string_equal(status_get(&s, "EXIT_CODE"), "7");
    assert_string_equal(status_get(&s, "MESSAGE"), "a b c=d \xc3\xa9");
    assert_null(status_get(&s, "SIGNAL"));
    status_clear(&s);
    buf_clear(&b);
}

static void the_checksum_is_that_of_the_command_cksum(void **state)
{
    (void)state;
    struct buf b = BUF_INIT;
    status_begin(&b, "GWSTATUS", 1);
    status_put(&b, "TOKEN", "8c1c.1.12.0.1");
    status_end(&b);
    /* printf 'GWSTATUS 1\nTOKEN=8c1c.1.12.0.1\n' | cksum */
    assert_string_equal(b.data, "GWSTATUS 1\nTOKEN=8c1c.1.12.0.1\nCKSUM=992799468 31\n");
    buf_clear(&b);
}

static void a_change_of_any_byte_is_noticed(void **state)
{
    (void)state;
    struct buf b = BUF_INIT;
    write_example(&b);
    for (size_t i = 0; i < b.len; i++)
        for (int bit = 0; bit < 8; bit++) {
            struct status_file s;
            b.data[i] = (char)(b.data[i] ^ (1 << bit));
            assert_true(status_decode(b.data, b.len, "GWSTATUS", &s, NULL) < 0);
            b.data[i] = (char)(b.data[i] ^ (1 << bit));
        }
    buf_clear(&b);
}

static void every_truncation_is_noticed(void **state)
{
    (void)state;
    struct buf b = BUF_INIT;
    write_example(&b);
    for (size_t len = 0; len < b.len; len++) {
        char *copy = xmemdup0(b.data, len);
        struct status_file s;
        struct gw_err err;
        assert_int_equal(status_decode(copy, len, "GWSTATUS", &s, &err), -GW_ECORRUPT);
        free(copy);
    }
    buf_clear(&b);
}

static void bytes_after_the_checksum_are_refused(void **state)
{
    (void)state;
    static const char *const tails[] = {"\n", "A=B\n", "x", "CKSUM=1 1\n"};
    for (size_t i = 0; i < GW_COUNT(tails); i++) {
        struct buf b = BUF_INIT;
        write_example(&b);
        buf_puts(&b, tails[i]);
        struct status_file s;
        assert_int_equal(status_decode(b.data, b.len, "GWSTATUS", &s, NULL), -GW_ECORRUPT);
        buf_clear(&b);
    }
}

/* Bodies whose checksum is true and that are malformed all the same. */
static void a_true_checksum_does_not_excuse_a_bad_line(void **state)
{
    (void)state;
    static const struct {
        const char *body;
        int code;
    } cases[] = {
        {"", -GW_ECORRUPT},
        {"GWSTATUS\n", -GW_ECORRUPT},
        {"GWSTATUS one\n", -GW_ECORRUPT},
        {"GWSTATUS 99999999999999999999\n", -GW_ECORRUPT},
        {"GWSTATUSGWSTATUSGWSTATUS 1\n", -GW_ECORRUPT},
        {"GWSTATUS 2\n", -GW_EPROTO},
        {"GWLEASE 1\n", -GW_EPROTO},
        {"GWSTATUS 1\nTOKEN\n", -GW_ECORRUPT},
        {"GWSTATUS 1\n=x\n", -GW_ECORRUPT},
        {"GWSTATUS 1\ntoken=x\n", -GW_ECORRUPT},
        {"GWSTATUS 1\n\n", -GW_ECORRUPT},
        {"GWSTATUS 1\nTOKEN=a\tb\n", -GW_ECORRUPT},
    };
    for (size_t i = 0; i < GW_COUNT(cases); i++) {
        struct buf b = BUF_INIT;
        buf_puts(&b, cases[i].body);
        status_end(&b);
        struct status_file s;
        assert_int_equal(status_decode(b.data, b.len, "GWSTATUS", &s, NULL), cases[i].code);
        buf_clear(&b);
    }
}

static void a_value_is_cut_at_4_KiB_between_characters(void **state)
{
    (void)state;
    char *value = xmalloc(5001);
    for (size_t i = 0; i < 5000; i++)
        value[i] = i == 0 ? 'x' : i % 2 ? '\xc3' : '\xa9';
    value[5000] = '\0';
    struct buf b = BUF_INIT;
    status_begin(&b, "GWSTATUS", 1);
    status_put(&b, "MESSAGE", value);
    status_end(&b);
    struct status_file s;
    assert_int_equal(status_decode(b.data, b.len, "GWSTATUS", &s, NULL), 0);
    assert_int_equal(strlen(status_get(&s, "MESSAGE")), 4095);
    status_clear(&s);
    buf_clear(&b);
    free(value);
}

static void a_file_beyond_64_KiB_is_refused(void **state)
{
    (void)state;
    struct buf b = BUF_INIT;
    status_begin(&b, "GWSTATUS", 1);
    while (b.len <= STATUS_FILE_MAX)
        status_put(&b, "MESSAGE", "much");
    status_end(&b);
    struct status_file s;
    assert_int_equal(status_decode(b.data, b.len, "GWSTATUS", &s, NULL), -GW_ECORRUPT);
    buf_clear(&b);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_was_written_is_read_back),
        cmocka_unit_test(the_checksum_is_that_of_the_command_cksum),
        cmocka_unit_test(a_change_of_any_byte_is_noticed),
        cmocka_unit_test(every_truncation_is_noticed),
        cmocka_unit_test(bytes_after_the_checksum_are_refused),
        cmocka_unit_test(a_true_checksum_does_not_excuse_a_bad_line),
        cmocka_unit_test(a_value_is_cut_at_4_KiB_between_characters),
        cmocka_unit_test(a_file_beyond_64_KiB_is_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
