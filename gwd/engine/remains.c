/* What attempts leave at sites: a job directory that could not be removed, and, of one that was
 * given up unheard or killed hard, a payload that may still run. The attempt is over for us;
 * beside, the site is asked to end the one and to remove the other, whenever it is back:
 *
 *   [POLL, or RECOVER, and CANCEL until it is over], START, RMDIR, END
 *
 * What goes to one place (a site by its drivers, for one owner and credential) goes some at a time;
 * after a failure one, when a pause is over that doubles up to BACKOFF_MAX. So a site that never
 * comes back costs one such request now and then, however much is left there.
 *
 * That something is left is stored with the attempt's end, and its job stays in the state until
 * this is over: a restart goes on. After REMAINS_KEPT_US of served time it is given up. Of more
 * than remains_max of one user his oldest is, a mere directory before a payload that may run; what
 * others have left stays. One costs about 300 bytes here, so a user's share about 3 MB. */
#include "gwd/engine/engine_private.h"
#include "lib/mem.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <utlist.h>

enum { OPEN_MAX = 16, BLIND_MAX = 6 };

struct remains_place {
    char *key;
    struct remain *first;
    unsigned n_open, failures; /* requests without an answer yet; in a row */
    int64_t rests_until_us;    /* mono */
    int64_t due_us;            /* mono: all of them are looked at, by TIMER_REMAINS */
    struct reason why;         /* the last failure */
    UT_hash_handle hh;
};

struct remains_user {
    uint64_t uid;
    struct remain *may_run, *mere; /* oldest first; mere: only the directory is left */
    size_t n;
    uint64_t n_dropped; /* for the others' sake, while some were left all the time */
    UT_hash_handle hh;
};

struct remain {
    struct task_ref ref; /* the hash key; drivers know the attempt by it until it is released */
    struct remains_place *place;
    struct remains_user *user;
    bool may_run;                         /* its payload; else only the directory is left */
    bool is_open;                         /* it was asked for, and not answered */
    bool is_clean;                        /* RMDIR has succeeded, END was sent */
    bool has_spool;                       /* files of it may be there */
    unsigned tries, asks;                 /* that failed in a row; ever, since the daemon started */
    int64_t due_us, until_us;             /* mono: when it is asked for next; when it is given up */
    struct remain *prev, *next;           /* at its place */
    struct remain *user_prev, *user_next; /* in one of its user's lists */
    UT_hash_handle hh;
};

/* Jobs of which something is left. */
struct remains_job {
    uint64_t job;
    size_t n;
    bool is_kept; /* its time in the listing was over */
    UT_hash_handle hh;
};

/* The attempt as a flight, for those who make names and requests of one. */
static struct flight ghost_of(const struct engine *e, struct task_ref ref)
{
    struct job *j = state_job(&e->state, ref.job);
    return (struct flight){.ref = ref, .job = j, .task = job_task(j, ref.task)};
}

static struct remain *find(const struct engine *e, struct task_ref ref)
{
    struct remain *r;
    HASH_FIND(hh, e->remains.all, &ref, sizeof ref, r);
    return r;
}

static struct remains_job *job_of(const struct engine *e, uint64_t job)
{
    struct remains_job *j;
    HASH_FIND(hh, e->remains.jobs, &job, sizeof job, j);
    return j;
}

static struct remains_place *place_of(struct engine *e, const struct flight *f)
{
    const struct attempt *a = flight_attempt(f);
    const struct principal *owner = &f->job->spec->owner;
    struct remains_place *p;
    char *key = xasprintf("%s %s %s %" PRIu64 " %s", a->tm, a->em, a->stage_url, owner->uid,
                          owner->credential ? owner->credential : "");
    HASH_FIND_STR(e->remains.places, key, p);
    if (p) {
        free(key);
        return p;
    }
    p = xcalloc(1, sizeof *p);
    p->key = key;
    HASH_ADD_KEYPTR(hh, e->remains.places, p->key, strlen(p->key), p);
    return p;
}

/* --- ends --- */

