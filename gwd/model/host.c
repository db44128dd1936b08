#include "gwd/model/host.h"

#include "lib/mem.h"

#include <ctype.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* One assignment of a sample, pointing into its text. */
struct assignment {
    char *key;
    long index;
    char *text;
    bool is_quoted;
};

static void attr_remove(struct host *h, struct attr *a)
{
    HASH_DEL(h->attrs, a);
    free(a->key);
    free(a->text);
    free(a);
}

static bool assign(struct host *h, struct assignment *v)
{
    struct attr *a;
    HASH_FIND_STR(h->attrs, v->key, a);
    if (!v->is_quoted && !*v->text) {
        if (a)
            attr_remove(h, a);
        return a != NULL;
    }
    char *end;
    double number = strtod(v->text, &end);
    bool is_number = !v->is_quoted && !*end && isfinite(number);
    if (a && a->is_number == is_number && strcmp(a->text, v->text) == 0)
        return false;
    if (!a) {
        a = xcalloc(1, sizeof *a);
        a->key = xstrdup(v->key);
        a->index = v->index;
        HASH_ADD_KEYPTR(hh, h->attrs, a->key, strlen(a->key), a);
    }
    free(a->text);
    a->text = xstrdup(v->text);
    a->number = number;
    a->is_number = is_number;
    return true;
}

static char hostname_key[] = "HOSTNAME";

struct host *host_create(uint64_t id, const char *name, const char *im, const char *tm,
                         const char *em)
{
    struct host *h = xcalloc(1, sizeof *h);
    h->id = id;
    h->name = xstrdup(name);
    h->im = xstrdup(im);
    h->tm = xstrdup(tm);
    h->em = xstrdup(em);
    /* The name that gwd knows a host by is its HOSTNAME, whatever a sample says. */
    assign(h, &(struct assignment){
                  .key = hostname_key, .index = -1, .text = h->name, .is_quoted = true});
    return h;
}

static void queues_clear(struct host *h)
{
    for (size_t i = 0; i < h->n_queues; i++)
        free(h->queues[i].name);
    free(h->queues);
    h->queues = NULL;
    h->n_queues = 0;
}

void host_destroy(struct host *h)
{
    if (!h)
        return;
    struct attr *a, *tmp;
    HASH_ITER (hh, h->attrs, a, tmp)
        attr_remove(h, a);
    queues_clear(h);
    reason_clear(&h->reason);
    free(h->name);
    free(h->im);
    free(h->tm);
    free(h->em);
    free(h);
}

static const char *read_name(const char *p, struct assignment *a)
{
    const char *start = p;
    if (!isalpha((unsigned char)*p) && *p != '_')
        return NULL;
    while (isalnum((unsigned char)*p) || *p == '_')
        p++;
    size_t name_len = (size_t)(p - start);
    a->index = -1;
    if (*p == '[') {
        char *end;
        if (!isdigit((unsigned char)p[1]))
            return NULL;
        a->index = strtol(p + 1, &end, 10);
        if (*end != ']' || a->index >= HOST_QUEUES_MAX)
            return NULL;
        p = end + 1;
    }
    if (*p != '=')
        return NULL;
    a->key = a->index < 0 ? xstrndup(start, name_len)
                          : xasprintf("%.*s[%ld]", (int)name_len, start, a->index);
    return p + 1;
}

static const char *read_value(const char *p, struct assignment *a)
{
    a->is_quoted = *p == '"';
    const char *start = a->is_quoted ? p + 1 : p;
    const char *end = a->is_quoted ? strchr(start, '"') : start + strcspn(start, " \t");
    if (!end)
        return NULL;
    a->text = xstrndup(start, (size_t)(end - start));
    p = a->is_quoted ? end + 1 : end;
    return *p == '\0' || *p == ' ' || *p == '\t' ? p : NULL;
}

static void assignments_free(struct assignment *list, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        free(list[i].key);
        free(list[i].text);
    }
    free(list);
}

static int parse(const char *text, struct assignment **ret, size_t *ret_n, struct gw_err *err)
{
    struct assignment *list = NULL;
    size_t n = 0;
    const char *p = text + strspn(text, " \t");
    while (*p) {
        if (n == HOST_ATTRS_MAX) {
            assignments_free(list, n);
            return gw_err_set(err, GW_EPROTO, "a sample has more than %d attributes",
                              HOST_ATTRS_MAX);
        }
        struct assignment a = {0};
        const char *rest = read_name(p, &a);
        rest = rest ? read_value(rest, &a) : NULL;
        if (!rest) {
            free(a.key);
            free(a.text);
            assignments_free(list, n);
            return gw_err_set(err, GW_EPROTO,
                              "\"%.60s\" is not NAME=integer, NAME=\"text\" or NAME[i]=...", p);
        }
        list = xreallocarray(list, n + 1, sizeof *list);
        list[n++] = a;
        p = rest + strspn(rest, " \t");
    }
    *ret = list;
    *ret_n = n;
    return 0;
}

