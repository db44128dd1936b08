/* What a site knows of this state: beside the job directories there is a file with the epoch of the
 * run that worked there last, .gw_epoch_INSTANCE. It is read before a run first works there, and
 * written anew. An epoch that the state does not know of is one of a later copy of it: the state is
 * an older one that was put back, or another gwd has one of the same origin.
 *
 * That is told to the operator, and nothing else is done: each run has an epoch of its own, so that
 * tokens do not depend on what a site says. Nothing waits for these files, and a site that cannot
 * give or take one, or lies, does no harm. */
#include "gwd/engine/engine_private.h"
#include "lib/mem.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

enum { ATTEMPT = 1 }; /* in the ref, beside job 0: a lease file's is a time in microseconds */

struct trace {
    char *key; /* the three, as two credentials may be two homes */
    char *tm, *url, *credential;
    uint64_t uid;    /* multi-user mode: in whose name; else NOBODY */
    uint64_t number; /* the task of its ref */
    enum { TRACE_READ, TRACE_LOOK, TRACE_WRITE, TRACE_END, TRACE_DONE } step;
    bool has_failed;
    UT_hash_handle hh;
};

static struct task_ref ref_of(const struct trace *t)
{
    return (struct task_ref){.job = 0, .task = t->number, .attempt = ATTEMPT};
}

static struct effect *ask(struct engine *e, const struct trace *t, const char *verb,
                          const char *from, const char *to)
{
    send_request(e, DRIVER_TM, t->tm, verb, ref_of(t), 0, NULL, from, to);
    struct effect *f = &e->out->effects[e->out->n_effects - 1];
    f->uid = t->uid;
    return f;
}

static char *site_url(const struct engine *e, const struct trace *t)
{
    return xasprintf("%s/.gw_epoch_%s", t->url, e->state.instance);
}

static char *copy_of(const struct engine *e, const struct trace *t)
{
    return xasprintf("%s/epoch.%" PRIu64, e->config->spool, t->number);
}

static void trace_destroy(struct engine *e, struct trace *t)
{
    HASH_DEL(e->traces, t);
    free(t->key);
    free(t->tm);
    free(t->url);
    free(t->credential);
    free(t);
}

static void end(struct engine *e, struct trace *t)
{
    t->step = TRACE_END;
    ask(e, t, "END", NULL, NULL);
}

static void begin(struct engine *e, struct trace *t, const struct driver *d)
{
    char *url = site_url(e, t), *path = copy_of(e, t), *to = xasprintf("file://%s", path);
    if (d->features & FEATURE_CREDENTIAL && t->credential)
        ask(e, t, "CREDENTIAL", t->credential, NULL);
    ask(e, t, "START", NULL, NULL);
    if (t->uid == NOBODY)
        ask(e, t, "CP", url, to);
    else
        ask(e, t, "GET", url, NULL);
    free(url);
    free(path);
    free(to);
}

