/* A driver's process, as driver.c and driver_user.c share it. */
#ifndef GWD_DAEMON_DRIVER_PRIVATE_H
#define GWD_DAEMON_DRIVER_PRIVATE_H

#include "gwd/daemon/daemon.h"
#include "gwd/daemon/settings.h"

#include <uthash.h>

enum driver_state { DRIVER_STARTING, DRIVER_UP, DRIVER_DOWN, DRIVER_STOPPED };

enum { WATCHDOG_MS = 5000 };
/* After more looks than that so many seconds have passed. */
#define WATCHDOG_LOOKS(seconds) (1 + (seconds)*1000 / WATCHDOG_MS)

/* A request that was sent and has to be answered. */
struct pending {
    const char *verb;
    struct handle *handle;
    uint64_t number; /* of a copy */
    bool is_copy;
    uint64_t look;               /* of the watchdog, before which it was sent, or last heard of */
    struct pending *prev, *next; /* of its driver, the oldest first; copies apart */
    struct pending *of_handle;   /* the next one of the same handle */
};

struct handle {
    uint64_t number;
    struct task_ref ref;
    struct pending *pending;
    UT_hash_handle hh, hh_ref;
};

struct driver_process {
    struct daemon *daemon;
    struct driver_process *base; /* the daemon's own one; NULL: it is that */
    struct driver_user {         /* of one with a base */
        struct {
            const struct driver_settings *settings;
            uint64_t uid;
        } key;
        uv_pipe_t err; /* its standard error */
        struct buf line;
        char *said; /* the last line of that */
        int64_t said_since_us, unused_us;
        unsigned n_said;
        size_t said_bytes; /* since the watchdog looked */
        bool is_refused, was_up, is_leaving;
    } user;
    UT_hash_handle hh; /* daemon->user_drivers, by user.key */
    const struct driver_settings *settings;
    enum driver_state state;
    uv_process_t process;
    uv_pipe_t in, out; /* its standard input and output */
    int open_handles;  /* libuv handles of this run not yet closed */
    uv_timer_t timer;  /* back-off, end */
    uint64_t look;     /* of the watchdog, before which it was started */
    unsigned features;
    struct buf line;  /* the beginning of one whose end has not come */
    struct buf words; /* requests of this turn */
    char *read_buffer;
    uint64_t next_handle;
    struct handle *by_number, *by_ref;
    struct handle nobody;             /* what no job's handle stands in */
    struct pending *pending, *copies; /* of all handles */
    struct task_ref unanswered; /* whose request it left so and was ended for; job 0: nobody's */
    unsigned starts_failed;
    uint64_t bad_lines;
    int64_t bad_since_us, bad_logged_us;
    uint32_t unasked; /* so many lines may come that answer no request */
    char *why;        /* it is down, or cannot tell its hosts; NULL: all is well */
    struct driver_process *next;
};

enum { DRIVER_LABEL_MAX = 128 };
const char *driver_label(const struct driver_process *p, char buf[DRIVER_LABEL_MAX]);
#define LABEL(p) driver_label(p, (char[DRIVER_LABEL_MAX]){0})

void driver_start(struct driver_process *p);
/* The end of one run of the driver, for whatever reason; its process is killed if it still lives,
 * or, being another user's, ended by gw_launch. */
void driver_down(struct driver_process *p, const char *why);
void driver_on_closed(uv_handle_t *handle); /* one of p->open_handles */
void driver_tell_engine(struct driver_process *p, enum input_kind kind, const char *staging);

void driver_process_free(struct driver_process *p);

/* driver_former.c: the drivers that run now, for the next gwd. Before they are told anything. */
void drivers_note(const struct daemon *d);

/* driver_pending.c */
void pending_add(struct driver_process *p, struct handle *h, const char *verb, uint64_t number);
/* It is answered: the oldest with that verb, a copy by its number. False: there is none. */
bool pending_settle(struct driver_process *p, struct handle *h, const char *verb, uint64_t number);
/* The copy goes on, says the driver. */
void pending_goes_on(struct driver_process *p, struct handle *h, uint64_t number);
void pending_drop_all(struct driver_process *p, struct handle *h);
/* The watchdog looks at a driver that is up: who is silent for too long is ended, or his copies. */
void pending_look(struct driver_process *p);

/* driver_user.c */
/* The process that does in the name of `uid` what `base`, the daemon's own one, does in its own;
 * started when there is none. */
struct driver_process *driver_of_user(struct driver_process *base, uint64_t uid);
char **driver_user_argv(const struct driver_process *p); /* for free(), its words are lent */
uv_stdio_container_t driver_user_stderr(struct driver_process *p);
void driver_user_listen(struct driver_process *p); /* to its standard error */
/* It ended with this status because the user may not be served: why, malloc'ed; else NULL. */
char *driver_user_refusal(struct driver_process *p, int64_t status);
/* NULL, or why a daemon of many users cannot work with it: it would need files of the daemon's, or
 * cannot stand for its base. */
const char *driver_user_lacks(const struct driver_process *p);
/* Its run has ended, and all is closed: true when nobody needs another, and *p is given up. */
bool driver_user_is_over(struct driver_process *p);
void driver_users_end(struct driver_process *base, const char *why);
void driver_user_look(struct driver_process *p); /* now and then: one that is not used goes */

#endif
