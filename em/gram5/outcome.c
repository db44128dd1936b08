/* What comes of each request for a job, and what it means for what has to be done next. */
#include "em/gram5/code.h"
#include "em/gram5/contact.h"
#include "em/gram5/job.h"
#include "em/gram5/words.h"
#include "lib/mem.h"

#include <globus_gram_protocol.h>
#include <stdlib.h>
#include <string.h>

/* ---- the state that a job manager, and nobody else, says it is in */

static void learn_end(struct job *j, const struct gram_reply *r)
{
    if (j->doing != WANT_END)
        j->wants |= WANT_END;
    if (r->state == GLOBUS_GRAM_PROTOCOL_JOB_STATE_DONE) {
        job_end(j, END_DONE, NULL);
    } else if (code_is_never_begun(r->failure)) {
        job_end(j, END_NEVER, "the site dropped the job because it was not committed in time");
    } else if (r->failure && r->failure != GLOBUS_GRAM_PROTOCOL_ERROR_USER_CANCELLED &&
               !j->was_active) {
        char *why = xasprintf("%s failed to run the job: %s (GRAM error %d)", j->gatekeeper,
                              globus_gram_protocol_error_string(r->failure), r->failure);
        job_end(j, END_LOST, why);
        free(why);
    } else {
        job_end(j, END_FAILED, NULL);
    }
}

static void learn(struct job *j, const struct gram_reply *r)
{
    if (j->phase == JOB_OVER || !code_state_word(r->state))
        return;
    j->state = r->state;
    if (j->is_found && !code_is_held(r->state)) {
        j->is_found = false;
        j->wants |= WANT_COMMIT;
    }
    if (code_is_end(r->state)) {
        learn_end(j, r);
        return;
    }
    if (code_is_held(r->state)) {
        /* Committed, and held all the same: the commit, or what it made, was lost. */
        if (j->phase == JOB_RUNNING && j->doing == WANT_STATUS)
            j->wants |= WANT_COMMIT;
        else if (j->phase == JOB_LOOKING)
            j->phase = JOB_HELD;
    } else {
        j->phase = JOB_RUNNING;
        j->was_active |= strcmp(code_state_word(r->state), "ACTIVE") == 0;
    }
    if (!j->is_listening)
        j->wants |= WANT_LISTEN;
    if (j->is_cancelled && j->doing != WANT_CANCEL)
        j->wants |= WANT_CANCEL;
    job_tell(j);
}

/* The site has no record of it. It forgets a job when told that its end was noted, or when it was
 * not committed in time. */
static void gone(struct job *j)
{
    j->wants = 0;
    if (j->is_cancelled)
        job_end(j, END_FAILED, NULL);
    else if (j->phase == JOB_HELD && !j->was_committed)
        job_end(j, END_NEVER, "the site dropped the job because it was not committed in time");
    else
        job_end(j, END_DONE, NULL);
}

/* ---- failures */

static void note_trouble(struct job *j, const struct gram_reply *r)
{
    words_of_failure(r, j->gatekeeper, gram_credential(j->driver->gram), &j->trouble);
}

static void be_troubled(struct job *j, const struct gram_reply *r)
{
    note_trouble(j, r);
    job_trouble(j, j->trouble.reason, j->trouble.text);
    job_go_after_pause(j);
}

/* The request failed. The want is still there. */
static void failed(struct job *j, const struct gram_reply *r)
{
    switch (code_kind(r->code)) {
    case CODE_UNREACHABLE:
    case CODE_UNKNOWN_JOB:
        if (j->doing == WANT_FIND) {
            be_troubled(j, r);
        } else if (j->asked != j->manager) {
            ; /* another job's search has told meanwhile where it is: once more */
        } else {
            /* Its job manager is dead or elsewhere. The first time at once. */
            note_trouble(j, r);
            if (!j->troubled_ms)
                j->troubled_ms = gram5_now_ms();
            j->wants |= WANT_FIND;
            if (j->tries)
                job_go_after_pause(j);
            else
                j->tries++;
        }
        break;
    case CODE_NO_RECORD:
        gone(j);
        break;
    case CODE_STOPPED:
        j->wants |= WANT_FIND;
        be_troubled(j, r);
        break;
    case CODE_DENIED: /* beginning or ending: what is it doing? */
        j->wants = (j->wants & ~(unsigned)j->doing) | WANT_STATUS;
        if (j->doing == WANT_STATUS)
            j->wants |= WANT_FIND;
        job_go_after_pause(j);
        break;
    case CODE_OK:
    case CODE_HELD:
    case CODE_SILENT:
    case CODE_OTHER:
        be_troubled(j, r);
        break;
    }
}

/* ---- what came of each want */

static void refused(void *ctx, const struct explanation *e)
{
    struct job *j = ctx;
    kit_fail(j->driver->kit, "SUBMIT", j->handle, NULL, e->reason, "%s", e->text);
    job_remove(j);
}

