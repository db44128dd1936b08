/* The scheduler that looks at what changed, against one that looks at everything: after thousands
 * of random changes both start the same tasks at the same places in the same order, and say the
 * same about those that wait. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "gwd/sched/sched.h"
#include "spec/expr.h"
#include "tests/unit/core.h"

enum { HOSTS_MAX = 640, USERS = 3, FIRST_UID = 1000 };

/* Two of them get the same changes: one with a scheduler, one without. */
struct grid {
    struct state state;
    struct host *hosts[HOSTS_MAX];
    unsigned offers[HOSTS_MAX];
    size_t n_hosts;
    uint64_t per_host[HOSTS_MAX];
    bool has_credential[USERS];
    uint64_t running[USERS];
    struct match_limits limits;
    int64_t now_us;
    struct sched *sched; /* NULL: the reference */
    struct buf log;
    uint64_t n_taken;
};

static void apply(struct grid *g, struct event ev)
{
    struct gw_err err = {0};
    ev.at_us = ev.at_us ? ev.at_us : g->now_us;
    if (state_apply(&g->state, &ev, &err) < 0)
        fail_msg("%s", err.text);
}

static struct host *host_named(const struct grid *g, const char *name)
{
    return g->hosts[strtoul(name + 1, NULL, 10)];
}

static void count(struct grid *g, const struct job *j, const struct attempt *a, int sign)
{
    struct host *h = host_named(g, a->host);
    const struct template *t = j->spec->t;
    host_queue(h, a->queue ? a->queue : "")->used += (uint64_t)sign * t->np;
    if (t->vm_image)
        h->vm_memory_mib += (uint64_t)sign * t->vm_memory_mib;
    g->running[j->spec->owner.uid - FIRST_UID] += (uint64_t)sign;
}

static void take(void *ctx, const struct match *m)
{
    struct grid *g = ctx;
    struct task *t = job_task(m->job, m->task);
    buf_printf(&g->log, "%" PRIu64 ".%" PRIu64 "@%s/%zu(%g) ", m->job->id, m->task, m->host->name,
               m->queue, m->rank);
    apply(g, (struct event){.kind = EV_ATTEMPT_STARTED,
                            .job = m->job->id,
                            .task = m->task,
                            .attempt = t ? t->n_attempts + 1 : 1,
                            .epoch = 1,
                            .host = m->host->name,
                            .queue = m->host->queues[m->queue].name,
                            .tm = "t",
                            .em = "e",
                            .stage_url = "file:///s"});
    t = job_task(m->job, m->task);
    count(g, m->job, task_attempt(t), 1);
    g->per_host[m->host->id]++;
    g->n_taken++;
}

static unsigned host_offers(const void *ctx, const struct host *h)
{
    const struct grid *g = ctx;
    return g->offers[h->id];
}

static bool has_credential(const void *ctx, const struct job_class *c)
{
    const struct grid *g = ctx;
    return g->has_credential[c->uid - FIRST_UID];
}

static uint64_t user_running(const void *ctx, uint64_t uid)
{
    const struct grid *g = ctx;
    return g->running[uid - FIRST_UID];
}

static struct grid *grid_create(bool has_sched, size_t cells_max)
{
    struct grid *g = xcalloc(1, sizeof *g);
    struct event ev = created_event();
    state_init(&g->state);
    g->now_us = 1000;
    assert_int_equal(state_apply(&g->state, &ev, NULL), 0);
    if (has_sched)
        g->sched = sched_create(&(struct sched_env){.state = &g->state,
                                                    .host_offers = host_offers,
                                                    .has_credential = has_credential,
                                                    .user_running = user_running,
                                                    .take = take,
                                                    .ctx = g,
                                                    .cells_max = cells_max});
    return g;
}

static void grid_destroy(struct grid *g)
{
    sched_destroy(g->sched);
    for (size_t i = 0; i < g->n_hosts; i++)
        host_destroy(g->hosts[i]);
    state_clear(&g->state);
    buf_clear(&g->log);
    free(g);
}

