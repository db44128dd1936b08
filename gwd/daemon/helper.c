/* Multi-user mode: a program that is run as a user for a moment, through gw_launch, for what it
 * says. Ended when it takes too long or says too much. */
#include "gwd/daemon/daemon.h"
#include "gwd/daemon/settings.h"
#include "lib/mem.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <utlist.h>

enum { SAID_MAX = 16384, LAST_WORDS_MS = 1000 };

struct helper {
    struct daemon *daemon;
    uv_process_t process;
    uv_pipe_t in, out; /* gw_launch ends it at the end of its input */
    uv_timer_t limit;
    int open_handles;
    struct buf said;
    char room[4096];
    bool is_late, has_ended;
    int64_t status;
    helper_done *done;
    void *ctx;
    struct helper *prev, *next;
};

static void helper_destroy(struct helper *h)
{
    DL_DELETE(h->daemon->helpers, h);
    buf_clear(&h->said);
    free(h);
}

static void on_closed(uv_handle_t *handle)
{
    struct helper *h = handle->data;
    if (--h->open_handles)
        return;
    if (!h->daemon->is_stopping)
        h->done(h->ctx, h->is_late ? -1 : (int)h->status, buf_str(&h->said));
    helper_destroy(h);
}

static void close_once(void *handle)
{
    if (!uv_is_closing(handle))
        uv_close(handle, on_closed);
}

static void on_alloc(uv_handle_t *handle, size_t suggested, uv_buf_t *buf)
{
    struct helper *h = handle->data;
    (void)suggested;
    *buf = uv_buf_init(h->room, sizeof h->room);
}

static void on_read(uv_stream_t *stream, ssize_t n, const uv_buf_t *buf)
{
    struct helper *h = stream->data;
    if (n > 0 && h->said.len + (size_t)n <= SAID_MAX) {
        buf_put(&h->said, buf->base, (size_t)n);
        return;
    }
    if (n > 0)
        h->is_late = true;
    if (n != 0) {
        close_once(&h->in);
        close_once(&h->out);
        if (h->has_ended)
            close_once(&h->limit);
    }
}

/* It has not ended, or what it started holds its output open. */
static void on_late(uv_timer_t *timer)
{
    struct helper *h = timer->data;
    h->is_late = h->is_late || !h->has_ended;
    close_once(&h->in);
    close_once(&h->out);
    if (h->has_ended)
        close_once(&h->limit);
}

static void on_end(uv_process_t *process, int64_t status, int signal)
{
    struct helper *h = process->data;
    h->status = signal ? 128 + signal : status;
    h->has_ended = true;
    close_once(&h->in);
    close_once(&h->process);
    uv_timer_start(&h->limit, on_late, uv_is_closing((uv_handle_t *)&h->out) ? 0 : LAST_WORDS_MS,
                   0);
}

void helper_run(struct daemon *d, uint64_t uid, char *const *words, unsigned limit_s,
                helper_done *done, void *ctx)
{
    struct helper *h = xcalloc(1, sizeof *h);
    char number[24];
    size_t n = 0;
    while (words[n])
        n++;
    char **argv = xcalloc(n + 3, sizeof *argv);
    snprintf(number, sizeof number, "%" PRIu64, uid);
    argv[0] = (char *)settings_launcher(d->settings);
    argv[1] = number;
    memcpy(argv + 2, words, n * sizeof *argv);
    h->daemon = d;
    h->done = done;
    h->ctx = ctx;
    h->open_handles = 4;
    h->status = -1;
    DL_APPEND(d->helpers, h);
    uv_pipe_init(d->loop, &h->in, 0);
    uv_pipe_init(d->loop, &h->out, 0);
    uv_timer_init(d->loop, &h->limit);
    h->in.data = h->out.data = h->limit.data = h->process.data = h;
    uv_stdio_container_t stdio[3] = {
        {.flags = UV_CREATE_PIPE | UV_READABLE_PIPE, .data.stream = (uv_stream_t *)&h->in},
        {.flags = UV_CREATE_PIPE | UV_WRITABLE_PIPE, .data.stream = (uv_stream_t *)&h->out},
        {.flags = UV_IGNORE}};
    uv_process_options_t options = {
        .file = argv[0], .args = argv, .stdio = stdio, .stdio_count = 3, .exit_cb = on_end};
    int r = uv_spawn(d->loop, &h->process, &options);
    free(argv);
    if (r < 0) {
        close_once(&h->in);
        close_once(&h->out);
        close_once(&h->limit);
        close_once(&h->process);
        return;
    }
    uv_read_start((uv_stream_t *)&h->out, on_alloc, on_read);
    uv_timer_start(&h->limit, on_late, (uint64_t)limit_s * 1000, 0);
}

void helpers_free(struct daemon *d)
{
    while (d->helpers)
        helper_destroy(d->helpers);
}
