/* gwsubmit -: many templates over one connection. Each is submitted as it comes, WINDOW of them
 * before the first is answered; the answers are said in order, so that what was said is what is on
 * gwd's disk. One that is refused leaves the others alone. */
#include "cli/connect.h"
#include "cli/diagnostics.h"
#include "cli/exit.h"
#include "cli/output.h"
#include "cli/owner.h"
#include "cli/submit.h"
#include "lib/mem.h"

#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { WINDOW = 100, FLUSH_EVERY = 64 };

/* One under way. */
struct sent {
    struct source src;
    uint64_t number;
    char key[64];
    int64_t id;
};

struct many {
    struct gw *gw;
    const struct submit_options *o;
    const char *home;
    char *credential;
    struct sent window[WINDOW]; /* a ring */
    size_t first, n;
    uint64_t n_read, n_taken;
    int code;      /* of the first that was refused, or of what ended it */
    uint64_t *ids; /* of those to wait for */
    size_t n_ids;
};

static volatile sig_atomic_t is_interrupted;

static void on_interrupt(int signo)
{
    (void)signo;
    is_interrupted = 1;
}

/* The first Ctrl-C ends the reading, the second one everything. */
static void catch_interrupt(void)
{
    struct sigaction sa = {.sa_handler = on_interrupt, .sa_flags = (int)SA_RESETHAND};
    is_interrupted = 0;
    sigaction(SIGINT, &sa, NULL);
}

static void fail(struct many *m, int code)
{
    if (!m->code)
        m->code = code;
}

static struct sent *slot(struct many *m, size_t i)
{
    return &m->window[(m->first + i) % WINDOW];
}

static int send_one(struct many *m, struct sent *s, struct gw_err *err)
{
    struct gw_submission sub = submission_of(m->o, &s->src, m->home, m->credential);
    sub.key = s->key;
    s->id = gw_submit_send(m->gw, &sub, err);
    return s->id < 0 ? (int)s->id : 0;
}

/* After a loss: all that have no answer, again with their keys. 0, or the exit code. */
static int send_again(struct many *m, const struct gw_err *why)
{
    struct gw_err err = {0};
    output_error("%s; trying again", why->text);
    int r = gw_reconnect(m->gw, PATIENCE_SUBMIT_MS, &err);
    for (size_t i = 0; i < m->n && r == 0; i++)
        r = send_one(m, slot(m, i), &err);
    if (r == 0)
        return 0;
    output_error("%s: of template %" PRIu64 " and the %zu after it is not known whether they were "
                 "taken; with --key the whole input can be submitted again and makes no second job",
                 err.text, slot(m, 0)->number, m->n - 1);
    return exit_of_error(err.code);
}

static bool is_lost(int r)
{
    return r == -GW_EUNAVAIL || r == -GW_ETIMEDOUT;
}

static void note_ids(struct many *m, const struct gw_submitted *sub)
{
    if (!m->o->is_waiting)
        return;
    m->ids = xreallocarray(m->ids, m->n_ids + sub->tasks, sizeof *m->ids);
    for (uint64_t i = 0; i < sub->tasks; i++)
        m->ids[m->n_ids++] = sub->job + i;
}

static void take_answer(struct many *m, struct sent *s, struct gw_submitted *sub)
{
    memcpy(sub->key, s->key, sizeof sub->key);
    if (!m->o->common.is_json)
        source_diagnose(&s->src, sub->warnings);
    submission_say(m->o, sub, s->number);
    note_ids(m, sub);
    json_decref(sub->warnings);
    if (++m->n_taken % FLUSH_EVERY == 0)
        fflush(stdout);
}

static void drop_first(struct many *m)
{
    source_clear(&slot(m, 0)->src);
    m->first = (m->first + 1) % WINDOW;
    m->n--;
}

