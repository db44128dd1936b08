/* Inside of the simulated world. Everything in it that lives until the end of the trial comes from
 * one arena and is never freed by itself. */
#ifndef SIM_SIM_PRIVATE_H
#define SIM_SIM_PRIVATE_H

#include "gwd/engine/engine.h"
#include "sim/ledger.h"
#include "sim/rng.h"
#include "sim/sim.h"

enum { SITES_MAX = 3, FRONTS_MAX = 2, PEOPLE_MAX = 8 };

#define SECONDS INT64_C(1000000)
#define CREDENTIAL_PATH "/cred/ann"
#define YEAR (INT64_C(365) * 86400 * SECONDS)

struct sim;
struct front;

/* --- agenda.c: what happens when --- */

typedef void agenda_act(struct sim *s, void *what);
struct agenda {
    struct agenda_item {
        int64_t at_us;
        uint64_t order; /* of those at the same time */
        agenda_act *act;
        void *what;
    } * items;
    size_t n, cap;
    uint64_t order;
};
void agenda_add(struct agenda *a, int64_t at_us, agenda_act *act, void *what);
bool agenda_take(struct agenda *a, struct agenda_item *ret);
void agenda_clear(struct agenda *a);

/* --- disk.c: the state on a disk that a crash may catch in the middle of a write --- */

struct disk {
    struct buf log;   /* records, each with length and checksum: transactions */
    size_t n_synced;  /* bytes of the log that a crash cannot take */
    struct buf round; /* the head of the checkpoint under way */
    bool has_head, has_round, is_lying;
    uint64_t n_turns, rows_at; /* turns; of these, before the last round */
};
void disk_append(struct disk *d, uint64_t first_seq, uint64_t n, const struct buf *events);
void disk_sync(struct disk *d);
/* A slice of a checkpoint, now and then. */
void disk_checkpoint(struct disk *d, struct state *s, struct rng *r);
void disk_crash(struct disk *d, struct rng *r); /* what is not synced is lost, or a part of it */
void disk_copy(struct disk *to, const struct disk *from);
/* Fold what is there into an empty state. */
int disk_load(struct disk *d, struct state *s, enum sim_flaw flaw, struct gw_err *err);
/* All events that the log has, oldest first. */
void disk_each(const struct disk *d, void (*each)(void *ctx, const struct event *ev), void *ctx);
void disk_clear(struct disk *d);

/* --- site.c: directories, a batch system, wrappers and payloads --- */

struct site_file {
    const char *name;
    const char *text;
    struct site_file *next;
};

/* A name directly below the site's staging URL, with all that is below it. */
struct site_dir {
    const char *name;
    bool is_there;
    unsigned life; /* raised when it goes */
    struct site_file *files;
    struct site_dir *next;
};

enum batch_state { BATCH_HELD, BATCH_QUEUED, BATCH_RUNNING, BATCH_ENDED };

struct batch_job {
    struct site *site;
    const char *token, *contact;
    struct task_ref of; /* of the token */
    uint64_t epoch;
    struct site_dir *dir; /* NULL: bare */
    unsigned dir_life;
    enum batch_state state;
    unsigned life;     /* raised when what was planned for it means nothing any more */
    bool is_dropped;   /* the site does not know it any more */
    bool is_forgotten; /* its driver does not */
    bool is_lost;      /* it ended without a result */
    bool is_stopping;
    struct batch_job *again; /* the same, started again by the batch system */
    bool is_denied;          /* it runs, and the site says that it is over */
    size_t run;              /* index in the ledger + 1, 0: its payload never started */
    int exit_code;
    const char *why; /* it is being stopped */
    int64_t lease_us, renewed_us, looked_us;
    uint64_t lease_epoch, lease_seq;
    int64_t seen_us; /* when it read the file with lease_seq */
    bool has_lease_seq, is_lost_to_gwd, is_fenced;
    struct batch_job *next;
};

struct site {
    struct sim *sim;
    unsigned index, n_slots, n_running;
    unsigned features[DRIVER_KINDS]; /* of its drivers */
    const char *name, *url;
    struct site_dir *dirs;
    struct batch_job *jobs;
    bool has_wrapper;      /* the program gw_wrapper is installed there */
    int64_t taken_us;      /* since then its mark is gwd1's; 0: it is not */
    int64_t lease_file_us; /* when the lease file came that is there */
    /* Out of reach until then: for all, for one kind of driver. */
    int64_t cut_us, cut_kind_us[DRIVER_KINDS];
};

