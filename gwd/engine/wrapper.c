/* Run: submit to the execution driver, follow, cancel, and find again what a crash cut off.
 *
 * ATTEMPT_STAGED, the intent, is on disk before the first SUBMIT. What the site then says is
 * believed only as far as it goes: that the job is over is looked up in its `status` file, and
 * "unknown" is not "failed". What does not get going at the site is tried NUMBER_OF_RETRIES more
 * times, with growing pauses; what may run there is given up only when the site confirms its end.
 */
#include "gwd/engine/engine_private.h"
#include "lib/mem.h"

#include <stdlib.h>
#include <string.h>

static struct driver *em_of(const struct engine *e, const struct flight *f)
{
    struct driver *d = driver_find(e, DRIVER_EM, flight_attempt(f)->em);
    return flight_has_driver(d, f) ? d : NULL;
}

static bool em_send(struct engine *e, struct flight *f, enum step step, const char *verb,
                    const char *arg0, const char *arg1)
{
    struct driver *d = em_of(e, f);
    if (!d) {
        f->step = STEP_IDLE;
        return false;
    }
    if (!credential_pass(e, f, d, verb))
        return false;
    f->step = step;
    f->is_parked = f->is_held = false;
    if (step == WRA_SUBMIT || step == WRA_RECOVER)
        credential_tell(e, f, d);
    send_request(e, DRIVER_EM, flight_attempt(f)->em, verb, f->ref, 0, arg0, arg1, NULL);
    return true;
}

static void exited(struct engine *e, struct flight *f, const char *code, enum blame blame,
                   const char *text);

/* It is to end at the site: its owner wants it, or it does not get going there. */
static bool is_unwanted(const struct flight *f)
{
    return f->task->wish == WISH_GONE || f->is_withdrawn;
}

void wrapper_refused(struct engine *e, struct flight *f, const char *code, const char *text)
{
    f->may_be_submitted = false;
    exited(e, f, code, BLAME_JOB, text);
}

static void submit(struct engine *e, struct flight *f)
{
    const struct attempt *a = flight_attempt(f);
    struct driver *d = em_of(e, f);
    if (!d || inquest_holds(f, d)) {
        f->step = STEP_IDLE;
        return;
    }
    if (flight_is_bare(f) && !(d->features & FEATURE_BARE)) {
        exited(e, f, "refused", BLAME_SITE,
               "its execution driver starts no programs by themselves");
        return;
    }
    if (!trace_pass(e, f, WRA_SUBMIT))
        return;
    char *description = jobfiles_description(e, f, d);
    if (!description) {
        wrapper_refused(e, f, "refused",
                        "its description is too long for a daemon of many users: shorten its "
                        "ARGUMENTS or ENVIRONMENT");
        return;
    }
    char *where = a->lrms && *a->lrms ? xasprintf("%s/%s", a->host, a->lrms) : xstrdup(a->host);
    f->may_be_submitted = em_send(e, f, WRA_SUBMIT, "SUBMIT", where, description);
    free(where);
    free(description);
}

void wrapper_begin(struct engine *e, struct flight *f)
{
    f->tries = 0;
    f->em = EM_NONE;
    f->step = STEP_IDLE;
    f->may_be_submitted = false;
    if (f->task->wish == WISH_GONE)
        wrapper_cancel(e, f);
    else
        submit(e, f);
}

static void exited(struct engine *e, struct flight *f, const char *code, enum blame blame,
                   const char *text)
{
    struct event ev = {.kind = EV_ATTEMPT_EXITED,
                       .job = f->ref.job,
                       .task = f->ref.task,
                       .attempt = f->ref.attempt,
                       .reason = f->is_withdrawn ? f->failure.code : code,
                       .blame = f->is_withdrawn ? f->failure.blame : blame,
                       .text = f->is_withdrawn ? f->failure.text : text};
    emit(e, &ev);
    f->timer++;
    inquest_passed(f);
    if (code)
        flight_fail(f, code, blame, text);
    if (flight_is_bare(f))
        bare_failed(e, f);
    else
        epilog_begin(e, f);
}

