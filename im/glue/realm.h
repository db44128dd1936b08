/* Whose hosts an information server may speak of. One that says something of another site's host
 * would decide where that host's jobs leave their files, and so have them. Pure; docs/glue.md.
 *
 * A realm is a text of patterns (spec/glob.h) of host names in small letters, with blanks between
 * them. */
#ifndef IM_GLUE_REALM_H
#define IM_GLUE_REALM_H

#include "im/glue/host.h"

/* That of a server of which nobody said more than its name: the domain that it is in, if that has
 * two parts, else itself, and what is below. "" for what is no name. The caller's. */
char *realm_of_server(const char *host);

bool realm_is_pattern(const char *word);
bool realm_has(const char *realm, const char *host);

/* Take the hosts that are not in the realm out of `hosts`, and set leads_out of those that would
 * have their job directories outside of it. Returns how many are out, *ret_first being one of them
 * (the caller's), or NULL. */
size_t realm_apply(const char *realm, struct glue_host **hosts, char **ret_first);

#endif