static void answered(struct remain *r)
{
    r->place->n_open -= r->is_open;
    r->is_open = false;
}

static void forget_job(struct engine *e, uint64_t id)
{
    struct remains_job *j = job_of(e, id);
    if (--j->n)
        return;
    const struct job *job = state_job(&e->state, id);
    bool is_kept = j->is_kept;
    HASH_DEL(e->remains.jobs, j);
    free(j);
    if (is_kept)
        forget_later(e, job);
}

static struct remain **list_of(struct remain *r)
{
    return r->may_run ? &r->user->may_run : &r->user->mere;
}

static void leave_user(struct engine *e, struct remain *r)
{
    struct remains_user *u = r->user;
    DL_DELETE2(*list_of(r), r, user_prev, user_next);
    if (--u->n)
        return;
    HASH_DEL(e->remains.users, u);
    free(u);
}

/* A place that nothing is left of is removed by serve(). */
static void destroy(struct engine *e, struct remain *r)
{
    answered(r);
    leave_user(e, r);
    DL_DELETE(r->place->first, r);
    HASH_DEL(e->remains.all, r);
    free(r);
}

/* Nothing is left, or it is given up. */
static void finish(struct engine *e, struct remain *r)
{
    struct flight f = ghost_of(e, r->ref);
    uint64_t job = r->ref.job;
    if (r->has_spool)
        effect_add(e, EFFECT_REMOVE)->path = staging_spool(e, &f, "");
    effect_add(e, EFFECT_RELEASE)->ref = r->ref;
    destroy(e, r);
    forget_job(e, job);
}

static void destroy_place(struct engine *e, struct remains_place *p)
{
    HASH_DEL(e->remains.places, p);
    reason_clear(&p->why);
    free(p->key);
    free(p);
}

/* --- asking --- */

static const struct driver *driver_of(const struct engine *e, const struct flight *f,
                                      enum driver_kind kind)
{
    const struct attempt *a = flight_attempt(f);
    const struct driver *d = driver_find(e, kind, kind == DRIVER_EM ? a->em : a->tm);
    return flight_has_driver(d, f) ? d : NULL;
}

static void send(struct engine *e, const struct flight *f, const struct driver *d, const char *verb,
                 const char *arg0, const char *arg1)
{
    send_request(e, d->kind, d->name, verb, f->ref, 0, arg0, arg1, NULL);
}

static void wait_for(struct engine *e, struct remain *r, int64_t for_us)
{
    r->due_us = e->mono_us + for_us;
    DL_DELETE(r->place->first, r);
    DL_APPEND(r->place->first, r);
}

static void failed(struct engine *e, struct remain *r, const char *code, enum blame blame,
                   const char *text)
{
    struct remains_place *p = r->place;
    answered(r);
    reason_set(&p->why, code, blame, text);
    wait_for(e, r, backoff_us(e, ++r->tries));
    if (!r->may_run) /* a user's process may end meanwhile */
        effect_add(e, EFFECT_RELEASE)->ref = r->ref;
    /* Those that were asked for at the same time say nothing new. */
    if (p->rests_until_us <= e->mono_us)
        p->rests_until_us = e->mono_us + backoff_us(e, ++p->failures);
}

/* The place has done what it was asked. */
static void worked(struct engine *e, struct remain *r)
{
    answered(r);
    r->place->failures = 0;
    reason_clear(&r->place->why);
    r->place->rests_until_us = e->mono_us;
}

/* False: nobody can say what became of the payload. */
static bool recover(struct engine *e, struct remain *r, const struct flight *f,
                    const struct driver *em)
{
    bool by_token = em->features & FEATURE_RECOVER_TOKEN;
    struct flight ghost = *f;
    const char *contact = flight_attempt(f)->contact;
    char *description = by_token ? jobfiles_description(e, &ghost, em) : NULL;
    bool can_ask = contact || description;
    r->has_spool |= ghost.has_spool;
    if (can_ask)
        send(e, f, em, "RECOVER", contact, description);
    free(description);
    return can_ask;
}

