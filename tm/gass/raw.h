/* A single command to a GridFTP server, over a control connection of its own: for what the client
 * library has no function. Waits, so it belongs into a thread. */
#ifndef TM_GASS_RAW_H
#define TM_GASS_RAW_H

#include "tm/gass/ftp.h"

/* "SITE RDEL": the server removes a tree, without following links, and also what its listings leave
 * out (links that lead nowhere, names with a line break). With the host, credential and cancel of
 * `f`; `path` as in struct url. */
int raw_remove_tree(const struct ftp *f, const char *path, struct trouble *t);

#endif
