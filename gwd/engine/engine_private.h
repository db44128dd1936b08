/* Inside of the engine: the in-flight table and the pieces of a job's way. Nothing here is
 * journalled: after a restart it is made again from the state. Only gwd/engine includes this. */
#ifndef GWD_ENGINE_ENGINE_PRIVATE_H
#define GWD_ENGINE_ENGINE_PRIVATE_H

#include "gwd/engine/engine.h"
#include "gwd/engine/health.h"
#include "gwd/engine/timers.h"
#include "gwd/sched/sched.h"

struct rsl;

/* Where an attempt under way is. Each step but the waiting ones has requests out at one driver. */
enum step {
    STEP_IDLE, /* its driver is not up: goes on by IN_DRIVER_UP */
    /* prolog.c */
    PRO_START,
    PRO_RMDIR,
    PRO_MKDIR,
    PRO_STAT,
    PRO_EXISTS,
    PRO_FILL,
    PRO_FILL_WAIT, /* another attempt fills the cache entry */
    PRO_COPY,
    PRO_END,
    /* wrapper.c */
    WRA_SUBMIT,
    WRA_COMMIT,
    WRA_RUN,
    WRA_RECOVER,
    /* epilog.c */
    EPI_START,
    EPI_STATUS,
    EPI_LOOK,  /* a driver that tells no reasons: is the site there at all? */
    EPI_REACH, /* it does not show the job directory: would it make one? */
    EPI_READ,
    EPI_COPY,
    EPI_TURN, /* whose is it at the site? */
    EPI_RMDIR,
    EPI_END,
    /* stall.c: of copies of any phase */
    STA_END,
    STA_START,
    /* abort.c: give the attempt up, leaving nothing */
    ABO_STOP, /* END of what the prolog had open */
    ABO_START,
    ABO_COPY,
    ABO_RMDIR,
    ABO_END,
    STEP_BACKOFF, /* the timer goes on with `after` */
};

struct copy {
    char *from, *to;
    char *content; /* in place of `from`: a small file that we have made, for PUT */
    bool is_executable;
    bool is_optional; /* a missing source is no failure */
    bool is_open, is_done;
    uint64_t number;             /* of the request, while it is open */
    uint64_t bytes, bytes_total; /* as the driver tells; 0: not known */
};

struct copies {
    struct copy *items;
    size_t n, n_open;
};

/* A host by its name, and our attempts there, which after a restart come before it. */
struct host_entry {
    char *name;
    struct host *host; /* NULL: no driver has named it yet */
    struct flight *flights;
    struct health *health; /* of owners whose tasks failed there lately */
    UT_hash_handle hh;
};

struct flight {
    struct task_ref ref; /* first: the hash key is (job, task) */
    struct host_entry *at;
    struct flight *at_prev, *at_next; /* in at->flights */
    struct job *job;
    struct task *task;
    enum step step, after;
    bool is_trial;    /* health_started() counted it */
    bool is_redo;     /* the prolog was under way before: clean first */
    bool is_aborting; /* abort.c has begun */
    struct copies copies;
    unsigned tries;       /* that failed: of this step; in wrapper.c to get it going at the site */
    unsigned asks;        /* what became of it, without an answer that says */
    unsigned misses;      /* in a row, of a status file where the site was in reach */
    uint64_t next_number; /* of copies: none comes twice, so an answer said twice is no other's */
    uint64_t lone_copy;   /* the number of the copy that PRO_FILL or EPI_STATUS waits for */
    uint64_t lone_bytes, lone_bytes_total;
    enum step stalled; /* the step whose copy `stalled_copy` was given up: stall.c */
    uint64_t stalled_copy;
    unsigned stalls;       /* of this attempt's prolog */
    struct reason failure; /* what failed first; the attempt ends with it */
    struct fill *fill;     /* the cache entry that it fills, or NULL */
    char *image_key;       /* of the image cache; "" when the image is not cached */
    enum em_state em;
    struct status_report status;
    uint64_t timer;            /* generation: older timers of this flight mean nothing */
    bool may_be_submitted;     /* a SUBMIT was sent, now or before a restart */
    bool has_spool;            /* bare: its description was written there */
    bool is_tm_open;           /* START was sent, END was not answered */
    int64_t unknown_mono_us;   /* since when its fate is unknown, on our clock */
    uint64_t lost_seq;         /* lease files from this number on name it as lost */
    bool is_left;              /* something of it stays at the site: remains.c goes on */
    uint64_t look;             /* EPI_TURN: which one it waits for (trace.c) */
    bool is_parked;            /* STEP_IDLE until its owner's credential is good again */
    struct reason trouble;     /* what it last waited for, parked or backing off */
    unsigned parks;            /* in a row for a credential that looks good from here */
    unsigned cancels;          /* of the execution driver, since the daemon started */
    struct reason cancel_said; /* what it answered, when that was a refusal */
    bool is_withdrawn;         /* it is cancelled because of `failure` */
    /* inquest.c: */
    unsigned deaths;        /* of its driver, and it was named, in this phase */
    enum step died;         /* where, the last time */
    uint64_t answers_then;  /* its n_answers at the first of them */
    bool is_suspect;        /* it was out with others when its driver died */
    bool is_held;           /* until the inquest of its driver is over */
    struct inquest *let_on; /* by that one; NULL: by none, or it is over */
    bool is_tried;          /* and has not passed yet */
    int64_t tried_us;
    struct flight *leased_prev, *leased_next; /* of those with a lease */
    UT_hash_handle hh;
};

