/* One call of the client library under way (ftp.c), and its data (ftp_data.c). */
#ifndef TM_GASS_FTP_PRIVATE_H
#define TM_GASS_FTP_PRIVATE_H

#include "tm/gass/ftp.h"
#include "tm/gass/pulse.h"

#include <globus_ftp_client.h>
#include <pthread.h>

enum { BLOCKS = 4, BLOCK_BYTES = 512 << 10 };

/* A buffer that goes to and fro between us and the library. */
struct block {
    globus_byte_t *bytes; /* BLOCK_BYTES */
    size_t len, used;
    uint64_t offset;
    bool is_out; /* with the library */
};

/* Outlives a caller that gave it up: the last of caller and callback frees it. */
struct call {
    struct ftp *ftp;
    const char *url;       /* for messages, while the caller waits */
    pthread_mutex_t mutex; /* of all below */
    pthread_cond_t changed;
    unsigned refs;
    bool is_done, is_broken_off;
    int code;   /* FTP reply code of the failure, or 0 */
    char *text; /* of the failure; NULL: success */
    unsigned pulse;
    uint64_t at_ms;      /* when something last moved */
    globus_byte_t *line; /* MLST's answer */
    globus_size_t line_len;
    struct block blocks[BLOCKS];
    bool is_at_end; /* the library said that no data follow */
};

struct ftp {
    globus_ftp_client_handle_t handle;
    globus_ftp_client_operationattr_t attr, small_attr; /* stream, extended block mode */
    char *label;
    struct explain_about about; /* its strings are ours */
    gss_cred_id_t credential;
    struct pulse pulse;
    const atomic_bool *is_cancelled;
    unsigned patience_s;
    unsigned pulse_before; /* as it was when it was taken */
    bool is_spoiled, is_lost;
    bool (*watch)(void *ctx); /* of a call that says nothing itself, or NULL */
    void *watch_ctx;
    uint64_t watched_ms;
    struct call *data; /* the transfer under way, or NULL */
    uint64_t position; /* of it, in the file */
};

struct call *call_begin(struct ftp *f, const char *url);
void call_on_done(void *arg, globus_ftp_client_handle_t *handle, globus_object_t *error);

/* After a register function: its result. A failure has no callback. */
bool call_is_under_way(struct call *c, globus_result_t result);

/* Wait until `is_ready` (NULL: never) or the call is over, broken off if it has to be; the mutex is
 * held. false: it is over, or lost. */
bool call_wait(struct call *c, bool (*is_ready)(struct call *c));

/* Wait for its end and say how it was; c is gone. */
int call_end(struct call *c, struct trouble *t);
void call_moved(struct call *c); /* something moved; the mutex is held */

#endif
