/* The start of a launch: fork, a session of its own, exec, and its fate told through a pipe. */
#include "em/launch.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

/* What a child that could not exec sends. */
struct fate {
    enum step { STEP_DIRECTORY, STEP_STDIN, STEP_STDOUT, STEP_STDERR, STEP_EXEC } step;
    int errnum;
};

static struct rlimit first_limit;

void launch_raise_limit(void)
{
    if (getrlimit(RLIMIT_NOFILE, &first_limit) < 0)
        return;
    struct rlimit raised = {.rlim_cur = first_limit.rlim_max, .rlim_max = first_limit.rlim_max};
    setrlimit(RLIMIT_NOFILE, &raised);
}

static int put_on(int fd, const char *path, int flags)
{
    int opened = open(path, flags | O_NOCTTY, 0666);
    if (opened < 0)
        return -1;
    if (opened == fd)
        return 0;
    int r = dup2(opened, fd);
    close(opened);
    return r;
}

static void reset_process(void)
{
    sigset_t none;
    sigemptyset(&none);
    for (int s = 1; s < NSIG; s++)
        signal(s, SIG_DFL);
    sigprocmask(SIG_SETMASK, &none, NULL);
    if (first_limit.rlim_max)
        setrlimit(RLIMIT_NOFILE, &first_limit);
    setsid();
}

/* In the child. Only returns when a step failed. */
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

pid_t launch_start(const struct launch *l, int *ret_exec_fd, struct gw_err *err)
{
    int fds[2];
    if (pipe2(fds, O_CLOEXEC) < 0)
        return gw_err_sys(err, errno, "making a pipe");
    fcntl(fds[0], F_SETFL, O_NONBLOCK);
    pid_t pid = fork();
    if (pid == 0) {
        struct fate f = {.step = become(l), .errnum = errno};
        _exit(write(fds[1], &f, sizeof f) == sizeof f ? 127 : 126);
    }
    int e = errno;
    close(fds[1]);
    if (pid < 0) {
        close(fds[0]);
        return gw_err_sys(err, e, "forking");
    }
    *ret_exec_fd = fds[0];
    return pid;
}

int launch_result(const struct launch *l, int exec_fd, struct gw_err *err)
{
    struct fate f;
    ssize_t n = read(exec_fd, &f, sizeof f);
    if (n == 0)
        return 0;
    if (n != sizeof f)
        return gw_err_set(err, GW_EINTERNAL, "the fate of the exec is not known");
    switch (f.step) {
    case STEP_DIRECTORY:
        return gw_err_sys(err, f.errnum, "job directory %s", l->directory);
    case STEP_STDIN:
        return gw_err_sys(err, f.errnum, "opening %s for stdin", l->in);
    case STEP_STDOUT:
        return gw_err_sys(err, f.errnum, "opening %s for stdout", l->out);
    case STEP_STDERR:
        return gw_err_sys(err, f.errnum, "opening %s for stderr", l->error);
    case STEP_EXEC:
        break;
    }
    enum gw_errc code = f.errnum == ETXTBSY ? GW_ESTATE : GW_EINVAL;
    return gw_err_set(err, code, "executing %s in %s: %s", l->argv[0], l->directory,
                      strerror(f.errnum));
}
