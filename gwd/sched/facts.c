/* What is known of a host, so that an evaluation reaches an attribute by its number; and the
 * verdict on a class at a host. */
#include "gwd/sched/sched_private.h"
#include "lib/mem.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

/* Which queue of which host is looked at, and the numbers of the names in the expression. */
struct where {
    const struct host *host;
    size_t queue;
    const struct value *values;
    const uint32_t *numbers;
};

static struct value value_of(const struct attr *a)
{
    if (!a)
        return (struct value){.type = VALUE_UNKNOWN};
    if (a->is_number)
        return (struct value){.type = VALUE_NUMBER, .number = a->number, .string = a->text};
    return (struct value){.type = VALUE_STRING, .string = a->text};
}

static struct value lookup(const void *ctx, const char *name, size_t slot)
{
    const struct where *at = ctx;
    uint32_t number = at->numbers[slot];
    return number < NAMES_MAX ? at->values[number] : value_of(host_attr(at->host, at->queue, name));
}

static uint32_t number_of(struct sched *s, const char *text)
{
    struct name *n;
    HASH_FIND_STR(s->names, text, n);
    if (n || s->n_names == NAMES_MAX)
        return n ? n->number : NAMES_MAX;
    n = xcalloc(1, sizeof *n);
    n->text = xstrdup(text);
    n->number = s->n_names;
    s->by_number[s->n_names++] = n;
    HASH_ADD_KEYPTR(hh, s->names, n->text, strlen(n->text), n);
    return n->number;
}

uint32_t *facts_numbers(struct sched *s, const struct job_class *c, bool *ret_has_all)
{
    size_t n, n_rank;
    const char *const *names = expr_names(c->requirements, &n), *const *rank_names =
                                                                    expr_names(c->rank, &n_rank);
    uint32_t *numbers = xreallocarray(NULL, n + n_rank + 1, sizeof *numbers);
    *ret_has_all = true;
    for (size_t i = 0; i < n; i++) {
        numbers[i] = number_of(s, names[i]);
        *ret_has_all &= numbers[i] < NAMES_MAX;
    }
    for (size_t i = 0; i < n_rank; i++)
        numbers[n + i] = number_of(s, rank_names[i]);
    return numbers;
}

/* Values of names that came since. */
static void fill(struct sched *s, struct sched_host *h)
{
    size_t n_queues = h->host->n_queues;
    if (h->n_values == s->n_names && h->values)
        return;
    if (!h->values || s->n_names > h->cap_values) {
        h->cap_values = s->n_names < 8 ? 8 : s->n_names + s->n_names / 2;
        h->n_values = 0;
        free(h->values);
        h->values = xcalloc(n_queues * h->cap_values + 1, sizeof *h->values);
    }
    for (size_t q = 0; q < n_queues; q++)
        for (uint32_t i = h->n_values; i < s->n_names; i++)
            h->values[q * h->cap_values + i] =
                value_of(host_attr(h->host, q, s->by_number[i]->text));
    s->budget -= (int64_t)(n_queues * (s->n_names - h->n_values));
    h->n_values = s->n_names;
}

void facts_forget(struct sched *s, struct sched_host *h)
{
    for (size_t i = 0; i < RANKINGS_MAX; i++)
        if (s->rankings[i].refs && h->host->id < s->rankings[i].n_values)
            s->rankings[i].values[h->host->id] = NAN;
    h->has_facts = false;
    free(h->values);
    h->values = NULL;
    h->n_values = 0;
}

void facts_learn(struct sched *s, struct sched_host *h)
{
    if (h->has_facts)
        return;
    const struct host *host = h->host;
    s->n_to_owner -= (h->offers & OFFER_TO_OWNER) != 0;
    h->offers = s->env.host_offers(s->env.ctx, host);
    s->n_to_owner += (h->offers & OFFER_TO_OWNER) != 0;
    h->removed = !host->is_up || !(h->offers & OFFER_USABLE)       ? IS_DOWN
                 : state_site_is_drained(s->env.state, host->name) ? IS_DRAINED
                                                                   : FITS;
    h->has_lrms = *host_text(host, "LRMS_NAME") != '\0';
    h->has_vm = *host_text(host, "VM_HYPERVISOR") != '\0';
    h->cpus = host_number(host, "CPU_SMP");
    h->memory_mib = host_number(host, "SIZE_MEM_MB");
    h->n_queues = (uint32_t)host->n_queues;
    h->has_facts = true;
    s->budget -= 20;
}

void facts_clear(struct sched *s)
{
    struct name *n, *tmp;
    HASH_ITER (hh, s->names, n, tmp) {
        HASH_DEL(s->names, n);
        free(n->text);
        free(n);
    }
}

static struct where where(const struct lane *l, const struct sched_host *h, size_t queue)
{
    return (struct where){h->host, queue, h->values + queue * h->cap_values, l->numbers};
}

/* The first conjunct that is not true for a queue; n when all are. */
static size_t first_unmatched(const struct lane *l, const struct sched_host *h, size_t queue,
                              size_t n)
{
    struct where at = where(l, h, queue);
    if (l->has_numbers)
        return expr_first_unmatched(l->class->requirements, at.values, at.numbers);
    for (size_t i = 0; i < n; i++)
        if (expr_test(l->class->requirements, i, lookup, &at) != EXPR_TRUE)
            return i;
    return n;
}