/* A cache entry that is being filled, and who waits for it. */
struct fill {
    char *key;                /* its URL; in multi-user mode with the owner */
    struct task_ref *waiting; /* in order; those that do not wait any more are passed over */
    size_t n_waiting;
    UT_hash_handle hh;
};

struct driver {
    enum driver_kind kind;
    char *name;
    bool is_up;
    struct absent_user *absent; /* whose process is not there */
    unsigned features;
    char *staging;
    uint64_t n_answers; /* about attempts */
    struct inquest *inquests;
    struct driver *next;
};

struct absent_user {
    uint64_t uid;
    UT_hash_handle hh;
};

struct user_count {
    uint64_t uid, running;
    UT_hash_handle hh;
};

/* Finished jobs in the order in which they leave the state. */
struct forget_queue {
    struct forget_item {
        int64_t at_us; /* mono */
        uint64_t job;
    } * items;
    size_t at, n, cap;
    size_t n_asked; /* from `at` on: EFFECT_ARCHIVE was given, IN_ARCHIVED has not come */
};

/* What attempts have left at sites: gwd/engine/remains.c. */
struct remains {
    struct remain *all; /* by ref, oldest first */
    struct remains_place *places;
    struct remains_job *jobs;
    struct remains_user *users;
    int64_t timer_us; /* mono: the earliest TIMER_REMAINS that is set, INT64_MAX: none */
};

struct engine {
    const struct engine_config *config;
    const struct engine_im *ims;
    size_t n_ims;
    struct state state;
    struct flight *flights, *leased;
    struct fill *fills;
    struct driver *drivers;
    struct host **hosts; /* by id: hosts[i]->id == i */
    struct host_entry *host_entries;
    size_t n_hosts;
    struct user_count *users;
    struct credential *credentials; /* by owner and path */
    struct timers timers;
    struct forget_queue forget;
    uint64_t n_flights; /* ever made */
    struct sched *sched;
    bool is_pass_cut; /* goes on by TIMER_MATCH, so that the loop can look up in between */
    int64_t match_us; /* mono: the earliest TIMER_MATCH that is set, INT64_MAX: none */
    uint64_t lease_seq;
    struct lease_copy *lease_copies; /* not known to be over */
    struct task_ref *replaced;       /* attempts that were given up as lost: gwd/engine/lease.c */
    size_t n_replaced;
    int64_t lease_us;      /* mono: when leases are renewed next, INT64_MAX: there are none */
    int64_t wall_ahead_us; /* of the wall clock before the other one, when it was last judged */
    struct trace *traces;  /* by site: what it knows of this state */
    uint64_t n_traces;
    struct remains remains;
    struct {
        const struct attempt_place *place; /* the last one that was looked for */
        const char *credential;
        uint64_t uid;
    } traced;
    char *notice;
    /* Of the step in progress: */
    int64_t now_us, mono_us;
    struct output *out;
};

