/* A site: directories below its staging URL, a batch system that starts wrappers when there is a
 * slot, and wrappers as docs/jobdir.md has them: the claim, the lease, the status written last. */
#include "sim/sim_private.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

enum { KILL_AFTER_US = 10000000, LATE_US = 30000000 };

/* --- files --- */

bool site_parse(struct sim *s, const char *url, struct site **ret, const char **ret_dir,
                const char **ret_name)
{
    for (unsigned i = 0; url && i < s->n_sites; i++) {
        size_t len = strlen(s->sites[i].url);
        if (strncmp(url, s->sites[i].url, len) != 0 || url[len] != '/')
            continue;
        const char *dir = url + len + 1, *slash = strchr(dir, '/');
        *ret = &s->sites[i];
        *ret_dir = slash ? sim_format(s, "%.*s", (int)(slash - dir), dir) : dir;
        *ret_name = slash ? slash + 1 : "";
        return true;
    }
    return false;
}

struct site_dir *site_find_dir(struct site *t, const char *name, bool is_made)
{
    struct site_dir *d = t->dirs;
    while (d && strcmp(d->name, name) != 0)
        d = d->next;
    if (!d && is_made) {
        d = sim_alloc(t->sim, sizeof *d);
        d->name = sim_dup(t->sim, name);
        d->next = t->dirs;
        t->dirs = d;
    }
    if (d && is_made)
        d->is_there = true;
    return d && d->is_there ? d : NULL;
}

struct site_file *site_find_file(struct site_dir *d, const char *name)
{
    struct site_file *f = d ? d->files : NULL;
    while (f && strcmp(f->name, name) != 0)
        f = f->next;
    return f;
}

void site_write(struct site *t, struct site_dir *d, const char *name, const char *text)
{
    struct site_file *f = site_find_file(d, name);
    if (!f) {
        f = sim_alloc(t->sim, sizeof *f);
        f->name = sim_dup(t->sim, name);
        f->next = d->files;
        d->files = f;
    }
    f->text = sim_dup(t->sim, text);
}

void site_remove_dir(struct site *t, struct site_dir *d)
{
    sim_say(t->sim, "%s: %s is removed", t->name, d->name);
    d->is_there = false;
    d->files = NULL;
    d->life++;
}

void site_note(struct site *t, const char *name, const struct front *from)
{
    if (strcmp(name, ".gw_lease_i") == 0)
        t->lease_file_us = t->sim->now_us;
    if (strcmp(name, ".gw_epoch_i") == 0)
        t->taken_us = from->index == 0 ? 0 : t->taken_us ? t->taken_us : t->sim->now_us;
}

/* Who has just looked may not have said what he does. */
bool site_was_taken(const struct site *t, int64_t at_us)
{
    return t->sim->is_copy_known && t->taken_us && at_us > t->taken_us + SECONDS;
}

bool site_is_cut(const struct site *t, enum driver_kind kind)
{
    return t->cut_us > t->sim->now_us || t->cut_kind_us[kind] > t->sim->now_us;
}

static struct site_dir *dir_of(const struct batch_job *b)
{
    return b->dir && b->dir->is_there && b->dir->life == b->dir_life ? b->dir : NULL;
}

/* --- payloads --- */

struct plan { /* something that will happen to a job, unless its life is another then */
    struct batch_job *job;
    unsigned life;
};

static void plan(struct batch_job *b, int64_t after_us, agenda_act *act)
{
    struct plan *p = sim_alloc(b->site->sim, sizeof *p);
    *p = (struct plan){b, b->life};
    sim_later(b->site->sim, after_us, act, p);
}

static struct batch_job *planned(void *what)
{
    struct plan *p = what;
    return p->life == p->job->life ? p->job : NULL;
}

static void start_next(struct site *t);

static void over(struct batch_job *b, bool is_lost)
{
    struct site *t = b->site;
    if (b->state == BATCH_RUNNING)
        t->n_running--;
    b->state = BATCH_ENDED;
    b->is_lost = is_lost;
    b->life++;
    mads_news(t, b);
    start_next(t);
}

