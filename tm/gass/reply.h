/* What went wrong at the other end: the texts of FTP servers and of Globus, understood. Pure. */
#ifndef TM_GASS_REPLY_H
#define TM_GASS_REPLY_H

#include "gsi/explain.h"
#include "lib/err.h"

#include <stdbool.h>

/* Why a step with a site failed. */
struct trouble {
    struct gw_err err;
    int errnum;         /* as the site's system call had it; 0: not known */
    const char *reason; /* a row of docs/PROTOCOL section 5 when it does not depend on the file's
                           role: no connection, no login, cancelled; else NULL */
    bool is_link;       /* the connection: another one may do better */
    bool is_unheard;    /* and not a word came from the other end */
    bool is_source;     /* of a copy: its source's fault */
};

/* The errno that a server's reply speaks of, 0 when it speaks of none that is known. */
int reply_errno(const char *text);

/* Put a failure into words and reason: `code` is the FTP reply's, 0 when the failure is on this
 * side of the connection; `url` is what was asked for. Returns t->err's -code. */
int reply_explain(int code, const char *text, const char *url, const struct explain_about *about,
                  struct trouble *t);

/* A failure without a text of theirs. */
int trouble_set(struct trouble *t, enum gw_errc code, const char *reason, const char *fmt, ...)
    __attribute__((format(printf, 4, 5)));

#endif
