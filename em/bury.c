/* The end of a job that left no result, or had to be killed: no process of it stays, no domain of
 * it stays, and then its end is told. */
#include "em/attempt.h"
#include "em/job.h"
#include "lib/log.h"
#include "lib/mem.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/pidfd.h>
#include <sys/wait.h>
#include <unistd.h>

enum { KILL_AGAIN_MS = 100, KILL_SELDOM_MS = 2000, KILLS_OFTEN = 50, SWEEP_MAX_MS = 60000 };

static void buried(struct job *j)
{
    bool has_status = attempt_is_over(j->launch.directory, j->launch.token);
    job_finish(j, has_status ? JOB_DONE : JOB_LOST);
}

static void sweep_takes_too_long(void *ctx)
{
    struct job *j = ctx;
    j->timer = NULL;
    log_warn("job %s: %s sweep did not end within %d s", j->handle, j->driver->gwvm,
             SWEEP_MAX_MS / 1000);
    pidfd_send_signal(j->pidfd, SIGKILL, NULL, 0);
}

static void on_sweep_end(void *ctx, int fd, short revents)
{
    (void)revents;
    struct job *j = ctx;
    siginfo_t info = {0};
    struct loop *l = kit_loop(j->driver->kit);
    waitid(P_PIDFD, (id_t)fd, &info, WEXITED);
    if (info.si_code != CLD_EXITED || info.si_status != 0)
        log_warn("job %s: %s sweep ended with %d", j->handle, j->driver->gwvm, info.si_status);
    loop_timer_cancel(l, j->timer);
    j->timer = NULL;
    loop_unwatch(l, fd);
    close(fd);
    j->pidfd = -1;
    buried(j);
}

static bool is_vm(const struct job *j)
{
    char *path = xasprintf("%s/vm.conf", j->launch.directory);
    bool has = access(path, F_OK) == 0;
    free(path);
    return has && access(j->driver->gwvm, X_OK) == 0;
}

static struct launch sweep_launch(const struct job *j)
{
    const char *const words[] = {j->driver->gwvm, "sweep", "--token", j->launch.token};
    struct launch l = {
        .directory = xstrdup(j->launch.directory),
        .in = xstrdup("/dev/null"),
        .out = xstrdup("/dev/null"),
        .error = xstrdup("/dev/null"),
        .argv = xcalloc(GW_COUNT(words) + 1, sizeof(char *)),
        .env = launch_account_env(),
    };
    for (size_t i = 0; i < GW_COUNT(words); i++)
        l.argv[i] = xstrdup(words[i]);
    return l;
}

/* The path in job.ctl is the payload's to change, so the gwvm beside us is taken. */
static void sweep(struct job *j)
{
    struct launch l = sweep_launch(j);
    struct gw_err err;
    pid_t pid;
    int r = launch_start(&l, &pid, &j->pidfd, &err);
    launch_clear(&l);
    j->is_swept = true;
    if (r < 0) {
        log_warn("job %s: %s", j->handle, err.text);
        buried(j);
        return;
    }
    struct loop *loop = kit_loop(j->driver->kit);
    loop_watch(loop, j->pidfd, POLLIN, on_sweep_end, j);
    j->timer = loop_timer_add(loop, SWEEP_MAX_MS, sweep_takes_too_long, j);
}

static void kill_rest(void *ctx)
{
    struct job *j = ctx;
    struct attempt a = {0};
    j->timer = NULL;
    attempt_look(j->launch.directory, j->launch.token, &a, NULL);
    if (a.state == ATTEMPT_RUNNING)
        close(a.pidfd);
    struct process_id leaders[] = {j->leader, a.wrapper, a.payload};
    size_t n = process_signal_attempt(j->launch.token, leaders, GW_COUNT(leaders), SIGKILL);
    /* Not given up while one is left: only then is it certain that the job is over. */
    if (n)
        j->timer =
            loop_timer_add(kit_loop(j->driver->kit),
                           j->tries++ < KILLS_OFTEN ? KILL_AGAIN_MS : KILL_SELDOM_MS, kill_rest, j);
    else if (is_vm(j) && !j->is_swept)
        sweep(j);
    else
        buried(j);
}

void job_bury(struct job *j)
{
    j->phase = JOB_BURYING;
    j->tries = 0;
    kill_rest(j);
}