/* emit.c */
void emit(struct engine *e,
          struct event *ev); /* stamp, apply, append; a refusal is a broken invariant */
void emit_attempt(struct engine *e, struct flight *f, enum event_kind kind);
struct effect *effect_add(struct engine *e, enum effect_kind kind);
void send_request(struct engine *e, enum driver_kind kind, const char *driver, const char *verb,
                  struct task_ref ref, uint64_t number, const char *arg0, const char *arg1,
                  const char *arg2);
void write_file(struct engine *e, char *path, struct buf *data,
                unsigned mode); /* takes both over */
void reply_error(struct engine *e, const struct asker *asker, enum gw_errc code, const char *fmt,
                 ...) __attribute__((format(printf, 4, 5)));

/* flight.c */
struct flight *flight_find(const struct engine *e,
                           struct task_ref ref); /* also of the same attempt, else NULL */
struct flight *flight_create(struct engine *e, struct job *j, struct task *t);
void flight_destroy(struct engine *e, struct flight *f);
struct attempt *flight_attempt(const struct flight *f);
void flight_wait(struct engine *e, struct flight *f, int64_t delay_us, enum step after,
                 const struct reason *why); /* back off, for a reason, which may be NULL */
void flight_timer(struct engine *e, struct flight *f, int64_t delay_us);
void flight_fail(struct flight *f, const char *code, enum blame blame,
                 const char *text); /* the first one stays */
void flight_end(struct engine *e, struct flight *f,
                enum outcome outcome);                   /* ATTEMPT_ENDED; f is gone */
void flight_give_up(struct engine *e, struct flight *f); /* flight_end by failure, blame and wish */
int64_t backoff_us(const struct engine *e, unsigned tries);
/* May what failed for `r` be tried once more at the same site? */
bool flight_may_retry(const struct flight *f, const struct reason *r);
/* Its attempt is from before the state was copied: the other daemon may follow it as well. */
bool flight_was_copied(const struct engine *e, const struct flight *f);
/* Its fate is unknown from now on, unless it was before. */
void flight_lost(struct engine *e, struct flight *f, const char *text);
struct driver *driver_find(const struct engine *e, enum driver_kind kind, const char *name);
bool tm_send(struct engine *e, struct flight *f, enum step step, const char *verb, uint64_t number,
             const char *arg0, const char *arg1,
             const char *arg2); /* false: driver not up, or credential not good: flight idles */
/* The prolog may have asked for a removal, whose answer, said late or twice, would pass for that of
 * the last one: drivers are given a new handle. */
void flight_forget_removal(struct engine *e, struct flight *f);
void status_report_clear(struct status_report *s);
void place_count(struct engine *e, const struct flight *f, int sign); /* host and user */
void host_count(struct host *h, const struct job *j, const struct attempt *a,
                int sign); /* slots and memory */
void copies_clear(struct copies *c);
void copies_add(struct copies *c, char *from, char *to, bool is_executable,
                bool is_optional); /* takes the names */
/* The same for a file with that content. */
void copies_put(struct copies *c, char *content, char *to, bool is_executable);
bool tm_is_small(const struct engine *e, const struct flight *f);     /* PUT and GET may be used */
void copies_send(struct engine *e, struct flight *f, enum step step); /* those not done */
bool copies_answer(struct flight *f, const struct input *in); /* true: that was the last one open */
bool copies_is_open(const struct flight *f, uint64_t number);
void copies_progress(struct flight *f, const struct input *in);

/* user.c: multi-user mode, in which a driver has a process for each user */
bool driver_serves(const struct driver *d, uint64_t uid);               /* d may be NULL */
bool flight_has_driver(const struct driver *d, const struct flight *f); /* the same for its owner */
void user_driver_up(struct engine *e, struct driver *d, const struct input *in);
void user_driver_down(struct engine *e, struct driver *d, const struct input *in);
void driver_forget_users(struct driver *d);

/* engine.c */
bool flight_concerns(const struct flight *f,
                     const struct driver *d);             /* who does its phase's work */
