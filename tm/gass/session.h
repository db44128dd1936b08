/* Sessions that wait for the next request: a new connection costs 0.3 s, a kept one 0.02 s. They
 * are kept by key, the hosts that they are connected with, for a minute. Any thread. */
#ifndef TM_GASS_SESSION_H
#define TM_GASS_SESSION_H

#include "tm/gass/ftp.h"

#include <stdbool.h>

/* Look whether there is another credential than before, or none any more (gsi/credential.h); those
 * of the old one are not used again. Cheap when nothing changed. One thread; false with the reason
 * when there is none: then session_take fails so. */
bool session_renew(struct gw_err *err);

/* Whose it is, as in a grid-mapfile; NULL: nobody's. Free it. */
char *session_identity(void);

/* NULL with the trouble. *ret_is_kept: it was connected before, perhaps by a server that is gone.
 */
struct ftp *session_take(const char *key, bool *ret_is_kept, struct trouble *t);

/* After use; one that is spoiled is closed. */
void session_give(const char *key, struct ftp *f);

/* Close those that were kept for `key`; with NULL, those that were kept for too long. May wait for
 * connections. */
void session_drop(const char *key);

#endif
