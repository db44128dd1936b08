#include "em/gram5/asks.h"

#include "em/gram5/contact.h"
#include "em/gram5/names.h"
#include "lib/log.h"
#include "lib/mem.h"

#include <globus_gram_protocol.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <uthash.h>
#include <utlist.h>

enum {
    TICK_MS = 1000,
    /* A gatekeeper makes a process and a key pair for each submission: more at a time only makes
     * each slower (50 jobs: 6 a second with 50 under way, 2 shared processors). */
    SUBMITS_MAX = 10,
    OTHERS_MAX = 20,
    SUBMIT_LIMIT_MS = 90000,
    /* Longer than a link that is cut for half a minute: TCP tries again after 1, 3, 7, 15, 31 s. */
    LIMIT_MS = 60000,
    QUEUE_LIMIT_MS = 60000,  /* of what waits for a silent host */
    NAME_LIMIT_MS = 30000,   /* how long a name that resolved is not looked up again */
    NO_NAME_LIMIT_MS = 5000, /* the same of one that did not */
};

enum lane { LANE_GATEKEEPER, LANE_OTHER, LANES };

struct host {
    char *name;
    struct asks *asks;
    struct ask *waiting[LANES];
    unsigned n_sent[LANES];
    bool is_silent;
    int64_t silent_since_ms;
    bool is_looking; /* its name is being resolved */
    int64_t looked_at_ms;
    char *name_error; /* of the last look */
    UT_hash_handle hh;
};

struct ask {
    uint64_t number;
    enum gram_op op;
    char *target, *rsl;
    struct host *host;
    bool is_sent;
    int64_t since_ms; /* sent, or waiting */
    ask_fn *fn;       /* NULL: nobody wants to know any more */
    void *ctx;
    UT_hash_handle hh;       /* of those that are sent */
    struct ask *prev, *next; /* of those that wait */
};

struct asks {
    struct loop *loop;
    struct mailbox *mailbox;
    struct gram *gram;
    struct host *hosts;
    struct ask *sent;
    uint64_t last_number;
};

static int64_t now_ms(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (int64_t)t.tv_sec * 1000 + t.tv_nsec / 1000000;
}

static enum lane lane_of(const struct ask *k)
{
    return k->op == GRAM_SUBMIT || k->op == GRAM_FIND ? LANE_GATEKEEPER : LANE_OTHER;
}

static void ask_destroy(struct ask *k)
{
    free(k->target);
    free(k->rsl);
    free(k);
}

/* The ask is in no list any more. */
static void finish(struct ask *k, const struct gram_reply *r)
{
    if (k->fn)
        k->fn(k->ctx, r);
    ask_destroy(k);
}

static void fail(struct ask *k, int code, const char *text)
{
    struct gram_reply r = {.number = k->number, .op = k->op, .code = code, .text = text};
    finish(k, &r);
}

static void unsend(struct ask *k)
{
    HASH_DEL(k->host->asks->sent, k);
    k->host->n_sent[lane_of(k)]--;
}

static void send_ask(struct ask *k)
{
    struct asks *a = k->host->asks;
    DL_DELETE(k->host->waiting[lane_of(k)], k);
    k->is_sent = true;
    k->since_ms = now_ms();
    k->host->n_sent[lane_of(k)]++;
    HASH_ADD(hh, a->sent, number, sizeof k->number, k);
    gram_call(a->gram, k->number, k->op, k->target, k->rsl);
}

static bool has_room(const struct host *h, enum lane lane)
{
    static const unsigned max[LANES] = {[LANE_GATEKEEPER] = SUBMITS_MAX, [LANE_OTHER] = OTHERS_MAX};
    if (h->is_silent)
        return h->n_sent[LANE_GATEKEEPER] + h->n_sent[LANE_OTHER] == 0;
    return h->n_sent[lane] < max[lane];
}

/* Not those that a function that is called sends anew. */
static void fail_waiting(struct host *h, int code, const char *text)
{
    for (enum lane lane = 0; lane < LANES; lane++) {
        struct ask *k;
        unsigned n;
        DL_COUNT(h->waiting[lane], k, n);
        for (; n && h->waiting[lane]; n--) {
            k = h->waiting[lane];
            DL_DELETE(h->waiting[lane], k);
            fail(k, code, text);
        }
    }
}

static void serve(struct host *h);

static void on_name(void *ctx, const char *error)
{
    struct host *h = ctx;
    h->is_looking = false;
    h->looked_at_ms = now_ms();
    free(h->name_error);
    h->name_error = xstrdup(error);
    serve(h);
}

/* The name may be given to the library, or it is being found out whether. */
static bool is_named(struct host *h)
{
    int64_t limit = h->name_error ? NO_NAME_LIMIT_MS : NAME_LIMIT_MS;
    if (!h->is_looking && (!h->looked_at_ms || now_ms() - h->looked_at_ms > limit)) {
        h->is_looking = true;
        names_look(h->asks->mailbox, h->name, on_name, h);
    }
    return !h->is_looking;
}

