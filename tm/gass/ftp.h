/* A session with GridFTP servers: one client handle of Globus, with the control connections that it
 * keeps. Its calls look like ordinary ones: they return when the server has answered, the request
 * was cancelled or nothing has moved for too long, whatever the library does meanwhile. So they
 * belong into threads; a session belongs to one at a time.
 *
 * Each returns 0 or a negative code and what is the trouble. After a trouble of the connection the
 * session is spoiled: the library gives stale errors on such a handle. */
#ifndef TM_GASS_FTP_H
#define TM_GASS_FTP_H

#include "lib/buf.h"
#include "tm/gass/facts.h"
#include "tm/gass/reply.h"

#include <gssapi.h>
#include <stdatomic.h>
#include <sys/types.h>

struct ftp;

/* Once, before anything else: 0 or -GW_EINTERNAL. */
int ftp_activate(struct gw_err *err);

/* Who logs in: a handle of the credential that is the session's from ftp_open on, and words for
 * messages. */
struct login {
    gss_cred_id_t credential;
    const char *identity, *issuer, *path;
};

/* `label` is for messages ("host:port"). */
struct ftp *ftp_open(const char *label, const struct login *l, struct trouble *t);
void ftp_close(struct ftp *f); /* bounded; NULL is fine */

/* What cancels the calls from now on; borrowed. Also how long they may wait. */
void ftp_bind(struct ftp *f, const atomic_bool *is_cancelled, unsigned patience_s);

bool ftp_is_spoiled(const struct ftp *f);

/* Calls that the library did not give back after they were broken off. They and their memory are
 * lost; a process with too many of them should be replaced. */
unsigned ftp_abandoned(void);

/* Control connection only. URLs are as in struct url's text. */
int ftp_facts(struct ftp *f, const char *url, struct facts *ret, struct trouble *t); /* no name */
int ftp_mkdir(struct ftp *f, const char *url, struct trouble *t);
int ftp_rmdir(struct ftp *f, const char *url, struct trouble *t);
int ftp_delete(struct ftp *f, const char *url, struct trouble *t);
int ftp_chmod(struct ftp *f, const char *url, mode_t mode, struct trouble *t);
int ftp_move(struct ftp *f, const char *from, const char *to, struct trouble *t);

/* The lines of MLSD, appended to `out`; -GW_ENOSPC beyond `max` bytes. */
int ftp_list(struct ftp *f, const char *url, size_t max, struct buf *out, struct trouble *t);

/* From server to server, bytes [offset, size). Nothing is heard of it until its end, so every two
 * seconds `watch` is asked whether it goes on.
 *
 * In stream mode: in extended mode, in which servers tell how far they are, one that receives wrote
 * the block in which the sender was killed at the file's beginning (seen with globus-gridftp-server
 * 13.24, in one of seven such breaks). */
int ftp_third_party(struct ftp *f, const char *from, const char *to, uint64_t offset, uint64_t size,
                    bool (*watch)(void *ctx), void *ctx, struct trouble *t);

/* Data to and from us: one transfer at a time. `end` 0: to the end of the file. Reading gives 0
 * bytes at the end; finish a put by ftp_put_end. After a failed call, or to give up, ftp_data_stop.
 *
 * Small files go in extended block mode, in which the data connection is kept for the next one: a
 * handshake less for each. What arrived of one that broke may be wrong (see above): it is begun
 * again. */
int ftp_get_begin(struct ftp *f, const char *url, uint64_t offset, uint64_t end, bool is_small,
                  struct trouble *t);
int ftp_put_begin(struct ftp *f, const char *url, uint64_t offset, uint64_t end, bool is_small,
                  struct trouble *t);
ssize_t ftp_read(struct ftp *f, void *data, size_t size, struct trouble *t);
int ftp_write(struct ftp *f, const void *data, size_t len, struct trouble *t);
int ftp_put_end(struct ftp *f, struct trouble *t);
void ftp_data_stop(struct ftp *f);

#endif
