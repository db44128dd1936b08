/* What all our drivers share: request lines from stdin, answers to stdout, the INIT and FINALIZE of
 * docs/PROTOCOL with its features, and the loop that a driver's own descriptors and timers live in.
 *
 * Answers are buffered and go out as the reader takes them, so the loop never blocks on them; while
 * more than 1 MiB waits, no requests are read. Under GridWay's own daemon, which offers nothing, no
 * feature is on. */
#ifndef DRIVERS_KIT_H
#define DRIVERS_KIT_H

#include "drivers/fields.h"
#include "drivers/loop.h"

#include <stdbool.h>
#include <stddef.h>

enum kit_kind { KIT_IM, KIT_TM, KIT_EM };

enum kit_feature {
    KIT_PCT = 1 << 0,
    KIT_HANDLES = 1 << 1,
    KIT_RECOVER_TOKEN = 1 << 2,
    KIT_IDEMPOTENT = 1 << 3,
    KIT_BLAME = 1 << 4,
    KIT_STAT = 1 << 5,
    KIT_ATOMIC = 1 << 6,
    KIT_TAIL = 1 << 7,
    KIT_COMMIT = 1 << 8,
    KIT_CREDENTIAL = 1 << 9,
    KIT_PROGRESS = 1 << 10,
    KIT_BARE = 1 << 11,
    KIT_INLINE = 1 << 12,
    KIT_POLL_ALL = 1 << 13,
    KIT_SMALL = 1 << 14,
    KIT_TAIL_INLINE = 1 << 15,
};

struct kit;

struct kit_verb {
    const char *verb;
    unsigned needs; /* a feature that has to be agreed on, or 0 */
    void (*handle)(struct kit *k, const struct fields *f, void *ctx); /* f lives for the call */
};

struct kit_driver {
    const char *name; /* in the log */
    enum kit_kind kind;
    unsigned features;
    const struct kit_verb *verbs;
    size_t n_verbs;
    /* Before the answer to FINALIZE, and at end of file: stop what must not outlive the driver. May
     * be NULL. */
    void (*stop)(struct kit *k, void *ctx);
    /* After stop: are answers still to come? May be NULL. They are waited for as long as for a
     * reader of the last ones. */
    bool (*lingers)(struct kit *k, void *ctx);
    /* kit_is_full() was true and is so no more. May be NULL. */
    void (*drained)(struct kit *k, void *ctx);
    /* Instead of all of the above: every line, for a driver that is its own protocol. May be NULL.
     */
    void (*line)(struct kit *k, const char *line, size_t len, void *ctx);
    void *ctx;
};

struct kit *kit_create(const struct kit_driver *d); /* d is borrowed until kit_destroy */
void kit_destroy(struct kit *k);
struct loop *kit_loop(struct kit *k);

/* Serve until FINALIZE, end of file on stdin, or nobody reads stdout. Returns the exit code. */
int kit_run(struct kit *k);

bool kit_has(const struct kit *k, unsigned feature);
bool kit_is_extended(const struct kit *k); /* the daemon offered something: it is not GridWay's */
const char *kit_init(const struct kit *k); /* the INIT request as it came; NULL before it */

/* More answers wait than are kept for requests: who passes on answers that it was not asked for
 * stops until drained() is called. */
bool kit_is_full(struct kit *k);

/* Answer a request. `number` is the TM's transfer number; NULL and all other drivers: "-". Control
 * characters become '?', texts are cut so that the line fits. */
void kit_succeed(struct kit *k, const char *verb, const char *handle, const char *number,
                 const char *fmt, ...) __attribute__((format(printf, 5, 6)));

/* `reason` is a row of docs/PROTOCOL section 5, "io:site"; it is sent only where `blame` was agreed
 * on. */
void kit_fail(struct kit *k, const char *verb, const char *handle, const char *number,
              const char *reason, const char *fmt, ...) __attribute__((format(printf, 6, 7)));

void kit_send(struct kit *k, const void *data, size_t len); /* bytes as they are */
void kit_flush(struct kit *k);                              /* what the reader takes now */
void kit_finish(struct kit *k);                             /* send what waits, then end kit_run */

/* GridWay gives all of a driver's arguments as one word: take it apart at its blanks. Changes
 * nothing else. The memory stays until the end. */
void kit_arguments(int *argc, char ***argv);

#endif
