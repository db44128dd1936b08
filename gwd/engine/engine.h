/* The engine decides. Every driver's answer, timer and client's request is an input to one step,
 * which applies events to the state and returns what to do once they are on disk: effects, in
 * order.
 *
 * Pure: no file, clock or randomness. The daemon and the simulator drive it in the same way:
 *     engine_step(e, &input, &out);  append and sync out.events;  perform out.effects;
 * Recovery: fold the stored events into e->state, empty the spool, then give IN_START; drivers that
 * come up (IN_DRIVER_UP) find out what became of what was under way. */
#ifndef GWD_ENGINE_ENGINE_H
#define GWD_ENGINE_ENGINE_H

#include "gwd/model/host.h"
#include "gwd/model/state.h"
#include "gwd/sched/match.h"
#include "lib/buf.h"

enum driver_kind { DRIVER_IM, DRIVER_TM, DRIVER_EM, DRIVER_KINDS };

/* What a driver took up in its INIT answer (docs/PROTOCOL). */
enum driver_feature {
    FEATURE_PCT = 1 << 0,
    FEATURE_HANDLES = 1 << 1,
    FEATURE_RECOVER_TOKEN = 1 << 2,
    FEATURE_IDEMPOTENT = 1 << 3,
    FEATURE_COMMIT = 1 << 4,
    FEATURE_POLL_ALL = 1 << 5,
    FEATURE_BLAME = 1 << 6,
    FEATURE_STAT = 1 << 7,
    FEATURE_ATOMIC = 1 << 8,
    FEATURE_TAIL = 1 << 9,
    FEATURE_CREDENTIAL = 1 << 10,
    FEATURE_PROGRESS = 1 << 11,
    FEATURE_BARE = 1 << 12,
    FEATURE_INLINE = 1 << 13,
    FEATURE_SMALL = 1 << 14,
    FEATURE_TAIL_INLINE = 1 << 15,
};

/* An attempt; job 0 with a task number: a lease file of that number (gwd/engine/lease.c), of
 * attempt 1 a trace (gwd/engine/trace.c). */
struct task_ref {
    uint64_t job, task, attempt;
};

/* Who asked: the daemon's number of the connection (0: nobody) and the request's id there. */
struct asker {
    uint64_t connection;
    int64_t request;
    uint64_t uid;
    bool is_admin;
};

enum input_kind {
    IN_START, /* the state is loaded */
    IN_TIME,  /* engine_next_time() has come */
    IN_SUBMIT,
    IN_WISH,
    IN_DRAIN,
    IN_PAUSE,
    IN_DRIVER_UP,   /* INIT was answered */
    IN_DRIVER_DOWN, /* its process ended; nothing that was asked of it will be answered */
    IN_ANSWER,      /* a line of a driver */
    IN_STALLED,     /* nothing was heard of a copy for too long: `answer`, up to the number */
    IN_CREDENTIAL,  /* what a credential's file was found to be */
    IN_ARCHIVED,    /* what EFFECT_ARCHIVE named is on disk, or could not be written */
    IN_STATUS,      /* the answer to EFFECT_READ_STATUS */
    IN_TRACE,       /* the answer to EFFECT_READ_EPOCH */
};

/* A submission that the daemon has checked. All strings borrowed. */
struct submission {
    const char *source, *file, *home, *key;
    struct principal owner;
    uint64_t tasks;
    bool is_array, is_held;
    int64_t start, increment, priority;
};

/* What status the job directory's `status` file showed. */
struct status_report {
    bool is_there;  /* it exists, verifies, and has the attempt's token */
    bool is_exited; /* STATE=exited; else failed */
    int exit_code, signal;
    const char *reason; /* code, with blame and message, when failed */
    enum blame blame;
    const char *message;
};

/* What the file of a credential was found to be; strings borrowed. */
struct credential_report {
    uint64_t uid; /* multi-user mode: whose it is */
    const char *path;
    const char *identity; /* subject of its owner's own certificate, "/O=Grid/CN=Ann", or NULL */
    const char *problem;  /* why it cannot be used and what to do about it; NULL: nothing is */
    int64_t starts_us, expires_us; /* wall clock; 0: not known */
    uint64_t version;              /* another one: the file was renewed */
};

/* The events up to `seq` were there so long ago, or longer; only time in which the state was served
 * counts. */
struct seen {
    uint64_t seq;
    int64_t age_us;
};

/* What attempts leave at sites is tried for so long; only served time counts. */
#define REMAINS_KEPT_US (INT64_C(7) * 86400 * 1000000)

