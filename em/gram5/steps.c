/* What is done for a job: the most urgent of its wants, one at a time, and a query now and then.
 * What comes of it is in outcome.c. */
#include "em/gram5/description.h"
#include "em/gram5/job.h"

#include <stdlib.h>
#include <string.h>

enum {
    QUERY_MS = 30000, /* a living job is asked about after this and up to twice this */
    SOON_MS = 1000,
    FINDER_MS = 10000, /* how long nothing is said while another job looks for both */
    CANCEL_AGAIN_MS = 15000,
    PAUSE_MAX_MS = 60000,
};

static void on_timer(void *ctx)
{
    struct job *j = ctx;
    j->timer = NULL;
    if (!j->wants && j->phase != JOB_OVER)
        j->wants = WANT_STATUS;
    job_go(j);
}

static void set_timer(struct job *j, int64_t ms)
{
    struct loop *l = kit_loop(j->driver->kit);
    loop_timer_cancel(l, j->timer);
    j->timer = loop_timer_add(l, (uint64_t)ms, on_timer, j);
}

/* 1, 2, 4 ... 60 s, each up to a half longer, so that not all come at once. */
void job_go_after_pause(struct job *j)
{
    int64_t ms = j->tries < 6 ? 1000LL << j->tries : PAUSE_MAX_MS;
    if (ms > PAUSE_MAX_MS)
        ms = PAUSE_MAX_MS;
    j->tries++;
    set_timer(j, ms + random() % (ms / 2));
}

static enum want most_urgent(const struct job *j)
{
    /* Before a job that was found again can end or be cancelled, its manager has to be told to go
     * on with it; else by the order of the enumeration. */
    return (enum want)(j->wants & -j->wants);
}

/* One of the manager's jobs has it started again; the others then know where it is. */
static bool may_find(struct job *j)
{
    struct manager *m = j->manager;
    if (m->finder && m->finder != j)
        return false;
    m->finder = j;
    return true;
}

static void find(struct job *j)
{
    if (!may_find(j)) {
        if (j->trouble.reason && gram5_now_ms() - j->troubled_ms > FINDER_MS)
            job_trouble(j, j->trouble.reason, j->trouble.text);
        set_timer(j, SOON_MS);
        return;
    }
    struct buf rsl = BUF_INIT;
    description_of_restart(j->contact, &rsl);
    j->doing = WANT_FIND;
    j->ask = asks_send(j->driver->asks, GRAM_FIND, j->gatekeeper, buf_str(&rsl), job_take_reply, j);
    buf_clear(&rsl);
}

static void ask(struct job *j, enum want want, enum gram_op op)
{
    j->doing = want;
    j->asked = j->manager;
    j->ask = asks_send(j->driver->asks, op, op == GRAM_SUBMIT ? j->gatekeeper : j->contact, j->rsl,
                       job_take_reply, j);
}

void job_go(struct job *j)
{
    if (j->ask || j->timer || !j->driver->is_open)
        return;
    switch (most_urgent(j)) {
    case WANT_SUBMIT:
        ask(j, WANT_SUBMIT, GRAM_SUBMIT);
        break;
    case WANT_FIND:
        find(j);
        break;
    case WANT_COMMIT:
        j->was_committed = true; /* whether or not it gets there */
        ask(j, WANT_COMMIT, GRAM_COMMIT);
        break;
    case WANT_END:
        ask(j, WANT_END, GRAM_END);
        break;
    case WANT_CANCEL:
        ask(j, WANT_CANCEL, GRAM_CANCEL);
        break;
    case WANT_LISTEN:
        ask(j, WANT_LISTEN, GRAM_LISTEN);
        break;
    case WANT_STATUS:
        ask(j, WANT_STATUS, GRAM_STATUS);
        break;
    case WANT_REFRESH:
        ask(j, WANT_REFRESH, GRAM_REFRESH);
        break;
    default: /* nothing to do */
        if (j->phase != JOB_OVER)
            set_timer(j, j->is_cancelled ? CANCEL_AGAIN_MS : QUERY_MS + random() % QUERY_MS);
    }
}

void job_want(struct job *j, unsigned wants)
{
    j->wants |= wants;
    loop_timer_cancel(kit_loop(j->driver->kit), j->timer);
    j->timer = NULL;
    job_go(j);
}