static uint64_t attr_u64(const struct attr *a)
{
    return a && a->is_number && a->number >= 0 && a->number < 1e15 ? (uint64_t)a->number : 0;
}

static const struct attr *indexed(const struct host *h, const char *name, size_t queue)
{
    char key[128];
    struct attr *a;
    if (snprintf(key, sizeof key, "%s[%zu]", name, queue) >= (int)sizeof key)
        return NULL;
    HASH_FIND_STR(h->attrs, key, a);
    return a;
}

/* GridWay's rule: QUEUE_MAXJOBSINQUEUE when it is given and smaller than QUEUE_NODECOUNT, else
 * that. */
static uint64_t queue_nodes(const struct host *h, size_t i)
{
    const struct attr *nodes = indexed(h, "QUEUE_NODECOUNT", i);
    uint64_t n = nodes ? attr_u64(nodes) : host_number(h, "NODECOUNT");
    uint64_t most = attr_u64(indexed(h, "QUEUE_MAXJOBSINQUEUE", i));
    return most > 0 && most < n ? most : n;
}

/* Rebuild the queues from the attributes; what we use of each is kept by name. */
static void queues_update(struct host *h)
{
    struct host_queue *old = h->queues;
    size_t n_old = h->n_queues, n = 0;
    bool is_other;
    for (struct attr *a = h->attrs; a; a = a->hh.next)
        if (a->index >= 0 && (size_t)a->index >= n && strncmp(a->key, "QUEUE_NAME[", 11) == 0)
            n = (size_t)a->index + 1;
    h->n_queues = n ? n : 1;
    is_other = h->n_queues != n_old;
    h->queues = xcalloc(h->n_queues, sizeof *h->queues);
    for (size_t i = 0; i < h->n_queues; i++) {
        const struct attr *name = indexed(h, "QUEUE_NAME", i);
        h->queues[i].name = xstrdup(name ? name->text : "");
        h->queues[i].nodes = name || !n ? queue_nodes(h, i) : 0;
        if (i < n_old && strcmp(old[i].name, h->queues[i].name) == 0) {
            h->queues[i].used = old[i].used;
            old[i].used = 0;
            continue;
        }
        is_other = true;
        for (size_t k = 0; k < n_old; k++)
            if (strcmp(old[k].name, h->queues[i].name) == 0) {
                h->queues[i].used += old[k].used; /* several may have one name */
                old[k].used = 0;
            }
    }
    h->n_queue_lists += is_other;
    for (size_t k = 0; k < n_old; k++) {
        h->queues[0].used += old[k].used; /* of a queue that is gone */
        free(old[k].name);
    }
    free(old);
}

/* Attributes stay until they are cleared, so that many small samples could still fill the memory.
 */
static bool has_room(const struct host *h, const struct assignment *list, size_t n)
{
    size_t total = HASH_COUNT(h->attrs);
    for (size_t i = 0; i < n; i++) {
        struct attr *a;
        HASH_FIND_STR(h->attrs, list[i].key, a);
        total += a == NULL;
    }
    return total <= HOST_ATTRS_MAX;
}

int host_sample(struct host *h, const char *text, bool *ret_changed, struct gw_err *err)
{
    struct assignment *list = NULL;
    size_t n = 0;
    int r = parse(text, &list, &n, err);
    if (r < 0)
        return r;
    if (!has_room(h, list, n)) {
        assignments_free(list, n);
        return gw_err_set(err, GW_EPROTO, "with this sample the host has more than %d attributes",
                          HOST_ATTRS_MAX);
    }
    bool is_changed = !h->is_up || h->n_queues == 0;
    for (size_t i = 0; i < n; i++)
        if (strcmp(list[i].key, hostname_key) != 0)
            is_changed |= assign(h, &list[i]);
    assignments_free(list, n);
    h->is_up = true;
    reason_clear(&h->reason);
    if (is_changed)
        queues_update(h);
    *ret_changed = is_changed;
    return 0;
}

const struct attr *host_attr(const struct host *h, size_t queue, const char *name)
{
    struct attr *a;
    if (strncmp(name, "QUEUE_", 6) == 0) {
        const struct attr *of_queue = indexed(h, name, queue);
        if (of_queue)
            return of_queue;
    }
    HASH_FIND_STR(h->attrs, name, a);
    return a;
}

const char *host_text(const struct host *h, const char *name)
{
    struct attr *a;
    HASH_FIND_STR(h->attrs, name, a);
    return a ? a->text : "";
}

uint64_t host_number(const struct host *h, const char *name)
{
    struct attr *a;
    HASH_FIND_STR(h->attrs, name, a);
    return attr_u64(a);
}

uint64_t host_free(const struct host *h, size_t queue)
{
    const struct host_queue *q = &h->queues[queue];
    return q->used < q->nodes ? q->nodes - q->used : 0;
}

struct host_queue *host_queue(struct host *h, const char *name)
{
    for (size_t i = 0; i < h->n_queues; i++)
        if (strcmp(h->queues[i].name, name) == 0)
            return &h->queues[i];
    return NULL;
}
