/* Percent-encoding of bytes that a line of fields cannot carry (docs/PROTOCOL). */
#ifndef WIRE_PCT_H
#define WIRE_PCT_H

#include "lib/buf.h"
#include "lib/err.h"

/* Append `text` with blanks, percent signs and control characters as %20 and so on. */
void pct_encode(struct buf *out, const char *text);

/* In place: what is decoded is never longer. -GW_EPROTO: a percent sign without two hexadecimal
 * digits, or %00. */
int pct_decode(char *text, struct gw_err *err);

#endif