/* How long its fate may yet stay unknown; INT64_MAX: for ever. */
static int64_t patience_us(const struct engine *e, const struct flight *f)
{
    const struct template *t = f->job->spec->t;
    switch (t->on_lost) {
    case ON_LOST_WAIT:
        break;
    case ON_LOST_RETRY_NOW:
        /* Nothing replaces what is to be gone: its end is waited for. */
        return f->task->wish == WISH_GONE ? INT64_MAX : 0;
    case ON_LOST_RETRY_AFTER_LEASE:
        /* Counted anew from the end of a lease file that is still on its way. */
        return lease_rest_us(e, f, lease_may_come(e, f) ? e->mono_us : f->unknown_mono_us);
    }
    return INT64_MAX;
}

static void give_up_lost(struct engine *e, struct flight *f, const char *text)
{
    flight_fail(f, "lost", BLAME_SITE, text);
    if (f->job->spec->t->on_lost == ON_LOST_RETRY_AFTER_LEASE)
        lease_replace(e, f->ref);
    /* That of a state of which ours is a copy may go on with its daemon. */
    f->is_left = flight_attempt(f)->epoch >= e->state.fence;
    flight_give_up(e, f);
}

/* Nobody can say what became of it, because of `code`. The owner chose how long to wait for an
 * answer. */
static void unknown_for(struct engine *e, struct flight *f, const char *code, const char *text)
{
    flight_lost(e, f, text);
    if (!f->unknown_mono_us && f->job->spec->t->on_lost == ON_LOST_RETRY_AFTER_LEASE)
        lease_lose(e, f);
    else if (!f->unknown_mono_us)
        f->unknown_mono_us = e->mono_us;
    int64_t rest = patience_us(e, f), delay = backoff_us(e, ++f->asks);
    if (rest <= 0) {
        give_up_lost(e, f, text);
        return;
    }
    const struct reason why = {(char *)code, BLAME_SITE, (char *)text};
    flight_wait(e, f, delay < rest ? delay : rest, WRA_RECOVER, &why);
}

static void unknown(struct engine *e, struct flight *f, const char *text)
{
    unknown_for(e, f, "unknown", text);
}

void wrapper_cannot_ask(struct engine *e, struct flight *f)
{
    unknown_for(e, f, "driver-died", "its driver dies of being asked what became of it");
}

static void found(struct engine *e, struct flight *f)
{
    f->unknown_mono_us = 0;
    if (!flight_attempt(f)->unknown_since_us)
        return;
    f->asks = 0;
    emit_attempt(e, f, EV_ATTEMPT_FOUND);
    if (f->job->spec->t->on_lost == ON_LOST_RETRY_AFTER_LEASE)
        lease_renew(e); /* with it */
}

void wrapper_recover(struct engine *e, struct flight *f)
{
    const struct attempt *a = flight_attempt(f);
    struct driver *d = em_of(e, f);
    if (!d || inquest_holds(f, d)) {
        f->step = STEP_IDLE;
        return;
    }
    bool by_token = d->features & FEATURE_RECOVER_TOKEN;
    if (!a->contact && !by_token) {
        /* It may or may not have been submitted, and this driver cannot tell. */
        unknown_for(e, f, "cannot-tell",
                    "the driver cannot say whether the job was submitted, and will not later");
        return;
    }
    char *description = by_token ? jobfiles_description(e, f, d) : NULL;
    bool is_asked = em_send(e, f, WRA_RECOVER, "RECOVER", a->contact, description);
    /* A site that is gone may leave the question unanswered for longer than the owner waits. */
    int64_t rest = f->unknown_mono_us ? patience_us(e, f) : INT64_MAX;
    if (is_asked && rest != INT64_MAX)
        flight_timer(e, f, rest > 0 ? rest : 0);
    free(description);
}

