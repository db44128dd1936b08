/* Multi-user mode: the processes of transfer and execution drivers that act as the jobs' owners,
 * through gw_launch. One for each driver and user, from the first request on until nothing of that
 * user has been under way for some minutes.
 *
 * What it says is that user's word, and is heard in matters of his attempts only: it is given no
 * other handles. Its standard error comes through a pipe, because the daemon's own log, as a
 * descriptor, could be cut off or read. */
#include "gwd/daemon/driver_private.h"
#include "lib/log.h"
#include "lib/mem.h"
#include "lib/utf8.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sysexits.h>
#include <unistd.h>
#include <utlist.h>

enum {
    UNUSED_S = 300,
    SAID_LINE_MAX = 500,
    SAID_LINES_MAX = 50, /* in SAID_WINDOW_S; the rest is not logged */
    SAID_WINDOW_S = 10,
    SAID_LOOK_BYTES = 65536, /* no more is read until the watchdog looks again */
};

struct driver_process *driver_of_user(struct driver_process *base, uint64_t uid)
{
    struct daemon *d = base->daemon;
    struct driver_process *p;
    struct driver_user user = {0};
    user.key.settings = base->settings;
    user.key.uid = uid;
    HASH_FIND(hh, d->user_drivers, &user.key, sizeof user.key, p);
    if (p)
        return p;
    p = xcalloc(1, sizeof *p);
    p->daemon = d;
    p->base = base;
    p->settings = base->settings;
    p->user = user;
    p->user.unused_us = clock_mono_us();
    uv_timer_init(d->loop, &p->timer);
    p->timer.data = p;
    LL_APPEND(d->drivers, p);
    HASH_ADD(hh, d->user_drivers, user.key, sizeof p->user.key, p);
    driver_start(p);
    return p;
}

/* --- its start --- */

char **driver_user_argv(const struct driver_process *p)
{
    char **own = p->settings->argv;
    size_t n = 0;
    while (own[n])
        n++;
    /* The number's text lies behind the words. */
    char **argv = xcalloc(n + 3 + 3, sizeof *argv), *uid = (char *)(argv + n + 3);
    snprintf(uid, 3 * sizeof *argv, "%" PRIu64, p->user.key.uid);
    argv[0] = (char *)settings_launcher(p->daemon->settings);
    argv[1] = uid;
    memcpy(argv + 2, own, n * sizeof *argv);
    return argv;
}

uv_stdio_container_t driver_user_stderr(struct driver_process *p)
{
    uv_pipe_init(p->daemon->loop, &p->user.err, 0);
    p->user.err.data = p;
    p->user.is_refused = p->user.is_leaving = p->user.was_up = false;
    free(p->user.said);
    p->user.said = NULL;
    p->user.said_bytes = 0;
    buf_reset(&p->user.line);
    return (uv_stdio_container_t){.flags = UV_CREATE_PIPE | UV_WRITABLE_PIPE,
                                  .data.stream = (uv_stream_t *)&p->user.err};
}

/* No files can be given to it. */
static const char *base_lacks(const struct driver_process *p)
{
    const unsigned tm = FEATURE_PCT | FEATURE_ATOMIC | FEATURE_SMALL,
                   em = FEATURE_PCT | FEATURE_INLINE;
    if (p->settings->kind == DRIVER_TM && (p->features & tm) != tm)
        return "it lacks pct, atomic or small, without which a daemon of many users cannot use it";
    if (p->settings->kind == DRIVER_EM && (p->features & em) != em)
        return "it lacks pct or inline, without which a daemon of many users cannot use it";
    return NULL;
}

const char *driver_user_lacks(const struct driver_process *p)
{
    if (!p->base)
        return settings_launcher(p->daemon->settings) ? base_lacks(p) : NULL;
    /* That is a matter of the user's home; its requests are refused one by one. */
    unsigned needed = p->base->features & ~(unsigned)FEATURE_BARE;
    return (p->features & needed) == needed
               ? NULL
               : "it does not take up what the daemon's own process of this driver does";
}

/* --- what it says on its standard error --- */

