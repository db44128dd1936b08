/* Removal of a whole tree that a stranger made: no symbolic link is followed, and neither stack nor
 * descriptors grow with its depth. */
#ifndef TM_TREE_H
#define TM_TREE_H

#include "tm/place.h"

#include <stdatomic.h>

/* What is not there is success. -GW_ESTATE when *is_cancelled. */
int tree_remove(const struct place *p, const atomic_bool *is_cancelled, struct gw_err *err);

#endif
