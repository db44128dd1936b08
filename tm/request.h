/* One request of the local transfer driver, from its line to its answer. */
#ifndef TM_REQUEST_H
#define TM_REQUEST_H

#include "drivers/kit.h"
#include "tm/pool.h"

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

struct local;
struct ending;

struct request {
    struct pool_task task; /* first */
    struct local *local;
    struct request *prev, *next; /* of local's list */
    char verb[8];
    char handle[HANDLE_MAX + 1];
    char *number; /* transfer number, or "-" */
    char *from;   /* the URL */
    char *to;     /* CP: the other URL; TAIL: the local path; else NULL */
    bool is_executable;
    uint64_t offset; /* TAIL */
    atomic_bool is_cancelled;

    /* The result, set by the work. */
    const char *reason; /* of a failure, a row of docs/PROTOCOL section 5; NULL: success */
    bool is_absent;     /* the failure is that something on the way does not exist */
    char text[GW_ERR_TEXT_MAX];

    /* TAIL, between two works. */
    uint64_t first_offset;
    struct loop_timer *expiry;
    bool is_waiting, is_expired;
    int watch; /* inotify's; -1: none */
};

/* The driver. */
struct local {
    struct kit *kit;
    struct pool *copies, *quick; /* a copy of an image must not hold up what takes no time */
    struct request *requests;    /* all that have no answer yet */
    size_t n_requests;
    struct ending *endings; /* ENDs that wait for their copies */
    int inotify;
};

void request_finish(struct request *r); /* answer and release it */

/* TAIL: what follows when its work is done, when time is up, when it is cancelled. */
void tail_begin(struct request *r);
void tail_step(struct request *r);
void tail_cancel(struct request *r);
void tail_open(
    struct local *l); /* inotify; without it a TAIL only looks again when its time is up */
void tail_close(struct local *l);

/* What runs in a thread, one per verb. */
void work_mkdir(struct request *r);
void work_rmdir(struct request *r);
void work_exists(struct request *r);
void work_stat(struct request *r);
void work_cp(struct request *r);
void work_tail(struct request *r); /* reason NULL and offset unchanged: nothing yet */

#endif
