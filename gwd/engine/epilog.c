/* Stage out: the status file says how it ended, then the results come home, then the job directory
 * goes.
 *
 *   START, CP status, [read it], CP outputs and streams, RESULTS_ACCEPTED, RMDIR, END,
 * ATTEMPT_ENDED
 *
 * With the feature `small` GET takes the place of the first CP, and of START and END no answer is
 * waited for.
 *
 * Interrupted before RESULTS_ACCEPTED it is begun anew, after it only the cleaning is. */
#include "gwd/engine/engine_private.h"
#include "lib/mem.h"

#include <stdlib.h>
#include <string.h>

/* Send the request of a step, for the first time or again. */
static bool ask(struct engine *e, struct flight *f, enum step step)
{
    if (step != EPI_RMDIR)
        return tm_send(e, f, step, step == EPI_START ? "START" : "END", 0, NULL, NULL, NULL);
    char *url = staging_dir_url(e, f->job, f->task, flight_attempt(f));
    bool is_sent = tm_send(e, f, EPI_RMDIR, "RMDIR", 0, NULL, url, NULL);
    free(url);
    return is_sent;
}

/* What failed before does not count: the directory is worth as many tries as anything. */
static void clean(struct engine *e, struct flight *f)
{
    f->tries = 0;
    ask(e, f, EPI_RMDIR);
}

static void started(struct engine *e, struct flight *f);

void epilog_begin(struct engine *e, struct flight *f)
{
    const struct attempt *a = flight_attempt(f);
    copies_clear(&f->copies);
    f->tries = 0;
    /* What the execution driver said of the end is stored; what an earlier epilog came to is not.
     */
    reason_clear(&f->failure);
    if (a->reason.code)
        flight_fail(f, a->reason.code, a->reason.blame, a->reason.text);
    if (f->task->wish == WISH_GONE && !a->is_accepted) {
        reason_set(&f->failure, "killed", BLAME_NONE, NULL);
        f->step = EPI_START;
        abort_begin(e, f);
        return;
    }
    if (ask(e, f, EPI_START) && tm_is_small(e, f))
        started(e, f);
}

static void fetch_status(struct engine *e, struct flight *f)
{
    char *from = engine_job_url(e, f->job, f->task, flight_attempt(f), "status");
    f->lone_copy = f->next_number++;
    if (tm_is_small(e, f)) {
        tm_send(e, f, EPI_STATUS, "GET", f->lone_copy, NULL, from, NULL);
    } else {
        char *path = staging_spool(e, f, "status"), *to = xasprintf("file://%s", path);
        f->has_spool = true;
        tm_send(e, f, EPI_STATUS, "CP", f->lone_copy, NULL, from, to);
        free(path);
        free(to);
    }
    free(from);
}

static void started(struct engine *e, struct flight *f)
{
    f->tries = 0;
    if (flight_attempt(f)->is_accepted)
        clean(e, f);
    else
        fetch_status(e, f);
}

/* `content`: what GET gave; NULL: it was copied into the spool. */
static void read_status(struct engine *e, struct flight *f, const char *content)
{
    f->step = EPI_READ;
    struct effect *effect = effect_add(e, EFFECT_READ_STATUS);
    effect->ref = f->ref;
    effect->path = content ? NULL : staging_spool(e, f, "status");
    effect->args[0] = xstrdup(content);
    effect->text = staging_token(e, f);
}

/* No result: the attempt failed by what the execution driver said, or because there is none. */
static void no_status(struct engine *e, struct flight *f, const char *text)
{
    flight_fail(f, "no-status", BLAME_SITE, text);
    clean(e, f);
}

static void fetched(struct engine *e, struct flight *f);

static void fetch(struct engine *e, struct flight *f, bool is_streams_only)
{
    copies_clear(&f->copies);
    staging_outputs(e, f, is_streams_only);
    f->tries = 0;
    if (f->copies.n)
        copies_send(e, f, EPI_COPY);
    else
        fetched(e, f);
}

void epilog_status(struct engine *e, struct flight *f, const struct status_report *report)
{
    if (f->step != EPI_READ)
        return;
    if (!report->is_there) {
        no_status(e, f, "the site left no valid status file of this attempt");
        return;
    }
    status_report_clear(&f->status);
    f->status = *report;
    f->status.reason = xstrdup(report->reason);
    f->status.message = xstrdup(report->message);
    /* What the job directory says is nearer to the truth than the batch system. */
    reason_clear(&f->failure);
    if (!report->is_exited)
        flight_fail(f, report->reason ? report->reason : "internal", report->blame,
                    report->message);
    fetch(e, f, !report->is_exited);
}

/* The payload has run, and its results are there where nobody reaches now: unknown is not failed.
 * The owner chose how long that is waited for. */
