#include "em/gram5/mailbox.h"

#include "lib/mem.h"

#include <poll.h>
#include <pthread.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/eventfd.h>
#include <unistd.h>

struct mailbox {
    pthread_mutex_t lock;
    struct letter *first, **last;
    int bell;
};

static void on_bell(void *ctx, int fd, short revents)
{
    (void)revents;
    struct mailbox *m = ctx;
    uint64_t rings;
    if (read(fd, &rings, sizeof rings) != sizeof rings)
        return;
    pthread_mutex_lock(&m->lock);
    struct letter *l = m->first;
    m->first = NULL;
    m->last = &m->first;
    pthread_mutex_unlock(&m->lock);
    while (l) {
        struct letter *next = l->next;
        l->read(l);
        l = next;
    }
}

struct mailbox *mailbox_create(struct loop *l)
{
    struct mailbox *m = xcalloc(1, sizeof *m);
    pthread_mutex_init(&m->lock, NULL);
    m->last = &m->first;
    m->bell = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    if (m->bell < 0) {
        perror("eventfd");
        abort();
    }
    loop_watch(l, m->bell, POLLIN, on_bell, m);
    return m;
}

void mailbox_post(struct mailbox *m, struct letter *l)
{
    static const uint64_t one = 1;
    l->next = NULL;
    pthread_mutex_lock(&m->lock);
    *m->last = l;
    m->last = &l->next;
    pthread_mutex_unlock(&m->lock);
    /* Full only after 2^64 unread rings. */
    if (write(m->bell, &one, sizeof one) < 0)
        return;
}
