/* Signs of life: each word that comes from a server while a call of the FTP client is under way. */
#ifndef TM_GASS_PULSE_H
#define TM_GASS_PULSE_H

#include <globus_ftp_client.h>
#include <stdatomic.h>
#include <stdbool.h>

struct pulse {
    atomic_uint count; /* rises with each */
};

/* Have `p` beat for the handles that are made with `attr`; p outlives them. */
bool pulse_add(globus_ftp_client_handleattr_t *attr, struct pulse *p);

#endif
