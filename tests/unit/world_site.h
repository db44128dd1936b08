/* Drivers, two hosts and what runs there, as docs/PROTOCOL says, for world.h. The claim of
 * docs/jobdir.md holds: a payload starts once per token. */
#ifndef TESTS_UNIT_WORLD_SITE_H
#define TESTS_UNIT_WORLD_SITE_H

#include "gwd/engine/engine.h"
#include "spec/rsl.h"
#include "tests/unit/core.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

#define FEATURES_ALL                                                                               \
    (~0u & ~(unsigned)FEATURE_COMMIT & ~(unsigned)FEATURE_CREDENTIAL & ~(unsigned)FEATURE_INLINE & \
     ~(unsigned)FEATURE_SMALL)

/* What a driver answers in place of doing it. An empty text: nothing at all is answered; "lost": it
 * is done. */
struct fault {
    const char *verb, *has; /* some argument has this in it; NULL: any */
    const char *text;
    int skip, times; /* let `skip` pass, then fail `times` */
};

/* A file at a site or in the spool, or a directory (name ends in '/'). */
struct world_file {
    char *url, *text;
    unsigned n_written;
    bool is_there;
    UT_hash_handle hh;
};

/* What the site knows of an attempt. */
struct run {
    char *token, *dir; /* dir NULL: it runs without a wrapper */
    char state[16];    /* when it has ended */
    struct task_ref ref;
    unsigned n_submitted, n_started;
    bool is_held, is_running, is_ended, is_cancelled;
    struct run *next;
};

struct answer {
    enum driver_kind kind;
    const char *verb;
    struct task_ref ref;
    uint64_t number;
    bool is_success, is_status, is_epoch, is_again;
    char *text;
    struct answer *prev, *next;
};

struct world {
    struct engine *engine;
    struct engine_config config;
    struct engine_im im;
    int64_t now_us, wall_ahead_us; /* the wall clock is so far ahead of it */
    unsigned features[DRIVER_KINDS];
    bool is_up[DRIVER_KINDS];
    const char *hosts;      /* answer to DISCOVER */
    const char *samples[4]; /* of host 0, 1, ... */
    struct fault faults[4];
    struct task_ref unheard; /* the last copy that was not answered as it should be */
    uint64_t unheard_number;
    int exit_code;          /* of payloads */
    const char *failed;     /* "reason:blame text" in place of an exit: STATE=failed */
    bool is_endless;        /* payloads run until they are cancelled */
    bool is_late_doubling;  /* every answer comes again, after all others */
    bool is_doubling;       /* every answer comes twice */
    bool is_callback_first; /* CALLBACKs come before the answer to SUBMIT */
    bool may_run_twice;     /* two attempts of a task at a time are no fault */
    struct answer *answers;
    struct world_file *files;
    struct run *runs;
    struct buf journal;
    struct output out;
    struct buf warnings; /* lines for the log */
    struct buf trace;    /* "START MKDIR CP ..." : what was sent */
    uint64_t n_effects, n_events, crash_at, crash_at_event, stop_driver_at;
    const char *deadly_verb; /* drivers die when that is asked for one of these jobs, a bit each */
    uint64_t deadly_jobs;
    bool stays_down; /* a driver that has died; else it comes back at once */
    unsigned n_deaths;
    bool is_crashed, is_request_lost;
    bool has_archived, archive_is_full;
    uint64_t absent_uid; /* whose process of a driver is not there; 0: nobody's */
    enum driver_kind absent_kind;
    unsigned n_archived, n_submits, n_lease_files, n_credentials, n_looks;
    uint64_t last_lease; /* SEQ of the file in the spool, when the daemon was killed */
    struct seen *seen;   /* by now_us (in age_us) these events were there */
    size_t n_seen;
    struct reply reply; /* the last one: numbers only, and `text` */
    char reply_text[256];
    uint64_t reply_done[16], reply_pending[16];
};

/* --- files --- */

static inline struct world_file *world_file(struct world *w, const char *url)
{
    struct world_file *f;
    HASH_FIND_STR(w->files, url, f);
    if (f)
        return f;
    f = xcalloc(1, sizeof *f);
    f->url = xstrdup(url);
    HASH_ADD_KEYPTR(hh, w->files, f->url, strlen(f->url), f);
    return f;
}

static inline bool world_has(struct world *w, const char *url)
{
    return world_file(w, url)->is_there;
}

static inline void world_write(struct world *w, const char *url, const char *text)
{
    struct world_file *f = world_file(w, url);
    f->is_there = true;
    f->n_written++;
    free(f->text);
    f->text = xstrdup(text);
}

