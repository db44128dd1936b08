/* What drivers do, verb by verb, as docs/PROTOCOL promises it. */
#include "sim/sim_private.h"

#include "spec/rsl.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

static bool is_verb(const struct mad_request *r, const char *verb)
{
    return strcmp(r->verb, verb) == 0;
}

static void answer(struct mad_request *r, bool is_silent, bool is_success, const char *text)
{
    r->is_worked = true;
    /* One that knows no reasons sends words. */
    if (!is_success && !(r->mad->features & FEATURE_BLAME))
        text = strchr(text, ' ') ? strchr(text, ' ') + 1 : "it did not work";
    if (!is_silent)
        mad_say(r->mad, r->handle, r, r->verb, is_success, text);
}

/* --- IM --- */

static void im_work(struct mad_request *r, bool is_silent)
{
    struct site *t = r->mad->site;
    struct sim *s = t->sim;
    if (is_verb(r, "DISCOVER"))
        answer(r, is_silent, true, sim_format(s, "host%u", t->index));
    else
        answer(r, is_silent, true,
               sim_format(s,
                          "LRMS_NAME=\"fork\" NODECOUNT=%u ARCH=\"x86_64\" CPU_SMP=8 "
                          "SIZE_MEM_MB=4096 VM_HYPERVISOR=\"qemu\" STAGE_URL=\"%s/\" "
                          "QUEUE_NAME[0]=\"default\" QUEUE_NODECOUNT[0]=%u%s",
                          t->n_slots, t->url, t->n_slots,
                          t->has_wrapper ? " WRAPPER=\"/lib/gw_wrapper\"" : ""));
}

/* --- TM --- */

static bool is_copy(const struct mad_request *r)
{
    return is_verb(r, "CP") || is_verb(r, "PUT") || is_verb(r, "GET");
}

static const char *read_url(struct mad *m, const char *url)
{
    struct site *t;
    const char *dir, *name;
    if (site_parse(m->site->sim, url, &t, &dir, &name)) {
        struct site_file *f = site_find_file(site_find_dir(t, dir, false), name);
        return f ? f->text : NULL;
    }
    struct front_file *f = front_file(m->front, url, false);
    /* What people keep at home is there. */
    return f ? f->text : strncmp(url, "file:///spool/", 14) == 0 ? NULL : "input";
}

/* False: its directory is not there. */
static bool write_url(struct mad *m, const char *url, const char *text)
{
    struct site *t;
    const char *dir, *name;
    if (!site_parse(m->site->sim, url, &t, &dir, &name)) {
        front_file(m->front, url, true)->text = text;
        return true;
    }
    bool makes_parents = m->features & FEATURE_ATOMIC || !*name;
    bool is_kept = t->sim->o.flaw != FLAW_MARK_FORGOTTEN || strcmp(dir, ".gw_epoch_i") != 0;
    if (is_kept || m->front->index)
        site_note(t, dir, m->front);
    if (!is_kept)
        return true;
    struct site_dir *d = site_find_dir(t, dir, makes_parents);
    if (d)
        site_write(t, d, name, text);
    return d;
}

/* It goes on for ever; END ends it, or not even that. */
static bool hangs(struct mad_request *r)
{
    struct sim *s = r->mad->site->sim;
    if (!is_verb(r, "CP") || !mad_has_fault(s, SIM_LOST, 24))
        return false;
    r->is_stuck = sim_chance(s, 3);
    sim_say(s, "%s: a copy hangs%s", r->mad->name, r->is_stuck ? " and cannot be ended" : "");
    sim_fault(s, r->mad->site, true, s->calm_us + 2 * 3600 * SECONDS);
    return true;
}

