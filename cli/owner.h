/* In whose name jobs run at sites: the user's proxy certificate. */
#ifndef CLI_OWNER_H
#define CLI_OWNER_H

#include "cli/moment.h"

#include <jansson.h>

/* What X509_USER_PROXY names, as an absolute path; malloc'ed, NULL when it is not set: gwd then
 * takes the file that grid-proxy-init makes. */
char *owner_credential_path(void);

/* How long a credential of docs/client-protocol.md is valid yet, "H:MM:SS", or the state that it is
 * in when it is not. */
const char *owner_credential_left(const json_t *credential, char text[MOMENT_MAX]);

/* Say on standard error when the file that is to be a job's credential is none now, or has expired:
 * the job will wait for it. */
void owner_warn(const char *path);

/* A line about the user's own credential, as its file is now; for hosts that ask for one. */
void owner_print_credential(void);

#endif
