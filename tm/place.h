/* Where a file: URL points on this machine, opened so that nobody can lead us elsewhere.
 *
 * A path is walked name by name. Up to the job directory symbolic links are followed: the account's
 * owner made them. From the first name that begins with ".gw_" on they are refused, for there a
 * payload writes; in ".gw_cache" links between entries are followed as long as they stay in their
 * directory (docs/jobdir.md, The image cache). ".." is refused everywhere. */
#ifndef TM_PLACE_H
#define TM_PLACE_H

#include "lib/err.h"

#include <stdbool.h>
#include <sys/stat.h>

enum place_zone { ZONE_OUTSIDE, ZONE_JOB, ZONE_CACHE };

struct place {
    int dirfd;            /* O_PATH: the directory that holds the last name */
    char *name;           /* never "", "." or ".." */
    char *path;           /* the whole, for messages */
    enum place_zone zone; /* of the last name */
};

/* The absolute path of "file://[HOST]/PATH": HOST is empty, localhost or this machine; "/~/" is the
 * account's home. Without ".." and without empty names. -GW_EINVAL: a URL that is not served here.
 */
int place_path(const char *url, char **ret_path, struct gw_err *err);

enum place_parents {
    PARENTS_THERE,  /* one that is missing is -GW_ENOENT */
    PARENTS_MADE,   /* those that are missing are made, and made durable */
    PARENTS_UNSYNC, /* made; the caller brings them to disk */
};

/* Open the parent of `path` (from place_path). Parents of a job are made for the account alone.
 * -GW_ENOENT, -GW_EPERM, -GW_EINVAL (a symbolic link in a job directory), ... */
int place_open(const char *path, enum place_parents parents, struct place *ret, struct gw_err *err);
void place_close(struct place *p);

/* fstatat and openat of the last name; a symbolic link is followed outside job directories only.
 * place_open_file gives a descriptor of a regular file; anything else is -GW_EINVAL. */
int place_stat(const struct place *p, struct stat *ret, struct gw_err *err);
int place_open_file(const struct place *p, struct stat *ret, struct gw_err *err);

int place_sync(const struct place *p, struct gw_err *err); /* the directory, to disk */

#endif