/* The answer to the oldest. 0, or the exit code when nothing can go on. */
static int take_first(struct many *m)
{
    struct gw_err err = {0};
    struct gw_submitted sub;
    struct sent *s = slot(m, 0);
    int r = gw_submit_answer(m->gw, s->id, &sub, &err), code = 0;
    for (int tries = 0; is_lost(r) && tries < 3 && code == 0; tries++)
        if ((code = send_again(m, &err)) == 0)
            r = gw_submit_answer(m->gw, s->id, &sub, &err);
    if (code)
        return code;
    if (r == -GW_EPROTO || is_lost(r))
        return output_failure(&err);
    if (r < 0)
        fail(m, submission_refused(m->gw, m->o, &s->src, &err, s->number));
    else
        take_answer(m, s, &sub);
    drop_first(m);
    return 0;
}

static int take_all(struct many *m)
{
    int code = 0;
    while (m->n && code == 0)
        code = take_first(m);
    fflush(stdout);
    return code;
}

/* Into the window; the source is taken over. 0, or the exit code. */
static int put(struct many *m, struct source *src)
{
    struct gw_err err = {0};
    int code = m->n == WINDOW ? take_first(m) : 0;
    if (code) {
        source_clear(src);
        return code;
    }
    struct sent *s = slot(m, m->n);
    *s = (struct sent){.src = *src, .number = ++m->n_read};
    *src = (struct source){0};
    if (m->o->key)
        snprintf(s->key, sizeof s->key, "%s.%" PRIu64, m->o->key, s->number);
    else
        gw_new_key(m->gw, s->key);
    if (strlen(buf_str(&s->src.text)) != s->src.text.len) { /* a NUL: said with its place */
        fail(m, source_check(&s->src, m->o->common.is_json));
        source_clear(&s->src);
        return 0;
    }
    m->n++;
    int r = send_one(m, s, &err);
    if (is_lost(r))
        return send_again(m, &err);
    if (r == 0)
        return 0;
    m->n--;
    fail(m, submission_refused(m->gw, m->o, &s->src, &err, s->number));
    source_clear(&s->src);
    return 0;
}

/* Until the input is over: 0, or the exit code of what ended it. */
static int submit_all(struct many *m, struct source *first, struct stream *rest)
{
    int code = put(m, first);
    while (code == 0 && !is_interrupted) {
        struct source src;
        /* Whoever writes slowly sees each answer before he writes more. */
        if (!stream_is_ready(rest))
            code = take_all(m);
        int r = code || is_interrupted ? 0 : stream_next(rest, &src);
        if (r <= 0)
            return code ? code : -r;
        code = put(m, &src);
    }
    return code;
}

int submit_many(struct gw *gw, const struct submit_options *o, struct source *first,
                struct stream *rest, const char *home)
{
    struct many m = {.gw = gw, .o = o, .home = home, .credential = owner_credential_path()};
    if (m.credential)
        owner_warn(m.credential);
    if (o->key && strlen(o->key) > 40) {
        output_error("--key: of many templates a key has at most 40 bytes");
        free(m.credential);
        return EXIT_USAGE;
    }
    catch_interrupt();
    int code = submit_all(&m, first, rest);
    int last = code && code != EXIT_INTERRUPTED && code != EXIT_IO && code != EXIT_TEMPLATE
                   ? code
                   : take_all(&m);
    fflush(stdout);
    if (is_interrupted) {
        output_error("interrupted; %" PRIu64 " of the first %" PRIu64 " templates were submitted",
                     m.n_taken, m.n_read);
        code = EXIT_INTERRUPTED;
    }
    code = code ? code : last ? last : m.code;
    if (o->is_waiting && m.n_ids && (code == 0 || code == m.code)) {
        int waited = submission_await(gw, o, m.ids, m.n_ids, 0, gw_int(gw_hello(gw), "seq", 0) + 1);
        code = code ? code : waited;
    }
    while (m.n)
        drop_first(&m);
    free(m.ids);
    free(m.credential);
    return code;
}

int check_many(const struct submit_options *o, struct source *first, struct stream *rest)
{
    int code = source_check(first, o->common.is_json), r;
    struct source src;
    while ((r = stream_next(rest, &src)) > 0) {
        int one = source_check(&src, o->common.is_json);
        code = code ? code : one;
        source_clear(&src);
    }
    return r < 0 ? -r : code;
}