static inline void world_remove(struct world *w, const char *url)
{
    for (struct world_file *f = w->files; f; f = f->hh.next)
        if (strncmp(f->url, url, strlen(url)) == 0)
            f->is_there = false;
}

/* Files that are there with `part` in their name; and how often all of them were written. */
static inline unsigned world_count(const struct world *w, const char *part, unsigned *ret_written)
{
    unsigned n = 0, n_written = 0;
    for (struct world_file *f = w->files; f; f = f->hh.next)
        if (strstr(f->url, part)) {
            n += f->is_there;
            n_written += f->n_written;
        }
    if (ret_written)
        *ret_written = n_written;
    return n;
}

/* --- answers --- */

static inline void world_tell(struct world *w, enum driver_kind kind, const char *verb,
                              struct task_ref ref, uint64_t number, bool is_success,
                              const char *text)
{
    const struct job *j = ref.job ? state_job(engine_state(w->engine), ref.job) : NULL;
    if (w->absent_uid && j && j->spec->owner.uid == w->absent_uid && kind == w->absent_kind)
        return; /* nobody is there to say it */
    struct answer *a = xcalloc(1, sizeof *a);
    *a = (struct answer){.kind = kind,
                         .verb = verb,
                         .ref = ref,
                         .number = number,
                         .is_success = is_success,
                         .text = xstrdup(text)};
    DL_APPEND(w->answers, a);
}

static inline void answer_free(struct world *w, struct answer *a)
{
    DL_DELETE(w->answers, a);
    free(a->text);
    free(a);
}

static inline void world_forget_answers(struct world *w, int kind)
{
    struct answer *a, *tmp;
    DL_FOREACH_SAFE(w->answers, a, tmp)
    if (kind < 0 || (a->kind == (enum driver_kind)kind && !a->is_status))
        answer_free(w, a);
}

/* --- what runs --- */

static inline struct run *run_find(const struct world *w, const char *token)
{
    for (struct run *r = w->runs; r; r = r->next)
        if (strcmp(r->token, token) == 0)
            return r;
    return NULL;
}

static inline struct run *run_of(const struct world *w, struct task_ref ref)
{
    for (struct run *r = w->runs; r; r = r->next)
        if (memcmp(&r->ref, &ref, sizeof ref) == 0)
            return r;
    return NULL;
}

static inline void run_start(struct world *w, struct run *r)
{
    for (const struct run *other = w->runs; other; other = other->next)
        if (!w->may_run_twice && other->is_running && other->ref.job == r->ref.job &&
            other->ref.task == r->ref.task)
            fail_msg("attempts %" PRIu64 " and %" PRIu64 " of a task run at the same time",
                     other->ref.attempt, r->ref.attempt);
    if (!r->n_started++) /* mkdir claim.TOKEN */
        r->is_running = true;
    world_tell(w, DRIVER_EM, "CALLBACK", r->ref, 0, true, "ACTIVE");
}

/* The wrapper writes its last word, and the site says so. */
static inline void run_end(struct world *w, struct run *r, const char *state)
{
    r->is_running = false;
    r->is_ended = true;
    snprintf(r->state, sizeof r->state, "DONE");
    if (!r->dir) {
        snprintf(r->state, sizeof r->state, "DONE:%d", w->exit_code);
        if (w->is_up[DRIVER_EM])
            world_tell(w, DRIVER_EM, "CALLBACK", r->ref, 0, true, r->state);
        return;
    }
    char *status = xasprintf("%s/status", r->dir), *out = xasprintf("%s/stdout.execution", r->dir);
    char *err = xasprintf("%s/stderr.execution", r->dir), *result = xasprintf("%s/result", r->dir);
    char *dir = xasprintf("%s/", r->dir), *vm_result = xasprintf("%s/out/result", r->dir);
    if (r->n_started && world_has(w, dir)) {
        world_write(w, status, r->token);
        world_write(w, out, "out");
        world_write(w, err, "err");
        world_write(w, result, "result");
        world_write(w, vm_result, "result");
    }
    free(status);
    free(out);
    free(err);
    free(result);
    free(dir);
    free(vm_result);
    if (w->is_up[DRIVER_EM])
        world_tell(w, DRIVER_EM, "CALLBACK", r->ref, 0, true, state);
}

static inline const char *run_state(const struct run *r)
{
    return r->is_ended ? r->state : r->is_running ? "ACTIVE" : "PENDING";
}

/* --- drivers --- */

