/* A TLS connection to a server that is who its host's name says: by a certificate of a CA trusted
 * here (X509_CERT_DIR, else /etc/grid-security/certificates, and those of the system), or because
 * it is the user's own server, with the same identity as ours. Calls wait, at most for so long, and
 * until *is_cancelled. */
#ifndef TM_GASS_TLS_H
#define TM_GASS_TLS_H

#include "tm/gass/reply.h"

#include <stdatomic.h>
#include <stddef.h>
#include <sys/types.h>

struct tls;

/* `host` is "host:port"; `identity`, as in a grid-mapfile, is that of the credential, which is
 * shown to the server; NULL: none is. All borrowed until tls_close. */
struct tls *tls_open(const char *host, const char *identity, const atomic_bool *is_cancelled,
                     struct trouble *t);
void tls_close(struct tls *c); /* NULL is fine */

ssize_t tls_read(struct tls *c, void *data, size_t size, struct trouble *t); /* 0: its end */
int tls_write(struct tls *c, const void *data, size_t len, struct trouble *t);

#endif