/* The directory and the rest of a URL at a site; false: it is not at a site. */
bool site_parse(struct sim *s, const char *url, struct site **ret, const char **ret_dir,
                const char **ret_name);
struct site_dir *site_find_dir(struct site *t, const char *name, bool is_made);
struct site_file *site_find_file(struct site_dir *d, const char *name);
void site_write(struct site *t, struct site_dir *d, const char *name, const char *text);
void site_remove_dir(struct site *t, struct site_dir *d);
/* A gwd has brought a file that is beside the directories. */
void site_note(struct site *t, const char *name, const struct front *from);
bool site_is_cut(const struct site *t, enum driver_kind kind); /* from such drivers */
struct batch_job *site_find_job(struct site *t, const char *token);
struct batch_job *site_find_contact(struct site *t, const char *contact);
void site_break_node(struct batch_job *b); /* of a running payload */
struct batch_job *site_submit(struct site *t, const char *token, struct site_dir *dir,
                              bool is_held);
void site_commit(struct batch_job *b);
void site_cancel(struct batch_job *b);
const char *site_state(struct sim *s, const struct batch_job *b); /* as drivers say it */
/* Is it gwd1 alone that may accept results there of what has a lease, at that time? */
bool site_was_taken(const struct site *t, int64_t at_us);
/* What is left of it: running payloads, job directories. */
void site_inventory(struct site *t);

/* --- mad.c: drivers (middleware access drivers), as processes on pipes --- */

/* What both ends know of a handle: the daemon for which attempt it is, the driver what it does. */
struct mad_handle {
    uint64_t number;
    struct task_ref ref;
    bool is_released;      /* the daemon takes nothing of it any more */
    int64_t busy_us;       /* TM: what was asked before is done by then */
    struct batch_job *job; /* EM */
    struct mad_handle *next;
};

struct mad {
    struct front *front;
    struct site *site;
    enum driver_kind kind;
    const char *name;
    unsigned features;
    bool is_up;
    uint64_t life;              /* of its process */
    struct task_ref unanswered; /* it is ended because it left a request about this so */
    unsigned n_failed_starts;
    uint64_t next_handle;
    struct mad_handle *handles;
    struct mad_request *requests; /* of this process that are not worked yet */
    int64_t said_us;              /* a pipe keeps the order */
};

struct mad_request {
    struct mad *mad;
    uint64_t life;
    struct mad_handle *handle; /* NULL: IM, and POLL of all */
    const char *verb;
    uint64_t number;
    const char *args[3];
    bool is_worked, is_answered;
    bool is_stuck;            /* a copy that hangs, and that END does not end */
    struct mad_request *next; /* of the same process */
};

void mad_init(struct mad *m, struct front *front, struct site *t, enum driver_kind kind);
void mad_start(struct mad *m, int64_t after_us);
void mad_stop(struct mad *m, const char *why); /* its process ends; NULL: with the daemon */
void mad_ask(struct mad *m, const struct effect *f);
void mad_release(struct mad *m, struct task_ref ref);
/* A line to the daemon; `r` is what it answers, NULL: said of itself. */
void mad_say(struct mad *m, struct mad_handle *h, struct mad_request *r, const char *verb,
             bool is_success, const char *text);

/* Does what the kind of the trial is about go wrong now? Once in so many times. */
bool mad_has_fault(struct sim *s, enum sim_kind kind, unsigned one_in);

/* --- mad_work.c: what drivers do --- */

void mad_work(struct mad_request *r, bool is_silent); /* silent: nobody is there to answer */
int64_t mad_work_us(struct mad_request *r);           /* when it is done, if all goes well */
void mads_news(struct site *t, struct batch_job *b);  /* its state has changed */
void mads_cut(struct site *t);                        /* the site cannot be reached for long */
void mads_reach(struct site *t);                      /* the site can be reached again */

/* --- front.c: where a gwd runs --- */

struct front_file {
    const char *path, *text;
    struct front_file *next;
};

