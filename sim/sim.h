/* A simulated world around the pure engine: disk, drivers, sites, people, clocks, and faults of all
 * of them, made from a seed. What happens in it is written into a ledger by the sites and by the
 * people, and checked afterwards by code that knows nothing of the engine (sim/ledger.h).
 *
 * A trial is one world from its beginning until all jobs are over:
 *     struct sim_result r = {0};
 *     sim_run(&(struct sim_options){.kind = SIM_CRASH, .seed = 7}, &r);
 *     if (r.n_violations) puts(buf_str(&r.violations));
 *     sim_result_clear(&r);
 * Equal options give equal trials, on every front. Pure: it needs nothing but memory. */
#ifndef SIM_SIM_H
#define SIM_SIM_H

#include "lib/buf.h"

#include <stdbool.h>
#include <stdint.h>

/* Which faults there are. */
enum sim_kind {
    SIM_LOST,      /* answers of drivers that never come */
    SIM_DOUBLED,   /* ... that come again, up to a minute later */
    SIM_LATE,      /* ... up to five minutes late, after newer ones and after their attempt's end */
    SIM_REORDERED, /* ... in another order */
    SIM_MIXED,     /* all of these, and crashes, clocks and cuts, at sites that fail */
    SIM_CRASH,     /* the daemon killed at appends, syncs, effects, replies, also of its recovery */
    SIM_CLOCK,     /* the wall clock a year forth and back; the daemon stopped for minutes */
    SIM_CUTOFF,    /* sites out of reach for 1 s to 5 min */
    SIM_TWINS,     /* the daemon's front restored from a copy, while the other one goes on */
    SIM_HONEST,    /* crashes, clocks, deaths of drivers and cuts; all else is as it should be */
    SIM_KINDS
};
const char *sim_kind_name(enum sim_kind kind);

/* Promises that a part of the world breaks on purpose, to see that it is noticed. */
enum sim_flaw {
    FLAW_NONE,
    FLAW_NO_CLAIM,          /* wrappers do not make the claim */
    FLAW_NO_LEASE,          /* wrappers do not stop without their lease */
    FLAW_IMPATIENT,         /* gwd waits for less than the lease */
    FLAW_NO_SYNC,           /* the disk says that it has what it has not */
    FLAW_LATE_SYNC,         /* gwd speaks before it syncs */
    FLAW_CANCEL_FORGOTTEN,  /* wishes that jobs be gone are */
    FLAW_TOKENS_FORGOTTEN,  /* drivers do not find what they started before they came up */
    FLAW_JOURNAL_FORGOTTEN, /* so it is with what has no job directory alone */
    FLAW_ANY_STATUS,        /* a status counts whosever it is */
    FLAW_OLD_ANSWERS,       /* answers of a task's old attempts are taken for its new one's */
    FLAW_WRONG_CODE,        /* a driver tells another exit code than the payload's */
    FLAW_CANCEL_IGNORED,    /* sites say that what was cancelled is over, and let it run */
    FLAW_MARK_FORGOTTEN,    /* sites do not keep which daemon works there */
    FLAW_SEQ_FORGOTTEN,     /* gwd does not know how far the numbers of its lease files have come */
    FLAW_COPIES_UNWATCHED,  /* gwd waits for copies for ever */
    FLAWS
};
const char *sim_flaw_name(enum sim_flaw flaw);

struct sim_options {
    enum sim_kind kind;
    uint64_t seed;
    enum sim_flaw flaw;
    bool is_told; /* write the history */
};

struct sim_result {
    unsigned n_violations;
    struct buf violations; /* a line each */
    struct buf history; /* when is_told: a line for each input, event, effect and act of a site */
    uint64_t n_inputs, n_events, n_crashes, n_runs, n_tasks;
    int64_t lasted_us; /* in the world's time */
};

void sim_run(const struct sim_options *o, struct sim_result *ret);
void sim_result_clear(struct sim_result *r);

#endif
