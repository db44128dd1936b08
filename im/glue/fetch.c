#include "im/glue/fetch.h"

#include "im/glue/search.h"
#include "lib/file.h"
#include "lib/mem.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

enum {
    GRACE_S = 2, /* for the search to say itself that it took too long */
    RESULT_MAX_BYTES = 64 << 20,
};

struct fetch {
    struct loop *loop;
    const char *url;
    unsigned timeout_s;
    fetch_fn *fn;
    void *ctx;
    pid_t pid;
    int fd;
    struct buf in;
    struct loop_timer *deadline;
};

/* The result's last line: "+" when it is whole, "-REASON" when there is none. */
static void search_to(int fd, const struct options *o, const struct target *t)
{
    struct buf out = BUF_INIT;
    struct gw_err err;
    if (search_hosts(o, t, &out, &err) < 0) {
        buf_reset(&out);
        buf_printf(&out, "-%s", err.text);
    } else {
        buf_putc(&out, '+');
    }
    file_write_all(fd, buf_str(&out), out.len);
}

static void run_child(int fd, pid_t parent, const struct options *o, const struct target *t)
{
    /* Not to hold the daemon's pipes open when the driver is gone, nor to outlive it. */
    int null = open("/dev/null", O_RDWR | O_CLOEXEC);
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    if (getppid() != parent || null < 0)
        _exit(1);
    dup2(null, STDIN_FILENO);
    dup2(null, STDOUT_FILENO);
    search_to(fd, o, t);
    _exit(0);
}

static void release(struct fetch *f)
{
    loop_timer_cancel(f->loop, f->deadline);
    loop_unwatch(f->loop, f->fd);
    close(f->fd);
    kill(f->pid, SIGKILL);
    while (waitpid(f->pid, NULL, 0) < 0 && errno == EINTR)
        ;
    buf_clear(&f->in);
    free(f);
}

void fetch_stop(struct fetch *f)
{
    if (f)
        release(f);
}

/* `why` is an error, or NULL: see what came. */
static void finish(struct fetch *f, const char *why)
{
    struct buf in = f->in;
    fetch_fn *fn = f->fn;
    void *ctx = f->ctx;
    bool is_good = !why && in.len && in.data[in.len - 1] == '+';
    char *text = why                           ? xasprintf("%s: %s", f->url, why)
                 : in.len && in.data[0] == '-' ? xstrdup(in.data + 1)
                                               : NULL;
    if (!is_good && !text)
        text = xasprintf("%s: the search ended without a result", f->url);
    f->in = BUF_INIT;
    release(f);
    if (is_good && !text)
        fn(ctx, true, in.data, in.len - 1);
    else
        fn(ctx, false, text, strlen(text));
    free(text);
    buf_clear(&in);
}

static void on_deadline(void *ctx)
{
    struct fetch *f = ctx;
    char *why = xasprintf("no answer in %u s", f->timeout_s);
    f->deadline = NULL;
    finish(f, why);
    free(why);
}

static void on_output(void *ctx, int fd, short revents)
{
    (void)revents;
    struct fetch *f = ctx;
    buf_reserve(&f->in, 65536);
    ssize_t n = read(fd, f->in.data + f->in.len, 65536);
    if (n < 0 && (errno == EINTR || errno == EAGAIN))
        return;
    if (n <= 0) {
        finish(f, NULL);
        return;
    }
    f->in.len += (size_t)n;
    f->in.data[f->in.len] = '\0';
    if (f->in.len > RESULT_MAX_BYTES)
        finish(f, "it publishes more than 64 MiB of attributes");
}

struct fetch *fetch_start(struct loop *loop, const struct options *o, const struct target *t,
                          fetch_fn *fn, void *ctx)
{
    int ends[2];
    pid_t parent = getpid();
    if (pipe2(ends, O_CLOEXEC) < 0)
        return NULL;
    pid_t pid = fork();
    if (pid == 0)
        run_child(ends[1], parent, o, t);
    close(ends[1]);
    if (pid < 0) {
        close(ends[0]);
        return NULL;
    }
    struct fetch *f = xcalloc(1, sizeof *f);
    *f = (struct fetch){.loop = loop,
                        .url = t->url,
                        .timeout_s = o->timeout_s,
                        .fn = fn,
                        .ctx = ctx,
                        .pid = pid,
                        .fd = ends[0]};
    fcntl(f->fd, F_SETFL, O_NONBLOCK);
    loop_watch(loop, f->fd, POLLIN, on_output, f);
    f->deadline = loop_timer_add(loop, (o->timeout_s + GRACE_S) * UINT64_C(1000), on_deadline, f);
    return f;
}
