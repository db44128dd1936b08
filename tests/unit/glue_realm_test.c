/* Whose hosts an information server may speak of, and where it may have their files sent. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "im/glue/options.h"
#include "im/glue/realm.h"
#include "lib/mem.h"

#include <getopt.h>
#include <stdlib.h>
#include <string.h>

static void a_server_speaks_for_its_own_domain(void **state)
{
    (void)state;
    static const struct {
        const char *server, *realm;
    } cases[] = {
        {"bdii.site.example.org", "site.example.org *.site.example.org"},
        {"CE.Example.org", "example.org *.example.org"},
        /* What is left of these would be everybody's. */
        {"example.org", "example.org *.example.org"},
        {"bdii", "bdii *.bdii"},
        {"192.0.2.7", "192.0.2.7"},
        {"::1", ""},
        {"*.org", ""},
        {"a b", ""},
        {"", ""},
    };
    for (size_t i = 0; i < GW_COUNT(cases); i++) {
        char *realm = realm_of_server(cases[i].server);
        assert_string_equal(realm, cases[i].realm);
        free(realm);
    }
}

static void a_realm_is_its_patterns_and_nothing_beside(void **state)
{
    (void)state;
    static const struct {
        const char *realm, *host;
        bool has;
    } cases[] = {
        {"example.org *.example.org", "ce.example.org", true},
        {"example.org *.example.org", "CE.Example.ORG", true},
        {"example.org *.example.org", "a.b.example.org", true},
        {"example.org *.example.org", "example.org", true},
        {"example.org *.example.org", "evilexample.org", false},
        {"example.org *.example.org", "ce.example.org.evil.org", false},
        {"example.org *.example.org", "evil.org", false},
        {"*", "evil.org", true},
        {"a.org ce[0-9].b.org", "ce7.b.org", true},
        {"a.org ce[0-9].b.org", "ce77.b.org", false},
        {"", "a.org", false},
        {"", "", false},
    };
    for (size_t i = 0; i < GW_COUNT(cases); i++)
        if (realm_has(cases[i].realm, cases[i].host) != cases[i].has)
            fail_msg("%s in \"%s\"", cases[i].host, cases[i].realm);
}

static void hosts_of_others_are_left_out(void **state)
{
    (void)state;
    struct glue_host *hosts = NULL, *h;
    char *first;
    glue_host_add(&hosts, "ce.evil.org");
    glue_host_add(&hosts, "CE.good.org");
    glue_host_add(&hosts, "ce2.good.org");
    assert_int_equal(realm_apply("evil.org *.evil.org", &hosts, &first), 2);
    assert_string_equal(first, "ce.good.org");
    free(first);
    assert_int_equal(HASH_COUNT(hosts), 1);
    HASH_FIND_STR(hosts, "ce.evil.org", h);
    assert_non_null(h);
    assert_int_equal(realm_apply("*", &hosts, &first), 0);
    assert_null(first);
    glue_hosts_clear(&hosts);
}

static void files_are_not_sent_out_of_the_realm(void **state)
{
    (void)state;
    static const struct {
        const char *tags[2];
        const char *out; /* the fact that leads out */
    } cases[] = {
        {{"KVM", "GWVM=/opt/gwvm"}, "nothing"},
        {{"STAGE_URL=gsiftp://se.good.org/data/~"}, "nothing"},
        {{"STAGE_URL=GSIFTP://SE.Good.org:2811/data"}, "nothing"},
        {{"STAGE_URL=https://good.org"}, "nothing"},
        {{"SE_HOSTNAME=se.good.org"}, "nothing"},
        {{"STAGE_URL=gsiftp://se.evil.org/data"}, "STAGE_URL"},
        {{"SE_HOSTNAME=se.evil.org"}, "SE_HOSTNAME"},
        {{"STAGE_URL=https://[2001:db8::1]:443/x"}, "STAGE_URL"},
        {{"SE_HOSTNAME=se.good.org", "STAGE_URL=gsiftp://evil.org/good.org"}, "STAGE_URL"},
        /* The storage element counts only where there is no URL. */
        {{"SE_HOSTNAME=se.evil.org", "STAGE_URL=gsiftp://se.good.org/~"}, "nothing"},
        /* Hosts that one reader finds here and another there are no URL at all. */
        {{"STAGE_URL=gsiftp://ce.good.org:1@evil.org/x"}, "nothing"},
        {{"STAGE_URL=gsiftp://ce.good.org@evil.org/x"}, "nothing"},
        {{"STAGE_URL=gsiftp://ce.good.org?@evil.org/x"}, "nothing"},
        {{"STAGE_URL=gsiftp://[::1]evil.org/x"}, "nothing"},
        {{"STAGE_URL=gsiftp://[good.org]/x"}, "nothing"},
        {{"STAGE_URL=gsiftp://evil.org/x://se.good.org/"}, "STAGE_URL"},
    };
    for (size_t i = 0; i < GW_COUNT(cases); i++) {
        struct glue_host *hosts = NULL, *h = glue_host_add(&hosts, "ce.good.org");
        char *first;
        for (size_t k = 0; k < 2 && cases[i].tags[k]; k++)
            glue_host_tag(h, cases[i].tags[k]);
        assert_int_equal(realm_apply("good.org *.good.org", &hosts, &first), 0);
        const char *out = h->leads_out ? h->leads_out->name : "nothing";
        if (strcmp(out, cases[i].out) != 0)
            fail_msg("%s: %s leads out", cases[i].tags[0], out);
        const struct fact *url = facts_find(&h->facts, "STAGE_URL");
        if (url && strpbrk(url->text, "@?"))
            fail_msg("%s is taken", url->text);
        glue_hosts_clear(&hosts);
    }
}

