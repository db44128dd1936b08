/* Who works at a site: beside the job directories there is a file with the fence and the epoch of
 * the run that worked there last, .gw_epoch_INSTANCE, its mark. It is read before a run first works
 * there, and written anew if it is an older one's.
 *
 * An epoch that the state does not know of is one of a later copy of it: the state is an older one
 * that was put back, or another gwd has one of the same origin. The operator is told. Tokens do not
 * depend on it: each run has an epoch of its own. So for attempts without a lease nothing waits for
 * these files, and a site that cannot give or take one, or lies, does no harm.
 *
 * Attempts with a lease are the later one's alone. A mark with a later fence, or the same fence and
 * a later epoch, is not overwritten: who finds it renews no lease there, starts no attempt with one
 * and counts none's end (epilog.c), until it is gone. So the mark is read again before each of
 * these. Who has a copy of the state replaces nothing of before until its own mark has been there
 * for long enough (lease_rest_us). Fence first: an original that is started anew stays behind. */
#include "gwd/engine/engine_private.h"
#include "lib/mem.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <utlist.h>

enum { ATTEMPT = 1 }; /* in the ref, beside job 0: a lease file's is a time in microseconds */

struct trace {
    char *key;
    struct site site; /* its texts are ours */
    uint64_t number;  /* the task of its ref */
    /* Of READ and WRITE the number of the request as well. */
    enum { TRACE_DONE, TRACE_READ, TRACE_LOOK, TRACE_WRITE, TRACE_END } step;
    uint64_t n_looks; /* begun */
    int64_t look_us;  /* mono: when the last one was */
    bool is_wanted;   /* once more, when the one under way is over */
    bool wants_lease; /* a lease file is to go there */
    bool is_known;    /* a look has come to its end */
    bool is_superseded;
    int64_t marked_us;   /* mono: since when the mark is ours; 0: it is not, or not known to be */
    struct reason wrong; /* with the look under way, or the last one */
    UT_hash_handle hh;
};

static struct task_ref ref_of(const struct trace *t)
{
    return (struct task_ref){.job = 0, .task = t->number, .attempt = ATTEMPT};
}

static struct effect *ask(struct engine *e, const struct trace *t, const char *verb,
                          const char *from, const char *to)
{
    send_request(e, DRIVER_TM, t->site.tm, verb, ref_of(t), 0, NULL, from, to);
    struct effect *f = &e->out->effects[e->out->n_effects - 1];
    f->uid = t->site.uid;
    return f;
}

static char *mark_url(const struct engine *e, const struct trace *t)
{
    return xasprintf("%s/.gw_epoch_%s", t->site.url, e->state.instance);
}

static char *copy_of(const struct engine *e, const struct trace *t)
{
    return xasprintf("%s/epoch.%" PRIu64, e->config->spool, t->number);
}

/* --- the traces --- */

static char *key_of(const struct site *s)
{
    return xasprintf("%s\n%s\n%s\n%" PRIu64, s->tm, s->url, s->credential ? s->credential : "",
                     s->uid);
}

static struct trace *find(const struct engine *e, const struct site *s)
{
    char *key = key_of(s);
    struct trace *t;
    HASH_FIND_STR(e->traces, key, t);
    free(key);
    return t;
}

static struct trace *find_number(struct engine *e, struct task_ref ref)
{
    struct trace *t, *tmp;
    HASH_ITER (hh, e->traces, t, tmp)
        if (t->number == ref.task)
            return t;
    return NULL;
}

static struct trace *get(struct engine *e, const struct site *s)
{
    struct trace *t = find(e, s);
    if (t)
        return t;
    t = xcalloc(1, sizeof *t);
    *t = (struct trace){.key = key_of(s), .site = *s, .number = ++e->n_traces};
    t->site.tm = xstrdup(s->tm);
    t->site.url = xstrdup(s->url);
    t->site.credential = xstrdup(s->credential);
    HASH_ADD_KEYPTR(hh, e->traces, t->key, strlen(t->key), t);
    return t;
}

static struct trace *of_flight(const struct engine *e, const struct flight *f)
{
    struct site s = site_of(e, f);
    return e->config->keeps_traces ? find(e, &s) : NULL;
}

bool trace_is_superseded(const struct engine *e, const struct flight *f)
{
    const struct trace *t = of_flight(e, f);
    return t && t->is_superseded;
}

bool trace_pass(struct engine *e, struct flight *f, enum step after)
{
    static const struct reason why = {
        (char *)"superseded", BLAME_US,
        (char *)"another gwd has a later copy of the state and works at its site"};
    if (!f->job->spec->t->lease_s || !trace_is_superseded(e, f))
        return true;
    flight_wait(e, f, e->config->backoff_max_us, after, &why);
    return false;
}

