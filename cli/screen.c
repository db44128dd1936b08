#include "cli/screen.h"

#include <langinfo.h>
#include <locale.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <wchar.h>
#include <wctype.h>

void screen_init(void)
{
    static bool is_done;
    if (!is_done)
        setlocale(LC_CTYPE, "");
    is_done = true;
}

/* Invisible, or changing what stands around them. */
static bool is_treacherous(wchar_t c)
{
    return (c >= 0x200b && c <= 0x200f) || (c >= 0x2028 && c <= 0x202e) ||
           (c >= 0x2060 && c <= 0x206f) || c == 0xfeff;
}

void screen_escape(struct buf *out, const char *text)
{
    /* In a locale without multibyte text nothing but ASCII may pass. */
    bool is_utf8 = strcmp(nl_langinfo(CODESET), "UTF-8") == 0;
    size_t left = strlen(text);
    mbstate_t state = {0};
    while (left > 0) {
        unsigned char byte = (unsigned char)*text;
        wchar_t c = byte;
        size_t n = byte < 0x80 ? 1 : is_utf8 ? mbrtowc(&c, text, left, &state) : (size_t)-1;
        if (n == (size_t)-1 || n == (size_t)-2) {
            buf_printf(out, "\\x%02x", byte);
            state = (mbstate_t){0};
            n = 1;
        } else if (byte < 0x80 ? byte >= 0x20 && byte != 0x7f
                               : iswprint((wint_t)c) && !is_treacherous(c)) {
            buf_put(out, text, n);
        } else {
            buf_printf(out, byte < 0x80 ? "\\x%02x" : "\\u{%04x}", (unsigned)c);
        }
        text += n;
        left -= n;
    }
}

bool screen_has_colour(FILE *to)
{
    const char *no = getenv("NO_COLOR");
    return (!no || !*no) && isatty(fileno(to));
}
