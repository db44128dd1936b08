/* A trial: a world is made, faults of one kind are planned, time passes until all is over, and the
 * ledger is checked. */
#include "sim/sim_private.h"

#include "lib/mem.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

/* The longest that anything may take when the faults are over: the watchdog's 600 s, back-offs of
 * 600 s, payloads of 600 s, and five attempts of all that. */
#define CALM_MAX_US (6 * 3600 * SECONDS)
/* And then nothing may happen any more, but that sites are cleaned: two of the longest back-offs,
 * of which the first may have begun when a site was cut off. */
#define AFTERWARDS_US (1500 * SECONDS)

enum { SEEDS = 9 /* never another, or trials that are written down were others */ };

const char *sim_kind_name(enum sim_kind kind)
{
    static const char *const names[SIM_KINDS] = {"lost",  "doubled", "late",  "reordered",
                                                 "mixed", "crash",   "clock", "cutoff",
                                                 "twins", "honest"};
    return kind < SIM_KINDS ? names[kind] : NULL;
}

const char *sim_flaw_name(enum sim_flaw flaw)
{
    static const char *const names[FLAWS] = {"none",
                                             "no-claim",
                                             "no-lease",
                                             "impatient",
                                             "no-sync",
                                             "late-sync",
                                             "cancel-forgotten",
                                             "tokens-forgotten",
                                             "journal-forgotten",
                                             "any-status",
                                             "old-answers",
                                             "wrong-code",
                                             "cancel-ignored",
                                             "mark-forgotten",
                                             "seq-forgotten",
                                             "copies-unwatched"};
    return flaw < FLAWS ? names[flaw] : NULL;
}

/* --- memory and words --- */

struct arena_chunk {
    struct arena_chunk *next;
    size_t used;
    _Alignas(16) char data[];
};
enum { CHUNK_SIZE = 1 << 16 };

void *sim_alloc(struct sim *s, size_t size)
{
    size_t need = (size + 15) & ~(size_t)15;
    if (!s->arena || s->arena->used + need > CHUNK_SIZE) {
        struct arena_chunk *c = xmalloc(sizeof *c + (need > CHUNK_SIZE ? need : CHUNK_SIZE));
        c->next = s->arena;
        c->used = 0;
        s->arena = c;
    }
    void *p = s->arena->data + s->arena->used;
    s->arena->used += need;
    return memset(p, 0, size);
}

char *sim_dup(struct sim *s, const char *text)
{
    size_t len = strlen(text) + 1;
    return memcpy(sim_alloc(s, len), text, len);
}

char *sim_format(struct sim *s, const char *fmt, ...)
{
    struct buf b = BUF_INIT;
    va_list ap;
    va_start(ap, fmt);
    buf_vprintf(&b, fmt, ap);
    va_end(ap);
    char *text = sim_dup(s, buf_str(&b));
    buf_clear(&b);
    return text;
}

void sim_write(struct sim *s, const char *fmt, ...)
{
    struct buf *b = &s->result->history;
    va_list ap;
    buf_printf(b, "%12.6f  ", (double)s->now_us / 1e6);
    va_start(ap, fmt);
    buf_vprintf(b, fmt, ap);
    va_end(ap);
    buf_putc(b, '\n');
}

void sim_fault(struct sim *s, const struct site *t, bool is_ours, int64_t until_us)
{
    ledger_add_fault(&s->ledger, &(struct ledger_fault){.site = t ? t->index : LEDGER_ALL_SITES,
                                                        .is_ours = is_ours,
                                                        .from_us = s->now_us,
                                                        .until_us = until_us});
}

/* --- the world --- */

static unsigned em_features(struct sim *s)
{
    static const unsigned profiles[] = {
        /* as fork, gram5, a batch system with tokens, and GridWay's own */
        FEATURE_PCT | FEATURE_HANDLES | FEATURE_RECOVER_TOKEN | FEATURE_IDEMPOTENT | FEATURE_BLAME |
            FEATURE_INLINE | FEATURE_BARE,
        FEATURE_PCT | FEATURE_HANDLES | FEATURE_RECOVER_TOKEN | FEATURE_COMMIT | FEATURE_BLAME |
            FEATURE_CREDENTIAL,
        FEATURE_PCT | FEATURE_RECOVER_TOKEN | FEATURE_BLAME | FEATURE_POLL_ALL, 0};
    unsigned features = profiles[rng_below(&s->rng, 10) ? rng_below(&s->rng, 3) : 3];
    return sim_chance(s, 3) ? features ^ FEATURE_POLL_ALL : features;
}