struct input {
    enum input_kind kind;
    int64_t now_us;  /* wall clock, microseconds since 1970 */
    int64_t mono_us; /* clock that no one sets and that runs on while the machine sleeps */
    struct asker asker;
    union {
        const struct submission *submit;
        struct {
            enum wish wish;
            bool is_hard;
            const uint64_t *ids;
            size_t n_ids;
            uint64_t array_id;
        } wish;
        struct {
            const char *host;
            bool is_drained;
        } drain;
        bool is_paused;
        bool is_archived;
        struct {                     /* IN_START */
            uint64_t lease_seq;      /* of the last lease file before; 0: there is none */
            const struct seen *seen; /* what is known of runs before this one, by seq */
            size_t n_seen;
        };
        struct credential_report credential;
        struct {
            enum driver_kind kind;
            const char *name;
            unsigned features;   /* IN_DRIVER_UP */
            const char *staging; /* TM's staging URL, or NULL */
            const char *why;     /* IN_DRIVER_DOWN */
            /* Multi-user mode: not the driver, but its process of one user. */
            bool is_of_user;
            uint64_t uid;
            bool is_refused; /* DOWN: this user may not be served, says `why`, */
            bool was_silent; /* DOWN: of what was asked of it nothing was sent */
            /* DOWN: it was ended because it left a request about this attempt unanswered; job 0:
             * for another reason. */
            struct task_ref unanswered;
        } driver;
        struct {
            enum driver_kind kind;
            const char *driver;
            const char *verb;
            struct task_ref ref; /* EM, TM */
            uint64_t number;     /* TM: of the transfer; IM: host id */
            bool is_success;
            const char *text; /* what follows SUCCESS or FAILURE, "" if nothing */
        } answer;
        struct {
            struct task_ref ref;
            struct status_report report;
        } status;
        struct {
            struct task_ref ref;
            uint64_t epoch, fence; /* 0: the file says none */
        } trace;
    };
};

enum effect_kind {
    EFFECT_SEND,        /* a request to a driver */
    EFFECT_RELEASE,     /* no driver will be asked about `ref` any more */
    EFFECT_WRITE_FILE,  /* path, data, mode */
    EFFECT_READ_STATUS, /* read path, or take what GET gave (args[0]), verify it against text (the
                           token), give IN_STATUS for ref */
    EFFECT_READ_EPOCH,  /* path, or what GET gave (args[0]), a lease file of instance `text`: give
                           IN_TRACE for ref */
    EFFECT_WRITE_LEASE, /* path; text: the body of a lease file */
    EFFECT_SEND_LEASE,  /* EFFECT_SEND of a PUT whose content is a lease file; text: its body */
    EFFECT_REMOVE,      /* a tree of the spool */
    EFFECT_CREDENTIAL,  /* look at the credential `path`: IN_CREDENTIAL, and whenever it changes */
    EFFECT_ARCHIVE,     /* write job ref.job to the archive; IN_ARCHIVED when all of a turn's are */
    EFFECT_WARN,        /* a line for the log: text */
    EFFECT_REPLY,
};

struct reply {
    int code; /* 0, or a gw_errc with text */
    char *text;
    uint64_t job, tasks, array_id; /* submit */
    uint64_t *done, *pending;      /* wish: ids */
    uint64_t *ended;               /* gone: of `done`, those that had ended before */
    size_t n_done, n_pending, n_ended;
    struct refusal {
        uint64_t id;
        int code;
        char *text;
    } * refused;
    size_t n_refused;
};

#define NOBODY UINT64_MAX

struct effect {
    enum effect_kind kind;
    struct task_ref ref;
    struct asker asker; /* EFFECT_REPLY */
    struct reply *reply;
    enum driver_kind driver_kind;
    char *driver; /* its configured name */
    uint64_t uid; /* SEND, CREDENTIAL: in whose name; NOBODY: in ours */
    const char *verb;
    uint64_t number;
    char *args[3]; /* SEND: last fields of the line, NULL: "-" */
    char *path, *text;
    size_t len;
    unsigned mode;
};

struct output {
    struct buf events; /* encoded, one after the other; their numbers are first_seq .. */
    uint64_t first_seq, n_events;
    struct effect *effects;
    size_t n_effects, cap_effects;
};

void output_reset(struct output *out);
void output_clear(struct output *out);

/* What the operator configured, as far as decisions depend on it. Borrowed: outlives the engine. */
struct engine_config {
    const char *spool;   /* directory for files that are staged from here */
    const char *wrapper; /* gw_wrapper.sh */
    const char *gwvm;    /* staged with VM jobs where the host has none */
    const char *vm_uri;  /* libvirt URI for gwvm */
    struct match_limits limits;
    uint64_t attempts_max;
    uint64_t jobs_max; /* unfinished tasks; 0: no limit */
    /* The same of one user; his tasks in the state, finished ones as well; bytes of his templates
     */
    uint64_t jobs_max_user, listed_max_user, templates_max_user;
    size_t remains_max; /* attempts of one user of which something is left at sites */
    bool hides_others;  /* another user's job is answered as one that does not exist */
    uint64_t array_max; /* tasks of one array */
    int64_t cancel_retry_us, retry_us, backoff_max_us, poll_us, lease_margin_us, retention_us;
    int64_t discovery_us, monitoring_us;
    uint64_t site_failures;                   /* in a row, before a site rests; 0: never */
    int64_t site_pause_us, site_pause_max_us; /* the first one; it doubles up to that */
    int64_t credential_life_us;               /* a credential with less left starts nothing */
    uint64_t vm_cache_max_bytes, vm_cache_age_s;
    /* Drivers act as the jobs' owners, so nothing goes through files of ours. */
    bool is_multi_user;
    bool keeps_traces; /* sites are asked and told which run works there (gwd/engine/trace.c) */
};

