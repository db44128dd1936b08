/* Why a job is where it is: codes with parameters and blame, for the client to put into words. Of
 * another user's job only the code and who has to mend it are told: the particulars quote its
 * template, its files and what the site said about them. */
#include "gwd/daemon/settings.h"
#include "gwd/daemon/view_private.h"
#include "gwd/engine/health.h"
#include "lib/json_write.h"
#include "lib/mem.h"

#include <stdlib.h>
#include <string.h>

void view_reason(struct buf *out, const char *name, const char *code, enum blame blame,
                 const char *message)
{
    if (!code) {
        json_put_null(out, name);
        return;
    }
    json_begin(out, name, '{');
    json_put_text(out, "code", code);
    json_put_text(out, "blame", blame_name(blame));
    json_begin(out, "params", '{');
    if (message)
        json_put_text(out, "message", message);
    json_end(out, '}');
    json_end(out, '}');
}

static void put_bare(const struct show *s, const char *code, enum blame blame, const char *message)
{
    view_reason(s->out, "reason", code, blame, s->sight == SIGHT_FULL ? message : NULL);
}

static int64_t credential_life_us(const struct daemon *d)
{
    return settings_engine(d->settings)->credential_life_us;
}

static char *credential_trouble(const struct daemon *d, uint64_t uid, const char *path)
{
    return path ? credential_words(engine_credential(d->engine, uid, path), credential_life_us(d),
                                   clock_wall_us())
                : xstrdup("it was submitted without a credential");
}

static const char *const credential_states[] = {"unknown", "bad", "expired", "short", "valid"};

/* Of an owner: path, identity, state, when it ends, what is wrong with it. */
void view_credential(struct buf *out, const struct daemon *d, uint64_t uid, const char *path)
{
    const struct credential *c = path ? engine_credential(d->engine, uid, path) : NULL;
    if (!c) {
        json_put_null(out, "credential");
        return;
    }
    int64_t now_us = clock_wall_us(), life_us = credential_life_us(d);
    char *words = credential_words(c, life_us, now_us);
    json_begin(out, "credential", '{');
    json_put_text(out, "path", c->path);
    json_put_text(out, "identity", c->identity);
    json_put_text(out, "state", credential_states[credential_state(c, life_us, now_us)]);
    json_put_seconds(out, "expires", c->expires_us);
    json_put_text(out, "problem", words);
    json_end(out, '}');
    free(words);
}

static void put_requirements(struct buf *out, const struct job_class *c,
                             const struct match_why *why)
{
    const struct expr_conjunct *conjuncts = NULL;
    size_t n = expr_conjuncts(c->requirements, &conjuncts);
    json_begin(out, "requirements", '[');
    for (size_t i = 0; i < n && i < why->n_conjuncts; i++) {
        json_begin(out, NULL, '{');
        json_put_text_n(out, "condition", c->requirements_text + conjuncts[i].from,
                        conjuncts[i].length);
        json_put_uint(out, "removed", why->unmatched[i]);
        json_end(out, '}');
    }
    json_end(out, ']');
}

/* The rest that ends first: where, until when, and after what. */
static void put_rest(const struct show *s, const struct job_class *c)
{
    const struct host *host;
    const struct health *h = engine_first_rest(s->d->engine, c, &host);
    if (!h)
        return;
    int64_t rest_us = h->until_us - clock_mono_us();
    json_put_text(s->out, "host", host->name);
    if (rest_us > 0)
        json_put_seconds(s->out, "until", s->now_us + rest_us);
    json_put_text(s->out, "after", h->reason.code);
    json_put_text(s->out, "after_message", h->reason.text);
}

/* Why a pending task waits, as far as the scheduler has seen it. */
static void put_pass(const struct show *s, const struct job_class *c, const struct match_why *why)
{
    const char *code = why->is_paused       ? "paused"
                       : why->is_user_limit ? "user-limit"
                       : why->hosts == 0    ? "no-host"
                       : why->busy          ? "busy"
                       : why->resting       ? "resting"
                       : why->no_credential ? "credential"
                                            : "no-match";
    enum blame blame = why->is_paused || why->is_user_limit ? BLAME_US
                       : why->busy || why->resting || why->hosts == why->down + why->drained
                           ? BLAME_SITE
                           : BLAME_JOB;
    if (s->sight != SIGHT_FULL) {
        put_bare(s, code, blame, NULL);
        return;
    }
    char *words = why->no_credential ? credential_trouble(s->d, c->uid, c->credential) : NULL;
    json_begin(s->out, "reason", '{');
    json_put_text(s->out, "code", code);
    json_put_text(s->out, "blame", blame_name(blame));
    json_begin(s->out, "params", '{');
    json_put_text(s->out, "message", words);
    if (strcmp(code, "resting") == 0)
        put_rest(s, c);
    json_put_uint(s->out, "hosts", why->hosts);
    json_put_uint(s->out, "down", why->down);
    json_put_uint(s->out, "drained", why->drained);
    json_put_uint(s->out, "no_credential", why->no_credential);
    json_put_uint(s->out, "no_bare", why->no_bare);
    json_put_uint(s->out, "no_lrms", why->no_lrms);
    json_put_uint(s->out, "no_vm", why->no_vm);
    json_put_uint(s->out, "too_small", why->too_small);
    json_put_uint(s->out, "resting", why->resting);
    json_put_uint(s->out, "busy", why->busy);
    put_requirements(s->out, c, why);
    json_end(s->out, '}');
    json_end(s->out, '}');
    free(words);
}

