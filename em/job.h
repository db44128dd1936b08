/* A job of the fork driver: looked for, started or adopted, watched until its end, and buried when
 * it left no result. The answers and callbacks of docs/PROTOCOL section 2 leave from here. */
#ifndef EM_JOB_H
#define EM_JOB_H

#include "drivers/kit.h"
#include "em/launch.h"
#include "em/process.h"

#include <uthash.h>

enum job_phase {
    JOB_LOOKING,  /* is the attempt there already? */
    JOB_STARTING, /* forked; the exec is not confirmed */
    JOB_ACTIVE,   /* its process is watched */
    JOB_BURYING,  /* over without a result: what is left of it is removed */
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
    int pidfd, exec_fd;       /* -1: none */
    bool is_child, is_cancelled, is_killed, is_swept;
    int exit_code; /* -1: not known */
    struct loop_timer *timer;
    unsigned tries;
    UT_hash_handle hh;
};

struct fork_driver {
    struct kit *kit;
    char *gwvm; /* beside our own executable */
    struct job *jobs;
    size_t n_ended;
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

/* Next steps, for job.c and bury.c alone. */
void job_bury(struct job *j);
void job_finish(struct job *j, enum job_phase phase);

#endif