/* An information driver as configured: where it sends jobs. */
struct engine_im {
    const char *name, *tm, *em;
    bool has_no_home; /* where its jobs run, the account's home is not (rsl_nsh) */
};

struct engine;
struct health;
struct engine *engine_create(const struct engine_config *config, const struct engine_im *ims,
                             size_t n_ims);
void engine_destroy(struct engine *e);

/* The state; only engine_step changes it, and before IN_START who loads it. */
struct state *engine_state(struct engine *e);

void engine_step(struct engine *e, const struct input *in, struct output *out);

/* When IN_TIME is due (mono_us), INT64_MAX: never. */
int64_t engine_next_time(const struct engine *e);

/* For those who show things; read only. */
/* What a site has shown to be wrong with the state, or NULL. */
const char *engine_notice(const struct engine *e);
struct host *const *engine_hosts(const struct engine *e, size_t *ret_n);
struct host *engine_host(const struct engine *e, const char *name);
/* Owners whose tasks failed there lately, a list by ->next (gwd/engine/health.h), or NULL. */
const struct health *engine_rests(const struct engine *e, const struct host *h);
/* Of those that keep the class from a host that would match, the one that may be over first. */
const struct health *engine_first_rest(const struct engine *e, const struct job_class *class,
                                       const struct host **ret_host);
/* Why jobs of a class wait, NULL: not looked at yet. Lent until the next call into the engine. */
const struct match_why *engine_why(struct engine *e, const struct job_class *class);
struct match_place *engine_places(struct engine *e, const struct job_class *class, size_t *ret_n);
enum em_state { EM_NONE, EM_PENDING, EM_SUSPENDED, EM_ACTIVE };
enum em_state engine_em_state(const struct engine *e, const struct job *j, const struct task *t);

/* A credential that jobs use, as last looked at. */
enum credential_state {
    CREDENTIAL_UNKNOWN, /* not looked at yet */
    CREDENTIAL_BAD,     /* `problem` says why */
    CREDENTIAL_EXPIRED,
    CREDENTIAL_SHORT, /* what is under way goes on, nothing new is started */
    CREDENTIAL_GOOD,
};
struct credential {
    char *key;    /* owner and path */
    uint64_t uid; /* multi-user mode; else 0 */
    char *path, *identity, *problem;
    int64_t starts_us, expires_us; /* wall clock; 0: not known */
    uint64_t version;
    bool is_known;
    UT_hash_handle hh;
};
/* NULL: not known. */
const struct credential *engine_credential(const struct engine *e, uint64_t uid, const char *path);
enum credential_state credential_state(const struct credential *c, int64_t life_us, int64_t now_us);
/* What is wrong with it and what to do about it; malloc'ed, NULL when nothing is. */
char *credential_words(const struct credential *c, int64_t life_us, int64_t now_us);
bool engine_needs_credential(const struct engine *e, const struct host *h);

uint64_t engine_user_running(const struct engine *e, uint64_t uid); /* attempts under way */

/* Why an attempt under way does not go on now: it waits for its owner's credential, or for the next
 * try of what failed. NULL: it goes on. */
const struct reason *engine_trouble(const struct engine *e, const struct job *j,
                                    const struct task *t);

/* How far the end of an attempt under way is that was wished gone. */
struct kill_progress {
    unsigned asked;            /* how often the site was, since the daemon started */
    const struct reason *said; /* what it last said instead of doing it; NULL: nothing */
    const char *driver;        /* which has to be up first; NULL: all are */
};
void engine_kill(const struct engine *e, const struct job *j, const struct task *t,
                 struct kill_progress *ret);

/* What an attempt that has ended left at its site, and what becomes of it. */
struct left {
    bool may_run;              /* its payload; else only the directory is left */
    unsigned asked;            /* how often the site was, since the daemon started */
    const struct reason *said; /* why nothing of this owner's is cleaned there now; NULL: nothing */
    int64_t until_us;          /* mono: when it is given up */
};
/* False: nothing is, or it was given up. */
bool engine_left(const struct engine *e, struct task_ref ref, struct left *ret);
/* Of how many attempts of a user something is left, and how many were given up because of that. */
void engine_left_count(const struct engine *e, uint64_t uid, uint64_t *ret_n,
                       uint64_t *ret_dropped);

/* Bytes of the copies under way, or done in this phase, whose size is known; false when none is. */
bool engine_transfer(const struct engine *e, const struct job *j, const struct task *t,
                     uint64_t *ret_done, uint64_t *ret_total);

/* URL of a file in the job directory of an attempt; malloc'ed. */
char *engine_job_url(const struct engine *e, const struct job *j, const struct task *t,
                     const struct attempt *a, const char *name);

/* Where the payload's streams go at the end: a URL; malloc'ed. */
enum stream { STREAM_STDOUT, STREAM_STDERR };
char *engine_stream_url(const struct engine *e, const struct job *j, uint64_t index,
                        enum stream stream);

#endif
