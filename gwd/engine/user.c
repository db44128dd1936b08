/* Multi-user mode: beside the driver's process of the daemon's own account, from which hosts and
 * features are known, there is one for each user, which acts as him. It comes with the first
 * request and may go while the driver stays up; the attempts of that user then wait, and go on as
 * after a driver's death. */
#include "gwd/engine/engine_private.h"
#include "lib/mem.h"

#include <stdlib.h>
#include <string.h>

static struct absent_user *absent_find(const struct driver *d, uint64_t uid)
{
    struct absent_user *u;
    HASH_FIND(hh, d->absent, &uid, sizeof uid, u);
    return u;
}

bool driver_serves(const struct driver *d, uint64_t uid)
{
    return d && d->is_up && !absent_find(d, uid);
}

bool flight_has_driver(const struct driver *d, const struct flight *f)
{
    return driver_serves(d, f->job->spec->owner.uid);
}

static void absent_remove(struct driver *d, struct absent_user *u)
{
    HASH_DEL(d->absent, u);
    free(u);
}

void driver_forget_users(struct driver *d)
{
    struct absent_user *u, *tmp;
    HASH_ITER (hh, d->absent, u, tmp)
        absent_remove(d, u);
}

static bool is_his(const struct flight *f, const struct driver *d, uint64_t uid)
{
    return f->job->spec->owner.uid == uid && flight_concerns(f, d);
}

void user_driver_up(struct engine *e, struct driver *d, const struct input *in)
{
    struct absent_user *u = absent_find(d, in->driver.uid);
    if (!u)
        return; /* nothing of his was missed */
    absent_remove(d, u);
    inquest_up(e, d, in->driver.uid);
    if (d->kind == DRIVER_TM)
        lease_renew(e);
}

/* What certainly never ran ends by that; of what may run nothing is known until he is served again.
 */
static void refused(struct engine *e, struct flight *f, const struct input *in)
{
    const char *why = in->driver.why;
    bool has_run = f->may_be_submitted || flight_attempt(f)->contact;
    if (f->task->phase == PHASE_PROLOG) {
        f->is_tm_open = false;
        reason_clear(&f->failure);
        flight_fail(f, "not-served", BLAME_JOB, why);
        f->is_left = !flight_is_bare(f);
        flight_give_up(e, f);
    } else if (f->task->phase == PHASE_WRAPPER && !has_run) {
        wrapper_refused(e, f, "not-served", why);
    } else {
        flight_lost(e, f, why);
        reason_set(&f->trouble, "not-served", BLAME_JOB, why);
    }
}

void user_driver_down(struct engine *e, struct driver *d, const struct input *in)
{
    uint64_t uid = in->driver.uid;
    if (!absent_find(d, uid)) {
        struct absent_user *u = xcalloc(1, sizeof *u);
        u->uid = uid;
        HASH_ADD(hh, d->absent, uid, sizeof u->uid, u);
    }
    inquest_death(e, d, in);
    lease_driver_down(e, d, uid);
    trace_driver_down(e, d, uid);
    struct flight *f, *tmp;
    HASH_ITER (hh, e->flights, f, tmp) {
        if (!is_his(f, d, uid))
            continue;
        if (in->driver.was_silent && f->step == WRA_SUBMIT)
            f->may_be_submitted = false;
        flight_idle(e, f);
        if (in->driver.is_refused)
            refused(e, f, in);
    }
}

uint64_t engine_user_running(const struct engine *e, uint64_t uid)
{
    struct user_count *u;
    HASH_FIND(hh, e->users, &uid, sizeof uid, u);
    return u ? u->running : 0;
}
