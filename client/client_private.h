/* Inside libgw: the connection's parts. */
#ifndef CLIENT_CLIENT_PRIVATE_H
#define CLIENT_CLIENT_PRIVATE_H

#include "client/gw.h"
#include "lib/buf.h"

enum { LINE_MAX_BYTES = 16 << 20, BACKLOG_MAX_BYTES = 64 << 20 };

/* A line that came before anyone asked for it. */
struct line {
    int64_t id;
    size_t size;
    json_t *object;
    struct line *next;
};

struct gw {
    char *socket;
    int fd; /* -1: lost */
    struct buf in;
    size_t scanned; /* bytes of `in` known to hold no newline */
    json_t *hello;
    char *instance; /* of the first greeting */
    int64_t last_id, timeout_ms;
    struct line *first, **last;
    size_t backlog; /* bytes of the lines kept */
    json_t *refusal;
};

int64_t client_now_ms(void);                 /* a clock that only goes forward */
int64_t client_deadline(int64_t timeout_ms); /* INT64_MAX for -1 */

/* One line of any id until the deadline: 1 and *ret (the caller's), 0 at the deadline, or a
 * negative code. */
int connection_read(struct gw *gw, int64_t deadline_ms, json_t **ret, size_t *ret_size,
                    struct gw_err *err);

/* Send all, reading meanwhile so that neither side waits for the other. */
int connection_write(struct gw *gw, const struct buf *out, struct gw_err *err);

/* Close the socket and forget what was open on it. */
void connection_drop(struct gw *gw);

bool line_is_refusal(const json_t *line); /* "ok" is false */

/* The error of such a line. */
int refusal_take(struct gw *gw, const json_t *line, struct gw_err *err);

#endif
