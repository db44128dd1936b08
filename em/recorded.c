/* Jobs without a job directory: what was started, and how it ended, stands in the journal
 * (em/journal.h), on disk before the first step of each. */
#include "em/job.h"
#include "lib/log.h"

#include <signal.h>
#include <sys/pidfd.h>
#include <sys/wait.h>
#include <unistd.h>

#include <utlist.h>

enum {
    STARTS_AT_ONCE = 32, /* before what others say is listened to */
    LOOK_AGAIN_MS = 20,
};

static void write_journal(void *ctx)
{
    struct fork_driver *d = ctx;
    struct gw_err err;
    d->write_timer = NULL;
    if (journals_write(d->journals, false, &err) < 0)
        log_warn("%s", err.text);
}

/* At the end of this turn of the loop, before anything of it is told. */
static void write_later(struct fork_driver *d)
{
    if (!d->write_timer)
        d->write_timer = loop_timer_add(kit_loop(d->kit), 0, write_journal, d);
}

static void lose(struct job *j)
{
    journal_lose(j->driver->journals, j->launch.token);
    write_later(j->driver);
    job_finish(j, JOB_LOST);
}

static void start_one(struct job *j)
{
    struct fork_driver *d = j->driver;
    struct gw_err err;
    pid_t pid;
    int r = launch_start(&j->launch, &pid, &j->pidfd, &err);
    if (r < 0) {
        journal_never(d->journals, j->launch.token);
        job_not_started(j, r, err.text);
        return;
    }
    j->is_child = true;
    d->n_children++;
    if (process_identify(pid, &j->leader, &err) == 0)
        journal_run(d->journals, j->launch.token, &j->leader);
    job_activate(j);
}

static void start_waiting(void *ctx)
{
    struct fork_driver *d = ctx;
    struct gw_err err;
    d->start_timer = NULL;
    int r = d->has_noted_start ? journals_write(d->journals, true, &err) : 0;
    d->has_noted_start = r < 0;
    for (int n = 0; d->waiting && (r < 0 || n < STARTS_AT_ONCE); n++) {
        struct job *j = d->waiting;
        DL_DELETE(d->waiting, j);
        if (r == 0) {
            start_one(j);
        } else {
            journal_never(d->journals, j->launch.token);
            job_not_started(j, r, err.text);
        }
    }
    if (d->waiting)
        d->start_timer = loop_timer_add(kit_loop(d->kit), 0, start_waiting, d);
    write_later(d);
}

/* All that come in one turn are put on disk together, then started. */
static void start_soon(struct job *j)
{
    struct fork_driver *d = j->driver;
    journal_start(d->journals, j->launch.token);
    d->has_noted_start = true;
    DL_APPEND(d->waiting, j);
    if (!d->start_timer)
        d->start_timer = loop_timer_add(kit_loop(d->kit), 0, start_waiting, d);
}

static void found_none(struct job *j)
{
    bool is_submit = j->asked && strcmp(j->asked, "SUBMIT") == 0;
    if (is_submit)
        start_soon(j);
    else if (!j->asked || j->leader.pid)
        lose(j); /* it had been started, and the journal has been taken away */
    else
        job_refuse(j, "not-found:us", "the attempt was never started here");
}

/* A process that nobody waits for ends without a code. */
static void found_running(struct job *j, const struct record *r)
{
    int fd = process_pidfd(&r->process);
    if (fd >= 0)
        job_adopt(j, &r->process, fd);
    else if (r->is_watched)
        job_look_again(j, LOOK_AGAIN_MS); /* its end is about to be written */
    else
        lose(j);
}

void recorded_look(struct job *j)
{
    struct record r;
    struct gw_err err;
    int code = journal_look(j->driver->journals, j->launch.token, &r, &err);
    if (code < 0) {
        job_not_started(j, code, err.text);
        return;
    }
    switch (r.state) {
    case RECORD_NONE:
        found_none(j);
        break;
    case RECORD_STARTING:
        if (r.is_watched || process_signal_attempt(j->launch.token, NULL, 0, 0) > 0)
            job_look_again(j, LOOK_AGAIN_MS);
        else
            lose(j);
        break;
    case RECORD_RUNNING:
        found_running(j, &r);
        break;
    case RECORD_ENDED:
        j->leader = r.process;
        j->exit_code = r.code;
        job_finish(j, JOB_DONE);
        break;
    case RECORD_LOST:
        job_finish(j, JOB_LOST);
        break;
    }
}

void recorded_ended(struct job *j)
{
    struct fork_driver *d = j->driver;
    if (j->is_cancelled) /* what it left in its session goes with it */
        process_signal_attempt(j->launch.token, &j->leader, 1, SIGKILL);
    if (!j->is_child) {
        j->phase = JOB_LOOKING;
        recorded_look(j);
        return;
    }
    d->n_children--;
    if (j->exit_code < 0) {
        lose(j);
        return;
    }
    journal_end(d->journals, j->launch.token, j->exit_code);
    write_later(d);
    job_finish(j, JOB_DONE);
}

void recorded_stop(struct fork_driver *d)
{
    struct gw_err err;
    while (d->waiting) {
        journal_never(d->journals, d->waiting->launch.token);
        DL_DELETE(d->waiting, d->waiting);
    }
    loop_timer_cancel(kit_loop(d->kit), d->start_timer);
    d->start_timer = NULL;
    if (d->journals && journals_write(d->journals, false, &err) < 0)
        log_warn("%s", err.text);
}
