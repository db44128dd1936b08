/* Tables: aligned, cells made safe for a terminal, the header bold on a terminal only. */
#ifndef CLI_TABLE_H
#define CLI_TABLE_H

#include <stdbool.h>
#include <stddef.h>

struct table_column {
    const char *name;
    int width;     /* least; the last column has none */
    bool is_right; /* numbers */
};

struct table;

struct table *table_create(const struct table_column *columns, size_t n, bool has_header);
void table_row(struct table *t);                   /* begin a row */
void table_put(struct table *t, const char *text); /* its next cell; "--" for NULL or "" */
void table_putf(struct table *t, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

/* Print the rows so far to stdout, and forget them: a column is as wide as its widest cell so far.
 */
void table_flush(struct table *t);
void table_destroy(struct table *t);
void table_print_destroy(struct table *t); /* both */

#endif
