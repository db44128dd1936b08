/* The credential that a process acts with: a proxy certificate's file, checked in words that say
 * what to do, then given to Globus.
 *
 * Globus gets a copy in memory (X509_USER_PROXY names it from the first call on), because its
 * modules read the file again whenever they like: they never meet one that is being written, nor
 * other bytes than those checked here, and a process of root may use a user's file, which Globus
 * alone refuses. The copy is exchanged when the credential is acquired anew.
 *
 * Not thread-safe: one thread, before the others call into Globus, and that thread from then on. */
#ifndef GSI_CREDENTIAL_H
#define GSI_CREDENTIAL_H

#include "lib/err.h"

#include <gssapi.h>
#include <stdbool.h>
#include <stdint.h>

struct credential {
    gss_cred_id_t handle;
    char *path;        /* of the file, for people */
    char *identity;    /* subject of the end entity's certificate, as in a grid-mapfile */
    char *issuer;      /* its CA */
    int64_t expires_s; /* seconds since 1970 */
    bool is_limited;   /* GRAM refuses it, GridFTP does not */
};

/* X509_USER_PROXY as the process was started with it, else /tmp/x509up_u<uid>. */
const char *credential_path(void);

/* The credential in the file now. Needs the thread model to be set; activates GSSAPI. Each failure
 * is credential:job, its text names the file, what is wrong and what to do: -GW_ENOENT (no file),
 * -GW_EPERM (owner, mode, not readable), -GW_ECORRUPT (not a credential), -GW_ESTATE (expired, not
 * valid yet), -GW_EINTERNAL. But for -GW_EUNAVAIL: this machine has no directory of trusted CAs,
 * which is internal:us. */
int credential_acquire(struct credential *ret, struct gw_err *err);

/* Another handle of the credential that was acquired last, for a thread of its own; the caller
 * releases it. Any thread may call this. */
int credential_again(gss_cred_id_t *ret, struct gw_err *err);

/* Also frees the handle: nothing may use it any more. */
void credential_clear(struct credential *c);

int64_t credential_life_s(const struct credential *c); /* what is left; 0 when it is over */

#endif
