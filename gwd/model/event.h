/* Events: the only things that change what gwd knows durably. A turn's events are appended and
 * synced together; the state is what folding them from the beginning gives.
 *
 * One flat record serves all kinds; a table says which fields a kind has, and from that table come
 * the stored form (event_encode), its strict reader, and what a watching client is shown. Strings
 * are borrowed from whoever made or decoded the event. */
#ifndef GWD_MODEL_EVENT_H
#define GWD_MODEL_EVENT_H

#include "lib/buf.h"
#include "lib/err.h"

#include <stdint.h>

/* Numbers are stored: never change one, never use one again. */
enum event_kind {
    EV_STATE_CREATED = 1,     /* instance, epoch */
    EV_EPOCH_RAISED = 2,      /* a daemon begins; with `fence` on a copy of the state */
    EV_JOB_SUBMITTED = 3,     /* a record of `tasks` tasks with ids job .. job+tasks-1 */
    EV_WISHED = 4,            /* what the owner wants of a task, or of all (TASK_ALL) */
    EV_ATTEMPT_STARTED = 5,   /* matched; phase PROLOG */
    EV_ATTEMPT_STAGED = 6,    /* prolog over; the intent to submit; phase WRAPPER */
    EV_ATTEMPT_SUBMITTED = 7, /* the site's contact for it */
    EV_ATTEMPT_ACTIVE = 8,    /* the site says that it runs */
    EV_ATTEMPT_EXITED = 9,    /* the site says that it is over; phase EPILOG */
    EV_RESULTS_ACCEPTED = 10, /* exit code known, outputs are home; nothing can undo it */
    EV_ATTEMPT_ENDED = 11, /* outcome says what becomes of the task; `left`: not all is cleaned */
    EV_ATTEMPT_LOST = 12,  /* unknown from now on */
    EV_ATTEMPT_FOUND = 13, /* known again */
    EV_VM_CHANGED = 14,    /* one VM of an attempt: node, UUID, state */
    EV_REQUESTED = 15,     /* a numbered request to a running vjob (checkpoint, relocate) */
    EV_REQUEST_ENDED = 16,
    EV_TASK_ENDED = 17,      /* ended without an attempt being there: killed while pending, ... */
    EV_JOB_FORGOTTEN = 18,   /* finished long ago, in the archive; leaves the live state */
    EV_SITE_DRAINED = 19,    /* no new attempts at a host, or again */
    EV_DISPATCH_PAUSED = 20, /* no new attempts at all, or again */
    EV_ATTEMPT_FAILED = 21,  /* why none of its results counts; what told it may go now */
    /* A checkpoint is the state written as events that a fold of the empty state accepts. */
    EV_CK_STATE = 64,
    EV_CK_JOB = 65,
    EV_CK_TASK = 66,
    EV_CK_ATTEMPT = 67,
    EV_CK_END = 68,
    EV_CK_SPEC = 69, /* what equal submissions share: a row of its own (gwd/model/rows.h) */
    EV_CK_ALL = 70,  /* what was wished of, or happened to, all tasks of an array */
};

#define TASK_ALL UINT64_MAX

