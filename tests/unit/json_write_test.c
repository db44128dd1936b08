/* JSON text as jansson reads it back. */
#include "lib/json_write.h"

#include <jansson.h>
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

static void members_and_elements_are_parted_by_commas(void **state)
{
    (void)state;
    struct buf b = BUF_INIT;
    json_begin(&b, NULL, '{');
    json_put_int(&b, "a", -5);
    json_begin(&b, "list", '[');
    json_put_uint(&b, NULL, UINT64_MAX);
    json_begin(&b, NULL, '{');
    json_end(&b, '}');
    json_put_bool(&b, NULL, true);
    json_end(&b, ']');
    json_put_null(&b, "n");
    json_put_raw(&b, "r", "[1,2]", 5);
    json_end(&b, '}');
    assert_string_equal(buf_str(&b), "{\"a\":-5,\"list\":[18446744073709551615,{},true],\"n\":null,"
                                     "\"r\":[1,2]}");
    buf_clear(&b);
}

static void a_second_line_begins_without_a_comma(void **state)
{
    (void)state;
    struct buf b = BUF_INIT;
    for (int i = 0; i < 2; i++) {
        json_begin(&b, NULL, '{');
        json_end(&b, '}');
        buf_putc(&b, '\n');
    }
    assert_string_equal(buf_str(&b), "{}\n{}\n");
    buf_clear(&b);
}

/* What is written is read back as the same text, whatever is in it. */
static void texts_come_back(void **state)
{
    static const char *const texts[] = {"",
                                        "plain",
                                        "\"\\/\b\f\n\r\t",
                                        "\x01\x1f\x7f",
                                        "{",
                                        "gr\xc3\xbc\xc3\x9f \xe2\x82\xac \xf0\x9f\x98\x80",
                                        "ends in \\"};
    (void)state;
    for (size_t i = 0; i < sizeof texts / sizeof texts[0]; i++) {
        struct buf b = BUF_INIT;
        json_begin(&b, NULL, '[');
        json_put_text(&b, NULL, texts[i]);
        json_put_text(&b, NULL, texts[i]);
        json_end(&b, ']');
        json_t *read = json_loadb(b.data, b.len, 0, NULL);
        assert_non_null(read);
        assert_int_equal(json_array_size(read), 2);
        assert_string_equal(json_string_value(json_array_get(read, 1)), texts[i]);
        json_decref(read);
        buf_clear(&b);
    }
}

static void what_is_no_text_is_null(void **state)
{
    static const char *const texts[] = {NULL, "\xff", "cut \xc3", "\xed\xa0\x80", "\xc0\xaf"};
    (void)state;
    for (size_t i = 0; i < sizeof texts / sizeof texts[0]; i++) {
        struct buf b = BUF_INIT;
        json_begin(&b, NULL, '{');
        json_put_text(&b, "t", texts[i]);
        json_put_int(&b, "after", 1);
        json_end(&b, '}');
        assert_string_equal(buf_str(&b), "{\"t\":null,\"after\":1}");
        buf_clear(&b);
    }
}

static void numbers_keep_their_value(void **state)
{
    (void)state;
    struct buf b = BUF_INIT;
    json_begin(&b, NULL, '[');
    json_put_int(&b, NULL, INT64_MIN);
    json_put_real(&b, NULL, 2);
    json_put_real(&b, NULL, 0.1);
    json_put_real(&b, NULL, NAN);
    json_put_seconds(&b, NULL, 0);
    json_put_seconds(&b, NULL, 1767225600000123);
    json_put_seconds(&b, NULL, -1500000);
    json_end(&b, ']');
    assert_string_equal(buf_str(&b), "[-9223372036854775808,2.0,0.10000000000000001,null,null,"
                                     "1767225600.000123,-1.500000]");
    buf_clear(&b);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(members_and_elements_are_parted_by_commas),
        cmocka_unit_test(a_second_line_begins_without_a_comma),
        cmocka_unit_test(texts_come_back),
        cmocka_unit_test(what_is_no_text_is_null),
        cmocka_unit_test(numbers_keep_their_value),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
