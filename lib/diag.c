#include "lib/diag.h"

#include "lib/mem.h"
#include "lib/utf8.h"

#include <ctype.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

enum { SHOWN_MAX = 120, SHOWN_BEFORE = 60 };

void diags_init(struct diags *d, const char *file, const char *source)
{
    *d = (struct diags){.file = xstrdup(file), .source = xstrdup(source)};
}

void diags_clear(struct diags *d)
{
    for (size_t i = 0; i < d->n; i++) {
        free(d->items[i].text);
        free(d->items[i].hint);
    }
    free(d->items);
    free(d->file);
    free(d->source);
    *d = (struct diags){0};
}

static char *clean(char *text)
{
    if (text)
        utf8_clean(text);
    return text;
}

void diags_add(struct diags *d, enum diag_severity severity, struct place at, const char *hint,
               const char *fmt, ...)
{
    d->errors += severity == DIAG_ERROR;
    if (d->n == DIAGS_MAX) {
        d->dropped++;
        return;
    }
    struct buf text = BUF_INIT;
    va_list ap;
    va_start(ap, fmt);
    buf_vprintf(&text, fmt, ap);
    va_end(ap);
    d->items = xreallocarray(d->items, d->n + 1, sizeof *d->items);
    d->items[d->n++] = (struct diag){severity, at, clean(buf_take(&text)), clean(xstrdup(hint))};
}

bool diags_is_full(const struct diags *d)
{
    return d->n == DIAGS_MAX;
}

const struct diag *diags_first_error(const struct diags *d)
{
    for (size_t i = 0; i < d->n; i++)
        if (d->items[i].severity == DIAG_ERROR)
            return &d->items[i];
    return NULL;
}

static bool is_after(const struct place *a, const struct place *b)
{
    return a->line != b->line ? a->line > b->line : a->column > b->column;
}

/* By insertion: they are few, nearly in order, and equal places keep their order. */
void diags_sort(struct diags *d)
{
    for (size_t i = 1; i < d->n; i++) {
        struct diag one = d->items[i];
        size_t k = i;
        for (; k && is_after(&d->items[k - 1].place, &one.place); k--)
            d->items[k] = d->items[k - 1];
        d->items[k] = one;
    }
}

/* The line as bytes, without its end; NULL when the source has not so many. */
static const char *find_line(const char *source, unsigned line, size_t *ret_len)
{
    const char *p = source;
    for (unsigned i = 1; p && i < line; i++) {
        p = strchr(p, '\n');
        p = p ? p + 1 : NULL;
    }
    if (!p)
        return NULL;
    *ret_len = strcspn(p, "\n");
    if (*ret_len && p[*ret_len - 1] == '\r')
        --*ret_len;
    return p;
}

static bool is_continuation(char c)
{
    return ((unsigned char)c & 0xc0) == 0x80;
}

/* Which bytes [*from, *to) of a line are shown: all, or those around `column`, whole characters. */
static void choose_part(const char *line, size_t len, size_t column, size_t *from, size_t *to)
{
    *from = 0;
    *to = len;
    if (len <= SHOWN_MAX)
        return;
    *from = column > SHOWN_BEFORE ? column - SHOWN_BEFORE : 0;
    while (*from && is_continuation(line[*from]))
        --*from;
    if (len - *from > SHOWN_MAX)
        *to = *from + SHOWN_MAX;
    while (*to < len && is_continuation(line[*to]))
        ++*to;
}

static void put_source_line(struct buf *out, const char *line, size_t from, size_t to, size_t len)
{
    char *part = xmemdup0(line + from, to - from);
    for (char *p = part; (p = strchr(p, '\t')); p++)
        *p = ' ';
    utf8_clean(part);
    for (size_t i = from; i < to; i++)
        if (line[i] == '\t')
            part[i - from] = '\t';
    buf_printf(out, "%s%s%s\n", from ? "..." : "", part, to < len ? "..." : "");
    free(part);
}

