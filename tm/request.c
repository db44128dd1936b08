/* What all transfer drivers do alike with their requests: take them, remember which are open,
 * answer them, and at END cancel and await those of a handle. */
#include "tm/request.h"

#include "lib/mem.h"
#include "lib/num.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <utlist.h>

enum { REQUESTS_MAX = 20000 };

struct ending {
    char handle[HANDLE_MAX + 1];
    struct ending *next;
};

static bool is_open(struct transfers *t, const char *handle)
{
    struct request *r;
    DL_FOREACH (t->requests, r)
        if (strcmp(r->handle, handle) == 0)
            return true;
    return false;
}

static struct ending *find_ending(struct transfers *t, const char *handle)
{
    struct ending *e = t->endings;
    while (e && strcmp(e->handle, handle) != 0)
        e = e->next;
    return e;
}

static void answer(const struct request *r)
{
    struct kit *k = r->transfers->kit;
    const char *text = r->text[0] ? r->text : "-";
    const char *verb = r->asked ? r->asked : r->verb;
    bool is_get = !r->reason && strcmp(verb, "GET") == 0;
    if (r->reason)
        kit_fail(k, verb, r->handle, r->number, r->reason, "%s", text);
    else if (r->content && strcmp(verb, "TAIL") == 0)
        kit_succeed(k, verb, r->handle, r->number, "%s %s", text, r->content);
    else
        kit_succeed(k, verb, r->handle, r->number, "%s", is_get ? r->content : text);
}

void request_finish(struct request *r)
{
    struct transfers *t = r->transfers;
    answer(r);
    DL_DELETE(t->requests, r);
    t->n_requests--;
    struct ending *e = find_ending(t, r->handle);
    for (; e && !is_open(t, r->handle); e = find_ending(t, r->handle)) {
        kit_succeed(t->kit, "END", r->handle, NULL, "-");
        LL_DELETE(t->endings, e);
        free(e);
    }
    if (t->release)
        t->release(r);
    free(r->number);
    free(r->from);
    free(r->to);
    free(r->content);
    free(r);
}

static void work(struct pool_task *task)
{
    struct request *r = (struct request *)task;
    atomic_store(&r->is_at_work, true);
    r->transfers->work(r);
}

static void done(struct pool_task *task)
{
    struct request *r = (struct request *)task;
    atomic_store(&r->is_at_work, false);
    if (r->transfers->done)
        r->transfers->done(r);
    else
        request_done(r);
}

void request_done(struct request *r)
{
    if (strcmp(r->verb, "TAIL") == 0)
        tail_step(r);
    else
        request_finish(r);
}

static struct request *request_add(struct transfers *t, const struct fields *f)
{
    struct request *r = xcalloc(1, t->request_size);
    r->task = (struct pool_task){.work = work, .done = done};
    r->transfers = t;
    snprintf(r->verb, sizeof r->verb, "%s", f->field[0]);
    snprintf(r->handle, sizeof r->handle, "%s", f->field[1]);
    r->number = xstrdup(f->field[2]);
    r->from = xstrdup(f->field[4]);
    r->watch = -1;
    DL_APPEND(t->requests, r);
    t->n_requests++;
    return r;
}

static bool is_taken(struct kit *k, struct transfers *t, const struct fields *f)
{
    const char *why = t->n_requests >= REQUESTS_MAX         ? "too many requests are open"
                      : find_ending(t, f->field[1]) != NULL ? "END has been asked for"
                                                            : NULL;
    if (why)
        kit_fail(k, f->field[0], f->field[1], f->field[2], "busy:site", "%s", why);
    return !why;
}

/* MKDIR, RMDIR, EXISTS, STAT, GET: <verb> <jid> <n> - <url> - */
static void one_url(struct kit *k, const struct fields *f, void *ctx)
{
    struct transfers *t = ctx;
    if (is_taken(k, t, f))
        t->begin(request_add(t, f));
}

static void cp(struct kit *k, const struct fields *f, void *ctx)
{
    struct transfers *t = ctx;
    if (!is_taken(k, t, f))
        return;
    struct request *r = request_add(t, f);
    r->is_executable = strcmp(f->field[3], "X") == 0;
    r->to = xstrdup(f->field[5]);
    progress_begin(t);
    t->begin(r);
}

/* PUT <jid> <n> X|- <url> <content> */
static void put(struct kit *k, const struct fields *f, void *ctx)
{
    struct transfers *t = ctx;
    if (!is_taken(k, t, f))
        return;
    struct request *r = request_add(t, f);
    r->is_executable = strcmp(f->field[3], "X") == 0;
    r->to = r->from;
    r->from = NULL;
    r->content = xstrdup(f->field[5]);
    t->begin(r);
}

static void tail(struct kit *k, const struct fields *f, void *ctx)
{
    struct transfers *t = ctx;
    struct gw_err err;
    uint64_t offset;
    if (num_parse_u64(f->field[3], 0, INT64_MAX, &offset, &err) < 0) {
        kit_fail(k, "TAIL", f->field[1], f->field[2], "internal:us", "offset %s", err.text);
        return;
    }
    if (!is_taken(k, t, f))
        return;
    struct request *r = request_add(t, f);
    r->offset = r->first_offset = offset;
    r->to = strcmp(f->field[5], "-") == 0 ? NULL : xstrdup(f->field[5]);
    tail_begin(r);
}

static void start(struct kit *k, const struct fields *f, void *ctx)
{
    (void)ctx;
    kit_succeed(k, "START", f->field[1], NULL, "-");
}

void request_cancel_all(struct transfers *t, const char *handle)
{
    struct request *next;
    for (struct request *r = t->requests; r; r = next) {
        next = r->next;
        if (handle && strcmp(r->handle, handle) != 0)
            continue;
        atomic_store(&r->is_cancelled, true);
        if (t->cancel)
            t->cancel(r);
        else
            tail_cancel(r);
    }
}

static void end(struct kit *k, const struct fields *f, void *ctx)
{
    struct transfers *t = ctx;
    const char *handle = f->field[1];
    request_cancel_all(t, handle);
    if (!is_open(t, handle)) {
        kit_succeed(k, "END", handle, NULL, "-");
    } else {
        struct ending *e = xcalloc(1, sizeof *e);
        snprintf(e->handle, sizeof e->handle, "%s", handle);
        LL_PREPEND(t->endings, e);
    }
}

const struct kit_verb request_verbs[REQUEST_VERBS] = {
    {"START", 0, start},     {"MKDIR", 0, one_url},
    {"RMDIR", 0, one_url},   {"EXISTS", 0, one_url},
    {"CP", 0, cp},           {"STAT", KIT_STAT, one_url},
    {"END", 0, end},         {"TAIL", KIT_TAIL, tail},
    {"PUT", KIT_SMALL, put}, {"GET", KIT_SMALL, one_url},
};
