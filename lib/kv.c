#include "lib/kv.h"

#include "lib/err.h"
#include "lib/mem.h"
#include "lib/utf8.h"

#include <stdlib.h>
#include <string.h>

struct reader {
    const char *source;
    size_t len, pos;
    unsigned line;
    size_t line_start;
    struct kv_list *list;
    size_t cap; /* of list->items */
    struct diags *d;
};

/* The byte at pos + ahead; a newline stands after the last one. */
static char peek(const struct reader *r, size_t ahead)
{
    return r->pos + ahead < r->len ? r->source[r->pos + ahead] : '\n';
}

static struct place place_at(const struct reader *r, size_t from, size_t length)
{
    return (struct place){r->line, (unsigned)(from - r->line_start + 1), (unsigned)length};
}

static bool is_line_end(const struct reader *r)
{
    return peek(r, 0) == '\n' || (peek(r, 0) == '\r' && peek(r, 1) == '\n');
}

static void skip_blanks(struct reader *r)
{
    while (!is_line_end(r) && strchr(" \t\r\f\v", peek(r, 0)) && peek(r, 0))
        r->pos++;
}

static void skip_line(struct reader *r)
{
    while (peek(r, 0) != '\n')
        r->pos++;
    r->pos++;
    r->line++;
    r->line_start = r->pos;
}

