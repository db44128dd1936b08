/* Credentials: the proxy certificates in whose name drivers act at sites.
 *
 * The daemon looks at the files and says what it found (IN_CREDENTIAL); nothing of it is stored. A
 * credential that is short starts nothing new; for one that is not valid every request of its
 * attempts waits: they are parked, and go on by themselves when the file has been renewed. Nothing
 * fails for a credential's sake. */
#include "gwd/engine/engine_private.h"
#include "lib/mem.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

/* Clocks are not that exact. */
enum { EARLY_US = 300 * 1000000 };

/* One daemon's own eyes see a file alike for all; as their owners, users may see it differently. */
static uint64_t looker(const struct engine *e, uint64_t uid)
{
    return e->config->is_multi_user ? uid : 0;
}

static char *key_of(const struct engine *e, uint64_t uid, const char *path)
{
    return xasprintf("%" PRIu64 " %s", looker(e, uid), path);
}

static struct credential *find(const struct engine *e, uint64_t uid, const char *path)
{
    struct credential *c = NULL;
    char *key = path ? key_of(e, uid, path) : NULL;
    if (key)
        HASH_FIND_STR(e->credentials, key, c);
    free(key);
    return c;
}

const struct credential *engine_credential(const struct engine *e, uint64_t uid, const char *path)
{
    return find(e, uid, path);
}

static struct credential *of_flight(const struct engine *e, const struct flight *f)
{
    return find(e, f->job->spec->owner.uid, f->job->spec->owner.credential);
}

enum credential_state credential_state(const struct credential *c, int64_t life_us, int64_t now_us)
{
    if (!c || !c->is_known)
        return CREDENTIAL_UNKNOWN;
    if (c->problem || c->starts_us - EARLY_US > now_us)
        return CREDENTIAL_BAD;
    if (c->expires_us <= now_us)
        return CREDENTIAL_EXPIRED;
    return c->expires_us - now_us < life_us ? CREDENTIAL_SHORT : CREDENTIAL_GOOD;
}

char *credential_words(const struct credential *c, int64_t life_us, int64_t now_us)
{
    switch (credential_state(c, life_us, now_us)) {
    case CREDENTIAL_UNKNOWN:
        return xstrdup("its credential has not been looked at yet");
    case CREDENTIAL_BAD:
        return c->problem ? xstrdup(c->problem)
                          : xasprintf("the credential %s is not valid yet: is this machine's "
                                      "clock right?",
                                      c->path);
    case CREDENTIAL_EXPIRED:
        return xasprintf("the credential %s has expired: renew it, for example with "
                         "grid-proxy-init",
                         c->path);
    case CREDENTIAL_SHORT:
        return xasprintf("the credential %s has %" PRId64 " min left, and a job is started only "
                         "with %" PRId64 " min or more: renew it, for example with grid-proxy-init",
                         c->path, (c->expires_us - now_us) / 60000000, life_us / 60000000);
    case CREDENTIAL_GOOD:
        break;
    }
    return NULL;
}

static bool driver_needs(const struct engine *e, enum driver_kind kind, const char *name)
{
    const struct driver *d = driver_find(e, kind, name);
    return d && d->features & FEATURE_CREDENTIAL;
}

bool engine_needs_credential(const struct engine *e, const struct host *h)
{
    return driver_needs(e, DRIVER_TM, h->tm) || driver_needs(e, DRIVER_EM, h->em);
}

bool credential_is_good(const struct engine *e, const struct job_class *c)
{
    return credential_state(find(e, c->uid, c->credential), e->config->credential_life_us,
                            e->now_us) == CREDENTIAL_GOOD;
}

bool credential_has_room(const struct engine *e, uint64_t uid, const char *path)
{
    enum { CREDENTIALS_USER_MAX = 256 };
    unsigned n = 0;
    if (!path || find(e, uid, path))
        return true;
    for (const struct credential *c = e->credentials; c; c = c->hh.next)
        n += c->uid == looker(e, uid);
    return n < CREDENTIALS_USER_MAX;
}

void credential_want(struct engine *e, const struct job *j)
{
    const char *path = j->spec->owner.credential;
    uint64_t uid = j->spec->owner.uid;
    if (!path || find(e, uid, path))
        return;
    struct credential *c = xcalloc(1, sizeof *c);
    c->key = key_of(e, uid, path);
    c->uid = looker(e, uid);
    c->path = xstrdup(path);
    HASH_ADD_KEYPTR(hh, e->credentials, c->key, strlen(c->key), c);
    struct effect *watch = effect_add(e, EFFECT_CREDENTIAL);
    watch->path = xstrdup(path);
    watch->uid = c->uid;
}

