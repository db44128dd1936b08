/* The lines of docs/PROTOCOL: requests as text, answers as parts. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "gwd/daemon/driver_line.h"
#include "lib/mem.h"

#include <stdlib.h>
#include <string.h>

static char nothing[] = "-", url[] = "file:///a b%c", path[] = "/spool/1.0.1/job.rsl",
            place[] = "localhost/fork";

static void a_request_is_the_line_that_the_protocol_shows(void **state)
{
    (void)state;
    static char src[] = "file:///in", dst[] = "gsiftp://h/~/out", exec[] = "X", offset[] = "4096";
    static const struct {
        enum driver_kind kind;
        const char *verb, *handle;
        uint64_t number;
        char *args[3];
        const char *line;
    } cases[] = {
        {DRIVER_EM,
         "SUBMIT",
         "12",
         0,
         {place, path},
         "SUBMIT 12 localhost/fork /spool/1.0.1/job.rsl\n"},
        {DRIVER_EM, "POLL", "12", 0, {0}, "POLL 12 - -\n"},
        {DRIVER_EM, "POLL", "-", 0, {0}, "POLL - - -\n"},
        {DRIVER_EM, "RECOVER", "7", 0, {NULL, path}, "RECOVER 7 - /spool/1.0.1/job.rsl\n"},
        {DRIVER_EM, "FINALIZE", "-", 0, {0}, "FINALIZE - - -\n"},
        {DRIVER_TM, "START", "12", 0, {0}, "START 12 - - - -\n"},
        {DRIVER_TM, "MKDIR", "12", 0, {NULL, dst, NULL}, "MKDIR 12 - - gsiftp://h/~/out -\n"},
        {DRIVER_TM, "CP", "12", 3, {exec, src, dst}, "CP 12 3 X file:///in gsiftp://h/~/out\n"},
        {DRIVER_TM, "CP", "12", 0, {NULL, src, dst}, "CP 12 0 - file:///in gsiftp://h/~/out\n"},
        {DRIVER_TM, "STAT", "12", 0, {NULL, src, NULL}, "STAT 12 0 - file:///in -\n"},
        {DRIVER_TM,
         "TAIL",
         "12",
         9,
         {offset, src, dst},
         "TAIL 12 9 4096 file:///in gsiftp://h/~/out\n"},
        {DRIVER_TM, "FINALIZE", "-", 0, {0}, "FINALIZE - - - - -\n"},
        {DRIVER_IM, "DISCOVER", "-", 0, {0}, "DISCOVER - - -\n"},
        {DRIVER_IM, "MONITOR", "4", 0, {place}, "MONITOR 4 localhost/fork -\n"},
    };
    for (size_t i = 0; i < GW_COUNT(cases); i++) {
        struct buf b = BUF_INIT;
        struct gw_err err = {0};
        assert_int_equal(driver_line_encode(cases[i].kind, cases[i].verb, cases[i].handle,
                                            cases[i].number, cases[i].args, false, &b, &err),
                         0);
        assert_string_equal(buf_str(&b), cases[i].line);
        buf_clear(&b);
    }
}

static void a_blank_is_encoded_for_a_driver_that_takes_it_and_refused_for_another(void **state)
{
    (void)state;
    char *args[3] = {NULL, url, NULL};
    struct buf b = BUF_INIT;
    struct gw_err err = {0};
    assert_int_equal(driver_line_encode(DRIVER_TM, "MKDIR", "1", 0, args, true, &b, &err), 0);
    assert_string_equal(buf_str(&b), "MKDIR 1 - - file:///a%20b%25c -\n");
    assert_int_equal(driver_line_encode(DRIVER_TM, "MKDIR", "1", 0, args, false, &b, &err),
                     -GW_EINVAL);
    assert_non_null(strstr(err.text, "file:///a b%c"));
    /* What was in the buffer before stays there alone. */
    assert_string_equal(buf_str(&b), "MKDIR 1 - - file:///a%20b%25c -\n");
    buf_clear(&b);
}

