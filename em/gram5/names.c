#include "em/gram5/names.h"

#include "lib/mem.h"

#include <netdb.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>

struct look {
    struct letter letter;
    struct mailbox *mailbox;
    char *host;
    char *error;
    names_fn *fn;
    void *ctx;
};

static void found(struct letter *l)
{
    struct look *k = (struct look *)l;
    k->fn(k->ctx, k->error);
    free(k->host);
    free(k->error);
    free(k);
}

static void *look(void *ctx)
{
    struct look *k = ctx;
    struct addrinfo hints = {.ai_socktype = SOCK_STREAM}, *list = NULL;
    int r = getaddrinfo(k->host, NULL, &hints, &list);
    if (r)
        k->error =
            xasprintf("the name of the host %s cannot be resolved: %s", k->host, gai_strerror(r));
    else
        freeaddrinfo(list);
    mailbox_post(k->mailbox, &k->letter);
    return NULL;
}

void names_look(struct mailbox *m, const char *host, names_fn *fn, void *ctx)
{
    struct look *k = xcalloc(1, sizeof *k);
    k->letter.read = found;
    k->mailbox = m;
    k->host = xstrdup(host);
    k->fn = fn;
    k->ctx = ctx;
    pthread_t thread;
    pthread_attr_t attr;
    pthread_attr_init(&attr);
    pthread_attr_setdetachstate(&attr, PTHREAD_CREATE_DETACHED);
    if (pthread_create(&thread, &attr, look, k) != 0) {
        k->error = xasprintf("no thread to resolve the name of the host %s", host);
        mailbox_post(m, &k->letter);
    }
    pthread_attr_destroy(&attr);
}
