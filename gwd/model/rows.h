/* The state as rows, so that a checkpoint writes what has changed and never the whole.
 *
 * A job is a row under the key 2 x id, with its task if it has but one; each task of an array that
 * has a struct is a row under 2 x id of the task + 1; what equal submissions share is a row of its
 * own. A row is a list of events (EV_CK_*). In the order of their keys a job comes before its tasks
 * and jobs rise by id.
 *
 * Rows are written in rounds, a few at a time, while events go on. A round begins at an event S,
 * with a head of the state as it is then; when all that had changed up to S is written, the head
 * is, and from then on the events up to S are not needed any more. A row written meanwhile may be
 * newer than S: it says up to which event it is true, and rows_replay() passes over those it knows.
 * So it does not matter after which row a crash cuts a round off: the head and the events after it
 * are those of the round before. Two things follow from this:
 *   - What happens to all tasks of an array at once changes those that have no struct and no row.
 * An array's row is therefore never newer than the head: it has both what was true at the head
 *     before and what is at its own.
 *   - The row of a job that was forgotten after S may be missing. Its events are passed over; that
 *     it is forgotten in the end is checked. */
#ifndef GWD_MODEL_ROWS_H
#define GWD_MODEL_ROWS_H

#include "gwd/model/state.h"

/* Note what changes from now on; all that is there is taken for changed. */
void rows_track(struct state *s);

/* Begin a round at the state's last event; its head is appended to `head`. */
void rows_round_begin(struct state *s, struct buf *head);

enum row_kind {
    ROW_SPEC,     /* write a spec's row under `key` */
    ROW_PUT,      /* write the row under `key` */
    ROW_DROP,     /* remove all rows from `key` to `end`, which is not one of them */
    ROW_DROP_SPEC /* remove the spec's row under `key` */
};
struct row {
    enum row_kind kind;
    uint64_t key, end;
    bool is_new; /* there is none under this key yet */
};

/* What is to be written next in this round, in this order; its data is appended to `data`. False:
 * nothing, the round may end. */
bool rows_next(struct state *s, struct row *ret, struct buf *data);

/* The head of this round is written. */
void rows_round_end(struct state *s);

/* Loading into an empty state: the head, then specs by key, then rows by key, then the events after
 * the head, then the end, which verifies. After a failure the state is only good for
 * state_clear(). The changes are tracked afterwards. */
int rows_load_head(struct state *s, const void *data, size_t len, struct gw_err *err);
int rows_load_spec(struct state *s, uint64_t key, const void *data, size_t len, struct gw_err *err);
int rows_load(struct state *s, uint64_t key, const void *data, size_t len, struct gw_err *err);
int rows_replay(struct state *s, const struct event *ev, struct gw_err *err);
int rows_load_end(struct state *s, struct gw_err *err);

/* The rows of a finished job, for the archive; its spec gets the number `spec`. They are loaded as
 * any others, without an end. */
void rows_encode_spec(const struct job_spec *spec, uint64_t number, struct buf *out);
void rows_encode_job(const struct job *j, uint64_t spec, struct buf *out); /* with its only task */
void rows_encode_task(const struct job *j, const struct task *t, struct buf *out);

#endif
