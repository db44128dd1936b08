#include "gwd/engine/health.h"

#include "lib/mem.h"

#include <stdlib.h>

/* A window that gets larger is none any more. */
enum { WINDOW_MAX = 64 };

struct health *health_create(uint64_t uid, const char *user, const char *credential)
{
    struct health *h = xcalloc(1, sizeof *h);
    h->uid = uid;
    h->user = xstrdup(user);
    h->credential = xstrdup(credential);
    return h;
}

void health_destroy(struct health *h)
{
    if (!h)
        return;
    reason_clear(&h->reason);
    free(h->user);
    free(h->credential);
    free(h);
}

bool health_may_start(const struct health *h, int64_t mono_us)
{
    return h->until_us <= mono_us && (!h->window || h->n_trials < h->window);
}

bool health_started(struct health *h)
{
    h->n_trials += h->window != 0;
    return h->window != 0;
}

void health_trial_ended(struct health *h)
{
    h->n_trials -= h->n_trials > 0;
}

static int64_t pause_us(const struct health *h, const struct health_rules *rules)
{
    int64_t pause = rules->pause_us;
    for (unsigned i = 0; i < h->n_pauses && pause < rules->pause_max_us; i++)
        pause *= 2;
    return pause < rules->pause_max_us ? pause : rules->pause_max_us;
}

void health_failed(struct health *h, const struct health_rules *rules, int64_t mono_us,
                   uint64_t job, uint64_t task, const struct reason *why)
{
    bool is_same = h->failures && h->job == job && h->task == task;
    reason_set(&h->reason, why->code, why->blame, why->text);
    h->job = job;
    h->task = task;
    /* Those that were under way when it began to rest say nothing new. */
    if (!rules->failures_max || h->until_us > mono_us || (is_same && !h->window))
        return;
    h->failures++;
    h->failed_us = mono_us;
    if (!h->window && h->failures < rules->failures_max)
        return;
    h->until_us = mono_us + pause_us(h, rules);
    h->look_us = h->until_us + rules->pause_us;
    h->n_pauses++;
    h->window = h->window > 2 ? h->window / 2 : 1;
}

/* More at a time; true: it needs no window any more. */
static bool grow(struct health *h)
{
    h->window *= 2;
    h->n_pauses = 0;
    h->until_us = 0;
    return h->window == 0 || h->window > WINDOW_MAX;
}

bool health_succeeded(struct health *h)
{
    h->failures = 0;
    return grow(h);
}

bool health_look(struct health *h, const struct health_rules *rules, int64_t mono_us,
                 bool is_running)
{
    if (h->until_us > mono_us || h->look_us > mono_us)
        return false;
    /* Nobody tried it for so long: what was is out of date. */
    if (!h->n_trials && mono_us - h->failed_us > 2 * rules->pause_max_us)
        return true;
    h->look_us = mono_us + rules->pause_us;
    return is_running && grow(h);
}

int64_t health_next_us(const struct health *h, int64_t mono_us)
{
    if (h->until_us > mono_us)
        return h->until_us;
    return h->window ? h->look_us : INT64_MAX;
}
