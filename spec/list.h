/* Lists inside a template value: entries with commas between, words with blanks between.
 *
 *   a, b c, 'a name with, blanks', A="x \"y\""
 *
 * Anywhere in a word '...' holds all but ' (written '' there), and "..." all but " and \ (written
 * \" and \\ there). Pure. */
#ifndef SPEC_LIST_H
#define SPEC_LIST_H

#include "lib/diag.h"

#include <stdbool.h>
#include <stddef.h>

struct list_word {
    char *text;          /* without quotes */
    size_t from, length; /* bytes of the value, with quotes */
};

struct list_entry {
    struct list_word *words; /* at least one */
    size_t n;
    size_t from, length;
};

struct list {
    struct list_entry *entries;
    size_t n;
};

/* Parse `value`; without `has_commas` all of it is one entry. An empty value has no entries.
 * Mistakes (a quote that is not closed, nothing between two commas) are reported, and the list is
 * what was understood. Returns 0 or -GW_EINVAL. */
int list_parse(const char *value, bool has_commas, struct list *ret, diag_report report, void *ctx);
void list_clear(struct list *list);

#endif
