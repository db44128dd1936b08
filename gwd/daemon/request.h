/* A client's line, before anybody acts on it: may it be read, is it a request, and are the fields
 * those that its operation takes? No function here knows of a daemon or a connection. */
#ifndef GWD_DAEMON_REQUEST_H
#define GWD_DAEMON_REQUEST_H

#include "lib/err.h"

#include <jansson.h>
#include <stdbool.h>

/* On success *ret is an object with an id, the caller's to release. A line that is none ends its
 * connection: nobody knows which answer it waits for. */
int request_read(const char *line, size_t len, json_t **ret, struct gw_err *err);

/* ops.c: the operation is there, and takes each of the fields; fields that are null are removed. */
int ops_check(json_t *request, struct gw_err *err);

/* ops_submit.c: the same of a submission's values, where no daemon is needed to tell. */
int ops_check_submit(json_t *request, bool is_admin, struct gw_err *err);

#endif
