/* A file in the making: a temporary ".gw_part_HASH.N" beside its destination, which takes that name
 * when it is whole and durable. Its owner holds its flock, so one that a killed driver left is used
 * again by the next copy to that name. */
#ifndef TM_PART_H
#define TM_PART_H

#include "tm/place.h"

#include <stddef.h>

struct part {
    const struct place *to; /* borrowed */
    int fd;                 /* empty at first, of mode 600 */
    char *name;
};

/* -GW_EINVAL where the destination is something else than a regular file. */
int part_open(const struct place *to, struct part *ret, struct gw_err *err);

/* Each of the three ends it. part_publish gives it its name and leaves the disk to the caller, who
 * syncs before and after; part_finish does all. */
int part_finish(struct part *p, mode_t mode, struct gw_err *err);
int part_publish(struct part *p, mode_t mode, struct gw_err *err);
void part_discard(struct part *p);

/* The name of temporary N of a destination. Release with free(). */
char *part_name(const void *destination, size_t len, int n);

enum { PARTS_MAX = 8 /* copies to one name at the same time */ };

#endif
