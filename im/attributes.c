#include "im/attributes.h"

#include "lib/num.h"

#include <ctype.h>
#include <stdio.h>
#include <string.h>

enum { NAME_MAX_BYTES = 64, LINE_MAX_ATTRIBUTES = 60000, INDEX_MAX = 9999 };

struct scan {
    const char *p, *end;
    unsigned line;
    const char *file;
};

static bool is_name_byte(char c)
{
    return isalnum((unsigned char)c) || c == '_';
}

static int bad(const struct scan *s, struct gw_err *err, const char *expected)
{
    int len = 0;
    while (len < 40 && s->p + len < s->end && s->p[len] != '\n')
        len++;
    return gw_err_set(err, GW_EINVAL, "%s:%u: \"%.*s\": %s", s->file, s->line, len, s->p, expected);
}

static void skip_blanks(struct scan *s)
{
    bool is_comment = false;
    for (; s->p < s->end; s->p++) {
        if (*s->p == '\n') {
            s->line++;
            is_comment = false;
        } else if (*s->p == '#') {
            is_comment = true;
        } else if (!is_comment && *s->p != ' ' && *s->p != '\t' && *s->p != '\r') {
            break;
        }
    }
}

/* NAME or NAME[i]: returns its length, or a negative error. */
static int scan_name(const struct scan *s, struct gw_err *err)
{
    const char *p = s->p;
    while (p < s->end && is_name_byte(*p))
        p++;
    if (p == s->p || isdigit((unsigned char)*s->p) || p - s->p > NAME_MAX_BYTES)
        return bad(s, err, "an attribute name of at most 64 letters, digits and _ was expected");
    if (p < s->end && *p == '[') {
        const char *digits = ++p;
        while (p < s->end && isdigit((unsigned char)*p))
            p++;
        if (p == digits || p - digits > 4 || p == s->end || *p != ']')
            return bad(s, err, "an index from 0 to 9999 in [ ] was expected");
        p++;
    }
    if (p == s->end || *p != '=')
        return bad(s, err, "NAME=value was expected");
    return (int)(p - s->p);
}

/* The value behind '=': returns its length, or a negative error. */
static int scan_value(const struct scan *s, const char *p, struct gw_err *err)
{
    const char *start = p;
    if (p < s->end && *p == '"') {
        for (p++; p < s->end && *p != '"'; p++)
            if ((unsigned char)*p < 0x20 || *p == 0x7f)
                return bad(s, err, "the text has no closing quote, or a control character in it");
        if (p == s->end)
            return bad(s, err, "the text has no closing quote");
        p++;
    } else {
        p += p < s->end && *p == '-';
        const char *digits = p;
        while (p < s->end && isdigit((unsigned char)*p))
            p++;
        if (p - digits > 18 || (p == digits && p != start))
            return bad(s, err, "an integer of at most 18 digits was expected");
    }
    if (p < s->end && !strchr(" \t\r\n#", *p))
        return bad(s, err, "an integer or a text in double quotes was expected after =");
    return (int)(p - start);
}

int attributes_parse(const char *text, size_t len, const char *file, struct buf *out,
                     struct gw_err *err)
{
    struct scan s = {.p = text, .end = text + len, .line = 1, .file = file};
    size_t before = out->len;
    int r = 0;
    for (skip_blanks(&s); r >= 0 && s.p < s.end; skip_blanks(&s)) {
        int name = r = scan_name(&s, err);
        if (r < 0)
            break;
        int value = r = scan_value(&s, s.p + name + 1, err);
        if (r < 0)
            break;
        if (out->len > before)
            buf_putc(out, ' ');
        buf_put(out, s.p, (size_t)(name + 1 + value));
        if (out->len - before > LINE_MAX_ATTRIBUTES)
            r = bad(&s, err, "more than 60000 bytes of attributes");
        s.p += name + 1 + value;
    }
    if (r < 0 && out->data) {
        out->len = before;
        out->data[before] = '\0';
    }
    return r < 0 ? r : 0;
}

/* Past the assignment at p and the blank behind it. */
static const char *next_assignment(const char *p)
{
    p += strcspn(p, "=") + 1;
    p += *p == '"' ? 1 + strcspn(p + 1, "\"") + 1 : strcspn(p, " ");
    return p + (*p == ' ');
}

static bool has_name(const char *line, const char *name, size_t len)
{
    for (; *line; line = next_assignment(line))
        if (strncmp(line, name, len) == 0 && line[len] == '=')
            return true;
    return false;
}

void attributes_clear_gone(const char *before, struct buf *now)
{
    for (; *before; before = next_assignment(before)) {
        size_t len = strcspn(before, "=");
        if (!has_name(buf_str(now), before, len))
            buf_printf(now, "%s%.*s=", now->len ? " " : "", (int)len, before);
    }
}

bool attributes_is_host_name(const char *name)
{
    size_t len = strlen(name);
    for (size_t i = 0; i < len; i++)
        if (!is_name_byte(name[i]) && name[i] != '.' && name[i] != '-')
            return false;
    return len > 0 && len <= 253 && name[0] != '-';
}

void attributes_put_text(struct buf *out, const char *name, const char *value)
{
    buf_printf(out, "%s%s=\"", out->len ? " " : "", name);
    for (; *value; value++)
        buf_putc(out,
                 (unsigned char)*value < 0x20 || *value == '"' || *value == 0x7f ? ' ' : *value);
    buf_putc(out, '"');
}

void attributes_put_number(struct buf *out, const char *name, unsigned long long value)
{
    buf_printf(out, "%s%s=%llu", out->len ? " " : "", name, value);
}
