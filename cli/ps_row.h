/* A job of a listing as gwps shows it. Most are flat and are read where they are, which takes a
 * fraction of the time that making a tree of each takes; the others are read as JSON. */
#ifndef CLI_PS_ROW_H
#define CLI_PS_ROW_H

#include <jansson.h>
#include <stdint.h>

enum { ROW_MEMBERS_MAX = 32 };

struct row {
    struct {
        const char *name, *value; /* a text without its quotes, or a number and what follows it */
        char kind;                /* s, n, 0 (null), b */
    } members[ROW_MEMBERS_MAX];
    size_t n;
    json_t *json; /* of one that is not flat; else NULL */
};

/* Elements of an array with commas between, `len` bytes at `text`; `copy` is the same bytes with a
 * NUL after them, into which the row points until the next call. 1 and the row at *at, which moves
 * on; 0 at the end; -1 for what is no list of objects. */
int row_next(const char *text, char *copy, size_t len, size_t *at, struct row *row);
void row_clear(struct row *row); /* before the next, and at the end */

/* What is absent, null or of another type gives the default. */
const char *row_text(const struct row *row, const char *name, const char *otherwise);
int64_t row_int(const struct row *row, const char *name, int64_t otherwise);
double row_number(const struct row *row, const char *name, double otherwise);

#endif
