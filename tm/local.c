/* gw_tm_local: file: URLs of this machine (docs/PROTOCOL section 3). What may block runs in
 * threads; the loop takes requests and gives answers (tm/request.h). */
#include "tm/copy.h"
#include "tm/request.h"

#include <string.h>

enum {
    COPY_THREADS = 4,
    SMALL_THREADS = 2,
    BATCH_MAX = 64, /* requests that share a sync; each may have four descriptors open */
};

struct local {
    struct transfers transfers;  /* first */
    struct pool *copies, *small; /* a copy of an image must not hold up what takes no time */
};

static void begin(struct request *r)
{
    struct local *l = (struct local *)r->transfers;
    r->is_settled_later = true;
    pool_add(l->small, &r->task);
}

static void worked(struct request *r)
{
    struct local *l = (struct local *)r->transfers;
    if (!r->is_large) {
        request_done(r);
        return;
    }
    r->is_large = r->is_settled_later = false;
    pool_add(l->copies, &r->task);
}

static void stop(struct kit *k, void *ctx)
{
    (void)k;
    struct local *l = ctx;
    request_cancel_all(&l->transfers, NULL);
    /* What is not cancelled is short; nothing waits any more, so the pools come to their end: first
     * the one that gives to the other. */
    pool_destroy(l->small);
    pool_destroy(l->copies);
    l->copies = l->small = NULL;
    tail_close(&l->transfers);
}

int main(void)
{
    struct local l = {.transfers = {.request_size = sizeof(struct request),
                                    .begin = begin,
                                    .work = work_of,
                                    .done = worked,
                                    .inotify = -1}};
    const struct kit_driver driver = {
        .name = "tm_local",
        .kind = KIT_TM,
        .features = KIT_PCT | KIT_HANDLES | KIT_BLAME | KIT_STAT | KIT_ATOMIC | KIT_TAIL |
                    KIT_SMALL | KIT_TAIL_INLINE | KIT_PROGRESS,
        .verbs = request_verbs,
        .n_verbs = REQUEST_VERBS,
        .stop = stop,
        .ctx = &l,
    };
    copy_init();
    struct kit *k = l.transfers.kit = kit_create(&driver);
    l.copies = pool_create(kit_loop(k), COPY_THREADS);
    l.small = pool_create_batches(kit_loop(k), SMALL_THREADS, BATCH_MAX, work_settle);
    tail_open(&l.transfers);
    int code = kit_run(k);
    if (l.copies)
        stop(k, &l);
    kit_destroy(k);
    return code;
}
