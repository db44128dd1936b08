/* What the engine's tests look at when a job is over. */
#ifndef TESTS_UNIT_ENGINE_CHECKS_H
#define TESTS_UNIT_ENGINE_CHECKS_H

#include "tests/unit/world.h"

static inline struct world *new_world(void)
{
    struct world *w = world_create();
    world_start(w);
    world_listen(w);
    return w;
}

static inline void check_done(const struct world *w, uint64_t id, uint64_t n_attempts)
{
    struct task *t = world_task(w, id);
    if (!t || t->phase != PHASE_DONE)
        fail_msg("job %" PRIu64 " is %s, not DONE; sent: %s", id, phase_name(world_phase(w, id)),
                 buf_str(&w->trace));
    assert_int_equal(t->n_attempts, n_attempts);
}

static inline void check_failed(const struct world *w, uint64_t id, const char *code,
                                enum blame blame, uint64_t n_attempts)
{
    struct task *t = world_task(w, id);
    if (!t || t->phase != PHASE_FAILED)
        fail_msg("job %" PRIu64 " is %s, not FAILED; sent: %s", id, phase_name(world_phase(w, id)),
                 buf_str(&w->trace));
    assert_string_equal(t->reason.code, code);
    assert_int_equal(t->reason.blame, blame);
    assert_int_equal(t->n_attempts, n_attempts);
}

/* Nothing is left at the site or in the spool, and no slot is taken. */
static inline void check_clean(struct world *w)
{
    size_t n;
    struct host *const *hosts = engine_hosts(w->engine, &n);
    for (size_t i = 0; i < n; i++) {
        assert_int_equal(hosts[i]->running, 0);
        assert_int_equal(hosts[i]->vm_memory_mib, 0);
        for (size_t q = 0; q < hosts[i]->n_queues; q++)
            assert_int_equal(hosts[i]->queues[q].used, 0);
    }
    for (struct world_file *f = w->files; f; f = f->hh.next)
        if (f->is_there &&
            (strstr(f->url, "/.gw_i.") || strncmp(f->url, "file:///spool/1.", 16) == 0))
            fail_msg("%s is left", f->url);
    for (struct run *r = w->runs; r; r = r->next)
        assert_false(r->is_running);
}

#endif
