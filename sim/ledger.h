/* What can be said of a history from outside of gwd: what the sites did, what people were told, and
 * what gwd's table showed at the end. Plain records, because who checks them must not use the code
 * that made them. */
#ifndef SIM_LEDGER_H
#define SIM_LEDGER_H

#include "lib/buf.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* A payload that was started. */
struct ledger_run {
    unsigned site;
    uint64_t epoch, job, task, attempt; /* of its token */
    int64_t started_us, ended_us;       /* ended 0: it runs */
    bool is_exited;                     /* by itself, with `exit_code`; else it was ended */
    bool is_staged;                     /* all its files were there */
    int exit_code;
    const char *why; /* it was ended */
};

/* How an owner chose that losses are met; numbers of our own. */
enum ledger_on_lost { LEDGER_WAIT, LEDGER_RETRY_AFTER_LEASE, LEDGER_RETRY_NOW };

/* What people asked for and were told; by which of the daemons. */
enum ledger_told_kind {
    TOLD_SUBMITTED, /* id, n, tag */
    TOLD_KILLED,    /* id: "done": it is over */
    TOLD_KILLED_HARD,
    TOLD_KILL_PENDING, /* id */
    TOLD_HELD,
    TOLD_RELEASE_ASKED, /* id: from here on it may start, whether that was heard or not */
    TOLD_RELEASED,
    TOLD_STARTED,  /* an event: attempt `attempt` of task `id` was matched, to `site` */
    TOLD_REQUEUED, /* an event: it is over, `tag` says why, and there will be another */
    TOLD_ACCEPTED, /* an event: its result, `exit_code`, was taken */
    TOLD_DONE,     /* an event: the task is done */
    TOLD_FAILED,   /* an event: the task has failed */
};
struct ledger_told {
    enum ledger_told_kind kind;
    unsigned daemon;
    int64_t at_us;
    uint64_t id, n, attempt, epoch; /* epoch: TOLD_STARTED, of the token */
    int exit_code;
    bool is_over; /* TOLD_KILLED: it had ended before it was asked for */
    unsigned site;
    const char *tag;
};

/* What kept gwd from a site, or broke what ran there. */
#define LEDGER_ALL_SITES (~0u)
struct ledger_fault {
    unsigned site;
    bool is_ours; /* of gwd, its drivers, its users' credentials */
    int64_t from_us, until_us;
};

/* A task in the table at the end, live or archived. */
struct ledger_task {
    unsigned daemon;
    uint64_t id;
    bool is_done, is_failed, is_bare;
    unsigned n_attempts, n_accepted;
    uint64_t accepted; /* the attempt */
    uint64_t given_up; /* attempts, a bit each, that ended because nobody heard of them any more */
    int exit_code;
    uint64_t lease_s;
    enum ledger_on_lost on_lost;
    char tag[24];    /* of its submission */
    char reason[32]; /* "" if none */
};

/* What is there at a site, or at a daemon's front, when all is over. */
struct ledger_left {
    char *what;
    uint64_t job, task, attempt;
};

struct ledger {
    struct ledger_run *runs;
    struct ledger_told *told;
    struct ledger_task *tasks;
    struct ledger_left *left;
    struct ledger_fault *faults;
    size_t n_runs, cap_runs, n_told, cap_told, n_tasks, cap_tasks, n_left, cap_left, n_faults,
        cap_faults;
    struct buf violations; /* what the world itself saw: a line each */
    unsigned n_violations;
};

/* What this history has to keep beside what each has to. */
struct ledger_promises {
    bool is_honest;     /* drivers answered as they should: no two copies of a task at a time, and
                           each attempt that was given up for one of the faults */
    bool is_no_failure; /* nothing failed at the sites: who was not killed is done */
    bool is_one_daemon; /* there is one with this state */
    bool is_copy_known; /* the other one knows that its state is a copy: a site has each attempt
                           once */
    int64_t copied_us;  /* when it was made */
    int64_t calm_us;    /* no faults from here on */
};

size_t ledger_add_run(struct ledger *l, const struct ledger_run *run); /* its index */
void ledger_tell(struct ledger *l, const struct ledger_told *told);
void ledger_add_fault(struct ledger *l, const struct ledger_fault *fault);
struct ledger_task *ledger_add_task(struct ledger *l);
struct ledger_left *ledger_add_left(struct ledger *l, const char *what);
void ledger_violation(struct ledger *l, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
void ledger_clear(struct ledger *l);

/* Add a line to l->violations for each promise that was broken. */
void ledger_check(struct ledger *l, const struct ledger_promises *p);

#endif
