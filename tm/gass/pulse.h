/* Signs of life: each word that comes from a server while a call of the FTP client is under way,
 * also those that the library keeps to itself (progress of a transfer between servers). */
#ifndef TM_GASS_PULSE_H
#define TM_GASS_PULSE_H

#include <globus_ftp_client.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

struct pulse {
    atomic_uint count;     /* rises with each */
    pthread_mutex_t mutex; /* of the rest */
    uint64_t base;
    atomic_uint_fast64_t *moved; /* where to count the bytes that servers tell of, or NULL */
};

/* Count bytes from `base` on in *moved; NULL: no more. */
void pulse_count(struct pulse *p, uint64_t base, atomic_uint_fast64_t *moved);

/* Have `p` beat for the handles that are made with `attr`; p outlives them. */
bool pulse_add(globus_ftp_client_handleattr_t *attr, struct pulse *p);

#endif