/* False: nothing of it is left. */
static bool ask(struct engine *e, struct remain *r)
{
    struct flight f = ghost_of(e, r->ref);
    const struct driver *d = driver_of(e, &f, r->may_run ? DRIVER_EM : DRIVER_TM);
    if (!r->may_run && flight_is_bare(&f)) { /* it has no directory */
        finish(e, r);
        return false;
    }
    if (!d) {
        failed(e, r, "driver-down", BLAME_US, NULL);
        return true;
    }
    r->is_open = true;
    r->is_clean = false;
    r->asks++;
    r->place->n_open++;
    r->due_us = e->mono_us + e->config->backoff_max_us; /* if its driver ends before it answers */
    credential_tell(e, &f, d);
    if (r->may_run) {
        send(e, &f, d, "POLL", NULL, NULL);
        return true;
    }
    char *url = staging_dir_url(e, f.job, f.task, flight_attempt(&f));
    send(e, &f, d, "START", NULL, NULL);
    send(e, &f, d, "RMDIR", NULL, url);
    free(url);
    return true;
}

static void set_timer(struct engine *e, struct remains_place *p, int64_t at_us)
{
    if (at_us < p->due_us)
        p->due_us = at_us;
    if (at_us >= e->remains.timer_us)
        return;
    e->remains.timer_us = at_us;
    timers_add(&e->timers, (struct timer){.at_us = at_us, .kind = TIMER_REMAINS});
}

static bool may_ask(const struct engine *e, const struct remains_place *p)
{
    return p->n_open < (p->failures ? 1 : OPEN_MAX) && p->rests_until_us <= e->mono_us;
}

/* Ask for what is due, and see to it that the rest has its turn. Without `is_all` it looks no
 * further than something may be asked: then not all are looked at for each one that is cleaned. */
static void serve(struct engine *e, struct remains_place *p, bool is_all)
{
    struct remain *r, *tmp;
    int64_t next_us = INT64_MAX;
    if (is_all)
        p->due_us = INT64_MAX;
    DL_FOREACH_SAFE(p->first, r, tmp)
    {
        if (!is_all && !may_ask(e, p)) {
            int64_t open_us = e->mono_us + e->config->backoff_max_us; /* all that are, are due */
            next_us = p->rests_until_us > e->mono_us ? p->rests_until_us : open_us;
            break;
        }
        if (r->until_us <= e->mono_us) {
            finish(e, r);
            continue;
        }
        if (r->is_open && r->due_us <= e->mono_us)
            failed(e, r, "unreachable", BLAME_SITE, NULL);
        if (!r->is_open && r->due_us <= e->mono_us && may_ask(e, p) && !ask(e, r))
            continue;
        /* One that only waits for the others is asked for after their answers. */
        int64_t at_us = r->due_us > p->rests_until_us ? r->due_us : p->rests_until_us;
        if (at_us > e->mono_us && at_us < next_us)
            next_us = at_us;
    }
    if (p->first)
        set_timer(e, p, next_us);
    else
        destroy_place(e, p);
}

void remains_time(struct engine *e)
{
    struct remains_place *p, *tmp;
    e->remains.timer_us = INT64_MAX;
    HASH_ITER (hh, e->remains.places, p, tmp)
        if (p->due_us <= e->mono_us)
            serve(e, p, true);
        else
            set_timer(e, p, p->due_us);
}

/* --- what is left --- */

static struct remains_user *user_of(struct engine *e, uint64_t uid)
{
    struct remains_user *u;
    HASH_FIND(hh, e->remains.users, &uid, sizeof uid, u);
    if (!u) {
        u = xcalloc(1, sizeof *u);
        u->uid = uid;
        HASH_ADD(hh, e->remains.users, uid, sizeof u->uid, u);
    }
    return u;
}

/* It stands in the log at 1, 2, 4, 8, ... */
static void say_dropped(struct engine *e, const struct remain *r)
{
    const struct remains_user *u = r->user;
    struct flight f = ghost_of(e, r->ref);
    if (u->n_dropped & (u->n_dropped - 1))
        return;
    effect_add(e, EFFECT_WARN)->text = xasprintf(
        "uid %" PRIu64 " has left more than %zu directories and programs at sites: the oldest is "
        "given up, %s of job %" PRIu64 " at %s; %" PRIu64 " so far",
        u->uid, e->config->remains_max,
        r->may_run ? "a program that may still run" : "the directory", r->ref.job + r->ref.task,
        flight_attempt(&f)->host, u->n_dropped);
}