static void tm_copy(struct mad_request *r, bool is_silent)
{
    struct mad *m = r->mad;
    if (!is_silent && hangs(r))
        return;
    const char *text = is_verb(r, "PUT") ? r->args[2] : read_url(m, r->args[1]);
    if (!text)
        answer(r, is_silent, false, "no-output:job it is not there");
    else if (is_verb(r, "GET"))
        answer(r, is_silent, true, text);
    else if (write_url(m, is_verb(r, "PUT") ? r->args[1] : r->args[2], text))
        answer(r, is_silent, true, "-");
    else
        answer(r, is_silent, false, "io:site there is no such directory");
}

static void tm_end(struct mad_request *r, bool is_silent)
{
    bool is_stuck = false;
    for (struct mad_request *c = r->mad->requests; c; c = c->next) {
        if (c == r || c->handle != r->handle || c->is_worked)
            continue;
        if (!c->is_stuck)
            answer(c, is_silent, false, "internal:us END cancels it");
        is_stuck |= c->is_stuck;
    }
    if (!is_stuck)
        answer(r, is_silent, true, "-");
}

static void tm_directory(struct mad_request *r, bool is_silent)
{
    struct site *t = r->mad->site;
    const char *dir, *name;
    if (!site_parse(t->sim, r->args[1], &t, &dir, &name)) {
        answer(r, is_silent, false, "bad-url:job it is at no site");
        return;
    }
    struct site_dir *d = site_find_dir(t, dir, is_verb(r, "MKDIR"));
    if (is_verb(r, "RMDIR") && d)
        site_remove_dir(t, d);
    if (is_verb(r, "EXISTS") && !(d && (!*name || site_find_file(d, name))))
        answer(r, is_silent, false, "no-output:job it is not there");
    else
        answer(r, is_silent, true, "-");
}

static void tm_work(struct mad_request *r, bool is_silent)
{
    if (is_copy(r))
        tm_copy(r, is_silent);
    else if (is_verb(r, "END"))
        tm_end(r, is_silent);
    else if (is_verb(r, "STAT"))
        answer(r, is_silent, true, "1000 1767225600");
    else if (is_verb(r, "START") || is_verb(r, "CREDENTIAL"))
        answer(r, is_silent, true, "-");
    else
        tm_directory(r, is_silent);
}

/* --- EM --- */

struct description {
    struct rsl rsl;
    const char *token;
    const char *dir; /* NULL: bare */
    bool is_bare;
};

static bool read_description(struct mad_request *r, struct description *ret)
{
    struct sim *s = r->mad->site->sim;
    const char *text = r->args[1], *dir, *name;
    struct site *t;
    struct gw_err err;
    *ret = (struct description){0};
    if (text && *text != '&') {
        struct front_file *f = front_file(r->mad->front, sim_format(s, "file://%s", text), false);
        text = f ? f->text : NULL;
    }
    if (!text || rsl_decode(text, strlen(text), &ret->rsl, &err) < 0)
        return false;
    const char *staging = rsl_getenv(&ret->rsl, "GW_STAGING");
    const char *path = rsl_get(&ret->rsl, "directory");
    ret->is_bare = staging && strcmp(staging, "no") == 0;
    ret->token = rsl_getenv(&ret->rsl, "GW_TOKEN");
    if (!ret->is_bare && path && site_parse(s, sim_format(s, "file://%s", path), &t, &dir, &name))
        ret->dir = dir;
    return true;
}

static void em_submit(struct mad_request *r, bool is_silent)
{
    struct mad *m = r->mad;
    struct sim *s = m->site->sim;
    struct description d;
    if (!read_description(r, &d)) {
        answer(r, is_silent, false, "internal:us there is no description");
        return;
    }
    struct site_dir *dir = d.dir ? site_find_dir(m->site, d.dir, false) : NULL;
    struct batch_job *b = m->features & FEATURE_IDEMPOTENT ? site_find_job(m->site, d.token) : NULL;
    bool is_known = b != NULL;
    if (!d.is_bare && !dir && !is_known)
        answer(r, is_silent, false, "not-allowed:site there is no such directory");
    else if (!b)
        b = site_submit(m->site, d.token, dir, m->features & FEATURE_COMMIT);
    if (b) {
        r->handle->job = b;
        answer(r, is_silent, true, b->contact);
        if (is_known && !is_silent)
            mad_say(m, r->handle, NULL, "CALLBACK", true, site_state(s, b));
    }
    rsl_clear(&d.rsl);
}

