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
#include <unistd.h>
#include <utlist.h>

struct pool {
    struct loop *loop;
    pthread_t *threads;
    unsigned n_threads;
    pthread_mutex_t mutex; /* of all below */
    pthread_cond_t has_work;
    struct pool_task *waiting, *finished;
    bool is_over;
    int wake; /* eventfd: something is finished */
};

static void *thread(void *ctx)
{
    struct pool *p = ctx;
    pthread_mutex_lock(&p->mutex);
    for (;;) {
        while (!p->waiting && !p->is_over)
            pthread_cond_wait(&p->has_work, &p->mutex);
        struct pool_task *t = p->waiting;
        if (!t)
            break;
        DL_DELETE(p->waiting, t);
        pthread_mutex_unlock(&p->mutex);
        t->work(t);
        pthread_mutex_lock(&p->mutex);
        DL_APPEND(p->finished, t);
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

struct pool *pool_create(struct loop *l, unsigned n_threads)
{
    struct pool *p = xcalloc(1, sizeof *p);
    p->loop = l;
    p->threads = xcalloc(n_threads, sizeof *p->threads);
    p->wake = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    pthread_mutex_init(&p->mutex, NULL);
    pthread_cond_init(&p->has_work, NULL);
    while (p->n_threads < n_threads &&
           pthread_create(&p->threads[p->n_threads], NULL, thread, p) == 0)
        p->n_threads++;
    if (p->wake < 0 || p->n_threads == 0) {
        log_error("no threads: %s", strerror(errno));
        exit(1);
    }
    loop_watch(l, p->wake, POLLIN, on_wake, p);
    return p;
}

void pool_add(struct pool *p, struct pool_task *t)
{
    pthread_mutex_lock(&p->mutex);
    DL_APPEND(p->waiting, t);
    pthread_cond_signal(&p->has_work);
    pthread_mutex_unlock(&p->mutex);
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
    pthread_mutex_destroy(&p->mutex);
    free(p->threads);
    free(p);
}
