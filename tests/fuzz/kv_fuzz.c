/* KEY = VALUE texts: every byte of a value has a place in the source, and what is printed is
 * harmless.
 *
 * fuzz: max_len=512 */
#include "lib/kv.h"
#include "tests/fuzz/fuzz.h"

static void check_places(const struct diags *d, const struct kv *kv)
{
    struct place last = {0};
    for (size_t i = 0; i <= kv->value_len; i++) {
        struct place at = kv_place(d, kv, i, 1);
        FUZZ_CHECK(at.line >= kv->value_at.line && at.column >= 1);
        FUZZ_CHECK(at.line > last.line || (at.line == last.line && at.column >= last.column));
        last = at;
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    char *source = xmemdup0(data, size);
    struct diags d;
    struct kv_list list;
    diags_init(&d, "f", source);
    FUZZ_CHECK((kv_parse(source, size, &list, &d) < 0) == (d.errors > 0));
    for (size_t i = 0; i < list.n; i++) {
        FUZZ_CHECK(strlen(list.items[i].value) <= list.items[i].value_len && *list.items[i].key);
        check_places(&d, &list.items[i]);
    }
    for (size_t i = 1; i < list.n; i++)
        kv_join(&list.items[0], &list.items[i]);
    if (list.n)
        check_places(&d, &list.items[0]);
    fuzz_check_diags(&d, source, size);
    kv_clear(&list);
    diags_clear(&d);
    free(source);
    return 0;
}
