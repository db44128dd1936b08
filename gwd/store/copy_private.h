/* Shared by backup.c and restore.c. */
#ifndef GWD_STORE_COPY_PRIVATE_H
#define GWD_STORE_COPY_PRIVATE_H

#include "gwd/store/backup.h"
#include "gwd/store/store_private.h"

/* Into a file that is not there yet; synced. */
int copy_database(const char *from_path, const char *to_path, store_progress *progress, void *ctx,
                  struct gw_err *err);
int sync_path(const char *path, struct gw_err *err);
int check_archive(const char *path, uint64_t *ret_jobs, struct gw_err *err);

/* Read a state directory without its lock and without changing it; no mark is asked for when
 * is_backup. The files that are to be read from `dir`, as one state. */
int read_state(const char *dir, bool is_backup, struct store_summary *ret, struct gw_err *err);

#endif
