/* Give an attempt up before or instead of its end: stop what is being copied, bring home what a
 * killed payload has printed, remove the job directory, and end the attempt with the flight's
 * failure. */
#include "gwd/engine/engine_private.h"

#include <stdlib.h>
#include <string.h>

static void start(struct engine *e, struct flight *f)
{
    flight_forget_removal(e, f);
    tm_send(e, f, ABO_START, "START", 0, NULL, NULL, NULL);
}

static void remove_directory(struct engine *e, struct flight *f)
{
    char *url = staging_dir_url(e, f->job, f->task, flight_attempt(f));
    tm_send(e, f, ABO_RMDIR, "RMDIR", 0, NULL, url, NULL);
    free(url);
}

/* Its owner killed it at the site, and may want to see how far it was. */
static bool wants_streams(const struct flight *f)
{
    const struct attempt *a = flight_attempt(f);
    return f->task->wish == WISH_GONE && f->task->phase == PHASE_EPILOG && a->contact &&
           !a->is_accepted;
}

/* As far as they are there: asked for once, and what fails is not told. */
static void fetch_streams(struct engine *e, struct flight *f)
{
    copies_clear(&f->copies);
    staging_outputs(e, f, true);
    if (f->copies.n)
        copies_send(e, f, ABO_COPY);
    else
        remove_directory(e, f);
}

void abort_begin(struct engine *e, struct flight *f)
{
    f->timer++;
    f->tries = 0;
    f->is_aborting = true;
    fills_wake(e, f);
    if (f->is_tm_open)
        tm_send(e, f, ABO_STOP, "END", 0, NULL, NULL, NULL);
    else
        start(e, f);
}

void abort_answer(struct engine *e, struct flight *f, const struct input *in)
{
    const char *verb = in->answer.verb;
    if (f->step == ABO_STOP && strcmp(verb, "END") == 0) {
        start(e, f);
    } else if (f->step == ABO_START && strcmp(verb, "START") == 0) {
        if (in->answer.is_success && wants_streams(f))
            fetch_streams(e, f);
        else
            remove_directory(e, f);
    } else if (f->step == ABO_COPY && strcmp(verb, "CP") == 0) {
        if (copies_answer(f, in))
            remove_directory(e, f);
    } else if (f->step == ABO_RMDIR && strcmp(verb, "RMDIR") == 0) {
        struct reason r = {0};
        if (!in->answer.is_success)
            reason_from_driver(&r, in->answer.text);
        if (credential_park(e, f, &r)) {
            reason_clear(&r);
            return;
        }
        f->is_left = r.code != NULL;
        bool may_retry = f->is_left && flight_may_retry(f, &r);
        reason_clear(&r);
        if (may_retry) {
            f->tries++;
            flight_wait(e, f, backoff_us(e, f->tries), ABO_RMDIR, NULL);
            return;
        }
        tm_send(e, f, ABO_END, "END", 0, NULL, NULL, NULL);
    } else if (f->step == ABO_END && strcmp(verb, "END") == 0) {
        flight_give_up(e, f);
    }
}

void abort_resume(struct engine *e, struct flight *f)
{
    remove_directory(e, f);
}
