/* Keeping the ledger; sim/check.c reads it. */
#include "sim/ledger.h"

#include "lib/mem.h"

#include <stdio.h>
#include <stdlib.h>

static void *more(void *items, size_t n, size_t *cap, size_t size)
{
    if (n < *cap)
        return items;
    *cap = *cap ? 2 * *cap : 32;
    return xreallocarray(items, *cap, size);
}

size_t ledger_add_run(struct ledger *l, const struct ledger_run *run)
{
    l->runs = more(l->runs, l->n_runs, &l->cap_runs, sizeof *l->runs);
    l->runs[l->n_runs] = *run;
    return l->n_runs++;
}

void ledger_tell(struct ledger *l, const struct ledger_told *told)
{
    l->told = more(l->told, l->n_told, &l->cap_told, sizeof *l->told);
    l->told[l->n_told++] = *told;
}

void ledger_add_fault(struct ledger *l, const struct ledger_fault *fault)
{
    l->faults = more(l->faults, l->n_faults, &l->cap_faults, sizeof *l->faults);
    l->faults[l->n_faults++] = *fault;
}

struct ledger_task *ledger_add_task(struct ledger *l)
{
    l->tasks = more(l->tasks, l->n_tasks, &l->cap_tasks, sizeof *l->tasks);
    l->tasks[l->n_tasks] = (struct ledger_task){0};
    return &l->tasks[l->n_tasks++];
}

struct ledger_left *ledger_add_left(struct ledger *l, const char *what)
{
    l->left = more(l->left, l->n_left, &l->cap_left, sizeof *l->left);
    l->left[l->n_left] = (struct ledger_left){.what = xstrdup(what)};
    return &l->left[l->n_left++];
}

void ledger_violation(struct ledger *l, const char *fmt, ...)
{
    va_list ap;
    l->n_violations++;
    if (l->n_violations > 20)
        return;
    va_start(ap, fmt);
    buf_vprintf(&l->violations, fmt, ap);
    va_end(ap);
    buf_putc(&l->violations, '\n');
}

void ledger_clear(struct ledger *l)
{
    for (size_t i = 0; i < l->n_left; i++)
        free(l->left[i].what);
    free(l->left);
    free(l->runs);
    free(l->told);
    free(l->tasks);
    free(l->faults);
    buf_clear(&l->violations);
    *l = (struct ledger){0};
}
