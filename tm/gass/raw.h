/* A single command to a GridFTP server, over a control connection of its own: for what the client
 * library has no function. Waits, so it belongs into a thread. */
#ifndef TM_GASS_RAW_H
#define TM_GASS_RAW_H

#include "tm/gass/ftp.h"

/* `host` is "host:port", `path` as in struct url. With the credential and cancel of `f`.
 *
 * SITE RDEL: the server removes a tree, without following links, and also what its listings leave
 * out (links that lead nowhere, names with a line break). */
int raw_remove_tree(const struct ftp *f, const char *host, const char *path, struct trouble *t);

/* CKSM MD5 of the first `len` bytes, in hexadecimal digits. */
enum { RAW_MD5 = 33 };
int raw_md5(const struct ftp *f, const char *host, const char *path, uint64_t len,
            char ret[RAW_MD5], struct trouble *t);

#endif
