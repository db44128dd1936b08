#include "lib/mem.h"
#include "spec/rsl.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static void what_is_encoded_is_decoded_to_the_same(void **state)
{
    (void)state;
    static const char *const arguments[] = {"",   "a b",         "say \"x\"",
                                            "\"", "$(HOME)#^'(", "\n\t\xc3\xa9"};
    static const char *const env[] = {"A", "1", "B C", "\"", "D", ""};
    struct rsl r = {0}, back;
    struct buf b = BUF_INIT, again = BUF_INIT;
    struct gw_err err;
    rsl_add_one(&r, "maxWall_Time", "5");
    rsl_add(&r, "arguments", arguments, GW_COUNT(arguments));
    rsl_add(&r, "environment", env, GW_COUNT(env));
    rsl_add(&r, "queue", NULL, 0);
    rsl_encode(&r, &b);
    if (rsl_decode(b.data, b.len, &back, &err) < 0)
        fail_msg("%s: %s", b.data, err.text);
    rsl_encode(&back, &again);
    assert_string_equal(again.data, b.data);
    assert_int_equal(rsl_find(&back, "ARGUMENTS")->n, GW_COUNT(arguments));
    for (size_t i = 0; i < GW_COUNT(arguments); i++)
        assert_string_equal(rsl_find(&back, "arguments")->values[i], arguments[i]);
    assert_string_equal(rsl_get(&back, "max_walltime"), "5");
    assert_string_equal(rsl_getenv(&back, "B C"), "\"");
    assert_null(rsl_getenv(&back, "1"));
    assert_null(rsl_get(&back, "queue"));
    assert_null(rsl_get(&back, "count"));
    rsl_clear(&r);
    rsl_clear(&back);
    buf_clear(&b);
    buf_clear(&again);
}

static void the_form_is_the_one_of_the_protocol(void **state)
{
    (void)state;
    static const char *const env[] = {"K", "V", "L", "W"}, *const arguments[] = {"a", "b\"c"};
    struct rsl r = {0};
    struct buf b = BUF_INIT;
    rsl_add_one(&r, "executable", "./x");
    rsl_add(&r, "arguments", arguments, 2);
    rsl_add(&r, "environment", env, 4);
    rsl_encode(&r, &b);
    assert_string_equal(b.data, "&(executable=\"./x\")(arguments=\"a\" "
                                "\"b\"\"c\")(environment=(\"K\" \"V\")(\"L\" \"W\"))");
    rsl_clear(&r);
    buf_clear(&b);
}

static void blanks_and_unquoted_words_are_taken(void **state)
{
    (void)state;
    const char *text = " & ( Executable = /bin/ls ) \n(arguments= -l  \"a b\" /tmp)\t( "
                       "environment=(A 1) ( B \"2\" ) ) ";
    struct rsl r;
    assert_int_equal(rsl_decode(text, strlen(text), &r, NULL), 0);
    assert_string_equal(rsl_get(&r, "executable"), "/bin/ls");
    assert_int_equal(rsl_find(&r, "arguments")->n, 3);
    assert_string_equal(rsl_find(&r, "arguments")->values[1], "a b");
    assert_string_equal(rsl_getenv(&r, "B"), "2");
    rsl_clear(&r);
}

static void what_is_malformed_is_refused_and_the_byte_is_named(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        size_t byte;
    } cases[] = {
        {"", 1},
        {"(a=b)", 1},
        {"&a", 2},
        {"&(", 3},
        {"&()", 3},
        {"&(a", 4},
        {"&(a b)", 5},
        {"&(a=", 5},
        {"&(a=b", 6},
        {"&(a=\"b)", 5},
        {"&(a=\"b\"\")", 5},
        {"&(a=(b))", 5},
        {"&(a=b)x", 7},
        {"&(a<b)", 4},
        {"&(a=$(HOME))", 5},
        {"&(a=b#c)", 6},
        {"&(a='b')", 5},
        {"&(a=b)(A_=c)", 8},
        {"&(_=b)", 3},
        {"&(a=b)(=c)", 8},
        {"&(environment=a)", 15},
        {"&(environment=(a))", 17},
        {"&(environment=(a b c))", 20},
        {"&(environment=(a b)", 20},
        {"|(a=b)", 1},
    };
    for (size_t i = 0; i < GW_COUNT(cases); i++) {
        struct rsl r;
        struct gw_err err;
        char *want = xasprintf("job description, byte %zu:", cases[i].byte);
        assert_int_equal(rsl_decode(cases[i].text, strlen(cases[i].text), &r, &err), -GW_EINVAL);
        if (strncmp(err.text, want, strlen(want)) != 0)
            fail_msg("%s: %s", cases[i].text, err.text);
        free(want);
    }
    struct rsl r;
    assert_int_equal(rsl_decode("&(a=b\0)", 7, &r, NULL), -GW_EINVAL);
}

static void what_is_too_large_is_refused(void **state)
{
    (void)state;
    struct rsl r;
    struct buf b = BUF_INIT;
    buf_puts(&b, "&(a=");
    while (b.len <= RSL_TEXT_MAX)
        buf_puts(&b, "x ");
    buf_putc(&b, ')');
    assert_int_equal(rsl_decode(b.data, b.len, &r, NULL), -GW_EINVAL);
    buf_reset(&b);
    buf_putc(&b, '&');
    for (int i = 0; i < 1000; i++)
        buf_printf(&b, "(a%d=b)", i);
    assert_int_equal(rsl_decode(b.data, b.len, &r, NULL), -GW_EINVAL);
    buf_clear(&b);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_is_encoded_is_decoded_to_the_same),
        cmocka_unit_test(the_form_is_the_one_of_the_protocol),
        cmocka_unit_test(blanks_and_unquoted_words_are_taken),
        cmocka_unit_test(what_is_malformed_is_refused_and_the_byte_is_named),
        cmocka_unit_test(what_is_too_large_is_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