static void running(struct engine *e, struct flight *f)
{
    f->step = WRA_RUN;
    inquest_passed(f);
    if (is_unwanted(f))
        wrapper_cancel(e, f);
}

/* It does not get going. A failure to commit it may have been a success that nobody heard of, so
 * that it is over only when the site says so. */
static void withdraw(struct engine *e, struct flight *f, const char *code, enum blame blame,
                     const char *text)
{
    reason_set(&f->failure, code, blame, text);
    f->is_withdrawn = true;
    running(e, f);
}

/* Certainly it is not there and has not run: the intent still stands, if it was not told before. */
static void not_there(struct engine *e, struct flight *f, const struct reason *why)
{
    bool was_there = flight_attempt(f)->contact || f->em != EM_NONE;
    f->em = EM_NONE;
    f->may_be_submitted = false;
    if (f->task->wish == WISH_GONE)
        exited(e, f, "killed", BLAME_NONE, NULL);
    else if (f->is_withdrawn)
        exited(e, f, f->failure.code, f->failure.blame, f->failure.text);
    else if (inquest_blames(f))
        exited(e, f, "driver-died", BLAME_SITE, "its execution driver dies of its submission");
    else if (!was_there)
        submit(e, f);
    else if (flight_may_retry(f, why))
        flight_wait(e, f, backoff_us(e, ++f->tries), WRA_SUBMIT, why);
    else
        exited(e, f, "not-committed", BLAME_SITE, why->text);
}

static void set_active(struct engine *e, struct flight *f)
{
    f->em = EM_ACTIVE;
    if (flight_attempt(f)->active_us)
        return;
    emit_attempt(e, f, EV_ATTEMPT_ACTIVE);
    const struct attempt *a = flight_attempt(f);
    for (size_t i = 0; i < a->n_vms; i++) {
        struct event ev = {.kind = EV_VM_CHANGED,
                           .job = f->ref.job,
                           .task = f->ref.task,
                           .attempt = f->ref.attempt,
                           .vm_rank = a->vms[i].rank,
                           .uuid = a->vms[i].uuid,
                           .node = a->vms[i].node,
                           .vm_state = VM_RUNNING};
        emit(e, &ev);
    }
}

/* The site has it in its queue, perhaps still held: a COMMIT may have been lost with its driver or
 * with us. */
static void commit(struct engine *e, struct flight *f)
{
    struct driver *d = em_of(e, f);
    if (!d || !(d->features & FEATURE_COMMIT) || is_unwanted(f))
        running(e, f);
    else if (inquest_blames(f))
        withdraw(e, f, "driver-died", BLAME_SITE, "its execution driver dies of the commit");
    else
        em_send(e, f, WRA_COMMIT, "COMMIT", NULL, NULL);
}

/* PENDING, SUSPENDED, ACTIVE, DONE[:code], FAILED; anything else says nothing. */
static void take_state(struct engine *e, struct flight *f, const char *state)
{
    static const char *const words[] = {"PENDING", "SUSPENDED", "ACTIVE", "DONE", "FAILED"};
    size_t len = strcspn(state, ": "), i = 0;
    while (i < GW_COUNT(words) && (strlen(words[i]) != len || strncmp(state, words[i], len) != 0))
        i++;
    if (i == GW_COUNT(words)) {
        if (f->step == WRA_RECOVER)
            unknown(e, f, "the driver answered with a state that is none");
        return;
    }
    found(e, f);
    f->may_be_submitted = true;
    if (strncmp(state, "DONE", 4) == 0 && flight_is_bare(f)) {
        bare_ended(e, f, state);
    } else if (strncmp(state, "DONE", 4) == 0) {
        exited(e, f, NULL, BLAME_NONE, NULL);
    } else if (strncmp(state, "FAILED", 6) == 0) {
        exited(e, f, "lost", BLAME_SITE, "the site's batch system says that the job failed");
    } else {
        if (strncmp(state, "ACTIVE", 6) == 0)
            set_active(e, f);
        else
            f->em = strncmp(state, "SUSPENDED", 9) == 0 ? EM_SUSPENDED : EM_PENDING;
        bool is_pending = f->em == EM_PENDING && !flight_attempt(f)->active_us;
        if (f->step == WRA_SUBMIT || f->step == WRA_COMMIT)
            return; /* its own answer is still to come, with the contact */
        if (f->step == WRA_RECOVER && is_pending)
            commit(e, f);
        else if (f->step != WRA_RUN)
            running(e, f);
    }
}

