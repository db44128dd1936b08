/* Stage out: the status file says how it ended, then the results come home, then the job directory
 * goes.
 *
 *   START, CP status, [read it], CP outputs and streams, [turn], RESULTS_ACCEPTED or
 * ATTEMPT_FAILED, RMDIR, END, ATTEMPT_ENDED
 *
 * Of an attempt with a lease nothing counts until it was looked whose turn it is at the site
 * (trace.c).
 *
 * With the feature `small` GET takes the place of the first CP, and of START and END no answer is
 * waited for.
 *
 * Results that are at the site are not thrown away because they cannot be fetched, unless that is
 * the job's own fault: it waits, and gwps --why says for what.
 *
 * Interrupted before RESULTS_ACCEPTED it is begun anew, after it only the cleaning is. */
#include "gwd/engine/engine_private.h"
#include "lib/mem.h"

#include <stdlib.h>
#include <string.h>

/* Send the request of a step, for the first time or again. */
static bool ask(struct engine *e, struct flight *f, enum step step)
{
    if (step == EPI_START || step == EPI_END)
        return tm_send(e, f, step, step == EPI_START ? "START" : "END", 0, NULL, NULL, NULL);
    const char *verb = step == EPI_LOOK ? "EXISTS" : step == EPI_REACH ? "MKDIR" : "RMDIR";
    char *url = staging_dir_url(e, f->job, f->task, flight_attempt(f));
    bool is_sent = tm_send(e, f, step, verb, 0, NULL, url, NULL);
    free(url);
    return is_sent;
}

