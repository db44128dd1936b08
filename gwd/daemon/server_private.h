/* What server.c (who connects), connection.c (what a connection sends and reads) and peer.c (who
 * its user is) share. Only they include this. */
#ifndef GWD_DAEMON_SERVER_PRIVATE_H
#define GWD_DAEMON_SERVER_PRIVATE_H

#include "gwd/daemon/daemon.h"

#include <uthash.h>
#include <utlist.h>

/* Who has connected since the start; kept, because looking a name up costs more than serving a
 * request. What a round of the loop gives is a user's, however many connections he has, and so is
 * what they may make the daemon keep. */
struct user {
    uid_t uid;
    size_t n_connections, n_streams;
    size_t n_watched;  /* ids in his watches */
    size_t held_bytes; /* of all his connections: what came and is not served, went out and is not
                          read */
    char *name;
    uint64_t looked_up_ms;
    struct admission {
        bool is_asked, is_refused;         /* gw_launch is being asked; does not serve him */
        uint64_t asked_ms, tries_since_ms; /* 0: never */
        uint64_t tries;                    /* tasks since then */
    } admission;
    uint64_t round; /* the last in which he was served, */
    int64_t end_us; /* and until when (mono) */
    uint64_t rendered_round;
    unsigned n_rendered; /* texts of new events in that round */
    UT_hash_handle hh;
};

struct connection {
    uv_pipe_t pipe;
    struct daemon *daemon;
    uint64_t number;
    struct user *user;
    gid_t gid;
    bool is_admin, is_closing;
    bool is_ending;     /* closes when what is written is out */
    bool has_streams;   /* it has watched, or followed output */
    bool is_watching;   /* it has to read, or is cut off */
    bool is_to_flush;   /* in daemon->to_flush */
    uint64_t round;     /* the last in which it was served and had more */
    unsigned n_streams; /* watches and logs that it has now */
    size_t held_bytes;  /* of user->held_bytes */
    struct buf unread;  /* has come, but not had its turn; while there is any: in
                           daemon->unserved, and nothing more is read */
    struct buf line;    /* the part of a line that has come */
    struct buf out;     /* lines of this turn; sent together at its end */
    uint64_t stuck_ms;  /* when it last read something, while output waits for it */
    size_t stuck_bytes; /* what waited then */
    json_t *warnings;   /* by request id */
    struct connection *next_to_flush;
    struct connection *prev_unserved, *next_unserved;
    struct connection *prev, *next;
    UT_hash_handle hh;
};

/* connection.c */
void connection_start(struct connection *c); /* listen to it */
void connection_close(struct connection *c);
void connection_go_on(struct connection *c);      /* with what it has sent and was not served */
void connection_look_after(struct connection *c); /* cut it off if it has to read and does not */

/* peer.c: false when the kernel does not say who it is. */
bool peer_learn(struct connection *c);

#endif
