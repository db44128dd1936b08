/* libgw: the C interface for all that talk to gwd (docs/client-protocol.md).
 *
 * A connection is blocking from outside and used by one thread. The daemon is trusted no more than
 * a file: lines are bounded, every field is looked at with its type. No call raises SIGPIPE. Errors
 * are those of lib/err.h; beside what the daemon answered: -GW_EUNAVAIL   no daemon there, or the
 * connection was lost; err says whether the outcome is known -GW_ETIMEDOUT  no answer within the
 * time limit; the outcome is unknown -GW_EPROTO     the daemon broke the protocol After one of
 * these three the connection serves only gw_reconnect() and gw_close(). */
#ifndef CLIENT_GW_H
#define CLIENT_GW_H

#include "lib/err.h"

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { GW_PROTOCOL_VERSION = 1, GW_ANSWER_TIMEOUT_MS = 60000 };

struct gw;

/* --- connection --- */

/* The socket's name: GW_SOCKET, else $XDG_RUNTIME_DIR/gwd.sock if it exists, else
 * /run/gwd/gwd.sock; malloc'ed. */
char *gw_default_socket(void);

/* Connect and read the greeting. `socket` NULL: the default one. */
int gw_connect(const char *socket, struct gw **ret, struct gw_err *err);
/* The same without waiting for the greeting, which is read with the first answer: requests may be
 * sent at once. What gw_connect() would have found then comes as that answer's error. */
int gw_open(const char *socket, struct gw **ret, struct gw_err *err);
void gw_close(struct gw *gw); /* NULL is fine */

/* Connect again after a loss, trying for at most `patience_ms` with growing pauses (0: once). Open
 * requests and streams are forgotten. -GW_ESTATE when another instance of gwd answers now: ids mean
 * other jobs there. */
int gw_reconnect(struct gw *gw, int64_t patience_ms, struct gw_err *err);

const char *gw_socket(const struct gw *gw);
/* Borrowed, until the next gw_reconnect; after gw_open NULL until the first answer. */
const json_t *gw_hello(const struct gw *gw);
void gw_set_timeout_ms(struct gw *gw, int64_t ms); /* for answers; GW_ANSWER_TIMEOUT_MS at first */

/* --- requests --- */

/* Start a request without waiting: `fields` (taken over) becomes the request object. Returns its id
 * (> 0) or a negative code. */
int64_t gw_start(struct gw *gw, const char *op, json_t *fields, struct gw_err *err);

/* Wait for the answer to `id`. 0 and *ret_answer (the caller's; may be NULL), or a negative code.
 */
int gw_answer(struct gw *gw, int64_t id, json_t **ret_answer, struct gw_err *err);

/* Both at once. */
int gw_request(struct gw *gw, const char *op, json_t *fields, json_t **ret_answer,
               struct gw_err *err);

/* The error object of the last request that the daemon refused, or NULL; borrowed, until the next
 * answer. It has the diagnostics of a refused template. */
const json_t *gw_refusal(const struct gw *gw);

/* The next line of a stream (watch, logs) within `timeout_ms` (-1: no limit; 0: only what is there
 * already). 1 and *ret_line (the caller's), 0 when none came, or a negative code; a line with "ok"
 * false is an error. */
int gw_next(struct gw *gw, int64_t id, int64_t timeout_ms, json_t **ret_line, struct gw_err *err);

/* --- jobs --- */

/* All jobs that fit `filter` (fields of the operation `jobs`; borrowed), in as many answers as it
 * takes. *ret_jobs: an array, the caller's; *ret_seq (may be NULL): each of them is as of this
 * event or later. */
int gw_jobs(struct gw *gw, const json_t *filter, json_t **ret_jobs, int64_t *ret_seq,
            struct gw_err *err);

/* The same a page at a time, so that a listing of any length takes little memory. on_page is given
 * the jobs of an answer as an array or, with is_text, as JSON text: the array's elements with
 * commas between, as gwd wrote them; "" if there are none. Both are lent. Negative (then err is to
 * be set) ends the call and is returned. */
struct gw_listing {
    const json_t *filter;
    bool is_text;
    int (*on_page)(void *ctx, const json_t *jobs, const char *text, size_t len, struct gw_err *err);
    void *ctx;
};
int gw_list(struct gw *gw, const struct gw_listing *l, int64_t *ret_seq, struct gw_err *err);

/* --- submit --- */