static bool is_name_char(char c, bool is_first)
{
    return (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z') || c == '_' ||
           (!is_first && c >= '0' && c <= '9');
}

/* A value while it is read. */
struct text {
    char *data;
    unsigned *offset;
    size_t len, cap;
};

static void text_put(struct text *t, char c, size_t offset)
{
    if (t->len == t->cap) {
        t->cap = t->cap ? 2 * t->cap : 32;
        t->data = xrealloc(t->data, t->cap);
        t->offset = xreallocarray(t->offset, t->cap, sizeof *t->offset);
    }
    t->data[t->len] = c;
    t->offset[t->len++] = (unsigned)offset;
}

/* To the end of the line or the comment; blanks at the end are not taken. */
static void read_plain(struct reader *r, struct text *t)
{
    size_t start = r->pos, end = start;
    for (; !is_line_end(r); r->pos++) {
        char before = r->pos ? r->source[r->pos - 1] : ' ';
        if (peek(r, 0) == '#' && (before == ' ' || before == '\t'))
            break;
        if (!strchr(" \t\r\f\v", peek(r, 0)) || !peek(r, 0))
            end = r->pos + 1;
    }
    for (size_t i = start; i < end; i++)
        text_put(t, r->source[i], i);
    text_put(t, '\0', end);
    skip_line(r);
}

/* The character that a backslash and `c` stand for; NUL when the backslash stands for itself. */
static char escape(char c)
{
    switch (c) {
    case 'n':
        return '\n';
    case 't':
        return '\t';
    case '"':
    case '\\':
        return c;
    default:
        return '\0';
    }
}

static void expect_line_end(struct reader *r, unsigned first_line)
{
    skip_blanks(r);
    if (!is_line_end(r) && peek(r, 0) != '#') {
        size_t from = r->pos;
        while (!is_line_end(r))
            r->pos++;
        char *hint = first_line == r->line
                         ? xstrdup("write \\\" for a quote inside a quoted value")
                         : xasprintf("the quoted value begins in line %u", first_line);
        diags_add(r->d, DIAG_ERROR, place_at(r, from, r->pos - from), hint,
                  "there is text after the closing quote");
        free(hint);
    }
    skip_line(r);
}

/* From the opening quote on. A quote that is not closed is an error; reading goes on with the next
 * line, so that the other lines are looked at all the same. */
static bool read_quoted(struct reader *r, struct text *t)
{
    struct reader start = *r;
    for (r->pos++; r->pos < r->len && r->source[r->pos] != '"'; r->pos++) {
        char c = r->source[r->pos], escaped = c == '\\' ? escape(peek(r, 1)) : '\0';
        text_put(t, escaped ? escaped : c, r->pos);
        r->pos += escaped != '\0';
        if (c == '\n') {
            r->line++;
            r->line_start = r->pos + 1;
        }
    }
    if (r->pos >= r->len) {
        *r = start;
        diags_add(r->d, DIAG_ERROR, place_at(r, r->pos, 1), NULL, "this quote is not closed");
        skip_line(r);
        return false;
    }
    text_put(t, '\0', r->pos++);
    expect_line_end(r, start.line);
    return true;
}

/* [index], if there is one. */
static bool read_index(struct reader *r, struct kv *kv)
{
    if (peek(r, 0) != '[')
        return true;
    size_t from = r->pos++;
    while (!is_line_end(r) && !strchr("[]=", peek(r, 0)))
        r->pos++;
    if (peek(r, 0) != ']' || r->pos == from + 1) {
        diags_add(r->d, DIAG_ERROR, place_at(r, from, r->pos - from), NULL,
                  "%s[ is not followed by an index and ]", kv->key);
        return false;
    }
    kv->index = xmemdup0(r->source + from + 1, r->pos - from - 1);
    r->pos++;
    return true;
}

static bool read_equals(struct reader *r, struct kv *kv)
{
    skip_blanks(r);
    kv->is_append = peek(r, 0) == '+' && peek(r, 1) == '=';
    if (!kv->is_append && peek(r, 0) != '=') {
        diags_add(r->d, DIAG_ERROR, place_at(r, r->pos, is_line_end(r) ? 0 : 1), NULL,
                  "expected = after %s", kv->key);
        return false;
    }
    r->pos += kv->is_append ? 2 : 1;
    skip_blanks(r);
    return true;
}

static bool read_value(struct reader *r, struct kv *kv)
{
    struct text t = {0};
    struct reader start = *r;
    start.pos += peek(r, 0) == '"';
    bool is_good = true;
    if (peek(r, 0) == '"')
        is_good = read_quoted(r, &t);
    else
        read_plain(r, &t);
    if (!is_good) {
        free(t.data);
        free(t.offset);
        return false;
    }
    kv->value = t.data;
    kv->value_offset = t.offset;
    kv->value_len = t.len - 1;
    size_t end = t.offset[kv->value_len];
    const char *newline = memchr(r->source + start.pos, '\n', end - start.pos);
    if (newline)
        end = (size_t)(newline - r->source);
    kv->value_at = place_at(&start, start.pos, end - start.pos);
    return true;
}

static void kv_free(struct kv *kv)
{
    free(kv->key);
    free(kv->index);
    free(kv->value);
    free(kv->value_offset);
}

static void keep(struct reader *r, const struct kv *kv)
{
    if (r->list->n == r->cap) {
        r->cap = r->cap ? 2 * r->cap : 16;
        r->list->items = xreallocarray(r->list->items, r->cap, sizeof *r->list->items);
    }
    r->list->items[r->list->n++] = *kv;
}

static void read_entry(struct reader *r)
{
    struct kv kv = {0};
    unsigned line = r->line;
    size_t from = r->pos;
    while (is_name_char(peek(r, 0), r->pos == from))
        r->pos++;
    if (r->pos == from) {
        diags_add(r->d, DIAG_ERROR, place_at(r, from, 1), NULL, "expected NAME = VALUE");
        skip_line(r);
        return;
    }
    kv.key = xmemdup0(r->source + from, r->pos - from);
    kv.key_at = place_at(r, from, r->pos - from);
    if (read_index(r, &kv) && read_equals(r, &kv) && read_value(r, &kv)) {
        keep(r, &kv);
        return;
    }
    if (r->line == line && r->pos <= r->len)
        skip_line(r);
    kv_free(&kv);
}

/* The first bad byte of each line is reported. */
static void check_encoding(struct reader r)
{
    while (r.pos < r.len && !diags_is_full(r.d)) {
        size_t n = utf8_length(r.source + r.pos, r.len - r.pos);
        if (n && peek(&r, 0) != '\n') {
            r.pos += n;
            continue;
        }
        if (!n && peek(&r, 0) == '\0')
            diags_add(r.d, DIAG_ERROR, place_at(&r, r.pos, 1), NULL, "there is a NUL byte here");
        else if (!n)
            diags_add(r.d, DIAG_ERROR, place_at(&r, r.pos, 1), NULL,
                      "the byte 0x%02x is not UTF-8 here", (unsigned char)peek(&r, 0));
        skip_line(&r);
    }
}

int kv_parse(const char *source, size_t len, struct kv_list *ret, struct diags *d)
{
    struct reader r = {.source = source, .len = len, .line = 1, .list = ret, .d = d};
    size_t errors = d->errors;
    *ret = (struct kv_list){0};
    if (len > KV_SOURCE_MAX) {
        diags_add(d, DIAG_ERROR, (struct place){0}, NULL, "the text has %zu bytes, more than %d",
                  len, KV_SOURCE_MAX);
        return -GW_EINVAL;
    }
    if (len >= 3 && memcmp(source, "\xef\xbb\xbf", 3) == 0)
        r.pos = 3;
    check_encoding(r);
    r.len = strnlen(source, len); /* kv_place reads a copy that ends at the first NUL */
    while (r.pos < r.len && !diags_is_full(d)) {
        skip_blanks(&r);
        if (is_line_end(&r) || peek(&r, 0) == '#')
            skip_line(&r);
        else
            read_entry(&r);
    }
    return d->errors > errors ? -GW_EINVAL : 0;
}

void kv_clear(struct kv_list *list)
{
    for (size_t i = 0; i < list->n; i++)
        kv_free(&list->items[i]);
    free(list->items);
    *list = (struct kv_list){0};
}

/* An escape is two bytes of the source. */
static size_t char_end(const struct kv *kv, size_t i)
{
    size_t start = kv->value_offset[i];
    return start + (kv->value_offset[i + 1] == start + 2 ? 2 : 1);
}

/* Where the value begins is known, so only the value has to be gone through, not the text before
 * it. */
struct place kv_place(const struct diags *d, const struct kv *kv, size_t from, size_t length)
{
    if (!d->source)
        return kv->value_at;
    from = from < kv->value_len ? from : kv->value_len;
    size_t to = length < kv->value_len - from ? from + length : kv->value_len;
    size_t start = kv->value_offset[from];
    size_t end = to > from ? char_end(kv, to - 1) : start;
    size_t line_start = kv->value_offset[0] + 1 - kv->value_at.column;
    struct place at = {.line = kv->value_at.line};
    const char *newline;
    while ((newline = memchr(d->source + line_start, '\n', start - line_start))) {
        line_start = (size_t)(newline + 1 - d->source);
        at.line++;
    }
    newline = memchr(d->source + start, '\n', end - start);
    if (newline)
        end = (size_t)(newline - d->source);
    at.column = (unsigned)(start - line_start + 1);
    at.length = (unsigned)(end - start);
    return at;
}

void kv_join(struct kv *kv, const struct kv *more)
{
    static const char between[] = ", ";
    size_t gap = kv->value_len && more->value_len ? sizeof between - 1 : 0;
    size_t len = kv->value_len + gap + more->value_len;
    if (!kv->value_len)
        kv->value_at = more->value_at;
    kv->value = xrealloc(kv->value, len + 1);
    kv->value_offset = xreallocarray(kv->value_offset, len + 1, sizeof *kv->value_offset);
    for (size_t i = 0; i < gap; i++) {
        kv->value[kv->value_len + i] = between[i];
        kv->value_offset[kv->value_len + i] = more->value_offset[0];
    }
    memcpy(kv->value + kv->value_len + gap, more->value, more->value_len + 1);
    memcpy(kv->value_offset + kv->value_len + gap, more->value_offset,
           (more->value_len + 1) * sizeof *more->value_offset);
    kv->value_len = len;
}
