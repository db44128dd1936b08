/* The match: which task goes to which host now, and what stood in the way of the others. Pure.
 *
 * Jobs with equal requirements, rank, owner and resources are one class; requirements and rank are
 * evaluated once per class, host and queue. Order of jobs: priority, then submission. Order of
 * places: rank, then free slots, then host id; a host at which the task failed before comes last.
 */
#ifndef GWD_SCHED_MATCH_H
#define GWD_SCHED_MATCH_H

#include "gwd/model/host.h"
#include "gwd/model/state.h"

/* 0: no limit. */
struct match_limits {
    uint64_t per_pass; /* DISPATCH_CHUNK */
    uint64_t per_host; /* MAX_DISPATCH_RESOURCE, a pass */
    uint64_t per_user; /* MAX_RUNNING_USER */
};

/* Why the jobs of a class wait, from the pass that decided: hosts removed by each condition in the
 * order in which they are tried, each host counted once. */
struct match_why {
    int64_t at_us;
    bool is_paused;     /* dispatch of the whole daemon is paused */
    bool is_user_limit; /* the owner has as many running as allowed */
    uint64_t hosts;     /* known at all */
    uint64_t down;      /* no valid sample, or no driver for it */
    uint64_t drained;
    uint64_t no_credential; /* acts only in the owner's name, whose credential is not valid */
    uint64_t no_lrms;       /* reports no LRMS_NAME, so nothing can be run there */
    uint64_t no_vm;         /* needs VMs, host has no hypervisor */
    uint64_t too_small;     /* never has NP slots, CPUs or memory for the VMs */
    uint64_t busy;          /* satisfies everything, no slot free now */
    size_t n_conjuncts;     /* of the requirements */
    uint64_t unmatched[];   /* hosts that the conjunct removed (false or unknown) */
};

struct match {
    struct job *job;
    uint64_t task;
    struct host *host;
    size_t queue;
    double rank;
};

/* May a host be used at all (driver up)? Answered by the engine. */
typedef bool (*match_host_usable)(const void *ctx, const struct host *h);

/* Does the owner of a class have the credential that a host asks for? NULL: none asks for one. */
typedef bool (*match_has_credential)(const void *ctx, const struct job_class *c,
                                     const struct host *h);

/* Called for each match; the state and the host's counters must have taken it over on return. */
typedef void (*match_take)(void *ctx, const struct match *m);

struct match_pass {
    struct state *state;
    struct host **hosts;
    size_t n_hosts;
    struct match_limits limits;
    int64_t now_us;
    uint64_t (*user_running)(const void *ctx, uint64_t uid); /* attempts of a user under way */
    match_host_usable is_usable;
    match_has_credential has_credential;
    match_take take;
    void *ctx;
    /* Results: */
    uint64_t n_taken;
    bool is_cut;     /* held back by per_pass or per_host: call again */
    int64_t wake_us; /* earliest not_before that stood in the way, INT64_MAX: none */
};

void match_run(struct match_pass *pass);

/* The places that match a class now, best first, for `gwhost -m`; malloc'ed. */
struct match_place {
    struct host *host;
    size_t queue;
    double rank;
};
struct match_place *match_places(const struct match_pass *pass, const struct job_class *class,
                                 size_t *ret_n);

#endif
