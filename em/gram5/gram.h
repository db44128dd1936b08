/* The GRAM client library, kept at arm's length: the only file that calls it.
 *
 * A call is handed to a thread of its own, since the library may wait (for a lock that it holds
 * while it resolves a name); what comes of it arrives in the loop's thread, by the number that the
 * caller gave. The library has no time limit and cannot be told to give up: a reply may never come,
 * or come long after its caller has stopped waiting. */
#ifndef EM_GRAM5_GRAM_H
#define EM_GRAM5_GRAM_H

#include "em/gram5/mailbox.h"
#include "gsi/credential.h"
#include "lib/err.h"

#include <stdint.h>

enum gram_op {
    /* Target: the gatekeeper ("host[:port][/service]"); with an RSL. */
    GRAM_SUBMIT,
    GRAM_FIND, /* a job that is there, by the RSL of a restart */
    /* Target: the job's contact, "https://host:port/...". */
    GRAM_STATUS,
    GRAM_COMMIT, /* two-phase commit: the job may begin */
    GRAM_END,    /* two-phase commit: its end was noted */
    GRAM_CANCEL,
    GRAM_LISTEN, /* send news of it to this process */
    GRAM_REFRESH /* delegate the credential anew */
};

struct gram_reply {
    uint64_t number;
    enum gram_op op;
    int code;            /* of the call: 0, or a GRAM protocol error */
    int state;           /* of the job, GLOBUS_GRAM_PROTOCOL_JOB_STATE_... */
    int failure;         /* of the job in state FAILED, a GRAM protocol error */
    const char *contact; /* SUBMIT, FIND: may be NULL */
    const char *text;    /* the library's words for `code` */
};

struct gram_listener {
    void (*replied)(void *ctx, const struct gram_reply *r);
    /* A job manager says, unasked, that a job is in a state. Whoever has any certificate that we
     * trust can say so: it is no more than a reason to ask. */
    void (*news)(void *ctx, const char *contact, int state, int failure);
    void *ctx;
};

struct gram;

struct gram *gram_create(struct mailbox *m, const struct gram_listener *l);

/* Begin to act with the credential of the process's proxy file, or from now on with the one that is
 * in it now. Each failure is credential:job. */
int gram_open(struct gram *g, struct gw_err *err);
const struct credential *gram_credential(const struct gram *g); /* NULL: not opened */

/* `rsl` is for SUBMIT and FIND; both texts are copied. */
void gram_call(struct gram *g, uint64_t number, enum gram_op op, const char *target,
               const char *rsl);

#endif
