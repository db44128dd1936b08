/* One request line of docs/PROTOCOL, taken apart. Pure; the line is hostile. */
#ifndef DRIVERS_FIELDS_H
#define DRIVERS_FIELDS_H

#include "lib/buf.h"
#include "lib/err.h"

#include <stdbool.h>
#include <stddef.h>

enum {
    LINE_MAX_BYTES = 65536, /* with its newline */
    FIELDS_MAX = 6,
    HANDLE_MAX = 20,
};

struct fields {
    const char *field[FIELDS_MAX]; /* [0] the verb, [1] the handle; point into text */
    size_t n;
    char *text;
};

/* Split `line` (len bytes, no newline) at single blanks into exactly `expected` fields; one blank,
 * or a carriage return, at the end is allowed. With `has_pct` each field after the verb is
 * percent-decoded. A NUL byte, given or encoded, an empty field, a control character that is not
 * encoded, a bad %-sequence, a handle that is too long or more or fewer fields: -GW_EPROTO. */
int fields_split(const char *line, size_t len, size_t expected, bool has_pct, struct fields *ret,
                 struct gw_err *err);
void fields_clear(struct fields *f);

/* Append `text` with blanks, '%', control characters and DEL percent-encoded. */
void fields_encode(struct buf *out, const char *text);

#endif
