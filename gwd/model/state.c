/* The life of the state: empty, indexed, cleared. The changes are in fold.c and checkpoint.c. */
#include "gwd/model/state.h"

#include "gwd/model/jobspec.h"
#include "gwd/model/state_private.h"
#include "lib/mem.h"

#include <stdlib.h>
#include <string.h>
#include <utlist.h>

void state_init(struct state *s)
{
    *s = (struct state){.next_job = 1, .next_array = 1};
}

static void attempt_clear(struct state *s, struct attempt *a)
{
    place_release(s, a->place);
    free(a->contact);
    reason_clear(&a->reason);
    for (size_t i = 0; i < a->n_vms; i++) {
        free(a->vms[i].uuid);
        free(a->vms[i].node);
    }
    free(a->vms);
}

static void task_destroy(struct state *s, struct task *t)
{
    for (size_t i = 0; i < t->n_attempts; i++)
        attempt_clear(s, &t->attempts[i]);
    free(t->attempts);
    reason_clear(&t->reason);
    free(t);
}

static void job_destroy(struct state *s, struct job *j)
{
    struct array_record *array;
    HASH_FIND(hh, s->arrays, &j->array_id, sizeof j->array_id, array);
    if (array) {
        HASH_DEL(s->arrays, array);
        free(array);
    }
    if (j->has_key)
        keys_remove(s, j);
    if (j->is_queued)
        DL_DELETE(j->spec->class->queue, j);
    size_t it = 0;
    for (struct task *t; (t = job_next_task(j, &it));) {
        s->n_tasks[t->phase]--;
        task_destroy(s, t);
    }
    job_drop_tasks(j);
    s->n_tasks[j->is_rest_ended ? PHASE_FAILED : PHASE_PENDING] -= j->tasks - j->n_touched;
    jobspec_release(s, j->spec);
    free(j);
}

void state_clear(struct state *s)
{
    for (size_t i = 0; i < s->n_jobs; i++)
        if (s->jobs[i])
            job_destroy(s, s->jobs[i]);
    free(s->jobs);
    free(s->job_first);
    free(s->job_user);
    free(s->keys.slots);
    free(s->specs.chains);
    struct user_record *user, *user_tmp;
    HASH_ITER (hh, s->users, user, user_tmp) {
        HASH_DEL(s->users, user);
        free(user->name);
        free(user);
    }
    struct site_record *site, *tmp;
    HASH_ITER (hh, s->sites, site, tmp) {
        HASH_DEL(s->sites, site);
        free(site->host);
        free(site);
    }
    free(s->instance);
    *s = (struct state){0};
}

/* The slot with the greatest first id <= id, or -1. */
static long slot_of(const struct state *s, uint64_t id)
{
    size_t low = 0, high = s->n_jobs;
    /* Most jobs are single, so that their ids lie as close as their slots: look there first. */
    if (high && id > s->job_first[0]) {
        uint64_t ahead = id - s->job_first[0];
        size_t guess = ahead < high ? (size_t)ahead : high - 1;
        uint64_t at = s->job_first[guess];
        if (at == id)
            return (long)guess;
        if (at > id) {
            high = guess;
        } else {
            low = guess;
        }
    }
    while (low < high) {
        size_t mid = low + (high - low) / 2;
        if (s->job_first[mid] <= id)
            low = mid + 1;
        else
            high = mid;
    }
    return (long)low - 1;
}

struct job *state_job_of(const struct state *s, uint64_t id)
{
    long i = slot_of(s, id);
    struct job *j = i < 0 ? NULL : s->jobs[i];
    return j && id - j->id < j->tasks ? j : NULL;
}

struct job *state_job(const struct state *s, uint64_t first_id)
{
    long i = slot_of(s, first_id);
    return i >= 0 && s->job_first[i] == first_id ? s->jobs[i] : NULL;
}

struct job *state_job_by_key(const struct state *s, const char *key)
{
    return keys_find(s, key);
}

struct job *state_array(const struct state *s, uint64_t array_id)
{
    struct array_record *array;
    HASH_FIND(hh, s->arrays, &array_id, sizeof array_id, array);
    return array ? array->job : NULL;
}

bool state_site_is_drained(const struct state *s, const char *host)
{
    struct site_record *site;
    HASH_FIND_STR(s->sites, host, site);
    return site && site->is_drained;
}

struct job *state_next_job(const struct state *s, size_t *it)
{
    while (*it < s->n_jobs) {
        struct job *j = s->jobs[(*it)++];
        if (j)
            return j;
    }
    return NULL;
}

uint32_t state_user(const struct state *s, const char *name)
{
    struct user_record *user;
    HASH_FIND_STR(s->users, name, user);
    return user ? user->number : 0;
}

