/* gw_tm_local: file: URLs of this machine (docs/PROTOCOL section 3). What may block runs in
 * threads; the loop takes requests and gives answers (tm/request.h). */
#include "tm/copy.h"
#include "tm/request.h"

#include <string.h>

enum { COPY_THREADS = 4, QUICK_THREADS = 2 };

struct local {
    struct transfers transfers;  /* first */
    struct pool *copies, *quick; /* a copy of an image must not hold up what takes no time */
};

static void begin(struct request *r)
{
    struct local *l = (struct local *)r->transfers;
    pool_add(strcmp(r->verb, "CP") == 0 ? l->copies : l->quick, &r->task);
}

static void stop(struct kit *k, void *ctx)
{
    (void)k;
    struct local *l = ctx;
    request_cancel_all(&l->transfers, NULL);
    /* What is not cancelled is short; nothing waits any more, so the pools come to their end. */
    pool_destroy(l->copies);
    pool_destroy(l->quick);
    l->copies = l->quick = NULL;
    tail_close(&l->transfers);
}

int main(void)
{
    struct local l = {.transfers = {.request_size = sizeof(struct request),
                                    .begin = begin,
                                    .work = work_of,
                                    .inotify = -1}};
    const struct kit_driver driver = {
        .name = "tm_local",
        .kind = KIT_TM,
        .features = KIT_PCT | KIT_HANDLES | KIT_BLAME | KIT_STAT | KIT_ATOMIC | KIT_TAIL,
        .verbs = request_verbs,
        .n_verbs = REQUEST_VERBS,
        .stop = stop,
        .ctx = &l,
    };
    copy_init();
    struct kit *k = l.transfers.kit = kit_create(&driver);
    l.copies = pool_create(kit_loop(k), COPY_THREADS);
    l.quick = pool_create(kit_loop(k), QUICK_THREADS);
    tail_open(&l.transfers);
    int code = kit_run(k);
    if (l.copies)
        stop(k, &l);
    kit_destroy(k);
    return code;
}
