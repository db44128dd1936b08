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

/* Their starts are put on disk together; what another run has begun meanwhile is looked at again.
 */
static int note_waiting(struct fork_driver *d, struct gw_err *err)
{
    struct job *j, *tmp;
    struct record known = {0};
    int r = journals_lock(d->journals, err);
    if (r < 0)
        return r;
    DL_FOREACH_SAFE(d->waiting, j, tmp)
    {
        if (j->is_noted)
            continue;
        r = journal_look(d->journals, j->launch.token, &known, err);
        if (r < 0)
            break;
        if (known.state == RECORD_NONE && !known.is_watched) {
            journal_start(d->journals, j->launch.token);
            j->is_noted = true;
        } else {
            DL_DELETE(d->waiting, j);
            job_look_again(j, 0);
        }
    }
    if (r == 0)
        r = journals_write(d->journals, true, err);
    journals_unlock(d->journals);
    return r;
}

static void start_waiting(void *ctx)
{
    struct fork_driver *d = ctx;
    struct gw_err err;
    d->start_timer = NULL;
    int r = d->has_unnoted ? note_waiting(d, &err) : 0;
    if (r == -GW_ESTATE) {
        d->start_timer = loop_timer_add(kit_loop(d->kit), LOOK_AGAIN_MS, start_waiting, d);
        return;
    }
    d->has_unnoted = r < 0;
    for (int n = 0; d->waiting && (r < 0 || n < STARTS_AT_ONCE); n++) {
        struct job *j = d->waiting;
        DL_DELETE(d->waiting, j);
        if (r == 0) {
            start_one(j);
        } else {
            if (j->is_noted)
                journal_never(d->journals, j->launch.token);
            job_not_started(j, r, err.text);
        }
    }
    if (d->waiting)
        d->start_timer = loop_timer_add(kit_loop(d->kit), 0, start_waiting, d);
    write_later(d);
}

/* With all that come in one turn. */
static void start_soon(struct job *j)
{
    struct fork_driver *d = j->driver;
    d->has_unnoted = true;
    j->is_noted = false;
    DL_APPEND(d->waiting, j);
    if (!d->start_timer)
        d->start_timer = loop_timer_add(kit_loop(d->kit), 0, start_waiting, d);
}

/* Who hears this submits it anew, or tells its owner that it is gone: nobody who was asked before
 * may start it any more. */
static void refuse_as_unknown(struct job *j)
{
    struct journals *js = j->driver->journals;
    struct record known = {0};
    struct gw_err err;
    int r = journals_lock(js, &err);
    if (r == -GW_ESTATE) {
        job_look_again(j, LOOK_AGAIN_MS);
        return;
    }
    if (r == 0)
        r = journal_look(js, j->launch.token, &known, &err);
    bool is_unknown = r == 0 && known.state == RECORD_NONE;
    if (is_unknown) {
        journal_never(js, j->launch.token);
        r = journals_write(js, false, &err);
    }
    journals_unlock(js);
    if (r < 0)
        job_not_started(j, r, err.text);
    else if (is_unknown)
        job_refuse(j, "not-found:us", "the attempt was never started here");
    else
        job_look_again(j, 0);
}

static void found_none(struct job *j, const struct record *r)
{
    bool is_submit = j->asked && strcmp(j->asked, "SUBMIT") == 0;
    if (is_submit && r->is_watched)
        job_refuse(j, "busy:site", "another process of the driver answers for the attempt");
    else if (is_submit)
        start_soon(j);
    else if (!j->asked || j->leader.pid)
        lose(j); /* it had been started, and the journal has been taken away */
    else
        refuse_as_unknown(j);
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
        found_none(j, &r);
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
        if (d->waiting->is_noted)
            journal_never(d->journals, d->waiting->launch.token);
        DL_DELETE(d->waiting, d->waiting);
    }
    loop_timer_cancel(kit_loop(d->kit), d->start_timer);
    d->start_timer = NULL;
    if (d->journals && journals_write(d->journals, false, &err) < 0)
        log_warn("%s", err.text);
}
