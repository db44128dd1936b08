/* From the job description that gwd writes to the one that GRAM gets. Pure. */
#ifndef EM_GRAM5_DESCRIPTION_H
#define EM_GRAM5_DESCRIPTION_H

#include "lib/buf.h"
#include "lib/err.h"

#include <stddef.h>

/* How long a site holds a job that is not committed. Long enough for a daemon that starts again and
 * a link that comes back; short, because a job manager that dies while it holds a job starts it
 * when it comes back (seen; GRAM5 15.8). */
enum { DESCRIPTION_HOLD_S = 120 };

/* Relative names are made absolute as docs/PROTOCOL says: GRAM itself takes the standard streams
 * from the account's home and hands the executable to exec(2) from wherever it is. The site is told
 * to hold the job until it is committed, and to be able to find it after a crash of its own.
 * -GW_EINVAL: not a description that can be sent. */
int description_for_gram(const char *text, size_t len, struct buf *ret_rsl, struct gw_err *err);

/* The request to find a job again, whether or not its job manager lives. */
void description_of_restart(const char *contact, struct buf *ret_rsl);

#endif