/* A field that begins with & is a description, else it is the path of one. */
static inline const char *em_description(struct world *w, const struct effect *f)
{
    if (f->args[1][0] == '&')
        return f->args[1];
    char *url = xasprintf("file://%s", f->args[1]);
    struct world_file *file = world_file(w, url);
    if (!file->is_there)
        fail_msg("%s: the job description %s is not there", f->verb, f->args[1]);
    free(url);
    return file->text;
}

static inline void em_submit(struct world *w, const struct effect *f)
{
    struct rsl rsl = {0};
    struct gw_err err = {0};
    const char *text = em_description(w, f);
    if (rsl_decode(text, strlen(text), &rsl, &err) < 0)
        fail_msg("the job description %s: %s", f->args[1], err.text);
    const char *staging = rsl_getenv(&rsl, "GW_STAGING");
    bool is_bare = staging && strcmp(staging, "no") == 0;
    const char *token = rsl_getenv(&rsl, "GW_TOKEN"), *dir = rsl_get(&rsl, "directory");
    struct run *r = run_find(w, token);
    w->n_submits++;
    if (!r) {
        r = xcalloc(1, sizeof *r);
        r->token = xstrdup(token);
        /* Without a shared home the job is told the directory's URL. */
        r->dir = is_bare ? NULL
                 : dir   ? xasprintf("file://%s", dir)
                         : xstrdup(rsl_find(&rsl, "arguments")->values[3]);
        r->ref = f->ref;
        r->next = w->runs;
        w->runs = r;
    }
    char *wrapper = is_bare ? NULL : xasprintf("%s/.wrapper", r->dir);
    if (wrapper && !world_has(w, wrapper))
        fail_msg("%s was submitted before it was staged", token);
    bool is_new = r->n_submitted++ == 0 || !(w->features[DRIVER_EM] & FEATURE_IDEMPOTENT);
    if (!w->is_callback_first)
        world_tell(w, DRIVER_EM, "SUBMIT", f->ref, 0, true, r->token);
    r->is_held = is_new && w->features[DRIVER_EM] & FEATURE_COMMIT;
    if (is_new && !r->is_held)
        run_start(w, r);
    if (w->is_callback_first)
        world_tell(w, DRIVER_EM, "SUBMIT", f->ref, 0, true, r->token);
    free(wrapper);
    rsl_clear(&rsl);
}

static inline void em_request(struct world *w, const struct effect *f)
{
    struct run *r = run_of(w, f->ref);
    if (f->args[1])
        em_description(w, f);
    if (strcmp(f->verb, "SUBMIT") == 0) {
        em_submit(w, f);
    } else if (strcmp(f->verb, "COMMIT") == 0) {
        world_tell(w, DRIVER_EM, "COMMIT", f->ref, 0, true, "-");
        if (r->is_held) {
            r->is_held = false;
            run_start(w, r);
        }
    } else if (strcmp(f->verb, "CANCEL") == 0) {
        world_tell(w, DRIVER_EM, "CANCEL", f->ref, 0, true, "-");
        if (r && !r->is_ended) {
            r->is_cancelled = true;
            run_end(w, r, "FAILED");
        }
    } else if (f->ref.job == 0) {
        for (r = w->runs; r; r = r->next)
            world_tell(w, DRIVER_EM, "POLL", r->ref, 0, true, run_state(r));
    } else if (!r) {
        world_tell(w, DRIVER_EM, f->verb, f->ref, 0, false, "not-found:us never started here");
    } else {
        world_tell(w, DRIVER_EM, f->verb, f->ref, 0, true, run_state(r));
    }
}

/* A file and the directory that it is in. */
static inline void tm_put(struct world *w, const struct effect *f)
{
    const char *to = f->args[1], *content = f->args[2];
    char *dir = xstrndup(to, (size_t)(strrchr(to, '/') + 1 - to));
    if (!world_has(w, dir))
        world_write(w, dir, "");
    world_write(w, to, content);
    world_tell(w, DRIVER_TM, "PUT", f->ref, f->number, true, "-");
    free(dir);
}

static inline void tm_get(struct world *w, const struct effect *f)
{
    bool is_there = world_has(w, f->args[1]);
    world_tell(w, DRIVER_TM, "GET", f->ref, f->number, is_there,
               is_there ? world_file(w, f->args[1])->text : "no-output:job it is not there");
}

static inline void tm_copy(struct world *w, const struct effect *f)
{
    const char *from = f->args[1], *to = f->args[2];
    bool is_from_site = strncmp(from, "file:///site/", 13) == 0;
    if (is_from_site && !world_has(w, from)) {
        world_tell(w, DRIVER_TM, "CP", f->ref, f->number, false, "no-input:job it is not there");
        return;
    }
    world_write(w, to, world_has(w, from) ? world_file(w, from)->text : from);
    world_tell(w, DRIVER_TM, "CP", f->ref, f->number, true, "-");
}

