/* What the scheduler says: which task goes to which host, and why the others wait. */
#ifndef GWD_SCHED_MATCH_H
#define GWD_SCHED_MATCH_H

#include "gwd/model/host.h"
#include "gwd/model/job.h"

/* 0: no limit. */
struct match_limits {
    uint64_t per_pass; /* DISPATCH_CHUNK */
    uint64_t per_host; /* MAX_DISPATCH_RESOURCE, a pass */
    uint64_t per_user; /* MAX_RUNNING_USER */
};

/* Why the jobs of a class wait: hosts removed by each condition in the order in which they are
 * tried, each host counted once. */
struct match_why {
    int64_t at_us;      /* of the last pass */
    bool is_paused;     /* dispatch of the whole daemon is paused */
    bool is_user_limit; /* the owner has as many running as allowed */
    uint64_t hosts;     /* known at all */
    uint64_t down;      /* no valid sample, or no driver for it */
    uint64_t drained;
    uint64_t no_credential; /* acts only in the owner's name, whose credential is not valid */
    uint64_t no_bare;       /* its execution driver starts no program without a wrapper */
    uint64_t no_lrms;       /* reports no LRMS_NAME, so nothing can be run there */
    uint64_t no_vm;         /* needs VMs, host has no hypervisor */
    uint64_t too_small;     /* never has NP slots, CPUs or memory for the VMs */
    uint64_t resting;       /* satisfies everything, failed the owner's tasks lately */
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

/* A queue of a host that a class may use, whether it is full or not. */
struct match_place {
    struct host *host;
    size_t queue;
    double rank;
};

#endif
