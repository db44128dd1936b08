#include "drivers/child.h"

#include "drivers/fields.h"
#include "lib/buf.h"
#include "lib/mem.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/pidfd.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>
#include <utlist.h>

enum {
    SEND_MAX = 1 << 20,
    REAP_MS = 1000, /* from the end of its output to the end of the process */
};

struct child {
    struct children *all;
    struct child_events events; /* .gone is NULL: detached */
    pid_t pid;
    int pidfd, to, from; /* -1: closed */
    struct buf out, in;
    bool is_finishing, is_paused;
    struct loop_timer *timer;
    struct child *prev, *next;
};

static void on_writable(void *ctx, int fd, short revents);
static void on_readable(void *ctx, int fd, short revents);

static void close_end(struct child *c, int *fd)
{
    if (*fd < 0)
        return;
    loop_unwatch(c->all->loop, *fd);
    close(*fd);
    *fd = -1;
}

static void child_destroy(struct child *c)
{
    loop_timer_cancel(c->all->loop, c->timer);
    close_end(c, &c->to);
    close_end(c, &c->from);
    close_end(c, &c->pidfd);
    DL_DELETE(c->all->first, c);
    buf_clear(&c->in);
    buf_clear(&c->out);
    free(c);
}

static void end_process(struct child *c)
{
    pidfd_send_signal(c->pidfd, SIGKILL, NULL, 0);
}

void child_pause(struct child *c, bool is_paused)
{
    if (c->from >= 0 && is_paused != c->is_paused) {
        if (is_paused)
            loop_unwatch(c->all->loop, c->from);
        else
            loop_watch(c->all->loop, c->from, POLLIN, on_readable, c);
    }
    c->is_paused = is_paused;
}

void child_detach(struct child *c)
{
    c->events = (struct child_events){0};
    child_pause(c, false); /* what it says is read, so that it does not wait for us */
}

static void cut_off(struct child *c)
{
    c->events = (struct child_events){0};
    close_end(c, &c->to);
    close_end(c, &c->from);
    end_process(c);
}

/* Tell the owner; what is left is to be reaped. */
static void fall(struct child *c, const char *how)
{
    struct child_events events = c->events;
    cut_off(c);
    if (events.gone)
        events.gone(events.ctx, how);
}

static void take_lines(struct child *c)
{
    size_t done = 0;
    char *end;
    if (!c->events.line)
        buf_reset(&c->in);
    while (c->events.line && c->in.len > done &&
           (end = memchr(c->in.data + done, '\n', c->in.len - done))) {
        char *start = c->in.data + done;
        size_t len = (size_t)(end - start);
        if (len >= LINE_MAX_BYTES)
            break;
        *end = '\0';
        done += len + 1;
        c->events.line(c->events.ctx, start, len);
    }
    buf_drop(&c->in, done);
    if (c->events.line && c->in.len >= LINE_MAX_BYTES)
        fall(c, "sent a line that is too long");
}

/* One read. False when nothing more is there, or will be. */
static bool take_bytes(struct child *c)
{
    buf_reserve(&c->in, LINE_MAX_BYTES);
    ssize_t n = read(c->from, c->in.data + c->in.len, LINE_MAX_BYTES);
    if (n < 0 && errno == EINTR)
        return true;
    if (n <= 0) {
        errno = n == 0 ? 0 : errno;
        return false;
    }
    c->in.len += (size_t)n;
    c->in.data[c->in.len] = '\0';
    take_lines(c);
    return c->from >= 0;
}

static void on_late(void *ctx)
{
    struct child *c = ctx;
    c->timer = NULL;
    if (c->from < 0 && c->events.gone)
        fall(c, "closed its output");
    else
        end_process(c);
}

static void set_timer(struct child *c, uint64_t after_ms)
{
    loop_timer_cancel(c->all->loop, c->timer);
    c->timer = loop_timer_add(c->all->loop, after_ms, on_late, c);
}

/* Its end tells more than the end of its output, so that is waited for, but not for long. */
static void on_readable(void *ctx, int fd, short revents)
{
    (void)fd;
    (void)revents;
    struct child *c = ctx;
    if (take_bytes(c) || c->from < 0 || errno == EAGAIN)
        return;
    close_end(c, &c->from);
    end_process(c);
    set_timer(c, REAP_MS);
}

static void on_writable(void *ctx, int fd, short revents)
{
    (void)revents;
    struct child *c = ctx;
    ssize_t n = write(fd, c->out.data, c->out.len);
    if (n > 0)
        buf_drop(&c->out, (size_t)n);
    else if (errno != EAGAIN && errno != EINTR)
        buf_reset(&c->out); /* it reads no more; its end is told by its output */
    if (c->out.len)
        return;
    loop_unwatch(c->all->loop, fd);
    if (c->is_finishing)
        close_end(c, &c->to);
}

