/* The seed disk: what goes into the guest, as an ISO 9660 file system (Rock Ridge and Joliet) with
 * the label `cidata`, where cloud-init's NoCloud source and our own image look for it. */
#ifndef VM_SEED_H
#define VM_SEED_H

#include "lib/err.h"

#include <stdbool.h>
#include <stddef.h>

/* One file: its content is `data`, or when that is NULL the regular file `path`. Directories of
 * `name` are made. */
struct seed_file {
    const char *name; /* on the disk: relative, without . and .. */
    const void *data;
    size_t len;
    const char *path;
    bool is_executable; /* of `data`; a file keeps its own x bits */
};

/* Make the disk at `out`, which must not exist. Needs about the files' size of temporary space in
 * TMPDIR. On failure nothing is left there. */
int seed_write(const char *out, const struct seed_file *files, size_t n, struct gw_err *err);

#endif