static void park(struct engine *e, struct flight *f, const char *text)
{
    struct driver *tm = driver_find(e, DRIVER_TM, flight_attempt(f)->tm);
    if (f->is_tm_open && flight_has_driver(tm, f))
        send_request(e, DRIVER_TM, tm->name, "END", f->ref, 0, NULL, NULL, NULL);
    fills_wake(e, f);
    f->step = STEP_IDLE;
    f->timer++;
    f->is_parked = true;
    reason_set(&f->trouble, "credential", BLAME_JOB, text);
}

bool credential_pass(struct engine *e, struct flight *f, const struct driver *d, const char *verb)
{
    bool is_start = strcmp(verb, "SUBMIT") == 0;
    int64_t life_us = is_start ? e->config->credential_life_us : 0;
    if (!(d->features & FEATURE_CREDENTIAL) || strcmp(verb, "END") == 0)
        return true;
    char *why = credential_words(of_flight(e, f), life_us, e->now_us);
    if (!why)
        return true;
    park(e, f, why);
    free(why);
    return false;
}

void credential_tell(struct engine *e, const struct flight *f, const struct driver *d)
{
    const char *path = f->job->spec->owner.credential;
    if (!(d->features & FEATURE_CREDENTIAL) || !path)
        return;
    if (d->kind == DRIVER_TM)
        send_request(e, d->kind, d->name, "CREDENTIAL", f->ref, 0, NULL, path, NULL);
    else
        send_request(e, d->kind, d->name, "CREDENTIAL", f->ref, 0, path, NULL, NULL);
}

/* It looks good from here, and the driver does not think so: asked again when the file changes, or
 * after a pause. */
bool credential_park(struct engine *e, struct flight *f, const struct reason *why)
{
    if (!why->code || strcmp(why->code, "credential") != 0)
        return false;
    char *text = xstrdup(why->text);
    unsigned parks = f->parks + 1;
    park(e, f, text ? text : "the driver refuses the credential");
    f->parks = parks;
    flight_timer(e, f, backoff_us(e, parks));
    free(text);
    return true;
}

static void renewed(struct engine *e, struct flight *f)
{
    const struct attempt *a = flight_attempt(f);
    const struct driver *em = driver_find(e, DRIVER_EM, a->em),
                        *tm = driver_find(e, DRIVER_TM, a->tm);
    if (f->task->phase == PHASE_WRAPPER && flight_has_driver(em, f) && !f->is_parked &&
        f->step != STEP_IDLE)
        credential_tell(e, f, em);
    if (f->is_tm_open && flight_has_driver(tm, f))
        credential_tell(e, f, tm);
}

/* When it begins, gets short and ends, what waiting jobs are told about it changes. */
static void look_again(struct engine *e, const struct credential *c)
{
    const int64_t at_us[] = {c->starts_us - EARLY_US, c->expires_us - e->config->credential_life_us,
                             c->expires_us};
    for (size_t i = 0; i < GW_COUNT(at_us); i++) {
        int64_t rest_us = at_us[i] - e->now_us;
        if (rest_us > 0)
            timers_add(&e->timers,
                       (struct timer){.at_us = e->mono_us + rest_us, .kind = TIMER_CREDENTIAL});
    }
}

/* What is known of it, or the time, has changed: who waited for it may go on. */
static void judge(struct engine *e, const struct credential *c, bool is_renewed)
{
    look_again(e, c);
    sched_credentials_changed(e->sched);
    if (credential_state(c, 0, e->now_us) != CREDENTIAL_GOOD)
        return;
    struct flight *f, *tmp;
    HASH_ITER (hh, e->flights, f, tmp) {
        if (of_flight(e, f) != c)
            continue;
        if (is_renewed)
            renewed(e, f);
        if (f->is_parked) {
            f->parks = 0;
            flight_continue(e, f);
        }
    }
}

void credential_take(struct engine *e, const struct input *in)
{
    const struct credential_report *r = &in->credential;
    struct credential *c = find(e, r->uid, r->path);
    if (!c)
        return;
    bool is_renewed = c->is_known && r->version != c->version;
    free(c->identity);
    free(c->problem);
    c->identity = xstrdup(r->identity);
    c->problem = xstrdup(r->problem);
    c->starts_us = r->starts_us;
    c->expires_us = r->expires_us;
    c->version = r->version;
    c->is_known = true;
    judge(e, c, is_renewed);
}

void credentials_judge(struct engine *e)
{
    struct credential *c, *tmp;
    HASH_ITER (hh, e->credentials, c, tmp) {
        if (c->is_known)
            judge(e, c, false);
    }
}

void credentials_clear(struct engine *e)
{
    struct credential *c, *tmp;
    HASH_ITER (hh, e->credentials, c, tmp) {
        HASH_DEL(e->credentials, c);
        free(c->key);
        free(c->path);
        free(c->identity);
        free(c->problem);
        free(c);
    }
}
