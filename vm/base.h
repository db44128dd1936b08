/* The directories in which sessions (vm/session.h) are made.
 *
 * One is called .gwvm-UID and is in /tmp, or in /var/tmp where /tmp does not serve, so that every
 * gwvm of the account finds it, whatever its environment. Anybody can have made something of that
 * name before, and would keep the account's VMs from this machine: where it is not ours, one is
 * made of a name that nobody knows before, .gwvm-UID.XXXXXX. Only what is ours and closed to others
 * is used, by whatever name. */
#ifndef VM_BASE_H
#define VM_BASE_H

#include "lib/err.h"

#include <stddef.h>

struct bases {
    char **paths;
    size_t n;
};

/* All that are there; bases_clear takes them. */
void bases_list(struct bases *ret);
void bases_clear(struct bases *b);

/* One that is there, or made. The caller frees its path. */
int base_open(char **ret, struct gw_err *err);

#endif
