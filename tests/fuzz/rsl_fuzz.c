/* RSL: what is decoded is encoded to something that is decoded to the same.
 *
 * fuzz: max_len=512 */
#include "spec/rsl.h"
#include "tests/fuzz/fuzz.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct rsl r, again;
    struct buf first = BUF_INIT, second = BUF_INIT;
    struct gw_err err;
    if (rsl_decode((const char *)data, size, &r, &err) < 0) {
        const char *at = strstr(err.text, "byte ");
        FUZZ_CHECK(*err.text && (!at || strtoul(at + 5, NULL, 10) <= size + 1));
        return 0;
    }
    rsl_encode(&r, &first);
    if (first.len <= RSL_TEXT_MAX) {
        if (rsl_decode(first.data, first.len, &again, &err) < 0)
            abort();
        rsl_encode(&again, &second);
        if (first.len != second.len || memcmp(first.data, second.data, first.len) != 0)
            abort();
        rsl_clear(&again);
    }
    rsl_clear(&r);
    buf_clear(&first);
    buf_clear(&second);
    return 0;
}
