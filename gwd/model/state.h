/* The state of the daemon: what folding all events gives. Pure. */
#ifndef GWD_MODEL_STATE_H
#define GWD_MODEL_STATE_H

#include "gwd/model/event.h"
#include "gwd/model/job.h"

struct site_record {
    char *host;
    bool is_drained;
    UT_hash_handle hh;
};

struct state {
    char *instance; /* UUID of this state; NULL in an empty state */
    uint64_t epoch;
    uint64_t seq; /* of the last event applied */
    uint64_t next_job, next_array;
    bool is_paused;
    bool is_loading;      /* inside a checkpoint */
    uint64_t ck_next_job; /* what its head says; valid while loading */

    /* Jobs by id: parallel vectors sorted by first id; a forgotten job leaves NULL until
     * compaction. */
    uint64_t *job_first;
    struct job **jobs;
    size_t n_jobs, cap_jobs, n_dead;

    uint64_t n_tasks[PHASE_COUNT]; /* of all jobs */
    struct job_spec *specs;        /* hash by key */
    struct job_class *classes;     /* hash by key */
    uint64_t next_class;
    struct job *by_key;        /* hash of jobs by submission key */
    struct site_record *sites; /* hash by host */
};

void state_init(struct state *s);
void state_clear(struct state *s);

/* Change the state by one event, in the only way that this event can change it. A malformed or
 * impossible event is refused with -GW_ECORRUPT and changes nothing. Sets s->seq to ev->seq when
 * that is not 0. */
int state_apply(struct state *s, const struct event *ev, struct gw_err *err);

/* Write the state as checkpoint events, of which a fold of an empty state makes an equal one. */
void state_dump(const struct state *s, void (*emit)(void *ctx, const struct event *ev), void *ctx);

struct job *state_job(const struct state *s, uint64_t first_id); /* the record with this first id */
struct job *state_job_of(const struct state *s,
                         uint64_t id); /* the record that holds task id `id` */
struct job *state_job_by_key(const struct state *s, const char *key);
struct job *state_array(const struct state *s, uint64_t array_id);
bool state_site_is_drained(const struct state *s, const char *host);

/* Over all jobs by id: start with *it = 0; NULL at the end. */
struct job *state_next_job(const struct state *s, size_t *it);

#endif
