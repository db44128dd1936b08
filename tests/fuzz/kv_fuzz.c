/* KEY = VALUE texts: every byte of a value has a place in the source, and what is printed is
 * harmless. */
#include "lib/kv.h"
#include "lib/mem.h"

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check_places(const struct diags *d, const struct kv *kv)
{
    for (size_t i = 0; i <= kv->value_len; i++) {
        struct place at = kv_place(d, kv, i, 1);
        if (at.line < kv->value_at.line || at.column < 1)
            abort();
    }
}

static void check_printed(struct diags *d)
{
    struct buf out = BUF_INIT;
    diags_sort(d);
    diags_print(d, false, &out);
    for (size_t i = 0; i < out.len; i++)
        if ((unsigned char)out.data[i] < 0x20 && out.data[i] != '\n' && out.data[i] != '\t')
            abort();
    buf_clear(&out);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    char *source = xmemdup0(data, size);
    struct diags d;
    struct kv_list list;
    diags_init(&d, "f", source);
    if ((kv_parse(source, size, &list, &d) < 0) != (d.errors > 0))
        abort();
    for (size_t i = 0; i < list.n; i++)
        check_places(&d, &list.items[i]);
    for (size_t i = 1; i < list.n; i++)
        kv_join(&list.items[0], &list.items[i]);
    if (list.n)
        check_places(&d, &list.items[0]);
    check_printed(&d);
    kv_clear(&list);
    diags_clear(&d);
    free(source);
    return 0;
}
