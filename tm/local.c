/* gw_tm_local: file: URLs of this machine (docs/PROTOCOL section 3). What may block runs in
 * threads; the loop takes requests and gives answers. Nothing is kept between requests but which of
 * them are open, so that END can cancel and await them. */
#include "lib/mem.h"
#include "lib/num.h"
#include "tm/copy.h"
#include "tm/request.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <utlist.h>

enum { COPY_THREADS = 4, QUICK_THREADS = 2, REQUESTS_MAX = 20000 };

struct ending {
    char handle[HANDLE_MAX + 1];
    struct ending *next;
};

static const struct row {
    const char *verb;
    void (*work)(struct request *r);
    bool is_copy;
} rows[] = {
    {"MKDIR", work_mkdir, false}, {"RMDIR", work_rmdir, false}, {"EXISTS", work_exists, false},
    {"STAT", work_stat, false},   {"CP", work_cp, true},        {"TAIL", work_tail, false},
};

static const struct row *row_of(const char *verb)
{
    for (size_t i = 0; i < GW_COUNT(rows); i++)
        if (strcmp(rows[i].verb, verb) == 0)
            return &rows[i];
    return NULL;
}

static bool is_open(struct local *l, const char *handle)
{
    struct request *r;
    DL_FOREACH (l->requests, r)
        if (strcmp(r->handle, handle) == 0)
            return true;
    return false;
}

static struct ending *find_ending(struct local *l, const char *handle)
{
    struct ending *e = l->endings;
    while (e && strcmp(e->handle, handle) != 0)
        e = e->next;
    return e;
}

static void answer(const struct request *r)
{
    struct kit *k = r->local->kit;
    const char *text = r->text[0] ? r->text : "-";
    if (r->reason)
        kit_fail(k, r->verb, r->handle, r->number, r->reason, "%s", text);
    else
        kit_succeed(k, r->verb, r->handle, r->number, "%s", text);
}

void request_finish(struct request *r)
{
    struct local *l = r->local;
    answer(r);
    DL_DELETE(l->requests, r);
    l->n_requests--;
    struct ending *e = find_ending(l, r->handle);
    if (e && !is_open(l, r->handle)) {
        kit_succeed(l->kit, "END", r->handle, NULL, "-");
        LL_DELETE(l->endings, e);
        free(e);
    }
    free(r->number);
    free(r->from);
    free(r->to);
    free(r);
}

static void work_of(struct pool_task *t)
{
    struct request *r = (struct request *)t;
    row_of(r->verb)->work(r);
}

static void done(struct pool_task *t)
{
    struct request *r = (struct request *)t;
    if (strcmp(r->verb, "TAIL") == 0)
        tail_step(r);
    else
        request_finish(r);
}

static struct request *request_add(struct local *l, const struct fields *f)
{
    struct request *r = xcalloc(1, sizeof *r);
    r->task = (struct pool_task){.work = work_of, .done = done};
    r->local = l;
    snprintf(r->verb, sizeof r->verb, "%s", f->field[0]);
    snprintf(r->handle, sizeof r->handle, "%s", f->field[1]);
    r->number = xstrdup(f->field[2]);
    r->from = xstrdup(f->field[4]);
    r->watch = -1;
    DL_APPEND(l->requests, r);
    l->n_requests++;
    return r;
}

static bool is_taken(struct kit *k, struct local *l, const struct fields *f)
{
    const char *why = l->n_requests >= REQUESTS_MAX         ? "too many requests are open"
                      : find_ending(l, f->field[1]) != NULL ? "END has been asked for"
                                                            : NULL;
    if (why)
        kit_fail(k, f->field[0], f->field[1], f->field[2], "busy:site", "%s", why);
    return !why;
}

/* MKDIR, RMDIR, EXISTS, STAT: <verb> <jid> <n> - <url> - */
static void one_url(struct kit *k, const struct fields *f, void *ctx)
{
    struct local *l = ctx;
    if (is_taken(k, l, f))
        pool_add(l->quick, &request_add(l, f)->task);
}

static void cp(struct kit *k, const struct fields *f, void *ctx)
{
    struct local *l = ctx;
    if (!is_taken(k, l, f))
        return;
    struct request *r = request_add(l, f);
    r->is_executable = strcmp(f->field[3], "X") == 0;
    r->to = xstrdup(f->field[5]);
    pool_add(l->copies, &r->task);
}

static void tail(struct kit *k, const struct fields *f, void *ctx)
{
    struct local *l = ctx;
    struct gw_err err;
    uint64_t offset;
    if (num_parse_u64(f->field[3], 0, INT64_MAX, &offset, &err) < 0) {
        kit_fail(k, "TAIL", f->field[1], f->field[2], "internal:us", "offset %s", err.text);
        return;
    }
    if (!is_taken(k, l, f))
        return;
    struct request *r = request_add(l, f);
    r->offset = r->first_offset = offset;
    r->to = xstrdup(f->field[5]);
    tail_begin(r);
}

static void start(struct kit *k, const struct fields *f, void *ctx)
{
    (void)ctx;
    kit_succeed(k, "START", f->field[1], NULL, "-");
}

static void cancel_all(struct local *l, const char *handle)
{
    struct request *next;
    for (struct request *r = l->requests; r; r = next) {
        next = r->next;
        if (handle && strcmp(r->handle, handle) != 0)
            continue;
        atomic_store(&r->is_cancelled, true);
        tail_cancel(r);
    }
}

static void end(struct kit *k, const struct fields *f, void *ctx)
{
    struct local *l = ctx;
    const char *handle = f->field[1];
    cancel_all(l, handle);
    if (!is_open(l, handle)) {
        kit_succeed(k, "END", handle, NULL, "-");
    } else if (!find_ending(l, handle)) {
        struct ending *e = xcalloc(1, sizeof *e);
        snprintf(e->handle, sizeof e->handle, "%s", handle);
        LL_PREPEND(l->endings, e);
    }
}

static void stop(struct kit *k, void *ctx)
{
    (void)k;
    struct local *l = ctx;
    cancel_all(l, NULL);
    /* What is not cancelled is short; nothing waits any more, so the pools come to their end. */
    pool_destroy(l->copies);
    pool_destroy(l->quick);
    l->copies = l->quick = NULL;
    tail_close(l);
}

int main(void)
{
    static const struct kit_verb verbs[] = {
        {"START", 0, start},   {"MKDIR", 0, one_url},
        {"RMDIR", 0, one_url}, {"EXISTS", 0, one_url},
        {"CP", 0, cp},         {"STAT", KIT_STAT, one_url},
        {"END", 0, end},       {"TAIL", KIT_TAIL, tail},
    };
    struct local l = {.inotify = -1};
    const struct kit_driver driver = {
        .name = "tm_local",
        .kind = KIT_TM,
        .features = KIT_PCT | KIT_HANDLES | KIT_BLAME | KIT_STAT | KIT_ATOMIC | KIT_TAIL,
        .verbs = verbs,
        .n_verbs = GW_COUNT(verbs),
        .stop = stop,
        .ctx = &l,
    };
    copy_init();
    l.kit = kit_create(&driver);
    l.copies = pool_create(kit_loop(l.kit), COPY_THREADS);
    l.quick = pool_create(kit_loop(l.kit), QUICK_THREADS);
    tail_open(&l);
    int code = kit_run(l.kit);
    if (l.copies)
        stop(l.kit, &l);
    kit_destroy(l.kit);
    return code;
}