/* The driver knows it by its handle, and perhaps the site by its token. */
static void go_on_without_contact(struct engine *e, struct flight *f)
{
    const struct driver *d = em_of(e, f);
    if (d && !(d->features & FEATURE_RECOVER_TOKEN))
        running(e, f);
    else
        wrapper_recover(e, f);
}

static void submitted(struct engine *e, struct flight *f, const struct input *in)
{
    if (in->answer.is_success) {
        struct event ev = {.kind = EV_ATTEMPT_SUBMITTED,
                           .job = f->ref.job,
                           .task = f->ref.task,
                           .attempt = f->ref.attempt,
                           .contact = in->answer.text};
        emit(e, &ev);
        if (f->em == EM_NONE)
            f->em = EM_PENDING;
        commit(e, f);
        return;
    }
    /* The site has it: this is the failure of an earlier try, heard again. */
    if (f->em != EM_NONE) {
        go_on_without_contact(e, f);
        return;
    }
    struct reason r = {0};
    f->may_be_submitted = false;
    reason_from_driver(&r, in->answer.text);
    if (credential_park(e, f, &r)) {
        reason_clear(&r);
        return;
    }
    if (flight_may_retry(f, &r) && f->task->wish != WISH_GONE) {
        f->tries++;
        flight_wait(e, f, backoff_us(e, f->tries), WRA_SUBMIT, &r);
    } else {
        exited(e, f, r.code, r.blame, r.text);
    }
    reason_clear(&r);
}

static void failed_answer(struct engine *e, struct flight *f, const struct input *in)
{
    struct reason r = {0};
    reason_from_driver(&r, in->answer.text);
    if (r.code && strcmp(r.code, "lost") == 0) {
        exited(e, f, "lost", BLAME_SITE, r.text);
    } else if (r.code && strcmp(r.code, "not-found") == 0 &&
               strcmp(in->answer.verb, "RECOVER") == 0) {
        found(e, f);
        not_there(e, f, &r);
    } else if (!credential_park(e, f, &r)) {
        unknown(e, f, r.text);
    }
    reason_clear(&r);
}

static void committed(struct engine *e, struct flight *f, const struct input *in)
{
    struct reason r = {0};
    if (in->answer.is_success) {
        running(e, f);
        return;
    }
    reason_from_driver(&r, in->answer.text);
    if (r.code && strcmp(r.code, "lost") == 0) {
        exited(e, f, "lost", BLAME_SITE, r.text);
    } else if (r.code && strcmp(r.code, "not-found") == 0) {
        not_there(e, f, &r); /* the site has dropped it, because it was held for too long */
    } else if (credential_park(e, f, &r)) {
        /* Asked again when the credential is good. */
    } else if (flight_may_retry(f, &r) || is_unwanted(f)) {
        /* Not merely told again: the driver may have lost it since, and what it said of that was
         * not heard meanwhile. */
        flight_wait(e, f, backoff_us(e, ++f->tries), WRA_RECOVER, &r);
    } else if (r.blame == BLAME_JOB) {
        withdraw(e, f, r.code, r.blame, r.text);
    } else {
        withdraw(e, f, "not-committed", BLAME_SITE, r.text);
    }
    reason_clear(&r);
}

