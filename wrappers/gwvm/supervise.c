#include "wrappers/gwvm/supervise.h"

#include "lib/log.h"
#include "wrappers/gwvm/attempt.h"
#include "wrappers/gwvm/work.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdbool.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

/* libvirt's code runs on a worker process. If that dies, for whatever reason, we remove the VM and
 * say so; if we die, it is told (PR_SET_PDEATHSIG) and does the same. It has a process group of its
 * own, so that no signal to ours takes both. */

/* A worker that was asked to stop has this long. */
enum { STOP_S = 30 };

/* The value has no padding that matters and goes through in one write: far below PIPE_BUF. */
_Static_assert(sizeof(struct outcome) < 4096, "an outcome goes through a pipe at once");

static void finish(struct attempt *a, const struct outcome *o)
{
    struct gw_err err;
    attempt_clean(a);
    if (attempt_finish(a, o, &err) < 0)
        log_error("%s", err.text);
    else if (!o->is_exited)
        log_warn("failed: %s: %s", vm_reason_name(o->failure.reason), o->failure.text);
}

static void worker_main(struct attempt *a, int report, pid_t parent)
{
    prctl(PR_SET_PDEATHSIG, SIGTERM);
    setpgid(0, 0);
    if (getppid() != parent)
        raise(SIGTERM); /* it was gone before we asked to be told; the signal waits for the first
                           look */
    struct outcome o;
    work(a, parent, &o);
    if (getppid() != parent || write(report, &o, sizeof o) != sizeof o)
        finish(a, &o);
    _exit(0);
}

struct worker {
    pid_t pid;
    int report;
    bool is_stopping;
    int status; /* as waitpid tells it */
};

static void reap(struct worker *w, bool *is_gone)
{
    int status;
    pid_t pid;
    while ((pid = waitpid(-1, &status, WNOHANG)) > 0) /* QEMU too: it was started as a daemon */
        if (pid == w->pid) {
            w->status = status;
            *is_gone = true;
        }
}

/* Wait for the worker's end. Signals are passed on, the first one starts the clock. */
static void wait_for(struct worker *w, const sigset_t *signals)
{
    struct timespec until = {0};
    bool is_gone = false;
    reap(w, &is_gone);
    while (!is_gone) {
        struct timespec now, left = {.tv_sec = STOP_S};
        if (w->is_stopping) {
            clock_gettime(CLOCK_MONOTONIC, &now);
            left.tv_sec = now.tv_sec < until.tv_sec ? until.tv_sec - now.tv_sec : 1;
        }
        int signum =
            w->is_stopping ? sigtimedwait(signals, NULL, &left) : sigwaitinfo(signals, NULL);
        if (signum < 0 && errno == EAGAIN) {
            kill(w->pid, SIGKILL);
        } else if (signum > 0 && signum != SIGCHLD && !w->is_stopping) {
            w->is_stopping = true;
            clock_gettime(CLOCK_MONOTONIC, &until);
            until.tv_sec += STOP_S;
            kill(w->pid, signum);
        }
        reap(w, &is_gone);
    }
}

/* What to say for a worker that said nothing. */
static void explain_death(const struct worker *w, struct outcome *o)
{
    o->ended = time(NULL);
    if (w->is_stopping)
        vm_fail(&o->failure, REASON_CANCELLED, "stopped; libvirt did not answer, QEMU was killed");
    else if (WIFSIGNALED(w->status) && WTERMSIG(w->status) == SIGALRM)
        vm_fail(&o->failure, REASON_HYPERVISOR, "libvirt did not answer for minutes");
    else if (WIFSIGNALED(w->status))
        vm_fail(&o->failure, REASON_INTERNAL, "gwvm's worker was ended by signal %d (%s)",
                WTERMSIG(w->status), strsignal(WTERMSIG(w->status)));
    else
        vm_fail(&o->failure, REASON_INTERNAL, "gwvm's worker exited with code %d",
                WEXITSTATUS(w->status));
}

static int start_worker(struct attempt *a, struct worker *w)
{
    int fds[2];
    pid_t self = getpid();
    if (pipe2(fds, O_CLOEXEC | O_NONBLOCK) < 0)
        return -errno;
    w->pid = fork();
    if (w->pid == 0) {
        close(fds[0]);
        worker_main(a, fds[1], self);
    }
    int r = w->pid < 0 ? -errno : 0;
    close(fds[1]);
    w->report = fds[0];
    return r;
}

static void supervise(struct attempt *a, const sigset_t *signals)
{
    struct outcome o = {.started = time(NULL)};
    struct worker w = {0};
    int r = start_worker(a, &w);
    if (r < 0) {
        o.ended = o.started;
        vm_fail(&o.failure, REASON_HYPERVISOR, "starting gwvm's worker: %s", strerror(-r));
    } else {
        wait_for(&w, signals);
        if (read(w.report, &o, sizeof o) != sizeof o)
            explain_death(&w, &o);
        close(w.report);
    }
    finish(a, &o);
}

static void block_signals(sigset_t *signals)
{
    sigemptyset(signals);
    sigaddset(signals, SIGTERM);
    sigaddset(signals, SIGINT);
    sigaddset(signals, SIGHUP);
    sigaddset(signals, SIGCHLD);
    sigprocmask(SIG_BLOCK, signals, NULL);
    signal(SIGCHLD,
           SIG_DFL); /* ignored ones, as some batch systems leave them, would never be told */
    signal(SIGPIPE, SIG_IGN);
    prctl(PR_SET_CHILD_SUBREAPER,
          1); /* QEMU becomes our child: its end is seen at once, by libvirt as well */
}

int gwvm_run(const char *dir)
{
    struct attempt a;
    struct gw_err err;
    int r = attempt_open(dir, &a, &err);
    if (r < 0) {
        log_error("%s", err.text);
        return GWVM_CONF;
    }
    sigset_t signals;
    block_signals(&signals);
    session_sweep_dead(); /* of whatever was killed together with its supervisor */
    if (attempt_has_status(&a)) {
        log_warn("attempt %s has ended already", a.conf.token);
    } else if (session_create(a.conf.uri, a.conf.token, &a.session, &err) < 0) {
        struct outcome o = {.started = time(NULL), .ended = time(NULL)};
        vm_fail_err(&o.failure, REASON_HYPERVISOR, &err);
        finish(&a, &o);
    } else {
        supervise(&a, &signals);
    }
    r = attempt_has_status(&a) ? GWVM_OK : GWVM_FAILED;
    attempt_clear(&a);
    return r;
}
