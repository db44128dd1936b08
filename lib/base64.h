/* Base 64 (RFC 4648), strict. */
#ifndef LIB_BASE64_H
#define LIB_BASE64_H

#include "lib/buf.h"

#include <stdbool.h>

/* Append what `text` encodes. False, with nothing appended, when it is malformed. */
bool base64_decode(const char *text, size_t len, struct buf *out);
char *base64_encode(const void *data, size_t len); /* malloc'ed */

#endif