/* END cancels what is not answered. */
static inline void tm_check_end(struct world *w, const struct effect *f)
{
    struct answer *a;
    DL_FOREACH (w->answers, a)
        if (f->ref.job == 0 && a->kind == DRIVER_TM && a->ref.job == 0 &&
            a->ref.attempt == f->ref.attempt && strcmp(a->verb, "CP") == 0)
            fail_msg("END cancels the copy of a lease file");
}

static inline void tm_request(struct world *w, const struct effect *f)
{
    bool is_ok = true;
    if (strcmp(f->verb, "END") == 0)
        tm_check_end(w, f);
    char *dir = f->args[1] ? xasprintf("%s/", f->args[1]) : NULL;
    if (strcmp(f->verb, "CP") == 0) {
        tm_copy(w, f);
        free(dir);
        return;
    }
    if (strcmp(f->verb, "PUT") == 0 || strcmp(f->verb, "GET") == 0) {
        assert_true(w->features[DRIVER_TM] & FEATURE_SMALL);
        (*f->verb == 'P' ? tm_put : tm_get)(w, f);
        free(dir);
        return;
    }
    if (strcmp(f->verb, "MKDIR") == 0)
        world_write(w, dir, "");
    else if (strcmp(f->verb, "RMDIR") == 0)
        world_remove(w, dir);
    else if (strcmp(f->verb, "EXISTS") == 0)
        is_ok = world_has(w, f->args[1]);
    free(dir);
    bool is_stat = strcmp(f->verb, "STAT") == 0;
    world_tell(w, DRIVER_TM, f->verb, f->ref, f->number, is_ok,
               is_stat ? "1000 1767225600"
               : is_ok ? "-"
                       : "no-input:job");
}

static inline void im_request(struct world *w, const struct effect *f)
{
    if (strcmp(f->verb, "DISCOVER") == 0)
        world_tell(w, DRIVER_IM, "DISCOVER", f->ref, 0, true, w->hosts);
    else
        world_tell(w, DRIVER_IM, "MONITOR", f->ref, f->number, true,
                   w->samples[f->number < GW_COUNT(w->samples) ? f->number : 0]);
}

static inline struct fault *fault_of(struct world *w, const struct effect *f)
{
    for (size_t i = 0; i < GW_COUNT(w->faults); i++) {
        struct fault *fault = &w->faults[i];
        if (!fault->verb || strcmp(fault->verb, f->verb) != 0)
            continue;
        bool has = !fault->has;
        for (size_t k = 0; !has && k < GW_COUNT(f->args); k++)
            has = f->args[k] && strstr(f->args[k], fault->has);
        if (!has || fault->skip-- > 0 || fault->times <= 0)
            continue;
        fault->times--;
        return fault;
    }
    return NULL;
}

static inline void world_send(struct world *w, const struct effect *f)
{
    static void (*const requests[DRIVER_KINDS])(struct world *, const struct effect *) = {
        im_request, tm_request, em_request};
    if (!w->is_up[f->driver_kind])
        return;
    const struct job *j = f->ref.job ? state_job(engine_state(w->engine), f->ref.job) : NULL;
    assert_int_equal(f->uid, j ? j->spec->owner.uid : f->ref.attempt ? f->uid : NOBODY);
    if (w->absent_uid && f->uid == w->absent_uid && f->driver_kind == w->absent_kind)
        fail_msg("%s is asked of a process that is not there", f->verb);
    if (strcmp(f->verb, "CREDENTIAL") == 0) {
        w->n_credentials++;
        world_tell(w, f->driver_kind, f->verb, f->ref, 0, true, "-");
        return;
    }
    if (f->driver_kind != DRIVER_IM && f->ref.job)
        buf_printf(&w->trace, "%s%s", w->trace.len ? " " : "", f->verb);
    struct fault *fault = fault_of(w, f);
    bool is_lost = fault && strcmp(fault->text, "lost") == 0;
    if (fault && strcmp(f->verb, "CP") == 0) {
        w->unheard = f->ref;
        w->unheard_number = f->number;
    }
    if (!fault || is_lost)
        requests[f->driver_kind](w, f);
    else if (*fault->text)
        world_tell(w, f->driver_kind, f->verb, f->ref, f->number, false, fault->text);
    if (is_lost)
        answer_free(w, w->answers->prev);
}

#endif
