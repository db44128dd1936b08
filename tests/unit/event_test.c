/* The stored form of events: what is written is read back, and nothing else is taken for an event.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "gwd/model/event.h"
#include "lib/mem.h"

#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

static const char *const texts[] = {"", "a", "host.example.org", "zwei Wörter\nund mehr\x01"};
static const uint64_t numbers[] = {0, 1, 127, 128, 1u << 31, INT64_MAX, UINT64_MAX};
static const int64_t signed_numbers[] = {0, 1, -1, 63, -64, INT64_MAX, INT64_MIN};

static const struct event_kind_info *kind_at(size_t *it)
{
    while (*it < 256) {
        const struct event_kind_info *info = event_kind_info((unsigned)(*it)++);
        if (info)
            return info;
    }
    return NULL;
}

/* An event of a kind with the n-th of the values above in all its fields, differing from field to
 * field. */
static struct event example(const struct event_kind_info *info, size_t n)
{
    struct event ev = {.kind = info->kind, .at_us = signed_numbers[n % GW_COUNT(signed_numbers)]};
    size_t n_fields;
    const struct event_field *fields = event_fields(&n_fields);
    for (size_t i = 0; i < n_fields; i++) {
        void *value = (char *)&ev + fields[i].offset;
        if (!(info->fields & UINT64_C(1) << (fields[i].id - 1)))
            continue;
        switch (fields[i].type) {
        case EVENT_U:
            *(uint64_t *)value = numbers[(n + i) % GW_COUNT(numbers)];
            break;
        case EVENT_I:
            *(int64_t *)value = signed_numbers[(n + i) % GW_COUNT(signed_numbers)];
            break;
        case EVENT_S:
            *(const char **)value = (n + i) % 5 == 4 ? NULL : texts[(n + i) % 5];
            break;
        }
    }
    return ev;
}

static bool fields_are_equal(const struct event *a, const struct event *b)
{
    size_t n;
    const struct event_field *fields = event_fields(&n);
    if (a->kind != b->kind || a->at_us != b->at_us)
        return false;
    for (size_t i = 0; i < n; i++) {
        const void *x = (const char *)a + fields[i].offset, *y = (const char *)b + fields[i].offset;
        if (fields[i].type != EVENT_S) {
            if (memcmp(x, y, sizeof(uint64_t)) != 0)
                return false;
            continue;
        }
        const char *s = *(const char *const *)x, *t = *(const char *const *)y;
        if (!s != !t || (s && strcmp(s, t) != 0))
            return false;
    }
    return true;
}

static void an_event_of_each_kind_is_read_back_as_it_was(void **state)
{
    (void)state;
    const struct event_kind_info *info;
    size_t n_kinds = 0;
    for (size_t it = 0; (info = kind_at(&it)); n_kinds++)
        for (size_t n = 0; n < 35; n++) {
            struct event ev = example(info, n), back;
            struct event_arena arena = {0};
            struct buf b = BUF_INIT;
            event_encode(&ev, &b);
            assert_int_equal(event_decode(b.data, b.len, &back, &arena, NULL), b.len);
            assert_true(fields_are_equal(&ev, &back));
            event_arena_clear(&arena);
            buf_clear(&b);
        }
    assert_int_equal(n_kinds, 28);
}

static void events_one_after_the_other_are_read_one_by_one(void **state)
{
    (void)state;
    struct buf b = BUF_INIT;
    const struct event_kind_info *info;
    struct event_arena arena = {0};
    size_t at = 0;
    for (size_t it = 0; (info = kind_at(&it));) {
        struct event ev = example(info, it);
        event_encode(&ev, &b);
    }
    for (size_t it = 0; (info = kind_at(&it));) {
        struct event back;
        long used = event_decode(b.data + at, b.len - at, &back, &arena, NULL);
        assert_true(used > 0);
        assert_int_equal(back.kind, info->kind);
        at += (size_t)used;
    }
    assert_int_equal(at, b.len);
    event_arena_clear(&arena);
    buf_clear(&b);
}

static void every_truncation_is_refused_and_names_what_is_cut(void **state)
{
    (void)state;
    const struct event_kind_info *info;
    for (size_t it = 0; (info = kind_at(&it));)
        for (size_t n = 0; n < 7; n++) {
            struct event ev = example(info, n), back = {.seq = 77};
            struct buf b = BUF_INIT;
            event_encode(&ev, &b);
            for (size_t len = 0; len < b.len; len++) {
                /* A copy of just this size, so that a read beyond it is seen. */
                char *part = xmalloc(len ? len : 1);
                memcpy(part, b.data, len);
                struct event_arena arena = {0};
                struct gw_err err = {0};
                assert_int_equal(event_decode(part, len, &back, &arena, &err), -GW_ECORRUPT);
                assert_true(err.text[0]);
                assert_int_equal(back.seq, 77);
                event_arena_clear(&arena);
                free(part);
            }
            buf_clear(&b);
        }
}