/* --- the reference: everything is looked at for each start --- */

struct where {
    const struct host *host;
    size_t queue;
};

static struct value lookup(const void *ctx, const char *name, size_t slot)
{
    const struct where *at = ctx;
    const struct attr *a = host_attr(at->host, at->queue, name);
    (void)slot;
    if (!a)
        return (struct value){.type = VALUE_UNKNOWN};
    return (struct value){a->is_number ? VALUE_NUMBER : VALUE_STRING, a->number, a->text};
}

/* Adds the host to the counter of what removes it, NULL when nothing does. */
static uint64_t *removed_by(struct grid *g, const struct job_class *c, const struct host *h,
                            struct match_why *why)
{
    uint64_t cpus = host_number(h, "CPU_SMP"), memory = host_number(h, "SIZE_MEM_MB");
    if (!h->is_up || !(g->offers[h->id] & OFFER_USABLE))
        return &why->down;
    if (state_site_is_drained(&g->state, h->name))
        return &why->drained;
    if (g->offers[h->id] & OFFER_TO_OWNER && !has_credential(g, c))
        return &why->no_credential;
    if (c->is_bare && !(g->offers[h->id] & OFFER_BARE))
        return &why->no_bare;
    if (!*host_text(h, "LRMS_NAME"))
        return &why->no_lrms;
    if (c->needs_vm && !*host_text(h, "VM_HYPERVISOR"))
        return &why->no_vm;
    if (c->needs_vm && ((cpus && c->vm_cpus > cpus) || (memory && c->vm_memory_mib > memory)))
        return &why->too_small;
    size_t furthest = 0;
    bool is_found = false;
    for (size_t q = 0; q < h->n_queues; q++) {
        struct where at = {h, q};
        size_t i = 0;
        while (i < why->n_conjuncts && expr_test(c->requirements, i, lookup, &at) == EXPR_TRUE)
            i++;
        furthest = i > furthest ? i : furthest;
        if (i == why->n_conjuncts && h->queues[q].nodes >= c->np)
            return NULL;
        is_found |= i == why->n_conjuncts;
    }
    return is_found ? &why->too_small : &why->unmatched[furthest];
}

static struct match_why *reference_why(struct grid *g, const struct job_class *c)
{
    size_t n = expr_conjuncts(c->requirements, NULL);
    struct match_why *why = xcalloc(1, sizeof *why + n * sizeof why->unmatched[0]);
    why->n_conjuncts = n;
    why->hosts = g->n_hosts;
    for (size_t i = 0; i < g->n_hosts; i++) {
        uint64_t *at = removed_by(g, c, g->hosts[i], why);
        ++*(at ? at : &why->busy);
    }
    return why;
}

static bool failed_at(const struct task *t, const struct host *h)
{
    for (size_t i = 0; t && i < t->n_attempts; i++)
        if (t->attempts[i].reason.blame == BLAME_SITE && strcmp(t->attempts[i].host, h->name) == 0)
            return true;
    return false;
}

struct choice {
    struct match match;
    uint64_t n_free;
    bool failed;
};

static bool is_better(const struct choice *a, const struct choice *b)
{
    if (a->failed != b->failed)
        return b->failed;
    if (a->match.rank != b->match.rank)
        return a->match.rank > b->match.rank;
    return a->n_free > b->n_free; /* else the one that comes first */
}

