/* A job at a GRAM site. All of it belongs to the loop's thread.
 *
 * What has to be done for a job is a set of wants. One request is under way for it at a time; what
 * comes of it changes the set, and the most urgent want is next (steps.c). Nothing else drives a
 * job, so whatever is cut off in the middle is asked again: by a want that stays, or by the query
 * that each living job is due now and then. */
#ifndef EM_GRAM5_JOB_H
#define EM_GRAM5_JOB_H

#include "drivers/kit.h"
#include "em/gram5/asks.h"
#include "gsi/explain.h"

#include <stdbool.h>
#include <sys/stat.h>
#include <uthash.h>

enum job_phase {
    JOB_SUBMITTING,
    JOB_LOOKING, /* RECOVER: nothing is known of it yet */
    JOB_HELD,    /* at the site, not committed */
    JOB_RUNNING, /* committed */
    JOB_OVER,
};

/* In the order of urgency. */
enum want {
    WANT_SUBMIT = 1 << 0,
    WANT_FIND = 1 << 1, /* through the gatekeeper, which starts the job manager if it is dead */
    WANT_COMMIT = 1 << 2,
    WANT_END = 1 << 3, /* have the site forget it */
    WANT_CANCEL = 1 << 4,
    WANT_LISTEN = 1 << 5,
    WANT_STATUS = 1 << 6,
    WANT_REFRESH = 1 << 7,
};

/* Requests of gwd that wait for an answer. */
enum owed { OWE_SUBMIT = 1 << 0, OWE_COMMIT = 1 << 1, OWE_POLL = 1 << 2, OWE_RECOVER = 1 << 3 };

/* How it ended. */
enum job_end {
    END_NONE,
    END_DONE,
    END_FAILED,
    END_LOST,  /* over without a result, for certain */
    END_NEVER, /* it never began, for certain */
};

struct job {
    char handle[HANDLE_MAX + 1];
    struct gram5 *driver;
    enum job_phase phase;
    enum job_end end;
    char *gatekeeper, *rsl;
    char *contact, *key;             /* NULL while there is none */
    struct manager *manager, *asked; /* who serves it, and who was asked last */
    unsigned wants, owed;
    enum want doing; /* with `ask` */
    struct ask *ask;
    struct loop_timer *timer;
    int state;                  /* GRAM's, as a job manager told last; 0: not yet */
    const char *told;           /* the state that gwd was told last, or NULL */
    bool is_cancelled;          /* gwd wants its end */
    bool is_listening;          /* news of it comes to this process */
    bool was_committed;         /* or may have been, since this process knows it */
    bool was_active;            /* it has been seen to run */
    bool is_found;              /* since then its job manager waits to be told to go on with it */
    unsigned tries;             /* without luck, in a row */
    int64_t troubled_ms;        /* since when, 0: no trouble */
    bool is_told_unknown;       /* gwd has been told that nothing is known of it */
    struct explanation trouble; /* of the last failure */
    char *why;                  /* of END_LOST, END_NEVER */
    unsigned credential;        /* the generation that its site has */
    struct job *prev, *next;    /* in driver->over */
    UT_hash_handle hh, hh_key;
};

/* A job manager that serves jobs of ours: one per site, account and service. */
struct manager {
    char *base;         /* "https://host:port" */
    struct job *finder; /* who is having it started again; the others wait for it */
    UT_hash_handle hh;
};

struct gram5 {
    struct kit *kit;
    struct mailbox *mailbox;
    struct gram *gram;
    struct asks *asks;
    bool is_open;        /* there was a credential to begin with */
    unsigned credential; /* generation: counts renewals */
    struct stat proxy;   /* the file that it came from */
    struct job *jobs, *by_key;
    struct manager *managers;
    struct job *over; /* in the order of their ends */
    size_t n_over;
};

/* job.c: the record, and what gwd is told of it. */
struct job *job_add(struct gram5 *d, const char *handle, const char *gatekeeper);
struct job *gram5_job_find(struct gram5 *d, const char *handle);
struct job *job_of_contact(struct gram5 *d, const char *contact);
void job_remove(struct job *j);
void job_set_contact(struct job *j, const char *contact);
void job_tell(struct job *j);          /* what is owed, and by CALLBACK what has changed */
void job_answer_commit(struct job *j); /* when it is no longer held */
/* Nothing can be learnt of it now. What is owed is answered so. */
void job_trouble(struct job *j, const char *reason, const char *text);
void job_is_well(struct job *j);
/* `why`: a sentence, or NULL. */
void job_end(struct job *j, enum job_end end, const char *why);

/* steps.c: what is done for it. */
void job_want(struct job *j, unsigned wants); /* now */
void job_go(struct job *j);                   /* on with the wants, unless one is under way */
void job_go_after_pause(struct job *j);       /* a longer one each time */

/* outcome.c: what comes of it. */
void job_take_reply(void *job, const struct gram_reply *r);
void job_take_news(struct job *j, int state, int failure);

int64_t gram5_now_ms(void);

#endif