struct gw_submission {
    const char *template; /* text, UTF-8 */
    const char *file;     /* its name for messages, or NULL */
    const char *home;     /* absolute */
    uint64_t tasks;       /* 0 counts as 1 */
    bool is_array;
    int64_t start, increment; /* of an array */
    bool is_held;
    int priority; /* -1: the template's */
    const uint64_t *depends;
    size_t n_depends;
    const char *key;        /* submission key; NULL: a new one is made */
    const char *credential; /* absolute path of a proxy certificate; NULL: the owner's usual one */
};

struct gw_submitted {
    uint64_t job, tasks, array; /* array: with is_array */
    bool is_array;
    char key[64];
    json_t *warnings; /* diagnostics; release with json_decref */
};

/* Submit. When the connection is lost before the answer, connects again (for `patience_ms`) and
 * asks once more with the same key, so that a lost answer does not make a second job. If that fails
 * too, err has the key. */
int gw_submit(struct gw *gw, const struct gw_submission *s, int64_t patience_ms,
              struct gw_submitted *ret, struct gw_err *err);

/* A new submission key. */
void gw_new_key(struct gw *gw, char key[64]);

/* Submissions without waiting for each: gw_submit_send() gives the request's id and may keep what
 * it sends until an answer is waited for; answers are best taken in the order of the ids. `key` has
 * to be given: after a loss (of which nobody knows what was taken: gw_reconnect), each that has no
 * answer yet is sent again with its key. A refused one leaves the others alone. Keep some hundred
 * open at most. */
int64_t gw_submit_send(struct gw *gw, const struct gw_submission *s, struct gw_err *err);
int gw_submit_answer(struct gw *gw, int64_t id, struct gw_submitted *ret, struct gw_err *err);

/* --- wishes --- */

/* What the owner wants of jobs, or of a whole array (array > 0, no ids): "gone", "held", "run". The
 * answer has done, pending and refused; the caller's. */
int gw_wish(struct gw *gw, const char *wish, const uint64_t *ids, size_t n, uint64_t array,
            bool is_hard, json_t **ret_answer, struct gw_err *err);

/* --- wait --- */

/* Wait until jobs have ended: nothing is polled, and no end is missed, also across restarts of the
 * daemon. */
struct gw_wait {
    const uint64_t *ids; /* or, with n 0, `array` */
    size_t n;
    uint64_t array;
    int64_t from;        /* number of the first event to tell; 0: those after the call */
    bool is_any;         /* the first end is enough */
    int64_t timeout_ms;  /* -1: none; then -GW_ETIMEDOUT */
    int64_t patience_ms; /* for a daemon that went away to come back */
    void (*on_event)(void *ctx, const json_t *event); /* each may be NULL */
    /* Once for each job, as docs/client-protocol.md shows it: id, phase, ended, exit_code, signal
     * and reason, or all members with is_whole. */
    void (*on_end)(void *ctx, const json_t *job);
    bool is_whole;
    void (*on_lost)(void *ctx, const char *why);
    void (*on_back)(void *ctx);
    void *ctx;
};
int gw_wait(struct gw *gw, const struct gw_wait *w, struct gw_err *err);

/* --- logs --- */

struct gw_logs {
    uint64_t job;
    const char *stream; /* "stdout", "stderr" */
    uint64_t offset;
    bool is_followed;    /* until the job has ended */
    int64_t patience_ms; /* with is_followed: as in gw_wait */
    /* Bytes at `offset`; non-zero ends the call and is returned. */
    int (*on_data)(void *ctx, uint64_t offset, const void *data, size_t len, struct gw_err *err);
    void (*on_lost)(void *ctx, const char *why); /* may be NULL */
    void *ctx;
};
int gw_logs(struct gw *gw, const struct gw_logs *l, struct gw_err *err);

/* --- typed access: what is absent, null or of another type gives the default --- */

const char *gw_text(const json_t *object, const char *name, const char *otherwise);
int64_t gw_int(const json_t *object, const char *name, int64_t otherwise);
double gw_number(const json_t *object, const char *name, double otherwise);
bool gw_bool(const json_t *object, const char *name, bool otherwise);
bool gw_is_null(const json_t *object, const char *name);         /* absent or null */
const json_t *gw_object(const json_t *object, const char *name); /* NULL if it is none */
const json_t *gw_array(const json_t *object, const char *name);  /* NULL if it is none */
bool gw_job_has_ended(const json_t *job);

json_t *gw_ids(const uint64_t *ids, size_t n); /* an array for a request */

#endif
