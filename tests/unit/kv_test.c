#include "lib/err.h"
#include "lib/kv.h"
#include "lib/mem.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

/* The entries as "KEY[index]=value|KEY+=value|". */
static char *entries(const char *source, size_t len, struct diags *d)
{
    struct kv_list list;
    struct buf out = BUF_INIT;
    size_t errors = d->errors;
    int r = kv_parse(source, len, &list, d);
    assert_int_equal(r, d->errors > errors ? -GW_EINVAL : 0);
    for (size_t i = 0; i < list.n; i++) {
        const struct kv *kv = &list.items[i];
        buf_puts(&out, kv->key);
        if (kv->index)
            buf_printf(&out, "[%s]", kv->index);
        buf_printf(&out, "%s%s|", kv->is_append ? "+=" : "=", kv->value);
        assert_int_equal(strlen(kv->value), kv->value_len);
    }
    kv_clear(&list);
    return buf_take(&out);
}

static void well_formed_texts_are_read(void **state)
{
    (void)state;
    static const struct {
        const char *source, *entries;
    } cases[] = {
        {"", ""},
        {"\n\n  \n# A = 1\n   # B\n", ""},
        {"A = 1\nB=2\n\tC\t=\t3", "A=1|B=2|C=3|"},
        {"A = 1\r\nB = 2\r\n", "A=1|B=2|"},
        {"A =  x y  \n", "A=x y|"},
        {"A =\nB = \nC = # c\n", "A=|B=|C=|"},
        {"A = 1 # c\nB = a#b\nC =#d\nD = e\t# f\n", "A=1|B=a#b|C=#d|D=e|"},
        {"A = \"1 # c\" # d\nB = \"\"\n", "A=1 # c|B=|"},
        {"A = \" x\n y\"\nB = 2", "A= x\n y|B=2|"},
        {"A = \"q\\\" b\\\\ n\\n t\\t o\\o d\\$\"", "A=q\" b\\ n\n t\t o\\o d\\$|"},
        {"A = x \"y\" z", "A=x \"y\" z|"},
        {"A = 'x' \\n", "A='x' \\n|"},
        {"A[x.y-1] = 2\nA += 3\nA[q] += 4", "A[x.y-1]=2|A+=3|A[q]+=4|"},
        {"A==b\nA = =", "A==b|A==|"},
        {"_a1 = \xc3\xa9", "_a1=\xc3\xa9|"},
        {"\xef\xbb\xbf"
         "A = 1",
         "A=1|"},
    };
    for (size_t i = 0; i < GW_COUNT(cases); i++) {
        struct diags d;
        diags_init(&d, "f", cases[i].source);
        char *text = entries(cases[i].source, strlen(cases[i].source), &d);
        if (d.n)
            fail_msg("%s: %s", cases[i].source, d.items[0].text);
        assert_string_equal(text, cases[i].entries);
        free(text);
        diags_clear(&d);
    }
}

static void each_mistake_has_its_place_and_the_other_lines_are_read(void **state)
{
    (void)state;
    static const struct {
        const char *source, *entries;
        struct place at[3];
    } cases[] = {
        {"A\nB = 2", "B=2|", {{1, 2, 0}}},
        {"A : 1\nB = 2", "B=2|", {{1, 3, 1}}},
        {"= 1\n1A = 2\nB = 3", "B=3|", {{1, 1, 1}, {2, 1, 1}}},
        {"A[] = 1\nA[x = 2\nA[x\nB = 1", "B=1|", {{1, 2, 1}, {2, 2, 3}, {3, 2, 2}}},
        {"A = \"x\nB = 2\n", "B=2|", {{1, 5, 1}}},
        {"A = \"x\\\"", "", {{1, 5, 1}}},
        {"A = \"x\" y \nB = 2", "A=x|B=2|", {{1, 9, 2}}},
        {"A = \"x\nB = \"y\"\nC = 3", "A=x\nB = |C=3|", {{2, 6, 2}}},
        {"A + = 1\nB = 2", "B=2|", {{1, 3, 1}}},
        {"A = \xff\xfe\nB = \xc3", "A=\xff\xfe|B=\xc3|", {{1, 5, 1}, {2, 5, 1}}},
    };
    for (size_t i = 0; i < GW_COUNT(cases); i++) {
        struct diags d;
        diags_init(&d, "f", cases[i].source);
        char *text = entries(cases[i].source, strlen(cases[i].source), &d);
        assert_string_equal(text, cases[i].entries);
        free(text);
        diags_sort(&d);
        for (size_t k = 0; k < d.n; k++) {
            const struct place *at = &d.items[k].place, *want = &cases[i].at[k];
            if (at->line != want->line || at->column != want->column || at->length != want->length)
                fail_msg("%s: %u:%u+%u %s", cases[i].source, at->line, at->column, at->length,
                         d.items[k].text);
        }
        assert_true(d.n >= 1 && (d.n == 3 || cases[i].at[d.n].line == 0));
        diags_clear(&d);
    }
}

