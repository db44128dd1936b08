/* Between the router's files: workers.c (requests in, answers out), worker.c (a worker's life) and
 * handle.c (which handle belongs where). */
#ifndef DRIVERS_WORKERS_PRIVATE_H
#define DRIVERS_WORKERS_PRIVATE_H

#include "drivers/child.h"
#include "drivers/kit.h"
#include "drivers/workers.h"

#include <uthash.h>

/* A handle is open while its worker holds something for it: EM: a job that was submitted and has
 * not ended; TM: from START to END. One that is neither open nor has requests is remembered for a
 * while, the oldest is forgotten first. */
struct handle {
    char name[HANDLE_MAX + 1];
    struct worker *worker;
    bool is_open;
    bool is_over;   /* EM: its end was told; an answer to SUBMIT that comes later opens nothing */
    bool is_broken; /* TM: the worker ended in the middle; the next one is told START first */
    bool is_reopening; /* TM: that START is not answered yet */
    bool is_resting;
    size_t n_pending;
    UT_hash_handle hh;
    struct handle *prev, *next; /* in router.resting */
};

/* Requests that wait for the same answer, "VERB handle" or "VERB handle number". */
struct pending {
    char *key;
    struct handle *handle;
    unsigned n;
    UT_hash_handle hh;
};

struct worker {
    struct router *router;
    char *credential;    /* NULL: the router's own */
    struct child *child; /* NULL: not running */
    struct pending *pending;
    size_t n_handles, n_open, n_pending;
    bool is_up;
    char *how; /* it ended last time; NULL: never badly */
    unsigned bad_ends;
    uint64_t started_ms, not_before_ms, idle_since_ms;
    struct loop_timer *init_timer, *idle_timer;
    uint64_t babble_since_ms;
    unsigned babbles;
    struct worker *prev, *next;
};

struct router {
    struct workers w; /* the defaults are filled in */
    struct kit *kit;
    char **argv; /* of workers */
    struct children children;
    struct worker *workers;
    size_t n_running;
    struct handle *handles;
    struct handle *resting;
    size_t n_resting;
    bool is_ending;
};

/* handle.c */
struct handle *handle_find(struct router *r, const char *name);
/* NULL: too many. */
struct handle *handle_add(struct router *r, const char *name, struct worker *w);
void handle_move(struct handle *h, struct worker *w); /* one that is neither open nor pending */
void handle_open(struct handle *h, bool is_open);
void handle_expect(struct handle *h, const char *key);           /* a request went out */
struct handle *handle_settle(struct worker *w, const char *key); /* NULL: was not expected */
void handle_settled(struct handle *h); /* after all that an answer changed: it may be forgotten */
void handle_remove(struct handle *h);
void handles_clear(struct router *r);

/* worker.c */
struct worker *worker_get(struct router *r, const char *credential); /* running or not */
/* Start it if it does not run. Returns 0, or -GW_EUNAVAIL (a bound: busy), or another code. */
int worker_start(struct worker *w, struct gw_err *err);
void worker_touch(
    struct worker *w); /* what it has to do changed: idle, or no longer, or done with */
void worker_babbled(struct worker *w, const char *line); /* too often: it is ended */
void worker_finish(struct worker *w);                    /* FINALIZE; its answers still come */
void workers_clear(struct router *r);
const char *worker_label(const struct worker *w); /* for people */

/* workers.c */
void router_line(struct worker *w, const char *line, size_t len);
void router_worker_gone(struct worker *w, const char *how); /* answer all that it owes */

#endif