void wrapper_answer(struct engine *e, struct flight *f, const struct input *in)
{
    const char *verb = in->answer.verb;
    bool is_news = strcmp(verb, "CALLBACK") == 0 || strcmp(verb, "POLL") == 0;
    if (f->task->phase != PHASE_WRAPPER)
        return;
    /* A failure that was heard twice came before the success of the second try. */
    bool is_between = f->step == STEP_BACKOFF && f->after == WRA_SUBMIT && in->answer.is_success;
    if (strcmp(verb, "SUBMIT") == 0 && (f->step == WRA_SUBMIT || is_between)) {
        f->timer += is_between;
        submitted(e, f, in);
    } else if (strcmp(verb, "COMMIT") == 0 && f->step == WRA_COMMIT) {
        committed(e, f, in);
    } else if (is_news && (f->step == WRA_SUBMIT || f->step == WRA_COMMIT)) {
        /* Faster than the answer to SUBMIT: an end counts, the contact is no longer needed then. */
        if (in->answer.is_success)
            take_state(e, f, in->answer.text);
    } else if (strcmp(verb, "RECOVER") == 0 ? f->step == WRA_RECOVER : is_news) {
        if (in->answer.is_success)
            take_state(e, f, in->answer.text);
        else
            failed_answer(e, f, in);
    } else if (strcmp(verb, "CANCEL") == 0) {
        /* It only says whether the request was taken; the end is told by CALLBACK or POLL. */
        reason_clear(&f->cancel_said);
        if (!in->answer.is_success)
            reason_from_driver(&f->cancel_said, in->answer.text);
    }
}

/* Longer from time to time, for a site that does not get it done. */
static int64_t cancel_pause_us(const struct engine *e, const struct flight *f)
{
    int64_t least = e->config->cancel_retry_us, most = e->config->backoff_max_us, pause = least;
    for (unsigned i = 1; i < f->cancels && pause < most; i++)
        pause *= 2;
    return pause < most ? pause : most > least ? most : least;
}

/* What is wished is on disk; it is repeated until the site says that the job is over. */
void wrapper_cancel(struct engine *e, struct flight *f)
{
    const struct attempt *a = flight_attempt(f);
    bool is_asking = f->step == WRA_SUBMIT || f->step == WRA_COMMIT || f->step == WRA_RECOVER ||
                     (f->step == STEP_BACKOFF && f->after == WRA_RECOVER);
    if (is_asking)
        return; /* the answer comes back here */
    const struct driver *d = em_of(e, f);
    bool is_between = f->step == STEP_BACKOFF && f->after == WRA_SUBMIT;
    if (is_between && d && d->features & FEATURE_RECOVER_TOKEN) {
        /* The failure may have been heard twice, and the second SUBMIT have succeeded. */
        f->timer++;
        wrapper_recover(e, f);
        return;
    }
    if (!a->contact && !f->may_be_submitted) {
        /* Staged, never submitted. */
        reason_set(&f->failure, "killed", BLAME_NONE, NULL);
        exited(e, f, "killed", BLAME_NONE, NULL);
        return;
    }
    if (f->step == STEP_IDLE || !em_send(e, f, WRA_RUN, "CANCEL", NULL, NULL))
        return; /* found again first, which comes back here */
    f->cancels++;
    flight_timer(e, f, cancel_pause_us(e, f));
}

void wrapper_resume(struct engine *e, struct flight *f)
{
    if (f->step == WRA_RUN) {
        if (is_unwanted(f))
            wrapper_cancel(e, f);
    } else if (f->step == WRA_RECOVER) {
        int64_t rest = patience_us(e, f);
        if (rest <= 0)
            give_up_lost(e, f, f->trouble.text);
        else if (rest != INT64_MAX)
            flight_timer(e, f, rest);
    } else if (f->after == WRA_SUBMIT) {
        submit(e, f);
    } else {
        wrapper_recover(e, f);
    }
}
