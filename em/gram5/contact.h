/* How a job is named. GRAM's own contact is "https://host:port/ID1/ID2/", where the port is the job
 * manager's and changes when that starts again; the path stays. To find the job then one needs its
 * gatekeeper too, so ours is GRAM's with "#" and the gatekeeper's contact behind it. Pure. */
#ifndef EM_GRAM5_CONTACT_H
#define EM_GRAM5_CONTACT_H

#include "lib/err.h"

#include <stdint.h>

struct contact {
    char *job;        /* "https://host:port/ID1/ID2/" */
    char *gatekeeper; /* "host[:port][/service][:subject]" */
};

/* -GW_EINVAL: it is none of ours. */
int contact_decode(const char *text, struct contact *ret, struct gw_err *err);
void contact_clear(struct contact *c);

uint16_t contact_port(const char *gatekeeper); /* 2119 where none is named */

/* The caller's to free. */
char *contact_encode(const char *job, const char *gatekeeper);
char *contact_host(const char *text); /* of a job's contact or a gatekeeper's */
char *contact_key(const char *job);   /* "host/ID1/ID2/": the same however often it moves */
char *contact_base(const char *job);  /* "https://host:port" */

#endif
