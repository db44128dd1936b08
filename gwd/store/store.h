/* The state on disk: one SQLite file with the journal and the last checkpoint, one with the archive
 * of what is finished, and the lock that lets one gwd use them.
 *
 *   state.db    journal(seq, n, data)   one row a turn: its events seq .. seq+n-1
 *               row(key, data)          the checkpoint: jobs and tasks, see gwd/model/rows.h
 *               spec(id, data)          what equal submissions share
 *               meta(key, value)        format version; the checkpoint's head, how many rows it has
 *   archive.db  task(id, ...)           a row per finished task, with its attempts
 *   gwd.lock    held by flock for the life of the process: gone with it, however it ends
 *
 * Every blob ends in a CRC over its number and content. WAL, synchronous=FULL: when store_append
 * returns 0 the turn is on disk. A failed append or sync is the end of the daemon: go down, come
 * up, replay. */
#ifndef GWD_STORE_STORE_H
#define GWD_STORE_STORE_H

#include "gwd/model/state.h"
#include "lib/buf.h"

struct store;

/* Open or make the store in `dir` (must exist). -GW_EEXIST: another gwd runs there (its pid is in
 * the text); -GW_ECORRUPT: the files are not ours, or of a later version. */
int store_open(const char *dir, struct store **ret, struct gw_err *err);
void store_close(struct store *s);

/* Fold checkpoint and journal into an empty state. Nothing stored: state->instance stays NULL.
 * -GW_ECORRUPT names the row and what is wrong with it; the files are left as they are. */
int store_load(struct store *s, struct state *state, struct gw_err *err);

/* Append one turn: n encoded events (event_encode) with the numbers first_seq .. first_seq+n-1. */
int store_append(struct store *s, uint64_t first_seq, uint64_t n, const struct buf *events,
                 struct gw_err *err);

/* Write a checkpoint of all that changed since the last one and drop the journal before it, but for
 * the last `keep` events. All events of the state are appended. */
int store_checkpoint(struct store *s, struct state *state, uint64_t keep, struct gw_err *err);

/* The same in slices of a millisecond or two, one a call, to be called after each turn: it begins
 * when the journal has grown by `every` rows (turns), or ten times as many events. */
int store_checkpoint_some(struct store *s, struct state *state, uint64_t every, uint64_t keep,
                          struct gw_err *err);
uint64_t store_journal_rows(const struct store *s); /* since the last checkpoint */

/* The kept events from `from` on, oldest first; `each` returns false to stop. -GW_ENOENT:
 * *ret_oldest is the first one that is still there. */
int store_read(struct store *s, uint64_t from, bool (*each)(void *ctx, const struct event *ev),
               void *ctx, uint64_t *ret_oldest, struct gw_err *err);

/* Archive a finished task with its attempts; a second time it changes nothing. `row` is JSON text
 * of the task and its history as clients see them. */
int store_archive(struct store *s, uint64_t id, uint64_t uid, const char *user, int64_t ended_us,
                  const char *job_json, const char *history_json, struct gw_err *err);

/* What is archived under an id. 1: found (both malloc'ed), 0: not. */
int store_find_archived(struct store *s, uint64_t id, char **ret_job_json, char **ret_history_json,
                        struct gw_err *err);

#endif
