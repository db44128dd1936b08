#include "tm/pool.h"

#include "lib/log.h"
#include "lib/mem.h"

#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <time.h>
#include <unistd.h>
#include <utlist.h>

struct pool {
    struct loop *loop;
    pthread_t *threads;
    unsigned n_threads, threads_max, batch_max;
    pool_settle *settle;   /* may be NULL */
    pthread_mutex_t mutex; /* of all below */
    pthread_cond_t has_work, is_changed;
    unsigned n_idle, n_open; /* threads; tasks that are not done */
    struct pool_task *waiting, *finished;
    bool is_over;
    int wake; /* eventfd: something is finished */
};

static struct pool_task *take(struct pool *p)
{
    struct pool_task *batch = NULL;
    for (unsigned n = 0; p->waiting && n < p->batch_max; n++) {
        struct pool_task *t = p->waiting;
        DL_DELETE(p->waiting, t);
        DL_APPEND(batch, t);
    }
    return batch;
}

static void *thread(void *ctx)
{
    struct pool *p = ctx;
    pthread_mutex_lock(&p->mutex);
    for (;;) {
        p->n_idle++;
        while (!p->waiting && !p->is_over)
            pthread_cond_wait(&p->has_work, &p->mutex);
        p->n_idle--;
        if (!p->waiting)
            break;
        struct pool_task *batch = take(p);
        pthread_mutex_unlock(&p->mutex);
        struct pool_task *t;
        DL_FOREACH (batch, t)
            t->work(t);
        if (p->settle)
            p->settle(batch);
        pthread_mutex_lock(&p->mutex);
        DL_CONCAT(p->finished, batch);
        pthread_cond_signal(&p->is_changed);
        uint64_t one = 1;
        (void)!write(p->wake, &one, sizeof one);
    }
    pthread_mutex_unlock(&p->mutex);
    return NULL;
}

static void call_done(struct pool *p)
{
    pthread_mutex_lock(&p->mutex);
    struct pool_task *all = p->finished, *t, *next;
    p->finished = NULL;
    pthread_mutex_unlock(&p->mutex);
    DL_FOREACH_SAFE(all, t, next)
    {
        DL_DELETE(all, t);
        p->n_open--;
        t->done(t);
    }
}

static void on_wake(void *ctx, int fd, short revents)
{
    (void)revents;
    uint64_t n;
    (void)!read(fd, &n, sizeof n);
    call_done(ctx);
}

static bool start_thread(struct pool *p)
{
    if (p->n_threads == p->threads_max ||
        pthread_create(&p->threads[p->n_threads], NULL, thread, p) != 0)
        return false;
    p->n_threads++;
    return true;
}

struct pool *pool_create(struct loop *l, unsigned threads_max)
{
    return pool_create_batches(l, threads_max, 1, NULL);
}

struct pool *pool_create_batches(struct loop *l, unsigned threads_max, unsigned batch_max,
                                 pool_settle *settle)
{
    struct pool *p = xcalloc(1, sizeof *p);
    pthread_condattr_t attr;
    p->loop = l;
    p->threads_max = threads_max;
    p->batch_max = batch_max;
    p->settle = settle;
    p->threads = xcalloc(threads_max, sizeof *p->threads);
    p->wake = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    pthread_mutex_init(&p->mutex, NULL);
    pthread_cond_init(&p->has_work, NULL);
    pthread_condattr_init(&attr);
    pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
    pthread_cond_init(&p->is_changed, &attr);
    pthread_condattr_destroy(&attr);
    if (p->wake < 0 || !start_thread(p)) {
        log_error("no threads: %s", strerror(errno));
        exit(1);
    }
    loop_watch(l, p->wake, POLLIN, on_wake, p);
    return p;
}

void pool_add(struct pool *p, struct pool_task *t)
{
    pthread_mutex_lock(&p->mutex);
    unsigned n_waiting = 1;
    struct pool_task *w;
    DL_FOREACH (p->waiting, w)
        if (++n_waiting > p->n_idle)
            break;
    DL_APPEND(p->waiting, t);
    p->n_open++;
    /* When none can be had, those that are there will come to it. */
    if (n_waiting > p->n_idle)
        (void)start_thread(p);
    pthread_cond_signal(&p->has_work);
    pthread_mutex_unlock(&p->mutex);
}

bool pool_drain(struct pool *p, unsigned timeout_ms)
{
    struct timespec until;
    clock_gettime(CLOCK_MONOTONIC, &until);
    until.tv_nsec += (timeout_ms % 1000) * 1000000L;
    until.tv_sec += timeout_ms / 1000 + until.tv_nsec / 1000000000L;
    until.tv_nsec %= 1000000000L;
    int e = 0;
    do {
        call_done(p);
        pthread_mutex_lock(&p->mutex);
        if (p->n_open && !p->finished)
            e = pthread_cond_timedwait(&p->is_changed, &p->mutex, &until);
        pthread_mutex_unlock(&p->mutex);
    } while (p->n_open && e == 0);
    return p->n_open == 0;
}

void pool_destroy(struct pool *p)
{
    if (!p)
        return;
    pthread_mutex_lock(&p->mutex);
    p->is_over = true;
    pthread_cond_broadcast(&p->has_work);
    pthread_mutex_unlock(&p->mutex);
    for (unsigned i = 0; i < p->n_threads; i++)
        pthread_join(p->threads[i], NULL);
    call_done(p);
    loop_unwatch(p->loop, p->wake);
    close(p->wake);
    pthread_cond_destroy(&p->has_work);
    pthread_cond_destroy(&p->is_changed);
    pthread_mutex_destroy(&p->mutex);
    free(p->threads);
    free(p);
}
