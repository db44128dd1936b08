/* Words for reasons. */
#include "client/reason.h"
#include "lib/mem.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <cmocka.h>

static const struct {
    const char *reason, *words;
    const char *advice; /* part of it; NULL: none */
} cases[] = {
    {"{\"code\":\"held\",\"blame\":\"none\",\"params\":{}}", "it is held", "gwkill -l"},
    {"{\"code\":\"no-input\",\"blame\":\"job\",\"params\":{\"message\":\"/a/b: No such file\"}}",
     "an input file does not exist or may not be read: /a/b: No such file", "make the file"},
    {"{\"code\":\"from-the-future\",\"params\":{\"message\":\"x\"}}", "from-the-future: x", NULL},
    {"{\"code\":\"from-the-future\"}", "from-the-future", NULL},
    {"{\"code\":5}", "", NULL},
    {"null", "", NULL},
    {"{\"code\":\"no-match\",\"blame\":\"job\",\"params\":{\"hosts\":5,\"down\":1,\"drained\":0,"
     "\"no_lrms\":0,\"no_vm\":0,"
     "\"requirements\":[{\"condition\":\"ARCH = \\\"x\\\"\",\"removed\":3},{\"condition\":\"NP > "
     "1\",\"removed\":0}],"
     "\"too_small\":1,\"busy\":0}}",
     "no host fits (of 5 hosts: 1 not up, 3 without ARCH = \"x\", 1 too small)", "REQUIREMENTS"},
    {"{\"code\":\"no-match\",\"blame\":\"site\",\"params\":{\"hosts\":2,\"down\":0,\"drained\":2,"
     "\"busy\":0}}",
     "no host fits (of 2 hosts: 2 drained)", "an administrator has drained them"},
    {"{\"code\":\"no-match\",\"blame\":\"job\",\"params\":{\"hosts\":2,\"drained\":1,\"too_small\":"
     "1}}",
     "no host fits (of 2 hosts: 1 drained, 1 too small)", "REQUIREMENTS"},
    {"{\"code\":\"busy\",\"blame\":\"site\",\"params\":{\"hosts\":1,\"busy\":1}}",
     "every host that fits is busy (of 1 host: 1 busy)", "slot"},
    {"{\"code\":\"busy\",\"blame\":\"site\",\"params\":{\"message\":\"queue full\"}}",
     "the site is busy: queue full", NULL},
    {"{\"code\":\"kill-pending\",\"blame\":\"site\",\"params\":{\"since\":null,\"asked\":1,"
     "\"after\":\"unreachable\",\"message\":\"no route\"}}",
     "the site has not confirmed its end yet, asked 1 time, because the site cannot be reached: no "
     "route",
     "gwkill -9"},
    {"{\"code\":\"kill-pending\",\"blame\":\"site\",\"params\":{\"since\":null,\"asked\":0,"
     "\"after\":\"cannot-tell\"}}",
     "the site has not confirmed its end yet, because nobody can say whether it reached the site",
     "look for it there; gwkill -9"},
    {"{\"code\":\"no-match\",\"params\":{\"hosts\":\"many\"}}", "no host fits", "REQUIREMENTS"},
    {"{\"code\":\"back-off\",\"blame\":\"site\",\"params\":{\"until\":null,\"after\":\"no-space\","
     "\"message\":null}}",
     "it waits before the next try, because there is no space left, or a quota is reached", NULL},
};

static void each_code_has_its_words_and_unknown_ones_are_shown_as_they_are(void **state)
{
    (void)state;
    for (size_t i = 0; i < GW_COUNT(cases); i++) {
        struct buf out = BUF_INIT;
        json_t *reason = json_loads(cases[i].reason, JSON_DECODE_ANY, NULL);
        assert_non_null(reason);
        reason_words(reason, &out);
        assert_string_equal(buf_str(&out), cases[i].words);
        const char *advice = reason_advice(reason);
        assert_int_equal(advice != NULL, cases[i].advice != NULL);
        assert_true(!advice || strstr(advice, cases[i].advice));
        json_decref(reason);
        buf_clear(&out);
    }
    struct buf out = BUF_INIT;
    reason_words(NULL, &out);
    assert_string_equal(buf_str(&out), "");
}

static void blame_names_who_has_to_mend_it(void **state)
{
    json_t *us = json_pack("{ss}", "blame", "us"), *none = json_pack("{ss}", "blame", "none");
    (void)state;
    assert_string_equal(reason_blame(us), "gwd");
    assert_null(reason_blame(none));
    assert_null(reason_blame(NULL));
    json_decref(us);
    json_decref(none);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(each_code_has_its_words_and_unknown_ones_are_shown_as_they_are),
        cmocka_unit_test(blame_names_who_has_to_mend_it),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
