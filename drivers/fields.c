#include "drivers/fields.h"

#include "lib/mem.h"
#include "wire/pct.h"

#include <stdlib.h>
#include <string.h>

static int check_bytes(const char *line, size_t len, struct gw_err *err)
{
    for (size_t i = 0; i < len; i++) {
        unsigned char c = (unsigned char)line[i];
        if (c < 0x20 || c == 0x7f)
            return gw_err_set(err, GW_EPROTO, "byte %zu is the control character 0x%02x", i + 1, c);
    }
    return 0;
}

static int cut(struct fields *f, size_t expected, struct gw_err *err)
{
    char *p = f->text;
    for (;;) {
        char *blank = strchr(p, ' ');
        if (blank)
            *blank = '\0';
        if (!*p)
            return gw_err_set(err, GW_EPROTO, "field %zu is empty", f->n + 1);
        if (f->n == expected)
            return gw_err_set(err, GW_EPROTO, "more than the %zu fields expected", expected);
        f->field[f->n++] = p;
        if (!blank)
            break;
        p = blank + 1;
    }
    if (f->n != expected)
        return gw_err_set(err, GW_EPROTO, "%zu fields, %zu expected", f->n, expected);
    return 0;
}

int fields_split(const char *line, size_t len, size_t expected, bool has_pct, struct fields *ret,
                 struct gw_err *err)
{
    if (len && line[len - 1] == '\r')
        len--;
    if (len && line[len - 1] == ' ')
        len--;
    int r = check_bytes(line, len, err);
    if (r < 0)
        return r;
    struct fields f = {.text = xmemdup0(line, len)};
    r = cut(&f, expected, err);
    for (size_t i = 1; r == 0 && has_pct && i < f.n; i++)
        r = pct_decode((char *)f.field[i], err);
    if (r == 0 && f.n > 1 && strlen(f.field[1]) > HANDLE_MAX && strcmp(f.field[0], "INIT") != 0)
        r = gw_err_set(err, GW_EPROTO, "the handle \"%.30s...\" is longer than %d bytes",
                       f.field[1], HANDLE_MAX);
    if (r < 0)
        fields_clear(&f);
    else
        *ret = f;
    return r;
}

void fields_clear(struct fields *f)
{
    free(f->text);
    *f = (struct fields){0};
}

void fields_encode(struct buf *out, const char *text)
{
    for (; *text; text++) {
        unsigned char c = (unsigned char)*text;
        if (c <= 0x20 || c == 0x7f || c == '%')
            buf_printf(out, "%%%02X", c);
        else
            buf_putc(out, (char)c);
    }
}