static bool reference_place(struct grid *g, struct job *j, uint64_t task, struct match *ret)
{
    const struct job_class *c = j->spec->class;
    size_t n = expr_conjuncts(c->requirements, NULL);
    struct match_why *why = xcalloc(1, sizeof *why + n * sizeof why->unmatched[0]);
    why->n_conjuncts = n;
    struct choice best = {0};
    for (size_t i = 0; i < g->n_hosts; i++) {
        struct host *h = g->hosts[i];
        uint64_t memory = host_number(h, "SIZE_MEM_MB");
        if ((g->limits.per_host && g->per_host[i] >= g->limits.per_host) ||
            removed_by(g, c, h, why) ||
            (c->needs_vm && memory && h->vm_memory_mib + c->vm_memory_mib > memory))
            continue;
        for (size_t q = 0; q < h->n_queues; q++) {
            struct where at = {h, q};
            struct choice p = {{j, task, h, q, expr_rank(c->rank, lookup, &at)},
                               host_free(h, q),
                               failed_at(job_task(j, task), h)};
            if (p.n_free >= c->np && p.n_free && expr_holds(c->requirements, lookup, &at) &&
                (!best.match.job || is_better(&p, &best)))
                best = p;
        }
    }
    free(why);
    *ret = best.match;
    return best.match.job != NULL;
}

static void reference_run(struct grid *g)
{
    bool *is_blocked = xcalloc(g->state.n_slots + 1, 1);
    memset(g->per_host, 0, sizeof g->per_host);
    while (!g->state.is_paused && (!g->limits.per_pass || g->n_taken < g->limits.per_pass)) {
        struct job *first = NULL;
        for (struct job_class *c = g->state.classes; c; c = c->hh.next)
            if (c->first && !is_blocked[c->slot] && (!first || job_goes_before(c->first, first)))
                first = c->first;
        if (!first)
            break;
        const struct job_class *c = first->spec->class;
        struct match m;
        uint64_t task;
        assert_true(job_next_ready(first, &task));
        if ((g->limits.per_user && user_running(g, c->uid) >= g->limits.per_user) ||
            !reference_place(g, first, task, &m))
            is_blocked[c->slot] = true;
        else
            take(g, &m);
    }
    free(is_blocked);
}

/* --- the same changes to both --- */

struct sizes {
    size_t n_hosts, n_jobs_max;
    unsigned n_clocks; /* different requirements */
    size_t cells_max;
    int64_t budget;
};

static void sample(struct rng *r, struct host *h)
{
    struct buf text = BUF_INIT;
    static const char *const archs[] = {"\"x86_64\"", "\"i686\"", ""};
    bool is_changed;
    buf_printf(&text, "ARCH=%s CPU_MHZ=%u LOAD=%d LRMS_NAME=%s VM_HYPERVISOR=%s ",
               archs[rng_below(r, 3)], (unsigned)rng_below(r, 400), (int)rng_below(r, 3) - 1,
               rng_below(r, 20) ? "\"fork\"" : "", rng_below(r, 2) ? "\"qemu\"" : "");
    buf_printf(&text, "CPU_SMP=%u SIZE_MEM_MB=%u NODECOUNT=%u ", (unsigned)rng_below(r, 4),
               (unsigned)rng_below(r, 3000), (unsigned)rng_below(r, 5));
    for (unsigned q = 0; h->id % 3 == 0 && q < 2; q++)
        buf_printf(&text, "QUEUE_NAME[%u]=\"q%u\" QUEUE_NODECOUNT[%u]=%u QUEUE_TIME[%u]=%u ", q, q,
                   q, (unsigned)rng_below(r, 4), q, (unsigned)rng_below(r, 2));
    assert_int_equal(host_sample(h, buf_str(&text), &is_changed, NULL), 0);
    buf_clear(&text);
}

static void add_host(struct grid *g, struct rng *r)
{
    char name[16];
    snprintf(name, sizeof name, "h%zu", g->n_hosts);
    struct host *h = host_create(g->n_hosts, name, "i", "t", "e");
    g->offers[h->id] = OFFER_USABLE | OFFER_BARE;
    g->hosts[g->n_hosts++] = h;
    bool has_sample = rng_below(r, 10) > 0;
    if (has_sample && rng_below(r, 2))
        sample(r, h);
    if (g->sched)
        sched_add_host(g->sched, h);
    if (has_sample && !h->is_up) {
        sample(r, h);
        if (g->sched)
            sched_host_changed(g->sched, h);
    }
}

