/* One connection: lines in, lines out. What it sends is served in the time that its user has in a
 * round of the loop; what it does not read waits, up to a limit of its own and one of its user's. A
 * client that is silent, sends rubbish or does not read harms nobody but itself. */
#include "gwd/daemon/request.h"
#include "gwd/daemon/server_private.h"
#include "lib/json_write.h"
#include "lib/log.h"
#include "lib/mem.h"
#include "lib/utf8.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

enum {
    LINE_MAX_BYTES = 4 << 20, /* parsing it is one step */
    CHUNK_BYTES = 65536,
    CHUNK_LATE_BYTES = 4096,     /* when its user's time is over: this much is kept of it */
    SERVE_MAX_US = 4000,         /* one user in a round of the loop; then the others */
    OUTPUT_FULL_BYTES = 2 << 20, /* what can wait does, until the client has read */
    OUTPUT_MAX_BYTES = 64 << 20, /* waiting for one client: it is cut off */
    EVENTS_MAX_BYTES = 16 << 20, /* the same, of one that watches */
    STUCK_MAX_MS = 10000, /* one that watches, or is to end, has not read anything for so long */
    USER_HELD_MAX_BYTES = 128 << 20, /* of all connections of a user: he is served no more, */
    USER_HELD_CUT_BYTES = 256 << 20, /* and cut off */
    STREAMS_MAX = 64,                /* watches and logs of a connection, */
    USER_STREAMS_MAX = 1024,         /* and of a user; */
    USER_WATCHED_MAX = 1000000,      /* ids in his watches */
};

