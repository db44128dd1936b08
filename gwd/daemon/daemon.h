/* The daemon around the engine: one libuv loop that turns what comes in into inputs, puts a turn's
 * events on disk with one sync, and only then lets its effects and replies out.
 *
 *   turn.c      the turn: step, append, sync, effects
 *   driver.c    driver processes; driver_line.c their lines; driver_user.c those of users
 *   server.c    clients connect; connection.c their lines; request.c what is one; peer.c who they
 *               are
 *   ops*.c      what they may ask; view*.c how it is shown; sight.c to whom
 *   admission.c does gw_launch serve who submits?
 *   watch.c     events for those who watch; logs.c payload output for those who follow
 *   statedir.c  the state as it is read at the start
 *   archiving.c finished jobs on their way out of the state
 *   served.c    the clock by which they are kept for their time
 *   credential.c  the files in whose name drivers act at sites; helper.c: looking as their owners
 *   settings.c  configuration to engine and drivers; dev.c the private daemon
 *
 * Everything runs on the loop's thread. */
#ifndef GWD_DAEMON_DAEMON_H
#define GWD_DAEMON_DAEMON_H

#include "gwd/engine/engine.h"
#include "gwd/store/store.h"

#include <jansson.h>
#include <sys/types.h>
#include <uv.h>

struct connection;
struct user;
struct driver_process;
struct watch;
struct watched;
struct log_stream;
struct credential_file;
struct credential_owner;
struct helper;
struct settings;
struct archiving;
struct served;

struct daemon {
    uv_loop_t *loop;
    struct settings *settings;
    struct store *store;
    struct engine *engine;

    /* turn.c: outputs take turns, so that effects may give new inputs */
    struct output outputs[2];
    unsigned current;
    uint64_t n_answers;          /* lines of drivers since counted_us */
    int64_t counted_us, turn_us; /* mono; turn_us: the end of the last turn */
    bool is_busy;
    uv_idle_t no_wait;
    uv_prepare_t before_poll;
    uv_check_t after_poll;
    uv_timer_t engine_timer;

    struct driver_process *drivers, *user_drivers; /* user_drivers: some of them, by user */
    uv_timer_t driver_watchdog;
    uint64_t driver_looks; /* how often it came */

    uv_pipe_t listener;
    struct connection *connections, *by_number, *to_flush, *unserved;
    uint64_t round; /* of the loop */
    struct user *users;
    uint64_t next_connection;
    size_t n_connections, connections_max;
    unsigned n_accepted;    /* in this round; */
    bool is_accept_waiting; /* one more waits for the next */
    uint64_t looked_after_ms;

    struct watch *watches, *filtered; /* of all events; of some jobs */
    struct watch *catching_up;        /* not yet at the last event */
    struct watched *watched;          /* jobs that others watch, by id */
    struct log_stream *logs;
    uint64_t next_log;

    struct credential_file *credentials;
    struct credential_owner *credential_owners;
    struct helper *helpers;
    struct archiving *archiving;
    struct served *served;

    uv_signal_t signals[3];
    bool is_stopping;
    int exit_code;
};

int64_t clock_wall_us(void);
int64_t clock_mono_us(void); /* CLOCK_BOOTTIME */

/* turn.c */
void turn_init(struct daemon *d);
void turn_input(struct daemon *d,
                struct input *in); /* sets the clocks; effects come at the end of the turn */
void turn_end(struct daemon *d);   /* now, until nothing is left to be put on disk or done */
void turn_close(struct daemon *d);

/* driver.c */
/* Until those of a gwd that was killed have ended: some seconds at most. */
void drivers_await_former(const char *state_dir);
int drivers_start(struct daemon *d, struct gw_err *err);
void drivers_stop(
    struct daemon *d); /* FINALIZE; they end by themselves, or are ended after some seconds */
void drivers_free(struct daemon *d);                                 /* after the loop has ended */
void driver_request(struct daemon *d, const struct effect *request); /* an EFFECT_SEND */
void driver_release(struct daemon *d, struct task_ref ref);
void drivers_flush(struct daemon *d); /* what the turn asked of them leaves, a write for each */
bool drivers_need_credentials(const struct daemon *d);
unsigned driver_features(const struct daemon *d, enum driver_kind kind,
                         const char *name);       /* 0 when down */
