/* Stored records: an event that is read has the fields of its kind and no others, and what is
 * written of it is read as the same.
 *
 * fuzz: max_len=512 */
#include "gwd/model/event.h"
#include "tests/fuzz/fuzz.h"

static void check_fields(const struct event *ev)
{
    size_t n;
    const struct event_field *fields = event_fields(&n);
    const struct event_kind_info *info = event_kind_info((unsigned)ev->kind);
    FUZZ_CHECK(info && info->kind == ev->kind);
    for (size_t i = 0; i < n; i++) {
        const char *at = (const char *)ev + fields[i].offset;
        bool is_set = fields[i].type == EVENT_S ? *(const char *const *)at != NULL
                                                : *(const uint64_t *)at != 0;
        FUZZ_CHECK(!is_set || info->fields >> (fields[i].id - 1) & 1);
    }
}

static void check_again(const struct event *ev)
{
    struct buf first = BUF_INIT, second = BUF_INIT;
    struct event_arena arena = {0};
    struct event again;
    event_encode(ev, &first);
    FUZZ_CHECK(event_decode(first.data, first.len, &again, &arena, NULL) == (long)first.len);
    for (size_t cut = 0; cut < first.len; cut += 1 + first.len / 8) /* a part of it is none */
        FUZZ_CHECK(event_decode(first.data, cut, &again, &arena, NULL) < 0);
    event_decode(first.data, first.len, &again, &arena, NULL);
    event_encode(&again, &second);
    FUZZ_CHECK(first.len == second.len && memcmp(first.data, second.data, first.len) == 0);
    FUZZ_CHECK(again.kind == ev->kind && again.at_us == ev->at_us);
    event_arena_clear(&arena);
    buf_clear(&first);
    buf_clear(&second);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct event_arena arena = {0};
    for (size_t at = 0; at < size;) {
        struct event ev;
        struct gw_err err = {0};
        long used = event_decode(data + at, size - at, &ev, &arena, &err);
        if (used < 0) {
            FUZZ_CHECK(used == -GW_ECORRUPT && *err.text);
            break;
        }
        FUZZ_CHECK(used > 0 && (size_t)used <= size - at);
        check_fields(&ev);
        check_again(&ev);
        event_arena_reset(&arena);
        at += (size_t)used;
    }
    event_arena_clear(&arena);
    return 0;
}
