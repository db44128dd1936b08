#include "em/gram5/contact.h"
#include "lib/mem.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

static void a_contact_names_the_job_and_its_gatekeeper(void **state)
{
    (void)state;
    struct contact c;
    struct gw_err err;
    char *text =
        contact_encode("https://site.example:40000/17/65/", "site.example:2119/jm-x:/O=A/CN=b c");
    assert_int_equal(contact_decode(text, &c, &err), 0);
    assert_string_equal(c.job, "https://site.example:40000/17/65/");
    assert_string_equal(c.gatekeeper, "site.example:2119/jm-x:/O=A/CN=b c");
    contact_clear(&c);
    assert_null(c.job);
    free(text);
}

static void what_is_no_contact_is_refused(void **state)
{
    (void)state;
    static const char *const cases[] = {
        "",
        "-",
        "rubbish",
        "https://h:1/2/3/",
        "https://h:1/2/3/#",
        "#h",
        "http://h:1/2/3/#h",
        "https://h/2/3/#h",
        "https://h#g:1/2/3/",
        "https://:1/2/3/#h",
        "https://h:1#h",
        "https://h:1/2\"3/#h",
        "https://h:1/2)(executable=x/#h",
        "https://h:1/2 3/#h",
    };
    for (size_t i = 0; i < GW_COUNT(cases); i++) {
        struct contact c = {0};
        struct gw_err err;
        if (contact_decode(cases[i], &c, &err) != -GW_EINVAL)
            fail_msg("%s is taken for a contact", cases[i]);
        assert_null(c.job);
    }
}

static void a_job_is_the_same_when_its_job_manager_moves(void **state)
{
    (void)state;
    static const struct {
        const char *contact, *host, *key, *base;
    } cases[] = {
        {"https://h.x:40000/17/65/", "h.x", "h.x/17/65/", "https://h.x:40000"},
        {"https://h.x:40001/17/65/", "h.x", "h.x/17/65/", "https://h.x:40001"},
        {"https://h.x:40000/17/66/", "h.x", "h.x/17/66/", "https://h.x:40000"},
    };
    for (size_t i = 0; i < GW_COUNT(cases); i++) {
        char *host = contact_host(cases[i].contact), *key = contact_key(cases[i].contact);
        char *base = contact_base(cases[i].contact);
        assert_string_equal(host, cases[i].host);
        assert_string_equal(key, cases[i].key);
        assert_string_equal(base, cases[i].base);
        free(host);
        free(key);
        free(base);
    }
}

static void a_gatekeeper_is_at_a_host(void **state)
{
    (void)state;
    static const char *const cases[] = {"h.x", "h.x:2119", "h.x/jobmanager", "h.x:2119/jm:/CN=y",
                                        "https://h.x:2119/jm"};
    for (size_t i = 0; i < GW_COUNT(cases); i++) {
        char *host = contact_host(cases[i]);
        assert_string_equal(host, "h.x");
        free(host);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_contact_names_the_job_and_its_gatekeeper),
        cmocka_unit_test(what_is_no_contact_is_refused),
        cmocka_unit_test(a_job_is_the_same_when_its_job_manager_moves),
        cmocka_unit_test(a_gatekeeper_is_at_a_host),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
