/* Inside of the scheduler. Only gwd/sched includes this.
 *
 * Lanes: what is known of a class, by its slot in the state. Hosts: by id. Cells: one byte for each
 * lane and host, the verdict. Open hosts have a slot free and are in a list in the order in which
 * they last opened; each time gives a host a new stamp. A lane has looked at all open hosts up to
 * its own stamp, and a blocked one matches none of them: so only hosts that opened since ("fresh")
 * are offered to blocked lanes. */
#ifndef GWD_SCHED_SCHED_PRIVATE_H
#define GWD_SCHED_SCHED_PRIVATE_H

#include "gwd/sched/sched.h"
#include "spec/expr.h"

enum {
    BLOCK_SLOTS = 64,   /* lanes whose cells lie together */
    TILE_HOSTS = 64,    /* hosts that are evaluated for all lanes before the next ones */
    SPOTS_MAX = 64,     /* best places that a lane remembers */
    FRESH_MAX = 32,     /* fresh hosts that are offered to blocked lanes one by one */
    NAMES_MAX = 512,    /* attributes that are kept by number */
    RANKINGS_MAX = 64,  /* ranks that are remembered for each host */
    KEPT_MAX = 1 << 20, /* spots that lanes without a ready job may remember, all together */
    START_COST = 500,   /* in evaluations */
    LANE_COST = 100,    /* of a class that appears */
};
#define SLOT_NONE UINT32_MAX

/* A cell: matches, or what removed the host. */
enum verdict {
    FITS,
    IS_DOWN,
    IS_DRAINED,
    NO_CREDENTIAL,
    NO_BARE,
    NO_LRMS,
    NO_VM,
    TOO_SMALL,
    RESTS,     /* and would match otherwise */
    UNMATCHED, /* the first conjunct; the next ones follow, the last stands for the rest */
    VERDICT_MAX = 255
};

enum lane_state {
    LANE_NONE,    /* no class has this slot */
    LANE_NEW,     /* not evaluated on all hosts yet */
    LANE_IDLE,    /* no task is ready */
    LANE_LIVE,    /* may match an open host: in the heap */
    LANE_BLOCKED, /* matches no open host up to its stamp */
    LANE_LIMITED, /* its owner has as many running as allowed */
};

/* A place that a lane found, with what it knew then. */
struct spot {
    double rank;
    uint64_t stamp; /* of the host; another one now: the spot means nothing */
    uint32_t host, queue, n_free;
};

/* What a RANK gave at hosts with one queue; shared by all classes with this text. */
struct ranking {
    char *text;
    double *values; /* by host; NAN: not evaluated */
    uint32_t n_values;
    unsigned refs; /* 0: free */
};

struct lane {
    const struct job_class *class;
    uint64_t class_id;
    enum lane_state state;
    bool is_todo;
    bool has_credential;
    bool has_numbers;    /* for all names of the requirements */
    bool is_truncated;   /* places were left out, the best of them best_left_out */
    uint32_t heap_at;    /* while LIVE */
    uint32_t n_known;    /* hosts below that id have a cell */
    uint32_t n_verdicts; /* length of n_hosts */
    uint32_t cost;       /* of one evaluation */
    uint64_t stamp;
    uint32_t *numbers;       /* of the names in the requirements, then of those in the rank */
    uint32_t *n_hosts;       /* by verdict */
    struct ranking *ranking; /* or NULL */
    struct spot *spots;      /* the best one is the last */
    uint32_t n_spots, cap_spots;
    struct spot best_left_out;
};

/* What a scan of the open hosts reads comes first. */
struct sched_host {
    struct sched_host *prev, *next; /* while open */
    uint64_t stamp;
    uint32_t id, n_queues;
    uint32_t n_free; /* slots of the queue that has the most */
    bool is_open, is_fresh, is_todo, is_throttled, has_facts;
    bool has_lrms, has_vm;
    uint8_t removed; /* FITS, IS_DOWN or IS_DRAINED: for all classes */
    uint64_t memory_mib, cpus;
    struct host *host;
    struct value *values; /* by queue, then by number of the name */
    uint32_t n_values, cap_values;
    unsigned offers;
    uint32_t row_done;     /* while to do: lanes below have their new verdict */
    uint64_t pass, n_pass; /* started there in that pass */
};

/* What orders lanes: their first job. */
struct lane_key {
    int64_t priority;
    uint64_t job;
};

struct name {
    char *text;
    uint32_t number;
    UT_hash_handle hh;
};

/* A user whose attempt ended while lanes of his waited for that. */
struct freed_user {
    uint64_t uid;
    uint32_t woken; /* the lane whose turn he waits for, or SLOT_NONE */
};

struct list_u32 {
    uint32_t *items;
    size_t n, cap;
};

