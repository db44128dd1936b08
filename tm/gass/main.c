/* gw_tm_gass: gsiftp:, https: and file: URLs (docs/PROTOCOL section 3). The process that gwd starts
 * passes requests on to one of its own for each credential (drivers/workers.h); this is what such a
 * worker does. */
#include "drivers/workers.h"
#include "lib/log.h"
#include "lib/mem.h"
#include "tm/copy.h"
#include "tm/gass/session.h"
#include "tm/gass/slot.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum {
    STOP_MS = 2000,
    SWEEP_MS = 10000,
    SECOND_MS = 1000,
    ABANDONED_MAX = 64,
    FEATURES = KIT_PCT | KIT_HANDLES | KIT_BLAME | KIT_STAT | KIT_ATOMIC | KIT_TAIL | KIT_PROGRESS |
               KIT_CREDENTIAL | KIT_TAIL_INLINE | KIT_SMALL,
};

struct gass {
    struct transfers transfers; /* first */
    struct slots *slots;
    struct pool_task sweep;
};

static struct slots *slots_of(struct request *r)
{
    return ((struct gass *)r->transfers)->slots;
}

/* Parsed here, since slots are counted by host. */
static void parse(struct gass_request *g)
{
    struct gw_err err;
    if (!small_begin(g))
        return;
    bool is_cp = strcmp(g->r.verb, "CP") == 0;
    g->is_parsed = true;
    if (url_parse(g->r.from, &g->from, &err) < 0 ||
        (is_cp && url_parse(g->r.to, &g->to, &err) < 0)) {
        work_fail(&g->r, "bad-url:job", &err);
        g->is_parsed = false;
    }
}

static void begin(struct request *r)
{
    struct gass_request *g = (struct gass_request *)r;
    struct gw_err err;
    if (!g->from.text)
        parse(g);
    (void)session_renew(&err); /* those that need it will say so */
    slot_begin(slots_of(r), g);
}

static void release(struct request *r)
{
    struct gass_request *g = (struct gass_request *)r;
    small_release(g);
    url_clear(&g->from);
    url_clear(&g->to);
}

static void done(struct request *r)
{
    struct gass_request *g = (struct gass_request *)r;
    if (slot_done(slots_of(r), g))
        return;
    small_done(g);
    request_done(r);
}

static void cancel(struct request *r)
{
    struct gass_request *g = (struct gass_request *)r;
    if (slot_cancel(slots_of(r), g))
        request_done(r);
    else
        tail_cancel(r);
}

static void stop(struct kit *k, void *ctx)
{
    (void)k;
    struct gass *g = ctx;
    request_cancel_all(&g->transfers, NULL);
    if (!pool_drain(slot_pool(g->slots), STOP_MS))
        log_warn("transfers that are still being broken off are left alone");
}

/* Memory and threads of the library that will not come back: another process has them anew. */
static void end_if_worn(struct gass *g)
{
    if (ftp_abandoned() < ABANDONED_MAX || g->transfers.n_requests)
        return;
    log_error("%u calls were never given back by the Globus library: ending", ftp_abandoned());
    _exit(1);
}

static void on_second(void *ctx)
{
    struct gass *g = ctx;
    end_if_worn(g);
    loop_timer_add(kit_loop(g->transfers.kit), SECOND_MS, on_second, g);
}

static void sweep(struct pool_task *t)
{
    (void)t;
    session_drop(NULL);
}

static void swept(struct pool_task *t);

static void on_sweep(void *ctx)
{
    struct gass *g = ctx;
    pool_add(slot_pool(g->slots), &g->sweep);
}

static void swept(struct pool_task *t)
{
    struct gass *g = (struct gass *)((char *)t - offsetof(struct gass, sweep));
    loop_timer_add(kit_loop(g->transfers.kit), SWEEP_MS, on_sweep, g);
}

/* Its path is this process's; that it comes again means that the file is another. */
static void credential(struct kit *k, const struct fields *f, void *ctx)
{
    (void)ctx;
    struct gw_err err;
    if (session_renew(&err))
        kit_succeed(k, "CREDENTIAL", f->field[1], NULL, "-");
    else
        kit_fail(k, "CREDENTIAL", f->field[1], NULL, "credential:job", "%s", err.text);
}

static int serve(void)
{
    struct gw_err err;
    struct gass g = {.transfers = {.request_size = sizeof(struct gass_request),
                                   .begin = begin,
                                   .work = gass_work,
                                   .done = done,
                                   .cancel = cancel,
                                   .release = release,
                                   .inotify = -1},
                     .sweep = {.work = sweep, .done = swept}};
    struct kit_verb verbs[REQUEST_VERBS + 1] = {{"CREDENTIAL", KIT_CREDENTIAL, credential}};
    memcpy(verbs + 1, request_verbs, sizeof request_verbs);
    const struct kit_driver driver = {
        .name = "tm_gass",
        .kind = KIT_TM,
        .features = FEATURES,
        .verbs = verbs,
        .n_verbs = GW_COUNT(verbs),
        .stop = stop,
        .ctx = &g,
    };
    copy_init();
    struct kit *k = g.transfers.kit = kit_create(&driver);
    if (ftp_activate(&err) < 0) {
        log_error("%s", err.text);
        return 1;
    }
    g.slots = slot_create(kit_loop(k));
    tail_open(&g.transfers);
    on_sweep(&g);
    on_second(&g);
    int code = kit_run(k);
    small_end();
    /* Not by exit(): the library's threads may be anywhere. */
    _exit(code);
}

int main(int argc, char **argv)
{
    static const struct workers w = {
        .name = "tm_gass", .kind = KIT_TM, .features = FEATURES, .serve = serve};
    return workers_run(&w, argc, argv);
}
