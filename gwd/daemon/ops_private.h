/* What the files of the operations share. Only they include this. */
#ifndef GWD_DAEMON_OPS_PRIVATE_H
#define GWD_DAEMON_OPS_PRIVATE_H

#include "gwd/daemon/daemon.h"

/* A field of a request, whose type the table has checked. */
json_int_t asked_int(json_t *request, const char *name, json_int_t otherwise);
const char *asked_text(json_t *request, const char *name); /* borrowed, or NULL */
bool asked_bool(json_t *request, const char *name, bool otherwise);
uint64_t *asked_ids(json_t *request, size_t *ret_n); /* malloc'ed */

void ops_submit(struct connection *c, json_int_t id, json_t *request);
void ops_jobs(struct connection *c, json_int_t id, json_t *request);
void ops_history(struct connection *c, json_int_t id, json_t *request);
void ops_hosts(struct connection *c, json_int_t id, json_t *request);

#endif
