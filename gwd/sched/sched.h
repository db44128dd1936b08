/* The scheduler: which task goes to which host now, and what stands in the way of the others. It
 * keeps what it found out and looks again at what changed only. Pure.
 *
 * Jobs with equal requirements, rank, owner and resources are one class. Order of jobs: priority,
 * then submission, over all classes. Order of places: rank, then free slots, then host id; a host
 * at which the task failed before comes last. Equal histories give equal matches.
 *
 * What it costs: a class that appears is evaluated once on every host, a host that changed once for
 * every class; a slot that gets free costs a scan of one byte a class; nothing changed costs
 * nothing. The verdicts take a byte a class and host, up to SCHED_CELLS_MAX; classes beyond that
 * are matched as well, but evaluated each time a host opens that they have not seen, and their
 * "why?" is evaluated when it is asked. */
#ifndef GWD_SCHED_SCHED_H
#define GWD_SCHED_SCHED_H

#include "gwd/model/state.h"
#include "gwd/sched/match.h"

enum { SCHED_CELLS_MAX = 64 << 20 };

enum sched_offer {
    OFFER_USABLE = 1 << 0,     /* its drivers are up */
    OFFER_BARE = 1 << 1,       /* takes programs that are no wrapper */
    OFFER_TO_OWNER = 1 << 2,   /* acts in the owner's name only, who needs a valid credential */
    OFFER_NOT_TO_ALL = 1 << 3, /* it rests for some classes: rests() says for which */
};

/* What the scheduler asks and tells its caller; `ctx` is handed on. */
struct sched_env {
    struct state *state;
    unsigned (*host_offers)(const void *ctx, const struct host *h);
    bool (*has_credential)(const void *ctx, const struct job_class *c);
    bool (*rests)(const void *ctx, const struct host *h, const struct job_class *c);
    uint64_t (*user_running)(const void *ctx, uint64_t uid); /* attempts of a user under way */
    /* A match: when it returns, state and host have taken it over. */
    void (*take)(void *ctx, const struct match *m);
    void *ctx;
    size_t cells_max; /* 0: SCHED_CELLS_MAX */
};

struct sched;
struct sched *sched_create(const struct sched_env *env);
void sched_destroy(struct sched *s);

/* A host that is known from now on; its id is the number of those before it. Borrowed. */
void sched_add_host(struct sched *s, struct host *h);

/* What the host offers and to whom, its attributes or whether it is drained changed. Called before
 * any other function here is, or by take() for the host of its match. */
void sched_host_changed(struct sched *s, const struct host *h);

/* Slots or memory of the host got free; one of the user's attempts ended; credentials changed. */
void sched_host_freed(struct sched *s, const struct host *h);
void sched_user_freed(struct sched *s, uint64_t uid);
void sched_credentials_changed(struct sched *s);

/* Has nothing changed since the last pass, so that another one would find nothing? O(1). */
bool sched_is_idle(const struct sched *s);

/* One pass: start what can be started, for about `budget` evaluations of an expression (25 to 60 ns
 * each; a start counts as 500). True: it was cut short by the budget or a limit, call again.
 * Nothing is started before all that changed was evaluated, so that order holds over all classes.
 */
bool sched_run(struct sched *s, const struct match_limits *limits, int64_t now_us, int64_t budget);

/* Why the class waits, as far as is known; NULL: it was not looked at yet. Lent until the next
 * call. */
const struct match_why *sched_why(struct sched *s, const struct job_class *c);

/* The places that match a class, best first, also those that are full now; malloc'ed. */
struct match_place *sched_places(struct sched *s, const struct job_class *c, size_t *ret_n);

#endif