static void options_say_more_than_a_servers_name(void **state)
{
    (void)state;
    static const struct {
        const char *arguments[7];
        const char *realms[2]; /* NULL: refused */
    } cases[] = {
        {{"-s", "bdii.a.org"}, {"a.org *.a.org"}},
        {{"-s", "ldap://BDII.a.org:2170/o=grid"}, {"a.org *.a.org"}},
        {{"-s", "ldap://[::1]:2170"}, {""}},
        {{"-s", "bdii.a.org", "-a", "*"}, {"*"}},
        {{"-s", "bdii.a.org", "-a", "*.A.org", "--allow=ce?.b.org"}, {"*.a.org ce?.b.org"}},
        {{"-s", "bdii.a.org", "-a", "*", "-s", "x.b.org"}, {"*", "b.org *.b.org"}},
        {{"-s", "bdii.a.org", "-s", "x.b.org", "-a", "*"}, {"a.org *.a.org", "*"}},
        {{"-a", "*", "-s", "bdii.a.org"}, {NULL}},
        {{"-s", "bdii.a.org", "-a", "a,b"}, {NULL}},
    };
    for (size_t i = 0; i < GW_COUNT(cases); i++) {
        struct options o;
        struct gw_err err;
        char *argv[9] = {"gw_im_glue"};
        int argc = 1;
        for (; cases[i].arguments[argc - 1]; argc++)
            argv[argc] = (char *)cases[i].arguments[argc - 1];
        optind = 0;
        assert_int_equal(options_read(&o, argc, argv, &err), cases[i].realms[0] ? 0 : -GW_EINVAL);
        for (size_t k = 0; k < 2 && cases[i].realms[k]; k++)
            assert_string_equal(o.given.items[k].realm, cases[i].realms[k]);
        options_clear(&o);
    }
}

static unsigned n_reported;

static void count(const char *message)
{
    assert_non_null(strstr(message, "list:4: "));
    n_reported++;
}

static void a_list_says_it_behind_the_server(void **state)
{
    (void)state;
    static const char text[] = "# servers\n"
                               " bdii.a.org\t* \r\n"
                               "ldap://x.b.org:2170/o=grid *.B.org c.org\n"
                               "y.c.org # mine\n"
                               "z.c.org";
    static const char *const realms[] = {"*", "*.b.org c.org", "c.org *.c.org"};
    struct options o;
    struct targets targets = {0};
    struct gw_err err;
    char *argv[] = {"gw_im_glue", "-l", "list", NULL};
    optind = 0;
    assert_int_equal(options_read(&o, 3, argv, &err), 0);
    options_list(&o, text, sizeof text - 1, "list", &targets, count);
    assert_int_equal(n_reported, 1);
    assert_int_equal(targets.n, GW_COUNT(realms));
    for (size_t i = 0; i < targets.n; i++)
        assert_string_equal(targets.items[i].realm, realms[i]);
    targets_clear(&targets);
    options_clear(&o);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_server_speaks_for_its_own_domain),
        cmocka_unit_test(a_realm_is_its_patterns_and_nothing_beside),
        cmocka_unit_test(hosts_of_others_are_left_out),
        cmocka_unit_test(files_are_not_sent_out_of_the_realm),
        cmocka_unit_test(options_say_more_than_a_servers_name),
        cmocka_unit_test(a_list_says_it_behind_the_server),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
