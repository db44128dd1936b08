/* Any sequence of events: each is refused and changes nothing, or the state stays one that agrees
 * with itself; nothing is accepted twice, no id or key is given twice; and its checkpoint makes the
 * same state.
 *
 * fuzz: max_len=768 slow=1 */
#include "tests/fuzz/fuzz.h"
#include "tests/unit/history.h"

static uint64_t accepted(const struct state *s, const struct event *ev)
{
    const struct job *j = state_job(s, ev->job);
    const struct task *t = j ? job_task(j, ev->task) : NULL;
    uint64_t n = 0;
    for (size_t i = 0; t && i < t->n_attempts; i++)
        n += t->attempts[i].is_accepted;
    return n;
}

static void check_accepted(const struct state *s, const struct event *ev)
{
    const char *wrong = recount(s);
    if (wrong)
        fprintf(stderr, "after %s: %s\n", event_kind_info((unsigned)ev->kind)->name, wrong);
    FUZZ_CHECK(!wrong);
    FUZZ_CHECK(accepted(s, ev) <= 1);
}

static void check_checkpoint(const struct state *s)
{
    struct state again;
    struct gw_err err = {0};
    if (!s->instance || s->is_loading)
        return;
    struct buf first = dump_of(s);
    state_init(&again);
    int r = fold_bytes(&again, &first, &err);
    if (r < 0)
        fprintf(stderr, "%s\n", err.text);
    FUZZ_CHECK(r == 0);
    FUZZ_CHECK(!recount(&again) && jobs_are_equal(s, &again) && again.seq == s->seq);
    state_clear(&again);
    buf_clear(&first);
}

static void step(struct state *s, struct event *ev)
{
    struct gw_err err = {0};
    struct buf before = BUF_INIT, after = BUF_INIT;
    bool can_dump = s->instance && !s->is_loading;
    uint64_t next_job = s->next_job;
    /* The daemon's clock is later than 1970, and it numbers its events. */
    ev->at_us = ev->at_us > 0 ? ev->at_us : 1 - ev->at_us / 2;
    ev->seq = ev->kind < EV_CK_STATE && !s->is_loading ? s->seq + 1 : 0;
    if (can_dump)
        before = dump_of(s);
    if (state_apply(s, ev, &err) == 0) {
        FUZZ_CHECK(ev->kind >= EV_CK_STATE || s->is_loading || s->next_job >= next_job);
        check_accepted(s, ev);
    } else {
        FUZZ_CHECK(*err.text);
        if (can_dump)
            after = dump_of(s);
        FUZZ_CHECK(!can_dump || bufs_are_equal(&before, &after));
    }
    buf_clear(&before);
    buf_clear(&after);
}

/* A state that is there already, unless the input makes its own. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct state s;
    struct event_arena arena = {0};
    struct event ev = created_event();
    state_init(&s);
    if (size && data[0] != EV_STATE_CREATED && data[0] != EV_CK_STATE)
        step(&s, &ev);
    for (size_t at = 0; at < size;) {
        long used = event_decode(data + at, size - at, &ev, &arena, NULL);
        if (used < 0)
            break;
        /* A checkpoint comes at the beginning or not at all: who loads one refuses all else. */
        if (!(ev.kind == EV_CK_STATE && s.instance))
            step(&s, &ev);
        event_arena_reset(&arena);
        at += (size_t)used;
    }
    check_checkpoint(&s);
    event_arena_clear(&arena);
    state_clear(&s);
    return 0;
}