static void no_field_can_make_a_second_line(void **state)
{
    (void)state;
    for (int c = 1; c < 256; c++) {
        char text[] = {'f', (char)c, 'g', '\0'}, *args[3] = {NULL, text, NULL};
        struct buf b = BUF_INIT;
        struct gw_err err = {0};
        bool is_special = c <= ' ' || c == 0x7f;
        assert_int_equal(driver_line_encode(DRIVER_TM, "MKDIR", "1", 0, args, false, &b, &err),
                         is_special ? -GW_EINVAL : 0);
        buf_reset(&b);
        assert_int_equal(driver_line_encode(DRIVER_TM, "MKDIR", "1", 0, args, true, &b, &err), 0);
        assert_ptr_equal(strchr(b.data, '\n'), b.data + b.len - 1);
        size_t n_blanks = 0;
        for (const char *p = b.data; *p; p++)
            n_blanks += *p == ' ';
        assert_int_equal(n_blanks, 5);
        buf_clear(&b);
    }
}

static void a_request_longer_than_a_line_is_refused(void **state)
{
    (void)state;
    for (size_t len = DRIVER_LINE_MAX - 20; len < DRIVER_LINE_MAX + 20; len++) {
        char *text = xmalloc(len + 1), *args[3] = {NULL, text, NULL};
        memset(text, 'x', len);
        text[len] = '\0';
        struct buf b = BUF_INIT;
        struct gw_err err = {0};
        int r = driver_line_encode(DRIVER_TM, "MKDIR", "1", 0, args, false, &b, &err);
        size_t whole = strlen("MKDIR 1 - -  -\n") + len;
        assert_int_equal(r, whole <= DRIVER_LINE_MAX ? 0 : -GW_EINVAL);
        assert_int_equal(b.len, r == 0 ? whole : 0);
        buf_clear(&b);
        free(text);
    }
}

static void an_answer_is_cut_into_its_parts(void **state)
{
    (void)state;
    static const struct {
        enum driver_kind kind;
        const char *line, *verb, *handle;
        uint64_t number;
        bool is_success;
        const char *text;
    } cases[] = {
        {DRIVER_EM, "SUBMIT 12 SUCCESS https://c:1/2", "SUBMIT", "12", 0, true, "https://c:1/2"},
        {DRIVER_EM, "SUBMIT 12 FAILURE io:site it is  broken ", "SUBMIT", "12", 0, false,
         "io:site it is  broken"},
        {DRIVER_EM, "CALLBACK 1 SUCCESS DONE:7", "CALLBACK", "1", 0, true, "DONE:7"},
        {DRIVER_EM, "CANCEL 1 SUCCESS -", "CANCEL", "1", 0, true, "-"},
        {DRIVER_EM, "CANCEL 1 SUCCESS", "CANCEL", "1", 0, true, ""},
        {DRIVER_EM, "CANCEL   1   SUCCESS  ", "CANCEL", "1", 0, true, ""},
        {DRIVER_EM, "POLL - SUCCESS -", "POLL", "-", 0, true, "-"},
        {DRIVER_TM, "START 5 - SUCCESS -", "START", "5", 0, true, "-"},
        {DRIVER_TM, "CP 5 17 FAILURE no-input:job x", "CP", "5", 17, false, "no-input:job x"},
        {DRIVER_TM, "STAT 5 0 SUCCESS 100 1767225600", "STAT", "5", 0, true, "100 1767225600"},
        {DRIVER_TM, "INIT - - SUCCESS - gw1:pct,stat", "INIT", "-", 0, true, "- gw1:pct,stat"},
        {DRIVER_IM, "MONITOR 0 SUCCESS A=1 B=\"x y\"", "MONITOR", "0", 0, true, "A=1 B=\"x y\""},
        {DRIVER_IM, "DISCOVER - SUCCESS a b c", "DISCOVER", "-", 0, true, "a b c"},
    };
    for (size_t i = 0; i < GW_COUNT(cases); i++) {
        struct driver_line l;
        char *line = xstrdup(cases[i].line);
        assert_int_equal(driver_line_decode(cases[i].kind, line, &l, NULL), 0);
        assert_string_equal(l.verb, cases[i].verb);
        assert_string_equal(l.handle, cases[i].handle);
        assert_int_equal(l.number, cases[i].number);
        assert_int_equal(l.is_success, cases[i].is_success);
        assert_string_equal(l.text, cases[i].text);
        free(line);
    }
}

