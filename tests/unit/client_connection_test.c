/* libgw's connection and requests against a gwd that behaves, misbehaves and goes away. */
#include "lib/base64.h"
#include "client/gw.h"
#include "tests/unit/fake_gwd.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

static void a_request_gets_its_answer(void **state)
{
    static const struct fake_step steps[] = {{FAKE_ACCEPT, NULL},
                                             {FAKE_EXPECT, "status"},
                                             {FAKE_SEND, "{\"id\":@status,\"ok\":true,\"seq\":7}"},
                                             {0}};
    struct fake *f = fake_start(steps);
    struct gw *gw;
    json_t *answer;
    (void)state;
    assert_int_equal(gw_connect(f->path, &gw, NULL), 0);
    assert_string_equal(gw_text(gw_hello(gw), "gwd", ""), "0.1.0");
    assert_int_equal(gw_request(gw, "status", json_object(), &answer, NULL), 0);
    assert_int_equal(gw_int(answer, "seq", 0), 7);
    json_decref(answer);
    gw_close(gw);
    assert_true(fake_stop(f));
}

static void where_no_daemon_is_the_error_names_the_socket(void **state)
{
    struct gw *gw = NULL;
    struct gw_err err = {0};
    (void)state;
    assert_int_equal(gw_connect("/nonexistent/gwd.sock", &gw, &err), -GW_EUNAVAIL);
    assert_non_null(strstr(err.text, "/nonexistent/gwd.sock"));
    assert_non_null(strstr(err.text, "GW_SOCKET"));
    assert_null(gw);
}

static void a_socket_name_that_the_system_cannot_hold_is_refused(void **state)
{
    char name[200];
    struct gw *gw = NULL;
    struct gw_err err = {0};
    (void)state;
    memset(name, 'x', sizeof name - 1);
    name[0] = '/';
    name[sizeof name - 1] = '\0';
    assert_int_equal(gw_connect(name, &gw, &err), -GW_EINVAL);
    assert_non_null(strstr(err.text, "199 bytes"));
}

static void the_default_socket_is_found_in_order(void **state)
{
    static const struct fake_step steps[] = {{0}};
    struct fake *f = fake_start(steps);
    (void)state;
    setenv("GW_SOCKET", "/a/b", 1);
    setenv("XDG_RUNTIME_DIR", f->dir, 1);
    char *name = gw_default_socket();
    assert_string_equal(name, "/a/b");
    free(name);
    unsetenv("GW_SOCKET");
    name = gw_default_socket();
    assert_string_equal(name, f->path);
    free(name);
    setenv("XDG_RUNTIME_DIR", "/nonexistent", 1);
    name = gw_default_socket();
    assert_string_equal(name, "/run/gwd/gwd.sock");
    free(name);
    unsetenv("XDG_RUNTIME_DIR");
    fake_stop(f);
}

static void a_greeting_that_is_not_ours_is_refused(void **state)
{
    static const struct {
        const char *hello, *word;
    } cases[] = {
        {"{\"gwd\":\"9\",\"protocol\":2}", "version 2"},
        {"{}", "version -1"},
        {"{\"protocol\":\"1\"}", "version -1"},
        {"hello", "no JSON object"},
        {"[1]", "no JSON object"},
        {"{\"protocol\":1,\"protocol\":1}", "no JSON object"},
    };
    (void)state;
    for (size_t i = 0; i < GW_COUNT(cases); i++) {
        const struct fake_step steps[] = {{FAKE_ACCEPT, cases[i].hello}, {0}};
        struct fake *f = fake_start(steps);
        struct gw *gw;
        struct gw_err err = {0};
        assert_int_equal(gw_connect(f->path, &gw, &err), -GW_EPROTO);
        assert_non_null(strstr(err.text, cases[i].word));
        fake_stop(f);
    }
}