/* Only after the newest came it is known whether it is the one. */
static void keep_share(struct engine *e, struct remains_user *u)
{
    if (u->n <= e->config->remains_max)
        return;
    struct remain *r = u->mere ? u->mere : u->may_run;
    u->n_dropped++;
    say_dropped(e, r);
    finish(e, r);
}

static void count_job(struct engine *e, uint64_t job)
{
    struct remains_job *j = job_of(e, job);
    if (!j) {
        j = xcalloc(1, sizeof *j);
        j->job = job;
        HASH_ADD(hh, e->remains.jobs, job, sizeof j->job, j);
    }
    j->n++;
}

static void add(struct engine *e, const struct flight *f, bool may_run, int64_t age_us)
{
    struct remain *r = xcalloc(1, sizeof *r);
    *r = (struct remain){.ref = f->ref,
                         .place = place_of(e, f),
                         .user = user_of(e, f->job->spec->owner.uid),
                         .may_run = may_run,
                         .has_spool = f->has_spool, /* a copy into it may still be under way */
                         .due_us = e->mono_us + backoff_us(e, 1), /* a payload ends meanwhile */
                         .until_us = e->mono_us + REMAINS_KEPT_US - age_us};
    HASH_ADD(hh, e->remains.all, ref, sizeof r->ref, r);
    DL_APPEND(r->place->first, r);
    DL_APPEND2(*list_of(r), r, user_prev, user_next);
    r->user->n++;
    count_job(e, r->ref.job);
    set_timer(e, r->place, r->due_us);
    keep_share(e, r->user);
}

void remains_add(struct engine *e, const struct flight *f)
{
    const struct attempt *a = flight_attempt(f);
    bool may_run = f->task->phase == PHASE_WRAPPER && (a->contact || f->may_be_submitted);
    add(e, f, may_run, 0);
}

void remains_start(struct engine *e, const struct job *j, const struct input *start)
{
    size_t it = 0;
    for (struct task *t; (t = job_next_task(j, &it));) {
        int64_t age_us = seen_age_us(start, t->seq); /* of an attempt before it: at least */
        for (size_t i = 0; i < t->n_attempts && age_us < REMAINS_KEPT_US; i++) {
            const struct attempt *a = &t->attempts[i];
            if (!a->is_left)
                continue;
            struct flight f = ghost_of(e, (struct task_ref){j->id, t->index, a->number});
            add(e, &f, a->staged_us && !a->exited_us, age_us);
        }
    }
}

bool remains_has(const struct engine *e, uint64_t job)
{
    return job_of(e, job);
}

void remains_keep(struct engine *e, uint64_t job)
{
    job_of(e, job)->is_kept = true;
}

bool engine_left(const struct engine *e, struct task_ref ref, struct left *ret)
{
    const struct remain *r = find(e, ref);
    if (!r)
        return false;
    *ret = (struct left){.may_run = r->may_run,
                         .asked = r->asks,
                         .said = r->place->why.code ? &r->place->why : NULL,
                         .until_us = r->until_us};
    return true;
}

void engine_left_count(const struct engine *e, uint64_t uid, uint64_t *ret_n, uint64_t *ret_dropped)
{
    const struct remains_user *u;
    HASH_FIND(hh, e->remains.users, &uid, sizeof uid, u);
    *ret_n = u ? u->n : 0;
    *ret_dropped = u ? u->n_dropped : 0;
}

/* --- answers --- */

