/* State changes as they happen, one line each on stderr. */
#ifndef CLI_PROGRESS_H
#define CLI_PROGRESS_H

#include "lib/buf.h"

#include <jansson.h>
#include <stdbool.h>

/* "12:00:01  12  prolog at localhost"; false, with nothing appended, for an event that people need
 * not see. */
bool progress_words(const json_t *event, struct buf *out);

void progress_event(const json_t *event);
void progress_end(const json_t *job); /* what became of it */

#endif
