/* launch.conf: what is understood, and that all else is refused. */
#include "launcher/rules.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static struct rules rules;
static char text[65536], why[RULES_WHY_MAX];

static bool parse(const char *source)
{
    snprintf(text, sizeof text, "%s", source);
    why[0] = '\0';
    return rules_parse(text, &rules, why);
}

static void a_whole_list_is_read(void **state)
{
    (void)state;
    assert_true(parse("# who\n"
                      "DAEMON = gwd\n"
                      "USERS = ann bob   # and\n"
                      "\tUSERS =\tcarl\n"
                      "GROUPS = grid\n"
                      "MIN_UID = 500\n"
                      "PROGRAMS = /usr/libexec/gwd/gw_em_fork /usr/libexec/gwd/gw_tm_local\n"
                      "ENVIRONMENT = GLOBUS_TCP_PORT_RANGE=4000,5000\n"));
    assert_string_equal(rules.daemon, "gwd");
    assert_int_equal(rules.users.n, 3);
    assert_true(rules_allow_user(&rules, "carl"));
    assert_false(rules_allow_user(&rules, "dora"));
    assert_false(rules_allow_user(&rules, "*"));
    assert_true(rules_have(&rules.groups, "grid"));
    assert_true(rules_have(&rules.programs, "/usr/libexec/gwd/gw_tm_local"));
    assert_false(rules_have(&rules.programs, "/usr/libexec/gwd/gw_tm_locals"));
    assert_true(rules_allow_uid(&rules, 500));
    assert_false(rules_allow_uid(&rules, 499));
}

static void without_users_nobody_is_allowed(void **state)
{
    (void)state;
    assert_true(parse("DAEMON = gwd\n"));
    assert_false(rules_allow_user(&rules, "ann"));
    assert_int_equal(rules.min_uid, RULES_MIN_UID);
    assert_true(parse("DAEMON = gwd\nUSERS = *"));
    assert_true(rules_allow_user(&rules, "ann"));
}

static void root_is_never_allowed(void **state)
{
    (void)state;
    assert_true(parse("DAEMON = gwd\nUSERS = *\nMIN_UID = 1"));
    assert_false(rules_allow_uid(&rules, 0));
    assert_true(rules_allow_uid(&rules, 1));
    assert_false(rules_allow_uid(&rules, UINT32_MAX));
}

static void nobody_and_passing_accounts_are_not_everybody(void **state)
{
    (void)state;
    static const struct {
        const char *line;
        unsigned uid;
        bool is_allowed;
    } cases[] = {
        {"", 999, false},
        {"", 1000, true},
        {"", 60000, true},
        {"", 60001, false},
        {"", 61184, false}, /* systemd's DynamicUser= */
        {"", 65519, false},
        {"", 65534, false},
        {"", 1000000, false},
        {"MAX_UID = 2000000\n", 1000000, true},
        {"MAX_UID = 2000000\n", 2000001, false},
        {"MAX_UID = 2000000\n", 65534, false},
        {"MIN_UID = 65534\nMAX_UID = 65534\n", 65534, false},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        char list[100];
        snprintf(list, sizeof list, "DAEMON = gwd\nUSERS = *\n%s", cases[i].line);
        assert_true(parse(list));
        if (rules_allow_uid(&rules, cases[i].uid) != cases[i].is_allowed)
            fail_msg("%suid %u: allowed is %d", list, cases[i].uid, !cases[i].is_allowed);
    }
}

