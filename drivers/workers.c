/* The router: requests in, answers out. What it knows of a handle is in handle.c, of a worker in
 * worker.c. */
#include "drivers/workers_private.h"

#include "lib/log.h"
#include "lib/mem.h"

#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <utlist.h>

enum { ORPHAN_S = 5 }; /* how long a worker may take to end after its router's death */

static bool is_verb(const char *verb, const char *name)
{
    return strcmp(verb, name) == 0;
}

static bool is_tm(const struct router *r)
{
    return r->w.kind == KIT_TM;
}

/* --- requests --- */

static void refuse(struct router *r, const struct fields *f, const char *reason, const char *text)
{
    kit_fail(r->kit, f->field[0], f->field[1], is_tm(r) ? f->field[2] : NULL, reason, "%s", text);
}

/* The handle is this credential's from now on. */
static struct handle *bind_handle(struct router *r, const struct fields *f)
{
    const char *path = f->field[is_tm(r) ? 4 : 2];
    struct handle *h = handle_find(r, f->field[1]);
    if (*path != '/') {
        refuse(r, f, "internal:us", "the credential is not an absolute path");
        return NULL;
    }
    struct worker *w = worker_get(r, path);
    if (h && h->worker != w && (h->is_open || h->n_pending)) {
        refuse(r, f, "internal:us", "the handle is in use with another credential");
        return NULL;
    }
    if (h && h->worker != w)
        handle_move(h, w);
    if (!h && !(h = handle_add(r, f->field[1], w)))
        refuse(r, f, "busy:site", "too many handles are open");
    return h;
}

/* Whose a request is. NULL: it is answered. */
static struct handle *owner_of(struct router *r, const struct fields *f)
{
    const char *verb = f->field[0];
    struct handle *h = handle_find(r, f->field[1]);
    if (is_verb(verb, "CREDENTIAL")) {
        h = bind_handle(r, f);
    } else if (is_verb(verb, "END") && (!h || (!h->is_open && !h->n_pending))) {
        if (h)
            handle_remove(h);
        kit_succeed(r->kit, "END", f->field[1], NULL, "-");
        return NULL;
    } else if (!h && !is_tm(r) && !is_verb(verb, "SUBMIT") && !is_verb(verb, "RECOVER")) {
        refuse(r, f, "internal:us", "no job has this handle");
    } else if (!h) {
        h = handle_add(r, f->field[1], worker_get(r, NULL));
        if (!h)
            refuse(r, f, "busy:site", "too many handles are open");
    }
    return h;
}

static void put_request(const struct router *r, const struct fields *f, struct buf *out)
{
    for (size_t i = 0; i < f->n; i++) {
        buf_puts(out, i ? " " : "");
        if (kit_has(r->kit, KIT_PCT))
            fields_encode(out, f->field[i]);
        else
            buf_puts(out, f->field[i]);
    }
    buf_putc(out, '\n');
}

/* A new worker knows nothing of what was open in the one before. gwd asked for it once and does
 * not ask again, so the router does; the answer is nobody else's business. */
static void reopen(struct handle *h)
{
    char *key = xasprintf("START %s -", h->name);
    h->is_broken = false;
    h->is_reopening = true;
    handle_open(h, true);
    handle_expect(h, key);
    free(key);
}

static bool hand_over(struct router *r, struct handle *h, const struct fields *f)
{
    struct gw_err err;
    struct buf line = BUF_INIT;
    bool is_reopened =
        h->is_broken && !is_verb(f->field[0], "START") && !is_verb(f->field[0], "CREDENTIAL");
    int code = worker_start(h->worker, &err);
    if (code < 0) {
        refuse(r, f, code == -GW_EUNAVAIL ? "busy:site" : "internal:us", err.text);
        return false;
    }
    if (is_reopened)
        buf_printf(&line, "START %s - - - -\n", h->name);
    put_request(r, f, &line);
    bool is_sent = child_send(h->worker->child, line.data, line.len);
    buf_clear(&line);
    if (!is_sent)
        refuse(r, f, "busy:site", "the worker of this credential takes no more requests now");
    else if (is_reopened)
        reopen(h);
    return is_sent;
}

static void expect(struct router *r, struct handle *h, const struct fields *f)
{
    char *key = is_tm(r) ? xasprintf("%s %s %s", f->field[0], f->field[1], f->field[2])
                         : xasprintf("%s %s", f->field[0], f->field[1]);
    if (is_verb(f->field[0], "START")) {
        h->is_broken = false;
        handle_open(h, true);
    } else if (is_verb(f->field[0], "SUBMIT") || is_verb(f->field[0], "RECOVER")) {
        h->is_over = false;
    }
    handle_expect(h, key);
    free(key);
}

