/* gw_tm_gass: the requests of a transfer driver that reaches other machines (docs/PROTOCOL, section
 * 3). A request runs in a thread from its first step to its last; slot.c says when it may begin,
 * session.c with which connection. */
#ifndef TM_GASS_GASS_H
#define TM_GASS_GASS_H

#include "tm/gass/ftp.h"
#include "tm/gass/url.h"
#include "tm/request.h"

#include <time.h>

struct host;

enum { CLASS_QUICK, CLASS_BULK, CLASSES };

struct gass_request {
    struct request r;                              /* first */
    struct url from, to;                           /* to: of CP */
    bool is_parsed;                                /* both are what they should be */
    enum { OWN_NONE, OWN_SOURCE, OWN_TARGET } own; /* PUT, GET: a file of small.c's */

    /* slot.c, in the loop */
    struct host *hosts[2];
    int class;
    time_t since;
    struct gass_request *prev, *next; /* of those that wait */

    /* Set by the work: it has seen that there is much to move, and begins again as CLASS_BULK. */
    bool is_bulk;
    bool is_down; /* it failed because a host cannot be reached */
};

/* What a step does with a session. Returns 0, a negative code, or STEP_AGAIN: with another session,
 * for this one is spoiled and all is well. */
enum { STEP_AGAIN = 1 };
typedef int gass_step(struct ftp *f, void *ctx, struct trouble *t);

/* Do it with a session of `key`, again with fresh ones while it is the connection that fails, with
 * pauses. *has_moved (NULL: never), set by the step, says that it came further: tries count anew.
 */
int gass_do(struct gass_request *g, const char *key, gass_step *step, void *ctx, bool *has_moved,
            struct trouble *t);

void gass_pause(const struct gass_request *g, unsigned s); /* unless it is cancelled */

/* Once, within seconds. With `is_cancelled` NULL also for a request that is: to take away what it
 * left. */
int gass_do_once(const char *key, const atomic_bool *is_cancelled, gass_step *step, void *ctx,
                 struct trouble *t);

void gass_fail_source(struct gass_request *g, const struct trouble *t, const char *path);
void gass_fail_target(struct gass_request *g, const struct trouble *t, bool is_jobs_choice);

/* The work, in a thread. */
void gass_work(struct request *r);
void gass_tail(struct gass_request *g);
void gass_copy(struct gass_request *g);
void gass_look_web(struct gass_request *g); /* EXISTS and STAT of https: */

/* small.c: PUT and GET become CP. False: that failed, as g->r says. */
bool small_begin(struct gass_request *g);
void small_check(struct gass_request *g);         /* in the thread, after the work */
void small_done(struct gass_request *g);          /* in the loop: GET's result */
void small_release(const struct gass_request *g); /* with the request */
void small_end(void);                             /* with the process */

/* Steps that others use. */
int site_mkdirs(struct ftp *f, const struct url *u, struct trouble *t);
/* A tree as it is removed; `top` is the caller's, all else 0 at first. A gass_step in shape. */
struct removal {
    const struct url *top;
    unsigned rounds, removed;
    bool is_deep, has_asked_server;
    unsigned long brought; /* directories that were brought up to the top */
};
int site_remove(struct removal *r, struct ftp *f, struct trouble *t);

#endif