void flight_idle(struct engine *e, struct flight *f);     /* its driver is gone */
void flight_continue(struct engine *e, struct flight *f); /* begin its phase again */
/* An answer of its transfer driver. */
void flight_tm_answer(struct engine *e, struct flight *f, const struct input *in);

/* credential.c */
/* Each is a file that is looked at again and again: so many of one user. */
bool credential_has_room(const struct engine *e, uint64_t uid, const char *path);
void credential_want(struct engine *e, const struct job *j); /* watch that of its owner */
void credential_take(struct engine *e, const struct input *in);
void credentials_judge(struct engine *e); /* all of them anew: the wall clock was set */
bool credential_is_good(const struct engine *e, const struct job_class *c);
/* May a request of the flight go to `d`? If not, the flight is parked and false returned. */
bool credential_pass(struct engine *e, struct flight *f, const struct driver *d, const char *verb);
/* Tell `d` with which credential it acts for the flight. */
void credential_tell(struct engine *e, const struct flight *f, const struct driver *d);
/* A failure for the credential's sake parks the flight, and true is returned. */
bool credential_park(struct engine *e, struct flight *f, const struct reason *why);
void credentials_clear(struct engine *e);

/* bare.c: attempts without job directory and wrapper (STAGING = no) */
bool flight_is_bare(const struct flight *f);
void bare_begin(struct engine *e, struct flight *f); /* staged at once, and submitted */
/* It is over: accepted with its exit code, which the text of DONE:<code> has. */
void bare_ended(struct engine *e, struct flight *f, const char *state);
void bare_failed(struct engine *e, struct flight *f); /* over without a result: f->failure */
void bare_put(struct engine *e, const struct flight *f, struct rsl *rsl); /* what to run */

/* prolog.c, wrapper.c, epilog.c, abort.c: begin, go on after an answer, go on after a timer */
void prolog_begin(struct engine *e, struct flight *f);
void prolog_answer(struct engine *e, struct flight *f, const struct input *in);
void prolog_resume(struct engine *e, struct flight *f);
void wrapper_begin(struct engine *e, struct flight *f);   /* first submission */
void wrapper_recover(struct engine *e, struct flight *f); /* find out what became of it */
void wrapper_answer(struct engine *e, struct flight *f, const struct input *in);
void wrapper_resume(struct engine *e, struct flight *f);
void wrapper_cancel(struct engine *e, struct flight *f);
void wrapper_cannot_ask(struct engine *e, struct flight *f); /* its driver dies of it: unknown */
void wrapper_refused(struct engine *e, struct flight *f, const char *code,
                     const char *text); /* certainly never ran, and will not */
void epilog_begin(struct engine *e, struct flight *f);
void epilog_answer(struct engine *e, struct flight *f, const struct input *in);
void epilog_resume(struct engine *e, struct flight *f);
void epilog_status(struct engine *e, struct flight *f, const struct status_report *report);
/* `wrong`: why it is not known whose turn it is at the site; without a code: it is. */
void epilog_turn(struct engine *e, struct flight *f, const struct reason *wrong);
void epilog_cannot_fetch(struct engine *e, struct flight *f); /* its driver dies of it */
void abort_begin(struct engine *e, struct flight *f);         /* f->failure says why */
void abort_answer(struct engine *e, struct flight *f, const struct input *in);
void abort_resume(struct engine *e, struct flight *f);
void fills_wake(struct engine *e, struct flight *by);
void fill_destroy(struct fill *fill);

/* staging.c: names and URLs of an attempt; all malloc'ed */
char *staging_token(const struct engine *e, const struct flight *f);
char *staging_dir_url(const struct engine *e, const struct job *j, const struct task *t,
                      const struct attempt *a);
char *staging_site_path(const char *url); /* the path that the site's own programs use: absolute, or
                                             relative to the home */
char *staging_expand(const struct engine *e, const struct job *j, uint64_t index, const char *text);
int staging_words(const struct engine *e, const struct job *j, uint64_t index, const char *line,
                  char ***ret_words, size_t *ret_n); /* as subst_words */