/* Fields: id (stored: never reuse), member, type (U unsigned, I signed, S string). */
#define EVENT_FIELDS(X)                                                                            \
    X(1, job, U)                                                                                   \
    X(2, task, U)                                                                                  \
    X(3, attempt, U)                                                                               \
    X(4, tasks, U)                                                                                 \
    X(5, array_id, U) /* 0: not an array */                                                        \
    X(6, array_start, I)                                                                           \
    X(7, array_increment, I)                                                                       \
    X(8, wish, U)    /* enum wish */                                                               \
    X(9, outcome, U) /* enum outcome */                                                            \
    X(10, blame, U)  /* enum blame */                                                              \
    X(11, reason, S) /* reason code */                                                             \
    X(12, text, S)   /* its message; other texts */                                                \
    X(13, exit_code, I)                                                                            \
    X(14, signal, I)                                                                               \
    X(15, host, S)                                                                                 \
    X(16, queue, S)                                                                                \
    X(17, lrms, S) /* the host's LRMS_NAME: what the execution driver is told beside the host */   \
    X(18, im, S)                                                                                   \
    X(19, tm, S)                                                                                   \
    X(20, em, S)                                                                                   \
    X(21, stage_url, S)                                                                            \
    X(22, contact, S)                                                                              \
    X(23, source, S) /* template text */                                                           \
    X(24, file, S)   /* the template's name */                                                     \
    X(25, home, S)                                                                                 \
    X(26, user, S)                                                                                 \
    X(27, uid, U)                                                                                  \
    X(28, gid, U)                                                                                  \
    X(29, credential, S)                                                                           \
    X(30, project, S)                                                                              \
    X(31, key, S) /* submission key */                                                             \
    X(32, instance, S)                                                                             \
    X(33, epoch, U)                                                                                \
    X(34, number, U)  /* of a request; the next id in a checkpoint */                              \
    X(35, request, U) /* enum request_kind */                                                      \
    X(36, vm_rank, U)                                                                              \
    X(37, node, S)                                                                                 \
    X(38, uuid, S)                                                                                 \
    X(39, vm_state, U) /* enum vm_state */                                                         \
    X(40, flag, U)     /* drained, paused, results accepted */                                     \
    X(41, not_before_us, I)                                                                        \
    X(42, priority, I)                                                                             \
    X(43, phase, U)                                                                                \
    X(44, match_rank, I) /* RANK at the match, in thousandths */                                   \
    X(45, started_us, I)                                                                           \
    X(46, staged_us, I)                                                                            \
    X(47, active_us, I)                                                                            \
    X(48, exited_us, I)                                                                            \
    X(49, ended_us, I)                                                                             \
    X(50, unknown_since_us, I)                                                                     \
    X(51, submitted_us, I)                                                                         \
    X(52, array_number, U) /* the next array id in a checkpoint */                                 \
    X(53, gwvm, S)         /* where the host has it, "" when it is staged */                       \
    X(54, seq_next, U)                                                                             \
    X(55, row_seq, U) /* a row is true up to this event */                                         \
    X(56, spec, U)                                                                                 \
    X(57, fence, U) /* 0: the same as before */                                                    \
    X(58, left, U)  /* something of the attempt stays at the site, and is to be removed */

#define EVENT_MEMBER_U(member) uint64_t member;
#define EVENT_MEMBER_I(member) int64_t member;
#define EVENT_MEMBER_S(member) const char *member;
#define EVENT_MEMBER(id, member, type) EVENT_MEMBER_##type(member)

struct event {
    enum event_kind kind;
    uint64_t seq;  /* given at append; 0 before */
    int64_t at_us; /* microseconds since 1970 UTC */
    EVENT_FIELDS(EVENT_MEMBER)
};

enum event_type { EVENT_U, EVENT_I, EVENT_S };

struct event_field {
    unsigned id;
    const char *name;
    enum event_type type;
    size_t offset; /* in struct event */
};

/* The fields of a kind, in the order of the table; 0 and an empty list for a kind that is none. */
struct event_kind_info {
    enum event_kind kind;
    const char *name; /* "attempt-started", as clients see it */
    uint64_t fields;  /* bit id-1 */
};
const struct event_kind_info *event_kind_info(unsigned kind); /* or NULL */
const struct event_field *event_fields(size_t *ret_n);

/* Append the stored form: kind, time, then id and value of each field of the kind that is not zero.
 */
void event_encode(const struct event *ev, struct buf *out);

/* Read one event from data; strings are allocated from `arena` and live until it is cleared or
 * reset. Returns the bytes consumed, or -GW_ECORRUPT; *ret_ev is then unchanged. */
struct event_arena {
    struct event_chunk *chunks; /* NULL: empty */
};
long event_decode(const void *data, size_t len, struct event *ret_ev, struct event_arena *arena,
                  struct gw_err *err);
void event_arena_reset(struct event_arena *arena); /* empty, memory kept for the next event */
void event_arena_clear(struct event_arena *arena);

#endif
