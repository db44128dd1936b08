/* A driver process that we start on pipes: lines to it, lines from it, its end. Nothing here blocks
 * on it: what it does not read yet is kept, up to a bound, and it is reaped when it lets itself be.
 * Its stderr is ours. */
#ifndef DRIVERS_CHILD_H
#define DRIVERS_CHILD_H

#include "drivers/loop.h"
#include "lib/err.h"

#include <stdbool.h>
#include <stddef.h>

struct child;

/* All children of one owner, so that none is forgotten. */
struct children {
    struct loop *loop;
    struct child *first;
};

struct child_events {
    void (*line)(void *ctx, const char *line,
                 size_t len); /* no newline, but a NUL; lives for the call */
    /* Once, when it has ended or sent a line that is too long; nothing comes after it and the child
     * is no longer the owner's. Not called after child_drop(). */
    void (*gone)(void *ctx, const char *how);
    void *ctx;
};

/* Start `program` with argv and env. */
int child_start(struct children *all, const char *program, char *const *argv, char *const *env,
                const struct child_events *events, struct child **ret, struct gw_err *err);

/* False, with nothing sent, when more than 1 MiB would wait to be read. */
bool child_send(struct child *c, const void *data, size_t len);

void child_pause(struct child *c, bool is_paused); /* read nothing from it meanwhile */

/* Send `last`, then end of file. What it answers still comes; after grace_ms it is killed. */
void child_finish(struct child *c, const char *last, uint64_t grace_ms);

void child_detach(struct child *c); /* no more events; it lives on until child_finish has its way */
void child_drop(struct child *c);   /* no more events, and an end at once; NULL is fine */

void children_clear(struct children *all); /* kill and reap all that are left */

#endif
