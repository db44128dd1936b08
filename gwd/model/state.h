/* The state of the daemon: what folding all events gives. Pure. */
#ifndef GWD_MODEL_STATE_H
#define GWD_MODEL_STATE_H

#include "gwd/model/event.h"
#include "gwd/model/job.h"

struct array_record {
    uint64_t array_id;
    struct job *job;
    UT_hash_handle hh;
};

struct user_record {
    char *name;
    uint32_t number;         /* from 1 */
    uint64_t tasks;          /* his in the state; */
    uint64_t unfinished;     /* of these, not DONE or FAILED */
    uint64_t template_bytes; /* jobspec_bytes() of what his jobs share */
    UT_hash_handle hh;
};

struct site_record {
    char *host;
    bool is_drained;
    UT_hash_handle hh;
};

/* A place that a job class keeps while it lives, so that others can keep what belongs to it in
 * arrays. */
struct class_slot {
    struct job_class *class; /* NULL: free */
    bool is_changed;         /* listed in `changed` */
};

/* A task in back-off; one that means nothing any more is dropped when its time comes. */
struct wake {
    int64_t at_us;
    uint64_t job, task;
};

/* What has changed since its row was written, in the order of its first change: gwd/model/rows.h.
 */
struct row_list {
    uint64_t *items;
    size_t at, n, cap; /* items[at .. n-1] are there */
};
struct row_changes {
    bool are_tracked;
    uint64_t done, round; /* rows are complete up to this event; will be (0: no round) */
    size_t n_round;       /* marked.items before this one belong to the round under way */
    struct row_list marked, gone, gone_specs;
};

/* Epochs are times in milliseconds, and by chance so far ahead of the clock. */
enum { EPOCH_CHANCE_MS = 1 << 20 };

struct state {
    char *instance; /* UUID of this state; NULL in an empty state */
    uint64_t epoch; /* of this run of a daemon: part of the tokens of the attempts it starts */
    uint64_t epoch_before; /* not stored: of the run before this one; 0: there was none */
    uint64_t fence;        /* of this copy of the state: leases are renewed with it */
    uint64_t seq;          /* of the last event applied */
    uint64_t next_job, next_array;
    bool is_paused;
    bool is_loading;      /* inside a checkpoint */
    uint64_t ck_next_job; /* what its head says; valid while loading */

    /* Jobs by id: parallel vectors sorted by first id; a forgotten job leaves NULL until
     * compaction. */
    uint64_t *job_first;
    struct job **jobs;
    uint32_t *job_user; /* state_user() of its owner; 0: forgotten */
    size_t n_jobs, cap_jobs, n_dead;

    uint64_t n_tasks[PHASE_COUNT]; /* of all jobs */
    struct {
        struct job_spec **chains; /* by hash; a power of two of them, or none */
        struct job_spec *last;    /* found: the next submission is likely to be equal */
        size_t n, n_chains;
    } specs;
    struct job_class *classes;   /* hash by key */
    struct credential_use *uses; /* hash by key */
    uint64_t next_class;
    struct class_slot *class_slots;
    uint32_t n_slots, *free_slots, n_free_slots;
    /* Slots whose class came, went, or has another first job, each once: the scheduler takes them
     * out (state_take_changed()). */
    uint32_t *changed, n_changed, cap_slots;
    struct wake *wakes; /* a heap */
    size_t n_wakes, cap_wakes;
    struct {
        struct job **slots; /* open addressing by submission key */
        size_t n, n_slots;
    } keys;
    struct array_record *arrays;  /* hash by array id */
    struct user_record *users;    /* hash by name; users are few and stay */
    struct attempt_place *places; /* hash by key */
    struct attempt_place *last_place;
    struct site_record *sites; /* hash by host */
    uint64_t next_spec;
    struct row_changes rows;
    struct row_loading *loading; /* while rows are loaded: gwd/model/rows.c */
};

void state_init(struct state *s);
void state_clear(struct state *s);

/* Change the state by one event, in the only way that this event can change it. A malformed or
 * impossible event is refused with -GW_ECORRUPT and changes nothing. Sets s->seq to ev->seq when
 * that is not 0. */
int state_apply(struct state *s, const struct event *ev, struct gw_err *err);

struct job *state_job(const struct state *s, uint64_t first_id); /* the record with this first id */
struct job *state_job_of(const struct state *s,
                         uint64_t id); /* the record that holds task id `id` */
struct job *state_job_by_key(const struct state *s, const char *key);
struct job *state_array(const struct state *s, uint64_t array_id);
bool state_site_is_drained(const struct state *s, const char *host);

/* Tasks whose back-off ends by then are ready. Not stored: a state that was loaded has all of them
 * waiting. Nobody waits for longer than `longest_us`: who seems to, waits because the wall clock
 * was put back, and is ready too. Returns when the next one is due, INT64_MAX: none is. */
int64_t state_wake(struct state *s, int64_t now_us, int64_t longest_us);

/* A slot out of the list of those that changed; false when it is empty. */
bool state_take_changed(struct state *s, uint32_t *ret_slot);

/* List all classes as changed: for a scheduler that is made when the state has a history. */
void state_mark_classes(struct state *s);

/* Over all jobs by id: start with *it = 0, or, for those with a task beyond `id`, with
 * state_seek_job; NULL at the end. */
size_t state_seek_job(const struct state *s, uint64_t id);
struct job *state_next_job(const struct state *s, size_t *it);

/* A user's number, 0: he never had a job; and over his jobs by id, as above. A scan of four bytes a
 * job. */
uint32_t state_user(const struct state *s, const char *name);
/* Tasks of this owner (NULL: of anybody) in the name of this credential that are not DONE or
 * FAILED.
 */
uint64_t state_credential_use(const struct state *s, const uint64_t *uid, const char *path);
const struct user_record *state_user_record(const struct state *s, const char *name); /* or NULL */
struct job *state_next_job_of(const struct state *s, uint32_t user, size_t *it);

#endif
