/* Errors: what a function that can fail for a reason outside the program gives its caller.
 *
 * Such a function returns 0 (or another success value >= 0) or one of the negative codes below, and
 * takes a `struct gw_err *err` last (NULL allowed). On success err is untouched; on failure it
 * holds the code and one sentence that names the thing, the value and what was expected. */
#ifndef LIB_ERR_H
#define LIB_ERR_H

#include <stdarg.h>

enum gw_errc {
    GW_EINVAL = 1, /* what was given is malformed; nothing was done */
    GW_ENOENT,     /* the named thing does not exist */
    GW_EEXIST,     /* it exists already */
    GW_EPERM,      /* the caller may not */
    GW_ESTATE,     /* not in the state that the request needs */
    GW_EIO,        /* reading or writing failed */
    GW_ENOSPC,     /* no space, or a quota */
    GW_EPROTO,     /* a peer broke its protocol */
    GW_ETIMEDOUT,  /* no answer in time: the outcome is unknown */
    GW_EUNAVAIL,   /* a service cannot be reached now */
    GW_ECORRUPT,   /* stored data does not verify */
    GW_EINTERNAL,  /* ours */
};

enum { GW_ERR_TEXT_MAX = 1024 };

struct gw_err {
    int code; /* one of gw_errc, positive; 0 when never set */
    char text[GW_ERR_TEXT_MAX];
};

/* Set `err` (if not NULL) and return -code, so that a failing function ends in
 * `return gw_err_set(err, GW_EINVAL, "...")`. A text beyond the limit is cut with "...". */
int gw_err_set(struct gw_err *err, enum gw_errc code, const char *fmt, ...)
    __attribute__((format(printf, 3, 4)));

/* The same for a failed system call: chooses the code from `errnum`, appends ": strerror". */
int gw_err_sys(struct gw_err *err, int errnum, const char *fmt, ...)
    __attribute__((format(printf, 3, 4)));

/* Put "context: " before the text that is there; returns -err->code. */
int gw_err_context(struct gw_err *err, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

/* The fixed lower-case name of a code ("invalid", "not-found", ...), as in the client protocol. */
const char *gw_errc_name(enum gw_errc code);

#endif
