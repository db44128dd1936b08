#include "em/job.h"

#include "em/attempt.h"
#include "lib/log.h"
#include "lib/mem.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/pidfd.h>
#include <sys/wait.h>
#include <unistd.h>
#include <utlist.h>

enum {
    LOOK_AGAIN_MS = 50,
    LOOKS_MAX = 200,
    KILL_AFTER_MS = 20000,
    KILL_AGAIN_MS = 1000,
    ENDED_KEPT = 10000,    /* handles that POLL still knows after their end */
    EXIT_NOT_CLAIMED = 75, /* docs/jobdir.md */
};

static void look(struct job *j);

struct job *job_find(struct fork_driver *d, const char *handle)
{
    struct job *j;
    HASH_FIND_STR(d->jobs, handle, j);
    return j;
}

static struct job *job_add(struct fork_driver *d, const char *handle, struct launch *launch,
                           const char *asked)
{
    struct job *j = xcalloc(1, sizeof *j);
    snprintf(j->handle, sizeof j->handle, "%s", handle);
    j->driver = d;
    j->asked = asked;
    j->launch = *launch;
    *launch = (struct launch){0};
    j->pidfd = j->exit_code = -1;
    HASH_ADD_STR(d->jobs, handle, j);
    return j;
}

static void drop_fd(struct job *j, int *fd)
{
    if (*fd < 0)
        return;
    loop_unwatch(kit_loop(j->driver->kit), *fd);
    close(*fd);
    *fd = -1;
}

static void set_timer(struct job *j, uint64_t ms, loop_timer_fn *fn)
{
    struct loop *l = kit_loop(j->driver->kit);
    loop_timer_cancel(l, j->timer);
    j->timer = fn ? loop_timer_add(l, ms, fn, j) : NULL;
}

static void release(struct job *j)
{
    set_timer(j, 0, NULL);
    drop_fd(j, &j->pidfd);
    launch_clear(&j->launch);
}

static void job_remove(struct job *j)
{
    release(j);
    HASH_DEL(j->driver->jobs, j);
    free(j);
}

/* The request comes to nothing, and the handle with it. */
void job_refuse(struct job *j, const char *reason, const char *text)
{
    kit_fail(j->driver->kit, j->asked, j->handle, NULL, reason, "%s", text);
    job_remove(j);
}

static const char *reason_of(int code)
{
    switch (-code) {
    case GW_EINVAL:
        return "refused:job";
    case GW_EPERM:
        return "not-allowed:site";
    case GW_ENOSPC:
        return "no-space:site";
    case GW_EINTERNAL:
        return "internal:us";
    case GW_EUNAVAIL:
        return "busy:site";
    default:
        return "io:site";
    }
}

void job_forget(struct job *j)
{
    j->driver->n_ended--;
    DL_DELETE(j->driver->ended, j);
    job_remove(j);
}

void jobs_clear(struct fork_driver *d)
{
    struct job *j, *next;
    HASH_ITER (hh, d->jobs, j, next) {
        job_remove(j);
    }
}

const char *job_state(const struct job *j, char ret_text[16])
{
    if (j->phase == JOB_LOST)
        return NULL;
    if (j->phase == JOB_DONE && j->exit_code >= 0)
        snprintf(ret_text, 16, "DONE:%d", j->exit_code & 0xff);
    else
        snprintf(ret_text, 16, "%s",
                 j->phase == JOB_DONE                                ? "DONE"
                 : j->phase == JOB_ACTIVE || j->phase == JOB_BURYING ? "ACTIVE"
                                                                     : "PENDING");
    return ret_text;
}

static void tell(struct job *j, const char *verb, bool is_submit)
{
    struct kit *k = j->driver->kit;
    char text[16];
    if (j->phase == JOB_LOST) {
        kit_fail(k, verb, j->handle, NULL, "lost:site", "the job is over and left no result");
    } else if (is_submit) {
        struct buf contact = BUF_INIT;
        process_encode_contact(&j->leader, &contact);
        kit_succeed(k, verb, j->handle, NULL, "%s", buf_str(&contact));
        buf_clear(&contact);
    } else {
        kit_succeed(k, verb, j->handle, NULL, "%s", job_state(j, text));
    }
}