static void put_caret_line(struct buf *out, const char *line, size_t from, size_t to,
                           const struct place *at)
{
    size_t start = at->column - 1;
    buf_puts(out, from ? "   " : "");
    for (size_t i = from; i < start && i < to; i++)
        if (!is_continuation(line[i]))
            buf_putc(out, line[i] == '\t' ? '\t' : ' ');
    buf_putc(out, '^');
    for (size_t i = start + 1; i < to && i < start + at->length; i++)
        if (!is_continuation(line[i]))
            buf_putc(out, '~');
}

struct colours {
    const char *bold, *severity[2], *caret, *off;
};

static void put_source(const struct diags *d, const struct place *at, const struct colours *c,
                       struct buf *out)
{
    size_t len, from, to;
    const char *line = d->source ? find_line(d->source, at->line, &len) : NULL;
    if (!line || at->column == 0 || at->column - 1 > len)
        return;
    choose_part(line, len, at->column - 1, &from, &to);
    buf_printf(out, "%5u | ", at->line);
    put_source_line(out, line, from, to, len);
    buf_printf(out, "      | %s", c->caret);
    put_caret_line(out, line, from, to, at);
    buf_printf(out, "%s\n", c->off);
}

static void print_one(const struct diags *d, const struct diag *g, const struct colours *c,
                      struct buf *out)
{
    static const char *const severities[] = {"error", "warning"};
    buf_printf(out, "%s%s:", c->bold, d->file);
    if (g->place.line)
        buf_printf(out, "%u:%u:", g->place.line, g->place.column);
    buf_printf(out, "%s %s%s:%s %s\n", c->off, c->severity[g->severity], severities[g->severity],
               c->off, g->text);
    if (g->place.line)
        put_source(d, &g->place, c, out);
    if (g->hint)
        buf_printf(out, "%s: %s\n", d->file, g->hint);
}

void diags_print(const struct diags *d, bool has_colour, struct buf *out)
{
    static const struct colours none = {"", {"", ""}, "", ""};
    static const struct colours all = {
        "\033[1m", {"\033[1;31m", "\033[1;35m"}, "\033[1;32m", "\033[0m"};
    for (size_t i = 0; i < d->n; i++)
        print_one(d, &d->items[i], has_colour ? &all : &none, out);
    if (d->dropped)
        buf_printf(out, "%s: %zu more are not shown\n", d->file, d->dropped);
}

enum { WORD_MAX = 48 };

static bool is_same_letter(char a, char b)
{
    return tolower((unsigned char)a) == tolower((unsigned char)b);
}

static unsigned least(unsigned a, unsigned b)
{
    return a < b ? a : b;
}

/* Damerau-Levenshtein distance, in which case does not count; both words are at most WORD_MAX long.
 * Swapped neighbours are one mistake. */
static unsigned distance(const char *a, size_t n, const char *b, size_t m)
{
    unsigned rows[3][WORD_MAX + 1];
    unsigned *before = rows[0], *last = rows[1], *row = rows[2];
    for (size_t j = 0; j <= m; j++)
        last[j] = (unsigned)j;
    memcpy(before, last, sizeof rows[0]);
    for (size_t i = 1; i <= n; i++) {
        row[0] = (unsigned)i;
        for (size_t j = 1; j <= m; j++) {
            row[j] = least(last[j - 1] + !is_same_letter(a[i - 1], b[j - 1]),
                           least(last[j], row[j - 1]) + 1);
            if (i > 1 && j > 1 && is_same_letter(a[i - 1], b[j - 2]) &&
                is_same_letter(a[i - 2], b[j - 1]))
                row[j] = least(row[j], before[j - 2] + 1);
        }
        unsigned *old = before;
        before = last;
        last = row;
        row = old;
    }
    return last[m];
}

const char *diag_nearest(const char *word, const char *const *names, size_t n)
{
    size_t len = strlen(word);
    unsigned limit = 1 + (unsigned)(len < 3 ? 1 : len / 3); /* what the nearest must be below */
    const char *nearest = NULL;
    if (!len || len > WORD_MAX)
        return NULL;
    for (size_t i = 0; i < n; i++) {
        size_t m = strlen(names[i]), least_cost = len < m ? m - len : len - m;
        unsigned cost =
            least_cost < limit && m <= WORD_MAX ? distance(word, len, names[i], m) : limit;
        if (cost < limit) {
            nearest = names[i];
            limit = cost;
        }
    }
    return nearest;
}