struct daemon *connection_daemon(const struct connection *c)
{
    return c->daemon;
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

bool connection_take_stream(struct connection *c, json_int_t id, bool is_watching, size_t n_ids)
{
    char *text = NULL;
    if (c->n_streams >= STREAMS_MAX)
        text = xasprintf("a connection has at most %d watches and logs; end one, or open another "
                         "connection",
                         STREAMS_MAX);
    else if (c->user->n_streams >= USER_STREAMS_MAX)
        text = xasprintf("a user has at most %d watches and logs, and you have them; end some",
                         USER_STREAMS_MAX);
    else if (c->user->n_watched + n_ids > USER_WATCHED_MAX)
        text = xasprintf("the watches of a user name at most %d jobs; watch all, or an array",
                         USER_WATCHED_MAX);
    if (text) {
        connection_error(c, id, GW_ENOSPC, text, NULL);
        free(text);
        return false;
    }
    c->n_streams++;
    c->user->n_streams++;
    c->user->n_watched += n_ids;
    c->has_streams = true;
    c->is_watching |= is_watching;
    return true;
}

void connection_drop_stream(struct connection *c, size_t n_ids)
{
    c->n_streams--;
    c->user->n_streams--;
    c->user->n_watched -= n_ids;
}

/* --- output --- */

static size_t waiting(const struct connection *c)
{
    return uv_stream_get_write_queue_size((const uv_stream_t *)&c->pipe) + c->out.len;
}

/* What is kept for it, to its user's account. */
static void account(struct connection *c)
{
    size_t held = c->line.cap + c->unread.cap + c->out.cap +
                  uv_stream_get_write_queue_size((const uv_stream_t *)&c->pipe);
    if (!c->user)
        return;
    c->user->held_bytes += held - c->held_bytes;
    c->held_bytes = held;
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
    c->stuck_ms = uv_now(c->daemon->loop);
    account(c);
    if (status < 0 || (c->is_ending && waiting(c) == 0))
        connection_close(c);
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
        connection_close(c);
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

/* One that has to read and does not is cut off: after so many bytes, or so much time without
 * reading any. */
static bool is_stuck(struct connection *c)
{
    if (!c->is_watching && !c->is_ending)
        return false;
    size_t left = uv_stream_get_write_queue_size((const uv_stream_t *)&c->pipe);
    uint64_t now_ms = uv_now(c->daemon->loop);
    if (left == 0 || left < c->stuck_bytes || c->stuck_bytes == 0) {
        c->stuck_ms = now_ms;
        c->stuck_bytes = left;
    }
    if (left <= EVENTS_MAX_BYTES && now_ms - c->stuck_ms <= STUCK_MAX_MS)
        return false;
    log_warn("a client of user %ld does not read %s: %zu bytes wait, nothing was read for %" PRIu64
             " s; cut off",
             (long)c->user->uid, c->is_watching ? "the events that it watches" : "its last answer",
             left, (now_ms - c->stuck_ms) / 1000);
    return true;
}

/* Its time counts from the first byte that waits. */
static void begin_waiting(struct connection *c)
{
    if (uv_stream_get_write_queue_size((const uv_stream_t *)&c->pipe) == 0)
        c->stuck_ms = uv_now(c->daemon->loop);
}

static void send_out(struct connection *c)
{
    size_t len = c->out.len, sent;
    begin_waiting(c);
    sent = write_now(c, c->out.data, len);
    if (sent < len) {
        buf_drop(&c->out, sent);
        struct shared_text *rest = shared_text_create(&c->out);
        write_later(c, rest, 0);
        shared_text_release(rest);
    }
    /* A large answer is not remembered by its memory. */
    if (c->out.cap > CHUNK_BYTES)
        buf_clear(&c->out);
    buf_reset(&c->out);
    c->stuck_bytes = waiting(c);
}

static void flush(struct connection *c)
{
    if (c->is_closing)
        return;
    if (is_stuck(c)) {
        connection_close(c);
        return;
    }
    if (c->out.len)
        send_out(c);
    account(c);
    if (c->is_ending && waiting(c) == 0)
        connection_close(c);
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
    account(c);
    if (waiting(c) > OUTPUT_MAX_BYTES || c->user->held_bytes > USER_HELD_CUT_BYTES) {
        log_warn("a client of user %ld does not read what it asked for; cut off",
                 (long)c->user->uid);
        connection_close(c);
    }
}

void connection_send_shared(struct connection *c, struct shared_text *text)
{
    flush(c); /* in order */
    if (c->is_closing)
        return;
    begin_waiting(c);
    size_t sent = write_now(c, text->data, text->len);
    if (sent < text->len)
        write_later(c, text, sent);
    c->stuck_bytes = waiting(c);
    account(c);
    if (c->user->held_bytes > USER_HELD_CUT_BYTES)
        connection_close(c);
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

json_t *connection_error_json(enum gw_errc code, const char *text)
{
    char *clean = xstrdup(text);
    utf8_clean(clean);
    json_t *error = json_pack("{ss ss}", "code", gw_errc_name(code), "message", clean);
    free(clean);
    return error;
}

void connection_error(struct connection *c, json_int_t id, enum gw_errc code, const char *text,
                      json_t *diagnostics)
{
    json_t *error = connection_error_json(code, text);
    if (diagnostics)
        json_object_set_new(error, "diagnostics", diagnostics);
    connection_send(c, json_pack("{sI sb so}", "id", id, "ok", 0, "error", error));
}

void connection_refuse(struct connection *c, const char *text)
{
    connection_send(
        c, json_pack("{sn sb so}", "id", "ok", 0, "error", connection_error_json(GW_EPROTO, text)));
    c->is_ending = true;
    buf_clear(&c->line);
    if (!c->is_closing)
        uv_read_stop((uv_stream_t *)&c->pipe);
}

/* --- input --- */

static bool is_over_limit(struct connection *c, json_int_t id)
{
    if (c->user->held_bytes <= USER_HELD_MAX_BYTES)
        return false;
    connection_error(c, id, GW_ENOSPC,
                     "your connections hold more than 128 MiB that is not read; read it, or close "
                     "some of them",
                     NULL);
    return true;
}

static void take_line(struct connection *c, const char *line, size_t len)
{
    struct gw_err err;
    json_t *request;
    if (request_read(line, len, &request, &err) < 0) {
        connection_refuse(c, err.text);
        return;
    }
    if (!is_over_limit(c, json_integer_value(json_object_get(request, "id"))))
        ops_serve(c, request);
    json_decref(request);
}

/* One line, or what has come of it: whole ones are read where they are. */
static void take_part(struct connection *c, const char *p, size_t len, bool is_whole)
{
    if (c->line.len + len > LINE_MAX_BYTES) {
        connection_refuse(c, "a line is longer than 4 MiB");
    } else if (is_whole && c->line.len == 0) {
        take_line(c, p, len);
    } else if (c->user->held_bytes > USER_HELD_MAX_BYTES) {
        connection_refuse(c, "your connections hold more than 128 MiB; close some of them");
    } else {
        buf_put(&c->line, p, len);
        if (!is_whole)
            return;
        struct buf line = c->line; /* the request may end the connection */
        c->line = BUF_INIT;
        take_line(c, buf_str(&line), line.len);
        buf_clear(&line);
    }
}

bool connection_may_go_on(struct connection *c)
{
    struct user *u = c->user;
    int64_t now_us = clock_mono_us();
    if (u->round != c->daemon->round) {
        u->round = c->daemon->round;
        u->end_us = now_us + SERVE_MAX_US;
    }
    return now_us < u->end_us && !connection_is_full(c);
}

bool connection_may_render(struct connection *c)
{
    enum { RENDERED_MAX = 16 };
    struct user *u = c->user;
    if (u->rendered_round != c->daemon->round) {
        u->rendered_round = c->daemon->round;
        u->n_rendered = 0;
    }
    return u->n_rendered++ < RENDERED_MAX;
}

/* So many bytes are done with. One that ends is not listened to. */
static size_t serve(struct connection *c, const char *data, size_t len)
{
    size_t at = 0;
    while (at < len && !c->is_closing && !c->is_ending) {
        if (!connection_may_go_on(c))
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
        connection_close(c);
    }
    size_t len = n > 0 ? (size_t)n : 0, done = serve(c, buf->base, len);
    if (done < len) {
        c->round = done ? c->daemon->round : 0;
        buf_put(&c->unread, buf->base + done, len - done);
        DL_APPEND2(c->daemon->unserved, c, prev_unserved, next_unserved);
        uv_read_stop(stream);
    }
    account(c);
}

/* Served at once, or what is left copied, so one chunk serves all connections. */
static void on_alloc(uv_handle_t *handle, size_t suggested, uv_buf_t *buf)
{
    static char chunk[CHUNK_BYTES];
    (void)suggested;
    *buf = uv_buf_init(chunk, connection_may_go_on(handle->data) ? CHUNK_BYTES : CHUNK_LATE_BYTES);
}

void connection_start(struct connection *c)
{
    uv_read_start((uv_stream_t *)&c->pipe, on_alloc, on_read);
}

/* Those of a user take turns: who was served goes behind the others, and waits in the next round
 * for those that came meanwhile. */
void connection_go_on(struct connection *c)
{
    struct daemon *d = c->daemon;
    size_t done = serve(c, c->unread.data, c->unread.len);
    if (done == 0)
        return;
    c->round = d->round;
    buf_drop(&c->unread, done);
    DL_DELETE2(d->unserved, c, prev_unserved, next_unserved);
    if (c->unread.len) {
        DL_APPEND2(d->unserved, c, prev_unserved, next_unserved);
        return;
    }
    buf_clear(&c->unread);
    account(c);
    if (!c->is_closing && !c->is_ending)
        connection_start(c);
}

/* --- its end --- */

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
    if (c->user) {
        c->user->n_connections--;
        c->user->held_bytes -= c->held_bytes;
    }
    buf_clear(&c->unread);
    buf_clear(&c->line);
    buf_clear(&c->out);
    json_decref(c->warnings);
    free(c);
}

/* What watches on its behalf goes with the handle, a little later: it may be the watch that called.
 */
void connection_close(struct connection *c)
{
    if (c->is_closing)
        return;
    c->is_closing = true;
    uv_close((uv_handle_t *)&c->pipe, on_closed);
}

void connection_look_after(struct connection *c)
{
    if (!c->is_closing && waiting(c) && is_stuck(c))
        connection_close(c);
}