static void write_result(struct batch_job *b)
{
    struct site_dir *d = dir_of(b);
    struct site *t = b->site;
    const struct ledger_run *run = &t->sim->ledger.runs[b->run - 1];
    if (!d)
        return;
    static const char *const files[] = {"stdout.execution", "stderr.execution", "result",
                                        "out/result"};
    for (size_t i = 0; i < sizeof files / sizeof *files; i++)
        site_write(t, d, files[i], b->token);
    const char *text = run->is_exited ? sim_format(t->sim, "%s exited %d", b->token, run->exit_code)
                                      : sim_format(t->sim, "%s failed %s", b->token, run->why);
    site_write(t, d, "status", text);
}

static void payload_ends(struct batch_job *b, const char *why)
{
    struct sim *s = b->site->sim;
    struct ledger_run *run = &s->ledger.runs[b->run - 1];
    run->ended_us = s->now_us;
    run->is_exited = !why;
    run->exit_code = b->exit_code;
    run->why = why;
    sim_say(s, "%s: payload of %s ends: %s %d", b->site->name, b->token, why ? why : "exited",
            b->exit_code);
    /* A node that is gone writes nothing. */
    if (!why || strcmp(why, "node-died") != 0)
        write_result(b);
    over(b, why && (!b->dir || strcmp(why, "node-died") == 0));
}

static void on_payload_end(struct sim *s, void *what)
{
    struct batch_job *b = planned(what);
    (void)s;
    if (b)
        payload_ends(b, b->why);
}

/* Asked to end: some do at once, the others are killed after a while. */
static void stop_payload(struct batch_job *b, const char *why)
{
    if (b->is_stopping)
        return;
    b->is_stopping = true;
    b->why = why;
    b->life++;
    plan(b, sim_span(b->site->sim, 1000, KILL_AFTER_US), on_payload_end);
}

/* --- the lease --- */

static uint64_t number_after(const char *text, const char *key)
{
    const char *p = text ? strstr(text, key) : NULL;
    return p ? strtoull(p + strlen(key), NULL, 10) : 0;
}

static bool is_named_lost(const char *text, const char *own)
{
    for (const char *p = text; (p = strstr(p, own)); p++)
        if ((p[-1] == '=' || p[-1] == ' ') && strchr(" \n", p[strlen(own)]))
            return true;
    return false;
}

static bool lease_is_renewed(struct batch_job *b)
{
    struct sim *s = b->site->sim;
    struct site_file *f = site_find_file(site_find_dir(b->site, ".gw_lease_i", false), "");
    if (!f)
        return false;
    char *own =
        sim_format(s, "%" PRIu64 ".%" PRIu64 ".%" PRIu64, b->of.job, b->of.task, b->of.attempt);
    uint64_t seq = number_after(f->text, "SEQ="), epoch = number_after(f->text, "EPOCH=");
    b->is_lost_to_gwd = is_named_lost(f->text, own);
    b->is_fenced |= epoch > b->lease_epoch;
    if (epoch != b->lease_epoch || b->is_lost_to_gwd || b->is_fenced ||
        (b->has_lease_seq && seq <= b->lease_seq))
        return false;
    b->has_lease_seq = true;
    b->lease_seq = seq;
    b->seen_us = s->now_us;
    return true;
}

/* It ends for want of a renewal. */
static void check_renewals(struct batch_job *b)
{
    struct sim *s = b->site->sim;
    if (s->n_fronts == 1 && b->has_lease_seq && !b->is_lost_to_gwd &&
        b->site->lease_file_us > b->seen_us)
        ledger_violation(&s->ledger,
                         "the lease of attempt %" PRIu64 " of job %" PRIu64
                         " is over, and gwd has renewed it, with an older number",
                         b->of.attempt, b->of.job + b->of.task);
}

/* It looks every quarter of the lease, and when that would be over; a busy machine makes it late.
 */
static void look_later(struct batch_job *b, agenda_act *act)
{
    struct sim *s = b->site->sim;
    int64_t rest_us = b->renewed_us + b->lease_us - s->now_us;
    int64_t late_us = sim_chance(s, 2) ? sim_span(s, 0, LATE_US) : 0;
    plan(b, (rest_us > 0 && rest_us < b->lease_us / 4 ? rest_us : b->lease_us / 4) + late_us, act);
}

static void watch_lease(struct sim *s, void *what)
{
    struct batch_job *b = planned(what);
    if (!b || b->is_stopping)
        return;
    if (lease_is_renewed(b))
        b->renewed_us = b->looked_us; /* it came since then */
    b->looked_us = s->now_us;
    if (b->renewed_us + b->lease_us > s->now_us || s->o.flaw == FLAW_NO_LEASE) {
        look_later(b, watch_lease);
        return;
    }
    check_renewals(b);
    stop_payload(b, "lease-expired");
}