static void directory_answer(struct engine *e, struct remain *r, const struct flight *f,
                             const struct input *in)
{
    const struct driver *tm = driver_of(e, f, DRIVER_TM);
    bool is_removal = strcmp(in->answer.verb, "RMDIR") == 0;
    if (!r->is_open || r->may_run)
        return;
    if (is_removal && tm)
        send(e, f, tm, "END", NULL, NULL);
    if (is_removal && !in->answer.is_success) {
        struct reason why = {0};
        reason_from_driver(&why, in->answer.text);
        failed(e, r, why.code, why.blame, why.text);
        reason_clear(&why);
    } else if (is_removal) {
        r->is_clean = true;
    } else if (r->is_clean && strcmp(in->answer.verb, "END") == 0) {
        /* No copy of it writes anything from here on. */
        worked(e, r);
        finish(e, r);
    }
}

/* It does not run, or nobody will ever say: the directory is what is left. */
static void end_payload(struct engine *e, struct remain *r)
{
    DL_DELETE2(r->user->may_run, r, user_prev, user_next);
    DL_APPEND2(r->user->mere, r, user_prev, user_next);
    r->may_run = false;
    r->tries = 0;
    r->due_us = e->mono_us;
}

/* Without reasons an attempt that is lost cannot be told from a site that is out of reach. */
static bool is_blind(const struct driver *em, const struct remain *r)
{
    return !(em->features & FEATURE_BLAME) && r->tries >= BLIND_MAX;
}

static void payload_failure(struct engine *e, struct remain *r, const struct flight *f,
                            const struct input *in)
{
    struct reason why = {0};
    reason_from_driver(&why, in->answer.text);
    bool is_recover = strcmp(in->answer.verb, "RECOVER") == 0;
    bool is_gone =
        strcmp(why.code, "lost") == 0 || (is_recover && strcmp(why.code, "not-found") == 0);
    const struct driver *em = driver_of(e, f, DRIVER_EM);
    if (is_gone) {
        worked(e, r);
        end_payload(e, r);
    } else if (em && !is_recover && recover(e, r, f, em)) {
        /* its answer says more */
    } else if (em && (!is_recover || is_blind(em, r))) {
        answered(r);
        end_payload(e, r);
    } else {
        failed(e, r, why.code, why.blame, why.text);
    }
    reason_clear(&why);
}

static void payload_answer(struct engine *e, struct remain *r, const struct flight *f,
                           const struct input *in)
{
    const char *verb = in->answer.verb, *state = in->answer.text;
    bool is_asked = strcmp(verb, "POLL") == 0 || strcmp(verb, "RECOVER") == 0;
    bool is_final = strncmp(state, "DONE", 4) == 0 || strncmp(state, "FAILED", 6) == 0;
    const struct driver *em = driver_of(e, f, DRIVER_EM);
    if (!r->may_run || (!is_asked && strcmp(verb, "CALLBACK") != 0))
        return;
    if (in->answer.is_success && is_final) {
        worked(e, r);
        end_payload(e, r);
    } else if (!r->is_open || !is_asked) {
        return;
    } else if (!in->answer.is_success) {
        payload_failure(e, r, f, in);
    } else {
        worked(e, r);
        if (em)
            send(e, f, em, "CANCEL", NULL, NULL);
        wait_for(e, r, backoff_us(e, ++r->tries));
    }
}

void remains_answer(struct engine *e, const struct input *in)
{
    struct remain *r = find(e, in->answer.ref);
    if (!r)
        return;
    struct flight f = ghost_of(e, r->ref);
    struct remains_place *p = r->place;
    const struct attempt *a = flight_attempt(&f);
    if (in->answer.kind == DRIVER_TM && strcmp(in->answer.driver, a->tm) == 0)
        directory_answer(e, r, &f, in);
    else if (in->answer.kind == DRIVER_EM && strcmp(in->answer.driver, a->em) == 0)
        payload_answer(e, r, &f, in);
    serve(e, p, false);
}

void remains_clear(struct engine *e)
{
    struct remains_job *j, *tmp;
    while (e->remains.all)
        destroy(e, e->remains.all);
    HASH_ITER (hh, e->remains.jobs, j, tmp) {
        HASH_DEL(e->remains.jobs, j);
        free(j);
    }
    while (e->remains.places)
        destroy_place(e, e->remains.places);
}