static bool may_wait(struct engine *e, struct flight *f, const struct reason *why)
{
    const struct template *t = f->job->spec->t;
    const struct attempt *a = flight_attempt(f);
    if (!a->contact || a->is_accepted || f->step == EPI_RMDIR || !why->code ||
        strcmp(why->code, "unreachable") != 0 || t->on_lost == ON_LOST_RETRY_NOW)
        return false;
    flight_lost(e, f, why->text);
    if (!f->unknown_mono_us)
        f->unknown_mono_us = e->mono_us;
    return t->on_lost == ON_LOST_WAIT ||
           e->mono_us - f->unknown_mono_us <
               (int64_t)t->lease_s * 1000000 + e->config->lease_margin_us;
}

static void heard(struct engine *e, struct flight *f)
{
    f->unknown_mono_us = 0;
    if (flight_attempt(f)->unknown_since_us)
        emit_attempt(e, f, EV_ATTEMPT_FOUND);
}

static void fetched(struct engine *e, struct flight *f)
{
    if (credential_park(e, f, &f->failure)) {
        reason_clear(&f->failure);
        return;
    }
    if (may_wait(e, f, &f->failure)) {
        f->tries++;
        flight_wait(e, f, backoff_us(e, f->tries), EPI_COPY, &f->failure);
        reason_clear(&f->failure);
        return;
    }
    heard(e, f);
    bool is_site = f->failure.code && f->failure.blame != BLAME_JOB && f->status.is_exited;
    if (is_site && f->tries < f->job->spec->t->retries) {
        f->tries++;
        flight_wait(e, f, backoff_us(e, f->tries), EPI_COPY, &f->failure);
        reason_clear(&f->failure);
        return;
    }
    if (f->status.is_exited && !f->failure.code) {
        struct event ev = {.kind = EV_RESULTS_ACCEPTED,
                           .job = f->ref.job,
                           .task = f->ref.task,
                           .attempt = f->ref.attempt,
                           .exit_code = f->status.exit_code,
                           .signal = f->status.signal};
        emit(e, &ev);
    }
    clean(e, f);
}

static void end(struct engine *e, struct flight *f)
{
    if (flight_attempt(f)->is_accepted)
        flight_end(e, f, OUTCOME_DONE);
    else
        flight_give_up(e, f);
}

/* Nothing is asked after END, so its answer may be missed. */
static void say_end(struct engine *e, struct flight *f)
{
    if (ask(e, f, EPI_END) && tm_is_small(e, f))
        end(e, f);
}

static void failed(struct engine *e, struct flight *f, const char *text)
{
    struct reason r = {0};
    reason_from_driver(&r, text);
    if (credential_park(e, f, &r)) {
        reason_clear(&r);
        return;
    }
    bool is_waiting = may_wait(e, f, &r);
    if (!is_waiting)
        heard(e, f);
    if (f->step == EPI_STATUS && r.blame == BLAME_JOB) {
        no_status(e, f, "the site left no status file");
    } else if (is_waiting || f->tries < f->job->spec->t->retries) {
        f->tries++;
        flight_wait(e, f, backoff_us(e, f->tries), f->step, &r);
    } else if (f->step == EPI_RMDIR) {
        f->is_left = true;
        say_end(e, f);
    } else {
        flight_fail(f, r.code, r.blame, r.text);
        clean(e, f);
    }
    reason_clear(&r);
}

void epilog_answer(struct engine *e, struct flight *f, const struct input *in)
{
    const char *verb = in->answer.verb;
    bool is_ok = in->answer.is_success, is_get;
    switch ((int)f->step) {
    case EPI_START:
        if (strcmp(verb, "START") != 0)
            return;
        if (!is_ok) {
            failed(e, f, in->answer.text);
            return;
        }
        started(e, f);
        return;
    case EPI_STATUS:
        is_get = strcmp(verb, "GET") == 0;
        if ((strcmp(verb, "CP") != 0 && !is_get) || in->answer.number != f->lone_copy)
            return;
        if (is_ok) {
            heard(e, f);
            read_status(e, f, is_get ? in->answer.text : NULL);
        } else {
            failed(e, f, in->answer.text);
        }
        return;
    case EPI_COPY:
        if (strcmp(verb, "CP") == 0 && copies_answer(f, in))
            fetched(e, f);
        return;
    case EPI_RMDIR:
        if (strcmp(verb, "RMDIR") != 0)
            return;
        if (is_ok)
            say_end(e, f);
        else
            failed(e, f, in->answer.text);
        return;
    case EPI_END:
        if (strcmp(verb, "END") == 0)
            end(e, f);
        return;
    default:
        return;
    }
}

void epilog_resume(struct engine *e, struct flight *f)
{
    if (f->after == EPI_STATUS)
        fetch_status(e, f);
    else if (f->after == EPI_COPY)
        copies_send(e, f, EPI_COPY);
    else
        ask(e, f, f->after);
}
