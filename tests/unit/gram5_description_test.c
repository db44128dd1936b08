#include "em/gram5/description.h"
#include "lib/mem.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static const char hold[] = "(two_phase=120)(save_state=yes)";

static void relative_names_are_of_the_directory_and_that_of_the_home(void **state)
{
    (void)state;
    static const struct {
        const char *given, *sent;
    } cases[] = {
        {"&(executable=\"/bin/true\")", "&(executable=\"/bin/true\")"},
        {"&(executable=\".wrapper\")(directory=\".gw_t\")",
         "&(directory=$(HOME)#\"/.gw_t\")(executable=$(HOME)#\"/.gw_t/.wrapper\")"},
        {"&(executable=\"w\")(directory=\"/srv/j\")(stdout=\"o\")(stderr=\"/dev/"
         "null\")(stdin=\"in\")",
         "&(directory=\"/srv/j\")(executable=\"/srv/j/w\")(stdin=\"/srv/j/in\")(stdout=\"/srv/j/"
         "o\")"
         "(stderr=\"/dev/null\")"},
        {"&(executable=\"w\")(stdout=\"o\")",
         "&(executable=$(HOME)#\"/w\")(stdout=$(HOME)#\"/o\")"},
        {"&(executable=\"gsiftp://h/w\")(directory=\"d\")",
         "&(directory=$(HOME)#\"/d\")(executable=\"gsiftp://h/w\")"},
        {"&(executable=\"a \"\"b\"\"\")(directory=\"$(HOME)\")",
         "&(directory=$(HOME)#\"/$(HOME)\")(executable=$(HOME)#\"/$(HOME)/a \"\"b\"\"\")"},
        {"&(executable=\"/e\")(arguments=\"a b\" \"\"\"\")(environment=(\"K\" "
         "\"$(V)\"))(count=\"1\")",
         "&(arguments=\"a b\" \"\"\"\")(environment=(\"K\" "
         "\"$(V)\"))(count=\"1\")(executable=\"/e\")"},
    };
    for (size_t i = 0; i < GW_COUNT(cases); i++) {
        struct buf rsl = BUF_INIT;
        struct gw_err err;
        if (description_for_gram(cases[i].given, strlen(cases[i].given), &rsl, &err) < 0)
            fail_msg("%s: %s", cases[i].given, err.text);
        char *sent = xasprintf("%s%s", cases[i].sent, hold);
        assert_string_equal(buf_str(&rsl), sent);
        free(sent);
        buf_clear(&rsl);
    }
}

static void what_would_change_how_a_job_is_held_is_refused(void **state)
{
    (void)state;
    static const char *const cases[] = {
        "&(executable=\"/e\")(two_phase=\"1\")",
        "&(executable=\"/e\")(saveState=\"no\")",
        "&(executable=\"/e\")(restart=\"https://h:1/2/3/\")",
        "&(executable=\"/e\")(dry_run=\"yes\")",
        "&(executable=\"/e\" \"/f\")",
        "&(executable=\"/e\")(stdout=\"a\" \"b\")",
        "&(count=\"1\")",
        "&(executable=",
        "",
    };
    for (size_t i = 0; i < GW_COUNT(cases); i++) {
        struct buf rsl = BUF_INIT;
        struct gw_err err = {0};
        assert_int_equal(description_for_gram(cases[i], strlen(cases[i]), &rsl, &err), -GW_EINVAL);
        assert_true(err.text[0]);
        assert_int_equal(rsl.len, 0);
    }
}

static void a_restart_names_the_contact_and_nothing_else(void **state)
{
    (void)state;
    struct buf rsl = BUF_INIT;
    description_of_restart("https://h:1/2/3/", &rsl);
    assert_string_equal(buf_str(&rsl), "&(restart=\"https://h:1/2/3/\")");
    buf_clear(&rsl);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(relative_names_are_of_the_directory_and_that_of_the_home),
        cmocka_unit_test(what_would_change_how_a_job_is_held_is_refused),
        cmocka_unit_test(a_restart_names_the_contact_and_nothing_else),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