static void a_line_that_is_no_answer_is_refused(void **state)
{
    (void)state;
    static const struct {
        enum driver_kind kind;
        const char *line;
    } cases[] = {
        {DRIVER_EM, ""},
        {DRIVER_EM, "   "},
        {DRIVER_EM, "SUBMIT"},
        {DRIVER_EM, "SUBMIT 1"},
        {DRIVER_EM, "SUBMIT 1 success x"},
        {DRIVER_EM, "SUBMIT 1 SUCCESSFUL x"},
        {DRIVER_EM, "SUBMIT 1 - SUCCESS x"},
        {DRIVER_TM, "CP 1 SUCCESS -"},
        {DRIVER_TM, "CP 1 x SUCCESS -"},
        {DRIVER_TM, "CP 1 -1 SUCCESS -"},
        {DRIVER_TM, "CP 1 4294967296 SUCCESS -"},
        {DRIVER_TM, "CP 1 99999999999999999999 SUCCESS -"},
        {DRIVER_TM, "START 1 -"},
    };
    for (size_t i = 0; i < GW_COUNT(cases); i++) {
        struct driver_line l = {0};
        struct gw_err err = {0};
        char *line = xstrdup(cases[i].line);
        assert_int_equal(driver_line_decode(cases[i].kind, line, &l, &err), -GW_EPROTO);
        assert_int_equal(err.code, GW_EPROTO);
        assert_true(err.text[0]);
        assert_null(l.verb);
        free(line);
    }
}

static void features_are_those_of_the_last_word_of_the_init_answer(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        unsigned features;
    } cases[] = {
        {"", 0},
        {nothing, 0},
        {"GridWay's text gw1 pct", 0},
        {"gw1:", 0},
        {"gw1:pct", FEATURE_PCT},
        {"gw1:unheard-of,pct,,stat", FEATURE_PCT | FEATURE_STAT},
        {"- gw1:pct,stat,atomic,tail", FEATURE_PCT | FEATURE_STAT | FEATURE_ATOMIC | FEATURE_TAIL},
        {"gw1:pct yes", 0},
        {"gw1:pctx,pc", 0},
    };
    for (size_t i = 0; i < GW_COUNT(cases); i++)
        assert_int_equal(driver_line_features(cases[i].text), cases[i].features);
}

static void each_kind_of_driver_is_offered_what_concerns_it(void **state)
{
    (void)state;
    static const char *const offers[DRIVER_KINDS] = {
        [DRIVER_IM] = "gw1:pct,blame",
        [DRIVER_TM] = "gw1:pct,handles,blame,stat,atomic,tail,progress,credential,small,"
                      "tail-inline",
        [DRIVER_EM] =
            "gw1:pct,handles,recover-token,idempotent,commit,poll-all,blame,credential,bare,"
            "inline",
    };
    for (int kind = 0; kind < DRIVER_KINDS; kind++) {
        struct buf b = BUF_INIT;
        driver_line_offer((enum driver_kind)kind, &b);
        assert_string_equal(buf_str(&b), offers[kind]);
        /* A driver that takes up all of it is understood. */
        assert_true(driver_line_features(buf_str(&b)) & FEATURE_PCT);
        buf_clear(&b);
    }
}

static void any_line_is_cut_up_or_refused_without_harm(void **state)
{
    (void)state;
    static const char alphabet[] = "CP SUCCESS-0123 \xff\x01gw1:";
    uint64_t x = 0x9e3779b97f4a7c15;
    for (int round = 0; round < 20000; round++) {
        char text[41];
        size_t len = round % (sizeof text - 1);
        for (size_t i = 0; i < len; i++) {
            x ^= x << 13;
            x ^= x >> 7;
            x ^= x << 17;
            text[i] = alphabet[x % (sizeof alphabet - 1)];
        }
        text[len] = '\0';
        char *line = xstrdup(text);
        struct driver_line l;
        driver_line_features(line);
        if (driver_line_decode((enum driver_kind)(x % DRIVER_KINDS), line, &l, NULL) == 0) {
            assert_true(*l.verb && *l.handle);
            assert_true(l.text >= line && l.text + strlen(l.text) <= line + len);
        }
        free(line);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_request_is_the_line_that_the_protocol_shows),
        cmocka_unit_test(a_blank_is_encoded_for_a_driver_that_takes_it_and_refused_for_another),
        cmocka_unit_test(no_field_can_make_a_second_line),
        cmocka_unit_test(a_request_longer_than_a_line_is_refused),
        cmocka_unit_test(an_answer_is_cut_into_its_parts),
        cmocka_unit_test(a_line_that_is_no_answer_is_refused),
        cmocka_unit_test(features_are_those_of_the_last_word_of_the_init_answer),
        cmocka_unit_test(each_kind_of_driver_is_offered_what_concerns_it),
        cmocka_unit_test(any_line_is_cut_up_or_refused_without_harm),
    };
    return cmocka_run_group_tests_name("driver_line", tests, NULL, NULL);
}