static unsigned tm_features(struct sim *s)
{
    static const unsigned profiles[] = {
        FEATURE_PCT | FEATURE_HANDLES | FEATURE_BLAME | FEATURE_STAT | FEATURE_ATOMIC |
            FEATURE_PROGRESS | FEATURE_SMALL,
        FEATURE_PCT | FEATURE_HANDLES | FEATURE_BLAME | FEATURE_STAT | FEATURE_ATOMIC |
            FEATURE_PROGRESS | FEATURE_CREDENTIAL,
        FEATURE_BLAME, 0};
    return profiles[rng_below(&s->rng, 4)];
}

static void make_sites(struct sim *s)
{
    s->n_sites = 1 + (unsigned)rng_below(&s->rng, SITES_MAX);
    for (unsigned i = 0; i < s->n_sites; i++)
        s->sites[i] = (struct site){
            .sim = s,
            .index = i,
            .n_slots = 1 + (unsigned)rng_below(&s->rng, 3),
            .name = sim_format(s, "site%u", i),
            .url = sim_format(s, "file:///site%u", i),
            .has_wrapper = sim_chance(s, 2),
            .features = {FEATURE_PCT | FEATURE_BLAME, tm_features(s), em_features(s)}};
}

/* --- faults --- */

static struct front *some_front(struct sim *s)
{
    return &s->fronts[rng_below(&s->rng, s->n_fronts)];
}

static struct site *some_site(struct sim *s)
{
    return &s->sites[rng_below(&s->rng, s->n_sites)];
}

static void fault_driver_dies(struct sim *s)
{
    struct front *m = some_front(s);
    struct mad *mad = &m->mads[rng_below(&s->rng, s->n_sites * DRIVER_KINDS)];
    if (m->is_up && mad->is_up && m->stopped_us <= s->now_us)
        mad_stop(mad, "its process was ended by signal 9");
}

static void fault_crash(struct sim *s)
{
    struct front *m = some_front(s);
    m->crash_at = 1 + rng_below(&s->rng, sim_chance(s, 2) ? 20 : 200);
}

static void fault_clock(struct sim *s)
{
    static const int64_t jumps[] = {YEAR, -YEAR, 3600 * SECONDS, -3600 * SECONDS, 0};
    struct front *m = some_front(s);
    if (sim_chance(s, 2))
        m->wall_us = jumps[rng_below(&s->rng, 5)];
    else if (m->is_up)
        m->stopped_us =
            s->now_us + sim_span(s, SECONDS, sim_chance(s, 2) ? 60 * SECONDS : 1200 * SECONDS);
    sim_fault(s, NULL, true, m->stopped_us);
    sim_say(s, "gwd%u: clock %+" PRId64 " s, stopped for %" PRId64 " s", m->index,
            m->wall_us / SECONDS,
            m->stopped_us > s->now_us ? (m->stopped_us - s->now_us) / SECONDS : 0);
    if (sim_chance(s, 3))
        fault_crash(s);
}

static void on_link_back(struct sim *s, void *what)
{
    struct site *t = what;
    if (site_is_cut(t, DRIVER_EM))
        return; /* it was cut again */
    sim_say(s, "%s can be reached", t->name);
    mads_reach(t);
}

static void on_long_cut(struct sim *s, void *what)
{
    struct site *t = what;
    (void)s;
    if (site_is_cut(t, DRIVER_EM))
        mads_cut(t);
}

static void fault_cut(struct sim *s)
{
    struct site *t = some_site(s);
    int64_t rest_us = sim_span(s, SECONDS, (sim_chance(s, 3) ? 30 : 300) * SECONDS);
    static const char *const what[] = {"", "'s files", "'s batch system"};
    unsigned which = (unsigned)rng_below(&s->rng, 3);
    int64_t *until_us[] = {&t->cut_us, &t->cut_kind_us[DRIVER_TM], &t->cut_kind_us[DRIVER_EM]};
    *until_us[which] = s->now_us + rest_us;
    sim_fault(s, t, false, s->now_us + rest_us);
    sim_say(s, "%s%s cannot be reached for %" PRId64 " s", t->name, what[which], rest_us / SECONDS);
    sim_later(s, rest_us + 1000, on_link_back, t);
    sim_later(s, sim_chance(s, 2) ? 60 * SECONDS : sim_span(s, 0, 60 * SECONDS), on_long_cut, t);
}

static void on_renewed(struct sim *s, void *what)
{
    struct front *m = what;
    m->is_expired = false;
    m->credential++;
    sim_say(s, "gwd%u: the credential is renewed", m->index);
    if (m->is_up)
        front_later(m, 0, front_tell_credential);
}

