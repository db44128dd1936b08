/* Clients' connections: a Unix socket, one JSON object a line (docs/client-protocol.md). Who a
 * client is the kernel says. A client that is silent, sends rubbish or does not read harms nobody
 * but itself. */
#include "gwd/daemon/daemon.h"
#include "gwd/daemon/settings.h"
#include "lib/file.h"
#include "lib/log.h"
#include "lib/mem.h"

#include <errno.h>
#include <grp.h>
#include <inttypes.h>
#include <libgen.h>
#include <pwd.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

enum {
    PROTOCOL_VERSION = 1,
    LINE_MAX_BYTES = 16 << 20,
    OUTPUT_FULL_BYTES = 2 << 20, /* what can wait does, until the client has read */
    OUTPUT_MAX_BYTES = 64 << 20, /* waiting for one client: it is cut off */
    CONNECTIONS_MAX = 4096,
    CONNECTIONS_USER_MAX = 1024,
};

struct connection {
    uv_pipe_t pipe;
    struct daemon *daemon;
    uint64_t number;
    uid_t uid;
    gid_t gid;
    bool is_admin, is_closing;
    bool is_ending; /* closes when what is written is out */
    struct buf line;
    json_t *warnings; /* by request id */
    struct connection *next;
};

struct daemon *connection_daemon(const struct connection *c)
{
    return c->daemon;
}

struct connection *server_connection(struct daemon *d, uint64_t number)
{
    struct connection *c = d->connections;
    while (c && c->number != number)
        c = c->next;
    return c && !c->is_closing ? c : NULL;
}

struct asker connection_asker(const struct connection *c, json_int_t id)
{
    return (struct asker){
        .connection = c->number, .request = id, .uid = c->uid, .is_admin = c->is_admin};
}

gid_t connection_gid(const struct connection *c)
{
    return c->gid;
}

void connection_note_warnings(struct connection *c, json_int_t id, json_t *diagnostics)
{
    char key[24];
    if (!diagnostics)
        return;
    snprintf(key, sizeof key, "%" JSON_INTEGER_FORMAT, id);
    json_object_set_new(c->warnings, key, diagnostics);
}

json_t *connection_take_warnings(struct connection *c, json_int_t id)
{
    char key[24];
    snprintf(key, sizeof key, "%" JSON_INTEGER_FORMAT, id);
    json_t *diagnostics = json_incref(json_object_get(c->warnings, key));
    json_object_del(c->warnings, key);
    return diagnostics;
}

static void on_closed(uv_handle_t *handle)
{
    struct connection *c = handle->data;
    watch_gone(c->daemon, c);
    logs_gone(c->daemon, c);
    struct connection **p = &c->daemon->connections;
    while (*p != c)
        p = &(*p)->next;
    *p = c->next;
    c->daemon->n_connections--;
    buf_clear(&c->line);
    json_decref(c->warnings);
    free(c);
}

/* What watches on its behalf goes with the handle, a little later: it may be the watch that called.
 */
static void close_connection(struct connection *c)
{
    if (c->is_closing)
        return;
    c->is_closing = true;
    uv_close((uv_handle_t *)&c->pipe, on_closed);
}

bool connection_is_full(const struct connection *c)
{
    return c->is_closing ||
           uv_stream_get_write_queue_size((const uv_stream_t *)&c->pipe) > OUTPUT_FULL_BYTES;
}

struct write_request {
    uv_write_t request;
    struct connection *connection;
    char *data;
};

static void on_written(uv_write_t *request, int status)
{
    struct write_request *w = (struct write_request *)request;
    struct connection *c = w->connection;
    free(w->data);
    free(w);
    if (status < 0 || c->is_ending)
        close_connection(c);
    else if (!connection_is_full(c))
        logs_drained(c->daemon, c);
}