static void write_ours(struct engine *e, struct trace *t)
{
    char *url = site_url(e, t), *from = NULL;
    char *text = xasprintf("INSTANCE=%s\nEPOCH=%" PRIu64 "\n", e->state.instance, e->state.epoch);
    t->step = TRACE_WRITE;
    if (t->uid == NOBODY) {
        struct effect *file = effect_add(e, EFFECT_WRITE_LEASE);
        file->path = copy_of(e, t);
        file->text = text;
        from = xasprintf("file://%s", file->path);
        ask(e, t, "CP", from, url);
    } else {
        struct effect *put = ask(e, t, "PUT", url, NULL);
        put->kind = EFFECT_SEND_LEASE;
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
    struct driver *d = driver_find(e, DRIVER_TM, a->tm);
    if (!flight_has_driver(d, f))
        return;
    e->traced.place = a->place;
    e->traced.credential = credential;
    e->traced.uid = uid;
    bool needs_it = d->features & FEATURE_CREDENTIAL;
    char *key = xasprintf("%s\n%s\n%s\n%" PRIu64, a->tm, a->stage_url,
                          needs_it && credential ? credential : "", uid);
    struct trace *t;
    HASH_FIND_STR(e->traces, key, t);
    if (t) {
        free(key);
        return;
    }
    t = xcalloc(1, sizeof *t);
    *t = (struct trace){.key = key,
                        .tm = xstrdup(a->tm),
                        .url = xstrdup(a->stage_url),
                        .credential = needs_it ? xstrdup(credential) : NULL,
                        .uid = uid,
                        .number = ++e->n_traces};
    HASH_ADD_KEYPTR(hh, e->traces, t->key, strlen(t->key), t);
    begin(e, t, d);
}

static struct trace *find(struct engine *e, struct task_ref ref)
{
    struct trace *t, *tmp;
    HASH_ITER (hh, e->traces, t, tmp)
        if (t->number == ref.task)
            return t;
    return NULL;
}

static void copied(struct engine *e, struct trace *t, const struct input *in)
{
    struct reason r = {0};
    if (t->step == TRACE_READ && in->answer.is_success) {
        struct effect *look = effect_add(e, EFFECT_READ_EPOCH);
        if (t->uid == NOBODY)
            look->path = copy_of(e, t);
        else
            look->args[0] = xstrdup(in->answer.text);
        look->text = xstrdup(e->state.instance);
        look->ref = ref_of(t);
        t->step = TRACE_LOOK;
        return;
    }
    if (t->step == TRACE_READ) {
        reason_from_driver(&r, in->answer.text);
        /* Names that begin as a job directory's are taken for what a job has left, or not. */
        if (r.code && (strcmp(r.code, "no-input") == 0 || strcmp(r.code, "no-output") == 0)) {
            write_ours(e, t);
        } else {
            t->has_failed = true; /* tried again by a later job there */
            end(e, t);
        }
        reason_clear(&r);
    } else if (t->step == TRACE_WRITE) {
        t->has_failed = !in->answer.is_success;
        end(e, t);
    }
}

bool trace_answer(struct engine *e, const struct input *in)
{
    struct trace *t = in->answer.ref.attempt == ATTEMPT ? find(e, in->answer.ref) : NULL;
    if (!t)
        return false;
    const char *verb = in->answer.verb;
    bool is_over = strcmp(verb, t->uid == NOBODY        ? "CP"
                                : t->step == TRACE_READ ? "GET"
                                                        : "PUT") == 0;
    if (is_over) {
        copied(e, t, in);
    } else if (strcmp(verb, "END") == 0 && t->step == TRACE_END) {
        effect_add(e, EFFECT_RELEASE)->ref = ref_of(t);
        if (t->uid == NOBODY)
            effect_add(e, EFFECT_REMOVE)->path = copy_of(e, t);
        t->step = TRACE_DONE;
        if (t->has_failed) {
            e->traced.place = NULL;
            trace_destroy(e, t);
        }
    }
    return true;
}

/* Ours are those up to that of the run before, and this one's. Epochs are milliseconds: one of the
 * far future was given by no gwd. */
static bool is_foreign(const struct engine *e, uint64_t epoch)
{
    const uint64_t a_year_ms = UINT64_C(366) * 86400 * 1000;
    return epoch > e->state.epoch_before && epoch != e->state.epoch &&
           epoch < (uint64_t)e->now_us / 1000 + a_year_ms;
}

static void notice(struct engine *e, const struct trace *t, uint64_t epoch)
{
    free(e->notice);
    e->notice = xasprintf(
        "%s knows of a later run of this state (epoch %" PRIu64 "; ours is %" PRIu64
        "): the state is an older copy that was put back, or another gwd works with a copy of it",
        t->url, epoch, e->state.epoch);
}

void trace_found(struct engine *e, const struct input *in)
{
    struct trace *t = find(e, in->trace.ref);
    if (!t || t->step != TRACE_LOOK)
        return;
    if (is_foreign(e, in->trace.epoch))
        notice(e, t, in->trace.epoch);
    write_ours(e, t);
}

void trace_driver_down(struct engine *e, const struct driver *d, uint64_t uid)
{
    struct trace *t, *tmp;
    e->traced.place = NULL;
    HASH_ITER (hh, e->traces, t, tmp)
        if (d->kind == DRIVER_TM && t->step != TRACE_DONE && strcmp(t->tm, d->name) == 0 &&
            (uid == NOBODY || uid == t->uid))
            trace_destroy(e, t);
}

void trace_clear(struct engine *e)
{
    struct trace *t, *tmp;
    HASH_ITER (hh, e->traces, t, tmp)
        trace_destroy(e, t);
    free(e->notice);
}

const char *engine_notice(const struct engine *e)
{
    return e->notice;
}
