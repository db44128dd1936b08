/* What the fork driver remembers of attempts without a job directory: which were started, as which
 * process, and how they ended. Lines are appended to a file of this run of the driver, in a
 * directory of the daemon's instance (the first part of a token), and read by later runs.
 *
 * Each line ends in " .", so that one that was cut off is known:
 *
 *     S token              it may run from now on; on disk before it is started
 *     P token pid start    it runs
 *     A token              it was started by a run that is gone: nobody will learn how it ends
 *     N token              it could not be started, and never ran
 *     E token code         it ended
 *     L token              it is over, and nobody learned how
 *
 * A run holds the lock of its file as long as it lives, also when it only collects the ends of what
 * it started. Files whose run is gone are taken over into the next run's. What ended is remembered
 * for 100,000 further ends. */
#ifndef EM_JOURNAL_H
#define EM_JOURNAL_H

#include "em/process.h"

enum record_state {
    RECORD_NONE,     /* never started here, for certain */
    RECORD_STARTING, /* no process is known */
    RECORD_RUNNING,
    RECORD_ENDED,
    RECORD_LOST,
};

struct record {
    enum record_state state;
    struct process_id process; /* RECORD_RUNNING */
    int code;                  /* RECORD_ENDED */
    bool is_watched;           /* its run lives, and will tell its end */
};

struct journals;

/* Can journals be written below `dir` (borrowed)? It is made. NULL and an error otherwise. */
struct journals *journals_create(const char *dir, struct gw_err *err);
void journals_destroy(struct journals *js);

/* What is known of a token now; reads what other runs have said since. A negative code: a file
 * could not be read, and nothing is known. */
int journal_look(struct journals *js, const char *token, struct record *ret, struct gw_err *err);

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
