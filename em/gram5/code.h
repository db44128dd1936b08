/* What GRAM's numbers mean for us. Pure. */
#ifndef EM_GRAM5_CODE_H
#define EM_GRAM5_CODE_H

#include <stdbool.h>

enum code_kind {
    CODE_OK,
    CODE_HELD,        /* submitted, and waits to be committed */
    CODE_UNREACHABLE, /* nobody listens there, or not the one who should */
    CODE_SILENT,      /* no answer (asks.h) */
    CODE_UNKNOWN_JOB, /* the job manager does not know it */
    CODE_NO_RECORD,   /* the site has no record of it: over, or never committed */
    CODE_DENIED,      /* not now: the job is beginning, ending or has no credential */
    CODE_STOPPED,     /* the job manager stopped looking after its jobs, which run on */
    CODE_OTHER,
};

enum code_kind code_kind(int code);

/* The row of docs/PROTOCOL section 5 of a request that failed. */
const char *code_reason(int code);

/* States of a job: GLOBUS_GRAM_PROTOCOL_JOB_STATE_..., which are bits. */
bool code_is_held(int state);
bool code_is_end(int state);
const char *code_state_word(int state); /* "PENDING", ...; NULL: none of docs/PROTOCOL */

/* In state FAILED: it may run on, all the same. */
bool code_is_hearsay(int failure);

/* In state FAILED: the site dropped it, since it was never committed. It did not run. */
bool code_is_never_begun(int failure);

#endif
