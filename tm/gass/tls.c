#include "tm/gass/tls.h"

#include "lib/mem.h"

#include <errno.h>
#include <netdb.h>
#include <openssl/err.h>
#include <openssl/ssl.h>
#include <openssl/x509v3.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

enum { CONNECT_S = 30, PATIENCE_S = 120, TICK_MS = 200 };

struct tls {
    int fd;
    SSL *ssl;
    const char *host; /* with its port, for messages */
    char *name;       /* without */
    const atomic_bool *is_cancelled;
};

static uint64_t now_ms(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (uint64_t)t.tv_sec * 1000 + (uint64_t)t.tv_nsec / 1000000;
}

static int lost(const struct tls *c, const char *why, struct trouble *t)
{
    if (atomic_load(c->is_cancelled))
        return trouble_set(t, GW_ESTATE, "internal:us", "cancelled");
    trouble_set(t, GW_EUNAVAIL, "unreachable:site", "%s: %s", c->host, why);
    t->is_link = true;
    return -t->err.code;
}

static bool await(const struct tls *c, short events, unsigned limit_s)
{
    struct pollfd p = {.fd = c->fd, .events = events};
    uint64_t end = now_ms() + limit_s * 1000ULL;
    while (!atomic_load(c->is_cancelled) && now_ms() < end)
        if (poll(&p, 1, TICK_MS) > 0)
            return true;
    return false;
}

/* ---- connection */

