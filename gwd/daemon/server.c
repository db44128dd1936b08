/* Clients' connections: a Unix socket, one JSON object a line (docs/client-protocol.md). Who a
 * client is the kernel says. A client that is silent, sends rubbish or does not read harms nobody
 * but itself. */
#include "gwd/daemon/daemon.h"
#include "gwd/daemon/settings.h"
#include "lib/file.h"
#include "lib/json_write.h"
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
#include <uthash.h>
#include <utlist.h>

enum {
    PROTOCOL_VERSION = 1,
    LINE_MAX_BYTES = 16 << 20,
    CHUNK_BYTES = 65536,
    SERVE_MAX_US = 4000,         /* one connection in a round of the loop; then the others */
    OUTPUT_FULL_BYTES = 2 << 20, /* what can wait does, until the client has read */
    OUTPUT_MAX_BYTES = 64 << 20, /* waiting for one client: it is cut off */
    EVENTS_MAX_BYTES = 16 << 20, /* the same, of one that watches */
    EVENTS_MAX_STUCK_MS = 10000, /* it has not read anything for so long */
    USER_NAME_AGE_MS = 60000,
    CONNECTIONS_MAX = 4096,
    CONNECTIONS_USER_MAX = 1024,
};

/* Who has connected since the start; kept, because looking a name up costs more than serving a
 * request. */
struct user {
    uid_t uid;
    size_t n_connections;
    char *name;
    uint64_t looked_up_ms;
    UT_hash_handle hh;
};

struct connection {
    uv_pipe_t pipe;
    struct daemon *daemon;
    uint64_t number;
    struct user *user;
    gid_t gid;
    bool is_admin, is_closing;
    bool is_ending;     /* closes when what is written is out */
    bool has_streams;   /* it has watched, or followed output */
    bool is_watching;   /* it has to read, or is cut off */
    bool is_to_flush;   /* in daemon->to_flush */
    uint64_t round;     /* the last in which it was served, */
    int64_t end_us;     /* and until when (mono) */
    struct buf unread;  /* has come, but not had its turn; while there is any: in
                           daemon->unserved, and nothing more is read */
    struct buf line;    /* the part of a line that has come */
    struct buf out;     /* lines of this turn; sent together at its end */
    uint64_t stuck_ms;  /* when it last read something, while output waits for it */
    size_t stuck_bytes; /* what waited then */
    json_t *warnings;   /* by request id */
    struct connection *next_to_flush;
    struct connection *prev_unserved, *next_unserved;
    struct connection *prev, *next;
    UT_hash_handle hh;
};

struct daemon *connection_daemon(const struct connection *c)
{
    return c->daemon;
}

struct connection *server_connection(struct daemon *d, uint64_t number)
{
    struct connection *c;
    HASH_FIND(hh, d->by_number, &number, sizeof number, c);
    return c && !c->is_closing ? c : NULL;
}

struct asker connection_asker(const struct connection *c, json_int_t id)
{
    return (struct asker){
        .connection = c->number, .request = id, .uid = c->user->uid, .is_admin = c->is_admin};
}

gid_t connection_gid(const struct connection *c)
{
    return c->gid;
}

const char *connection_user(const struct connection *c)
{
    struct user *u = c->user;
    uint64_t now_ms = uv_now(c->daemon->loop);
    if (u->name && now_ms - u->looked_up_ms < USER_NAME_AGE_MS)
        return u->name;
    struct passwd *pw = getpwuid(u->uid);
    free(u->name);
    u->name = pw ? xstrdup(pw->pw_name) : xasprintf("%ld", (long)u->uid);
    u->looked_up_ms = now_ms;
    return u->name;
}

void connection_has_streams(struct connection *c, bool is_watching)
{
    c->has_streams = true;
    c->is_watching |= is_watching;
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
    if (json_object_size(c->warnings) == 0)
        return NULL;
    snprintf(key, sizeof key, "%" JSON_INTEGER_FORMAT, id);
    json_t *diagnostics = json_incref(json_object_get(c->warnings, key));
    json_object_del(c->warnings, key);
    return diagnostics;
}