static void serve(struct host *h)
{
    if ((!h->waiting[LANE_GATEKEEPER] && !h->waiting[LANE_OTHER]) || !is_named(h))
        return;
    if (h->name_error) {
        char *text = xstrdup(h->name_error);
        fail_waiting(h, ASK_NO_NAME, text);
        free(text);
        return;
    }
    for (enum lane lane = LANES; lane-- > 0;)
        while (h->waiting[lane] && has_room(h, lane))
            send_ask(h->waiting[lane]);
}

static void set_silent(struct host *h)
{
    if (h->is_silent)
        return;
    log_warn("%s does not answer", h->name);
    h->is_silent = true;
    h->silent_since_ms = now_ms();
}

static void give_up(struct ask *k)
{
    struct host *h = k->host;
    char *text =
        xasprintf("%s did not answer for %d s", h->name, (int)((now_ms() - k->since_ms) / 1000));
    set_silent(h);
    fail(k, ASK_SILENT, text);
    free(text);
}

static void check_sent(struct asks *a)
{
    int64_t now = now_ms();
    struct ask *k, *next;
    HASH_ITER (hh, a->sent, k, next) {
        if (now - k->since_ms < (lane_of(k) == LANE_GATEKEEPER ? SUBMIT_LIMIT_MS : LIMIT_MS))
            continue;
        unsend(k);
        give_up(k);
    }
}

static void check_waiting(struct host *h)
{
    int64_t now = now_ms();
    for (enum lane lane = 0; h->is_silent && lane < LANES; lane++) {
        struct ask *k, *next;
        DL_FOREACH_SAFE(h->waiting[lane], k, next)
        {
            int64_t since = k->since_ms > h->silent_since_ms ? k->since_ms : h->silent_since_ms;
            if (now - since < QUEUE_LIMIT_MS)
                continue;
            DL_DELETE(h->waiting[lane], k);
            give_up(k);
        }
    }
}

static void tick(void *ctx)
{
    struct asks *a = ctx;
    check_sent(a);
    struct host *h, *next;
    HASH_ITER (hh, a->hosts, h, next) {
        check_waiting(h);
        serve(h);
    }
    loop_timer_add(a->loop, TICK_MS, tick, a);
}

struct asks *asks_create(struct loop *l, struct mailbox *m, struct gram *g)
{
    struct asks *a = xcalloc(1, sizeof *a);
    a->loop = l;
    a->mailbox = m;
    a->gram = g;
    loop_timer_add(l, TICK_MS, tick, a);
    return a;
}

/* Hosts stay: they are as many as the grid has. */
static struct host *host_of(struct asks *a, const char *target)
{
    char *name = contact_host(target);
    struct host *h;
    HASH_FIND_STR(a->hosts, name, h);
    if (h) {
        free(name);
        return h;
    }
    h = xcalloc(1, sizeof *h);
    h->name = name;
    h->asks = a;
    HASH_ADD_KEYPTR(hh, a->hosts, h->name, strlen(h->name), h);
    return h;
}

struct ask *asks_send(struct asks *a, enum gram_op op, const char *target, const char *rsl,
                      ask_fn *fn, void *ctx)
{
    struct ask *k = xcalloc(1, sizeof *k);
    *k = (struct ask){.number = ++a->last_number,
                      .op = op,
                      .target = xstrdup(target),
                      .rsl = xstrdup(rsl),
                      .host = host_of(a, target),
                      .since_ms = now_ms(),
                      .fn = fn,
                      .ctx = ctx};
    /* Many jobs may wait for what one FIND tells; it goes before the submissions. */
    if (op == GRAM_FIND)
        DL_PREPEND(k->host->waiting[lane_of(k)], k);
    else
        DL_APPEND(k->host->waiting[lane_of(k)], k);
    serve(k->host);
    return k;
}

void asks_forget(struct ask *k)
{
    if (!k)
        return;
    k->fn = NULL;
    if (k->is_sent)
        return;
    DL_DELETE(k->host->waiting[lane_of(k)], k);
    ask_destroy(k);
}

/* A job that nobody knows of is at the site, held. It must not stay: it would start when its job
 * manager dies and comes back. */
static void cancel_orphan(struct asks *a, const struct gram_reply *r)
{
    if (r->op != GRAM_SUBMIT || !r->contact ||
        (r->code && r->code != GLOBUS_GRAM_PROTOCOL_ERROR_WAITING_FOR_COMMIT))
        return;
    log_info("%s was made after its submission was given up; it is cancelled", r->contact);
    asks_send(a, GRAM_CANCEL, r->contact, NULL, NULL, NULL);
}

void asks_replied(struct asks *a, const struct gram_reply *r)
{
    struct ask *k;
    HASH_FIND(hh, a->sent, &r->number, sizeof r->number, k);
    if (!k) {
        cancel_orphan(a, r);
        return;
    }
    struct host *h = k->host;
    unsend(k);
    if (h->is_silent)
        log_info("%s answers again", h->name);
    h->is_silent = false;
    if (!k->fn)
        cancel_orphan(a, r);
    finish(k, r);
    serve(h);
}