static void turn(struct engine *e, struct flight *f)
{
    f->step = EPI_TURN;
    f->look = trace_look(e, f);
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
    f->tries = f->misses = 0;
    flight_forget_removal(e, f);
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

/* What the directory tells of it is nowhere else when that is gone. */
static void note_failure(struct engine *e, const struct flight *f)
{
    const char *known = flight_attempt(f)->reason.code;
    if (!f->status.is_there || (known && strcmp(known, f->failure.code) == 0))
        return;
    struct event ev = {.kind = EV_ATTEMPT_FAILED,
                       .job = f->ref.job,
                       .task = f->ref.task,
                       .attempt = f->ref.attempt,
                       .reason = f->failure.code,
                       .blame = f->failure.blame,
                       .text = f->failure.text};
    emit(e, &ev);
}

static void conclude(struct engine *e, struct flight *f)
{
    if (f->failure.code) {
        note_failure(e, f);
    } else if (f->status.is_exited) {
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

/* It is known how the attempt ended. */
static void settle(struct engine *e, struct flight *f)
{
    if (f->job->spec->t->lease_s && e->config->keeps_traces && !flight_attempt(f)->is_accepted)
        turn(e, f);
    else
        conclude(e, f);
}

/* A site that cannot be asked keeps a result waiting, and a failure only where somebody else may
 * have it otherwise: the daemon that the state was copied from. There that no status was found does
 * not mean that nothing runs, until its lease is over. */
void epilog_turn(struct engine *e, struct flight *f, const struct reason *wrong)
{
    bool was_copied = flight_was_copied(e, f);
    if (credential_park(e, f, wrong) || !trace_pass(e, f, EPI_TURN))
        return;
    if (wrong->code && (was_copied || !f->failure.code)) {
        f->tries++;
        flight_wait(e, f, backoff_us(e, f->tries), EPI_TURN, wrong);
        return;
    }
    bool may_run = was_copied && f->failure.code && !f->status.is_there;
    int64_t rest_us = may_run ? lease_rest_us(e, f, 0) : 0;
    if (rest_us > 0)
        flight_wait(e, f, rest_us, EPI_STATUS, &f->failure);
    else
        conclude(e, f);
}

/* No result: the attempt failed by what the execution driver said, or because there is none. */
static void no_status(struct engine *e, struct flight *f, const char *text)
{
    flight_fail(f, "no-status", BLAME_SITE, text);
    settle(e, f);
}

static void fetched(struct engine *e, struct flight *f);

static void fetch(struct engine *e, struct flight *f, bool is_streams_only)
{
    copies_clear(&f->copies);
    staging_outputs(e, f, is_streams_only);
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
    if (!f->status.is_there)
        f->tries = 0;
    status_report_clear(&f->status);
    f->status = *report;
    f->status.reason = xstrdup(report->reason);
    f->status.message = xstrdup(report->message);
    /* What the job directory says is nearer to the truth than the batch system; but who cancelled
     * it, and why, we know. */
    const char *known = flight_attempt(f)->reason.code;
    if (report->is_exited || !known || strcmp(known, "lost") == 0)
        reason_clear(&f->failure);
    if (!report->is_exited)
        flight_fail(f, report->reason ? report->reason : "internal", report->blame,
                    report->message);
    fetch(e, f, !report->is_exited);
}

static void heard(struct engine *e, struct flight *f)
{
    f->unknown_mono_us = 0;
    if (flight_attempt(f)->unknown_since_us)
        emit_attempt(e, f, EV_ATTEMPT_FOUND);
}

/* Else no payload of it has run, and nothing is there to wait for. */
static bool was_submitted(const struct attempt *a)
{
    return a->contact || a->active_us || !a->reason.code || strcmp(a->reason.code, "lost") == 0;
}

/* Where the results are to go they find no room, or nobody may write: another attempt would come to
 * the same. */
static bool is_of_destination(const struct reason *r)
{
    return strcmp(r->code, "no-space") == 0 ||
           (strcmp(r->code, "not-allowed") == 0 && r->blame == BLAME_JOB);
}

/* The payload has run, and its results are where nobody reaches now: unknown is not failed. The
 * owner chose how long that is waited for; what he has to mend himself is waited for in any case.
 */
static bool may_wait(struct engine *e, struct flight *f, const struct reason *why)
{
    const struct template *t = f->job->spec->t;
    const struct attempt *a = flight_attempt(f);
    if (a->is_accepted || f->step == EPI_RMDIR || !was_submitted(a))
        return false;
    if (is_of_destination(why)) {
        heard(e, f);
        return true;
    }
    if (why->blame == BLAME_JOB || t->on_lost == ON_LOST_RETRY_NOW)
        return false;
    flight_lost(e, f, why->text);
    if (!f->unknown_mono_us)
        f->unknown_mono_us = e->mono_us;
    return t->on_lost == ON_LOST_WAIT || lease_rest_us(e, f, f->unknown_mono_us) > 0;
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

/* What was asked in a step was not done. */
static void hindered(struct engine *e, struct flight *f, enum step step, const struct reason *why)
{
    bool is_jobs_copy = step == EPI_COPY && why->blame == BLAME_JOB;
    if (credential_park(e, f, why))
        return;
    if (may_wait(e, f, why) || (f->tries < f->job->spec->t->retries && !is_jobs_copy)) {
        f->tries++;
        flight_wait(e, f, backoff_us(e, f->tries), step, why);
    } else if (step == EPI_RMDIR) {
        f->is_left = true;
        say_end(e, f);
    } else {
        flight_fail(f, why->code, why->blame, why->text);
        settle(e, f);
    }
}

/* One that does not says the same of a status file that is not there and of a site that is out of
 * reach. Which it is the site's directories tell: one that is there is shown, and else one can be
 * made. */
static bool tells_reasons(const struct engine *e, const struct flight *f)
{
    const struct driver *tm = driver_find(e, DRIVER_TM, flight_attempt(f)->tm);
    return tm && tm->features & FEATURE_BLAME;
}

static void fetched(struct engine *e, struct flight *f)
{
    if (f->status.is_exited && f->failure.code) {
        struct reason why = f->failure;
        f->failure = (struct reason){0};
        /* Perhaps nothing is there any more: the status tells, or its absence. */
        hindered(e, f, tells_reasons(e, f) ? EPI_COPY : EPI_STATUS, &why);
        reason_clear(&why);
        return;
    }
    heard(e, f);
    settle(e, f);
}

/* The site is in reach, and the file does not come: after some times it is not there. */
static void missed(struct engine *e, struct flight *f)
{
    if (++f->misses > f->job->spec->t->retries + 1)
        no_status(e, f, "the site left no status file that could be fetched");
    else
        flight_wait(e, f, backoff_us(e, f->misses), EPI_STATUS, NULL);
}

static void failed(struct engine *e, struct flight *f, const char *text)
{
    struct reason r = {0};
    reason_from_driver(&r, text);
    if (f->step == EPI_STATUS && !tells_reasons(e, f) && was_submitted(flight_attempt(f))) {
        reason_set(&f->trouble, r.code, r.blame, r.text);
        ask(e, f, EPI_LOOK);
    } else if (f->step == EPI_STATUS && r.blame == BLAME_JOB && strcmp(r.code, "credential") != 0) {
        heard(e, f);
        no_status(e, f, "the site left no status file");
    } else {
        hindered(e, f, f->step, &r);
    }
    reason_clear(&r);
}

/* EXISTS and MKDIR of the job directory. */
static void looked(struct engine *e, struct flight *f, const struct input *in)
{
    if (in->answer.is_success) {
        missed(e, f);
    } else if (f->step == EPI_LOOK) {
        ask(e, f, EPI_REACH);
    } else {
        struct reason r = {0};
        f->misses = 0;
        reason_set(&r, "unreachable", BLAME_SITE, f->trouble.text);
        hindered(e, f, EPI_STATUS, &r);
        reason_clear(&r);
    }
}

void epilog_cannot_fetch(struct engine *e, struct flight *f)
{
    const struct reason why = {(char *)"driver-died", BLAME_SITE,
                               (char *)"its transfer driver dies of its results"};
    if (may_wait(e, f, &why)) {
        flight_wait(e, f, backoff_us(e, f->deaths), EPI_START, &why);
        return;
    }
    flight_fail(f, why.code, why.blame, why.text);
    f->is_left = true;
    flight_give_up(e, f);
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
            f->misses = 0;
            if (!f->status.is_there)
                heard(e, f);
            read_status(e, f, is_get ? in->answer.text : NULL);
        } else {
            failed(e, f, in->answer.text);
        }
        return;
    case EPI_LOOK:
    case EPI_REACH:
        if (strcmp(verb, f->step == EPI_LOOK ? "EXISTS" : "MKDIR") == 0)
            looked(e, f, in);
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
    else if (f->after == EPI_TURN)
        turn(e, f);
    else
        ask(e, f, f->after);
}