static void send_text(struct connection *c, char *text, size_t len)
{
    if (c->is_closing) {
        free(text);
        return;
    }
    struct write_request *w = xcalloc(1, sizeof *w);
    uv_buf_t part = uv_buf_init(text, (unsigned)len);
    w->connection = c;
    w->data = text;
    if (uv_write(&w->request, (uv_stream_t *)&c->pipe, &part, 1, on_written) < 0) {
        free(text);
        free(w);
        close_connection(c);
    } else if (uv_stream_get_write_queue_size((uv_stream_t *)&c->pipe) > OUTPUT_MAX_BYTES) {
        log_warn("a client of user %ld does not read what it asked for; cut off", (long)c->uid);
        close_connection(c);
    }
}

static int put_json(const char *data, size_t len, void *ctx)
{
    buf_put(ctx, data, len);
    return 0;
}

void connection_send(struct connection *c, json_t *message)
{
    struct buf text = BUF_INIT;
    json_dump_callback(message, put_json, &text, JSON_COMPACT);
    json_decref(message);
    buf_putc(&text, '\n');
    size_t len = text.len;
    send_text(c, buf_take(&text), len);
}

void connection_reply(struct connection *c, json_int_t id, json_t *body)
{
    json_t *message = json_pack("{sI sb}", "id", id, "ok", 1);
    json_object_update(message, body);
    json_decref(body);
    connection_send(c, message);
}

void connection_error(struct connection *c, json_int_t id, enum gw_errc code, const char *text,
                      json_t *diagnostics)
{
    json_t *error =
        json_pack("{ss ss%}", "code", gw_errc_name(code), "message", text, strlen(text));
    if (!error) /* the text is not UTF-8 */
        error = json_pack("{ss ss}", "code", gw_errc_name(code), "message",
                          "(a message that is not UTF-8)");
    if (diagnostics)
        json_object_set_new(error, "diagnostics", diagnostics);
    connection_send(c, json_pack("{sI sb so}", "id", id, "ok", 0, "error", error));
}

void connection_refuse(struct connection *c, const char *text)
{
    connection_send(c, json_pack("{sn sb s{ss ss}}", "id", "ok", 0, "error", "code",
                                 gw_errc_name(GW_EPROTO), "message", text));
    c->is_ending = true;
}

static void take_line(struct connection *c, const char *line, size_t len)
{
    json_error_t error;
    json_t *request = json_loadb(line, len, JSON_REJECT_DUPLICATES, &error);
    json_t *id = json_object_get(request, "id");
    if (!json_is_object(request)) {
        char *text = xasprintf("not a JSON object: %s at byte %d", error.text, error.position);
        connection_refuse(c, request ? "not a JSON object" : text);
        free(text);
    } else if (!json_is_integer(id) || json_integer_value(id) < 1 || json_integer_value(id) >> 53) {
        connection_refuse(c, "a request needs an id, an integer from 1 to 2^53-1");
    } else {
        ops_serve(c, request);
    }
    json_decref(request);
}

static void on_read(uv_stream_t *stream, ssize_t n, const uv_buf_t *buf)
{
    struct connection *c = stream->data;
    const char *p = buf->base;
    if (n < 0)
        close_connection(c);
    for (size_t len = n > 0 ? (size_t)n : 0; len && !c->is_closing && !c->is_ending;) {
        const char *newline = memchr(p, '\n', len);
        size_t part = newline ? (size_t)(newline - p) : len;
        if (c->line.len + part > LINE_MAX_BYTES) {
            connection_refuse(c, "a line is longer than 16 MiB");
            break;
        }
        buf_put(&c->line, p, part);
        if (!newline)
            break;
        take_line(c, buf_str(&c->line), c->line.len);
        buf_reset(&c->line);
        p += part + 1;
        len -= part + 1;
    }
    free(buf->base);
}

static void on_alloc(uv_handle_t *handle, size_t suggested, uv_buf_t *buf)
{
    (void)handle;
    *buf = uv_buf_init(xmalloc(suggested), (unsigned)suggested);
}

static bool is_in_group(uid_t uid, gid_t gid, const char *group)
{
    struct group *g = group ? getgrnam(group) : NULL;
    if (!g)
        return false;
    if (g->gr_gid == gid)
        return true;
    struct passwd *pw = getpwuid(uid);
    for (char **m = g->gr_mem; pw && *m; m++)
        if (strcmp(*m, pw->pw_name) == 0)
            return true;
    return false;
}