json_t *drivers_json(const struct connection *c); /* those that it may see */

/* server.c */
int server_start(struct daemon *d, struct gw_err *err);
void server_stop(struct daemon *d);
void server_flush(struct daemon *d); /* send what a turn has given; at its end */
/* Once in a round, after its poll: those that had asked for more than a round has time for. */
void server_go_on(struct daemon *d);
bool server_has_more(const struct daemon *d); /* the next poll must not wait */
void server_free(struct daemon *d);           /* after the loop has ended */
struct connection *server_connection(struct daemon *d, uint64_t number); /* or NULL: it is gone */

/* A line for the client: append its text to the buffer, then end it (which adds the newline).
 * Nothing else may be asked of the connection in between. It is sent at the end of the turn. */
struct buf *connection_line(struct connection *c);
void connection_line_end(struct connection *c);
/* The same for an answer, an object that has `id` and `ok` already. */
struct buf *connection_answer(struct connection *c, json_int_t id);
void connection_answer_end(struct connection *c);

void connection_send(struct connection *c, json_t *message); /* takes the reference over */
/* {code, message}; the text may hold anything. */
json_t *connection_error_json(enum gw_errc code, const char *text);
void connection_error(struct connection *c, json_int_t id, enum gw_errc code, const char *text,
                      json_t *diagnostics);
/* Say what is wrong with the peer's protocol, and end the connection. */
void connection_refuse(struct connection *c, const char *text);

/* Lines that many clients are sent: one copy for all of them. Who does not read such lines is cut
 * off. */
struct shared_text {
    size_t refs, len;
    char data[];
};
struct shared_text *shared_text_create(const struct buf *text);
void shared_text_release(struct shared_text *t);
void connection_send_shared(struct connection *c, struct shared_text *text);

struct asker connection_asker(const struct connection *c, json_int_t id);
bool connection_is_full(const struct connection *c); /* it has much to read yet */
/* It is not, and its user's time in this round is not over. */
bool connection_may_go_on(struct connection *c);
/* One more text of a turn's events is made for its user; false: he has had his share of the round.
 */
bool connection_may_render(struct connection *c);
struct daemon *connection_daemon(const struct connection *c);
gid_t connection_gid(const struct connection *c);
/* Multi-user mode: false when gw_launch does not serve its user, who has tried lately. */
bool connection_is_admitted(struct connection *c, uint64_t tasks);
const char *connection_user(const struct connection *c); /* the name; digits when it has none */
/* One more watch (of `n_ids` jobs) or log of it: watch.c and logs.c are told of its end; one that
 * watches has to read. False: it, or its user, has too many; it was told. */
bool connection_take_stream(struct connection *c, json_int_t id, bool is_watching, size_t n_ids);
void connection_drop_stream(struct connection *c, size_t n_ids);
/* Warnings about a submission wait here for its answer; taken once. */
void connection_note_warnings(struct connection *c, json_int_t id, json_t *diagnostics);
json_t *connection_take_warnings(struct connection *c, json_int_t id);

/* ops.c */
void ops_free(void); /* after the loop has ended */
void ops_serve(struct connection *c, json_t *request);
void ops_reply(struct daemon *d, const struct asker *asker, const struct reply *reply);

/* sight.c */
enum sight {
    SIGHT_NONE,    /* as if it did not exist */
    SIGHT_OUTSIDE, /* where it is, not what it is made of */
    SIGHT_FULL
};
#define VIEWER_OF_ALL UINT64_MAX /* in place of a user: an administrator */
/* What a viewer, or who is at the connection, sees of jobs of user `owner`. */
enum sight sight_of(const struct daemon *d, uint64_t viewer, uint64_t owner);
enum sight connection_sight(const struct connection *c, uint64_t owner);
uint64_t connection_viewer(const struct connection *c);
/* Whose job it is, or was; false: there is none of that id. */
bool job_owner(struct daemon *d, uint64_t job, uint64_t *ret_uid);

