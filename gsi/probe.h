/* Why a gatekeeper does not work with us: GRAM has one code for an unknown identity, a wrong name
 * in the certificate and an unknown CA, and another for everything about the network. A probe
 * connects itself, authenticates as GRAM does, looks at the name, and asks the gatekeeper for
 * nothing (a "ping"), which tells whether it would serve us. It starts nothing there. */
#ifndef GSI_PROBE_H
#define GSI_PROBE_H

#include "gsi/credential.h"
#include "gsi/explain.h"

#include <stdint.h>

/* Ask now, in this thread, at most timeout_ms long, apart from looking up the name (the resolver
 * has limits of its own). reason NULL: all is well, the text says so too. */
void probe_run(const char *host, uint16_t port, const struct explain_about *who,
               gss_cred_id_t credential, unsigned timeout_ms, struct explanation *ret);

typedef void probe_fn(void *ctx, const struct explanation *e);

/* Ask in a thread of its own with the credential acquired last, and call done there. Who asks about
 * a gatekeeper that is being asked shares the answer. -GW_EUNAVAIL: too many are being asked; done
 * is not called then. */
int probe_begin(const char *host, uint16_t port, const struct credential *c, unsigned timeout_ms,
                probe_fn *done, void *ctx, struct gw_err *err);

#endif
