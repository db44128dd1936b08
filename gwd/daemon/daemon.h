/* The daemon around the engine: one libuv loop that turns what comes in into inputs, puts a turn's
 * events on disk with one sync, and only then lets its effects and replies out.
 *
 *   turn.c      the turn: step, append, sync, effects
 *   driver.c    driver processes; driver_line.c their lines
 *   server.c    clients' connections; ops.c what they may ask; view.c how it is shown
 *   watch.c     events for those who watch; logs.c payload output for those who follow
 *   credential.c  the files in whose name drivers act at sites
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
struct driver_process;
struct watch;
struct log_stream;
struct credential_file;
struct settings;

struct daemon {
    uv_loop_t *loop;
    struct settings *settings;
    struct store *store;
    struct engine *engine;

    /* turn.c: outputs take turns, so that effects may give new inputs */
    struct output outputs[2];
    unsigned current;
    bool is_performing;
    uv_prepare_t before_poll;
    uv_check_t after_poll;
    uv_timer_t engine_timer;

    struct driver_process *drivers;
    uv_timer_t driver_watchdog;

    uv_pipe_t listener;
    struct connection *connections;
    uint64_t next_connection;
    size_t n_connections;

    struct watch *watches;
    struct log_stream *logs;
    uint64_t next_log;

    struct credential_file *credentials;

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
void turn_end(struct daemon *d);
void turn_close(struct daemon *d);

/* driver.c */
int drivers_start(struct daemon *d, struct gw_err *err);
void drivers_stop(
    struct daemon *d); /* FINALIZE; they end by themselves, or are ended after some seconds */
void drivers_free(struct daemon *d); /* after the loop has ended */
void driver_request(struct daemon *d, enum driver_kind kind, const char *name, const char *verb,
                    struct task_ref ref, uint64_t number, char *const args[3]);
void driver_release(struct daemon *d, struct task_ref ref);
unsigned driver_features(const struct daemon *d, enum driver_kind kind,
                         const char *name); /* 0 when down */
json_t *drivers_json(const struct daemon *d);

/* server.c */
int server_start(struct daemon *d, struct gw_err *err);
void server_stop(struct daemon *d);
struct connection *server_connection(struct daemon *d, uint64_t number); /* or NULL: it is gone */
void connection_send(struct connection *c, json_t *message); /* takes the reference over */
void connection_reply(struct connection *c, json_int_t id,
                      json_t *body); /* the same, with id and ok */
void connection_error(struct connection *c, json_int_t id, enum gw_errc code, const char *text,
                      json_t *diagnostics);
/* Say what is wrong with the peer's protocol, and end the connection. */
void connection_refuse(struct connection *c, const char *text);
struct asker connection_asker(const struct connection *c, json_int_t id);
bool connection_is_full(const struct connection *c); /* it has much to read yet */
struct daemon *connection_daemon(const struct connection *c);
gid_t connection_gid(const struct connection *c);
/* Warnings about a submission wait here for its answer; taken once. */
void connection_note_warnings(struct connection *c, json_int_t id, json_t *diagnostics);
json_t *connection_take_warnings(struct connection *c, json_int_t id);

/* ops.c */
void ops_serve(struct connection *c, json_t *request);
void ops_reply(struct daemon *d, const struct asker *asker, const struct reply *reply);

/* view.c: new references */
json_t *view_job(struct daemon *d, const struct job *j, uint64_t index);
json_t *view_history(struct daemon *d, const struct job *j, uint64_t index);
json_t *view_host(struct daemon *d, const struct host *h);
json_t *view_users(struct daemon *d);
json_t *view_event(const struct event *ev);
json_t *view_reason(const char *code, enum blame blame, const char *text);
const char *view_state(const struct daemon *d, const struct job *j,
                       uint64_t index); /* GridWay's four letters */

/* watch.c */
void watch_add(struct connection *c, json_int_t id, json_t *request);
void watch_remove(struct connection *c, json_int_t id);
void watch_gone(struct daemon *d, const struct connection *c);
void watch_turn(struct daemon *d, const struct output *out); /* the events that are now on disk */

/* logs.c */
#define LOGS_REF_JOB UINT64_MAX /* task_ref.job of a TAIL request */
void logs_add(struct connection *c, json_int_t id, json_t *request);
void logs_remove(struct connection *c, json_int_t id);
void logs_gone(struct daemon *d, const struct connection *c);
void logs_answer(struct daemon *d, uint64_t serial, const char *verb, bool is_success,
                 const char *text);
void logs_drained(struct daemon *d, const struct connection *c); /* it has read what was sent */
void logs_event(struct daemon *d, const struct event *ev);

/* credential.c */
void credential_watch(struct daemon *d,
                      const char *path); /* IN_CREDENTIAL, now and when it changes */
void credentials_free(struct daemon *d); /* after the loop has ended */

void daemon_stop(struct daemon *d, int exit_code);

#endif
