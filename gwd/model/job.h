/* Jobs as gwd knows them durably. A job is a record of one or more tasks with the ids id ..
 * id+tasks-1; a task gets a struct of its own when it first differs from its siblings. An attempt
 * is one try of a task at one host.
 *
 * Only state_apply() (gwd/model/state.h) writes these structs. */
#ifndef GWD_MODEL_JOB_H
#define GWD_MODEL_JOB_H

#include "gwd/model/reason.h"
#include "spec/template.h"

#include <stdbool.h>
#include <stdint.h>
#include <uthash.h>

/* Stored numbers: keep them. */
enum phase {
    PHASE_PENDING = 0,
    PHASE_PROLOG = 1,
    PHASE_WRAPPER = 2,
    PHASE_EPILOG = 3,
    PHASE_SLEEPING = 4,
    PHASE_DONE = 5,
    PHASE_FAILED = 6,
    PHASE_COUNT
};
enum wish { WISH_RUN = 0, WISH_HELD = 1, WISH_ASLEEP = 2, WISH_GONE = 3, WISH_COUNT };
enum outcome { OUTCOME_DONE = 1, OUTCOME_FAILED = 2, OUTCOME_REQUEUE = 3 };
enum request_kind { REQUEST_NONE = 0, REQUEST_CHECKPOINT = 1, REQUEST_RELOCATE = 2 };
enum vm_state { VM_PLANNED = 0, VM_RUNNING = 1, VM_SAVED = 2, VM_GONE = 3 };

/* Who a job belongs to and on whose behalf it runs. */
struct principal {
    char *user;
    uint64_t uid, gid;
    char *credential; /* absolute path of his proxy certificate, or NULL */
    char *project;    /* or NULL */
};

/* The jobs of one owner in the name of one credential. */
struct credential_use {
    uint64_t uid;
    char *path;
    uint64_t unfinished; /* tasks that are not DONE or FAILED */
    unsigned refs;       /* classes */
    UT_hash_handle hh;
    char key[];
};

/* Jobs that the scheduler cannot tell apart: equal requirements, rank, owner and resources. */
struct job_class {
    char *key;
    uint64_t id;   /* order of appearance */
    uint32_t slot; /* in state->class_slots */
    uint64_t uid;
    char *credential;           /* or NULL, */
    struct credential_use *use; /* and then NULL, too */
    unsigned np;
    bool needs_vm;
    bool is_bare; /* only hosts whose execution driver takes programs without wrapper */
    unsigned vm_cpus;
    uint64_t vm_memory_mib;
    char *requirements_text, *rank_text;
    struct expr *requirements, *rank;
    unsigned refs;
    struct job *queue; /* jobs with tasks ready to run: gwd/model/jobqueue.h */
    struct job *first; /* of these */
    UT_hash_handle hh;
};

/* What equal submissions share. */
struct job_spec {
    char *source, *file, *home;
    struct principal owner;
    struct user_record *user; /* of owner.user */
    struct template *t;
    struct job_class *class;
    unsigned refs;
    bool is_stored; /* has a row (gwd/model/rows.h) of the number `id` */
    uint64_t id;
    uint64_t hash;         /* of all that distinguishes it */
    struct job_spec *next; /* of those that share a chain of state->specs */
};

/* Where an attempt is or was: what many attempts share, as the host said when it was matched. */
struct attempt_place {
    const char *host, *queue, *lrms, *im, *tm, *em, *stage_url, *gwvm;
    unsigned refs;
    UT_hash_handle hh;
    char key[]; /* the texts one after the other; the pointers above point here */
};

struct vm_record {
    uint64_t rank;
    char *uuid, *node;
    enum vm_state state;
};

struct attempt {
    uint64_t number; /* from 1 */
    uint64_t epoch;  /* of the state when it was started: part of its token */
    struct attempt_place *place;
    const char *host, *queue, *lrms, *im, *tm, *em, *stage_url, *gwvm; /* the place's */
    int64_t match_rank;                                                /* thousandths */
    char *contact; /* NULL until the site has given one */
    int64_t started_us, staged_us, active_us, exited_us, ended_us; /* 0: not yet */
    int64_t unknown_since_us;                                      /* 0: known */
    bool is_accepted; /* results are home: exit_code and signal are final */
    bool is_left;     /* when it ended, something of it was not removed at the site yet */
    int exit_code, signal;
    struct reason reason; /* why it ended as it did */
    struct vm_record *vms;
    size_t n_vms;
};

