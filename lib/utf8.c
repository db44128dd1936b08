#include "lib/utf8.h"

#include "lib/mem.h"

#include <string.h>

size_t utf8_length(const char *text, size_t left)
{
    static const struct {
        unsigned char first, last, low, high; /* of the first byte; of the second */
        unsigned char length;
    } forms[] = {{0xc2, 0xdf, 0x80, 0xbf, 2}, {0xe0, 0xe0, 0xa0, 0xbf, 3},
                 {0xe1, 0xec, 0x80, 0xbf, 3}, {0xed, 0xed, 0x80, 0x9f, 3},
                 {0xee, 0xef, 0x80, 0xbf, 3}, {0xf0, 0xf0, 0x90, 0xbf, 4},
                 {0xf1, 0xf3, 0x80, 0xbf, 4}, {0xf4, 0xf4, 0x80, 0x8f, 4}};
    const unsigned char *p = (const unsigned char *)text;
    if (!left || p[0] < 0x80)
        return left && p[0];
    for (size_t i = 0; i < GW_COUNT(forms); i++) {
        if (p[0] < forms[i].first || p[0] > forms[i].last)
            continue;
        size_t n = forms[i].length;
        if (n > left || p[1] < forms[i].low || p[1] > forms[i].high)
            return 0;
        for (size_t k = 2; k < n; k++)
            if ((p[k] & 0xc0) != 0x80)
                return 0;
        return n;
    }
    return 0;
}

size_t utf8_harmless_length(const char *p, size_t left)
{
    size_t n = utf8_length(p, left);
    unsigned char c = n ? (unsigned char)p[0] : 0;
    return c < 0x20 || c == 0x7f || (c == 0xc2 && (unsigned char)p[1] < 0xa0) ? 0 : n;
}

void utf8_clean(char *text)
{
    size_t left = strlen(text), n;
    for (char *p = text; left; p += n, left -= n) {
        n = utf8_harmless_length(p, left);
        if (n == 0)
            p[n++] = '?';
    }
}
