/* Whole files, durably. A name in a message is always the full name that was asked for. */
#ifndef LIB_FILE_H
#define LIB_FILE_H

#include "lib/buf.h"
#include "lib/err.h"

#include <sys/types.h>

/* Append a whole regular file of at most `max` bytes to `b`. -GW_ENOENT, -GW_ENOSPC (too large),
 * ... */
int file_read(const char *path, size_t max, struct buf *b, struct gw_err *err);

/* The same of a file that decides what is done in our name: it has to be ours or root's, and nobody
 * else's to write. -GW_EPERM: it is not. */
int file_read_trusted(const char *path, size_t max, struct buf *b, struct gw_err *err);

/* Make or replace `path` at once: a reader sees the old file or the whole new one, also after a
 * power cut (temporary file beside it, fsync, rename, fsync of the directory). */
int file_write(const char *path, const void *data, size_t len, mode_t mode, struct gw_err *err);

/* A new empty file, to be written; whatever has that name (a link, a pipe, a directory that a
 * payload left there) is removed, not opened. A descriptor or -errno. */
int file_make(int dir, const char *name, mode_t mode);

/* mkdir -p: make `path` and its parents; those that exist are left as they are. */
int file_mkdirs(const char *path, mode_t mode, struct gw_err *err);

/* A directory that holds secrets: made with mode 700; one that is there must be ours or root's, and
 * nobody else's to write to, which is seen to where it is ours. -GW_EPERM: it is another's. */
int file_own_dir(const char *path, struct gw_err *err);

/* Remove a file or a whole tree without following a symbolic link; what is not there is success. */
int file_remove_tree(const char *path, struct gw_err *err);

/* write(2) until all is written; 0 or -errno. */
int file_write_all(int fd, const void *data, size_t len);

#endif
