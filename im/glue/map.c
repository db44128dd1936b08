#include "im/glue/map.h"

#include "lib/mem.h"
#include "spec/glob.h"

#include <stdlib.h>
#include <string.h>

bool glue_is_wanted(const struct glue_wish *w, const char *host, const char *queue)
{
    char *low = glue_small(host);
    bool is_wanted =
        (!w->host || glob_match(w->host, low)) && (!w->queue || glob_match(w->queue, queue));
    free(low);
    return is_wanted;
}

static void prune(const struct glue_wish *w, struct glue_host **hosts)
{
    struct glue_host *h, *tmp, *gone = NULL;
    HASH_ITER (hh, *hosts, h, tmp)
        if (w->needs_queue && h->n_queues == 0) {
            HASH_DEL(*hosts, h);
            HASH_ADD_KEYPTR(hh, gone, h->name, strlen(h->name), h);
        }
    glue_hosts_clear(&gone);
}

void glue_map(const struct entries *l, const struct glue_wish *w, struct glue_host **hosts)
{
    struct glue_host *other = NULL, *h, *tmp;
    glue2_map(l, w, hosts);
    glue1_map(l, w, &other);
    prune(w, hosts);
    prune(w, &other);
    HASH_ITER (hh, other, h, tmp) {
        struct glue_host *known;
        HASH_FIND_STR(*hosts, h->name, known);
        if (known && *known->lrms)
            continue;
        HASH_DEL(other, h);
        if (known) {
            HASH_DEL(*hosts, known);
            HASH_ADD_KEYPTR(hh, other, known->name, strlen(known->name), known);
        }
        HASH_ADD_KEYPTR(hh, *hosts, h->name, strlen(h->name), h);
    }
    glue_hosts_clear(&other);
}
