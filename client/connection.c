/* The socket and its lines. What arrives is bounded: one line by LINE_MAX_BYTES. */
#include "client/client_private.h"
#include "lib/mem.h"

#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

enum { HELLO_TIMEOUT_MS = 10000, CHUNK_BYTES = 65536, PAUSE_FIRST_MS = 50, PAUSE_MAX_MS = 5000 };

int64_t client_now_ms(void)
{
    struct timespec ts;
    clock_gettime(CLOCK_MONOTONIC, &ts);
    return (int64_t)ts.tv_sec * 1000 + ts.tv_nsec / 1000000;
}

int64_t client_deadline(int64_t timeout_ms)
{
    return timeout_ms < 0 ? INT64_MAX : client_now_ms() + timeout_ms;
}

/* Until the deadline for `events`: 1, 0 at the deadline. */
static int wait_fd(int fd, short events, int64_t deadline_ms, short *ret_revents)
{
    for (;;) {
        int64_t left = deadline_ms == INT64_MAX ? -1 : deadline_ms - client_now_ms();
        if (deadline_ms != INT64_MAX && left < 0)
            left = 0;
        struct pollfd p = {.fd = fd, .events = events};
        int n = poll(&p, 1, left > 60000 ? 60000 : (int)left);
        if (n > 0) {
            *ret_revents = p.revents;
            return 1;
        }
        if (n < 0 && errno != EINTR)
            return -1;
        if (n == 0 && left >= 0 && left <= 60000)
            return 0;
    }
}

void connection_drop(struct gw *gw)
{
    if (gw->fd >= 0)
        close(gw->fd);
    gw->fd = -1;
    buf_reset(&gw->in);
    buf_reset(&gw->out);
    gw->taken = gw->scanned = 0;
    gw->is_greeted = false;
    for (struct line *l = gw->first, *next; l; l = next) {
        next = l->next;
        json_decref(l->object);
        free(l);
    }
    gw->first = NULL;
    gw->last = &gw->first;
    gw->backlog = 0;
}

static int lost(struct gw *gw, int errnum, struct gw_err *err)
{
    connection_drop(gw);
    return gw_err_set(err, GW_EUNAVAIL, "the connection to gwd at %s was lost%s%s", gw->socket,
                      errnum ? ": " : "", errnum ? strerror(errnum) : "");
}

/* Take what is there; 1 when something came, 0 when nothing did. */
static int receive(struct gw *gw, struct gw_err *err)
{
    buf_drop(&gw->in, gw->taken);
    gw->taken = 0;
    buf_reserve(&gw->in, CHUNK_BYTES);
    ssize_t n = recv(gw->fd, gw->in.data + gw->in.len, gw->in.cap - gw->in.len - 1, MSG_DONTWAIT);
    if (n > 0) {
        gw->in.len += (size_t)n;
        gw->in.data[gw->in.len] = '\0';
        return 1;
    }
    if (n < 0 && (errno == EAGAIN || errno == EINTR))
        return 0;
    return lost(gw, n < 0 ? errno : 0, err);
}

/* The first whole line of `in`: 1, 0 when there is none yet. */
static int take_line(struct gw *gw, const char **ret, size_t *ret_len, struct gw_err *err)
{
    size_t left = gw->in.len - gw->taken;
    if (left == gw->scanned)
        return 0;
    const char *begin = gw->in.data + gw->taken;
    const char *end = memchr(begin + gw->scanned, '\n', left - gw->scanned);
    size_t len = end ? (size_t)(end - begin) : left;
    if (len >= LINE_MAX_BYTES) {
        connection_drop(gw);
        return gw_err_set(err, GW_EPROTO, "gwd at %s sent a line of more than %d bytes", gw->socket,
                          LINE_MAX_BYTES);
    }
    if (!end) {
        gw->scanned = left;
        return 0;
    }
    gw->taken += len + 1;
    gw->scanned = 0;
    *ret = begin;
    *ret_len = len;
    return 1;
}

int connection_read_text(struct gw *gw, int64_t deadline_ms, const char **ret, size_t *ret_len,
                         struct gw_err *err)
{
    if (gw->fd < 0)
        return lost(gw, 0, err);
    for (;;) {
        int r = take_line(gw, ret, ret_len, err);
        if (r != 0)
            return r;
        short revents;
        if (gw->out.len && (r = connection_flush(gw, err)) < 0)
            return r;
        r = wait_fd(gw->fd, POLLIN, deadline_ms, &revents);
        if (r < 0)
            return lost(gw, errno, err);
        if (r == 0)
            return 0;
        r = receive(gw, err);
        if (r < 0)
            return r;
    }
}