int64_t trace_marked_us(const struct engine *e, const struct flight *f)
{
    const struct trace *t = of_flight(e, f);
    return t ? t->marked_us : 0;
}

void trace_clear(struct engine *e)
{
    struct trace *t, *tmp;
    HASH_ITER (hh, e->traces, t, tmp) {
        HASH_DEL(e->traces, t);
        reason_clear(&t->wrong);
        free(t->key);
        free((char *)t->site.tm);
        free((char *)t->site.url);
        free((char *)t->site.credential);
        free(t);
    }
    free(e->notice);
}

/* --- a look --- */

static void end(struct engine *e, struct trace *t)
{
    t->step = TRACE_END;
    ask(e, t, "END", NULL, NULL);
}

/* Nothing, when its driver is not there: who is waiting goes on with the driver. */
static void begin(struct engine *e, struct trace *t)
{
    const struct driver *d = driver_find(e, DRIVER_TM, t->site.tm);
    if (!driver_serves(d, t->site.uid))
        return;
    char *url = mark_url(e, t), *path = copy_of(e, t), *to = xasprintf("file://%s", path);
    reason_clear(&t->wrong);
    t->step = TRACE_READ;
    t->n_looks++;
    t->look_us = e->mono_us;
    if (t->site.credential)
        ask(e, t, "CREDENTIAL", t->site.credential, NULL);
    ask(e, t, "START", NULL, NULL);
    if (t->site.uid == NOBODY)
        ask(e, t, "CP", url, to)->number = TRACE_READ;
    else
        ask(e, t, "GET", url, NULL)->number = TRACE_READ;
    free(url);
    free(path);
    free(to);
}

static void write_ours(struct engine *e, struct trace *t)
{
    char *url = mark_url(e, t), *from = NULL;
    char *text = xasprintf("INSTANCE=%s\nEPOCH=%" PRIu64 "\nFENCE=%" PRIu64 "\n", e->state.instance,
                           e->state.epoch, e->state.fence);
    t->step = TRACE_WRITE;
    t->marked_us = 0;
    if (t->site.uid == NOBODY) {
        struct effect *file = effect_add(e, EFFECT_WRITE_LEASE);
        file->path = copy_of(e, t);
        file->text = text;
        from = xasprintf("file://%s", file->path);
        ask(e, t, "CP", from, url)->number = TRACE_WRITE;
    } else {
        struct effect *put = ask(e, t, "PUT", url, NULL);
        put->kind = EFFECT_SEND_LEASE;
        put->number = TRACE_WRITE;
        put->text = text;
    }
    free(from);
    free(url);
}

void trace_want(struct engine *e, const struct flight *f)
{
    const struct attempt *a = flight_attempt(f);
    const char *credential = f->job->spec->owner.credential;
    uint64_t uid = e->config->is_multi_user ? f->job->spec->owner.uid : NOBODY;
    if (!e->config->keeps_traces || (a->place == e->traced.place && credential &&
                                     credential == e->traced.credential && uid == e->traced.uid))
        return;
    if (!flight_has_driver(driver_find(e, DRIVER_TM, a->tm), f))
        return;
    e->traced.place = a->place;
    e->traced.credential = credential;
    e->traced.uid = uid;
    struct site s = site_of(e, f);
    struct trace *t = get(e, &s);
    if (t->step == TRACE_DONE && !t->is_known)
        begin(e, t);
}

void trace_renew(struct engine *e, const struct site *s)
{
    struct trace *t = get(e, s);
    t->site.lease_s = s->lease_s;
    t->wants_lease = true;
    if (t->step == TRACE_DONE)
        begin(e, t);
}

uint64_t trace_look(struct engine *e, const struct flight *f)
{
    struct site s = site_of(e, f);
    struct trace *t = get(e, &s);
    t->is_wanted = t->step != TRACE_DONE;
    if (t->is_wanted)
        return t->n_looks + 1;
    begin(e, t);
    return t->n_looks;
}

/* --- what it showed --- */

/* Ours are those up to that of the run before, and this one's. */
static bool is_foreign(const struct engine *e, uint64_t epoch)
{
    return epoch > e->state.epoch_before && epoch != e->state.epoch;
}

static bool is_later(const struct engine *e, uint64_t fence, uint64_t epoch)
{
    return fence != e->state.fence ? fence > e->state.fence : epoch > e->state.epoch;
}

static void notice(struct engine *e, const struct trace *t, uint64_t epoch, bool is_ours_to_leave)
{
    free(e->notice);
    e->notice = xasprintf(
        "%s knows of a later run of this state (epoch %" PRIu64 "; ours is %" PRIu64
        "): the state is an older copy that was put back, or another gwd works with a copy of it%s",
        t->site.url, epoch, e->state.epoch,
        is_ours_to_leave ? "; jobs there that have a lease are left to that one" : "");
}

