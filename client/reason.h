/* Words for reason codes (docs/client-protocol.md, "A reason"). */
#ifndef CLIENT_REASON_H
#define CLIENT_REASON_H

#include "lib/buf.h"

#include <jansson.h>

/* Append why, as one sentence without a full stop; nothing for NULL or null. A code that the table
 * does not know is appended as it is. What came from sites stands in it as it came: not yet safe
 * for a terminal. */
void reason_words(const json_t *reason, struct buf *out);

/* The same of a row of a job's `left`: what is where, and why. */
void reason_left(const json_t *left, struct buf *out);

/* What its reader can do about it, one sentence, or NULL. */
const char *reason_advice(const json_t *reason);

/* Who has to mend it, in words: "the job", "the site", "gwd"; NULL when nobody has. */
const char *reason_blame(const json_t *reason);

#endif