static struct batch_job *find_again(struct mad_request *r, const struct description *d)
{
    struct mad *m = r->mad;
    const char *contact = r->args[0];
    bool by_token = m->features & FEATURE_RECOVER_TOKEN && !(m->features & FEATURE_COMMIT);
    struct batch_job *b = by_token && d->token ? site_find_job(m->site, d->token) : NULL;
    return b || !contact ? b : site_find_contact(m->site, contact);
}

static void em_recover(struct mad_request *r, bool is_silent)
{
    struct mad *m = r->mad;
    struct sim *s = m->site->sim;
    struct description d = {0};
    if (m->features & FEATURE_RECOVER_TOKEN && !read_description(r, &d)) {
        answer(r, is_silent, false, "internal:us there is no description");
        return;
    }
    struct batch_job *b = find_again(r, &d);
    if (b) /* a question that was asked before a submission forgets nothing */
        r->handle->job = b;
    bool is_gone = d.dir && !site_find_dir(m->site, d.dir, false);
    if (b && b->state == BATCH_ENDED && b->is_lost)
        answer(r, is_silent, false, "lost:site it left no result");
    else if (b)
        answer(r, is_silent, true, site_state(s, b));
    else if (r->args[0] && m->features & FEATURE_COMMIT)
        answer(r, is_silent, true, "DONE"); /* the job directory knows more */
    else if (r->args[0] || (is_gone && !(m->features & FEATURE_COMMIT)))
        answer(r, is_silent, false, "lost:site there is nothing of it");
    else
        answer(r, is_silent, false, "not-found:us it was never started here");
    rsl_clear(&d.rsl);
}

static void em_commit(struct mad_request *r, bool is_silent)
{
    struct batch_job *b = r->handle->job;
    if (!b || b->is_dropped) {
        answer(r, is_silent, false, "not-found:us it was held for too long");
        return;
    }
    answer(r, is_silent, true, "-");
    site_commit(b);
}

static void em_poll(struct mad_request *r, bool is_silent)
{
    struct mad *m = r->mad;
    struct sim *s = m->site->sim;
    r->is_worked = true;
    for (struct mad_handle *h = m->handles; !r->handle && h && !is_silent; h = h->next)
        if (h->job && !h->is_released)
            mad_say(m, h, r, "POLL", true, site_state(s, h->job));
    if (!r->handle)
        r->is_answered = true;
    else if (r->handle->job)
        answer(r, is_silent, true, site_state(s, r->handle->job));
    else
        answer(r, is_silent, false, "internal:us no such job");
}

static void em_work(struct mad_request *r, bool is_silent)
{
    if (is_verb(r, "SUBMIT")) {
        em_submit(r, is_silent);
    } else if (is_verb(r, "RECOVER")) {
        em_recover(r, is_silent);
    } else if (is_verb(r, "COMMIT")) {
        em_commit(r, is_silent);
    } else if (is_verb(r, "POLL")) {
        em_poll(r, is_silent);
    } else if (is_verb(r, "CANCEL")) {
        answer(r, is_silent, true, "-");
        if (r->handle->job)
            site_cancel(r->handle->job);
    } else {
        answer(r, is_silent, true, "-");
    }
}

/* --- all --- */

static bool needs_site(const struct mad_request *r)
{
    return r->mad->kind != DRIVER_IM && !is_verb(r, "START") && !is_verb(r, "END") &&
           !is_verb(r, "CREDENTIAL");
}

/* What it asked the site for is tried until the site answers, or given up. */
static void on_tried(struct sim *s, void *what)
{
    struct mad_request *r = what;
    (void)s;
    if (r->life != r->mad->life || r->is_worked)
        return;
    if (site_is_cut(r->mad->site, r->mad->kind))
        answer(r, false, false, "unreachable:site no connection");
    else
        mad_work(r, false);
}

