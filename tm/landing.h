/* Files whose bytes are written, and which are to be on disk and have their names before that is
 * told: those of many requests together, with one sync for all instead of two for each. */
#ifndef TM_LANDING_H
#define TM_LANDING_H

#include "tm/part.h"
#include "tm/place.h"

#include <stdbool.h>

struct landing {
    struct place to;
    struct part part; /* fd -1: it has its name already */
    mode_t mode;
    bool is_output; /* the destination is the job's choice, for the reason of a failure */
    dev_t device;
    bool is_synced;
};

struct landing *landing_create(struct place *to, bool is_output); /* takes `to` over */
void landing_destroy(struct landing *l); /* a temporary that has no name yet is removed */

#endif