static void on_end(void *ctx, int fd, short revents)
{
    (void)fd;
    (void)revents;
    struct child *c = ctx;
    char how[64];
    int status;
    while (c->from >= 0 && take_bytes(c)) {
    }
    if (waitpid(c->pid, &status, WNOHANG) != c->pid)
        return;
    if (WIFSIGNALED(status))
        snprintf(how, sizeof how, "was killed by signal %d", WTERMSIG(status));
    else
        snprintf(how, sizeof how, "ended with code %d", WEXITSTATUS(status));
    fall(c, how);
    child_destroy(c);
}

bool child_send(struct child *c, const void *data, size_t len)
{
    if (c->out.len + len > SEND_MAX || c->is_finishing)
        return false;
    buf_put(&c->out, data, len);
    if (c->to >= 0)
        loop_watch(c->all->loop, c->to, POLLOUT, on_writable, c);
    return true;
}

void child_finish(struct child *c, const char *last, uint64_t grace_ms)
{
    if (c->is_finishing || c->to < 0)
        return;
    buf_puts(&c->out, last);
    loop_watch(c->all->loop, c->to, POLLOUT, on_writable, c);
    c->is_finishing = true;
    set_timer(c, grace_ms);
}

void child_drop(struct child *c)
{
    if (c)
        cut_off(c);
}

/* In the child. */
static void become(const char *program, char *const *argv, char *const *env, int in, int out)
{
    /* workers_run() lets it take a moment then, to end its copies. */
    prctl(PR_SET_PDEATHSIG, SIGUSR1);
    if (dup2(in, STDIN_FILENO) >= 0 && dup2(out, STDOUT_FILENO) >= 0)
        execve(program, argv, env);
    _exit(127);
}

/* ret: [0] and [1] ours, to it and from it, [2] and [3] its own. */
static int make_pipes(int ret[4], struct gw_err *err)
{
    int in[2], out[2];
    if (pipe2(in, O_CLOEXEC) < 0)
        return gw_err_sys(err, errno, "making a pipe");
    if (pipe2(out, O_CLOEXEC) < 0) {
        int e = errno;
        close(in[0]);
        close(in[1]);
        return gw_err_sys(err, e, "making a pipe");
    }
    fcntl(in[1], F_SETFL, O_NONBLOCK);
    fcntl(out[0], F_SETFL, O_NONBLOCK);
    memcpy(ret, (int[]){in[1], out[0], in[0], out[1]}, 4 * sizeof *ret);
    return 0;
}

static int spawn(const char *program, char *const *argv, char *const *env, const int fds[4],
                 pid_t *ret_pid, int *ret_pidfd, struct gw_err *err)
{
    pid_t pid = fork();
    if (pid == 0)
        become(program, argv, env, fds[2], fds[3]);
    if (pid < 0)
        return gw_err_sys(err, errno, "forking");
    int pidfd = pidfd_open(pid, 0);
    if (pidfd < 0) {
        int e = errno;
        kill(pid, SIGKILL);
        waitpid(pid, NULL, 0);
        return gw_err_sys(err, e, "opening a pidfd");
    }
    *ret_pid = pid;
    *ret_pidfd = pidfd;
    return 0;
}

int child_start(struct children *all, const char *program, char *const *argv, char *const *env,
                const struct child_events *events, struct child **ret, struct gw_err *err)
{
    int fds[4], pidfd;
    pid_t pid;
    int r = make_pipes(fds, err);
    if (r < 0)
        return r;
    r = spawn(program, argv, env, fds, &pid, &pidfd, err);
    close(fds[2]);
    close(fds[3]);
    if (r < 0) {
        close(fds[0]);
        close(fds[1]);
        return r;
    }
    struct child *c = xcalloc(1, sizeof *c);
    *c = (struct child){
        .all = all, .events = *events, .pid = pid, .pidfd = pidfd, .to = fds[0], .from = fds[1]};
    DL_APPEND(all->first, c);
    loop_watch(all->loop, c->from, POLLIN, on_readable, c);
    loop_watch(all->loop, c->pidfd, POLLIN, on_end, c);
    *ret = c;
    return 0;
}

void children_clear(struct children *all)
{
    while (all->first) {
        struct child *c = all->first;
        end_process(c);
        waitpid(c->pid, NULL, 0);
        child_destroy(c);
    }
}