static void change_host(struct grid *g, struct rng *r)
{
    struct host *h = g->hosts[rng_below(r, g->n_hosts)];
    switch (rng_below(r, 6)) {
    case 0:
        h->is_up = false;
        break;
    case 1:
        g->offers[h->id] = (unsigned)rng_below(r, 8) | (unsigned)rng_below(r, 2);
        break;
    case 2:
        apply(g, (struct event){
                     .kind = EV_SITE_DRAINED, .host = h->name, .flag = rng_below(r, 3) == 0});
        break;
    default:
        sample(r, h);
    }
    if (g->sched)
        sched_host_changed(g->sched, h);
}

static void submit(struct grid *g, struct rng *r, const struct sizes *sizes)
{
    static const char *const ranks[] = {"", "RANK = CPU_MHZ\n", "RANK = LOAD\n",
                                        "RANK = -LOAD * QUEUE_TIME\n"};
    struct buf text = BUF_INIT;
    buf_puts(&text, "EXECUTABLE = /bin/true\n");
    switch (rng_below(r, 4)) {
    case 0:
        buf_printf(&text, "REQUIREMENTS = CPU_MHZ > %u\n",
                   (unsigned)rng_below(r, sizes->n_clocks) * 400 / sizes->n_clocks);
        break;
    case 1:
        buf_puts(&text, "REQUIREMENTS = ARCH = \"x86*\" & LOAD < 1 & QUEUE_TIME = 1\n");
        break;
    case 2:
        buf_printf(&text, "REQUIREMENTS = HOSTNAME = \"h%u\" | CPU_MHZ = 7\n",
                   (unsigned)rng_below(r, 5));
        break;
    }
    buf_puts(&text, ranks[rng_below(r, GW_COUNT(ranks))]);
    uint64_t shape = rng_below(r, 8);
    if (shape == 0)
        buf_puts(&text, "NP = 2\nTYPE = mpi\n");
    else if (shape == 1)
        buf_puts(&text, "VM_IMAGE = /i.qcow2\nVM_MEMORY = 900\nVM_CPUS = 2\n");
    else if (shape == 2)
        buf_puts(&text, "STAGING = no\n");
    struct event ev =
        submit_event(g->state.next_job, 1 + rng_below(r, 4) * rng_below(r, 2), buf_str(&text));
    ev.uid = FIRST_UID + rng_below(r, USERS);
    ev.priority = (int64_t)rng_below(r, 3);
    ev.wish = rng_below(r, 5) ? WISH_RUN : WISH_HELD;
    apply(g, ev);
    buf_clear(&text);
}

static struct job *some_job(struct grid *g, struct rng *r)
{
    return g->state.n_jobs ? g->state.jobs[rng_below(r, g->state.n_jobs)] : NULL;
}

static void forget_when_final(struct grid *g, struct job *j)
{
    if (job_is_final(j))
        apply(g, (struct event){.kind = EV_JOB_FORGOTTEN, .job = j->id});
}

static void kill_job(struct grid *g, struct job *j)
{
    if (!j->is_rest_ended)
        apply(g, (struct event){.kind = EV_TASK_ENDED,
                                .job = j->id,
                                .task = TASK_ALL,
                                .outcome = OUTCOME_FAILED,
                                .reason = "killed"});
    forget_when_final(g, j);
}

static void wish(struct grid *g, struct rng *r, struct job *j)
{
    uint64_t task = rng_below(r, 2) ? TASK_ALL : rng_below(r, j->tasks);
    enum wish w = rng_below(r, 2) ? WISH_RUN : WISH_HELD;
    apply(g, (struct event){.kind = EV_WISHED, .job = j->id, .task = task, .wish = w});
}