static void a_NUL_byte_is_an_error_and_ends_the_text(void **state)
{
    (void)state;
    static const char source[] = "A = 1\nB = \0"
                                 "2\nC = 3\n";
    struct diags d;
    diags_init(&d, "f", source);
    char *text = entries(source, sizeof source - 1, &d);
    assert_string_equal(text, "A=1|B=|");
    assert_int_equal(d.n, 1);
    assert_int_equal(d.items[0].place.line, 2);
    assert_int_equal(d.items[0].place.column, 5);
    free(text);
    diags_clear(&d);
}

static void assert_place(const struct diags *d, const struct kv *kv, size_t from, size_t length,
                         unsigned line, unsigned column, unsigned shown)
{
    struct place at = kv_place(d, kv, from, length);
    assert_int_equal(at.line, line);
    assert_int_equal(at.column, column);
    assert_int_equal(at.length, shown);
}

static void every_byte_of_a_value_has_its_place_in_the_source(void **state)
{
    (void)state;
    const char *source = "X = 0\n A = \"a\\\"b\n  cd\"\nB = xy z\n";
    struct diags d;
    struct kv_list list;
    diags_init(&d, "f", source);
    assert_int_equal(kv_parse(source, strlen(source), &list, &d), 0);
    const struct kv *a = &list.items[1], *b = &list.items[2];
    assert_string_equal(a->value, "a\"b\n  cd");
    assert_place(&d, a, 0, 1, 2, 7, 1);
    assert_place(&d, a, 2, 1, 2, 10, 1);
    assert_place(&d, a, 1, 1, 2, 8, 2); /* an escape */
    assert_place(&d, a, 0, 8, 2, 7, 4); /* to the end of its line */
    assert_place(&d, a, 6, 2, 3, 3, 2);
    assert_place(&d, a, 8, 0, 3, 5, 0);
    assert_place(&d, a, 99, 5, 3, 5, 0);
    assert_place(&d, b, 3, 1, 4, 8, 1);
    assert_int_equal(b->value_at.line, 4);
    assert_int_equal(b->value_at.column, 5);
    assert_int_equal(b->value_at.length, 4);
    kv_clear(&list);
    diags_clear(&d);
}

static void joined_values_keep_their_places(void **state)
{
    (void)state;
    const char *source = "A = x\nB = 1\nA += \"y\n z\"\nA += \n";
    struct diags d;
    struct kv_list list;
    diags_init(&d, "f", source);
    assert_int_equal(kv_parse(source, strlen(source), &list, &d), 0);
    struct kv *a = &list.items[0];
    kv_join(a, &list.items[2]);
    assert_string_equal(a->value, "x, y\n z");
    kv_join(a, &list.items[3]);
    assert_string_equal(a->value, "x, y\n z");
    assert_place(&d, a, 0, 1, 1, 5, 1);
    assert_place(&d, a, 3, 1, 3, 7, 1);
    assert_place(&d, a, 6, 1, 4, 2, 1);
    struct kv *empty = &list.items[3];
    kv_join(empty, &list.items[1]);
    assert_string_equal(empty->value, "1");
    assert_place(&d, empty, 0, 1, 2, 5, 1);
    kv_clear(&list);
    diags_clear(&d);
}

static void a_long_value_is_not_cut(void **state)
{
    (void)state;
    size_t n = 3 << 20;
    char *source = xmalloc(n + 1);
    memset(source, 'v', n);
    memcpy(source, "A = ", 4);
    source[n] = '\0';
    struct diags d;
    struct kv_list list;
    diags_init(&d, "f", source);
    assert_int_equal(kv_parse(source, n, &list, &d), 0);
    assert_int_equal(list.items[0].value_len, n - 4);
    kv_clear(&list);
    diags_clear(&d);
    free(source);
}

static void a_text_of_nothing_but_mistakes_ends_soon(void **state)
{
    (void)state;
    size_t n = KV_SOURCE_MAX;
    char *source = xmalloc(n + 2);
    for (size_t i = 0; i < n; i++)
        source[i] = i % 2 ? '\n' : '=';
    source[n] = '\0';
    struct diags d;
    struct kv_list list;
    diags_init(&d, "f", source);
    assert_int_equal(kv_parse(source, n, &list, &d), -GW_EINVAL);
    assert_int_equal(d.n, DIAGS_MAX);
    kv_clear(&list);
    diags_clear(&d);
    diags_init(&d, "f", NULL);
    source[n] = '\n';
    assert_int_equal(kv_parse(source, n + 1, &list, &d), -GW_EINVAL);
    assert_int_equal(d.n, 1);
    assert_int_equal(list.n, 0);
    diags_clear(&d);
    free(source);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(well_formed_texts_are_read),
        cmocka_unit_test(each_mistake_has_its_place_and_the_other_lines_are_read),
        cmocka_unit_test(a_NUL_byte_is_an_error_and_ends_the_text),
        cmocka_unit_test(every_byte_of_a_value_has_its_place_in_the_source),
        cmocka_unit_test(joined_values_keep_their_places),
        cmocka_unit_test(a_long_value_is_not_cut),
        cmocka_unit_test(a_text_of_nothing_but_mistakes_ends_soon),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
