#include "lib/base64.h"
#include "lib/mem.h"

static const char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

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

char *base64_encode(const void *data, size_t len)
{
    const unsigned char *in = data;
    char *text = xmalloc((len + 2) / 3 * 4 + 1), *p = text;
    for (size_t i = 0; i < len; i += 3) {
        unsigned v = (unsigned)in[i] << 16;
        v |= i + 1 < len ? (unsigned)in[i + 1] << 8 : 0;
        v |= i + 2 < len ? in[i + 2] : 0;
        *p++ = digits[v >> 18];
        *p++ = digits[v >> 12 & 63];
        *p++ = digits[v >> 6 & 63];
        *p++ = digits[v & 63];
    }
    *p = '\0';
    for (size_t pad = (3 - len % 3) % 3; pad > 0; pad--)
        p[-(ptrdiff_t)pad] = '=';
    return text;
}
