/* A job of the fork driver: looked for, started or adopted, watched until its end, and buried when
 * it left no result. The answers and callbacks of docs/PROTOCOL section 2 leave from here. */
#ifndef EM_JOB_H
#define EM_JOB_H

#include "drivers/kit.h"
#include "em/journal.h"
#include "em/launch.h"
#include "em/process.h"

#include <uthash.h>

enum job_phase {
    JOB_LOOKING, /* is the attempt there already? */
    JOB_ACTIVE,  /* its process is watched */
    JOB_BURYING, /* over without a result: what is left of it is removed */
    JOB_DONE,
    JOB_LOST,
};

struct job {
    char handle[HANDLE_MAX + 1];
    struct fork_driver *driver;
    enum job_phase phase;
    const char *asked;        /* "SUBMIT" or "RECOVER" while that waits for its answer, else NULL */
    struct launch launch;     /* all NULL: known by its contact alone */
    struct process_id leader; /* of the session; pid 0: not known */
    int pidfd;                /* -1: none */
    bool is_child, is_cancelled, is_killed, is_swept;
    bool is_noted; /* recorded.c: its start is in the journal */
    int exit_code; /* -1: not known */
    struct loop_timer *timer;
    unsigned tries;
    UT_hash_handle hh;
    struct job *prev, *next; /* in driver->waiting, later in driver->ended */
};

struct fork_driver {
    struct kit *kit;
    char *gwvm; /* beside our own executable */
    struct job *jobs;
    struct job *ended; /* the oldest first */
    size_t n_ended;
    /* recorded.c */
    struct journals *journals; /* NULL: there is no place for them, and no bare jobs */
    struct job *waiting;       /* to be started */
    bool has_unnoted;          /* of these, not on disk yet */
    struct loop_timer *start_timer, *write_timer;
    size_t n_children; /* bare jobs whose end only this process learns */
};

struct job *job_find(struct fork_driver *d, const char *handle);

/* Both answer in their time. `launch` is given; `contact` (with pid 0: none) is what RECOVER was
 * asked with. */
void job_submit(struct fork_driver *d, const char *handle, struct launch *launch);
void job_recover(struct fork_driver *d, const char *handle, struct launch *launch,
                 const struct process_id *contact);

void job_cancel(struct job *j);

void job_forget(struct job *j); /* one that has ended */
void jobs_clear(struct fork_driver *d);

/* What POLL says: "PENDING", "ACTIVE", "DONE", "DONE:7"; NULL when it is lost. */
const char *job_state(const struct job *j, char ret_text[16]);

/* Next steps, for job.c, recorded.c and bury.c alone. */
void job_refuse(struct job *j, const char *reason, const char *text);
void job_not_started(struct job *j, int code, const char *text); /* -GW_ESTATE: tried again */
void job_activate(struct job *j);                                /* leader and pidfd are set */
void job_adopt(struct job *j, const struct process_id *leader, int pidfd);
void job_look_again(struct job *j, uint64_t after_ms);
void recorded_look(struct job *j);
void recorded_ended(struct job *j);
void recorded_stop(struct fork_driver *d); /* what waits is not started any more */
void job_bury(struct job *j);
void job_finish(struct job *j, enum job_phase phase);

#endif