int connection_parse(struct gw *gw, const char *text, size_t len, json_t **ret, struct gw_err *err)
{
    json_error_t why;
    json_t *object = json_loadb(text, len, JSON_REJECT_DUPLICATES, &why);
    if (!json_is_object(object)) {
        json_decref(object);
        connection_drop(gw);
        return gw_err_set(err, GW_EPROTO, "gwd at %s sent a line that is no JSON object",
                          gw->socket);
    }
    *ret = object;
    return 0;
}

int connection_read(struct gw *gw, int64_t deadline_ms, json_t **ret, size_t *ret_size,
                    struct gw_err *err)
{
    const char *text;
    size_t len = 0;
    int r = connection_read_text(gw, deadline_ms, &text, &len, err);
    if (r <= 0)
        return r;
    *ret_size = len + 1;
    r = connection_parse(gw, text, len, ret, err);
    return r < 0 ? r : 1;
}

/* The daemon does not take what it is sent: what it said last tells why, if it said anything. */
static int last_words(struct gw *gw, int errnum, struct gw_err *err)
{
    const char *text;
    size_t len;
    json_t *line = NULL;
    gw->out.len = 0;
    while (gw->fd >= 0 && !line) {
        int r = take_line(gw, &text, &len, NULL);
        if (r == 0)
            r = receive(gw, NULL);
        else if (r > 0)
            line = json_loadb(text, len, JSON_REJECT_DUPLICATES, NULL);
        if (r <= 0)
            break;
        if (!line_is_refusal(line) || !gw_is_null(line, "id")) {
            json_decref(line);
            line = NULL;
        }
    }
    int r = line ? refusal_take(gw, line, err) : lost(gw, errnum, err);
    json_decref(line);
    connection_drop(gw);
    return r;
}

static int send_all(struct gw *gw, struct gw_err *err)
{
    size_t sent = 0;
    int64_t deadline = client_deadline(gw->timeout_ms);
    while (sent < gw->out.len) {
        ssize_t n =
            send(gw->fd, gw->out.data + sent, gw->out.len - sent, MSG_NOSIGNAL | MSG_DONTWAIT);
        if (n >= 0) {
            sent += (size_t)n;
            continue;
        }
        if (errno == EINTR)
            continue;
        if (errno != EAGAIN)
            return last_words(gw, errno, err);
        short revents = 0;
        int r = wait_fd(gw->fd, POLLIN | POLLOUT, deadline, &revents);
        if (r == 0) {
            connection_drop(gw);
            return gw_err_set(err, GW_ETIMEDOUT, "gwd at %s does not read what it is sent",
                              gw->socket);
        }
        bool is_too_much = gw->in.len - gw->taken > BACKLOG_MAX_BYTES;
        if (r < 0 || is_too_much)
            return lost(gw, r < 0 ? errno : EMSGSIZE, err);
        if ((revents & POLLIN) && (r = receive(gw, err)) < 0)
            return r;
    }
    return 0;
}

int connection_flush(struct gw *gw, struct gw_err *err)
{
    if (gw->fd < 0)
        return lost(gw, 0, err);
    int r = send_all(gw, err);
    if (r == 0)
        buf_reset(&gw->out);
    return r;
}

char *gw_default_socket(void)
{
    const char *own = getenv("GW_SOCKET"), *runtime = getenv("XDG_RUNTIME_DIR");
    if (own && *own)
        return xstrdup(own);
    if (runtime && *runtime == '/') {
        char *name = xasprintf("%s/gwd.sock", runtime);
        if (access(name, F_OK) == 0)
            return name;
        free(name);
    }
    return xstrdup("/run/gwd/gwd.sock");
}

static int open_socket(struct gw *gw, struct gw_err *err)
{
    struct sockaddr_un addr = {.sun_family = AF_UNIX};
    size_t len = strlen(gw->socket);
    if (len >= sizeof addr.sun_path)
        return gw_err_set(err, GW_EINVAL,
                          "the socket's name %s has %zu bytes; the system allows %zu", gw->socket,
                          len, sizeof addr.sun_path - 1);
    memcpy(addr.sun_path, gw->socket, len);
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (fd < 0)
        return gw_err_sys(err, errno, "a socket");
    if (connect(fd, (struct sockaddr *)&addr, sizeof addr) < 0) {
        int errnum = errno;
        close(fd);
        if (errnum == EACCES || errnum == EPERM)
            return gw_err_sys(err, errnum, "gwd at %s", gw->socket);
        return gw_err_set(err, GW_EUNAVAIL,
                          "gwd does not answer at %s: %s; is it running, and is GW_SOCKET right?",
                          gw->socket, strerror(errnum));
    }
    gw->fd = fd;
    return 0;
}