void trace_found(struct engine *e, const struct input *in)
{
    /* Epochs are milliseconds: one of the far future was given by no gwd. */
    const uint64_t a_year_ms = UINT64_C(366) * 86400 * 1000, now_ms = (uint64_t)e->now_us / 1000;
    uint64_t latest = (now_ms > e->state.epoch ? now_ms : e->state.epoch) + a_year_ms;
    struct trace *t = find_number(e, in->trace.ref);
    if (!t || t->step != TRACE_LOOK)
        return;
    bool was_superseded = t->is_superseded, is_one = in->trace.epoch && in->trace.epoch < latest;
    t->is_superseded = is_one && is_later(e, in->trace.fence, in->trace.epoch);
    if (is_one && !was_superseded && (t->is_superseded || is_foreign(e, in->trace.epoch)))
        notice(e, t, in->trace.epoch, t->is_superseded);
    if (t->is_superseded) {
        t->marked_us = 0;
        end(e, t);
    } else if (in->trace.epoch != e->state.epoch || in->trace.fence != e->state.fence) {
        write_ours(e, t);
    } else {
        t->marked_us = t->marked_us ? t->marked_us : e->mono_us;
        end(e, t);
    }
}

static void read_failed(struct engine *e, struct trace *t, const char *text)
{
    const struct driver *d = driver_find(e, DRIVER_TM, t->site.tm);
    bool is_mute = !d || !(d->features & FEATURE_BLAME); /* it knows no reasons */
    reason_from_driver(&t->wrong, text);
    /* Names that begin as a job directory's are taken for what a job has left, or not. */
    if (is_mute || strcmp(t->wrong.code, "no-input") == 0 ||
        strcmp(t->wrong.code, "no-output") == 0) {
        reason_clear(&t->wrong);
        t->is_superseded = false;
        write_ours(e, t);
    } else {
        end(e, t);
    }
}

static void copied(struct engine *e, struct trace *t, const struct input *in)
{
    if (t->step == TRACE_READ && in->answer.is_success) {
        struct effect *look = effect_add(e, EFFECT_READ_EPOCH);
        if (t->site.uid == NOBODY)
            look->path = copy_of(e, t);
        else
            look->args[0] = xstrdup(in->answer.text);
        look->text = xstrdup(e->state.instance);
        look->ref = ref_of(t);
        t->step = TRACE_LOOK;
    } else if (t->step == TRACE_READ) {
        read_failed(e, t, in->answer.text);
    } else if (t->step == TRACE_WRITE) {
        if (in->answer.is_success)
            t->marked_us = e->mono_us;
        else
            reason_from_driver(&t->wrong, in->answer.text);
        end(e, t);
    }
}

/* Who waited for this look, or for an earlier one, goes on. */
static void over(struct engine *e, struct trace *t)
{
    struct flight *f, *next;
    effect_add(e, EFFECT_RELEASE)->ref = ref_of(t);
    if (t->site.uid == NOBODY)
        effect_add(e, EFFECT_REMOVE)->path = copy_of(e, t);
    t->step = TRACE_DONE;
    if (t->wrong.code)
        e->traced.place = NULL; /* a later job there tries it again */
    else
        t->is_known = true;
    if (t->wants_lease && !t->wrong.code && !t->is_superseded)
        lease_send(e, &t->site, t->number, t->look_us);
    t->wants_lease = false;
    DL_FOREACH_SAFE2(e->leased, f, next, leased_next)
    {
        if (f->step == EPI_TURN && f->look <= t->n_looks && of_flight(e, f) == t)
            epilog_turn(e, f, &t->wrong);
    }
    if (t->is_wanted)
        begin(e, t);
    t->is_wanted = false;
}

bool trace_answer(struct engine *e, const struct input *in)
{
    struct trace *t = in->answer.ref.attempt == ATTEMPT ? find_number(e, in->answer.ref) : NULL;
    if (!t)
        return false;
    const char *verb = in->answer.verb;
    bool is_copy = strcmp(verb, "CP") == 0 || strcmp(verb, "GET") == 0 || strcmp(verb, "PUT") == 0;
    /* An answer that is heard twice is not that of the next request. */
    if (is_copy && in->answer.number == t->step)
        copied(e, t, in);
    else if (strcmp(verb, "END") == 0 && t->step == TRACE_END)
        over(e, t);
    return true;
}

void trace_driver_down(struct engine *e, const struct driver *d, uint64_t uid)
{
    struct trace *t, *tmp;
    e->traced.place = NULL;
    HASH_ITER (hh, e->traces, t, tmp)
        if (d->kind == DRIVER_TM && strcmp(t->site.tm, d->name) == 0 &&
            (uid == NOBODY || uid == t->site.uid)) {
            t->step = TRACE_DONE;
            t->is_wanted = t->wants_lease = false;
        }
}

const char *engine_notice(const struct engine *e)
{
    return e->notice;
}
