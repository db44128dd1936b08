/* From entries of GLUE to hosts. Pure. The tables are in docs/glue.md. */
#ifndef IM_GLUE_MAP_H
#define IM_GLUE_MAP_H

#include "im/glue/entry.h"
#include "im/glue/host.h"

/* Patterns (spec/glob.h) of the hosts and queues that are wanted; NULL: all. */
struct glue_wish {
    const char *host, *queue;
    bool needs_queue; /* hosts of which no queue is left are not reported */
};

bool glue_is_wanted(const struct glue_wish *w, const char *host, const char *queue);

/* GLUE 1.3: CE and SubCluster entries. */
void glue1_map(const struct entries *l, const struct glue_wish *w, struct glue_host **hosts);

/* GLUE 2: computing endpoints, shares, managers and what belongs to them. */
void glue2_map(const struct entries *l, const struct glue_wish *w, struct glue_host **hosts);

/* Both; a host that both describe is taken from GLUE 2 if that says how to give it a job, else from
 * GLUE 1.3. Hosts and queues are in the order of the entries. */
void glue_map(const struct entries *l, const struct glue_wish *w, struct glue_host **hosts);

#endif