int connection_greet(struct gw *gw, struct gw_err *err)
{
    json_t *hello;
    size_t size;
    if (gw->is_greeted)
        return 0;
    int r = connection_read(gw, client_deadline(HELLO_TIMEOUT_MS), &hello, &size, err);
    if (r == 0) {
        connection_drop(gw);
        return gw_err_set(err, GW_ETIMEDOUT, "gwd at %s did not greet within %d s", gw->socket,
                          HELLO_TIMEOUT_MS / 1000);
    }
    if (r < 0)
        return r;
    if (line_is_refusal(hello)) { /* too many connections, for one */
        r = refusal_take(gw, hello, err);
        json_decref(hello);
        connection_drop(gw);
        return r;
    }
    json_decref(gw->hello);
    gw->hello = hello;
    if (!gw->instance)
        gw->instance = xstrdup(gw_text(hello, "instance", ""));
    int64_t protocol = gw_int(hello, "protocol", -1);
    if (protocol == GW_PROTOCOL_VERSION) {
        gw->is_greeted = true;
        return 0;
    }
    connection_drop(gw);
    return gw_err_set(err, GW_EPROTO,
                      "gwd at %s speaks version %lld of the protocol; this program speaks %d",
                      gw->socket, (long long)protocol, GW_PROTOCOL_VERSION);
}

static int connect_once(struct gw *gw, struct gw_err *err)
{
    int r = open_socket(gw, err);
    return r < 0 ? r : connection_greet(gw, err);
}

int gw_open(const char *socket, struct gw **ret, struct gw_err *err)
{
    struct gw *gw = xcalloc(1, sizeof *gw);
    gw->socket = socket ? xstrdup(socket) : gw_default_socket();
    gw->fd = -1;
    gw->last = &gw->first;
    gw->timeout_ms = GW_ANSWER_TIMEOUT_MS;
    int r = open_socket(gw, err);
    if (r < 0) {
        gw_close(gw);
        return r;
    }
    *ret = gw;
    return 0;
}

int gw_connect(const char *socket, struct gw **ret, struct gw_err *err)
{
    struct gw *gw;
    int r = gw_open(socket, &gw, err);
    if (r < 0)
        return r;
    r = connection_greet(gw, err);
    if (r < 0)
        gw_close(gw);
    else
        *ret = gw;
    return r;
}

int gw_reconnect(struct gw *gw, int64_t patience_ms, struct gw_err *err)
{
    int64_t deadline = client_now_ms() + patience_ms;
    connection_drop(gw);
    for (int64_t pause_ms = PAUSE_FIRST_MS;; pause_ms *= 2) {
        struct gw_err why = {0};
        int r = connect_once(gw, &why);
        int64_t left = deadline - client_now_ms();
        if (r == 0)
            break;
        if (left <= 0 || (r != -GW_EUNAVAIL && r != -GW_ETIMEDOUT))
            return gw_err_set(err, (enum gw_errc)why.code, "%s", why.text);
        if (pause_ms > PAUSE_MAX_MS)
            pause_ms = PAUSE_MAX_MS;
        poll(NULL, 0, (int)(pause_ms < left ? pause_ms : left));
    }
    if (!gw->instance || strcmp(gw->instance, gw_text(gw->hello, "instance", "")) == 0)
        return 0;
    connection_drop(gw);
    return gw_err_set(err, GW_ESTATE,
                      "another instance of gwd answers at %s now; its job ids are others",
                      gw->socket);
}

void gw_close(struct gw *gw)
{
    if (!gw)
        return;
    connection_drop(gw);
    buf_clear(&gw->in);
    buf_clear(&gw->out);
    json_decref(gw->hello);
    json_decref(gw->refusal);
    free(gw->instance);
    free(gw->socket);
    free(gw);
}

const char *gw_socket(const struct gw *gw)
{
    return gw->socket;
}

const json_t *gw_hello(const struct gw *gw)
{
    return gw->hello;
}

void gw_set_timeout_ms(struct gw *gw, int64_t ms)
{
    gw->timeout_ms = ms;
}
