#include "lib/utf8.h"

#include "lib/mem.h"

#include <stdbool.h>
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

/* C0, DEL and C1: the last are what some terminals take for escape sequences. */
static bool is_control(const char *p)
{
    unsigned char c = (unsigned char)p[0];
    return c < 0x20 || c == 0x7f || (c == 0xc2 && (unsigned char)p[1] < 0xa0);
}

void utf8_clean(char *text)
{
    size_t left = strlen(text);
    for (char *p = text; left;) {
        size_t n = utf8_length(p, left);
        bool is_bad = n == 0 || is_control(p);
        n = n ? n : 1;
        if (is_bad)
            memset(p, '?', n);
        p += n;
        left -= n;
    }
}