uint32_t state_take_user(struct state *s, const char *name)
{
    uint32_t number = state_user(s, name);
    if (number)
        return number;
    struct user_record *user = xcalloc(1, sizeof *user);
    user->name = xstrdup(name);
    user->number = HASH_COUNT(s->users) + 1;
    HASH_ADD_KEYPTR(hh, s->users, user->name, strlen(user->name), user);
    return user->number;
}

struct job *state_next_job_of(const struct state *s, uint32_t user, size_t *it)
{
    size_t i = *it;
    while (i < s->n_jobs && s->job_user[i] != user)
        i++;
    *it = i + 1;
    return user && i < s->n_jobs ? s->jobs[i] : NULL;
}

static void jobs_grow(struct state *s)
{
    s->cap_jobs = s->cap_jobs ? s->cap_jobs + s->cap_jobs / 2 : 64;
    s->jobs = xreallocarray(s->jobs, s->cap_jobs, sizeof(struct job *));
    s->job_first = xreallocarray(s->job_first, s->cap_jobs, sizeof *s->job_first);
    s->job_user = xreallocarray(s->job_user, s->cap_jobs, sizeof *s->job_user);
}

void state_add_job(struct state *s, struct job *j)
{
    if (s->n_jobs == s->cap_jobs)
        jobs_grow(s);
    s->jobs[s->n_jobs] = j;
    s->job_user[s->n_jobs] = j->spec->user;
    s->job_first[s->n_jobs++] = j->id;
    if (j->has_key)
        keys_add(s, j);
    if (j->array_id) {
        struct array_record *array = xcalloc(1, sizeof *array);
        *array = (struct array_record){.array_id = j->array_id, .job = j};
        HASH_ADD(hh, s->arrays, array_id, sizeof array->array_id, array);
    }
    s->n_tasks[PHASE_PENDING] += j->tasks;
}

static void compact(struct state *s)
{
    size_t n = 0;
    for (size_t i = 0; i < s->n_jobs; i++)
        if (s->jobs[i]) {
            s->jobs[n] = s->jobs[i];
            s->job_user[n] = s->job_user[i];
            s->job_first[n++] = s->job_first[i];
        }
    s->n_jobs = n;
    s->n_dead = 0;
}

void state_remove_job(struct state *s, struct job *j)
{
    long slot = slot_of(s, j->id);
    s->jobs[slot] = NULL;
    s->job_user[slot] = 0;
    s->n_dead++;
    job_destroy(s, j);
    if (s->n_dead > 64 && s->n_dead > s->n_jobs / 2)
        compact(s);
}

static bool goes_before(const struct job *a, const struct job *b)
{
    return a->priority != b->priority ? a->priority > b->priority : a->id < b->id;
}

void state_requeue(struct job *j)
{
    struct job **queue = &j->spec->class->queue;
    bool wants = job_ready(j) > 0;
    if (wants == j->is_queued)
        return;
    j->is_queued = wants;
    if (!wants) {
        DL_DELETE(*queue, j);
        return;
    }
    /* New jobs have the greatest id, so the search from the end is short. */
    struct job *after = *queue ? (*queue)->prev : NULL;
    while (after && goes_before(j, after))
        after = after == *queue ? NULL : after->prev;
    if (after)
        DL_APPEND_ELEM(*queue, after, j);
    else
        DL_PREPEND(*queue, j);
}

struct task *state_touch(struct state *s, struct job *j, uint64_t index)
{
    struct task *t = job_task(j, index);
    if (t)
        return t;
    (void)s;
    t = xcalloc(1, sizeof *t);
    t->index = (uint32_t)index;
    t->wish = (enum wish)j->wish;
    t->phase = j->is_rest_ended ? PHASE_FAILED : PHASE_PENDING;
    t->ended_us = j->rest_ended_us;
    job_add_task(j, t);
    if (phase_is_final(t->phase))
        j->n_final++;
    if (t->phase == PHASE_PENDING && t->wish == WISH_RUN) {
        DL_APPEND(j->ready, t);
        j->n_ready++;
    }
    while (j->fresh < j->tasks && job_task(j, j->fresh))
        j->fresh++;
    return t;
}

void state_set(struct state *s, struct job *j, struct task *t, enum phase phase, enum wish wish)
{
    bool was_ready = t->phase == PHASE_PENDING && t->wish == WISH_RUN;
    bool is_ready = phase == PHASE_PENDING && wish == WISH_RUN;
    j->n_final += (uint32_t)phase_is_final(phase) - (uint32_t)phase_is_final(t->phase);
    s->n_tasks[t->phase]--;
    s->n_tasks[phase]++;
    t->phase = phase;
    t->wish = wish;
    if (was_ready && !is_ready) {
        DL_DELETE(j->ready, t);
        j->n_ready--;
    } else if (!was_ready && is_ready) {
        DL_APPEND(j->ready, t);
        j->n_ready++;
    }
    state_requeue(j);
}
