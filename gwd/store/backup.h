/* Copies of a store: made while a daemon uses it, put back when none does, and looked at.
 *
 * A backup is a directory with state.db and archive.db, each one file, complete and verified or not
 * there at all. It holds all that was acknowledged before it began. */
#ifndef GWD_STORE_BACKUP_H
#define GWD_STORE_BACKUP_H

#include "gwd/store/store.h"

#include <stdint.h>

struct store_summary {
    int format;
    char instance[40]; /* "" in a state that was never used */
    uint64_t epoch, events, jobs, tasks_unfinished, archived;
    bool has_archive, is_in_use;
};

/* Called now and then with how much of what is done. */
typedef void store_progress(void *ctx, const char *what, uint64_t done, uint64_t total);

/* Verify a state directory, also one in use, or (is_backup) a backup; nothing is changed.
 * -GW_ECORRUPT says what is wrong. */
int store_check(const char *dir, bool is_backup, store_progress *progress, void *ctx,
                struct store_summary *ret, struct gw_err *err);

/* Make the backup `to`, which must not exist. */
int store_backup(const char *dir, const char *to, store_progress *progress, void *ctx,
                 struct store_summary *ret, struct gw_err *err);

/* Put a copy of `from` (a backup, a copy of a state directory, or `dir` itself) in the place of the
 * state in `dir`, which is moved to a directory there, *ret_aside (malloc'ed; NULL: there was
 * none). Its epoch and fence are later than all that is known of, and than all that a run until
 * now_us may have had. -GW_EEXIST: a gwd runs there. After a failure or an interruption the state
 * is what it was; or its copy is whole and partly in its place: then no daemon starts, nothing else
 * reads it, and any call for this `dir` first brings that to its end. With `from` = `dir` there is
 * then nothing more to do. */
int store_restore(const char *dir, const char *from, int64_t now_us, store_progress *progress,
                  void *ctx, struct store_summary *ret, char **ret_aside, struct gw_err *err);

#endif
