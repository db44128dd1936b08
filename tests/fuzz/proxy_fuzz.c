/* Files of credentials: what is taken for one says whose it is and until when, in one line.
 *
 * fuzz: max_len=4096 */
#include "wire/proxy.h"
#include "tests/fuzz/fuzz.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct proxy p = {0};
    struct gw_err err = {0};
    if (proxy_decode(data, size, &p, &err) < 0) {
        FUZZ_CHECK(*err.text && !p.identity && !p.issuer);
        return 0;
    }
    FUZZ_CHECK(p.identity && p.issuer && memmem(data, size, "PRIVATE KEY", 11));
    FUZZ_CHECK(fuzz_is_clean(p.identity, strlen(p.identity), ""));
    FUZZ_CHECK(fuzz_is_clean(p.issuer, strlen(p.issuer), ""));
    proxy_clear(&p);
    return 0;
}
