/* A request of a transfer driver, from its line to its answer, and those that are open: what all
 * transfer drivers have in common (docs/PROTOCOL section 3). */
#ifndef TM_REQUEST_H
#define TM_REQUEST_H

#include "drivers/kit.h"
#include "tm/pool.h"

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

struct transfers;
struct ending;

struct request {
    struct pool_task task; /* first */
    struct transfers *transfers;
    struct request *prev, *next; /* of the driver's list */
    char verb[8];
    const char *asked; /* the verb that is answered, where the work is another's; else NULL */
    char handle[HANDLE_MAX + 1];
    char *number;  /* transfer number, or "-" */
    char *from;    /* the URL */
    char *to;      /* CP, PUT: the destination's URL; TAIL: the local path, or NULL; else NULL */
    char *content; /* PUT: of the file; GET's result; TAIL's without a local path */
    bool is_executable;
    uint64_t offset; /* TAIL */
    atomic_bool is_cancelled;

    /* CP: what PROGRESS tells (tm/progress.c). */
    atomic_uint_fast64_t moved, total; /* bytes; total 0: not known */
    atomic_uint signs;                 /* of life, where nothing moves */
    atomic_bool is_at_work;            /* in a thread; else it waits for one */
    struct {
        uint64_t moved; /* as last told */
        unsigned signs, seconds;
    } told;

    /* The result, set by the work. */
    const char *reason; /* of a failure, a row of docs/PROTOCOL section 5; NULL: success */
    bool is_absent;     /* the failure is that something on the way does not exist */
    char text[GW_ERR_TEXT_MAX];

    /* CP and PUT where the pool settles many at once (work_settle). */
    bool is_settled_later;
    bool is_large;           /* set by the work, which has done nothing: too large for that */
    struct landing *landing; /* what is to be brought to disk; NULL: nothing */

    /* TAIL, between two works. */
    uint64_t first_offset;
    struct loop_timer *expiry;
    bool is_waiting, is_expired;
    bool is_polled;            /* set by the work: nobody tells what becomes of that file */
    struct loop_timer *repeat; /* then: when to look again */
    int watch;                 /* else inotify's; -1: none */
};

/* The driver: the first six are its own. */
struct transfers {
    size_t request_size;                /* of struct request, or what begins with one */
    void (*begin)(struct request *r);   /* see that a pool takes r->task, now or later */
    void (*work)(struct request *r);    /* in the pool's thread */
    void (*done)(struct request *r);    /* then, in the loop; it calls request_done. NULL: that */
    void (*cancel)(struct request *r);  /* the request is cancelled; it calls tail_cancel where no
                                           work is to come. NULL: that */
    void (*release)(struct request *r); /* what it keeps with the request. May be NULL */

    struct kit *kit;
    struct request *requests; /* all that have no answer yet */
    size_t n_requests;
    struct ending *endings; /* ENDs that wait for their copies */
    bool is_telling;        /* progress.c's timer is set */
    int inotify;
};

/* What a driver's kit is told to serve, with struct transfers as context. */
enum { REQUEST_VERBS = 10 };
extern const struct kit_verb request_verbs[REQUEST_VERBS];

void request_done(struct request *r);                             /* answer, or wait on (TAIL) */
void request_finish(struct request *r);                           /* answer and release it */
void request_cancel_all(struct transfers *t, const char *handle); /* NULL: of all handles */

/* PROGRESS as long as there are copies: of each that moves once a second, and of each that waits
 * for its turn every 20 s. Of one that is at work and does not move nothing is told, and gwd breaks
 * it off. */
void progress_begin(struct transfers *t);
void progress_sign(struct request *r); /* it goes on, though nothing moves; in a thread */

/* TAIL: what follows when its work is done, when time is up, when it is cancelled. */
void tail_begin(struct request *r);
void tail_step(struct request *r);
void tail_cancel(struct request *r);
void tail_open(struct transfers *t); /* inotify; without it one look more, when the time is up */
void tail_close(struct transfers *t);

/* The work on file: URLs, by the request's verb. */
void work_of(struct request *r);
/* Bring what works have made to disk with one sync for all, and give it its names. */
void work_settle(struct pool_task *requests);
/* TAIL into the answer: at most so many bytes, which fit into a line in base 64. */
enum { TAIL_INLINE_MAX = 45000 };
void work_tail_inline(struct request *r, const void *data, size_t len);
void work_fail(struct request *r, const char *reason, const struct gw_err *err);

/* The file: URLs of a copy as places; false: the request has failed. A target's parents are made;
 * `is_output`: the source is in a job directory. */
struct place;
bool work_open_source(struct request *r, struct place *ret);
bool work_open_target(struct request *r, bool is_output, struct place *ret);

/* The reason of a failed step: something that should be there to be read; something to be made, by
 * the job's own choice (an output file's destination) or at the site's (a job directory). `code` is
 * negative. */
bool work_is_in_job(const char *path);
const char *work_source_reason(int code, const char *path);
const char *work_target_reason(int code, bool is_jobs_choice);

#endif
