/* A connection to a GSI server, made step by step before a deadline. For probes: nothing is kept
 * alive, nothing is delegated. */
#ifndef GSI_HANDSHAKE_H
#define GSI_HANDSHAKE_H

#include "lib/buf.h"

#include <gssapi.h>
#include <stdint.h>

struct handshake {
    int fd;
    int64_t deadline_ms; /* CLOCK_MONOTONIC */
    gss_ctx_id_t context;
    char *error; /* what failed, in Globus' or the system's words; NULL: nothing yet */
};

/* Each returns 0, or -1 with h->error set. */
int handshake_connect(struct handshake *h, const char *host, uint16_t port, unsigned timeout_ms);
int handshake_authenticate(struct handshake *h, gss_cred_id_t credential);
char *handshake_peer(struct handshake *h);                    /* the other side's name; NULL */
int handshake_is_host(struct handshake *h, const char *host); /* does the name fit? 1 or 0 */
int handshake_send(struct handshake *h, const char *text);
int handshake_receive(struct handshake *h, struct buf *ret); /* one message, decrypted */

void handshake_close(struct handshake *h);

#endif