/* --- the batch system --- */

static int64_t payload_us(struct sim *s)
{
    switch (rng_below(&s->rng, 5)) {
    case 0:
        return sim_span(s, 0, 2 * SECONDS);
    case 1:
    case 2:
        return sim_span(s, 0, 600 * SECONDS);
    default:
        return sim_span(s, 0, 60 * SECONDS);
    }
}

/* The wrapper: it makes the claim or is not the one. */
static bool claim(struct batch_job *b)
{
    struct site_dir *d = dir_of(b);
    const char *name = sim_format(b->site->sim, "claim.%s", b->token);
    if (!b->dir)
        return true;
    if (!d || !site_find_file(d, ".wrapper"))
        return false;
    if (site_find_file(d, name) && b->site->sim->o.flaw != FLAW_NO_CLAIM)
        return false;
    site_write(b->site, d, name, "");
    return true;
}

/* False: another gwd is at work, or it was given up; it does not begin. */
static bool begin_lease(struct batch_job *b)
{
    struct site_file *ctl = site_find_file(b->dir, "job.ctl");
    if (!ctl)
        ctl = site_find_file(b->dir, ".wrapper");
    b->lease_us = (int64_t)number_after(ctl->text, "GW_LEASE_S='") * SECONDS;
    b->lease_epoch = number_after(ctl->text, "GW_EPOCH='");
    b->renewed_us = b->looked_us = b->site->sim->now_us;
    if (b->lease_us)
        lease_is_renewed(b);
    return !b->lease_us || !(b->is_lost_to_gwd || b->is_fenced);
}

static void start_job(struct batch_job *b)
{
    struct sim *s = b->site->sim;
    b->state = BATCH_RUNNING;
    b->site->n_running++;
    b->life++;
    if (!claim(b)) {
        sim_say(s, "%s: the wrapper of %s may not run", b->site->name, b->token);
        over(b, false);
        return;
    }
    if (b->dir && !begin_lease(b)) {
        sim_say(s, "%s: %s begins too late", b->site->name, b->token);
        site_write(b->site, b->dir, "status", sim_format(s, "%s failed lease-expired", b->token));
        over(b, false);
        return;
    }
    bool is_staged = !b->dir || site_find_file(b->dir, "run.sh");
    const struct ledger_run run = {.site = b->site->index,
                                   .epoch = b->epoch,
                                   .job = b->of.job,
                                   .task = b->of.task,
                                   .attempt = b->of.attempt,
                                   .started_us = s->now_us,
                                   .is_staged = is_staged};
    b->run = ledger_add_run(&s->ledger, &run) + 1;
    b->exit_code = (int)rng_below(&s->rng, 256);
    sim_say(s, "%s: payload of %s starts", b->site->name, b->token);
    if (b->dir) {
        site_write(b->site, b->dir, "stdout.execution", "");
        site_write(b->site, b->dir, "stderr.execution", "");
    }
    plan(b, payload_us(s), on_payload_end);
    if (b->lease_us)
        look_later(b, watch_lease);
    mads_news(b->site, b);
}

static void start_next(struct site *t)
{
    struct batch_job *first = NULL;
    for (struct batch_job *b = t->jobs; b; b = b->next)
        if (b->state == BATCH_QUEUED)
            first = b; /* the list has the newest first */
    if (first && t->n_running < t->n_slots)
        start_job(first);
}

static void on_queued(struct sim *s, void *what)
{
    (void)s;
    start_next(what);
}

static void on_held_for_too_long(struct sim *s, void *what)
{
    struct batch_job *b = planned(what);
    if (!b || b->state != BATCH_HELD)
        return;
    sim_say(s, "%s: %s was held for too long", b->site->name, b->token);
    sim_fault(s, b->site, false, s->now_us);
    b->is_dropped = true;
    over(b, true);
}

struct batch_job *site_find_job(struct site *t, const char *token)
{
    struct batch_job *b = t->jobs;
    while (b && (b->is_dropped || b->is_forgotten || strcmp(b->token, token) != 0))
        b = b->next;
    return b;
}