static void end_attempts(struct grid *g, struct rng *r, struct job *j, bool all)
{
    size_t it = 0;
    for (struct task *t; (t = job_next_task(j, &it));) {
        struct attempt *a = task_attempt(t);
        if (!a || (!all && rng_below(r, 2)))
            continue;
        struct host *h = host_named(g, a->host);
        bool again = rng_below(r, 3) == 0;
        count(g, j, a, -1);
        apply(g,
              (struct event){.kind = EV_ATTEMPT_ENDED,
                             .job = j->id,
                             .task = t->index,
                             .attempt = a->number,
                             .outcome = again ? OUTCOME_REQUEUE : OUTCOME_FAILED,
                             .reason = "io",
                             .blame = rng_below(r, 3) ? BLAME_SITE : BLAME_US,
                             .not_before_us = again ? g->now_us + (int64_t)rng_below(r, 50) : 0});
        if (!g->sched)
            continue;
        sched_user_freed(g->sched, j->spec->owner.uid);
        sched_host_freed(g->sched, h);
    }
    forget_when_final(g, j);
}

static void change_rules(struct grid *g, struct rng *r)
{
    switch (rng_below(r, 3)) {
    case 0:
        g->limits = (struct match_limits){0};
        if (rng_below(r, 2))
            g->limits.per_user = 1 + rng_below(r, 20);
        if (rng_below(r, 4) == 0)
            g->limits.per_pass = 1 + rng_below(r, 5);
        if (rng_below(r, 4) == 0)
            g->limits.per_host = 1 + rng_below(r, 2);
        break;
    case 1:
        g->has_credential[rng_below(r, USERS)] = rng_below(r, 2);
        if (g->sched)
            sched_credentials_changed(g->sched);
        break;
    default:
        apply(g, (struct event){.kind = EV_DISPATCH_PAUSED, .flag = rng_below(r, 6) == 0});
    }
}

static void change(struct grid *g, struct rng *r, const struct sizes *sizes)
{
    struct job *j = some_job(g, r);
    uint64_t kind = rng_below(r, 20);
    g->now_us += (int64_t)rng_below(r, 10);
    if (kind == 0 && g->n_hosts < sizes->n_hosts)
        add_host(g, r);
    else if (kind < 3)
        change_host(g, r);
    else if (kind == 3)
        change_rules(g, r);
    else if (kind < 9 && g->state.n_jobs < sizes->n_jobs_max)
        submit(g, r, sizes);
    else if (j && kind < 11)
        wish(g, r, j);
    else if (j && kind == 11)
        kill_job(g, j);
    else if (j)
        end_attempts(g, r, j, kind == 12);
}

/* --- the comparison --- */

static void run(struct grid *g, struct rng *r, const struct sizes *sizes)
{
    bool has_limits = g->limits.per_pass || g->limits.per_host;
    int64_t budget = has_limits || rng_below(r, 2) ? INT64_MAX / 2 : sizes->budget;
    buf_reset(&g->log);
    g->n_taken = 0;
    state_wake(&g->state, g->now_us, INT64_MAX);
    if (!g->sched) {
        reference_run(g);
        return;
    }
    for (unsigned n = 0; sched_run(g->sched, &g->limits, g->now_us, budget); n++) {
        if (has_limits)
            break;
        if (n > 100000)
            fail_msg("no end of passes");
    }
    if (!has_limits && !sched_is_idle(g->sched))
        fail_msg("it is not idle after a pass that was not cut");
}

static void compare_why(struct grid *a, struct grid *b, struct rng *r)
{
    struct job *j = some_job(a, r), *k = j ? state_job(&b->state, j->id) : NULL;
    const struct match_why *why = j ? sched_why(a->sched, j->spec->class) : NULL;
    if (!why)
        return;
    struct match_why *expected = reference_why(b, k->spec->class);
    assert_int_equal(why->n_conjuncts, expected->n_conjuncts);
    assert_int_equal(why->is_paused, b->state.is_paused);
    assert_memory_equal(&why->hosts, &expected->hosts,
                        sizeof *why - offsetof(struct match_why, hosts) +
                            why->n_conjuncts * sizeof why->unmatched[0]);
    free(expected);
}

