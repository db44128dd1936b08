/* The life of the state: empty, indexed, cleared. The changes are in fold.c and checkpoint.c. */
#include "gwd/model/state.h"

#include "gwd/model/jobqueue.h"
#include "gwd/model/jobspec.h"
#include "gwd/model/state_private.h"
#include "lib/mem.h"

#include <stdlib.h>
#include <string.h>
#include <utlist.h>

void state_init(struct state *s)
{
    *s = (struct state){.next_job = 1, .next_array = 1, .next_spec = 1};
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

static void queue_take_out(struct state *s, struct job *j);

static void count(struct state *s, const struct job *j, enum phase phase, int64_t n)
{
    struct credential_use *use = j->spec->class->use;
    s->n_tasks[phase] += (uint64_t)n;
    j->spec->user->tasks += (uint64_t)n;
    if (phase_is_final(phase))
        return;
    j->spec->user->unfinished += (uint64_t)n;
    if (use)
        use->unfinished += (uint64_t)n;
}

void state_count(struct state *s, const struct job *j, uint64_t n, enum phase from, enum phase to)
{
    count(s, j, from, -(int64_t)n);
    count(s, j, to, (int64_t)n);
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
        queue_take_out(s, j);
    size_t it = 0;
    for (struct task *t; (t = job_next_task(j, &it));) {
        count(s, j, t->phase, -1);
        task_destroy(s, t);
    }
    count(s, j, j->is_rest_ended ? PHASE_FAILED : PHASE_PENDING,
          -(int64_t)(j->tasks - j->n_touched));
    job_drop_tasks(j);
    jobspec_release(s, j->spec);
    free(j->versions);
    free(j);
}

void state_clear(struct state *s)
{
    for (size_t i = 0; i < s->n_jobs; i++)
        if (s->jobs[i])
            job_destroy(s, s->jobs[i]);
    rows_clear(s);
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
    free(s->class_slots);
    free(s->free_slots);
    free(s->changed);
    free(s->wakes);
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

size_t state_seek_job(const struct state *s, uint64_t id)
{
    long i = slot_of(s, id);
    return i < 0 ? 0 : (size_t)i;
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

const struct user_record *state_user_record(const struct state *s, const char *name)
{
    struct user_record *user;
    HASH_FIND_STR(s->users, name, user);
    return user;
}

uint32_t state_user(const struct state *s, const char *name)
{
    const struct user_record *user = state_user_record(s, name);
    return user ? user->number : 0;
}

struct user_record *state_take_user(struct state *s, const char *name)
{
    struct user_record *user;
    HASH_FIND_STR(s->users, name, user);
    if (user)
        return user;
    user = xcalloc(1, sizeof *user);
    user->name = xstrdup(name);
    user->number = HASH_COUNT(s->users) + 1;
    HASH_ADD_KEYPTR(hh, s->users, user->name, strlen(user->name), user);
    return user;
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
    s->job_user[s->n_jobs] = j->spec->user->number;
    s->job_first[s->n_jobs++] = j->id;
    if (j->has_key)
        keys_add(s, j);
    if (j->array_id) {
        struct array_record *array = xcalloc(1, sizeof *array);
        *array = (struct array_record){.array_id = j->array_id, .job = j};
        HASH_ADD(hh, s->arrays, array_id, sizeof array->array_id, array);
    }
    count(s, j, PHASE_PENDING, j->tasks);
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
    rows_forget(s, j);
    job_destroy(s, j);
    if (s->n_dead > 64 && s->n_dead > s->n_jobs / 2)
        compact(s);
}

static void mark_changed(struct state *s, uint32_t slot)
{
    if (s->class_slots[slot].is_changed)
        return;
    s->class_slots[slot].is_changed = true;
    s->changed[s->n_changed++] = slot;
}

void state_mark_classes(struct state *s)
{
    for (uint32_t i = 0; i < s->n_slots; i++)
        mark_changed(s, i);
}

bool state_take_changed(struct state *s, uint32_t *ret_slot)
{
    if (!s->n_changed)
        return false;
    *ret_slot = s->changed[--s->n_changed];
    s->class_slots[*ret_slot].is_changed = false;
    return true;
}

void state_add_class(struct state *s, struct job_class *c)
{
    if (s->n_free_slots) {
        c->slot = s->free_slots[--s->n_free_slots];
    } else {
        if (s->n_slots == s->cap_slots) {
            s->cap_slots = s->cap_slots ? 2 * s->cap_slots : 16;
            s->class_slots = xreallocarray(s->class_slots, s->cap_slots, sizeof *s->class_slots);
            s->free_slots = xreallocarray(s->free_slots, s->cap_slots, sizeof *s->free_slots);
            s->changed = xreallocarray(s->changed, s->cap_slots, sizeof *s->changed);
        }
        c->slot = s->n_slots++;
        s->class_slots[c->slot].is_changed = false;
    }
    s->class_slots[c->slot].class = c;
    mark_changed(s, c->slot);
}

void state_remove_class(struct state *s, struct job_class *c)
{
    s->class_slots[c->slot].class = NULL;
    s->free_slots[s->n_free_slots++] = c->slot;
    mark_changed(s, c->slot);
}

static void queue_take_out(struct state *s, struct job *j)
{
    struct job_class *c = j->spec->class;
    jobqueue_remove(&c->queue, j);
    j->is_queued = false;
    if (c->first != j)
        return;
    c->first = jobqueue_first(c->queue);
    mark_changed(s, c->slot);
}

void state_requeue(struct state *s, struct job *j)
{
    struct job_class *c = j->spec->class;
    bool wants = job_ready(j) > 0;
    if (wants == j->is_queued)
        return;
    if (!wants) {
        queue_take_out(s, j);
        return;
    }
    jobqueue_add(&c->queue, j);
    j->is_queued = true;
    if (c->first && job_goes_before(c->first, j))
        return;
    c->first = j;
    mark_changed(s, c->slot);
}

static void wake_add(struct state *s, struct wake wake)
{
    if (s->n_wakes == s->cap_wakes) {
        s->cap_wakes = s->cap_wakes ? 2 * s->cap_wakes : 16;
        s->wakes = xreallocarray(s->wakes, s->cap_wakes, sizeof *s->wakes);
    }
    size_t i = s->n_wakes++;
    for (; i > 0 && s->wakes[(i - 1) / 2].at_us > wake.at_us; i = (i - 1) / 2)
        s->wakes[i] = s->wakes[(i - 1) / 2];
    s->wakes[i] = wake;
}

static struct wake wake_take(struct state *s)
{
    struct wake first = s->wakes[0], last = s->wakes[--s->n_wakes];
    size_t i = 0;
    for (size_t child; (child = 2 * i + 1) < s->n_wakes; i = child) {
        if (child + 1 < s->n_wakes && s->wakes[child + 1].at_us < s->wakes[child].at_us)
            child++;
        if (last.at_us <= s->wakes[child].at_us)
            break;
        s->wakes[i] = s->wakes[child];
    }
    s->wakes[i] = last;
    return first;
}

void state_delay(struct state *s, const struct job *j, struct task *t, int64_t not_before_us)
{
    t->not_before_us = not_before_us;
    t->is_waiting = not_before_us != 0;
    if (t->is_waiting)
        wake_add(s, (struct wake){not_before_us, j->id, t->index});
}

int64_t state_wake(struct state *s, int64_t now_us, int64_t longest_us)
{
    while (s->n_wakes && (s->wakes[0].at_us <= now_us || s->wakes[0].at_us - now_us > longest_us)) {
        struct wake w = wake_take(s);
        struct job *j = state_job(s, w.job);
        struct task *t = j ? job_task(j, w.task) : NULL;
        if (!t || !t->is_waiting || t->not_before_us != w.at_us)
            continue;
        t->is_waiting = false;
        state_set(s, j, t, t->phase, t->wish);
    }
    return s->n_wakes ? s->wakes[0].at_us : INT64_MAX;
}

static void list_when_ready(struct job *j, struct task *t)
{
    bool wants = t->phase == PHASE_PENDING && t->wish == WISH_RUN && !t->is_waiting;
    if (wants == t->is_ready)
        return;
    t->is_ready = wants;
    if (wants) {
        DL_APPEND(j->ready, t);
        j->n_ready++;
    } else {
        DL_DELETE(j->ready, t);
        j->n_ready--;
    }
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
    list_when_ready(j, t);
    while (j->fresh < j->tasks && job_task(j, j->fresh))
        j->fresh++;
    return t;
}

void state_set(struct state *s, struct job *j, struct task *t, enum phase phase, enum wish wish)
{
    j->n_final += (uint32_t)phase_is_final(phase) - (uint32_t)phase_is_final(t->phase);
    state_count(s, j, 1, t->phase, phase);
    t->phase = phase;
    t->wish = wish;
    list_when_ready(j, t);
    state_requeue(s, j);
}
