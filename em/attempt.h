/* What a job directory says about an attempt (docs/jobdir.md): its claim, the process that holds
 * it, its status file. */
#ifndef EM_ATTEMPT_H
#define EM_ATTEMPT_H

#include "em/process.h"

#include <stdbool.h>

enum attempt_state {
    ATTEMPT_ABSENT,   /* nobody made the claim */
    ATTEMPT_CLAIMING, /* the claim does not yet name a process */
    ATTEMPT_RUNNING,  /* the process that holds the claim runs */
    ATTEMPT_ENDED,    /* there is a valid status, and no process */
    ATTEMPT_DEAD,     /* neither process nor status */
};

struct attempt {
    enum attempt_state state;
    struct process_id wrapper; /* pid 0 when the claim names none */
    struct process_id payload; /* pid 0 when the claim names none */
    int pidfd;                 /* ATTEMPT_RUNNING: the caller's to close; else -1 */
};

/* `dir` is the job directory. A directory that cannot be looked at is an error. */
int attempt_look(const char *dir, const char *token, struct attempt *ret, struct gw_err *err);

bool attempt_is_over(const char *dir, const char *token);

/* Whether `token` may be part of a file name: letters, digits, '.', '-', '_', at most 200. */
bool attempt_token_is_valid(const char *token);

/* Take the lock of a job directory that is held from before a wrapper is forked until its exec has
 * closed the descriptor. Returns it; -1 when another holds it; -2 where the file system has no such
 * locks. */
int attempt_lock(const char *dir);

#endif
