#include "cli/table.h"
#include "cli/screen.h"
#include "lib/mem.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <wchar.h>

struct table {
    struct table_column *columns;
    size_t *widths;         /* on the screen */
    size_t n_columns, next; /* cells of the last row */
    bool has_header, is_begun;
    struct buf text; /* the cells, each with a NUL */
    size_t n_cells;
};

struct table *table_create(const struct table_column *columns, size_t n, bool has_header)
{
    struct table *t = xcalloc(1, sizeof *t);
    screen_init();
    t->columns = xcalloc(n, sizeof *t->columns);
    memcpy(t->columns, columns, n * sizeof *t->columns);
    t->widths = xcalloc(n, sizeof *t->widths);
    t->n_columns = t->next = n;
    t->has_header = has_header;
    for (size_t i = 0; i < n; i++) {
        size_t least = i + 1 < n || columns[i].is_right ? (size_t)columns[i].width : 0;
        size_t name = strlen(columns[i].name);
        t->widths[i] = name > least ? name : least;
    }
    return t;
}

/* Columns that a cell takes; it is escaped, so that every character has a width. */
static size_t width_of(const char *text, size_t bytes)
{
    wchar_t wide[256];
    mbstate_t state = {0};
    size_t i = 0;
    while (i < bytes && (unsigned char)text[i] < 0x80)
        i++;
    if (i == bytes)
        return bytes;
    size_t width = 0, n;
    while (text && (n = mbsrtowcs(wide, &text, 256, &state)) != (size_t)-1 && n > 0) {
        int w = wcswidth(wide, n);
        width += w > 0 ? (size_t)w : n;
    }
    return width ? width : bytes;
}

/* A row that was left short is filled. */
static void fill(struct table *t)
{
    while (t->next < t->n_columns)
        table_put(t, NULL);
}

void table_row(struct table *t)
{
    fill(t);
    t->next = 0;
}

void table_put(struct table *t, const char *text)
{
    if (t->next == t->n_columns)
        return;
    size_t begin = t->text.len;
    screen_escape(&t->text, text && *text ? text : "--");
    size_t width = width_of(t->text.data + begin, t->text.len - begin);
    if (width > t->widths[t->next])
        t->widths[t->next] = width;
    buf_putc(&t->text, '\0');
    t->next++;
    t->n_cells++;
}

void table_putf(struct table *t, const char *fmt, ...)
{
    char text[256];
    va_list ap;
    va_start(ap, fmt);
    int n = vsnprintf(text, sizeof text, fmt, ap);
    va_end(ap);
    if (n >= 0 && (size_t)n < sizeof text) {
        table_put(t, text);
        return;
    }
    struct buf whole = BUF_INIT;
    va_start(ap, fmt);
    buf_vprintf(&whole, fmt, ap);
    va_end(ap);
    table_put(t, buf_str(&whole));
    buf_clear(&whole);
}

static void pad(struct buf *out, size_t n)
{
    buf_reserve(out, n);
    memset(out->data + out->len, ' ', n);
    out->len += n;
    out->data[out->len] = '\0';
}

/* The next cell of a line; what ends a line is not padded. */
static void put_cell(const struct table *t, struct buf *out, size_t column, const char *text)
{
    size_t len = strlen(text), width = width_of(text, len);
    size_t rest = t->widths[column] > width ? t->widths[column] - width : 0;
    if (column)
        buf_putc(out, ' ');
    if (t->columns[column].is_right)
        pad(out, rest);
    buf_put(out, text, len);
    if (!t->columns[column].is_right && column + 1 < t->n_columns)
        pad(out, rest);
}

static void put_header(const struct table *t, struct buf *out)
{
    bool has_colour = screen_has_colour(stdout);
    if (has_colour)
        buf_puts(out, "\033[1m");
    for (size_t i = 0; i < t->n_columns; i++)
        put_cell(t, out, i, t->columns[i].name);
    if (has_colour)
        buf_puts(out, "\033[0m");
    buf_putc(out, '\n');
}

void table_flush(struct table *t)
{
    struct buf out = BUF_INIT;
    fill(t);
    if (t->has_header && !t->is_begun)
        put_header(t, &out);
    t->is_begun = true;
    const char *cell = buf_str(&t->text);
    for (size_t i = 0; i < t->n_cells; i++) {
        put_cell(t, &out, i % t->n_columns, cell);
        if ((i + 1) % t->n_columns == 0)
            buf_putc(&out, '\n');
        cell += strlen(cell) + 1;
    }
    fwrite(buf_str(&out), 1, out.len, stdout);
    buf_clear(&out);
    buf_reset(&t->text);
    t->n_cells = 0;
}

void table_destroy(struct table *t)
{
    buf_clear(&t->text);
    free(t->columns);
    free(t->widths);
    free(t);
}

void table_print_destroy(struct table *t)
{
    table_flush(t);
    table_destroy(t);
}