static bool learn_peer(struct connection *c)
{
    struct ucred cred;
    socklen_t len = sizeof cred;
    uv_os_fd_t fd;
    if (uv_fileno((uv_handle_t *)&c->pipe, &fd) < 0 ||
        getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &cred, &len) < 0)
        return false;
    c->uid = cred.uid;
    c->gid = cred.gid;
    c->is_admin = cred.uid == 0 || cred.uid == geteuid() ||
                  is_in_group(cred.uid, cred.gid, settings_admin_group(c->daemon->settings));
    return true;
}

static size_t connections_of(const struct daemon *d, uid_t uid)
{
    size_t n = 0;
    for (struct connection *c = d->connections; c; c = c->next)
        n += c->uid == uid;
    return n;
}

static void say_hello(struct connection *c)
{
    const struct state *s = engine_state(c->daemon->engine);
    connection_send(c,
                    json_pack("{ss si ss sI ss}", "gwd", GW_VERSION, "protocol", PROTOCOL_VERSION,
                              "instance", s->instance, "seq", (json_int_t)s->seq, "home",
                              settings_state_dir(c->daemon->settings)));
}

static void on_connection(uv_stream_t *listener, int status)
{
    struct daemon *d = listener->data;
    if (status < 0)
        return;
    struct connection *c = xcalloc(1, sizeof *c);
    c->daemon = d;
    c->number = ++d->next_connection;
    c->warnings = json_object();
    uv_pipe_init(d->loop, &c->pipe, 0);
    c->pipe.data = c;
    c->next = d->connections;
    d->connections = c;
    d->n_connections++;
    if (uv_accept(listener, (uv_stream_t *)&c->pipe) < 0 || !learn_peer(c)) {
        close_connection(c);
        return;
    }
    if (d->n_connections > CONNECTIONS_MAX || connections_of(d, c->uid) > CONNECTIONS_USER_MAX) {
        connection_refuse(c, "too many connections; try again later");
        return;
    }
    say_hello(c);
    uv_read_start((uv_stream_t *)&c->pipe, on_alloc, on_read);
}

/* A socket that a killed gwd left is removed: the lock of the state directory says that it is
 * nobody's. */
static int bind_socket(struct daemon *d, const char *path, struct gw_err *err)
{
    struct sockaddr_un address;
    struct stat st;
    if (strlen(path) >= sizeof address.sun_path)
        return gw_err_set(
            err, GW_EINVAL,
            "the socket's name %s is longer than %zu bytes; set SOCKET to a shorter one", path,
            sizeof address.sun_path - 1);
    if (lstat(path, &st) == 0 && !S_ISSOCK(st.st_mode))
        return gw_err_set(err, GW_EEXIST, "%s exists and is not a socket", path);
    unlink(path);
    mode_t old = umask(0177);
    int r = uv_pipe_bind(&d->listener, path);
    umask(old);
    if (r < 0)
        return gw_err_set(err, GW_EIO, "binding %s: %s", path, uv_strerror(r));
    if (chmod(path, settings_socket_mode(d->settings)) < 0)
        return gw_err_sys(err, errno, "setting the mode of %s", path);
    return 0;
}

int server_start(struct daemon *d, struct gw_err *err)
{
    uv_pipe_init(d->loop, &d->listener, 0);
    d->listener.data = d;
    int r = bind_socket(d, settings_socket(d->settings), err);
    if (r < 0)
        return r;
    int e = uv_listen((uv_stream_t *)&d->listener, 1024, on_connection);
    return e < 0 ? gw_err_set(err, GW_EIO, "listening on %s: %s", settings_socket(d->settings),
                              uv_strerror(e))
                 : 0;
}

void server_stop(struct daemon *d)
{
    unlink(settings_socket(d->settings));
    uv_close((uv_handle_t *)&d->listener, NULL);
    for (struct connection *c = d->connections, *next; c; c = next) {
        next = c->next;
        close_connection(c);
    }
}