/* Tell what the phase now is: as the answer, if one is awaited, and of itself. */
static void report(struct job *j)
{
    const char *asked = j->asked;
    bool is_submit = asked && strcmp(asked, "SUBMIT") == 0;
    j->asked = NULL;
    if (asked)
        tell(j, asked, is_submit);
    if (!asked || (is_submit && j->phase != JOB_LOST))
        tell(j, "CALLBACK", false);
}

void job_finish(struct job *j, enum job_phase phase)
{
    j->phase = phase;
    report(j);
    release(j);
    DL_APPEND(j->driver->ended, j);
    if (++j->driver->n_ended > ENDED_KEPT)
        job_forget(j->driver->ended);
}

static void ended(struct job *j)
{
    if (j->launch.is_bare) {
        recorded_ended(j);
        return;
    }
    if (!j->launch.token) {
        job_finish(j, JOB_DONE);
        return;
    }
    bool has_lost_claim = j->is_child && j->exit_code == EXIT_NOT_CLAIMED;
    /* With a wrapper the payload's exit code is in the status file; the wrapper's own says nothing.
     */
    j->exit_code = -1;
    if (has_lost_claim && !j->is_killed) {
        j->phase = JOB_LOOKING;
        j->tries = 0;
        look(j);
    } else if (!j->is_killed && attempt_is_over(j->launch.directory, j->launch.token)) {
        job_finish(j, JOB_DONE);
    } else {
        job_bury(j);
    }
}

static void on_end(void *ctx, int fd, short revents)
{
    (void)revents;
    struct job *j = ctx;
    siginfo_t info = {0};
    if (j->is_child && waitid(P_PIDFD, (id_t)fd, &info, WEXITED | WNOHANG) == 0 && info.si_pid)
        j->exit_code = info.si_code == CLD_EXITED ? info.si_status : 128 + info.si_status;
    set_timer(j, 0, NULL);
    drop_fd(j, &j->pidfd);
    ended(j);
}

static void kill_all(void *ctx)
{
    struct job *j = ctx;
    j->timer = NULL;
    j->is_killed = true;
    log_warn("job %s did not end when asked to: killed", j->handle);
    process_signal_attempt(j->launch.token, &j->leader, 1, SIGKILL);
    pidfd_send_signal(j->pidfd, SIGKILL, NULL, 0);
    set_timer(j, KILL_AGAIN_MS, kill_all);
}

static void ask_to_end(struct job *j)
{
    /* Our wrapper passes it on, and its helpers must live to write the status. Anything else is
     * asked as a group; the pidfd tells that the number is still its own. */
    if (j->launch.token && !j->launch.is_bare)
        pidfd_send_signal(j->pidfd, SIGTERM, NULL, 0);
    else if (pidfd_send_signal(j->pidfd, 0, NULL, 0) == 0)
        kill(-j->leader.pid, SIGTERM);
    set_timer(j, KILL_AFTER_MS, kill_all);
}

void job_cancel(struct job *j)
{
    if (j->is_cancelled)
        return;
    j->is_cancelled = true;
    if (j->phase == JOB_ACTIVE)
        ask_to_end(j);
}

void job_activate(struct job *j)
{
    j->phase = JOB_ACTIVE;
    report(j);
    loop_watch(kit_loop(j->driver->kit), j->pidfd, POLLIN, on_end, j);
    if (j->is_cancelled)
        ask_to_end(j);
}

static void look_again(void *ctx)
{
    struct job *j = ctx;
    j->timer = NULL;
    look(j);
}

static void later(struct job *j, const char *why)
{
    if (j->tries++ < LOOKS_MAX)
        set_timer(j, LOOK_AGAIN_MS, look_again);
    else if (j->asked)
        job_refuse(j, "busy:site", why);
    else
        job_bury(j);
}

void job_look_again(struct job *j, uint64_t after_ms)
{
    set_timer(j, after_ms, look_again);
}