struct task {
    uint32_t index;
    enum phase phase;
    enum wish wish;
    bool is_marked, is_stored; /* its row is to be written; there is one */
    uint64_t seq;              /* of an array: of the last event that changed it */
    int64_t not_before_us;     /* back-off: not matched earlier; 0: none */
    int64_t wished_us;         /* when it was wished gone; 0: it was not, or nobody knows */
    bool is_waiting;           /* for that time: until state_wake() */
    bool is_ready;             /* PENDING with wish RUN and not waiting: in job->ready */
    int64_t ended_us;
    struct reason reason; /* of the end, or of the last requeue */
    struct attempt
        *attempts; /* oldest first; the last one is current unless the task is pending or final */
    size_t n_attempts;
    uint64_t request_number;   /* of the last request */
    enum request_kind request; /* under way, or REQUEST_NONE */
    struct task *prev, *next;  /* in job->ready */
};

/* The tasks of a job that have a struct, once there are two of them: in the order in which they
 * got it, and by index. */
struct task_table {
    struct task **items;
    uint32_t *slots; /* open addressing: position in items + 1, 0: free */
    uint32_t n, cap, n_slots;
};

struct job_versions; /* gwd/model/rows.c */

/* There may be a million of these: what only some jobs have is elsewhere. */
struct job {
    uint64_t id;
    uint64_t array_id; /* 0: not an array */
    int64_t array_start, array_increment;
    struct job_spec *spec;
    int64_t submitted_us;
    int64_t priority;
    int64_t rest_ended_us;
    struct task *ready;
    struct task *first; /* the only task with a struct while `table` is NULL: job_next_task() */
    struct task_table *table;               /* or NULL */
    struct job *queue_before, *queue_after; /* in class->queue while job_ready() */
    uint64_t seq; /* of the last event that changed it; of an array's: all of its tasks at once */
    struct job_versions *versions; /* or NULL */
    uint32_t tasks;
    uint32_t fresh;              /* tasks below have a struct */
    uint32_t n_touched, n_final; /* tasks with a struct; of these, DONE or FAILED */
    uint32_t n_ready;            /* of these, ready: the list `ready`, one that came first first */
    bool is_queued;
    bool is_rest_ended; /* those without a struct ended without ever having had one: killed while
                           pending */
    bool has_key;
    bool is_marked, is_stored; /* its row is to be written; there is one */
    uint8_t wish;              /* enum wish: of the tasks without a struct */
    char key[];                /* submission key, see job_key() */
};

bool phase_is_final(enum phase phase);
const char *phase_name(enum phase phase);
const char *wish_name(enum wish wish);
bool wish_of_name(const char *name, enum wish *ret);

/* The submission key, or NULL. */
const char *job_key(const struct job *j);

/* The task's struct, or NULL while it is like the rest (or out of range). */
struct task *job_task(const struct job *j, uint64_t index);

/* Over the tasks that have a struct, in the order in which they got it: start with *it = 0; NULL
 * at the end. */
struct task *job_next_task(const struct job *j, size_t *it);

/* Phase and wish of any task of the job. */
enum phase job_task_phase(const struct job *j, uint64_t index);
enum wish job_task_wish(const struct job *j, uint64_t index);

/* Tasks that could start now as far as wishes and back-off go. */
uint64_t job_ready(const struct job *j);
bool job_is_final(const struct job *j);
int64_t job_ended_us(const struct job *j); /* of the last task; 0 while not final */

/* The next task to start: of those ready one that comes back first, then the lowest fresh one.
 * False when there is none. */
bool job_next_ready(const struct job *j, uint64_t *ret_index);

/* The current attempt: NULL when the task is pending, sleeping or final. */
struct attempt *task_attempt(const struct task *t);
struct attempt *task_attempt_number(const struct task *t, uint64_t number);

/* "instance.epoch.job.task.attempt"; malloc'ed. */
char *attempt_token(const char *instance, const struct job *j, const struct task *t,
                    const struct attempt *a);

#endif
