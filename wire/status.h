/* Status, control and lease files of a job directory (docs/jobdir.md): encoded and decoded once,
 * here. Input is hostile. */
#ifndef WIRE_STATUS_H
#define WIRE_STATUS_H

#include "lib/buf.h"
#include "lib/err.h"

#include <stddef.h>

enum { STATUS_FILE_MAX = 65536 };

struct status_entry {
    char *key, *value;
};

/* A verified file: kind ("GWSTATUS", ...), version, and its KEY=VALUE lines in order. */
struct status_file {
    char kind[16];
    unsigned version;
    struct status_entry *entries;
    size_t n;
};

/* Append one KEY=VALUE line to a body that begins with status_begin; control characters of value
 * become blanks, and values are cut at 4 KiB. */
void status_begin(struct buf *out, const char *kind, unsigned version);
void status_put(struct buf *out, const char *key, const char *value);
void status_end(struct buf *out); /* the CKSUM line */

/* Verify and decode. -GW_ECORRUPT (length, checksum, not a line of KEY=VALUE), -GW_EPROTO (kind or
 * version is not ours). */
int status_decode(const char *data, size_t len, const char *kind, struct status_file *ret,
                  struct gw_err *err);
void status_clear(struct status_file *s);
const char *status_get(const struct status_file *s, const char *key); /* or NULL */

#endif
