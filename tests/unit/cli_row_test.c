/* Rows of a listing, flat ones and others. */
#include "cli/ps_row.h"
#include "lib/mem.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

static void flat_and_other_rows_are_read_alike(void **state)
{
    static const char text[] =
        "{\"id\":7,\"name\":\"a\",\"host\":null,\"exec_s\":1.5,\"ok\":true},"
        "{\"name\":\"q\\\"\\u0041\",\"id\":-8},"
        "{\"id\":9,\"reason\":{\"code\":\"busy\",\"list\":[1,\"]}\"]},\"name\":\"c\"},"
        "{\"id\":\"text\",\"name\":5}";
    static const char *const names[] = {"a", "q\"A", "c", "none"};
    static const int64_t ids[] = {7, -8, 9, 0};
    char *copy = xmemdup0(text, strlen(text));
    struct row row;
    size_t at = 0;
    (void)state;
    for (size_t i = 0; i < 4; i++) {
        assert_int_equal(row_next(text, copy, strlen(text), &at, &row), 1);
        assert_string_equal(row_text(&row, "name", "none"), names[i]);
        assert_int_equal(row_int(&row, "id", 0), ids[i]);
        assert_string_equal(row_text(&row, "host", "-"), "-");
        assert_true(row_number(&row, "exec_s", 0) == (i == 0 ? 1.5 : 0));
        row_clear(&row);
    }
    assert_int_equal(row_next(text, copy, strlen(text), &at, &row), 0);
    free(copy);
}

static void what_is_no_list_of_objects_is_refused(void **state)
{
    static const char *const texts[] = {
        "7",     "{",          "{\"a\"", "{\"a\":", "{\"a\":1",  "{\"a\":1,",
        "\"a\"", "{\"a\":\"b", "[1]",    "x",       "{\"a\":1,}"};
    (void)state;
    for (size_t i = 0; i < GW_COUNT(texts); i++) {
        char *copy = xmemdup0(texts[i], strlen(texts[i]));
        struct row row;
        size_t at = 0;
        assert_int_equal(row_next(texts[i], copy, strlen(texts[i]), &at, &row), -1);
        free(copy);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(flat_and_other_rows_are_read_alike),
        cmocka_unit_test(what_is_no_list_of_objects_is_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