static void take_line(struct driver_process *p)
{
    struct driver_user *u = &p->user;
    int64_t now_us = clock_mono_us();
    if (now_us - u->said_since_us > INT64_C(1000000) * SAID_WINDOW_S) {
        u->said_since_us = now_us;
        u->n_said = 0;
    }
    free(u->said);
    u->said = xstrdup(buf_str(&u->line));
    utf8_clean(u->said);
    buf_reset(&u->line);
    if (++u->n_said <= SAID_LINES_MAX)
        log_info("%s says: %s%s", LABEL(p), u->said,
                 u->n_said == SAID_LINES_MAX ? " (and so on)" : "");
}

static void take_bytes(struct driver_process *p, const char *data, size_t len)
{
    for (size_t i = 0; i < len; i++) {
        if (data[i] == '\n')
            take_line(p);
        else if (p->user.line.len < SAID_LINE_MAX && data[i])
            buf_putc(&p->user.line, data[i]);
    }
}

static void on_alloc(uv_handle_t *handle, size_t suggested, uv_buf_t *buf)
{
    static char bytes[4096]; /* used up before the next read */
    (void)handle, (void)suggested;
    *buf = uv_buf_init(bytes, sizeof bytes);
}

static void on_read(uv_stream_t *stream, ssize_t n, const uv_buf_t *buf)
{
    struct driver_process *p = stream->data;
    if (n > 0) {
        take_bytes(p, buf->base, (size_t)n);
        p->user.said_bytes += (size_t)n;
    }
    if (n < 0 || p->user.said_bytes >= SAID_LOOK_BYTES)
        uv_read_stop(stream);
}

void driver_user_listen(struct driver_process *p)
{
    uv_read_start((uv_stream_t *)&p->user.err, on_alloc, on_read);
}

/* --- its end --- */

/* gw_launch says so by its exit code, and why in its last words, which may not have been read yet.
 */
char *driver_user_refusal(struct driver_process *p, int64_t status)
{
    static const char prefix[] = "gw_launch: ";
    char bytes[1024];
    uv_os_fd_t fd;
    ssize_t n;
    if (p->state != DRIVER_STARTING || status < EX_USAGE || status > EX_CONFIG)
        return NULL;
    if (uv_fileno((uv_handle_t *)&p->user.err, &fd) == 0 && (n = read(fd, bytes, sizeof bytes)) > 0)
        take_bytes(p, bytes, (size_t)n);
    const char *said = p->user.said ? p->user.said : "";
    if (strncmp(said, prefix, strlen(prefix)) != 0)
        return NULL;
    p->user.is_refused = status == EX_NOUSER;
    return xstrdup(said + strlen(prefix));
}

static void on_timer_closed(uv_handle_t *handle)
{
    driver_process_free(handle->data);
}

bool driver_user_is_over(struct driver_process *p)
{
    if (engine_user_running(p->daemon->engine, p->user.key.uid))
        return false;
    /* What he asks for next is asked of a new process. */
    driver_tell_engine(p, IN_DRIVER_UP, NULL);
    LL_DELETE(p->daemon->drivers, p);
    HASH_DEL(p->daemon->user_drivers, p);
    uv_close((uv_handle_t *)&p->timer, on_timer_closed);
    return true;
}

void driver_users_end(struct driver_process *base, const char *why)
{
    for (struct driver_process *p = base->daemon->drivers; p; p = p->next)
        if (p->base == base)
            driver_down(p, why);
}

void driver_user_look(struct driver_process *p)
{
    int64_t now_us = clock_mono_us();
    bool is_paused = p->user.said_bytes >= SAID_LOOK_BYTES;
    p->user.said_bytes = 0;
    if (is_paused && (p->state == DRIVER_STARTING || p->state == DRIVER_UP))
        driver_user_listen(p);
    if (p->state != DRIVER_UP || p->by_ref || p->pending ||
        engine_user_running(p->daemon->engine, p->user.key.uid))
        p->user.unused_us = now_us;
    else if (now_us - p->user.unused_us > INT64_C(1000000) * UNUSED_S) {
        p->user.is_leaving = true;
        driver_down(p, "it is not used any more");
    }
}
