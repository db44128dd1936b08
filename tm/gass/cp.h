/* One copy with a site at one end or at both: what its parts share (cp.c, fetch.c, send.c,
 * third.c).
 */
#ifndef TM_GASS_CP_H
#define TM_GASS_CP_H

#include "tm/gass/gass.h"

enum {
    CP_BYTES = 512 << 10,
    CP_BULK_BYTES = 1 << 20, /* more than that is no quick matter */
    CP_WEB_TRIES = 5,
};

struct cp {
    struct gass_request *g;
    bool is_output; /* from a job directory to elsewhere: the job's own choice */
    bool has_moved; /* further than at the last try */

    int fd; /* of a local source */

    /* The source, as it was when the copy began. */
    bool has_source, is_stale; /* stale: it changed since the last try */
    uint64_t size;
    int64_t mtime;
    mode_t mode;

    /* Where the destination is a site: */
    struct url part;
    bool has_part;                   /* it may exist */
    bool wants_parents, has_parents; /* they are missing; were made */
    bool is_about_to_end;            /* renaming was asked for */
    uint64_t best;                   /* the farthest offset that a try went on from */
};

/* Parts of steps. */
int cp_look_source(struct cp *c, struct ftp *f, struct trouble *t);

/* Before moving anything to the destination: how much of it is there and can be relied on. `md5` is
 * asked for that of the source's first bytes. */
typedef int cp_md5(struct cp *c, struct ftp *f, uint64_t len, char ret[33], struct trouble *t);
int cp_look_part(struct cp *c, struct ftp *f, cp_md5 *md5, uint64_t *ret_offset, struct trouble *t);

/* Moving failed with -code: STEP_AGAIN where a missing directory may be why, and will be made. */
int cp_failed(struct cp *c, const struct trouble *t);

/* All arrived: check it, mode, name. */
int cp_finish(struct cp *c, struct ftp *f, struct trouble *t);

/* The failure of the whole, in terms of the URLs that were given. */
void cp_fail(struct cp *c, struct trouble *t, bool is_jobs_choice);

/* The ways. Each answers the request. */
void cp_fetch(struct cp *c); /* gsiftp: to file: */
void cp_send(struct cp *c);  /* file: to gsiftp: */
void cp_third(struct cp *c); /* gsiftp: to gsiftp: */
void cp_web(struct cp *c);   /* https: at one end */

#endif
