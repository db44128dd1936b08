/* What a hard kill has left at a site: the attempt is over for us, and its job directory is removed
 * beside, a few times at most. Nothing waits for it, and a restart forgets it. */
#include "gwd/engine/engine_private.h"
#include "lib/mem.h"

#include <stdlib.h>
#include <string.h>

enum { TRIES_MAX = 6 };

struct remain {
    struct task_ref ref; /* the hash key; drivers know the attempt by it until it is released */
    uint64_t uid;        /* of its owner: the job may be forgotten */
    char *tm, *url, *credential;
    unsigned tries;
    UT_hash_handle hh;
};

static struct remain *find(const struct engine *e, struct task_ref ref)
{
    struct remain *r;
    HASH_FIND(hh, e->remains, &ref, sizeof ref, r);
    return r;
}

static void destroy(struct engine *e, struct remain *r)
{
    HASH_DEL(e->remains, r);
    free(r->tm);
    free(r->url);
    free(r->credential);
    free(r);
}

static void send(struct engine *e, const struct remain *r, const char *verb, const char *arg1)
{
    struct effect *f = effect_add(e, EFFECT_SEND);
    f->uid = r->uid;
    f->driver_kind = DRIVER_TM;
    f->driver = xstrdup(r->tm);
    f->verb = verb;
    f->ref = r->ref;
    f->args[1] = xstrdup(arg1);
}

/* Until the answer, or, if none comes, the next try. */
static void set_timer(struct engine *e, const struct remain *r)
{
    timers_add(&e->timers, (struct timer){.at_us = e->mono_us + backoff_us(e, r->tries + 1),
                                          .kind = TIMER_REMAINS,
                                          .job = r->ref.job,
                                          .task = r->ref.task,
                                          .attempt = r->ref.attempt,
                                          .generation = r->tries});
}

static void finish(struct engine *e, struct remain *r)
{
    const struct driver *d = driver_find(e, DRIVER_TM, r->tm);
    if (d && d->is_up && r->tries > 0)
        send(e, r, "END", NULL);
    effect_add(e, EFFECT_RELEASE)->ref = r->ref;
    destroy(e, r);
}

void remains_add(struct engine *e, struct flight *f)
{
    const struct attempt *a = flight_attempt(f);
    struct remain *r = xcalloc(1, sizeof *r);
    *r = (struct remain){.ref = f->ref,
                         .uid = f->job->spec->owner.uid,
                         .tm = xstrdup(a->tm),
                         .credential = xstrdup(f->job->spec->owner.credential),
                         .url = staging_dir_url(e, f->job, f->task, a)};
    HASH_ADD(hh, e->remains, ref, sizeof r->ref, r);
    f->has_remains = true;
    set_timer(e, r); /* the payload has a moment to end */
}

void remains_time(struct engine *e, const struct timer *t)
{
    struct remain *r = find(e, (struct task_ref){t->job, t->task, t->attempt});
    if (!r || r->tries != t->generation)
        return;
    if (r->tries == TRIES_MAX) {
        finish(e, r);
        return;
    }
    const struct driver *d = driver_find(e, DRIVER_TM, r->tm);
    r->tries++;
    if (d && d->is_up) {
        if (r->credential && d->features & FEATURE_CREDENTIAL)
            send(e, r, "CREDENTIAL", r->credential);
        send(e, r, "START", NULL);
        send(e, r, "RMDIR", r->url);
    }
    set_timer(e, r);
}

void remains_answer(struct engine *e, const struct input *in)
{
    struct remain *r = find(e, in->answer.ref);
    if (r && strcmp(in->answer.verb, "RMDIR") == 0 && in->answer.is_success)
        finish(e, r);
}

void remains_clear(struct engine *e)
{
    struct remain *r, *tmp;
    HASH_ITER (hh, e->remains, r, tmp)
        destroy(e, r);
}
