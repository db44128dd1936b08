#include "lib/json_write.h"

#include "lib/utf8.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

static void put_name(struct buf *b, const char *name)
{
    char last = b->len ? b->data[b->len - 1] : '\n';
    size_t len = name ? strlen(name) : 0;
    buf_reserve(b, len + 4);
    char *p = b->data + b->len;
    if (last != '{' && last != '[' && last != '\n')
        *p++ = ',';
    if (name) {
        *p++ = '"';
        memcpy(p, name, len);
        p += len;
        *p++ = '"';
        *p++ = ':';
    }
    *p = '\0';
    b->len = (size_t)(p - b->data);
}

void json_begin(struct buf *b, const char *name, char kind)
{
    put_name(b, name);
    buf_putc(b, kind);
}

void json_end(struct buf *b, char kind)
{
    buf_putc(b, kind);
}

static bool is_plain(unsigned char c)
{
    return c >= 0x20 && c < 0x80 && c != '"' && c != '\\';
}

/* A character that JSON wants escaped. */
static void put_escaped(struct buf *b, char c)
{
    static const char from[] = "\"\\\b\f\n\r\t", to[] = "\"\\bfnrt";
    const char *at = strchr(from, c);
    if (at)
        buf_put(b, (char[2]){'\\', to[at - from]}, 2);
    else
        buf_printf(b, "\\u%04X", (unsigned char)c);
}

/* False when the text is not UTF-8. */
static bool put_characters(struct buf *b, const char *text, size_t len)
{
    for (size_t i = 0; i < len;) {
        size_t n = i;
        while (n < len && is_plain((unsigned char)text[n]))
            n++;
        buf_put(b, text + i, n - i);
        i = n;
        if (i == len)
            return true;
        if ((unsigned char)text[i] < 0x80) {
            if (text[i] == '\0')
                buf_puts(b, "\\u0000");
            else
                put_escaped(b, text[i]);
            i++;
            continue;
        }
        n = utf8_length(text + i, len - i);
        if (n == 0)
            return false;
        buf_put(b, text + i, n);
        i += n;
    }
    return true;
}

void json_put_text_n(struct buf *b, const char *name, const char *text, size_t len)
{
    put_name(b, name);
    size_t at = b->len;
    buf_putc(b, '"');
    if (text && put_characters(b, text, len)) {
        buf_putc(b, '"');
        return;
    }
    b->len = at;
    buf_put(b, "null", 4);
}

void json_put_text(struct buf *b, const char *name, const char *text)
{
    json_put_text_n(b, name, text, text ? strlen(text) : 0);
}

/* printf is half of the cost of a reply whose values are mostly numbers. */
static void put_digits(struct buf *b, uint64_t value, int at_least)
{
    char digits[20], *p = digits + sizeof digits;
    do {
        *--p = (char)('0' + value % 10);
        value /= 10;
        at_least--;
    } while (value || at_least > 0);
    buf_put(b, p, (size_t)(digits + sizeof digits - p));
}

void json_put_uint(struct buf *b, const char *name, uint64_t value)
{
    put_name(b, name);
    put_digits(b, value, 1);
}

void json_put_int(struct buf *b, const char *name, int64_t value)
{
    put_name(b, name);
    if (value < 0)
        buf_putc(b, '-');
    put_digits(b, value < 0 ? -(uint64_t)value : (uint64_t)value, 1);
}

void json_put_real(struct buf *b, const char *name, double value)
{
    char text[32];
    put_name(b, name);
    if (!isfinite(value)) {
        buf_put(b, "null", 4);
        return;
    }
    snprintf(text, sizeof text, "%.17g", value);
    buf_puts(b, text);
    if (!strpbrk(text, ".e"))
        buf_put(b, ".0", 2);
}

void json_put_bool(struct buf *b, const char *name, bool value)
{
    put_name(b, name);
    buf_puts(b, value ? "true" : "false");
}

void json_put_null(struct buf *b, const char *name)
{
    put_name(b, name);
    buf_put(b, "null", 4);
}

void json_put_raw(struct buf *b, const char *name, const char *json, size_t len)
{
    put_name(b, name);
    buf_put(b, json, len);
}

void json_put_seconds(struct buf *b, const char *name, int64_t us)
{
    if (us == 0) {
        json_put_null(b, name);
        return;
    }
    uint64_t whole = us < 0 ? -(uint64_t)us : (uint64_t)us;
    put_name(b, name);
    if (us < 0)
        buf_putc(b, '-');
    put_digits(b, whole / 1000000, 1);
    buf_putc(b, '.');
    put_digits(b, whole % 1000000, 6);
}
