#include "gsi/handshake.h"

#include "gsi/explain.h"
#include "lib/mem.h"

#include <errno.h>
#include <fcntl.h>
#include <globus_common.h>
#include <globus_gss_assist.h>
#include <netdb.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

enum {
    RECORD_HEAD = 5,
    RECORD_MAX = 16384 + 2048, /* RFC 5246, 6.2.3 */
    ROUNDS_MAX = 64,
};

static int64_t now_ms(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (int64_t)t.tv_sec * 1000 + t.tv_nsec / 1000000;
}

static int fail(struct handshake *h, const char *text)
{
    free(h->error);
    h->error = xstrdup(text);
    return -1;
}

static int fail_gss(struct handshake *h, OM_uint32 major, OM_uint32 minor)
{
    char *text = NULL;
    globus_gss_assist_display_status_str(&text, NULL, major, minor, 0);
    fail(h, text ? text : "GSSAPI gives no reason");
    free(text);
    return -1;
}

static int await(struct handshake *h, short events)
{
    for (;;) {
        int64_t left = h->deadline_ms - now_ms();
        struct pollfd p = {.fd = h->fd, .events = events};
        int n = left > 0 ? poll(&p, 1, (int)left) : 0;
        if (n > 0)
            return 0;
        if (n == 0)
            return fail(h, strerror(ETIMEDOUT));
        if (errno != EINTR)
            return fail(h, strerror(errno));
    }
}

static int connect_to(struct handshake *h, const struct addrinfo *a)
{
    int e = 0;
    socklen_t len = sizeof e;
    h->fd = socket(a->ai_family, a->ai_socktype | SOCK_NONBLOCK | SOCK_CLOEXEC, a->ai_protocol);
    if (h->fd < 0)
        return fail(h, strerror(errno));
    if (connect(h->fd, a->ai_addr, a->ai_addrlen) < 0 && errno != EINPROGRESS)
        e = errno;
    else if (await(h, POLLOUT) < 0)
        e = ETIMEDOUT;
    else
        getsockopt(h->fd, SOL_SOCKET, SO_ERROR, &e, &len);
    if (e == 0)
        return 0;
    close(h->fd);
    h->fd = -1;
    return fail(h, strerror(e));
}

int handshake_connect(struct handshake *h, const char *host, uint16_t port, unsigned timeout_ms)
{
    const struct addrinfo hints = {.ai_socktype = SOCK_STREAM};
    struct addrinfo *all;
    char service[8];
    *h = (struct handshake){.fd = -1, .context = GSS_C_NO_CONTEXT};
    snprintf(service, sizeof service, "%u", port);
    int r = getaddrinfo(host, service, &hints, &all);
    if (r != 0)
        return fail(h, r == EAI_SYSTEM ? strerror(errno) : gai_strerror(r));
    h->deadline_ms = now_ms() + timeout_ms;
    r = -1;
    for (const struct addrinfo *a = all; a && r < 0; a = a->ai_next)
        r = connect_to(h, a);
    freeaddrinfo(all);
    return r;
}

static int send_bytes(struct handshake *h, const char *data, size_t len)
{
    while (len) {
        ssize_t n = send(h->fd, data, len, MSG_NOSIGNAL);
        if (n < 0 && errno != EAGAIN && errno != EINTR)
            return fail(h, strerror(errno));
        if (n < 0 && await(h, POLLOUT) < 0)
            return -1;
        data += n > 0 ? n : 0;
        len -= n > 0 ? (size_t)n : 0;
    }
    return 0;
}

static int receive_bytes(struct handshake *h, struct buf *out, size_t len)
{
    buf_reserve(out, len);
    while (len) {
        ssize_t n = recv(h->fd, out->data + out->len, len, 0);
        if (n == 0)
            return fail(h, "an end-of-file was reached");
        if (n < 0 && errno != EAGAIN && errno != EINTR)
            return fail(h, strerror(errno));
        if (n < 0 && await(h, POLLIN) < 0)
            return -1;
        out->len += n > 0 ? (size_t)n : 0;
        len -= n > 0 ? (size_t)n : 0;
    }
    return 0;
}

/* GSSAPI takes and gives whole TLS records. */
static int receive_record(struct handshake *h, struct buf *out)
{
    buf_reset(out);
    if (receive_bytes(h, out, RECORD_HEAD) < 0)
        return -1;
    const unsigned char *head = (const unsigned char *)out->data;
    size_t len = (size_t)head[3] << 8 | head[4];
    if (head[1] != 3 || len > RECORD_MAX)
        return fail(h, "it does not speak TLS");
    return receive_bytes(h, out, len);
}

