/* Which worker a handle belongs to, and which answers it waits for. */
#include "drivers/workers_private.h"

#include "lib/mem.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <utlist.h>

enum { HANDLES_MAX = 1000000, RESTING_MAX = 16384 };

struct handle *handle_find(struct router *r, const char *name)
{
    struct handle *h;
    HASH_FIND_STR(r->handles, name, h);
    return h;
}

struct handle *handle_add(struct router *r, const char *name, struct worker *w)
{
    /* Here, where nobody walks through them. */
    if (r->n_resting > RESTING_MAX)
        handle_remove(r->resting);
    if (HASH_COUNT(r->handles) >= HANDLES_MAX)
        return NULL;
    struct handle *h = xcalloc(1, sizeof *h);
    snprintf(h->name, sizeof h->name, "%s", name);
    h->worker = w;
    w->n_handles++;
    HASH_ADD_STR(r->handles, name, h);
    return h;
}

void handle_remove(struct handle *h)
{
    struct worker *w = h->worker;
    struct router *r = w->router;
    if (h->is_resting) {
        DL_DELETE(r->resting, h);
        r->n_resting--;
    }
    w->n_open -= h->is_open;
    w->n_handles--;
    HASH_DEL(r->handles, h);
    free(h);
    worker_touch(w);
}

void handle_move(struct handle *h, struct worker *w)
{
    struct worker *from = h->worker;
    h->worker = w;
    w->n_handles++;
    from->n_handles--;
    worker_touch(from);
}

void handle_open(struct handle *h, bool is_open)
{
    h->worker->n_open += is_open;
    h->worker->n_open -= h->is_open;
    h->is_open = is_open;
}

static void rest(struct handle *h)
{
    struct router *r = h->worker->router;
    h->is_resting = true;
    DL_APPEND(r->resting, h);
    r->n_resting++;
}

void handle_settled(struct handle *h)
{
    struct router *r = h->worker->router;
    bool wants_rest = !h->is_open && !h->n_pending;
    worker_touch(h->worker);
    if (wants_rest && !h->is_resting) {
        rest(h);
    } else if (!wants_rest && h->is_resting) {
        h->is_resting = false;
        DL_DELETE(r->resting, h);
        r->n_resting--;
    }
}

void handle_expect(struct handle *h, const char *key)
{
    struct worker *w = h->worker;
    struct pending *p;
    HASH_FIND_STR(w->pending, key, p);
    if (!p) {
        p = xcalloc(1, sizeof *p);
        p->key = xstrdup(key);
        p->handle = h;
        HASH_ADD_KEYPTR(hh, w->pending, p->key, strlen(p->key), p);
    }
    p->n++;
    h->n_pending++;
    w->n_pending++;
    handle_settled(h);
}

struct handle *handle_settle(struct worker *w, const char *key)
{
    struct pending *p;
    HASH_FIND_STR(w->pending, key, p);
    if (!p)
        return NULL;
    struct handle *h = p->handle;
    h->n_pending--;
    w->n_pending--;
    if (--p->n == 0) {
        HASH_DEL(w->pending, p);
        free(p->key);
        free(p);
    }
    return h;
}

void handles_clear(struct router *r)
{
    struct handle *h, *next;
    HASH_ITER (hh, r->handles, h, next) {
        HASH_DEL(r->handles, h);
        free(h);
    }
    r->resting = NULL;
}