static void request(struct kit *k, const struct fields *f, void *ctx)
{
    (void)k;
    struct router *r = ctx;
    struct handle *h = owner_of(r, f);
    if (!h)
        return;
    if (hand_over(r, h, f))
        expect(r, h, f);
    handle_settled(h);
}

/* --- answers --- */

static bool is_end(const char *text)
{
    size_t len = strcspn(text, ": ");
    return (len == 4 && strncmp(text, "DONE", 4) == 0) ||
           (len == 6 && strncmp(text, "FAILED", 6) == 0);
}

static void learn_em(struct handle *h, const char *verb, bool is_success, const char *text)
{
    bool has_state = is_verb(verb, "POLL") || is_verb(verb, "RECOVER") || is_verb(verb, "CALLBACK");
    bool is_gone =
        !is_success && (strncmp(text, "lost:", 5) == 0 || strncmp(text, "not-found:", 10) == 0);
    if (is_gone || (is_success && has_state && is_end(text))) {
        h->is_over = true;
        handle_open(h, false);
    } else if (is_success && !h->is_over && !is_verb(verb, "CREDENTIAL")) {
        handle_open(h, true);
    }
}

/* What the router itself has to know of an answer. Forgets the handle at its END. */
static void learn(struct router *r, struct handle *h, const char *verb, bool is_success,
                  const char *text)
{
    bool is_over = is_verb(verb, "END");
    if (!is_tm(r))
        learn_em(h, verb, is_success, text);
    else if (is_over || (is_verb(verb, "START") && !is_success))
        handle_open(h, false);
    if (is_over && !h->n_pending)
        handle_remove(h);
    else
        handle_settled(h);
}

static void pass_on(struct router *r, const char *line, size_t len)
{
    struct worker *w;
    kit_send(r->kit, line, len);
    kit_send(r->kit, "\n", 1);
    if (kit_is_full(r->kit))
        DL_FOREACH (r->workers, w)
            if (w->child)
                child_pause(w->child, true);
}

static void drained(struct kit *k, void *ctx)
{
    (void)k;
    struct router *r = ctx;
    struct worker *w;
    DL_FOREACH (r->workers, w)
        if (w->child)
            child_pause(w->child, false);
}

/* "VERB HANDLE [NUMBER] RESULT TEXT": the copy `key` is cut behind what a request is known by.
 * Returns where the result begins, or NULL. */
static char *cut_key(const struct router *r, char *key)
{
    char *p = key;
    for (int i = is_tm(r) ? 3 : 2; i > 0; i--) {
        p = strchr(p, ' ');
        if (!p)
            return NULL;
        p++;
    }
    p[-1] = '\0';
    return p;
}

/* "VERB HANDLE ..." of a key, taken apart. */
static char *cut_verb(char *key, const char **ret_handle, const char **ret_number)
{
    char *save, *verb = strtok_r(key, " ", &save);
    *ret_handle = strtok_r(NULL, " ", &save);
    *ret_number = strtok_r(NULL, " ", &save);
    return verb;
}

/* Whether this answers a START of the router's own. When it failed, the requests behind it do. */
static bool is_own(struct handle *h, const char *verb, bool is_success)
{
    if (!h->is_reopening || !is_verb(verb, "START"))
        return false;
    h->is_reopening = false;
    if (!is_success) {
        handle_open(h, false);
        h->is_broken = true;
    }
    handle_settled(h);
    return true;
}

void router_line(struct worker *w, const char *line, size_t len)
{
    struct router *r = w->router;
    char *key = xstrdup(line), *result = cut_key(r, key);
    const char *name = "", *number, *verb = "";
    struct handle *h = result ? handle_settle(w, key) : NULL;
    bool is_known = h != NULL;
    if (result)
        verb = cut_verb(key, &name, &number);
    /* Told of itself. */
    if (!h && verb && name && is_verb(verb, is_tm(r) ? "PROGRESS" : "CALLBACK")) {
        h = handle_find(r, name);
        is_known = h && h->worker == w;
    }
    if (is_known) {
        bool is_success = strncmp(result, "SUCCESS", 7) == 0;
        if (!is_own(h, verb, is_success)) {
            pass_on(r, line, len);
            result += strcspn(result, " ");
            learn(r, h, verb, is_success, *result ? result + 1 : result);
        }
    } else if (strncmp(line, "FINALIZE ", 9) != 0) {
        worker_babbled(w, line);
    }
    free(key);
}