/* One step; *ret_is_done when no record is expected any more. */
static int step(struct handshake *h, gss_cred_id_t credential, const struct buf *in,
                bool *ret_is_done)
{
    OM_uint32 minor, ignored;
    gss_buffer_desc token = {.length = in->len, .value = in->data}, answer = {0};
    OM_uint32 major =
        gss_init_sec_context(&minor, credential, &h->context, GSS_C_NO_NAME, GSS_C_NO_OID,
                             GSS_C_MUTUAL_FLAG, 0, NULL, &token, NULL, &answer, NULL, NULL);
    int r = GSS_ERROR(major) ? fail_gss(h, major, minor) : 0;
    /* Also the alert of a step that failed: the site's log shall have a reason. */
    if (answer.length && send_bytes(h, answer.value, answer.length) < 0)
        r = -1;
    gss_release_buffer(&ignored, &answer);
    *ret_is_done = !(major & GSS_S_CONTINUE_NEEDED);
    return r;
}

int handshake_authenticate(struct handshake *h, gss_cred_id_t credential)
{
    struct buf in = BUF_INIT;
    bool is_done = false;
    int r = 0;
    for (int i = 0; r == 0 && !is_done; i++) {
        r = i < ROUNDS_MAX ? step(h, credential, &in, &is_done)
                           : fail(h, "it does not come to an end");
        if (r == 0 && !is_done)
            r = receive_record(h, &in);
    }
    buf_clear(&in);
    return r;
}

static gss_name_t peer_name(struct handshake *h)
{
    OM_uint32 minor;
    gss_name_t name = GSS_C_NO_NAME;
    OM_uint32 major =
        gss_inquire_context(&minor, h->context, NULL, &name, NULL, NULL, NULL, NULL, NULL);
    return GSS_ERROR(major) ? GSS_C_NO_NAME : name;
}

char *handshake_peer(struct handshake *h)
{
    OM_uint32 minor;
    gss_buffer_desc text = {0};
    char *peer = NULL;
    gss_name_t name = peer_name(h);
    if (name == GSS_C_NO_NAME)
        return NULL;
    if (!GSS_ERROR(gss_display_name(&minor, name, &text, NULL)))
        peer = xmemdup0(text.value, text.length);
    gss_release_buffer(&minor, &text);
    gss_release_name(&minor, &name);
    return peer;
}

int handshake_is_host(struct handshake *h, const char *host)
{
    OM_uint32 minor;
    gss_name_t expected = GSS_C_NO_NAME, name = peer_name(h);
    int is_equal = 0;
    char *service = xasprintf("host@%s", host);
    gss_buffer_desc text = {.length = strlen(service), .value = service};
    /* As GRAM names whom it expects; what gsi.conf says of names counts in the comparison. */
    if (!GSS_ERROR(gss_import_name(&minor, &text, GSS_C_NT_HOSTBASED_SERVICE, &expected)) &&
        name != GSS_C_NO_NAME)
        gss_compare_name(&minor, expected, name, &is_equal);
    free(service);
    if (expected != GSS_C_NO_NAME)
        gss_release_name(&minor, &expected);
    if (name != GSS_C_NO_NAME)
        gss_release_name(&minor, &name);
    return is_equal;
}

int handshake_send(struct handshake *h, const char *text)
{
    OM_uint32 minor;
    int is_sealed;
    gss_buffer_desc in = {.length = strlen(text), .value = (void *)(uintptr_t)text}, out = {0};
    OM_uint32 major = gss_wrap(&minor, h->context, 0, GSS_C_QOP_DEFAULT, &in, &is_sealed, &out);
    int r = GSS_ERROR(major) ? fail_gss(h, major, minor) : send_bytes(h, out.value, out.length);
    gss_release_buffer(&minor, &out);
    return r;
}

int handshake_receive(struct handshake *h, struct buf *ret)
{
    struct buf record = BUF_INIT;
    int r = 0;
    buf_reset(ret);
    /* Some records, such as session tickets, hold no message. */
    for (int i = 0; r == 0 && !ret->len; i++) {
        OM_uint32 minor, major;
        r = i < ROUNDS_MAX ? receive_record(h, &record) : fail(h, "it sends nothing of sense");
        if (r < 0)
            break;
        gss_buffer_desc in = {.length = record.len, .value = record.data}, out = {0};
        major = gss_unwrap(&minor, h->context, &in, &out, NULL, NULL);
        if (GSS_ERROR(major))
            r = fail_gss(h, major, minor);
        else
            buf_put(ret, out.value, out.length);
        gss_release_buffer(&minor, &out);
    }
    buf_clear(&record);
    return r;
}

void handshake_close(struct handshake *h)
{
    OM_uint32 minor;
    if (h->context != GSS_C_NO_CONTEXT)
        gss_delete_sec_context(&minor, &h->context, GSS_C_NO_BUFFER);
    if (h->fd >= 0)
        close(h->fd);
    free(h->error);
    *h = (struct handshake){.fd = -1, .context = GSS_C_NO_CONTEXT};
}
