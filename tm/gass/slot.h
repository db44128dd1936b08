/* When a request may begin: so many at a time with each host and in all, with room kept for what is
 * quick beside what moves much. What asks for a host that could not be reached a moment ago fails
 * at once, so that a dead one does not fill the slots. In the loop's thread. */
#ifndef TM_GASS_SLOT_H
#define TM_GASS_SLOT_H

#include "tm/gass/gass.h"

struct slots;
struct slots *slot_create(struct loop *l);
struct pool *slot_pool(struct slots *s);

void slot_begin(struct slots *s, struct gass_request *g); /* now or later */

/* It worked. true: it is to begin again, as bulk, and has been seen to. */
bool slot_done(struct slots *s, struct gass_request *g);

/* It is cancelled. true: it waited, and does no more; its failure is set. */
bool slot_cancel(struct slots *s, struct gass_request *g);

#endif
