/* The state on disk: one SQLite file with the journal and the last checkpoint, one with the archive
 * of what is finished, and the lock that lets one gwd use them.
 *
 *   state.db    journal(seq, n, data)   one row a turn: its events seq .. seq+n-1
 *               row(key, data)          the checkpoint: jobs and tasks, see gwd/model/rows.h
 *               spec(id, data)          what equal submissions share
 *               meta(key, value)        format; the checkpoint's head, number and sum of its rows
 *   state.mark  the last event acknowledged, the last batch of the archive, which file state.db
 *               is; so a state that is older, or not whole, is told from one that is not
 *   archive.db  job, job_task, spec     finished jobs in the same form
 *               batch                   which of them came together, and when
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

/* After store_load: its files were put there by somebody else, from wherever and whenever. */
bool store_was_copied(const struct store *s);

/* Append one turn: n encoded events (event_encode) with the numbers first_seq .. first_seq+n-1.
 * After store_load. -GW_ENOSPC: there is no space, nothing has changed, and it may be tried again;
 * after any other failure the store is only good for store_close(). */
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

/* The archive of finished jobs, written by a thread of the store's: put jobs into a batch, hand it
 * over, and when it is done and its result good, they are on disk. A second time changes nothing.
 *
 * store_archive_put: some of a final job's tasks (start with *it = 0); true when it is whole, else
 * the batch is full. */
bool store_archive_put(struct store *s, const struct job *j, size_t *it);
bool store_archive_is_full(const struct store *s);
/* Write the batch, and drop some of what is there for too long. Of an empty one nothing is written,
 * and some of what is free goes back to the file system. `done` is called on the store's thread.
 * Not while one is written. at_us: of a clock that nobody sets, and never less than that of a batch
 * before. */
void store_archive_write(struct store *s, int64_t at_us, void (*done)(void *ctx), void *ctx);
bool store_archive_is_busy(struct store *s);
int store_archive_result(struct store *s, struct gw_err *err); /* of the last one */
/* After one that was good: from when on there is more to drop, and an empty one to be written;
 * INT64_MAX: nothing. */
int64_t store_archive_next_us(struct store *s);
void store_archive_quiet(struct store *s); /* `done` is not called any more */

/* How long a job stays there, by the clock of store_archive_write; 0: for ever. */
void store_archive_retain(struct store *s, int64_t retention_us);
/* When the last batch was written; 0: there is none. After store_load. */
int store_archive_newest(struct store *s, int64_t *ret_us, struct gw_err *err);

/* What is archived under a task's id. 1: *ret is its job, with this task of an array, lent until
 * the next call; 0: there is none. Tasks of one job in a row cost little. */
int store_find_archived(struct store *s, uint64_t id, struct job **ret, struct gw_err *err);

/* 1 and whose it is, without looking further into it; 0: there is none. */
int store_find_archived_owner(struct store *s, uint64_t id, uint64_t *ret_uid, struct gw_err *err);

/* The same of what earlier versions have archived: JSON texts as clients saw them (malloc'ed). */
int store_find_archived_text(struct store *s, uint64_t id, char **ret_job_json,
                             char **ret_history_json, struct gw_err *err);

#endif
