#include "wrappers/plain/ctl.h"

#include "lib/buf.h"
#include "lib/mem.h"
#include "spec/subst.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

static void what_gwd_quotes_is_read_as_it_was(void **state)
{
    (void)state;
    static const char *const values[] = {"", "a b", "it's", "'", "''", "a\nb", "\\", "$HOME `x`"};
    struct buf text = BUF_INIT;
    struct ctl ctl;
    buf_puts(&text, "GW_TOKEN='t'\n");
    for (size_t i = 0; i < GW_COUNT(values); i++) {
        buf_printf(&text, "export V%zu=", i);
        subst_shell_quote(&text, values[i]);
        buf_putc(&text, '\n');
    }
    buf_puts(&text, "set --");
    for (size_t i = 0; i < GW_COUNT(values); i++) {
        buf_putc(&text, ' ');
        subst_shell_quote(&text, values[i]);
    }
    buf_putc(&text, '\n');
    assert_int_equal(ctl_parse(text.data, &ctl, NULL), 0);
    assert_int_equal(ctl.n, 1 + GW_COUNT(values));
    assert_false(ctl.values[0].is_exported);
    assert_int_equal(ctl.n_words, GW_COUNT(values));
    for (size_t i = 0; i < GW_COUNT(values); i++) {
        assert_true(ctl.values[i + 1].is_exported);
        assert_string_equal(ctl.values[i + 1].value, values[i]);
        assert_string_equal(ctl.words[i], values[i]);
    }
    assert_null(ctl.words[ctl.n_words]);
    ctl_clear(&ctl);
    buf_clear(&text);
}

static void the_last_value_of_a_name_counts(void **state)
{
    (void)state;
    struct ctl ctl;
    assert_int_equal(
        ctl_parse("#!/opt/gw_wrapper\nA='1'\nA='2'\nexport A='3'\nexport B='4'\nset --\n", &ctl,
                  NULL),
        0);
    assert_string_equal(ctl_get(&ctl, "A", "x"), "2");
    assert_string_equal(ctl_get(&ctl, "B", "x"), "x"); /* is the payload's */
    assert_int_equal(ctl.n_words, 0);
    assert_non_null(ctl.words);
    ctl_clear(&ctl);
}

static void other_shell_is_refused(void **state)
{
    (void)state;
    static const char *const texts[] = {"A=1\n",
                                        "A='1\n",
                                        "A='1'",
                                        "A='1' B='2'\n",
                                        "A='1'; rm x\n",
                                        "A='1'\"x\"\n",
                                        "='1'\n",
                                        "A='1'\n#!x\n",
                                        "1A='1'\n",
                                        "export A\n",
                                        "export  A='1'\n",
                                        "set -- a\n",
                                        "set -- 'a'  'b'\n",
                                        "set --\nset --\n",
                                        "A='1'\n\nB='2'\n",
                                        "A='$(x)'x\n"};
    for (size_t i = 0; i < GW_COUNT(texts); i++) {
        struct ctl ctl;
        assert_int_equal(ctl_parse(texts[i], &ctl, NULL), -GW_EINVAL);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_gwd_quotes_is_read_as_it_was),
        cmocka_unit_test(the_last_value_of_a_name_counts),
        cmocka_unit_test(other_shell_is_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