struct front {
    struct sim *sim;
    unsigned index;
    struct engine *engine;
    struct engine_config config;
    struct engine_im ims[SITES_MAX];
    struct output outputs[2]; /* of the turn that gathers, and of the one that is performed */
    int current;
    bool is_up, is_turn_set;
    bool is_copy, is_same_epoch; /* when it starts next: of a copy; that goes on where it was */
    uint64_t life;               /* of the daemon's process */
    struct disk disk;
    struct mad mads[SITES_MAX * DRIVER_KINDS]; /* by site, then kind */
    struct front_file *spool, *home;
    int64_t wall_us;     /* its wall clock minus the world's time */
    int64_t mono_us;     /* the same of its other clock */
    int64_t stopped_us;  /* SIGSTOP until then */
    int64_t timer_us;    /* the world's time when it looks at its clock next */
    bool is_expired;     /* the credential of all people */
    uint64_t credential; /* its version */
    uint64_t crash_at;   /* the crash point, counted from now; 0: none */
    struct archived {
        uint64_t job;
        struct archived *next;
    } * archiving;
    uint64_t told_seq;     /* events up to here were told to who watches */
    uint64_t *told_hashes; /* of all that were told, by number */
    size_t cap_told_hashes;
};

void front_create(struct sim *s, unsigned index);
void front_copy(struct sim *s, unsigned index, const struct front *from);
void front_start(struct front *m, int64_t after_us);
void front_crash(struct front *m);
void front_input(struct front *m, struct input *in);
/* Something that the daemon does later, if it is still the same process, and not while stopped. */
void front_later(struct front *m, int64_t after_us, void (*act)(struct front *m));
struct front_file *front_file(struct front *m, const char *url, bool is_made); /* NULL: no */
void front_put_job(struct front *m, const struct job *j);                      /* into the ledger */
void front_inventory(struct front *m); /* what is left there */
void front_table(struct front *m);     /* all that are not archived */
void front_destroy(struct front *m);

/* --- effects.c: what its daemon does when the disk has it --- */

void front_tell_credential(struct front *m);
/* Events to the disk; false: the daemon was killed meanwhile. */
bool front_store(struct front *m, const struct output *out);
/* The daemon's turns until there is nothing left to do. */
void front_turn(struct front *m);

/* --- people.c: who submits, kills and watches --- */

void people_begin(struct front *m);
void people_hear(struct front *m, const struct effect *reply);
void people_watch(struct front *m, const struct event *ev);
void people_lose_connections(struct front *m);
void people_release_all(struct front *m);
/* Kill hard what nobody can say anything of any more. */
void people_give_up(struct front *m);

/* --- sim.c --- */

struct question;

struct sim {
    struct sim_options o;
    struct rng rng;
    int64_t now_us, calm_us;
    struct agenda agenda;
    struct arena_chunk *arena;
    struct ledger ledger;
    struct sim_result *result;
    struct site sites[SITES_MAX];
    unsigned n_sites;
    struct front fronts[FRONTS_MAX];
    unsigned n_fronts;
    struct question *questions; /* that people have asked */
    uint64_t n_questions, n_contacts;
    bool is_over, is_copy_known;
    int64_t copied_us; /* when gwd1 was made of gwd0 */
};

/* Until then gwd is kept from a site, by that, or by what happens to gwd and its drivers. */
void sim_fault(struct sim *s, const struct site *t, bool is_ours, int64_t until_us);
void *sim_alloc(struct sim *s, size_t size); /* zeroed, until the end of the trial */
char *sim_dup(struct sim *s, const char *text);
char *sim_format(struct sim *s, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
/* A line of the history. */
#define sim_say(s, ...) ((s)->o.is_told ? sim_write(s, __VA_ARGS__) : (void)0)
void sim_write(struct sim *s, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
static inline bool sim_is_calm(const struct sim *s)
{
    return s->now_us >= s->calm_us;
}
static inline bool sim_chance(struct sim *s, unsigned one_in)
{
    return rng_below(&s->rng, one_in) == 0;
}
/* From min to max. */
static inline int64_t sim_span(struct sim *s, int64_t min_us, int64_t max_us)
{
    return min_us + (int64_t)rng_below(&s->rng, (uint64_t)(max_us - min_us) + 1);
}
static inline void sim_later(struct sim *s, int64_t after_us, agenda_act *act, void *what)
{
    agenda_add(&s->agenda, s->now_us + after_us, act, what);
}

#endif
