/* Text for people: what came from jobs and sites may hold anything, a terminal must not act on it.
 */
#ifndef CLI_SCREEN_H
#define CLI_SCREEN_H

#include "lib/buf.h"

#include <stdbool.h>
#include <stdio.h>

/* Take the locale of the environment for texts; once, before the first text is shown. */
void screen_init(void);

/* Append `text` with everything that is not printable in this locale as \xNN (bytes) or \u{NNNN}:
 * control characters, invalid sequences, line separators, characters that turn the direction of
 * writing. */
void screen_escape(struct buf *out, const char *text);

bool screen_has_colour(FILE *to); /* a terminal, and NO_COLOR is not set */

#endif