static void put_back_off(const struct show *s)
{
    const struct reason *why = &s->task->reason;
    json_begin(s->out, "reason", '{');
    json_put_text(s->out, "code", "back-off");
    json_put_text(s->out, "blame", blame_name(why->blame));
    json_begin(s->out, "params", '{');
    json_put_seconds(s->out, "until", s->task->not_before_us);
    json_put_text(s->out, "after", why->code);
    if (s->sight == SIGHT_FULL)
        json_put_text(s->out, "message", why->text);
    json_end(s->out, '}');
    json_end(s->out, '}');
}

static void put_waiting(const struct show *s)
{
    const struct job_class *c = s->j->spec->class;
    const struct match_why *why;
    if (s->task && s->task->is_waiting && s->task->not_before_us > s->now_us)
        put_back_off(s);
    else if ((why = engine_why(s->d->engine, c)))
        put_pass(s, c, why);
    else
        put_bare(s, "not-looked-at", BLAME_US, NULL);
}

static void put_driver_down(struct buf *out, const char *name)
{
    char *text = xasprintf("its driver %s is not up", name);
    json_put_text(out, "message", text);
    free(text);
}

/* It is to end, and the site has not confirmed that it has. */
static void put_kill(const struct show *s, const struct reason *trouble)
{
    struct kill_progress kill = {0};
    engine_kill(s->d->engine, s->j, s->task, &kill);
    const struct reason *said = trouble ? trouble : kill.said;
    json_begin(s->out, "reason", '{');
    json_put_text(s->out, "code", "kill-pending");
    json_put_text(s->out, "blame", blame_name(said ? said->blame : BLAME_NONE));
    json_begin(s->out, "params", '{');
    json_put_seconds(s->out, "since", s->task->wished_us);
    json_put_uint(s->out, "asked", kill.asked);
    if (said && said->code)
        json_put_text(s->out, "after", said->code);
    if (s->sight == SIGHT_FULL && said && said->text)
        json_put_text(s->out, "message", said->text);
    else if (s->sight == SIGHT_FULL && kill.driver)
        put_driver_down(s->out, kill.driver);
    json_end(s->out, '}');
    json_end(s->out, '}');
}

static void put_left(const struct show *s, const struct attempt *a, const struct left *left)
{
    const struct reason *said = left->said;
    json_begin(s->out, NULL, '{');
    json_put_uint(s->out, "attempt", a->number);
    json_put_text(s->out, "host", a->host);
    json_put_bool(s->out, "may_run", left->may_run);
    json_put_uint(s->out, "asked", left->asked);
    json_put_seconds(s->out, "until", s->now_us + left->until_us - clock_mono_us());
    view_reason(s->out, "reason", said ? said->code : NULL, said ? said->blame : BLAME_NONE,
                said ? said->text : NULL);
    json_end(s->out, '}');
}

void view_left(const struct show *s, const char *name)
{
    struct left left;
    json_begin(s->out, name, '[');
    for (size_t i = 0; s->task && i < s->task->n_attempts; i++) {
        const struct attempt *a = &s->task->attempts[i];
        struct task_ref ref = {s->j->id, s->index, a->number};
        if (a->is_left && engine_left(s->d->engine, ref, &left))
            put_left(s, a, &left);
    }
    json_end(s->out, ']');
}

void view_why(const struct show *s)
{
    enum phase phase = job_task_phase(s->j, s->index);
    enum wish wish = job_task_wish(s->j, s->index);
    const struct reason *trouble = s->task ? engine_trouble(s->d->engine, s->j, s->task) : NULL;
    if (phase == PHASE_PENDING && wish == WISH_HELD)
        put_bare(s, "held", BLAME_NONE, NULL);
    else if (phase == PHASE_PENDING)
        put_waiting(s);
    else if (!s->task)
        put_bare(s, "killed", BLAME_NONE, NULL);
    else if (wish == WISH_GONE && !phase_is_final(phase))
        put_kill(s, trouble);
    else if (trouble)
        put_bare(s, trouble->code, trouble->blame, trouble->text);
    else if (s->attempt && s->attempt->unknown_since_us)
        put_bare(s, "unknown", BLAME_SITE, NULL);
    else if (phase_is_final(phase))
        put_bare(s, s->task->reason.code, s->task->reason.blame, s->task->reason.text);
    else
        json_put_null(s->out, "reason");
}
