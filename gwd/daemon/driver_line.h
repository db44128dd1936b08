/* The lines of docs/PROTOCOL: a request as text, an answer as parts. Pure; answers are hostile. */
#ifndef GWD_DAEMON_DRIVER_LINE_H
#define GWD_DAEMON_DRIVER_LINE_H

#include "gwd/engine/engine.h"

enum { DRIVER_LINE_MAX = 65536 };

/* One request line with its newline, appended to out. `handle` is the job's or host's number.
 * Returns 0 or -GW_EINVAL when a field cannot be expressed: too long, or with a blank where the
 * driver lacks `pct`. */
int driver_line_encode(enum driver_kind kind, const char *verb, const char *handle, uint64_t number,
                       char *const args[3], bool has_pct, struct buf *out, struct gw_err *err);

struct driver_line {
    char *verb, *handle; /* pointing into the line, which is cut up */
    uint64_t number;     /* TM: of the transfer, 0 if "-" */
    bool is_success;
    char *text; /* the rest, "" if nothing */
};

/* Cut up one line without its newline. -GW_EPROTO: not an answer of such a driver. */
int driver_line_decode(enum driver_kind kind, char *line, struct driver_line *ret,
                       struct gw_err *err);

/* The features in an INIT answer's text ("... gw1:pct,stat"); 0 for a driver that knows none. */
unsigned driver_line_features(const char *text);
void driver_line_offer(enum driver_kind kind, struct buf *out);
const char *driver_kind_name(enum driver_kind kind); /* "im", "tm", "em" */

#endif
