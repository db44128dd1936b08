/* JSON text, written straight into a buffer: what is shown often is never a tree.
 *
 * Commas come by themselves: a member or element is preceded by one unless it is the first. `name`
 * is the member's name, plain ASCII that needs no escapes; NULL for an element of an array or for
 * the whole text. */
#ifndef LIB_JSON_WRITE_H
#define LIB_JSON_WRITE_H

#include "lib/buf.h"

#include <stdbool.h>
#include <stdint.h>

void json_begin(struct buf *b, const char *name, char kind); /* kind: '{' or '[' */
void json_end(struct buf *b, char kind);                     /* '}' or ']' */

/* null for NULL and for what is not UTF-8. */
void json_put_text(struct buf *b, const char *name, const char *text);
void json_put_text_n(struct buf *b, const char *name, const char *text, size_t len);
void json_put_int(struct buf *b, const char *name, int64_t value);
void json_put_uint(struct buf *b, const char *name, uint64_t value);
void json_put_real(struct buf *b, const char *name, double value); /* null if it is not finite */
void json_put_bool(struct buf *b, const char *name, bool value);
void json_put_null(struct buf *b, const char *name);
void json_put_raw(struct buf *b, const char *name, const char *json, size_t len); /* JSON already */

/* Microseconds as seconds with all their digits; null for 0. */
void json_put_seconds(struct buf *b, const char *name, int64_t us);

#endif