/* Whatever is taken for an event must be one: its own stored form is read back as the same. */
static void check_changed(const char *data, size_t len)
{
    struct event ev, again;
    struct event_arena arena = {0};
    struct gw_err err = {0};
    long used = event_decode(data, len, &ev, &arena, &err);
    if (used < 0) {
        assert_int_equal(used, -GW_ECORRUPT);
        assert_true(err.text[0]);
    } else {
        struct buf b = BUF_INIT;
        assert_true((size_t)used <= len);
        event_encode(&ev, &b);
        assert_int_equal(event_decode(b.data, b.len, &again, &arena, NULL), b.len);
        assert_true(fields_are_equal(&ev, &again));
        buf_clear(&b);
    }
    event_arena_clear(&arena);
}

static void every_change_of_one_byte_is_refused_or_makes_another_valid_event(void **state)
{
    (void)state;
    const struct event_kind_info *info;
    for (size_t it = 0; (info = kind_at(&it));) {
        struct event ev = example(info, it);
        struct buf b = BUF_INIT;
        event_encode(&ev, &b);
        char *copy = xmalloc(b.len);
        for (size_t i = 0; i < b.len; i++)
            for (int c = 0; c < 256; c++) {
                memcpy(copy, b.data, b.len);
                copy[i] = (char)c;
                check_changed(copy, b.len);
            }
        free(copy);
        buf_clear(&b);
    }
}

static void what_no_version_of_us_wrote_is_refused(void **state)
{
    (void)state;
    static const struct {
        const char *bytes;
        size_t len;
        const char *says;
    } cases[] = {
        {"\x00\x00\x00", 3, "kind 0"},
        {"\x3f\x00\x00", 3, "kind 63"},
        {"\x80\x20\x00\x00", 4, "kind 4096"},
        /* field 1 of state-created; field 32 twice; fields that fall; field 63; a NUL in a text */
        {"\x01\x00\x01\x05\x00", 5, "field 1,"},
        {"\x01\x00\x21\x01\x21\x01\x00", 7, "field 33,"},
        {"\x01\x00\x21\x01\x20\x01x\x00", 8, "field 32,"},
        {"\x01\x00\x3f\x01\x00", 5, "field 63,"},
        {"\x01\x00\x20\x02x\x00\x00", 7, "field instance"},
        /* a text longer than what is there; numbers of more than 64 bits */
        {"\x01\x00\x20\x7fx\x00", 6, "field instance"},
        {"\x01\x00\x20\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01x\x00", 15, "field instance"},
        {"\x01\x00\x21\xff\xff\xff\xff\xff\xff\xff\xff\xff\x02\x00", 14, "field epoch"},
        {"\x01\x00\x21\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01\x00", 15, "field epoch"},
    };
    for (size_t i = 0; i < GW_COUNT(cases); i++) {
        struct event ev;
        struct event_arena arena = {0};
        struct gw_err err = {0};
        assert_int_equal(event_decode(cases[i].bytes, cases[i].len, &ev, &arena, &err),
                         -GW_ECORRUPT);
        if (!strstr(err.text, cases[i].says))
            fail_msg("case %zu: \"%s\" does not name \"%s\"", i, err.text, cases[i].says);
        event_arena_clear(&arena);
    }
}

static void names_and_numbers_of_kinds_and_fields_are_given_once(void **state)
{
    (void)state;
    const struct event_kind_info *a, *b;
    size_t n;
    const struct event_field *fields = event_fields(&n);
    for (size_t it = 0; (a = kind_at(&it));)
        for (size_t other = it; (b = kind_at(&other));)
            assert_string_not_equal(a->name, b->name);
    for (size_t i = 0; i < n; i++)
        assert_int_equal(fields[i].id, i + 1);
    assert_null(event_kind_info(0));
    assert_null(event_kind_info(63));
    assert_null(event_kind_info(UINT32_MAX));
}

/* Numbers are stored: whoever changes one breaks the states that are out there. */
static void the_stored_form_is_the_one_of_the_first_version(void **state)
{
    (void)state;
    struct buf b = BUF_INIT;
    struct event ev = {.kind = EV_RESULTS_ACCEPTED,
                       .at_us = 1,
                       .job = 300,
                       .task = 2,
                       .attempt = 1,
                       .exit_code = -1};
    event_encode(&ev, &b);
    static const char expected[] = "\x0a\x02\x01\xac\x02\x02\x02\x03\x01\x0d\x01\x00";
    assert_int_equal(b.len, sizeof expected - 1);
    assert_memory_equal(b.data, expected, b.len);
    buf_clear(&b);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(an_event_of_each_kind_is_read_back_as_it_was),
        cmocka_unit_test(events_one_after_the_other_are_read_one_by_one),
        cmocka_unit_test(every_truncation_is_refused_and_names_what_is_cut),
        cmocka_unit_test(every_change_of_one_byte_is_refused_or_makes_another_valid_event),
        cmocka_unit_test(what_no_version_of_us_wrote_is_refused),
        cmocka_unit_test(names_and_numbers_of_kinds_and_fields_are_given_once),
        cmocka_unit_test(the_stored_form_is_the_one_of_the_first_version),
    };
    return cmocka_run_group_tests_name("event", tests, NULL, NULL);
}
