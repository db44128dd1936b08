/* What the fork driver remembers of attempts without a job directory: which were started, as which
 * process, and how they ended. Lines are appended to a file of this run of the driver, in a
 * directory of the daemon's instance (the first part of a token), and read by later runs.
 *
 * Each line ends in " .", so that one that was cut off is known:
 *
 *     S token              it may run from now on; on disk before it is started
 *     P token pid start    it runs
 *     A token              it was started by a run that is gone: nobody will learn how it ends
 *     N token              it never ran, so far; of the runs that live only this one may start it
 * yet E token code         it ended L token              it is over, and nobody learned how
 *
 * A run holds the lock of its file as long as it lives, also when it only collects the ends of what
 * it started. Files whose run is gone are taken over into the next run's. What ended is remembered
 * for 100,000 further ends.
 *
 * Runs live side by side for a while: a daemon that was killed has left requests in the pipe of its
 * driver, and the next daemon asks the next driver about the same attempts. So starts are noted,
 * and an attempt is said to be unknown, under a lock of the directory (journals_lock), by a run
 * that has read all that the others have noted. */
#ifndef EM_JOURNAL_H
#define EM_JOURNAL_H

#include "em/process.h"

enum record_state {
    RECORD_NONE,     /* never started here, for certain while journals_lock() is held */
    RECORD_STARTING, /* no process is known */
    RECORD_RUNNING,
    RECORD_ENDED,
    RECORD_LOST,
};

struct record {
    enum record_state state;
    struct process_id process; /* RECORD_RUNNING */
    int code;                  /* RECORD_ENDED */
    /* Its run lives, and will tell its end. RECORD_NONE: another run lives that may start it. */
    bool is_watched;
};

struct journals;

/* Can journals be written below `dir` (borrowed)? It is made. NULL and an error otherwise. */
struct journals *journals_create(const char *dir, struct gw_err *err);
void journals_destroy(struct journals *js);

/* What is known of a token now; reads what other runs have said since. A negative code: a file
 * could not be read, and nothing is known. */
int journal_look(struct journals *js, const char *token, struct record *ret, struct gw_err *err);

/* The right to note starts and that an attempt never ran: of one run at a time, for a moment. While
 * it is held, journal_look() knows all that other runs have said. -GW_ESTATE: another run has it
 * now; other codes as journal_look(). For the instances that were looked at by then. */
int journals_lock(struct journals *js, struct gw_err *err);
void journals_unlock(struct journals *js);

/* Note a step; journals_write() makes it a line of the file. Only after journal_look() of the
 * token. */
void journal_start(struct journals *js, const char *token);
void journal_run(struct journals *js, const char *token, const struct process_id *id);
void journal_never(struct journals *js, const char *token);
void journal_end(struct journals *js, const char *token, int code);
void journal_lose(struct journals *js, const char *token);

/* Write what was noted; `is_synced`: durably. */
int journals_write(struct journals *js, bool is_synced, struct gw_err *err);

#endif
