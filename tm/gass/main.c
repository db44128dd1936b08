/* gw_tm_gass: gsiftp:, https: and file: URLs (docs/PROTOCOL section 3). The process that gwd starts
 * passes requests on to one of its own for each credential (drivers/workers.h); this is what such a
 * worker does. */
#include "lib/log.h"
#include "lib/mem.h"
#include "tm/copy.h"
#include "tm/gass/session.h"
#include "tm/gass/slot.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { STOP_MS = 2000, SWEEP_MS = 10000 };

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
    if (!g->from.text)
        parse(g);
    slot_begin(slots_of(r), g);
}

static void release(struct request *r)
{
    struct gass_request *g = (struct gass_request *)r;
    url_clear(&g->from);
    url_clear(&g->to);
}

static void done(struct request *r)
{
    struct gass_request *g = (struct gass_request *)r;
    if (!slot_done(slots_of(r), g))
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

static void credential(struct kit *k, const struct fields *f, void *ctx)
{
    (void)ctx;
    kit_succeed(k, "CREDENTIAL", f->field[1], NULL, "-");
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
        .features =
            KIT_PCT | KIT_HANDLES | KIT_BLAME | KIT_STAT | KIT_ATOMIC | KIT_TAIL | KIT_CREDENTIAL,
        .verbs = verbs,
        .n_verbs = GW_COUNT(verbs),
        .stop = stop,
        .ctx = &g,
    };
    copy_init();
    session_init();
    struct kit *k = g.transfers.kit = kit_create(&driver);
    if (ftp_activate(&err) < 0) {
        log_error("%s", err.text);
        return 1;
    }
    g.slots = slot_create(kit_loop(k));
    tail_open(&g.transfers);
    on_sweep(&g);
    int code = kit_run(k);
    /* Not by exit(): the library's threads may be anywhere. */
    _exit(code);
}

int main(void)
{
    return serve();
}
