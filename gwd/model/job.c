#include "gwd/model/job.h"

#include "gwd/model/state_private.h"
#include "lib/mem.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

static const char *const phase_names[PHASE_COUNT] = {"PENDING",  "PROLOG", "WRAPPER", "EPILOG",
                                                     "SLEEPING", "DONE",   "FAILED"};
static const char *const wish_names[WISH_COUNT] = {"run", "held", "asleep", "gone"};

bool phase_is_final(enum phase phase)
{
    return phase == PHASE_DONE || phase == PHASE_FAILED;
}

const char *phase_name(enum phase phase)
{
    return phase_names[phase];
}

const char *wish_name(enum wish wish)
{
    return wish_names[wish];
}

bool wish_of_name(const char *name, enum wish *ret)
{
    for (size_t i = 0; i < WISH_COUNT; i++)
        if (strcmp(name, wish_names[i]) == 0) {
            *ret = (enum wish)i;
            return true;
        }
    return false;
}

const char *job_key(const struct job *j)
{
    return j->has_key ? j->key : NULL;
}

/* --- the tasks with a struct --- */

/* The slot that holds `index`, or the free one where it would go. */
static uint32_t *slot_of(const struct task_table *x, uint64_t index)
{
    uint32_t mask = x->n_slots - 1;
    uint32_t i = (uint32_t)((index * UINT64_C(0x9e3779b97f4a7c15)) >> 32) & mask;
    while (x->slots[i] && x->items[x->slots[i] - 1]->index != index)
        i = (i + 1) & mask;
    return &x->slots[i];
}

struct task *job_task(const struct job *j, uint64_t index)
{
    if (!j->table)
        return j->first && j->first->index == index ? j->first : NULL;
    uint32_t at = *slot_of(j->table, index);
    return at ? j->table->items[at - 1] : NULL;
}

struct task *job_next_task(const struct job *j, size_t *it)
{
    uint64_t n = j->table ? j->table->n : j->first != NULL;
    if (*it >= n)
        return NULL;
    size_t i = (*it)++;
    return j->table ? j->table->items[i] : j->first;
}

static void table_grow(struct task_table *x)
{
    x->cap = x->cap ? x->cap + x->cap / 2 : 8;
    x->items = xreallocarray(x->items, x->cap, sizeof(struct task *));
    if (x->n_slots >= x->cap + x->cap / 2)
        return;
    x->n_slots = x->n_slots ? 2 * x->n_slots : 16;
    free(x->slots);
    x->slots = xcalloc(x->n_slots, sizeof *x->slots);
    for (uint32_t i = 0; i < x->n; i++)
        *slot_of(x, x->items[i]->index) = i + 1;
}

static void table_add(struct task_table *x, struct task *t)
{
    if (x->n == x->cap)
        table_grow(x);
    uint32_t *slot = slot_of(x, t->index);
    x->items[x->n++] = t;
    *slot = x->n;
}

void job_add_task(struct job *j, struct task *t)
{
    if (!j->first) {
        j->first = t;
    } else {
        if (!j->table) {
            j->table = xcalloc(1, sizeof *j->table);
            table_add(j->table, j->first);
        }
        table_add(j->table, t);
    }
    j->n_touched++;
}

void job_drop_tasks(struct job *j)
{
    if (j->table) {
        free(j->table->items);
        free(j->table->slots);
        free(j->table);
    }
    j->table = NULL;
    j->first = NULL;
}

/* --- what follows from them --- */

enum phase job_task_phase(const struct job *j, uint64_t index)
{
    struct task *t = job_task(j, index);
    if (t)
        return t->phase;
    return j->is_rest_ended ? PHASE_FAILED : PHASE_PENDING;
}

enum wish job_task_wish(const struct job *j, uint64_t index)
{
    struct task *t = job_task(j, index);
    return t ? t->wish : (enum wish)j->wish;
}

uint64_t job_ready(const struct job *j)
{
    uint64_t rest = j->wish == WISH_RUN && !j->is_rest_ended ? j->tasks - j->n_touched : 0;
    return rest + j->n_ready;
}

bool job_is_final(const struct job *j)
{
    return j->n_final == j->n_touched && (j->is_rest_ended || j->n_touched == j->tasks);
}

int64_t job_ended_us(const struct job *j)
{
    if (!job_is_final(j))
        return 0;
    int64_t last = j->rest_ended_us;
    size_t it = 0;
    for (struct task *t; (t = job_next_task(j, &it));)
        last = t->ended_us > last ? t->ended_us : last;
    return last;
}

bool job_next_ready(const struct job *j, uint64_t *ret_index)
{
    if (j->ready) {
        *ret_index = j->ready->index;
        return true;
    }
    if (j->wish != WISH_RUN || j->is_rest_ended)
        return false;
    uint64_t index = j->fresh;
    while (index < j->tasks && job_task(j, index))
        index++;
    if (index >= j->tasks)
        return false;
    *ret_index = index;
    return true;
}

struct attempt *task_attempt(const struct task *t)
{
    bool is_under_way =
        t->phase == PHASE_PROLOG || t->phase == PHASE_WRAPPER || t->phase == PHASE_EPILOG;
    return is_under_way ? &t->attempts[t->n_attempts - 1] : NULL;
}

struct attempt *task_attempt_number(const struct task *t, uint64_t number)
{
    return number >= 1 && number <= t->n_attempts ? &t->attempts[number - 1] : NULL;
}

char *attempt_token(const char *instance, const struct job *j, const struct task *t,
                    const struct attempt *a)
{
    return xasprintf("%s.%" PRIu64 ".%" PRIu64 ".%" PRIu32 ".%" PRIu64, instance, a->epoch, j->id,
                     t->index, a->number);
}
