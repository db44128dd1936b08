/* The few ways in which fold.c and checkpoint.c change the indexes of a state. Nobody else includes
 * this. */
#ifndef GWD_MODEL_STATE_PRIVATE_H
#define GWD_MODEL_STATE_PRIVATE_H

#include "gwd/model/state.h"

/* A task's new struct goes into its job; all of them leave it (their memory is the caller's). */
void job_add_task(struct job *j, struct task *t);
void job_drop_tasks(struct job *j);

void state_add_job(struct state *s, struct job *j); /* its id is greater than all before */
void state_remove_job(struct state *s, struct job *j);
void state_requeue(struct state *s, struct job *j); /* put into or take out of its class's queue, as
                                                      it is ready or not */
/* Slots of classes. */
void state_add_class(struct state *s, struct job_class *c);
void state_remove_class(struct state *s, struct job_class *c);

/* The task is not ready before that time; 0: at once. state_set() comes after it. */
void state_delay(struct state *s, const struct job *j, struct task *t, int64_t not_before_us);

/* The task's own struct, made when it was like the rest. */
struct task *state_touch(struct state *s, struct job *j, uint64_t index);

/* Change phase and wish, and all that is counted or listed by them. */
void state_set(struct state *s, struct job *j, struct task *t, enum phase phase, enum wish wish);

/* Apply one checkpoint event (EV_CK_*). */
int checkpoint_apply(struct state *s, const struct event *ev, struct gw_err *err);

/* Make a job of a submission or checkpoint event, not yet in the indexes. */
int job_of_event(struct state *s, const struct event *ev, struct job **ret, struct gw_err *err);

/* A new last attempt of `t` at the place that the event names. */
struct attempt *attempt_of_event(struct state *s, struct task *t, const struct event *ev);

/* The record of a user, made when he is new; it stays. */
struct user_record *state_take_user(struct state *s, const char *name);

/* `n` of the job's tasks are in a phase that were in another. */
void state_count(struct state *s, const struct job *j, uint64_t n, enum phase from, enum phase to);

/* Interned: one reference is the caller's. */
struct attempt_place *place_take(struct state *s, const struct event *ev);
void place_release(struct state *s, struct attempt_place *p);

/* While a state is loaded from rows. */
struct row_loading {
    struct {
        uint64_t id;
        struct job_spec *spec;
    } * specs; /* by id */
    size_t n_specs;
    uint64_t rows_end;  /* jobs from here on have no row */
    uint64_t last_left; /* a forgotten array of which tasks' rows are left; 0: none yet */
    struct row_phantom {
        uint64_t job;
        UT_hash_handle hh;
    } * phantoms;                  /* jobs with events and without a row, not yet forgotten */
    size_t n_doubles;              /* keys of two jobs, of which one is forgotten later */
    bool is_in_rows, is_replaying; /* in a row; in the events after them */
};

/* Note for the next checkpoint that an event has changed a job, or one task of it. */
void rows_changed(struct state *s, struct job *j, struct task *t, const struct event *ev);
/* The same for all tasks of an array at once: first what they had in common, then the change. */
void rows_before_all(struct state *s, struct job *j);
void rows_after_all(struct state *s, struct job *j, const struct event *ev);
void rows_forget(struct state *s, const struct job *j); /* it leaves the state */
void rows_forget_spec(struct state *s, const struct job_spec *spec);
void rows_clear(struct state *s);
struct job_spec *rows_spec(const struct state *s, uint64_t id); /* while loading; or NULL */
int rows_apply_spec(struct state *s, const struct event *ev, struct gw_err *err);
int rows_apply_all(struct state *s, const struct event *ev, struct gw_err *err);

/* A task and its attempts as events (EV_CK_TASK ...) that make it again in a job without it. */
typedef void checkpoint_emit(void *ctx, const struct event *ev);
void checkpoint_dump_task(const struct job *j, const struct task *t, checkpoint_emit *emit,
                          void *ctx);
void checkpoint_dump_rest(const struct job *j, const struct task *t, checkpoint_emit *emit,
                          void *ctx);
void checkpoint_dump_head(const struct state *s, checkpoint_emit *emit, void *ctx);
void checkpoint_dump_sites(const struct state *s, checkpoint_emit *emit, void *ctx);

/* Jobs by submission key. */
struct job *keys_find(const struct state *s, const char *key);
void keys_add(struct state *s, struct job *j);
void keys_remove(struct state *s, struct job *j);

#endif
