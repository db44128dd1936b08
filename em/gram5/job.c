#include "em/gram5/job.h"

#include "em/gram5/code.h"
#include "em/gram5/contact.h"
#include "lib/log.h"
#include "lib/mem.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <utlist.h>
#include <time.h>

enum {
    ENDED_KEPT = 10000, /* handles that POLL still knows after their end */
    UNKNOWN_MS = 60000, /* trouble for so long is told to gwd unasked */
};

int64_t gram5_now_ms(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (int64_t)t.tv_sec * 1000 + t.tv_nsec / 1000000;
}

struct job *gram5_job_find(struct gram5 *d, const char *handle)
{
    struct job *j;
    HASH_FIND_STR(d->jobs, handle, j);
    return j;
}

struct job *job_of_contact(struct gram5 *d, const char *contact)
{
    char *key = contact_key(contact);
    struct job *j;
    HASH_FIND(hh_key, d->by_key, key, strlen(key), j);
    free(key);
    return j;
}

struct job *job_add(struct gram5 *d, const char *handle, const char *gatekeeper)
{
    struct job *j = xcalloc(1, sizeof *j);
    snprintf(j->handle, sizeof j->handle, "%s", handle);
    j->driver = d;
    j->gatekeeper = xstrdup(gatekeeper);
    j->credential = d->credential;
    HASH_ADD_STR(d->jobs, handle, j);
    return j;
}

static void leave_manager(struct job *j)
{
    if (j->manager && j->manager->finder == j)
        j->manager->finder = NULL;
    j->manager = NULL;
}

/* They stay: there are as many as job managers were started. */
static void join_manager(struct job *j)
{
    char *base = contact_base(j->contact);
    struct manager *m;
    HASH_FIND_STR(j->driver->managers, base, m);
    if (!m) {
        m = xcalloc(1, sizeof *m);
        m->base = xstrdup(base);
        HASH_ADD_KEYPTR(hh, j->driver->managers, m->base, strlen(m->base), m);
    }
    free(base);
    j->manager = m;
}

static void drop_contact(struct job *j)
{
    leave_manager(j);
    if (j->key)
        HASH_DELETE(hh_key, j->driver->by_key, j);
    free(j->key);
    free(j->contact);
    j->key = j->contact = NULL;
}

void job_set_contact(struct job *j, const char *contact)
{
    char *copy = xstrdup(contact); /* it may be our own */
    drop_contact(j);
    struct job *other = job_of_contact(j->driver, copy);
    if (other) /* gwd has forgotten that handle; one job has one record */
        job_remove(other);
    j->contact = copy;
    j->key = contact_key(copy);
    HASH_ADD_KEYPTR(hh_key, j->driver->by_key, j->key, strlen(j->key), j);
    join_manager(j);
}

void job_remove(struct job *j)
{
    asks_forget(j->ask);
    loop_timer_cancel(kit_loop(j->driver->kit), j->timer);
    drop_contact(j);
    if (j->phase == JOB_OVER) {
        DL_DELETE(j->driver->over, j);
        j->driver->n_over--;
    }
    HASH_DEL(j->driver->jobs, j);
    free(j->gatekeeper);
    free(j->rsl);
    free(j->why);
    free(j);
}

static const char *state_word(const struct job *j)
{
    switch (j->end) {
    case END_DONE:
        return "DONE";
    case END_FAILED:
        return "FAILED";
    case END_LOST:
    case END_NEVER:
        return "lost";
    case END_NONE:
        break;
    }
    /* An end that is not confirmed is none. */
    return code_is_end(j->state) ? "ACTIVE" : code_state_word(j->state);
}

static void say_state(struct job *j, const char *verb)
{
    struct kit *k = j->driver->kit;
    const char *why = j->why ? j->why : "the job is over and left no result";
    bool is_anew = strcmp(verb, "RECOVER") == 0 || strcmp(verb, "COMMIT") == 0;
    if (j->end == END_NEVER && is_anew)
        kit_fail(k, verb, j->handle, NULL, "not-found:us", "%s", why);
    else if (j->end == END_LOST || j->end == END_NEVER)
        kit_fail(k, verb, j->handle, NULL, "lost:site", "%s", why);
    else
        kit_succeed(k, verb, j->handle, NULL, "%s", state_word(j));
}

void job_answer_commit(struct job *j)
{
    if (j->phase == JOB_HELD || j->phase == JOB_LOOKING)
        return;
    j->owed &= ~(unsigned)OWE_COMMIT;
    if (j->end == END_LOST || j->end == END_NEVER)
        say_state(j, "COMMIT");
    else
        kit_succeed(j->driver->kit, "COMMIT", j->handle, NULL, "-");
}

void job_tell(struct job *j)
{
    const char *word = state_word(j);
    if (!word || j->phase == JOB_SUBMITTING || j->phase == JOB_LOOKING)
        return;
    if (j->owed & OWE_COMMIT)
        job_answer_commit(j);
    if (j->owed & OWE_POLL)
        say_state(j, "POLL");
    if (j->owed & OWE_RECOVER)
        say_state(j, "RECOVER");
    bool is_new = j->is_told_unknown || !j->told || strcmp(j->told, word) != 0;
    if (is_new && !(j->owed & (OWE_POLL | OWE_RECOVER)))
        say_state(j, "CALLBACK");
    j->owed &= OWE_COMMIT;
    j->told = word;
    j->is_told_unknown = false;
}

static void fail_owed(struct job *j, const char *reason, const char *text)
{
    static const struct {
        enum owed owed;
        const char *verb;
    } verbs[] = {{OWE_COMMIT, "COMMIT"}, {OWE_POLL, "POLL"}, {OWE_RECOVER, "RECOVER"}};
    for (size_t i = 0; i < GW_COUNT(verbs); i++)
        if (j->owed & verbs[i].owed)
            kit_fail(j->driver->kit, verbs[i].verb, j->handle, NULL, reason, "%s", text);
    if (j->owed & (OWE_POLL | OWE_RECOVER))
        j->is_told_unknown = true;
    j->owed &= OWE_SUBMIT;
}

void job_trouble(struct job *j, const char *reason, const char *text)
{
    int64_t now = gram5_now_ms();
    if (!j->troubled_ms)
        j->troubled_ms = now;
    if (j->phase == JOB_OVER)
        return;
    fail_owed(j, reason, text);
    if (now - j->troubled_ms < UNKNOWN_MS || j->is_told_unknown)
        return;
    j->is_told_unknown = true;
    kit_fail(j->driver->kit, "CALLBACK", j->handle, NULL, reason, "%s", text);
}

void job_is_well(struct job *j)
{
    j->tries = 0;
    j->troubled_ms = 0;
}

/* Not the one that has just ended, with which the caller goes on. */
static void forget_oldest(struct gram5 *d, const struct job *newest)
{
    struct job *j = d->over;
    while (j && (j->wants || j->ask || j == newest))
        j = j->next;
    if (j)
        job_remove(j);
}

void job_end(struct job *j, enum job_end end, const char *why)
{
    if (j->phase == JOB_OVER)
        return;
    struct gram5 *d = j->driver;
    j->end = end;
    j->phase = JOB_OVER;
    j->wants &= WANT_END | WANT_COMMIT;
    free(j->why);
    j->why = xstrdup(why);
    free(j->rsl);
    j->rsl = NULL;
    job_tell(j);
    DL_APPEND(d->over, j);
    if (++d->n_over > ENDED_KEPT)
        forget_oldest(d, j);
}
