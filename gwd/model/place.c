/* Places of attempts, interned: a grid has few, and its attempts are many. */
#include "gwd/model/state_private.h"
#include "lib/mem.h"

#include <stdlib.h>
#include <string.h>

enum { N_TEXTS = 8 };

/* Each text with its NUL behind a byte that says whether it is there. */
static void put(struct buf *key, const char *text)
{
    buf_putc(key, text ? '+' : '-');
    if (text)
        buf_put(key, text, strlen(text) + 1);
}

static const char *take(const char **at)
{
    bool is_there = *(*at)++ == '+';
    const char *text = is_there ? *at : NULL;
    if (is_there)
        *at += strlen(text) + 1;
    return text;
}

static struct attempt_place *create(const struct buf *key)
{
    struct attempt_place *p = xcalloc(1, sizeof *p + key->len);
    memcpy(p->key, key->data, key->len);
    const char *at = p->key;
    const char **texts[N_TEXTS] = {&p->host, &p->queue, &p->lrms,      &p->im,
                                   &p->tm,   &p->em,    &p->stage_url, &p->gwvm};
    for (size_t i = 0; i < N_TEXTS; i++)
        *texts[i] = take(&at);
    return p;
}

static bool place_is(const struct attempt_place *p, const struct event *ev)
{
    return texts_are_equal(p->host, ev->host) && texts_are_equal(p->queue, ev->queue) &&
           texts_are_equal(p->lrms, ev->lrms) && texts_are_equal(p->im, ev->im) &&
           texts_are_equal(p->tm, ev->tm) && texts_are_equal(p->em, ev->em) &&
           texts_are_equal(p->stage_url, ev->stage_url) && texts_are_equal(p->gwvm, ev->gwvm);
}

struct attempt_place *place_take(struct state *s, const struct event *ev)
{
    struct attempt_place *p = s->last_place;
    if (!p || !place_is(p, ev)) {
        const char *texts[N_TEXTS] = {ev->host, ev->queue, ev->lrms,      ev->im,
                                      ev->tm,   ev->em,    ev->stage_url, ev->gwvm};
        struct buf key = BUF_INIT;
        for (size_t i = 0; i < N_TEXTS; i++)
            put(&key, texts[i]);
        HASH_FIND(hh, s->places, key.data, key.len, p);
        if (!p) {
            p = create(&key);
            HASH_ADD(hh, s->places, key[0], key.len, p);
        }
        buf_clear(&key);
        s->last_place = p;
    }
    p->refs++;
    return p;
}

void place_release(struct state *s, struct attempt_place *p)
{
    if (--p->refs)
        return;
    if (s->last_place == p)
        s->last_place = NULL;
    HASH_DEL(s->places, p);
    free(p);
}
