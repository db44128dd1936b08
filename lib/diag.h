/* Diagnostics about a text that a person wrote: all of them in one run, each with its place.
 *
 * Printed as
 *     hello.jt:3:1: error: ARGUMENT is not a variable of a job template
 *         3 | ARGUMENT = 5
 *           | ^~~~~~~~
 *     hello.jt: did you mean ARGUMENTS?                        (the hint, if there is one)
 */
#ifndef LIB_DIAG_H
#define LIB_DIAG_H

#include "lib/buf.h"

#include <stdbool.h>
#include <stddef.h>

enum diag_severity { DIAG_ERROR, DIAG_WARNING };

/* More than this many are counted but not kept: nobody reads them, and a hostile text has millions.
 */
enum { DIAGS_MAX = 200 };

/* A place in a text: first line and column are 1; column and length count bytes. length 0 = the
 * place between characters. line 0 = the text as a whole. */
struct place {
    unsigned line, column, length;
};

struct diag {
    enum diag_severity severity;
    struct place place;
    char *text; /* one sentence without a full stop */
    char *hint; /* or NULL */
};

struct diags {
    char *file;         /* as the user named it */
    char *source;       /* the whole text, for the lines shown; may be NULL */
    struct diag *items; /* in the order of their places after diags_sort() */
    size_t n, errors;   /* errors counts also those that are not kept */
    size_t dropped;     /* not kept */
};

void diags_init(struct diags *d, const char *file, const char *source); /* copies both */
void diags_clear(struct diags *d);

/* Control characters of the text and the hint, which may quote what others wrote, become '?', and
 * so do bytes that are not UTF-8. */
void diags_add(struct diags *d, enum diag_severity severity, struct place at, const char *hint,
               const char *fmt, ...) __attribute__((format(printf, 5, 6)));
void diags_sort(struct diags *d); /* stable */

/* No more are kept: who reads the text can stop. */
bool diags_is_full(const struct diags *d);

/* The first error (not: warning) in the order of items, or NULL. */
const struct diag *diags_first_error(const struct diags *d);

/* Append the printed form of all. Columns shown are those of `place`; tabs keep the caret in its
 * column; control characters of the source and bytes that are not UTF-8 are shown as '?'; of a long
 * line the part around the place is shown. */
void diags_print(const struct diags *d, bool has_colour, struct buf *out);

/* Told by a parser of a stretch of text about bytes [from, from+length) of it; a hint may be NULL.
 */
typedef void (*diag_report)(void *ctx, enum diag_severity severity, size_t from, size_t length,
                            const char *hint, const char *sentence);

/* The name of `names` (n of them) that `word` was most likely meant to be, or NULL: the smallest
 * edit distance, at most a third of the word's length (at least one letter); the first of equals.
 * The case of letters does not count. */
const char *diag_nearest(const char *word, const char *const *names, size_t n);

#endif