/* What removes the host before its queues are looked at. */
static uint8_t removed_at_once(const struct lane *l, const struct sched_host *h)
{
    const struct job_class *c = l->class;
    if (h->removed)
        return h->removed;
    if (h->offers & OFFER_TO_OWNER && !l->has_credential)
        return NO_CREDENTIAL;
    if (c->is_bare && !(h->offers & OFFER_BARE))
        return NO_BARE;
    if (!h->has_lrms)
        return NO_LRMS;
    if (c->needs_vm && !h->has_vm)
        return NO_VM;
    if (c->needs_vm &&
        ((h->cpus && c->vm_cpus > h->cpus) || (h->memory_mib && c->vm_memory_mib > h->memory_mib)))
        return TOO_SMALL;
    return FITS;
}

/* Of the host itself, whoever's class it is. */
static uint8_t verdict_on(struct sched *s, const struct lane *l, struct sched_host *h)
{
    uint8_t at_once = removed_at_once(l, h);
    if (at_once != FITS)
        return at_once;
    fill(s, h);
    /* The conjunct that the best queue got to counts. */
    size_t n = expr_conjuncts(l->class->requirements, NULL), furthest = 0;
    bool is_found = false;
    for (size_t q = 0; q < h->n_queues; q++) {
        size_t i = first_unmatched(l, h, q, n);
        s->budget -= l->cost;
        furthest = i > furthest ? i : furthest;
        if (i == n && h->host->queues[q].nodes >= l->class->np)
            return FITS;
        is_found |= i == n;
    }
    if (is_found)
        return TOO_SMALL;
    return UNMATCHED + furthest < VERDICT_MAX ? (uint8_t)(UNMATCHED + furthest) : VERDICT_MAX;
}

uint8_t facts_verdict(struct sched *s, const struct lane *l, struct sched_host *h)
{
    facts_learn(s, h);
    s->budget--;
    uint8_t v = verdict_on(s, l, h);
    bool is_asked = v == FITS && h->offers & OFFER_NOT_TO_ALL;
    return is_asked && s->env.rests(s->env.ctx, h->host, l->class) ? RESTS : v;
}

static double rank_of(struct sched *s, const struct lane *l, struct sched_host *h, size_t queue)
{
    size_t n_names;
    fill(s, h);
    s->budget -= l->cost;
    struct where at = where(l, h, queue);
    expr_names(l->class->requirements, &n_names);
    at.numbers += n_names;
    return expr_rank(l->class->rank, lookup, &at);
}

/* Of a host with one queue. */
static double rank_remembered(struct sched *s, const struct lane *l, struct sched_host *h)
{
    struct ranking *r = l->ranking;
    uint32_t id = h->id;
    if (id >= r->n_values) {
        r->values = xreallocarray(r->values, s->cap_hosts, sizeof *r->values);
        while (r->n_values < s->cap_hosts)
            r->values[r->n_values++] = NAN;
    }
    if (isnan(r->values[id]))
        r->values[id] = rank_of(s, l, h, 0);
    return r->values[id];
}

bool facts_queue(struct sched *s, const struct lane *l, struct sched_host *h, size_t queue,
                 double *ret_rank)
{
    if (h->n_queues == 1) {
        *ret_rank = l->ranking ? rank_remembered(s, l, h) : rank_of(s, l, h, 0);
        return true;
    }
    size_t n = expr_conjuncts(l->class->requirements, NULL);
    fill(s, h);
    s->budget -= l->cost;
    if (h->host->queues[queue].nodes < l->class->np || first_unmatched(l, h, queue, n) < n)
        return false;
    *ret_rank = rank_of(s, l, h, queue);
    return true;
}

struct ranking *facts_ranking(struct sched *s, const struct job_class *c)
{
    struct ranking *unused = NULL;
    for (size_t i = 0; i < RANKINGS_MAX; i++) {
        struct ranking *r = &s->rankings[i];
        if (r->refs && strcmp(r->text, c->rank_text) == 0) {
            r->refs++;
            return r;
        }
        unused = r->refs ? unused : r;
    }
    if (unused)
        *unused = (struct ranking){.text = xstrdup(c->rank_text), .refs = 1};
    return unused;
}

void facts_release(struct ranking *r)
{
    if (!r || --r->refs)
        return;
    free(r->text);
    free(r->values);
}

uint32_t facts_free(const struct sched_host *h, size_t queue)
{
    uint64_t n = host_free(h->host, queue);
    return n < UINT32_MAX ? (uint32_t)n : UINT32_MAX;
}

uint32_t facts_most_free(const struct sched_host *h)
{
    uint32_t most = 0;
    for (size_t q = 0; q < h->host->n_queues; q++) {
        uint32_t n = facts_free(h, q);
        most = n > most ? n : most;
    }
    return most;
}

bool facts_has_room(const struct job_class *c, const struct sched_host *h)
{
    return !c->needs_vm || !h->memory_mib ||
           h->host->vm_memory_mib + c->vm_memory_mib <= h->memory_mib;
}
