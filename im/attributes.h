/* Attribute files of the static information driver: what a person writes about a host. */
#ifndef IM_ATTRIBUTES_H
#define IM_ATTRIBUTES_H

#include "lib/buf.h"
#include "lib/err.h"

#include <stdbool.h>
#include <stddef.h>

/* Read NAME=integer, NAME="text", NAME[i]=... and NAME= , blank or newline separated, with #
 * comments to the end of a line, and append them to `out` as one line of docs/PROTOCOL section 4.
 * `file` is for the message: "hosts/a.attr:3: ...". At the first mistake -GW_EINVAL, and `out` is
 * unchanged. */
int attributes_parse(const char *text, size_t len, const char *file, struct buf *out,
                     struct gw_err *err);

/* Append to the line `now` a clearing NAME= for each name of the line `before` that it lacks: who
 * reads both lines merges them, so that an attribute that was taken out of its file would stay for
 * ever. Both come from attributes_parse. */
void attributes_clear_gone(const char *before, struct buf *now);

bool attributes_is_host_name(const char *name); /* letters, digits, '.', '-', '_'; at most 253 */

/* Append NAME="value"; what cannot stand in a text (quotes, control characters) becomes a blank. */
void attributes_put_text(struct buf *out, const char *name, const char *value);
void attributes_put_number(struct buf *out, const char *name, unsigned long long value);

#endif