bool staging_is_staged(const char *name);            /* or is it on the host already? */
bool staging_has_stdin(const struct template *t);
char *staging_spool(const struct engine *e, const struct flight *f, const char *name);
char *staging_image_url(const struct flight *f);
void staging_inputs(struct engine *e,
                    struct flight *f); /* into f->copies: everything the prolog copies */
void staging_outputs(struct engine *e, struct flight *f, bool is_streams_only);

/* jobfiles.c: the files that we make for an attempt, and the job description */
/* job.ctl, job.env and what else we make, into f->copies. */
void jobfiles_stage(struct engine *e, struct flight *f);
/* The last field of SUBMIT and RECOVER: the description where `d` takes it inline, else the path of
 * the file, which is written. malloc'ed. NULL: multi-user mode, and it is too long. */
char *jobfiles_description(struct engine *e, struct flight *f, const struct driver *d);
/* The GW_ variables of a job; `put` is given malloc'ed values and takes them over. */
typedef void jobfiles_put(void *ctx, const char *name, char *value);
void jobfiles_names(struct engine *e, const struct flight *f, jobfiles_put *put, void *ctx);
/* Is .wrapper a file for the program gw_wrapper, which the host has? */
bool jobfiles_has_program(const struct engine *e, const struct flight *f);

/* nsh.c: where worker nodes do not have the account's home */
bool nsh_is_wanted(const struct engine *e, const struct flight *f);
void nsh_describe(const struct engine *e, const struct flight *f,
                  struct rsl *rsl);                                /* what to run */
char *nsh_outputs(const struct engine *e, const struct flight *f); /* a line each; malloc'ed */

/* request.c */
void request_submit(struct engine *e, const struct input *in);
void request_wish(struct engine *e, const struct input *in);
void request_drain(struct engine *e, const struct input *in);
void request_pause(struct engine *e, const struct input *in);
void wish_serve(struct engine *e,
                struct flight *f); /* what an attempt under way does about wish GONE */

/* hosts.c */
void hosts_answer(struct engine *e, const struct input *in);
void hosts_driver_changed(struct engine *e, const struct driver *d); /* TM or EM */
void hosts_driver_up(struct engine *e, const struct driver *d);
void hosts_driver_down(struct engine *e, const struct driver *d, const char *why);
void hosts_discover(struct engine *e, size_t im);
void hosts_monitor(struct engine *e, size_t host);
struct host_entry *hosts_entry(struct engine *e, const char *name); /* made when it is new */
void hosts_clear(struct engine *e);

/* rest.c: sites that rest after failures */
void rest_started(struct engine *e, struct flight *f);
void rest_ended(struct engine *e, struct flight *f, enum outcome outcome);
void rest_time(struct engine *e, uint64_t host);
void rest_forgive(struct engine *e, struct host_entry *at); /* as if nothing had failed */
void rest_clear(struct host_entry *at);
bool rest_has_any(const struct engine *e, const struct host *host); /* for somebody, now */
bool rest_concerns(const struct engine *e, const struct host *host, const struct job_class *c);

/* dispatch.c */
void dispatch(struct engine *e);
struct sched *dispatch_create(struct engine *e);

/* lease.c */
/* Where one account's files are: two credentials may be two accounts, and so two homes. */
struct site {
    const char *tm, *url, *credential; /* credential: NULL, unless `tm` needs one */
    uint64_t uid;                      /* multi-user mode: in whose name; else NOBODY */
    uint64_t lease_s;                  /* the shortest of the attempts that are meant */
};
struct site site_of(const struct engine *e, const struct flight *f);
/* Bring the lease file there; `number` tells it from others of this renewal. Whose turn it is there
 * was found out at looked_us (mono). */
void lease_send(struct engine *e, const struct site *site, uint64_t number, int64_t looked_us);
/* How long it takes until the lease of a flight that was last heard of at since_us (mono) is
 * certainly over; INT64_MAX: that cannot be said. */
int64_t lease_rest_us(const struct engine *e, const struct flight *f, int64_t since_us);
void lease_start(struct engine *e, uint64_t last_seq); /* with that of a daemon before us, or 0 */
void lease_want(struct engine *e,
                uint64_t lease_s); /* an attempt with such a lease begins; 0: none */
