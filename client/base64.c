#include "client/base64.h"

static int digit(char c)
{
    if (c >= 'A' && c <= 'Z')
        return c - 'A';
    if (c >= 'a' && c <= 'z')
        return c - 'a' + 26;
    if (c >= '0' && c <= '9')
        return c - '0' + 52;
    return c == '+' ? 62 : c == '/' ? 63 : -1;
}

bool base64_decode(const char *text, size_t len, struct buf *out)
{
    size_t pad = len && text[len - 1] == '=' ? 1 + (len > 1 && text[len - 2] == '=') : 0;
    if (len % 4)
        return false;
    buf_reserve(out, len / 4 * 3 + 1);
    size_t before = out->len;
    for (size_t i = 0; i < len; i += 4) {
        size_t n = i + 4 == len ? 4 - pad : 4; /* digits of this group */
        unsigned v = 0;
        for (size_t k = 0; k < 4; k++) {
            int d = k < n ? digit(text[i + k]) : 0;
            if (d < 0) {
                out->len = before;
                out->data[before] = '\0';
                return false;
            }
            v = v << 6 | (unsigned)d;
        }
        char bytes[3] = {(char)(v >> 16), (char)(v >> 8), (char)v};
        buf_put(out, bytes, n - 1);
    }
    return true;
}