static int connect_one(struct tls *c, const struct addrinfo *a)
{
    int e = 0;
    socklen_t len = sizeof e;
    c->fd = socket(a->ai_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (c->fd < 0)
        return -errno;
    if (connect(c->fd, a->ai_addr, a->ai_addrlen) < 0)
        e = errno;
    if (e == EINPROGRESS)
        e = !await(c, POLLOUT, CONNECT_S)                           ? ETIMEDOUT
            : getsockopt(c->fd, SOL_SOCKET, SO_ERROR, &e, &len) < 0 ? errno
                                                                    : e;
    if (e == 0)
        return 0;
    close(c->fd);
    c->fd = -1;
    return -e;
}

static int connect_any(struct tls *c, struct trouble *t)
{
    struct addrinfo hints = {.ai_socktype = SOCK_STREAM}, *all = NULL;
    const char *port = strrchr(c->host, ':') + 1;
    int r = getaddrinfo(c->name, port, &hints, &all);
    if (r != 0)
        return lost(c, gai_strerror(r), t);
    r = -EHOSTUNREACH;
    for (struct addrinfo *a = all; a && r < 0 && !atomic_load(c->is_cancelled); a = a->ai_next)
        r = connect_one(c, a);
    freeaddrinfo(all);
    if (r == 0)
        return 0;
    lost(c, strerror(-r), t);
    t->is_unheard = t->is_link;
    return -t->err.code;
}

/* ---- TLS */

/* After a call of the library that returned `r`: true when it is to be called again. */
static bool is_again(const struct tls *c, int r, unsigned limit_s)
{
    switch (SSL_get_error(c->ssl, r)) {
    case SSL_ERROR_WANT_READ:
        return await(c, POLLIN, limit_s);
    case SSL_ERROR_WANT_WRITE:
        return await(c, POLLOUT, limit_s);
    default:
        return false;
    }
}

/* Web servers do not ask for a credential, GASS servers do. */
static SSL_CTX *new_context(bool has_credential)
{
    SSL_CTX *ctx = SSL_CTX_new(TLS_client_method());
    const char *dir = getenv("X509_CERT_DIR"),
               *proxy = has_credential ? getenv("X509_USER_PROXY") : NULL;
    if (!ctx)
        return NULL;
    SSL_CTX_set_min_proto_version(ctx, TLS1_2_VERSION);
    SSL_CTX_load_verify_locations(ctx, NULL, dir ? dir : "/etc/grid-security/certificates");
    SSL_CTX_set_default_verify_paths(ctx);
    SSL_CTX_set_verify(ctx, SSL_VERIFY_PEER, NULL);
    X509_VERIFY_PARAM_set_flags(SSL_CTX_get0_param(ctx), X509_V_FLAG_ALLOW_PROXY_CERTS);
    if (proxy && SSL_CTX_use_certificate_chain_file(ctx, proxy) == 1)
        SSL_CTX_use_PrivateKey_file(ctx, proxy, SSL_FILETYPE_PEM);
    ERR_clear_error();
    return ctx;
}

static bool is_own(SSL *ssl, const char *identity)
{
    STACK_OF(X509) *chain = SSL_get0_verified_chain(ssl);
    int i = 0;
    while (i < sk_X509_num(chain) &&
           (X509_get_extension_flags(sk_X509_value(chain, i)) & EXFLAG_PROXY))
        i++;
    X509 *end_entity = i < sk_X509_num(chain) ? sk_X509_value(chain, i) : NULL;
    char *name = end_entity && identity
                     ? X509_NAME_oneline(X509_get_subject_name(end_entity), NULL, 0)
                     : NULL;
    bool is_same = name && strcmp(name, identity) == 0;
    OPENSSL_free(name);
    return is_same;
}

static int check_peer(const struct tls *c, const char *identity, struct trouble *t)
{
    X509 *cert = SSL_get0_peer_certificate(c->ssl);
    /* A proxy is nobody's host. */
    bool is_proxy = cert && (X509_get_extension_flags(cert) & EXFLAG_PROXY);
    if (cert && !is_proxy &&
        (X509_check_host(cert, c->name, 0, 0, NULL) == 1 ||
         X509_check_ip_asc(cert, c->name, 0) == 1))
        return 0;
    if (cert && is_own(c->ssl, identity))
        return 0;
    return trouble_set(t, GW_EPERM, "untrusted:site",
                       "%s shows a certificate of another name than its own", c->host);
}

static int handshake(struct tls *c, const char *identity, struct trouble *t)
{
    int r;
    SSL_set_fd(c->ssl, c->fd);
    SSL_set_tlsext_host_name(c->ssl, c->name);
    ERR_clear_error();
    while ((r = SSL_connect(c->ssl)) != 1 && is_again(c, r, CONNECT_S))
        ERR_clear_error();
    if (r == 1)
        return check_peer(c, identity, t);
    long why = SSL_get_verify_result(c->ssl);
    if (why != X509_V_OK)
        return trouble_set(t, GW_EPERM, "untrusted:site",
                           "the certificate of %s is not trusted here: %s", c->host,
                           X509_verify_cert_error_string(why));
    char text[200] = "the TLS handshake was broken off";
    if (ERR_peek_error())
        ERR_error_string_n(ERR_peek_error(), text, sizeof text);
    return lost(c, text, t);
}

struct tls *tls_open(const char *host, const char *identity, const atomic_bool *is_cancelled,
                     struct trouble *t)
{
    struct tls *c = xcalloc(1, sizeof *c);
    c->fd = -1;
    c->host = host;
    c->is_cancelled = is_cancelled;
    size_t len = (size_t)(strrchr(host, ':') - host);
    c->name = host[0] == '[' ? xstrndup(host + 1, len - 2) : xstrndup(host, len);
    SSL_CTX *ctx = new_context(identity != NULL);
    c->ssl = ctx ? SSL_new(ctx) : NULL;
    SSL_CTX_free(ctx); /* the SSL keeps it */
    int r = c->ssl ? connect_any(c, t)
                   : trouble_set(t, GW_EINTERNAL, "internal:us", "no TLS can be had");
    if (r == 0)
        r = handshake(c, identity, t);
    if (r == 0)
        return c;
    tls_close(c);
    return NULL;
}

void tls_close(struct tls *c)
{
    if (!c)
        return;
    SSL_free(c->ssl);
    if (c->fd >= 0)
        close(c->fd);
    free(c->name);
    free(c);
}

ssize_t tls_read(struct tls *c, void *data, size_t size, struct trouble *t)
{
    int r, want = size > 1 << 20 ? 1 << 20 : (int)size;
    ERR_clear_error();
    while ((r = SSL_read(c->ssl, data, want)) <= 0 && is_again(c, r, PATIENCE_S))
        ERR_clear_error();
    if (r > 0)
        return r;
    if (SSL_get_error(c->ssl, r) == SSL_ERROR_ZERO_RETURN)
        return 0;
    return lost(c, "the connection was lost", t);
}

int tls_write(struct tls *c, const void *data, size_t len, struct trouble *t)
{
    for (const char *p = data; len;) {
        int r, n = len > 1 << 16 ? 1 << 16 : (int)len;
        ERR_clear_error();
        while ((r = SSL_write(c->ssl, p, n)) <= 0 && is_again(c, r, PATIENCE_S))
            ERR_clear_error();
        if (r <= 0)
            return lost(c, "the connection was lost", t);
        p += r;
        len -= (size_t)r;
    }
    return 0;
}