static void a_refusal_has_the_code_and_the_diagnostics(void **state)
{
    static const struct fake_step steps[] = {
        {FAKE_ACCEPT, NULL},
        {FAKE_EXPECT, "submit"},
        {FAKE_SEND, "{\"id\":@submit,\"ok\":false,\"error\":{\"code\":\"wrong-state\",\"message\":"
                    "\"no\",\"diagnostics\":[{}]}}"},
        {FAKE_EXPECT, "status"},
        {FAKE_SEND, "{\"id\":@status,\"ok\":false,\"error\":{\"code\":\"brand-new\"}}"},
        {FAKE_EXPECT, "status"},
        {FAKE_SEND, "{\"id\":@status}"},
        {0}};
    struct fake *f = fake_start(steps);
    struct gw *gw;
    struct gw_err err = {0};
    (void)state;
    assert_int_equal(gw_connect(f->path, &gw, NULL), 0);
    assert_int_equal(gw_request(gw, "submit", json_object(), NULL, &err), -GW_ESTATE);
    assert_string_equal(err.text, "no");
    assert_int_equal(json_array_size(gw_array(gw_refusal(gw), "diagnostics")), 1);
    assert_int_equal(gw_request(gw, "status", json_object(), NULL, &err), -GW_EPROTO);
    assert_string_equal(err.text, "brand-new");
    assert_int_equal(gw_request(gw, "status", json_object(), NULL, &err), -GW_EPROTO);
    gw_close(gw);
    assert_true(fake_stop(f));
}

static void the_last_words_of_the_daemon_reach_the_caller(void **state)
{
    static const char words[] =
        "{\"id\":null,\"ok\":false,\"error\":{\"code\":\"unavailable\",\"message\":\"too many\"}}";
    static const struct fake_step refused[] = {{FAKE_ACCEPT, words}, {FAKE_CLOSE, NULL}, {0}};
    static const struct fake_step ended[] = {
        {FAKE_ACCEPT, NULL}, {FAKE_EXPECT, "jobs"}, {FAKE_SEND, words}, {FAKE_CLOSE, NULL}, {0}};
    struct gw *gw;
    struct gw_err err = {0};
    (void)state;
    struct fake *f = fake_start(refused);
    assert_int_equal(gw_connect(f->path, &gw, &err), -GW_EUNAVAIL);
    assert_string_equal(err.text, "too many");
    assert_true(fake_stop(f));
    f = fake_start(ended);
    assert_int_equal(gw_connect(f->path, &gw, NULL), 0);
    memset(&err, 0, sizeof err);
    assert_int_equal(gw_request(gw, "jobs", json_object(), NULL, &err), -GW_EUNAVAIL);
    assert_string_equal(err.text, "too many");
    gw_close(gw);
    assert_true(fake_stop(f));
}

static void answers_in_another_order_reach_their_requests(void **state)
{
    static const struct fake_step steps[] = {
        {FAKE_ACCEPT, NULL},
        {FAKE_EXPECT, "watch"},
        {FAKE_EXPECT, "jobs"},
        {FAKE_SEND, "{\"id\":@jobs,\"ok\":true,\"who\":\"jobs\"}"},
        {FAKE_SEND, "{\"id\":@watch,\"ok\":true,\"who\":\"watch\"}"},
        {FAKE_EXPECT, "hosts"},
        {FAKE_SEND, "{\"id\":@watch,\"event\":{\"seq\":1}}"},
        {FAKE_SEND, "{\"id\":@watch,\"event\":{\"seq\":2}}"},
        {FAKE_SEND, "{\"id\":@hosts,\"ok\":true}"},
        {0}};
    struct fake *f = fake_start(steps);
    struct gw *gw;
    json_t *answer;
    (void)state;
    assert_int_equal(gw_connect(f->path, &gw, NULL), 0);
    int64_t watch = gw_start(gw, "watch", json_object(), NULL),
            jobs = gw_start(gw, "jobs", json_object(), NULL);
    assert_true(watch > 0 && jobs > watch);
    assert_int_equal(gw_answer(gw, watch, &answer, NULL), 0);
    assert_string_equal(gw_text(answer, "who", ""), "watch");
    json_decref(answer);
    assert_int_equal(gw_answer(gw, jobs, &answer, NULL), 0);
    assert_string_equal(gw_text(answer, "who", ""), "jobs");
    json_decref(answer);
    assert_int_equal(gw_request(gw, "hosts", json_object(), NULL, NULL), 0);
    for (int seq = 1; seq <= 2; seq++) {
        assert_int_equal(gw_next(gw, watch, -1, &answer, NULL), 1);
        assert_int_equal(gw_int(gw_object(answer, "event"), "seq", 0), seq);
        json_decref(answer);
    }
    assert_int_equal(gw_next(gw, watch, 0, &answer, NULL), 0);
    gw_close(gw);
    assert_true(fake_stop(f));
}