/* A request that nobody will answer any more. Its copies have stopped: END is right. */
static void answer_for(struct worker *w, struct handle *h, const char *key, const char *how)
{
    struct router *r = w->router;
    const char *name, *number;
    char *copy = xstrdup(key), *verb = cut_verb(copy, &name, &number);
    bool is_done = is_verb(verb, "END");
    if (is_own(h, verb, false)) {
        free(copy);
        return;
    }
    if (is_done)
        kit_succeed(r->kit, verb, name, number, "-");
    else
        kit_fail(r->kit, verb, name, number, "internal:us", "the worker of %s %s", worker_label(w),
                 how);
    learn(r, h, verb, is_done, "");
    free(copy);
}

/* What it held is not known any more; for jobs gwd asks RECOVER then. */
static void lose(struct worker *w, struct handle *h, const char *how)
{
    struct router *r = w->router;
    handle_open(h, false);
    if (is_tm(r))
        h->is_broken = true;
    else
        kit_fail(r->kit, "CALLBACK", h->name, NULL, "internal:us", "the worker of %s %s",
                 worker_label(w), how);
    handle_settled(h);
}

void router_worker_gone(struct worker *w, const char *how)
{
    struct router *r = w->router;
    struct handle *h, *next;
    /* Requests first: after the failure of a COMMIT the CALLBACK has gwd ask what became of it. */
    while (w->pending) {
        char *key = xstrdup(w->pending->key);
        h = handle_settle(w, key);
        answer_for(w, h, key, how);
        free(key);
    }
    HASH_ITER (hh, r->handles, h, next)
        if (h->worker == w && h->is_open)
            lose(w, h, how);
}

/* --- the process --- */

static void stop(struct kit *k, void *ctx)
{
    (void)k;
    struct router *r = ctx;
    struct worker *w;
    r->is_ending = true;
    DL_FOREACH (r->workers, w)
        worker_finish(w);
}

static bool lingers(struct kit *k, void *ctx)
{
    (void)k;
    struct router *r = ctx;
    return r->n_running > 0;
}

static char **make_argv(int argc, char **argv)
{
    char **all = xcalloc((size_t)argc + 2, sizeof *all);
    all[0] = argv[0];
    all[1] = (char *)"--worker";
    for (int i = 1; i < argc; i++)
        all[i + 1] = argv[i];
    return all;
}

static struct workers with_defaults(const struct workers *w)
{
    struct workers all = *w;
    all.workers_max = w->workers_max ? w->workers_max : 64;
    all.idle_ms = w->idle_ms ? w->idle_ms : 600000;
    all.init_ms = w->init_ms ? w->init_ms : 10000;
    all.pause_ms = w->pause_ms ? w->pause_ms : 1000;
    return all;
}

static int route(const struct workers *w, int argc, char **argv)
{
    static const struct kit_verb em[] = {
        {"SUBMIT", 0, request},
        {"RECOVER", 0, request},
        {"POLL", 0, request},
        {"CANCEL", 0, request},
        {"COMMIT", KIT_COMMIT, request},
        {"CREDENTIAL", KIT_CREDENTIAL, request},
    };
    static const struct kit_verb tm[] = {
        {"START", 0, request},
        {"MKDIR", 0, request},
        {"RMDIR", 0, request},
        {"EXISTS", 0, request},
        {"CP", 0, request},
        {"END", 0, request},
        {"STAT", KIT_STAT, request},
        {"TAIL", KIT_TAIL, request},
        {"PUT", KIT_SMALL, request},
        {"GET", KIT_SMALL, request},
        {"CREDENTIAL", KIT_CREDENTIAL, request},
    };
    struct router r = {.w = with_defaults(w), .argv = make_argv(argc, argv)};
    const struct kit_driver driver = {.name = w->name,
                                      .kind = w->kind,
                                      .features = w->features,
                                      .verbs = w->kind == KIT_TM ? tm : em,
                                      .n_verbs = w->kind == KIT_TM ? GW_COUNT(tm) : GW_COUNT(em),
                                      .stop = stop,
                                      .lingers = lingers,
                                      .drained = drained,
                                      .ctx = &r};
    r.kit = kit_create(&driver);
    r.children.loop = kit_loop(r.kit);
    int code = kit_run(r.kit);
    r.is_ending = true;
    handles_clear(&r);
    workers_clear(&r);
    kit_destroy(r.kit);
    free(r.argv);
    return code;
}

static void on_orphaned(int signo)
{
    (void)signo;
    alarm(ORPHAN_S);
}

int workers_run(const struct workers *w, int argc, char **argv)
{
    if (argc < 2 || strcmp(argv[1], "--worker") != 0)
        return route(w, argc, argv);
    /* Without a router a worker reads the end of its stdin; one that hangs in a library does not.
     */
    signal(SIGUSR1, on_orphaned);
    return w->serve();
}