static void fault_credential(struct sim *s)
{
    struct front *m = some_front(s);
    if (m->is_expired)
        return;
    m->is_expired = true;
    sim_say(s, "gwd%u: the credential has expired", m->index);
    if (m->is_up)
        front_later(m, sim_span(s, 0, 20 * SECONDS), front_tell_credential);
    int64_t rest_us = sim_span(s, 0, 300 * SECONDS);
    sim_later(s, rest_us, on_renewed, m);
    sim_fault(s, NULL, true, s->now_us + rest_us);
}

static void fault_node_dies(struct sim *s)
{
    struct site *t = some_site(s);
    sim_fault(s, t, false, s->now_us);
    for (struct batch_job *b = t->jobs; b; b = b->next)
        if (b->state == BATCH_RUNNING && sim_chance(s, 3))
            site_break_node(b);
}

static void fault_twin(struct sim *s)
{
    if (s->n_fronts == FRONTS_MAX || !s->fronts[0].is_up)
        return;
    s->n_fronts = FRONTS_MAX;
    s->copied_us = s->now_us;
    front_copy(s, 1, &s->fronts[0]);
    s->fronts[1].is_same_epoch = sim_chance(s, 2);
    s->is_copy_known = !s->fronts[1].is_same_epoch && sim_chance(s, 2);
    s->fronts[1].is_copy = s->is_copy_known;
    sim_say(s, "gwd1 is a copy of gwd0%s", s->fronts[1].is_same_epoch ? ", as it runs" : "");
    front_start(&s->fronts[1], sim_chance(s, 2) ? 0 : sim_span(s, 0, 300 * SECONDS));
    people_begin(&s->fronts[1]);
}

static void any_fault(struct sim *s)
{
    static void (*const faults[])(struct sim *) = {fault_node_dies, fault_driver_dies, fault_crash,
                                                   fault_clock, fault_cut};
    faults[rng_below(&s->rng, sizeof faults / sizeof *faults)](s);
}

/* Half of them keep gwd from a site, half are its own. */
static void fault_of_ours(struct sim *s)
{
    static void (*const faults[])(struct sim *) = {fault_crash, fault_driver_dies, fault_clock};
    if (sim_chance(s, 2))
        fault_cut(s);
    else
        faults[rng_below(&s->rng, sizeof faults / sizeof *faults)](s);
}

static void on_fault(struct sim *s, void *what)
{
    (void)what;
    if (sim_is_calm(s))
        return;
    if (s->o.kind >= SIM_MIXED && s->o.kind != SIM_CLOCK && sim_chance(s, 6)) {
        fault_credential(s);
        return;
    }
    switch (s->o.kind) {
    case SIM_LOST:
    case SIM_DOUBLED:
    case SIM_LATE:
    case SIM_REORDERED:
        fault_driver_dies(s);
        break;
    case SIM_MIXED:
        any_fault(s);
        break;
    case SIM_CRASH:
        (sim_chance(s, 4) ? fault_driver_dies : fault_crash)(s);
        break;
    case SIM_CLOCK:
        fault_clock(s);
        break;
    case SIM_CUTOFF:
        fault_cut(s);
        break;
    case SIM_TWINS:
        (s->n_fronts < FRONTS_MAX ? fault_twin : sim_chance(s, 2) ? fault_cut : fault_crash)(s);
        break;
    case SIM_HONEST:
        fault_of_ours(s);
        break;
    case SIM_KINDS:
        break;
    }
}

static void plan_faults(struct sim *s)
{
    static const unsigned most[SIM_KINDS] = {
        [SIM_LOST] = 2,  [SIM_DOUBLED] = 2, [SIM_LATE] = 2,  [SIM_REORDERED] = 2,
        [SIM_MIXED] = 6, [SIM_CRASH] = 8,   [SIM_CLOCK] = 5, [SIM_CUTOFF] = 5,
        [SIM_TWINS] = 4, [SIM_HONEST] = 9};
    unsigned n = (s->o.kind >= SIM_CRASH) + (unsigned)rng_below(&s->rng, most[s->o.kind] + 1);
    static const int64_t widths_s[] = {20, 60, 300, 900};
    int64_t width_us = widths_s[rng_below(&s->rng, 4)] * SECONDS;
    for (unsigned i = 0; i < n; i++)
        sim_later(s, sim_span(s, 0, width_us), on_fault, NULL);
}

