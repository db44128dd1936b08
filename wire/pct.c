#include "wire/pct.h"

#include <stdbool.h>
#include <string.h>

static bool is_plain(unsigned char c)
{
    return c > ' ' && c != 0x7f && c != '%';
}

void pct_encode(struct buf *out, const char *text)
{
    static const char digits[] = "0123456789ABCDEF";
    for (const unsigned char *p = (const unsigned char *)text; *p;) {
        const unsigned char *end = p;
        while (is_plain(*end)) /* as the final NUL is not */
            end++;
        buf_put(out, p, (size_t)(end - p));
        p = end;
        if (*p) {
            const char code[] = {'%', digits[*p >> 4], digits[*p & 15]};
            buf_put(out, code, sizeof code);
            p++;
        }
    }
}

static int hex(char c)
{
    static const char digits[] = "0123456789abcdef0123456789ABCDEF";
    const char *at = c ? strchr(digits, c) : NULL;
    return at ? (int)((at - digits) % 16) : -1;
}

int pct_decode(char *text, struct gw_err *err)
{
    char *to = text;
    for (const char *p = text; *p; p++) {
        if (*p != '%') {
            *to++ = *p;
            continue;
        }
        int high = hex(p[1]), low = high < 0 ? -1 : hex(p[2]);
        if (low < 0 || (high == 0 && low == 0))
            return gw_err_set(err, GW_EPROTO,
                              "\"%.3s\" is not a percent-encoded byte (%%01 to %%FF)", p);
        *to++ = (char)(high * 16 + low);
        p += 2;
    }
    *to = '\0';
    return 0;
}
