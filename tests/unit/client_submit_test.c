/* Submission happens once, whatever becomes of the connection. */
#include "client/gw.h"
#include "tests/unit/fake_gwd.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

static const struct gw_submission one = {
    .template = "EXECUTABLE = a\n", .file = "a.jt", .home = "/h", .priority = -1};

#define TAKEN "{\"id\":@submit,\"ok\":true,\"job\":12,\"tasks\":1,\"array\":null,\"warnings\":[]}"

static void a_submission_sends_what_was_asked_and_no_more(void **state)
{
    static const struct fake_step steps[] = {
        {FAKE_ACCEPT, NULL},
        {FAKE_EXPECT, "submit"},
        {FAKE_SEND, TAKEN},
        {FAKE_EXPECT, "submit"},
        {FAKE_SEND, "{\"id\":@submit,\"ok\":true,\"job\":20,\"tasks\":3,\"array\":4}"},
        {0}};
    struct fake *f = fake_start(steps);
    struct gw *gw;
    struct gw_submitted sub;
    uint64_t depends[] = {3, 4};
    (void)state;
    assert_int_equal(gw_connect(f->path, &gw, NULL), 0);
    assert_int_equal(gw_submit(gw, &one, 0, &sub, NULL), 0);
    assert_int_equal(sub.job, 12);
    assert_false(sub.is_array);
    json_t *r = fake_request(f, 0);
    assert_string_equal(gw_text(r, "template", ""), one.template);
    assert_string_equal(gw_text(r, "key", ""), sub.key);
    assert_true(strlen(sub.key) > 32); /* random, and counted */
    assert_true(gw_is_null(r, "tasks") && gw_is_null(r, "array") && gw_is_null(r, "priority") &&
                gw_is_null(r, "depends"));
    json_decref(sub.warnings);

    struct gw_submission many = one;
    many.is_array = true;
    many.tasks = 3;
    many.start = -5;
    many.increment = 2;
    many.is_held = true;
    many.priority = 7;
    many.depends = depends;
    many.n_depends = 2;
    many.key = "mine";
    assert_int_equal(gw_submit(gw, &many, 0, &sub, NULL), 0);
    assert_true(sub.is_array && sub.array == 4 && sub.tasks == 3);
    r = fake_request(f, 1);
    assert_string_equal(gw_text(r, "key", ""), "mine");
    assert_int_equal(gw_int(r, "start", 0), -5);
    assert_int_equal(gw_int(r, "priority", 0), 7);
    assert_true(gw_bool(r, "hold", false));
    assert_int_equal(json_array_size(gw_array(r, "depends")), 2);
    gw_close(gw);
    assert_true(fake_stop(f));
}

static void a_lost_answer_is_asked_for_again_with_the_same_key(void **state)
{
    static const struct fake_step steps[] = {{FAKE_ACCEPT, NULL},
                                             {FAKE_EXPECT, "submit"},
                                             {FAKE_CLOSE, NULL},
                                             {FAKE_ACCEPT, NULL},
                                             {FAKE_EXPECT, "submit"},
                                             {FAKE_SEND, TAKEN},
                                             {0}};
    struct fake *f = fake_start(steps);
    struct gw *gw;
    struct gw_submitted sub;
    (void)state;
    assert_int_equal(gw_connect(f->path, &gw, NULL), 0);
    assert_int_equal(gw_submit(gw, &one, 1000, &sub, NULL), 0);
    assert_int_equal(sub.job, 12);
    assert_string_equal(gw_text(fake_request(f, 0), "key", "a"),
                        gw_text(fake_request(f, 1), "key", "b"));
    json_decref(sub.warnings);
    gw_close(gw);
    assert_true(fake_stop(f));
}

static void an_answer_lost_twice_leaves_the_key_with_the_user(void **state)
{
    static const struct fake_step steps[] = {{FAKE_ACCEPT, NULL},
                                             {FAKE_EXPECT, "submit"},
                                             {FAKE_CLOSE, NULL},
                                             {FAKE_ACCEPT, NULL},
                                             {FAKE_EXPECT, "submit"},
                                             {FAKE_CLOSE, NULL},
                                             {0}};
    struct fake *f = fake_start(steps);
    struct gw *gw;
    struct gw_submitted sub;
    struct gw_err err = {0};
    (void)state;
    assert_int_equal(gw_connect(f->path, &gw, NULL), 0);
    assert_int_equal(gw_submit(gw, &one, 1000, &sub, &err), -GW_EUNAVAIL);
    assert_non_null(strstr(err.text, "unknown whether"));
    assert_non_null(strstr(err.text, gw_text(fake_request(f, 0), "key", "no key")));
    gw_close(gw);
    assert_true(fake_stop(f));
}

static void a_refusal_is_not_asked_again(void **state)
{
    static const struct fake_step steps[] = {
        {FAKE_ACCEPT, NULL},
        {FAKE_EXPECT, "submit"},
        {FAKE_SEND, "{\"id\":@submit,\"ok\":false,\"error\":{\"code\":\"unavailable\",\"message\":"
                    "\"later\"}}"},
        {0}};
    struct fake *f = fake_start(steps);
    struct gw *gw;
    struct gw_submitted sub;
    struct gw_err err = {0};
    (void)state;
    assert_int_equal(gw_connect(f->path, &gw, NULL), 0);
    assert_int_equal(gw_submit(gw, &one, 1000, &sub, &err), -GW_EUNAVAIL);
    assert_string_equal(err.text, "later");
    gw_close(gw);
    assert_true(fake_stop(f));
}

static void an_answer_without_a_job_is_a_fault_of_the_daemon(void **state)
{
    static const struct fake_step steps[] = {
        {FAKE_ACCEPT, NULL},
        {FAKE_EXPECT, "submit"},
        {FAKE_SEND, "{\"id\":@submit,\"ok\":true,\"job\":\"12\"}"},
        {0}};
    struct fake *f = fake_start(steps);
    struct gw *gw;
    struct gw_submitted sub;
    (void)state;
    assert_int_equal(gw_connect(f->path, &gw, NULL), 0);
    assert_int_equal(gw_submit(gw, &one, 0, &sub, NULL), -GW_EPROTO);
    gw_close(gw);
    assert_true(fake_stop(f));
}

static void what_is_not_utf_8_is_never_sent(void **state)
{
    static const struct fake_step steps[] = {{FAKE_ACCEPT, NULL}, {0}};
    struct fake *f = fake_start(steps);
    struct gw *gw;
    struct gw_submitted sub;
    struct gw_submission bad = one;
    (void)state;
    bad.template = "EXECUTABLE = \xff\n";
    assert_int_equal(gw_connect(f->path, &gw, NULL), 0);
    assert_int_equal(gw_submit(gw, &bad, 0, &sub, NULL), -GW_EINVAL);
    gw_close(gw);
    assert_true(fake_stop(f));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_submission_sends_what_was_asked_and_no_more),
        cmocka_unit_test(a_lost_answer_is_asked_for_again_with_the_same_key),
        cmocka_unit_test(an_answer_lost_twice_leaves_the_key_with_the_user),
        cmocka_unit_test(a_refusal_is_not_asked_again),
        cmocka_unit_test(an_answer_without_a_job_is_a_fault_of_the_daemon),
        cmocka_unit_test(what_is_not_utf_8_is_never_sent),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
