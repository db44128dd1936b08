/* Give an attempt up before or instead of its end: stop what is being copied, remove the job
 * directory, and end the attempt with the flight's failure. */
#include "gwd/engine/engine_private.h"

#include <stdlib.h>
#include <string.h>

static void start(struct engine *e, struct flight *f)
{
    tm_send(e, f, ABO_START, "START", 0, NULL, NULL, NULL);
}

static void remove_directory(struct engine *e, struct flight *f)
{
    char *url = staging_dir_url(e, f->job, f->task, flight_attempt(f));
    tm_send(e, f, ABO_RMDIR, "RMDIR", 0, NULL, url, NULL);
    free(url);
}

void abort_begin(struct engine *e, struct flight *f)
{
    f->timer++;
    f->tries = 0;
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
        remove_directory(e, f);
    } else if (f->step == ABO_RMDIR && strcmp(verb, "RMDIR") == 0) {
        struct reason r = {0};
        if (!in->answer.is_success)
            reason_from_driver(&r, in->answer.text);
        bool may_retry = r.code && flight_may_retry(f, &r);
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
