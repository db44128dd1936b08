/* Inside libgw: the connection's parts. */
#ifndef CLIENT_CLIENT_PRIVATE_H
#define CLIENT_CLIENT_PRIVATE_H

#include "client/gw.h"
#include "lib/buf.h"

enum {
    LINE_MAX_BYTES = 16 << 20, /* that is read */
    REQUEST_MAX_BYTES = 4 << 20,
    BACKLOG_MAX_BYTES = 64 << 20,
    SEND_AT_BYTES = 32768
};

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
    size_t taken;   /* bytes of `in` that were read already */
    size_t scanned; /* those after them that are known to hold no newline */
    struct buf out; /* requests that wait to be sent */
    bool is_greeted;
    json_t *hello;
    char *instance; /* of the first greeting */
    char key[40];   /* submission keys begin so; "" before the first */
    uint64_t n_keys;
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

/* The same without reading it as JSON: the line, without its newline, is valid until the next
 * call. */
int connection_read_text(struct gw *gw, int64_t deadline_ms, const char **ret, size_t *ret_len,
                         struct gw_err *err);
int connection_parse(struct gw *gw, const char *text, size_t len, json_t **ret, struct gw_err *err);

/* Send gw->out, reading meanwhile so that neither side waits for the other. Whoever reads sends it
 * before he waits. */
int connection_flush(struct gw *gw, struct gw_err *err);

/* Read the greeting, if it has not been. */
int connection_greet(struct gw *gw, struct gw_err *err);

/* An end of a request's line that is in gw->out from `from` on: `fields` are its members so far. */
int64_t request_end(struct gw *gw, size_t from, const char *op, struct gw_err *err);

/* The answer line `id`, or a negative code. */
int answer_check(struct gw *gw, json_t *line, json_t **ret_answer, struct gw_err *err);

/* Close the socket and forget what was open on it. */
void connection_drop(struct gw *gw);

bool line_is_refusal(const json_t *line); /* "ok" is false */

/* The error of such a line. */
int refusal_take(struct gw *gw, const json_t *line, struct gw_err *err);

#endif
