#include "cli/table.h"
#include "cli/screen.h"
#include "lib/mem.h"

#include <libsmartcols/libsmartcols.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

enum { PIPE_WIDTH = 10000 };

struct table {
    struct libscols_table *scols;
    struct libscols_line *line;
    size_t n_columns, next, n_rows;
    bool has_header;
};

struct table *table_create(const struct table_column *columns, size_t n, bool has_header)
{
    struct table *t = xcalloc(1, sizeof *t);
    bool has_colour = screen_has_colour(stdout);
    screen_init();
    t->scols = scols_new_table();
    t->n_columns = n;
    t->has_header = has_header;
    if (!t->scols)
        abort();
    scols_table_enable_noheadings(t->scols, !has_header);
    scols_table_enable_colors(t->scols, has_colour);
    /* The cells are escaped already, and its own escapes would double every backslash. */
    scols_table_enable_noencoding(t->scols, 1);
    /* In a file or a pipe every column keeps its width: nobody's screen limits it. */
    if (!isatty(STDOUT_FILENO))
        scols_table_set_termwidth(t->scols, PIPE_WIDTH);
    for (size_t i = 0; i < n; i++) {
        /* libsmartcols 2.38 takes its own width hints only now and then; a name of that width
         * always counts. */
        bool is_last = i + 1 == n;
        int width = columns[i].width;
        char *name = xasprintf("%*s",
                               columns[i].is_right ? width
                               : is_last           ? 0
                                                   : -width,
                               columns[i].name);
        struct libscols_column *c =
            scols_table_new_column(t->scols, name, 0, columns[i].is_right ? SCOLS_FL_RIGHT : 0);
        free(name);
        if (!c || (has_colour && scols_cell_set_color(scols_column_get_header(c), "\033[1m") < 0))
            abort();
    }
    return t;
}

void table_row(struct table *t)
{
    t->line = scols_table_new_line(t->scols, NULL);
    t->next = 0;
    t->n_rows++;
    if (!t->line)
        abort();
}

void table_put(struct table *t, const char *text)
{
    struct buf safe = BUF_INIT;
    screen_escape(&safe, text && *text ? text : "--");
    if (t->next < t->n_columns && scols_line_set_data(t->line, t->next, buf_str(&safe)) < 0)
        abort();
    t->next++;
    buf_clear(&safe);
}

void table_putf(struct table *t, const char *fmt, ...)
{
    struct buf text = BUF_INIT;
    va_list ap;
    va_start(ap, fmt);
    buf_vprintf(&text, fmt, ap);
    va_end(ap);
    table_put(t, buf_str(&text));
    buf_clear(&text);
}

/* libsmartcols prints no header for a table without rows; who reads one expects it. */
static void print_header_alone(struct table *t)
{
    struct libscols_iter *it = scols_new_iter(SCOLS_ITER_FORWARD);
    struct libscols_column *c;
    struct buf line = BUF_INIT;
    while (it && scols_table_next_column(t->scols, it, &c) == 0) {
        const char *name = scols_cell_get_data(scols_column_get_header(c));
        buf_printf(&line, "%s%s", line.len ? " " : "", name);
    }
    while (line.len && line.data[line.len - 1] == ' ')
        line.data[--line.len] = '\0';
    puts(buf_str(&line));
    buf_clear(&line);
    scols_free_iter(it);
}

void table_print_destroy(struct table *t)
{
    if (t->n_rows)
        scols_print_table(t->scols);
    else if (t->has_header)
        print_header_alone(t);
    scols_unref_table(t->scols);
    free(t);
}
