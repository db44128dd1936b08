/* Copy one regular file on this machine: holes stay holes, blocks are shared where the file system
 * can, and the destination appears whole and durable or not at all. */
#ifndef TM_COPY_H
#define TM_COPY_H

#include "tm/place.h"

#include <stdatomic.h>
#include <stddef.h>

/* Take note of the umask, before threads begin: it can only be read by changing it. */
void copy_init(void);

/* What a copy and who asked for it tell each other meanwhile. */
struct copy_watch {
    const atomic_bool *is_cancelled;     /* looked at every 8 MiB at least: -GW_ESTATE */
    atomic_uint_fast64_t *moved, *total; /* bytes, told as often; NULL: nobody asks */
};

/* Copy into a temporary ".gw_part_*" beside `to`, sync, rename. `is_executable` adds x where there
 * is r. A temporary that a killed copy to the same name left is used again. *ret_is_source says
 * whose fault an error is. */
int copy_file(const struct place *from, const struct place *to, bool is_executable,
              const struct copy_watch *watch, bool *ret_is_source, struct gw_err *err);

/* All of that but the sync and the rename: what has come is in *ret, for part_publish with
 * *ret_mode. */
struct part;
int copy_prepare(const struct place *from, const struct place *to, bool is_executable,
                 const struct copy_watch *watch, bool *ret_is_source, struct part *ret,
                 mode_t *ret_mode, struct gw_err *err);

/* The mode of a copy of a file of this mode. */
mode_t copy_mode(mode_t mode, bool is_executable);

/* Append bytes [offset, size) of `fd`, at most `max`, to `to_fd`. Returns 0 or -errno, *ret_n in
 * any case. */
int copy_tail(int fd, int to_fd, off_t offset, size_t max, size_t *ret_n);

#endif