static void what_is_not_understood_is_refused(void **state)
{
    (void)state;
    static const struct {
        const char *text, *why;
    } cases[] = {
        {"", "DAEMON is missing"},
        {"USERS = ann\n", "DAEMON is missing"},
        {"DAEMON = gwd\nUSER = ann\n", "line 2: USER = ann: no such key"},
        {"DAEMON = gwd\nUSERS ann\n", "line 2: it is not of the form"},
        {"DAEMON = gwd\nUSERS=ann\n", "line 2: it is not of the form"},
        {"DAEMON = gwd\nUSERS =\n", "line 2: it is not of the form"},
        {"DAEMON = gwd bob\n", "one account, said once"},
        {"DAEMON = gwd\nDAEMON = bob\n", "one account, said once"},
        {"DAEMON = gwd\nMIN_UID = 0\n", "is not a number from 1"},
        {"DAEMON = gwd\nMIN_UID = 01\n", "is not a number from 1"},
        {"DAEMON = gwd\nMIN_UID = -1\n", "is not a number from 1"},
        {"DAEMON = gwd\nMIN_UID = 1x\n", "is not a number from 1"},
        {"DAEMON = gwd\nMIN_UID = 99999999999999999999\n", "is not a number from 1"},
        {"DAEMON = gwd\nMIN_UID = 4294967295\n", "is not a number from 1"},
        {"DAEMON = gwd\nMIN_UID = 5\nMIN_UID = 6\n", "one number, said once"},
        {"DAEMON = gwd\nMAX_UID = 5 6\n", "one number, said once"},
        {"DAEMON = gwd\nMIN_UID = 60001\n", "MAX_UID, 60000, is less than MIN_UID, 60001"},
        {"DAEMON = gwd\nMAX_UID = 0\n", "is not a number from 1"},
        {"DAEMON = gwd\nMIN_UIDS = 5\n", "no such key"},
        {"DAEMON = gwd\nUSERS = ann,bob\n", "is not the name of an account"},
        {"DAEMON = gwd\nGROUPS = *\n", "is not the name of a group"},
        {"DAEMON = gwd\nPROGRAMS = gw_em_fork\n", "plain absolute path"},
        {"DAEMON = gwd\nPROGRAMS = /\n", "plain absolute path"},
        {"DAEMON = gwd\nPROGRAMS = /usr/\n", "plain absolute path"},
        {"DAEMON = gwd\nPROGRAMS = /usr//x\n", "plain absolute path"},
        {"DAEMON = gwd\nPROGRAMS = /usr/../x\n", "plain absolute path"},
        {"DAEMON = gwd\nPROGRAMS = /usr/./x\n", "plain absolute path"},
        {"DAEMON = gwd\nPROGRAMS = /usr/..\n", "plain absolute path"},
        {"DAEMON = gwd\nPROGRAMS = /usr/.\n", "plain absolute path"},
        {"DAEMON = gwd\nENVIRONMENT = LD_PRELOAD=/tmp/x.so\n", "that may be given"},
        {"DAEMON = gwd\nENVIRONMENT = PATH=/tmp\n", "that may be given"},
        {"DAEMON = gwd\nENVIRONMENT = =x\n", "that may be given"},
        {"DAEMON = gwd\nENVIRONMENT = A\n", "that may be given"},
        {"DAEMON = \"gwd\"\n", "quotes"},
        {"DAEMON = gwd\r\n", "control"},
        {"DAEMON = gw\xc3\xa4\n", "foreign"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        if (parse(cases[i].text) || !strstr(why, cases[i].why))
            fail_msg("%s\ngives: %s, expected: %s", cases[i].text, why, cases[i].why);
    }
}

static void more_words_than_there_is_room_for_are_refused(void **state)
{
    (void)state;
    static char many[65536];
    size_t len = (size_t)snprintf(many, sizeof many, "DAEMON = gwd\n");
    for (int i = 0; i <= RULES_WORDS_MAX; i++)
        len += (size_t)snprintf(many + len, sizeof many - len, "USERS = u%d\n", i);
    assert_false(parse(many));
    assert_non_null(strstr(why, "too many words"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_whole_list_is_read),
        cmocka_unit_test(without_users_nobody_is_allowed),
        cmocka_unit_test(root_is_never_allowed),
        cmocka_unit_test(nobody_and_passing_accounts_are_not_everybody),
        cmocka_unit_test(what_is_not_understood_is_refused),
        cmocka_unit_test(more_words_than_there_is_room_for_are_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
