/* Times as GridWay's tables show them. */
#ifndef CLI_MOMENT_H
#define CLI_MOMENT_H

#include <stdbool.h>

enum { MOMENT_MAX = 32 };

/* Local time "HH:MM:SS", with a date "dd/mm HH:MM:SS"; "--:--:--" for a time that is not known (<=
 * 0). */
const char *moment_clock(double seconds, bool has_date, char text[MOMENT_MAX]);
const char *moment_span(double seconds, char text[MOMENT_MAX]); /* "H:MM:SS" */

#endif