static void on_calm(struct sim *s, void *what)
{
    (void)what;
    sim_say(s, "no faults from here on");
    for (unsigned i = 0; i < s->n_fronts; i++)
        s->fronts[i].crash_at = 0;
}

/* Who has forgotten a job that he holds sees it now. */
static void on_release(struct sim *s, void *what)
{
    (void)what;
    for (unsigned i = 0; i < s->n_fronts; i++)
        people_release_all(&s->fronts[i]);
}

/* Tasks that lost their site for good are for their owners to give up. */
static void on_patience_over(struct sim *s, void *what)
{
    on_release(s, what);
    for (unsigned i = 0; i < s->n_fronts; i++)
        people_give_up(&s->fronts[i]);
    sim_later(s, 1800 * SECONDS, on_patience_over, what);
}

/* --- the trial --- */

static bool is_all_final(const struct sim *s)
{
    for (unsigned i = 0; i < s->n_fronts; i++) {
        const struct front *m = &s->fronts[i];
        if (!m->engine || m->stopped_us > s->now_us)
            return false;
        for (int phase = 0; phase < PHASE_COUNT; phase++)
            if (!phase_is_final((enum phase)phase) && engine_state(m->engine)->n_tasks[phase])
                return false;
    }
    return true;
}

static void pass(struct sim *s)
{
    int64_t end_us = s->calm_us + CALM_MAX_US, over_us = 0;
    for (struct agenda_item item; !s->is_over && agenda_take(&s->agenda, &item);) {
        if (item.at_us > end_us || (over_us && item.at_us > over_us))
            break;
        s->now_us = item.at_us;
        item.act(s, item.what);
        if (!sim_is_calm(s) || (over_us != 0) == is_all_final(s))
            continue;
        over_us = over_us ? 0 : s->now_us + AFTERWARDS_US;
    }
}

static void close_books(struct sim *s)
{
    const struct ledger_promises promises = {
        .is_honest = s->o.kind != SIM_TWINS && s->o.kind != SIM_LATE &&
                     s->o.kind != SIM_MIXED, /* answers are late there, too */
        .is_no_failure = s->o.kind != SIM_TWINS && s->o.kind != SIM_LATE && s->o.kind != SIM_MIXED,
        .is_one_daemon = s->n_fronts == 1,
        .is_copy_known = s->is_copy_known,
        .copied_us = s->copied_us,
        .calm_us = s->calm_us};
    for (unsigned i = 0; i < s->n_fronts; i++)
        front_table(&s->fronts[i]);
    for (unsigned i = 0; i < s->n_sites; i++)
        site_inventory(&s->sites[i]);
    for (unsigned i = 0; i < s->n_fronts; i++)
        front_inventory(&s->fronts[i]);
    if (!s->is_over)
        ledger_check(&s->ledger, &promises);
}

static void clear(struct sim *s)
{
    for (unsigned i = 0; i < s->n_fronts; i++)
        front_destroy(&s->fronts[i]);
    agenda_clear(&s->agenda);
    ledger_clear(&s->ledger);
    while (s->arena) {
        struct arena_chunk *c = s->arena;
        s->arena = c->next;
        free(c);
    }
    free(s);
}

void sim_run(const struct sim_options *o, struct sim_result *ret)
{
    struct sim *s = xcalloc(1, sizeof *s);
    s->o = *o;
    s->result = ret;
    s->rng = rng_of_seed(o->seed * SEEDS + o->kind + 1);
    s->now_us = INT64_C(1767225600) * SECONDS;
    s->calm_us = s->now_us + sim_span(s, 60 * SECONDS, 900 * SECONDS);
    make_sites(s);
    s->n_fronts = 1;
    front_create(s, 0);
    front_start(&s->fronts[0], 0);
    people_begin(&s->fronts[0]);
    plan_faults(s);
    agenda_add(&s->agenda, s->calm_us, on_calm, NULL);
    agenda_add(&s->agenda, s->calm_us + 600 * SECONDS, on_release, NULL);
    agenda_add(&s->agenda, s->calm_us + 3000 * SECONDS, on_patience_over, NULL);
    pass(s);
    close_books(s);
    ret->n_runs += s->ledger.n_runs;
    ret->n_tasks += s->ledger.n_tasks;
    ret->lasted_us += s->now_us - (s->calm_us - 900 * SECONDS);
    ret->n_violations += s->ledger.n_violations;
    buf_puts(&ret->violations, buf_str(&s->ledger.violations));
    clear(s);
}

void sim_result_clear(struct sim_result *r)
{
    buf_clear(&r->violations);
    buf_clear(&r->history);
    *r = (struct sim_result){0};
}
