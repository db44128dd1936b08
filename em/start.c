/* The start of a launch. Child and parent share their memory until the exec, so that it costs
 * nothing to copy, and the parent learns at once what became of it. */
#include "em/launch.h"

#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

/* What the child does, and what became of it. */
struct birth {
    const struct launch *l;
    enum step { STEP_DIRECTORY, STEP_STDIN, STEP_STDOUT, STEP_STDERR, STEP_EXEC, STEP_DONE } step;
    int errnum;
};

enum { STACK_BYTES = 65536 };

static struct rlimit first_limit;

void launch_raise_limit(void)
{
    if (getrlimit(RLIMIT_NOFILE, &first_limit) < 0)
        return;
    struct rlimit raised = {.rlim_cur = first_limit.rlim_max, .rlim_max = first_limit.rlim_max};
    setrlimit(RLIMIT_NOFILE, &raised);
}

/* We wait for this: a pipe without a reader must not keep us. */
static int put_on(int fd, const char *path, int flags)
{
    int opened = open(path, flags | O_NOCTTY | O_NONBLOCK, 0666);
    if (opened < 0)
        return -1;
    if (fcntl(opened, F_SETFL, flags & O_APPEND) < 0 || opened == fd)
        return opened == fd ? 0 : -1;
    int r = dup2(opened, fd);
    close(opened);
    return r;
}

/* What is ignored stays so over the exec; handlers do not. */
static void reset_process(void)
{
    sigset_t none;
    sigemptyset(&none);
    for (int s = 1; s < NSIG; s++) {
        struct sigaction now;
        if (sigaction(s, NULL, &now) == 0 && now.sa_handler == SIG_IGN)
            signal(s, SIG_DFL);
    }
    sigprocmask(SIG_SETMASK, &none, NULL);
    if (first_limit.rlim_max)
        setrlimit(RLIMIT_NOFILE, &first_limit);
    setsid();
}

/* Only returns when a step failed. */
static enum step become(const struct launch *l)
{
    reset_process();
    if (chdir(l->directory) < 0)
        return STEP_DIRECTORY;
    if (put_on(STDIN_FILENO, l->in, O_RDONLY) < 0)
        return STEP_STDIN;
    /* Appending: a wrapper that comes second to the claim must not empty the first one's files. */
    if (put_on(STDOUT_FILENO, l->out, O_WRONLY | O_CREAT | O_APPEND) < 0)
        return STEP_STDOUT;
    if (put_on(STDERR_FILENO, l->error, O_WRONLY | O_CREAT | O_APPEND) < 0)
        return STEP_STDERR;
    close_range(3, ~0U, CLOSE_RANGE_CLOEXEC);
    execve(l->argv[0], l->argv, l->env);
    return STEP_EXEC;
}

static int child(void *ctx)
{
    struct birth *b = ctx;
    b->step = become(b->l);
    b->errnum = errno;
    _exit(127);
}

static int told(const struct birth *b, struct gw_err *err)
{
    const struct launch *l = b->l;
    switch (b->step) {
    case STEP_DIRECTORY:
        return gw_err_sys(err, b->errnum, "job directory %s", l->directory);
    case STEP_STDIN:
        return gw_err_sys(err, b->errnum, "opening %s for stdin", l->in);
    case STEP_STDOUT:
        return gw_err_sys(err, b->errnum, "opening %s for stdout", l->out);
    case STEP_STDERR:
        return gw_err_sys(err, b->errnum, "opening %s for stderr", l->error);
    case STEP_EXEC:
        break;
    case STEP_DONE:
        return 0;
    }
    enum gw_errc code = b->errnum == ETXTBSY ? GW_ESTATE : GW_EINVAL;
    return gw_err_set(err, code, "executing %s in %s: %s", l->argv[0], l->directory,
                      strerror(b->errnum));
}

int launch_start(const struct launch *l, pid_t *ret_pid, int *ret_pidfd, struct gw_err *err)
{
    static char stack[STACK_BYTES] __attribute__((aligned(16)));
    struct birth b = {.l = l, .step = STEP_DONE};
    sigset_t all, before;
    int pidfd = -1;
    /* A handler of ours must not run in the child, in our memory. */
    sigfillset(&all);
    sigprocmask(SIG_SETMASK, &all, &before);
    pid_t pid = clone(child, stack + sizeof stack, CLONE_VM | CLONE_VFORK | CLONE_PIDFD | SIGCHLD,
                      &b, &pidfd);
    int e = errno;
    sigprocmask(SIG_SETMASK, &before, NULL);
    if (pid < 0) {
        gw_err_sys(err, e, "starting a process");
        return -GW_EUNAVAIL;
    }
    int r = told(&b, err);
    if (r < 0) {
        waitpid(pid, NULL, 0);
        close(pidfd);
        return r;
    }
    *ret_pid = pid;
    *ret_pidfd = pidfd;
    return 0;
}