static void a_line_beyond_the_limit_ends_the_connection(void **state)
{
    static const struct fake_step steps[] = {
        {FAKE_ACCEPT, NULL}, {FAKE_EXPECT, "jobs"}, {FAKE_FLOOD, NULL}, {0}};
    struct fake *f = fake_start(steps);
    struct gw *gw;
    struct gw_err err = {0};
    (void)state;
    assert_int_equal(gw_connect(f->path, &gw, NULL), 0);
    assert_int_equal(gw_request(gw, "jobs", json_object(), NULL, &err), -GW_EPROTO);
    assert_non_null(strstr(err.text, "16777216"));
    assert_int_equal(gw_request(gw, "jobs", json_object(), NULL, &err), -GW_EUNAVAIL);
    gw_close(gw);
    fake_stop(f);
}

static void a_daemon_that_went_away_raises_no_signal(void **state)
{
    static const struct fake_step steps[] = {{FAKE_ACCEPT, NULL}, {FAKE_CLOSE, NULL}, {0}};
    struct fake *f = fake_start(steps);
    struct gw *gw;
    struct gw_err err = {0};
    (void)state;
    assert_int_equal(gw_connect(f->path, &gw, NULL), 0);
    fake_join(f); /* it has closed the connection now */
    assert_int_equal(gw_request(gw, "jobs", json_object(), NULL, &err), -GW_EUNAVAIL);
    assert_non_null(strstr(err.text, "lost"));
    gw_close(gw);
    assert_true(fake_stop(f));
}

static void an_answer_lost_with_the_connection_is_an_error_and_the_next_one_serves(void **state)
{
    static const struct fake_step steps[] = {{FAKE_ACCEPT, NULL},
                                             {FAKE_EXPECT, "jobs"},
                                             {FAKE_CLOSE, NULL},
                                             {FAKE_ACCEPT, NULL},
                                             {FAKE_EXPECT, "jobs"},
                                             {FAKE_SEND, "{\"id\":@jobs,\"ok\":true}"},
                                             {0}};
    struct fake *f = fake_start(steps);
    struct gw *gw;
    struct gw_err err = {0};
    (void)state;
    assert_int_equal(gw_connect(f->path, &gw, NULL), 0);
    assert_int_equal(gw_request(gw, "jobs", json_object(), NULL, &err), -GW_EUNAVAIL);
    assert_non_null(strstr(err.text, "lost"));
    assert_int_equal(gw_reconnect(gw, 0, &err), 0);
    assert_int_equal(gw_request(gw, "jobs", json_object(), NULL, &err), 0);
    gw_close(gw);
    assert_true(fake_stop(f));
}

static void an_answer_that_does_not_come_leaves_the_outcome_unknown(void **state)
{
    static const struct fake_step steps[] = {{FAKE_ACCEPT, NULL}, {FAKE_EXPECT, "wish"}, {0}};
    struct fake *f = fake_start(steps);
    struct gw *gw;
    struct gw_err err = {0};
    uint64_t id = 12;
    (void)state;
    assert_int_equal(gw_connect(f->path, &gw, NULL), 0);
    gw_set_timeout_ms(gw, 20);
    assert_int_equal(gw_wish(gw, "gone", &id, 1, 0, false, NULL, &err), -GW_ETIMEDOUT);
    assert_non_null(strstr(err.text, "unknown"));
    gw_close(gw);
    assert_true(fake_stop(f));
}