/* Returns how many tasks were started. */
static uint64_t compare(uint64_t seed, unsigned n_rounds, const struct sizes *sizes)
{
    struct grid *a = grid_create(true, sizes->cells_max), *b = grid_create(false, 0);
    struct rng r = rng_of_seed(seed);
    uint64_t n_started = 0;
    for (size_t i = 0; i < sizes->n_hosts - sizes->n_hosts / 4; i++) {
        struct rng same = r;
        add_host(a, &r);
        add_host(b, &same);
    }
    for (unsigned round = 0; round < n_rounds; round++) {
        for (uint64_t n = 1 + rng_below(&r, rng_below(&r, 8) ? 4 : 60); n > 0; n--) {
            struct rng same = r;
            change(a, &r, sizes);
            change(b, &same, sizes);
        }
        struct rng same = r;
        run(a, &r, sizes);
        run(b, &same, sizes);
        n_started += b->n_taken;
        if (strcmp(buf_str(&a->log), buf_str(&b->log)) != 0)
            fail_msg("seed %" PRIu64 ", round %u: \"%s\" instead of \"%s\"", seed, round,
                     buf_str(&a->log), buf_str(&b->log));
        compare_why(a, b, &r);
    }
    const char *wrong = recount(&a->state);
    if (wrong)
        fail_msg("seed %" PRIu64 ": %s", seed, wrong);
    grid_destroy(a);
    grid_destroy(b);
    return n_started;
}

static void compare_all(uint64_t n_seeds, unsigned n_rounds, const struct sizes *sizes)
{
    uint64_t seed, end, n_started = 0;
    for (seeds(n_seeds, &seed, &end); seed < end; seed++)
        n_started += compare(seed, n_rounds, sizes);
    print_message("%" PRIu64 " tasks were started\n", n_started);
    assert_true(n_started > n_rounds);
}

static void a_small_grid_is_served_as_if_all_were_looked_at_each_time(void **state)
{
    (void)state;
    compare_all(60, 400,
                &(struct sizes){.n_hosts = 12, .n_jobs_max = 60, .n_clocks = 4, .budget = 40});
}

static void many_classes_are_served_as_if_all_were_looked_at_each_time(void **state)
{
    (void)state;
    compare_all(6, 600,
                &(struct sizes){.n_hosts = 40, .n_jobs_max = 900, .n_clocks = 400, .budget = 5000});
}

static void many_hosts_are_served_as_if_all_were_looked_at_each_time(void **state)
{
    (void)state;
    compare_all(6, 120,
                &(struct sizes){.n_hosts = 600, .n_jobs_max = 1500, .n_clocks = 4, .budget = 5000});
}

static void classes_without_room_for_their_verdicts_are_served_the_same(void **state)
{
    (void)state;
    compare_all(20, 400,
                &(struct sizes){
                    .n_hosts = 12, .n_jobs_max = 60, .n_clocks = 4, .budget = 40, .cells_max = 1});
    compare_all(3, 400,
                &(struct sizes){.n_hosts = 40,
                                .n_jobs_max = 900,
                                .n_clocks = 400,
                                .budget = 5000,
                                .cells_max = 64 * 64});
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_small_grid_is_served_as_if_all_were_looked_at_each_time),
        cmocka_unit_test(many_classes_are_served_as_if_all_were_looked_at_each_time),
        cmocka_unit_test(many_hosts_are_served_as_if_all_were_looked_at_each_time),
        cmocka_unit_test(classes_without_room_for_their_verdicts_are_served_the_same),
    };
    return cmocka_run_group_tests_name("sched_random", tests, NULL, NULL);
}
