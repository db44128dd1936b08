/* Who connects: a Unix socket, as many connections as there are descriptors for, fewer for one
 * user, and so many accepted in a round of the loop, so that nobody can keep it busy with that. */
#include "gwd/daemon/server_private.h"
#include "gwd/daemon/settings.h"
#include "lib/json_write.h"
#include "lib/mem.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

enum {
    PROTOCOL_VERSION = 1,
    ACCEPTS_MAX = 64, /* in a round */
    CONNECTIONS_MAX = 4096,
    FILES_OWN = 256,     /* descriptors that are not for clients */
    ADMINS_RESERVE = 32, /* connections that are left for administrators */
    LOOK_EVERY_MS = 2000,
};

struct connection *server_connection(struct daemon *d, uint64_t number)
{
    struct connection *c;
    HASH_FIND(hh, d->by_number, &number, sizeof number, c);
    return c && !c->is_closing ? c : NULL;
}

/* --- in each round --- */

static void accept_one(struct daemon *d);

/* One that is about to be cut off says nothing that would make us look. */
static void look_after(struct daemon *d)
{
    uint64_t now_ms = uv_now(d->loop);
    if (now_ms - d->looked_after_ms < LOOK_EVERY_MS)
        return;
    d->looked_after_ms = now_ms;
    for (struct connection *c = d->connections, *next; c; c = next) {
        next = c->next;
        connection_look_after(c);
    }
}

void server_go_on(struct daemon *d)
{
    struct connection *c, *tmp;
    d->n_accepted = 0;
    if (d->is_accept_waiting) {
        d->is_accept_waiting = false;
        accept_one(d);
    }
    for (int had_turn = 0; had_turn <= 1; had_turn++)
        DL_FOREACH_SAFE2(d->unserved, c, tmp, next_unserved)
        {
            if ((c->round + 1 >= d->round) == had_turn)
                connection_go_on(c);
        }
    watch_go_on(d);
    look_after(d);
    d->round++; /* with a poll: what comes in has its time after what the turn takes */
}

bool server_has_more(const struct daemon *d)
{
    const struct connection *c;
    if (d->is_accept_waiting || watch_has_more(d))
        return true;
    DL_FOREACH2(d->unserved, c, next_unserved)
    {
        if (!connection_is_full(c))
            return true;
    }
    return false;
}

/* --- connecting --- */

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

/* Why it is not served, or NULL; the caller's. */
static char *refusal(const struct connection *c)
{
    const struct daemon *d = c->daemon;
    size_t most = settings_connections_user(d->settings), all = d->connections_max;
    if (most > all / 2)
        most = all / 2;
    if (c->user->n_connections > most)
        return xasprintf("you have %zu connections, and no user may have more; close some", most);
    if (d->n_connections > all - (c->is_admin ? 0 : ADMINS_RESERVE))
        return xstrdup("too many connections; try again later");
    return NULL;
}

static void accept_one(struct daemon *d)
{
    struct connection *c = xcalloc(1, sizeof *c);
    c->daemon = d;
    c->number = ++d->next_connection;
    c->warnings = json_object();
    uv_pipe_init(d->loop, &c->pipe, 0);
    c->pipe.data = c;
    DL_APPEND(d->connections, c);
    HASH_ADD(hh, d->by_number, number, sizeof c->number, c);
    d->n_connections++;
    d->n_accepted++;
    if (uv_accept((uv_stream_t *)&d->listener, (uv_stream_t *)&c->pipe) < 0 || !peer_learn(c)) {
        connection_close(c);
        return;
    }
    char *why = refusal(c);
    if (why) {
        connection_refuse(c, why);
        free(why);
        return;
    }
    say_hello(c);
    connection_start(c);
}

/* While one waits to be accepted, libuv takes no other. */
static void on_connection(uv_stream_t *listener, int status)
{
    struct daemon *d = listener->data;
    if (status < 0)
        return;
    if (d->n_accepted < ACCEPTS_MAX)
        accept_one(d);
    else
        d->is_accept_waiting = true;
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

/* As many descriptors as we may have, so that the clients' never are those that the state, the
 * drivers and files need. */
static size_t connections_max(void)
{
    struct rlimit files;
    if (getrlimit(RLIMIT_NOFILE, &files) < 0)
        return 2 * ADMINS_RESERVE;
    rlim_t wanted = CONNECTIONS_MAX + FILES_OWN;
    if (files.rlim_cur != RLIM_INFINITY && files.rlim_cur < wanted) {
        files.rlim_cur =
            files.rlim_max == RLIM_INFINITY || files.rlim_max > wanted ? wanted : files.rlim_max;
        setrlimit(RLIMIT_NOFILE, &files);
    }
    if (files.rlim_cur >= wanted)
        return CONNECTIONS_MAX;
    return files.rlim_cur > FILES_OWN + 2 * ADMINS_RESERVE ? files.rlim_cur - FILES_OWN
                                                           : 2 * ADMINS_RESERVE;
}

int server_start(struct daemon *d, struct gw_err *err)
{
    d->connections_max = connections_max();
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
        connection_close(c);
    }
}