struct sched {
    struct sched_env env;
    struct lane *lanes;
    struct lane_key *keys; /* by slot; valid while a job is ready */
    uint8_t *is_busy;      /* by slot: 0 for blocked lanes; a multiple of 8 long */
    uint32_t n_slots, cap_slots;
    uint32_t n_blocked, n_limited;
    uint8_t **blocks; /* cells of BLOCK_SLOTS lanes: [host][slot] */
    uint32_t n_blocks;
    struct sched_host **hosts;
    uint32_t n_hosts, cap_hosts, n_to_owner;
    uint32_t n_known; /* no lane has a cell for a host from this id on */
    struct sched_host *open_first, *open_last;
    uint64_t stamp;
    struct list_u32 rows, columns; /* to be evaluated: hosts, lanes */
    size_t column_at;              /* all before are known up to column_end */
    uint32_t column_end;
    bool are_columns_todo; /* all of them are listed */
    struct list_u32 fresh, throttled;
    bool is_flooded; /* too many are fresh: all blocked lanes look for themselves */
    uint32_t flood_at, credentials_at; /* lanes from this one on are still to be woken, asked */
    struct list_u32 heap;
    size_t n_kept;  /* room for spots in all lanes */
    uint32_t woken; /* the lane whose turn fresh hosts wait for, or SLOT_NONE */
    struct freed_user *freed_users;
    size_t n_freed_users, cap_freed_users;
    struct name *names; /* hash by text */
    struct name *by_number[NAMES_MAX];
    uint32_t n_names;
    struct ranking rankings[RANKINGS_MAX];
    struct match_limits limits;
    uint64_t pass, n_taken;
    int64_t budget, now_us;
    bool is_cut;
    struct match_why *why; /* the one lent last */
};

/* sched.c */
void list_add(struct list_u32 *list, uint32_t item);

/* facts.c: what is known of a host, and the verdict on a class there */
void facts_forget(struct sched *s, struct sched_host *h);
void facts_learn(struct sched *s, struct sched_host *h);
void facts_clear(struct sched *s);
/* Of its names; malloc'ed. *ret_has_all: those of the requirements all have a value at hosts. */
uint32_t *facts_numbers(struct sched *s, const struct job_class *c, bool *ret_has_all);
uint8_t facts_verdict(struct sched *s, const struct lane *l, struct sched_host *h);
/* Does the queue match, and how well? Of a host whose verdict is FITS. */
bool facts_queue(struct sched *s, const struct lane *l, struct sched_host *h, size_t queue,
                 double *ret_rank);
uint32_t facts_free(const struct sched_host *h, size_t queue);
uint32_t facts_most_free(const struct sched_host *h);
struct ranking *facts_ranking(struct sched *s, const struct job_class *c); /* or NULL */
void facts_release(struct ranking *r);
bool facts_has_room(const struct job_class *c, const struct sched_host *h); /* for one VM more */

/* cells.c: the verdicts on all classes and hosts */
bool cells_has(const struct sched *s, uint32_t slot);
uint8_t cells_get(const struct sched *s, uint32_t slot, uint32_t host);
void cells_add_host(struct sched *s);
void cells_add_lane(struct sched *s, uint32_t slot);
void cells_redo_lane(struct sched *s, uint32_t slot);
void cells_redo_host(struct sched *s, uint32_t host);
bool cells_work(struct sched *s); /* false: the budget is spent */
void cells_clear(struct sched *s);

/* lanes.c: lanes by what they wait for */
bool key_goes_before(const struct lane_key *a, const struct lane_key *b);
bool lanes_take_changes(struct sched *s); /* false: the budget is spent */
void lane_set(struct sched *s, uint32_t slot, enum lane_state state);
/* Fresh hosts, or its owner, need not wait for its turn any longer. */
void lane_let_go(struct sched *s, uint32_t slot);
void lane_activate(struct sched *s, uint32_t slot); /* its cells are complete */
void lanes_clear(struct sched *s);

/* spots.c: the places of a lane */
void spots_release(struct sched *s, struct lane *l); /* the memory of what is not remembered */
void spots_forget(struct sched *s, struct lane *l);  /* look at all open hosts again */
bool spots_look(struct sched *s, uint32_t slot); /* at what opened; false: the budget is spent */
enum spot_answer { SPOT_NONE, SPOT_FOUND, SPOT_LATER }; /* later: the budget is spent */
enum spot_answer spots_best(struct sched *s, uint32_t slot, const struct job *j, uint64_t task,
                            struct spot *ret);

/* open.c: open hosts, and who may want a fresh one */
void host_open(struct sched *s, struct sched_host *h); /* when it may be */
void host_close(struct sched *s, struct sched_host *h);
uint32_t fresh_best(struct sched *s); /* the first blocked lane that a fresh host may serve */

#endif
