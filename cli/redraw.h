/* -c DELAY: show again whenever something changed, at most once in DELAY seconds. */
#ifndef CLI_REDRAW_H
#define CLI_REDRAW_H

#include "client/gw.h"

#include <stdbool.h>

/* Shows once: 0, or the exit code after the error was said; *ret_seq: what was shown is as of this
 * event. */
typedef int (*redraw_show)(struct gw *gw, const void *ctx, int64_t *ret_seq);

/* Show until the daemon is gone for good or an answer is an error; the exit code. With is_periodic
 * also every `delay_ms`, for what changes without an event. */
int redraw(struct gw *gw, int64_t delay_ms, bool is_periodic, redraw_show show, const void *ctx);

#endif