/* It cannot act in the owner's name, or a site is too busy for anybody. */
static bool is_refused(struct mad_request *r)
{
    const struct mad *m = r->mad;
    struct sim *s = m->site->sim;
    if (!needs_site(r))
        return false;
    if (m->features & FEATURE_CREDENTIAL && m->front->is_expired) {
        answer(r, false, false, "credential:job it has expired");
        return true;
    }
    bool is_busy = s->o.kind == SIM_MIXED && !sim_is_calm(s) && sim_chance(s, 40);
    if (is_busy)
        answer(r, false, false, "busy:site try again later");
    return is_busy;
}

void mad_work(struct mad_request *r, bool is_silent)
{
    static void (*const works[DRIVER_KINDS])(struct mad_request *, bool) = {im_work, tm_work,
                                                                            em_work};
    struct sim *s = r->mad->site->sim;
    if (needs_site(r) && site_is_cut(r->mad->site, r->mad->kind)) {
        if (!is_silent)
            sim_later(s, sim_span(s, SECONDS, 60 * SECONDS), on_tried, r);
        return;
    }
    bool is_not_done = !is_silent && is_refused(r);
    sim_say(s, "%s: %s %" PRIu64 ".%" PRIu64 ".%" PRIu64 " %s %s%s", r->mad->name, r->verb,
            r->handle ? r->handle->ref.job : 0, r->handle ? r->handle->ref.task : 0,
            r->handle ? r->handle->ref.attempt : 0,
            r->args[1] && *r->args[1] != '&' ? r->args[1] : "-",
            r->args[2] && is_verb(r, "CP") ? r->args[2] : "",
            is_silent     ? " (unheard)"
            : is_not_done ? " (refused)"
                          : "");
    if (!is_not_done)
        works[r->mad->kind](r, is_silent);
}

int64_t mad_work_us(struct mad_request *r)
{
    struct sim *s = r->mad->site->sim;
    struct mad_handle *h = r->handle;
    int64_t at_us = s->now_us + sim_span(s, 200, 20000);
    if (r->mad->kind != DRIVER_TM || !h)
        return at_us;
    at_us = at_us > h->busy_us ? at_us : h->busy_us;
    if (!is_copy(r))
        return h->busy_us = at_us;
    if (!is_verb(r, "CP"))
        return at_us;
    return at_us + sim_span(s, 0, (sim_chance(s, 20) ? 60 : 1) * SECONDS);
}

/* --- of themselves --- */

typedef void each_handle(struct mad *m, struct mad_handle *h);

static void each_em(struct site *t, const struct batch_job *b, each_handle *each)
{
    for (unsigned i = 0; i < t->sim->n_fronts; i++) {
        struct mad *m = &t->sim->fronts[i].mads[t->index * DRIVER_KINDS + DRIVER_EM];
        for (struct mad_handle *h = m->is_up ? m->handles : NULL; h; h = h->next)
            if (h->job && (!b || h->job == b))
                each(m, h);
    }
}

static void tell_state(struct mad *m, struct mad_handle *h)
{
    mad_say(m, h, NULL, "CALLBACK", true, site_state(m->site->sim, h->job));
}

static void tell_silence(struct mad *m, struct mad_handle *h)
{
    if (h->job->state != BATCH_HELD)
        mad_say(m, h, NULL, "CALLBACK", false,
                m->features & FEATURE_BLAME ? "unreachable:site nothing was heard of it for long"
                                            : "nothing was heard of it for long");
}

void mads_news(struct site *t, struct batch_job *b)
{
    if (!site_is_cut(t, DRIVER_EM))
        each_em(t, b, tell_state);
}

void mads_cut(struct site *t)
{
    each_em(t, NULL, tell_silence);
}

void mads_reach(struct site *t)
{
    each_em(t, NULL, tell_state);
}