struct batch_job *site_find_contact(struct site *t, const char *contact)
{
    struct batch_job *b = t->jobs;
    while (b && (b->is_dropped || strcmp(b->contact, contact) != 0))
        b = b->next;
    return b;
}

static void parse_token(struct batch_job *b)
{
    char *p = (char *)strchr(b->token, '.');
    b->epoch = strtoull(p + 1, &p, 10);
    b->of.job = strtoull(p + 1, &p, 10);
    b->of.task = strtoull(p + 1, &p, 10);
    b->of.attempt = strtoull(p + 1, &p, 10);
}

struct batch_job *site_submit(struct site *t, const char *token, struct site_dir *dir, bool is_held)
{
    struct sim *s = t->sim;
    struct batch_job *b = sim_alloc(s, sizeof *b);
    *b = (struct batch_job){.site = t,
                            .token = sim_dup(s, token),
                            .contact = sim_format(s, "c%" PRIu64, ++s->n_contacts),
                            .dir = dir,
                            .dir_life = dir ? dir->life : 0,
                            .state = BATCH_HELD,
                            .next = t->jobs};
    t->jobs = b;
    parse_token(b);
    sim_say(s, "%s: %s is submitted as %s", t->name, token, b->contact);
    if (is_held)
        plan(b, 120 * SECONDS, on_held_for_too_long);
    else
        site_commit(b);
    return b;
}

void site_commit(struct batch_job *b)
{
    struct sim *s = b->site->sim;
    if (b->state != BATCH_HELD)
        return;
    b->state = BATCH_QUEUED;
    /* Whatever else may be in a directory, it is not this attempt's word. */
    if (b->dir && sim_chance(s, 2) && !site_find_file(b->dir, "status"))
        site_write(b->site, b->dir, "status", "i.1.999.0.1 exited 77");
    /* Some batch systems start a job again, on their own account. */
    if (b->dir && sim_chance(s, 30) && !b->is_dropped) {
        struct batch_job *again = site_submit(b->site, b->token, b->dir, true);
        again->is_dropped = true;
        again->life++;
        again->state = BATCH_QUEUED;
        b->again = again;
        sim_later(s, sim_span(s, 0, 300 * SECONDS), on_queued, b->site);
    }
    sim_later(s, sim_chance(s, 2) ? 0 : sim_span(s, 0, 30 * SECONDS), on_queued, b->site);
}

void site_break_node(struct batch_job *b)
{
    if (b->state == BATCH_RUNNING)
        payload_ends(b, "node-died");
}

void site_cancel(struct batch_job *b)
{
    if (b->again)
        site_cancel(b->again);
    b->is_denied = b->site->sim->o.flaw == FLAW_CANCEL_IGNORED;
    if (b->is_denied)
        mads_news(b->site, b);
    else if (b->state == BATCH_RUNNING)
        stop_payload(b, "cancelled");
    else if (b->state != BATCH_ENDED)
        over(b, true);
}

/* Without a status or a code its end is a loss; whether the driver knows that is another matter. */
const char *site_state(struct sim *s, const struct batch_job *b)
{
    switch (b->is_denied ? BATCH_ENDED : b->state) {
    case BATCH_HELD:
    case BATCH_QUEUED:
        return "PENDING";
    case BATCH_RUNNING:
        return "ACTIVE";
    case BATCH_ENDED:
        break;
    }
    if (!b->dir && !b->is_lost)
        return sim_format(s, "DONE:%d",
                          s->o.flaw == FLAW_WRONG_CODE ? b->exit_code ^ 1 : b->exit_code);
    return b->is_lost ? "FAILED" : "DONE";
}

static void put_left(struct site *t, const struct batch_job *b, const char *what)
{
    struct ledger_left *left =
        ledger_add_left(&t->sim->ledger, sim_format(t->sim, "%s: %s", t->name, what));
    left->job = b->of.job;
    left->task = b->of.task;
    left->attempt = b->of.attempt;
}

void site_inventory(struct site *t)
{
    for (struct batch_job *b = t->jobs; b; b = b->next)
        if (b->state == BATCH_RUNNING)
            put_left(t, b, "a payload that runs");
    for (struct site_dir *d = t->dirs; d; d = d->next) {
        struct batch_job of = {.token = d->name + strlen(".gw_")};
        if (!d->is_there || strncmp(d->name, ".gw_i.", 6) != 0)
            continue;
        parse_token(&of);
        put_left(t, &of, d->name);
    }
}
