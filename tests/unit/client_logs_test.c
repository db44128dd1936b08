/* A job's output arrives whole and in order, also across a restart of the daemon. */
#include "client/gw.h"
#include "tests/unit/fake_gwd.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

static int on_data(void *ctx, uint64_t offset, const void *data, size_t len, struct gw_err *err)
{
    struct buf *got = ctx;
    (void)err;
    buf_printf(got, "[%d:%.*s]", (int)offset, (int)len, (const char *)data);
    return 0;
}

static int stop_at_once(void *ctx, uint64_t offset, const void *data, size_t len,
                        struct gw_err *err)
{
    (void)ctx, (void)offset, (void)data, (void)len;
    return gw_err_set(err, GW_EIO, "full");
}

static void output_goes_on_at_the_offset_after_a_loss(void **state)
{
    static const struct fake_step steps[] = {
        {FAKE_ACCEPT, NULL},
        {FAKE_EXPECT, "logs"},
        {FAKE_SEND, "{\"id\":@logs,\"data\":\"Zm9v\",\"offset\":0}"},
        {FAKE_CLOSE, NULL},
        {FAKE_ACCEPT, NULL},
        {FAKE_EXPECT, "logs"},
        {FAKE_SEND, "{\"id\":@logs,\"data\":\"YmE=\",\"offset\":3}"},
        {FAKE_SEND, "{\"id\":@logs,\"ok\":true,\"end\":true}"},
        {0}};
    struct fake *f = fake_start(steps);
    struct gw *gw;
    struct buf got = BUF_INIT;
    struct gw_logs l = {.job = 12,
                        .stream = "stdout",
                        .is_followed = true,
                        .patience_ms = 1000,
                        .on_data = on_data,
                        .ctx = &got};
    (void)state;
    assert_int_equal(gw_connect(f->path, &gw, NULL), 0);
    assert_int_equal(gw_logs(gw, &l, NULL), 0);
    assert_string_equal(buf_str(&got), "[0:foo][3:ba]");
    assert_int_equal(gw_int(fake_request(f, 1), "offset", 0), 3);
    buf_clear(&got);
    gw_close(gw);
    assert_true(fake_stop(f));
}

static void what_cannot_be_shown_is_an_error(void **state)
{
    static const struct {
        const char *line, *word;
        int code;
    } cases[] = {
        {"{\"id\":@logs,\"ok\":false,\"error\":{\"code\":\"not-found\",\"message\":\"no such "
         "job\"}}",
         "no such job", GW_ENOENT},
        {"{\"id\":@logs,\"data\":\"***\",\"offset\":0}", "base 64", GW_EPROTO},
    };
    (void)state;
    for (size_t i = 0; i < GW_COUNT(cases); i++) {
        const struct fake_step steps[] = {
            {FAKE_ACCEPT, NULL}, {FAKE_EXPECT, "logs"}, {FAKE_SEND, cases[i].line}, {0}};
        struct fake *f = fake_start(steps);
        struct gw *gw;
        struct gw_err err = {0};
        struct gw_logs l = {.job = 12, .stream = "stdout", .on_data = on_data};
        assert_int_equal(gw_connect(f->path, &gw, NULL), 0);
        assert_int_equal(gw_logs(gw, &l, &err), -cases[i].code);
        assert_non_null(strstr(err.text, cases[i].word));
        gw_close(gw);
        assert_true(fake_stop(f));
    }
}

static void the_receiver_may_stop_it(void **state)
{
    static const struct fake_step steps[] = {
        {FAKE_ACCEPT, NULL},
        {FAKE_EXPECT, "logs"},
        {FAKE_SEND, "{\"id\":@logs,\"data\":\"Zm9v\",\"offset\":0}"},
        {0}};
    struct fake *f = fake_start(steps);
    struct gw *gw;
    struct gw_err err = {0};
    struct gw_logs l = {.job = 12,
                        .stream = "stdout",
                        .is_followed = true,
                        .patience_ms = 1000,
                        .on_data = stop_at_once};
    (void)state;
    assert_int_equal(gw_connect(f->path, &gw, NULL), 0);
    assert_int_equal(gw_logs(gw, &l, &err), -GW_EIO);
    assert_string_equal(err.text, "full");
    gw_close(gw);
    assert_true(fake_stop(f));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(output_goes_on_at_the_offset_after_a_loss),
        cmocka_unit_test(what_cannot_be_shown_is_an_error),
        cmocka_unit_test(the_receiver_may_stop_it),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