static void submitted(struct job *j, const struct gram_reply *r)
{
    struct gram5 *d = j->driver;
    bool is_held = code_kind(r->code) == CODE_HELD;
    j->wants &= ~(unsigned)WANT_SUBMIT;
    j->owed &= ~(unsigned)OWE_SUBMIT;
    if (!r->contact || (r->code && !is_held)) {
        words_find(d->mailbox, r, j->gatekeeper, gram_credential(d->gram), refused, j);
        return;
    }
    job_set_contact(j, r->contact);
    free(j->rsl);
    j->rsl = NULL;
    j->is_listening = true;
    j->phase = is_held ? JOB_HELD : JOB_RUNNING;
    char *contact = contact_encode(r->contact, j->gatekeeper);
    kit_succeed(d->kit, "SUBMIT", j->handle, NULL, "%s", contact);
    free(contact);
    if (j->is_cancelled)
        j->wants |= WANT_CANCEL;
    job_go(j);
}

/* The others of the same job manager are where this one is. */
static void move_others(struct job *j, const struct manager *old)
{
    struct job *o, *next;
    HASH_ITER (hh, j->driver->jobs, o, next) {
        if (o->manager != old)
            continue;
        char *contact = xasprintf("%s%s", j->manager->base, o->contact + strlen(old->base));
        job_set_contact(o, contact);
        free(contact);
        if (o->ask || !o->wants)
            continue;
        o->wants &= ~(unsigned)WANT_FIND;
        job_want(o, WANT_STATUS);
    }
}

static void found(struct job *j, const struct gram_reply *r)
{
    struct manager *old = j->manager;
    old->finder = NULL;
    job_set_contact(j, r->contact);
    if (j->manager != old)
        move_others(j, old);
    j->wants &= ~(unsigned)(WANT_FIND | WANT_REFRESH);
    j->credential = j->driver->credential; /* the gatekeeper was given the present one */
    j->is_listening = true;                /* and told where news go */
    /* The job manager goes on with it only when told to; what was never committed must not. */
    j->is_found = true;
    j->wants |= j->phase == JOB_OVER ? WANT_COMMIT : WANT_STATUS;
}

static void committed(struct job *j, const struct gram_reply *r)
{
    j->wants &= ~(unsigned)WANT_COMMIT;
    if (j->phase != JOB_HELD && j->phase != JOB_LOOKING)
        return;
    j->phase = JOB_RUNNING;
    job_tell(j);
    learn(j, r);
}

/* The site confirms the end: whatever was heard before is now certain. */
static void ended(struct job *j, const struct gram_reply *r)
{
    j->wants &= ~(unsigned)WANT_END;
    if (j->phase == JOB_OVER)
        return;
    if (code_is_end(r->state))
        learn(j, r);
    else
        j->wants |= WANT_STATUS;
}

static void succeeded(struct job *j, const struct gram_reply *r)
{
    job_is_well(j);
    switch (j->doing) {
    case WANT_SUBMIT:
    case WANT_FIND:
        break;
    case WANT_COMMIT:
        committed(j, r);
        break;
    case WANT_END:
        ended(j, r);
        break;
    case WANT_CANCEL:
        j->wants &= ~(unsigned)WANT_CANCEL;
        j->wants |= WANT_STATUS;
        break;
    case WANT_LISTEN:
        j->is_listening = true;
        j->wants &= ~(unsigned)WANT_LISTEN;
        learn(j, r);
        break;
    case WANT_STATUS:
        j->wants &= ~(unsigned)WANT_STATUS;
        learn(j, r);
        break;
    case WANT_REFRESH:
        j->wants &= ~(unsigned)WANT_REFRESH;
        j->credential = j->driver->credential;
        break;
    }
}

void job_take_reply(void *ctx, const struct gram_reply *r)
{
    struct job *j = ctx;
    j->ask = NULL;
    if (j->doing == WANT_SUBMIT) {
        submitted(j, r); /* which may be its end */
        return;
    }
    if (j->doing == WANT_FIND && j->manager->finder == j)
        j->manager->finder = NULL;
    if (j->doing == WANT_FIND && code_kind(r->code) == CODE_HELD && r->contact)
        found(j, r);
    else if (code_kind(r->code) == CODE_OK)
        succeeded(j, r);
    else
        failed(j, r);
    job_go(j);
}

void job_take_news(struct job *j, int state, int failure)
{
    if (j->phase == JOB_OVER || j->phase == JOB_SUBMITTING || !code_state_word(state))
        return;
    if (!code_is_end(state)) {
        struct gram_reply r = {.state = state};
        learn(j, &r);
        job_go(j);
    } else if (code_is_hearsay(failure)) {
        job_want(j, WANT_STATUS);
    } else {
        /* The question whether it is over and the leave to forget it are one request. */
        job_want(j, WANT_END);
    }
}
