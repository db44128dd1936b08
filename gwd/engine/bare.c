/* Attempts without staging (STAGING = no): no job directory, no wrapper, no transfer. The execution
 * driver starts the program as it is at the host, knows attempts by their token, and its word for
 * the exit code is the result.
 *
 * ATTEMPT_STAGED, the intent to submit, follows ATTEMPT_STARTED in the same turn; the end is
 * accepted, and the attempt over, in the turn in which the driver says so. */
#include "gwd/engine/engine_private.h"
#include "lib/mem.h"
#include "lib/num.h"
#include "spec/rsl.h"
#include "spec/subst.h"

#include <stdlib.h>
#include <string.h>

bool flight_is_bare(const struct flight *f)
{
    return f->job->spec->t->is_bare;
}

void bare_begin(struct engine *e, struct flight *f)
{
    emit_attempt(e, f, EV_ATTEMPT_STAGED);
    wrapper_begin(e, f);
}

void bare_failed(struct engine *e, struct flight *f)
{
    flight_fail(f, "lost", BLAME_SITE, "its exit code is not known");
    flight_give_up(e, f);
}

void bare_ended(struct engine *e, struct flight *f, const char *state)
{
    uint64_t code;
    bool is_known = state[4] == ':' && num_parse_u64(state + 5, 0, 255, &code, NULL) == 0;
    emit_attempt(e, f, EV_ATTEMPT_EXITED);
    f->timer++;
    if (f->task->wish == WISH_GONE || !is_known) {
        bare_failed(e, f);
        return;
    }
    struct event ev = {.kind = EV_RESULTS_ACCEPTED,
                       .job = f->ref.job,
                       .task = f->ref.task,
                       .attempt = f->ref.attempt,
                       .exit_code = (int64_t)code};
    emit(e, &ev);
    flight_end(e, f, OUTCOME_DONE);
}

/* --- what to run --- */

struct pairs {
    const char **items; /* name, value, ...; values are ours */
    size_t n, cap;
};

static void put_pair(void *ctx, const char *name, char *value)
{
    struct pairs *p = ctx;
    if (p->n == p->cap) {
        p->cap = p->cap ? 2 * p->cap : 32;
        p->items = xreallocarray(p->items, p->cap, sizeof *p->items);
    }
    p->items[p->n++] = name;
    p->items[p->n++] = value;
}

static void put_environment(struct engine *e, const struct flight *f, struct rsl *rsl)
{
    struct pairs env = {0};
    put_pair(&env, "GW_TOKEN", staging_token(e, f));
    put_pair(&env, "GW_STAGING", xstrdup("no"));
    jobfiles_names(e, f, put_pair, &env);
    rsl_add(rsl, "environment", env.items, env.n);
    for (size_t i = 1; i < env.n; i += 2)
        free((char *)env.items[i]);
    free(env.items);
}

static void put_file(struct engine *e, const struct flight *f, struct rsl *rsl, const char *name,
                     const char *path)
{
    char *expanded = staging_expand(e, f->job, f->ref.task, path);
    rsl_add_one(rsl, name, expanded);
    free(expanded);
}

void bare_put(struct engine *e, const struct flight *f, struct rsl *rsl)
{
    const struct template *t = f->job->spec->t;
    char **words;
    size_t n;
    put_file(e, f, rsl, "executable", t->executable);
    put_file(e, f, rsl, "stdin", t->stdin_file);
    put_file(e, f, rsl, "stdout", t->stdout_file);
    put_file(e, f, rsl, "stderr", t->stderr_file);
    put_environment(e, f, rsl);
    if (staging_words(e, f->job, f->ref.task, t->arguments, &words, &n) < 0)
        return; /* the template's check refuses such a line before it gets here */
    if (n)
        rsl_add(rsl, "arguments", (const char *const *)words, n);
    subst_words_free(words);
}