void lease_renew(struct engine *e);
void lease_answer(struct engine *e, const struct input *in); /* of a copy of the lease file */
void lease_driver_down(struct engine *e, const struct driver *d, uint64_t uid); /* NOBODY: all */
/* The flight's fate is unknown from now on: no lease file sent later renews its lease. */
void lease_lose(struct engine *e, struct flight *f);
/* An attempt that is lost, and whose lease is over, is replaced: its lease is never renewed again.
 */
void lease_replace(struct engine *e, struct task_ref ref);
/* May a lease file that was sent before that still arrive? */
bool lease_may_come(const struct engine *e, const struct flight *f);
void lease_clear(struct engine *e);

/* trace.c */
void trace_want(struct engine *e, const struct flight *f); /* an attempt begins at its site */
/* Look there again, then bring the lease file, if it is our turn. */
void trace_renew(struct engine *e, const struct site *site);
/* Look again: the number of the look that is to be waited for; then comes epilog_turn(). */
uint64_t trace_look(struct engine *e, const struct flight *f);
/* A later daemon with this state works at the flight's site, as far as is known. */
bool trace_is_superseded(const struct engine *e, const struct flight *f);
/* May a flight with a lease go on there? If not, it waits, to go on with `after`, and false is
 * returned. */
bool trace_pass(struct engine *e, struct flight *f, enum step after);
/* Since when its mark there is ours (mono); 0: it is not, or that is not known. */
int64_t trace_marked_us(const struct engine *e, const struct flight *f);
bool trace_answer(struct engine *e, const struct input *in); /* false: it is of nothing here */
void trace_found(struct engine *e, const struct input *in);
void trace_driver_down(struct engine *e, const struct driver *d, uint64_t uid); /* NOBODY: all */
void trace_clear(struct engine *e);

/* stall.c */
void stall_input(struct engine *e, const struct input *in); /* IN_STALLED */
/* The answer to what it asks, in its steps. */
void stall_answer(struct engine *e, struct flight *f, const struct input *in);

/* remains.c */
void remains_add(struct engine *e, const struct flight *f); /* its end does not wait for them */
/* Those of before the restart that IN_START tells of. */
void remains_start(struct engine *e, const struct job *j, const struct input *start);
void remains_time(struct engine *e);
void remains_answer(struct engine *e, const struct input *in);
bool remains_has(const struct engine *e, uint64_t job); /* something of the job is left */
void remains_keep(struct engine *e, uint64_t job);      /* then forget_later(), and not before */
void remains_clear(struct engine *e);

/* inquest.c: which attempt a driver dies of */
void inquest_death(struct engine *e, struct driver *d, const struct input *in); /* flights as is */
/* What concerns the driver, NOBODY: of all users, goes on, now or in its turn. */
void inquest_up(struct engine *e, struct driver *d, uint64_t uid);
/* Others are on trial at the driver: the flight's phase is begun when they have passed. */
bool inquest_holds(struct flight *f, const struct driver *d);
/* Too many deaths were for its sake: what the driver died of is not asked again. */
bool inquest_blames(const struct flight *f);
void inquest_passed(struct flight *f);                     /* what it asked for is done */
void inquest_heard(struct engine *e, struct task_ref ref); /* it may ask for nothing any more */
void inquest_leave(struct flight *f);                      /* it is gone */
void inquest_resume(struct engine *e, struct flight *f);   /* its pause is over */
void inquest_time(struct engine *e, const struct timer *t);
void inquests_go_on(struct engine *e);
void inquests_clear(struct driver *d);

/* forget.c */
void forget_later(struct engine *e, const struct job *j); /* it is final now; */
/* At least so long ago was the event `seq`, as IN_START says. */
int64_t seen_age_us(const struct input *start, uint64_t seq);
/* it was when the state was loaded */
void forget_loaded(struct engine *e, const struct job *j, const struct input *start);
void forget_start(struct engine *e); /* after those */
void forget_time(struct engine *e);
void forget_archived(struct engine *e, bool is_archived);
void forget_clear(struct engine *e);

#endif
