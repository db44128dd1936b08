#include "wire/status.h"

#include "lib/mem.h"
#include "lib/num.h"

#include <ctype.h>
#include <inttypes.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { VALUE_MAX = 4096 };

void status_begin(struct buf *out, const char *kind, unsigned version)
{
    buf_printf(out, "%s %u\n", kind, version);
}

/* The cut leaves no half UTF-8 character. */
static size_t cut_length(const char *value)
{
    size_t n = strnlen(value, VALUE_MAX + 1);
    if (n <= VALUE_MAX)
        return n;
    n = VALUE_MAX;
    while (n && ((unsigned char)value[n] & 0xc0) == 0x80)
        n--;
    return n;
}

static bool is_control(char c)
{
    return (unsigned char)c < 0x20 || c == 0x7f;
}

void status_put(struct buf *out, const char *key, const char *value)
{
    buf_printf(out, "%s=", key);
    size_t n = cut_length(value);
    for (size_t i = 0; i < n; i++)
        buf_putc(out, is_control(value[i]) ? ' ' : value[i]);
    buf_putc(out, '\n');
}

void status_end(struct buf *out)
{
    buf_printf(out, "CKSUM=%" PRIu32 " %zu\n", num_cksum(out->data, out->len), out->len);
}

/* Where the CKSUM line begins; NULL unless the text ends in exactly that line and it is true. */
static const char *find_verified_end(const char *data, size_t len)
{
    if (!len || len > STATUS_FILE_MAX || data[len - 1] != '\n' || memchr(data, '\0', len))
        return NULL;
    const char *last = memrchr(data, '\n', len - 1);
    if (!last)
        return NULL;
    size_t body = (size_t)(last + 1 - data);
    char want[64];
    int n = snprintf(want, sizeof want, "CKSUM=%" PRIu32 " %zu\n", num_cksum(data, body), body);
    return (size_t)n == len - body && memcmp(data + body, want, len - body) == 0 ? last + 1 : NULL;
}

static int decode_head(const char *line, size_t n, struct status_file *s, struct gw_err *err)
{
    const char *blank = memchr(line, ' ', n);
    uint64_t version;
    char *number = blank ? xstrndup(blank + 1, n - (size_t)(blank + 1 - line)) : NULL;
    int r = 0;
    if (!blank || (size_t)(blank - line) >= sizeof s->kind ||
        num_parse_u64(number, 1, 1000000, &version, NULL) < 0)
        r = gw_err_set(err, GW_ECORRUPT, "first line \"%.*s\" is not a kind and a version",
                       n > 80 ? 80 : (int)n, line);
    free(number);
    if (r < 0)
        return r;
    memcpy(s->kind, line, (size_t)(blank - line));
    s->kind[blank - line] = '\0';
    s->version = (unsigned)version;
    return 0;
}

static bool is_key(const char *p, size_t n)
{
    for (size_t i = 0; i < n; i++)
        if (!isupper((unsigned char)p[i]) && !isdigit((unsigned char)p[i]) && p[i] != '_')
            return false;
    return n > 0;
}

static int decode_line(const char *line, size_t n, struct status_file *s, struct gw_err *err)
{
    const char *equals = memchr(line, '=', n);
    bool is_good = equals && is_key(line, (size_t)(equals - line));
    for (size_t i = 0; is_good && i < n; i++)
        is_good = !is_control(line[i]);
    if (!is_good)
        return gw_err_set(err, GW_ECORRUPT, "\"%.*s\" is not a line KEY=VALUE",
                          n > 80 ? 80 : (int)n, line);
    s->entries = xreallocarray(s->entries, s->n + 1, sizeof *s->entries);
    s->entries[s->n].key = xstrndup(line, (size_t)(equals - line));
    s->entries[s->n].value = xstrndup(equals + 1, n - (size_t)(equals + 1 - line));
    s->n++;
    return 0;
}

static int decode_lines(const char *p, const char *end, struct status_file *s, struct gw_err *err)
{
    int r = 0;
    for (bool is_head = true; r == 0 && p < end; is_head = false) {
        const char *newline = memchr(p, '\n', (size_t)(end - p));
        size_t n = (size_t)(newline - p);
        r = is_head ? decode_head(p, n, s, err) : decode_line(p, n, s, err);
        p = newline + 1;
    }
    return r;
}

int status_decode(const char *data, size_t len, const char *kind, struct status_file *ret,
                  struct gw_err *err)
{
    const char *end = find_verified_end(data, len);
    if (!end)
        return gw_err_set(err, GW_ECORRUPT, "%zu bytes without a true CKSUM line at their end",
                          len);
    struct status_file s = {0};
    int r = decode_lines(data, end, &s, err);
    if (r == 0 && (strcmp(s.kind, kind) != 0 || s.version != 1))
        r = gw_err_set(err, GW_EPROTO, "this is \"%s %u\", expected \"%s 1\"", s.kind, s.version,
                       kind);
    if (r < 0)
        status_clear(&s);
    else
        *ret = s;
    return r;
}

void status_clear(struct status_file *s)
{
    for (size_t i = 0; i < s->n; i++) {
        free(s->entries[i].key);
        free(s->entries[i].value);
    }
    free(s->entries);
    *s = (struct status_file){0};
}

const char *status_get(const struct status_file *s, const char *key)
{
    for (size_t i = 0; i < s->n; i++)
        if (strcmp(s->entries[i].key, key) == 0)
            return s->entries[i].value;
    return NULL;
}