static void another_instance_at_the_same_socket_is_not_taken_for_the_first(void **state)
{
    static const struct fake_step steps[] = {{FAKE_ACCEPT, NULL},
                                             {FAKE_CLOSE, NULL},
                                             {FAKE_ACCEPT, "{\"protocol\":1,\"instance\":\"J\"}"},
                                             {0}};
    struct fake *f = fake_start(steps);
    struct gw *gw;
    struct gw_err err = {0};
    (void)state;
    assert_int_equal(gw_connect(f->path, &gw, NULL), 0);
    assert_int_equal(gw_reconnect(gw, 0, &err), -GW_ESTATE);
    gw_close(gw);
    assert_true(fake_stop(f));
}

static void typed_access_never_trusts_a_type(void **state)
{
    json_t *o = json_loads(
        "{\"s\":\"x\",\"i\":5,\"d\":1.5,\"b\":true,\"n\":null,\"a\":[],\"o\":{}}", 0, NULL);
    (void)state;
    assert_string_equal(gw_text(o, "s", "?"), "x");
    assert_string_equal(gw_text(o, "i", "?"), "?");
    assert_int_equal(gw_int(o, "i", -1), 5);
    assert_int_equal(gw_int(o, "d", -1), -1);
    assert_true(gw_number(o, "d", 0) == 1.5 && gw_number(o, "i", 0) == 5 &&
                gw_number(o, "s", -1) == -1);
    assert_true(gw_bool(o, "b", false));
    assert_false(gw_bool(o, "i", false));
    assert_true(gw_is_null(o, "n") && gw_is_null(o, "absent") && !gw_is_null(o, "i"));
    assert_null(gw_array(o, "o"));
    assert_non_null(gw_array(o, "a"));
    assert_null(gw_object(o, "a"));
    assert_int_equal(gw_int(NULL, "i", -1), -1);
    json_decref(o);
}

static void base_64_decodes_what_is_well_formed_only(void **state)
{
    static const struct {
        const char *text, *bytes; /* NULL: malformed */
    } cases[] = {{"", ""},          {"Zg==", "f"},        {"Zm8=", "fo"},
                 {"Zm9v", "foo"},   {"Zm9vYg==", "foob"}, {"Zg=", NULL},
                 {"Zg", NULL},      {"====", NULL},       {"Z===", NULL},
                 {"Zm9\n", NULL},   {"Zg==Zg==", NULL},   {"Z-9v", NULL},
                 {"Zm9vZ===", NULL}};
    (void)state;
    for (size_t i = 0; i < GW_COUNT(cases); i++) {
        struct buf out = BUF_INIT;
        bool is_good = base64_decode(cases[i].text, strlen(cases[i].text), &out);
        assert_int_equal(is_good, cases[i].bytes != NULL);
        assert_string_equal(buf_str(&out), cases[i].bytes ? cases[i].bytes : "");
        if (is_good) {
            char *again = base64_encode(buf_str(&out), out.len);
            assert_string_equal(again, cases[i].text);
            free(again);
        }
        buf_clear(&out);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_request_gets_its_answer),
        cmocka_unit_test(where_no_daemon_is_the_error_names_the_socket),
        cmocka_unit_test(a_socket_name_that_the_system_cannot_hold_is_refused),
        cmocka_unit_test(the_default_socket_is_found_in_order),
        cmocka_unit_test(a_greeting_that_is_not_ours_is_refused),
        cmocka_unit_test(a_refusal_has_the_code_and_the_diagnostics),
        cmocka_unit_test(the_last_words_of_the_daemon_reach_the_caller),
        cmocka_unit_test(answers_in_another_order_reach_their_requests),
        cmocka_unit_test(a_line_beyond_the_limit_ends_the_connection),
        cmocka_unit_test(a_daemon_that_went_away_raises_no_signal),
        cmocka_unit_test(an_answer_lost_with_the_connection_is_an_error_and_the_next_one_serves),
        cmocka_unit_test(an_answer_that_does_not_come_leaves_the_outcome_unknown),
        cmocka_unit_test(another_instance_at_the_same_socket_is_not_taken_for_the_first),
        cmocka_unit_test(typed_access_never_trusts_a_type),
        cmocka_unit_test(base_64_decodes_what_is_well_formed_only),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