void job_not_started(struct job *j, int code, const char *text)
{
    j->phase = JOB_LOOKING;
    if (code == -GW_ESTATE)
        later(j, text);
    else if (j->asked)
        job_refuse(j, reason_of(code), text);
    else
        job_finish(j, JOB_LOST);
}

static void start(struct job *j)
{
    struct gw_err err;
    pid_t pid;
    int r = launch_start(&j->launch, &pid, &j->pidfd, &err);
    if (r < 0) {
        job_not_started(j, r, err.text);
        return;
    }
    if (process_identify(pid, &j->leader, &err) < 0) {
        /* Not to be watched, so not to be: /proc is missing. */
        kill(pid, SIGKILL);
        waitpid(pid, NULL, 0);
        job_refuse(j, "busy:site", err.text);
        return;
    }
    j->is_child = true;
    job_activate(j);
}

void job_adopt(struct job *j, const struct process_id *leader, int pidfd)
{
    j->leader = *leader;
    j->pidfd = pidfd;
    j->is_child = false;
    job_activate(j);
}

/* No claim. For SUBMIT that is how it begins: the claim itself decides between two starts. */
static void found_nothing(struct job *j)
{
    bool is_submit = j->asked && strcmp(j->asked, "SUBMIT") == 0;
    if (is_submit)
        start(j);
    else if (process_signal_attempt(j->launch.token, NULL, 0, 0) > 0)
        later(j, "the wrapper runs, but has not claimed the job directory");
    else if (!j->asked || j->leader.pid)
        job_bury(j);
    else
        job_refuse(j, "not-found:us", "the attempt was never started here");
}

static void found(struct job *j, struct attempt *a)
{
    if (a->wrapper.pid)
        j->leader = a->wrapper;
    switch (a->state) {
    case ATTEMPT_ABSENT:
        found_nothing(j);
        break;
    case ATTEMPT_CLAIMING:
        /* Looked at twice before it counts as dead: the process that claims may not be visible yet.
         */
        if (j->tries == 0 || process_signal_attempt(j->launch.token, NULL, 0, 0) > 0)
            later(j, "the claim of the job directory names no process");
        else
            job_bury(j);
        break;
    case ATTEMPT_RUNNING:
        job_adopt(j, &a->wrapper, a->pidfd);
        break;
    case ATTEMPT_ENDED:
        job_finish(j, JOB_DONE);
        break;
    case ATTEMPT_DEAD:
        job_bury(j);
        break;
    }
}

static void look_by_token(struct job *j)
{
    int lock = attempt_lock(j->launch.directory);
    if (lock == -1) {
        later(j, "another process is starting the job");
        return;
    }
    struct attempt a;
    struct gw_err err;
    int r = attempt_look(j->launch.directory, j->launch.token, &a, &err);
    if (r == 0)
        found(j, &a);
    else if (!j->asked || (r == -GW_ENOENT && strcmp(j->asked, "RECOVER") == 0))
        job_bury(j); /* the directory was taken away from a job that had been submitted */
    else
        job_refuse(j, reason_of(r == -GW_EINVAL ? -GW_EIO : r), err.text);
    if (lock >= 0)
        close(lock);
}

static void look_by_contact(struct job *j)
{
    int fd = process_pidfd(&j->leader);
    if (fd >= 0)
        job_adopt(j, &j->leader, fd);
    else
        job_finish(j, JOB_DONE);
}

static void look(struct job *j)
{
    if (j->launch.is_bare)
        recorded_look(j);
    else if (j->launch.token)
        look_by_token(j);
    else if (j->asked && strcmp(j->asked, "SUBMIT") == 0)
        start(j);
    else
        look_by_contact(j);
}

void job_submit(struct fork_driver *d, const char *handle, struct launch *launch)
{
    look(job_add(d, handle, launch, "SUBMIT"));
}

void job_recover(struct fork_driver *d, const char *handle, struct launch *launch,
                 const struct process_id *contact)
{
    struct job *j = job_add(d, handle, launch, "RECOVER");
    j->leader = *contact;
    look(j);
}