static void on_closed(uv_handle_t *handle)
{
    struct connection *c = handle->data;
    struct daemon *d = c->daemon;
    if (c->has_streams) {
        watch_gone(d, c);
        logs_gone(d, c);
    }
    if (c->is_to_flush)
        LL_DELETE2(d->to_flush, c, next_to_flush);
    if (c->unread.len)
        DL_DELETE2(d->unserved, c, prev_unserved, next_unserved);
    DL_DELETE(d->connections, c);
    HASH_DELETE(hh, d->by_number, c);
    d->n_connections--;
    if (c->user)
        c->user->n_connections--;
    buf_clear(&c->unread);
    buf_clear(&c->line);
    buf_clear(&c->out);
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

/* --- output --- */

static size_t waiting(const struct connection *c)
{
    return uv_stream_get_write_queue_size((const uv_stream_t *)&c->pipe) + c->out.len;
}

bool connection_is_full(const struct connection *c)
{
    return c->is_closing || waiting(c) > OUTPUT_FULL_BYTES;
}

struct shared_text *shared_text_create(const struct buf *text)
{
    struct shared_text *t = xmalloc(sizeof *t + text->len);
    t->refs = 1;
    t->len = text->len;
    memcpy(t->data, buf_str(text), text->len);
    return t;
}

void shared_text_release(struct shared_text *t)
{
    if (--t->refs == 0)
        free(t);
}

struct write_request {
    uv_write_t request;
    struct connection *connection;
    struct shared_text *text;
};

static void on_written(uv_write_t *request, int status)
{
    struct write_request *w = (struct write_request *)request;
    struct connection *c = w->connection;
    shared_text_release(w->text);
    free(w);
    if (status < 0 || (c->is_ending && waiting(c) == 0))
        close_connection(c);
    else if (c->has_streams && !connection_is_full(c))
        logs_drained(c->daemon, c);
}

/* From `from` on, when the socket takes no more now. */
static void write_later(struct connection *c, struct shared_text *text, size_t from)
{
    struct write_request *w = xcalloc(1, sizeof *w);
    uv_buf_t part = uv_buf_init(text->data + from, (unsigned)(text->len - from));
    w->connection = c;
    w->text = text;
    text->refs++;
    if (uv_write(&w->request, (uv_stream_t *)&c->pipe, &part, 1, on_written) < 0) {
        shared_text_release(text);
        free(w);
        close_connection(c);
    }
}

/* What the socket takes at once: without a request, a copy and a turn of the loop. */
static size_t write_now(struct connection *c, char *data, size_t len)
{
    uv_buf_t part = uv_buf_init(data, (unsigned)len);
    if (uv_stream_get_write_queue_size((const uv_stream_t *)&c->pipe) > 0)
        return 0;
    int n = uv_try_write((uv_stream_t *)&c->pipe, &part, 1);
    return n > 0 ? (size_t)n : 0;
}

/* One that watches and does not read is cut off: after so many bytes, or so much time without
 * reading any. */
static bool is_stuck(struct connection *c)
{
    if (!c->is_watching)
        return false;
    size_t left = uv_stream_get_write_queue_size((const uv_stream_t *)&c->pipe);
    uint64_t now_ms = uv_now(c->daemon->loop);
    if (left == 0 || left < c->stuck_bytes || c->stuck_bytes == 0)
        c->stuck_ms = now_ms;
    if (left <= EVENTS_MAX_BYTES && now_ms - c->stuck_ms <= EVENTS_MAX_STUCK_MS)
        return false;
    log_warn("a client of user %ld does not read the events that it watches: %zu bytes wait, "
             "nothing was read for %" PRIu64 " s; cut off",
             (long)c->user->uid, left, (now_ms - c->stuck_ms) / 1000);
    return true;
}

static void send_out(struct connection *c)
{
    size_t len = c->out.len, sent = write_now(c, c->out.data, len);
    if (sent < len) {
        buf_drop(&c->out, sent);
        struct shared_text *rest = shared_text_create(&c->out);
        write_later(c, rest, 0);
        shared_text_release(rest);
    }
    /* One large answer is not remembered by its memory. */
    if (c->out.cap > OUTPUT_FULL_BYTES)
        buf_clear(&c->out);
    buf_reset(&c->out);
    c->stuck_bytes = waiting(c);
}

static void flush(struct connection *c)
{
    if (c->is_closing)
        return;
    if (c->out.len && is_stuck(c)) {
        close_connection(c);
        return;
    }
    if (c->out.len)
        send_out(c);
    if (c->is_ending && waiting(c) == 0)
        close_connection(c);
}

static void flush_later(struct connection *c)
{
    if (!c->is_to_flush)
        LL_PREPEND2(c->daemon->to_flush, c, next_to_flush);
    c->is_to_flush = true;
}

void server_flush(struct daemon *d)
{
    while (d->to_flush) {
        struct connection *c = d->to_flush;
        d->to_flush = c->next_to_flush;
        c->is_to_flush = false;
        flush(c);
    }
}

struct buf *connection_line(struct connection *c)
{
    return &c->out;
}

void connection_line_end(struct connection *c)
{
    buf_putc(&c->out, '\n');
    if (c->is_closing) {
        buf_reset(&c->out);
        return;
    }
    flush_later(c);
    if (waiting(c) > OUTPUT_MAX_BYTES) {
        log_warn("a client of user %ld does not read what it asked for; cut off",
                 (long)c->user->uid);
        close_connection(c);
    }
}

void connection_send_shared(struct connection *c, struct shared_text *text)
{
    flush(c); /* in order */
    if (c->is_closing)
        return;
    if (is_stuck(c)) {
        close_connection(c);
        return;
    }
    size_t sent = write_now(c, text->data, text->len);
    if (sent < text->len)
        write_later(c, text, sent);
    c->stuck_bytes = waiting(c);
}

static int put_json(const char *data, size_t len, void *ctx)
{
    buf_put(ctx, data, len);
    return 0;
}

void connection_send(struct connection *c, json_t *message)
{
    json_dump_callback(message, put_json, connection_line(c), JSON_COMPACT);
    json_decref(message);
    connection_line_end(c);
}

struct buf *connection_answer(struct connection *c, json_int_t id)
{
    struct buf *out = connection_line(c);
    json_begin(out, NULL, '{');
    json_put_int(out, "id", id);
    json_put_bool(out, "ok", true);
    return out;
}

void connection_answer_end(struct connection *c)
{
    json_end(connection_line(c), '}');
    connection_line_end(c);
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

/* One line, or what has come of it: whole ones are read where they are. */
static void take_part(struct connection *c, const char *p, size_t len, bool is_whole)
{
    if (c->line.len + len > LINE_MAX_BYTES) {
        connection_refuse(c, "a line is longer than 16 MiB");
    } else if (is_whole && c->line.len == 0) {
        take_line(c, p, len);
    } else {
        buf_put(&c->line, p, len);
        if (!is_whole)
            return;
        take_line(c, buf_str(&c->line), c->line.len);
        if (c->line.cap > CHUNK_BYTES)
            buf_clear(&c->line);
        buf_reset(&c->line);
    }
}

/* Its time in this round is not over, and it reads what it is answered. */
static bool may_be_served(struct connection *c)
{
    int64_t now_us = clock_mono_us();
    if (c->round != c->daemon->round) {
        c->round = c->daemon->round;
        c->end_us = now_us + SERVE_MAX_US;
    }
    return now_us < c->end_us && !connection_is_full(c);
}

/* So many bytes are done with. One that ends is not listened to. */
static size_t serve(struct connection *c, const char *data, size_t len)
{
    size_t at = 0;
    while (at < len && !c->is_closing && !c->is_ending) {
        if (!may_be_served(c))
            return at;
        const char *p = data + at, *newline = memchr(p, '\n', len - at);
        size_t part = newline ? (size_t)(newline - p) : len - at;
        take_part(c, p, part, newline != NULL);
        at += newline ? part + 1 : part;
    }
    return len;
}

static void on_read(uv_stream_t *stream, ssize_t n, const uv_buf_t *buf)
{
    struct connection *c = stream->data;
    if (n == UV_EOF) { /* it may still want the answers that this turn gives */
        c->is_ending = true;
        flush_later(c);
    } else if (n < 0) {
        close_connection(c);
    }
    size_t len = n > 0 ? (size_t)n : 0, done = serve(c, buf->base, len);
    if (done == len)
        return;
    buf_put(&c->unread, buf->base + done, len - done);
    DL_APPEND2(c->daemon->unserved, c, prev_unserved, next_unserved);
    uv_read_stop(stream);
}

/* Served at once, or what is left copied, so one chunk serves all connections. */
static void on_alloc(uv_handle_t *handle, size_t suggested, uv_buf_t *buf)
{
    static char chunk[CHUNK_BYTES];
    (void)handle;
    (void)suggested;
    *buf = uv_buf_init(chunk, sizeof chunk);
}

void server_go_on(struct daemon *d)
{
    struct connection *c, *tmp;
    DL_FOREACH_SAFE2(d->unserved, c, tmp, next_unserved)
    {
        size_t done = serve(c, c->unread.data, c->unread.len);
        buf_drop(&c->unread, done);
        if (c->unread.len)
            continue;
        buf_clear(&c->unread);
        DL_DELETE2(d->unserved, c, prev_unserved, next_unserved);
        if (!c->is_closing)
            uv_read_start((uv_stream_t *)&c->pipe, on_alloc, on_read);
    }
    d->round++;
}

bool server_has_more(const struct daemon *d)
{
    const struct connection *c;
    DL_FOREACH2(d->unserved, c, next_unserved)
    {
        if (!connection_is_full(c))
            return true;
    }
    return false;
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

static struct user *user_of(struct daemon *d, uid_t uid)
{
    struct user *u;
    HASH_FIND(hh, d->users, &uid, sizeof uid, u);
    if (u)
        return u;
    u = xcalloc(1, sizeof *u);
    u->uid = uid;
    HASH_ADD(hh, d->users, uid, sizeof u->uid, u);
    return u;
}

static bool learn_peer(struct connection *c)
{
    struct ucred cred;
    socklen_t len = sizeof cred;
    uv_os_fd_t fd;
    if (uv_fileno((uv_handle_t *)&c->pipe, &fd) < 0 ||
        getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &cred, &len) < 0)
        return false;
    c->user = user_of(c->daemon, cred.uid);
    c->user->n_connections++;
    c->gid = cred.gid;
    c->is_admin = cred.uid == 0 || cred.uid == geteuid() ||
                  is_in_group(cred.uid, cred.gid, settings_admin_group(c->daemon->settings));
    return true;
}

static void say_hello(struct connection *c)
{
    const struct state *s = engine_state(c->daemon->engine);
    struct buf *out = connection_line(c);
    json_begin(out, NULL, '{');
    json_put_text(out, "gwd", GW_VERSION);
    json_put_int(out, "protocol", PROTOCOL_VERSION);
    json_put_text(out, "instance", s->instance);
    json_put_uint(out, "seq", s->seq);
    json_put_text(out, "home", settings_state_dir(c->daemon->settings));
    json_end(out, '}');
    connection_line_end(c);
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
    DL_APPEND(d->connections, c);
    HASH_ADD(hh, d->by_number, number, sizeof c->number, c);
    d->n_connections++;
    if (uv_accept(listener, (uv_stream_t *)&c->pipe) < 0 || !learn_peer(c)) {
        close_connection(c);
        return;
    }
    if (d->n_connections > CONNECTIONS_MAX || c->user->n_connections > CONNECTIONS_USER_MAX) {
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

void server_free(struct daemon *d)
{
    struct user *u, *tmp;
    HASH_ITER (hh, d->users, u, tmp) {
        HASH_DELETE(hh, d->users, u);
        free(u->name);
        free(u);
    }
}