/* view*.c: JSON text, appended. `name`: of the member; NULL: an element, or the whole text. `sight`
 * is not SIGHT_NONE. */
#define VIEW_ALL UINT64_MAX
uint64_t view_member(const char *name); /* a job's member, for `wanted`; 0: there is none */
void view_job(const struct daemon *d, const struct job *j, uint64_t index, uint64_t wanted,
              enum sight sight, struct buf *out);
void view_strip(json_t *job); /* what a whole one has beyond SIGHT_OUTSIDE */
void view_history(const struct daemon *d, const struct job *j, uint64_t index, const char *name,
                  enum sight sight, struct buf *out);
/* With `places`: only those of its queues, with rank and free slots. For whom it rests is told to
 * them, and to administrators. */
void view_host(const struct daemon *d, const struct host *h, const struct match_place *places,
               size_t n, const struct asker *asker, struct buf *out);
void view_free(void);                                         /* after the loop has ended */
void view_users(const struct connection *c, struct buf *out); /* "users":[...]; those it may see */
void view_event(const struct event *ev, enum sight sight, struct buf *out); /* "event":{...} */
const char *view_state(const struct job *j, uint64_t index); /* GridWay's four letters */
void view_reason(struct buf *out, const char *name, const char *code, enum blame blame,
                 const char *message);

/* archive.c */
void archiving_init(struct daemon *d);
void archiving_add(struct daemon *d, uint64_t job); /* EFFECT_ARCHIVE */
/* Why a task that is not in the state is not found in the archive either: for its asker, malloc'ed.
 */
enum gw_errc archived_why_not(struct daemon *d, uint64_t id, char **ret_text);
void archiving_stop(struct daemon *d); /* before the loop is closed */
void archiving_free(struct daemon *d);

/* served.c: how long the state has been served, in us; from where it counts means nothing. */
int64_t served_us(const struct daemon *d);
/* The state is loaded; what is known of the runs before goes into IN_START. */
void served_begin(struct daemon *d, struct input *start);
void served_start(struct daemon *d); /* the loop is there */
void served_end(struct daemon *d);   /* it has ended */

/* watch.c */
void watch_add(struct connection *c, json_int_t id, json_t *request);
void watch_remove(struct connection *c, json_int_t id);
void watch_gone(struct daemon *d, const struct connection *c);
void watch_turn(struct daemon *d, const struct output *out); /* the events that are now on disk */
/* Once in a round: old events for those who asked for them; is there more to do? */
void watch_go_on(struct daemon *d);
bool watch_has_more(const struct daemon *d);

/* logs.c */
#define LOGS_REF_JOB UINT64_MAX /* task_ref.job of a TAIL request */
void logs_add(struct connection *c, json_int_t id, json_t *request);
void logs_remove(struct connection *c, json_int_t id);
void logs_gone(struct daemon *d, const struct connection *c);
void logs_answer(struct daemon *d, uint64_t serial, const char *verb, bool is_success,
                 const char *text);
void logs_drained(struct daemon *d, const struct connection *c); /* it has read what was sent */
void logs_event(struct daemon *d, const struct event *ev);

/* helper.c: run a program as a user; words[0] is its path. `done` is told its exit status, -1 when
 * it could not be started or was ended after limit_s, and what it said. Not when the daemon stops.
 */
typedef void helper_done(void *ctx, int status, const char *said);
void helper_run(struct daemon *d, uint64_t uid, char *const *words, unsigned limit_s,
                helper_done *done, void *ctx);
void helpers_free(struct daemon *d); /* after the loop has ended */

/* credential.c */
/* IN_CREDENTIAL, now and when it changes. uid: who looks, in multi-user mode. */
void credential_watch(struct daemon *d, uint64_t uid, const char *path);
void credentials_free(struct daemon *d); /* after the loop has ended */

/* notify.c */
void notify_ready(void);

void daemon_stop(struct daemon *d, int exit_code);

#endif
