#include "lib/buf.h"
#include "lib/err.h"
#include "lib/mem.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static void an_empty_buffer_is_an_empty_text(void **state)
{
    (void)state;
    struct buf b = BUF_INIT;
    assert_string_equal(buf_str(&b), "");
    buf_put(&b, NULL, 0);
    assert_string_equal(buf_str(&b), "");
    assert_int_equal(b.len, 0);
    buf_drop(&b, 0);
    buf_reset(&b);
    buf_clear(&b);
    buf_clear(&b);
    char *text = buf_take(&b);
    assert_string_equal(text, "");
    free(text);
}

static void what_is_added_stands_in_order_with_a_NUL_after_it(void **state)
{
    (void)state;
    struct buf b = BUF_INIT;
    for (int i = 0; i < 1000; i++) {
        buf_puts(&b, "ab");
        buf_putc(&b, '\0');
        buf_put(&b, "cde", 2);
        buf_printf(&b, "%05d", i);
        assert_int_equal(b.data[b.len], '\0');
    }
    assert_int_equal(b.len, 10000);
    assert_memory_equal(b.data + 9990, "ab\0cd00999", 11);
    buf_drop(&b, 9995);
    assert_string_equal(b.data, "00999");
    buf_drop(&b, 5);
    assert_string_equal(buf_str(&b), "");
    buf_puts(&b, "x");
    char *text = buf_take(&b);
    assert_string_equal(text, "x");
    assert_null(b.data);
    free(text);
}

static void a_reserved_buffer_is_still_a_text(void **state)
{
    (void)state;
    struct buf b = BUF_INIT;
    buf_reserve(&b, 5000);
    assert_string_equal(buf_str(&b), "");
    char *before = b.data;
    for (int i = 0; i < 5000; i++)
        buf_putc(&b, 'x');
    assert_ptr_equal(b.data, before);
    buf_reset(&b);
    assert_string_equal(buf_str(&b), "");
    buf_clear(&b);
}

static void an_error_has_its_code_its_text_and_the_context(void **state)
{
    (void)state;
    struct gw_err err = {0};
    assert_int_equal(gw_err_set(&err, GW_EPROTO, "line %d", 7), -GW_EPROTO);
    assert_int_equal(gw_err_context(&err, "driver %s", "x"), -GW_EPROTO);
    assert_string_equal(err.text, "driver x: line 7");
    assert_int_equal(err.code, GW_EPROTO);
    assert_int_equal(gw_err_sys(&err, ENOENT, "opening %s", "/x"), -GW_ENOENT);
    assert_string_equal(err.text, "opening /x: No such file or directory");
    assert_int_equal(gw_err_set(NULL, GW_EIO, "x"), -GW_EIO);
    assert_int_equal(gw_err_sys(NULL, ENOSPC, "x"), -GW_ENOSPC);
    assert_string_equal(gw_errc_name(GW_ETIMEDOUT), "timed-out");
}

static void a_long_error_is_cut_and_says_so(void **state)
{
    (void)state;
    struct gw_err err = {0};
    char *text = xasprintf("%01999d", 0);
    gw_err_set(&err, GW_EIO, "%s", text);
    assert_int_equal(strlen(err.text), GW_ERR_TEXT_MAX - 1);
    assert_string_equal(err.text + GW_ERR_TEXT_MAX - 4, "...");
    gw_err_context(&err, "%s", text);
    assert_string_equal(err.text + GW_ERR_TEXT_MAX - 4, "...");
    gw_err_sys(&err, EIO, "%s", text);
    assert_string_equal(err.text + GW_ERR_TEXT_MAX - 4, "...");
    free(text);
}

static void copies_are_exact(void **state)
{
    (void)state;
    char *copy = xmemdup0("a\0b", 3);
    assert_memory_equal(copy, "a\0b", 4);
    free(copy);
    assert_null(xstrdup(NULL));
    copy = xstrndup("abc", 2);
    assert_string_equal(copy, "ab");
    free(copy);
    copy = xmemdup0(NULL, 0);
    assert_string_equal(copy, "");
    free(copy);
    free(xcalloc(0, 8));
    free(xmalloc(0));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(an_empty_buffer_is_an_empty_text),
        cmocka_unit_test(what_is_added_stands_in_order_with_a_NUL_after_it),
        cmocka_unit_test(a_reserved_buffer_is_still_a_text),
        cmocka_unit_test(an_error_has_its_code_its_text_and_the_context),
        cmocka_unit_test(a_long_error_is_cut_and_says_so),
        cmocka_unit_test(copies_are_exact),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
