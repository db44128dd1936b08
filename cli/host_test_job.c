/* One job of gwhost --test: submitted, watched, and never left behind. */
#include "cli/connect.h"
#include "cli/exit.h"
#include "cli/host_test.h"
#include "cli/outcome.h"
#include "cli/output.h"
#include "cli/owner.h"
#include "client/reason.h"
#include "lib/mem.h"

#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

enum {
    LOOK_MS = 500,       /* why a job waits changes without an event */
    HOPELESS_S = 3,      /* it does so no more after this time */
    KILL_S = 20,         /* for an end that the site confirms */
    PATIENCE_MS = 30000, /* for a daemon that restarts */
};

static volatile sig_atomic_t is_interrupted;

static void on_interrupt(int signo)
{
    (void)signo;
    is_interrupted = 1;
}

void host_test_catch_interrupt(void)
{
    /* The second one ends the program at once. */
    struct sigaction sa = {.sa_handler = on_interrupt, .sa_flags = (int)SA_RESETHAND};
    sigaction(SIGINT, &sa, NULL);
    sigaction(SIGTERM, &sa, NULL);
}

bool host_test_is_interrupted(void)
{
    return is_interrupted;
}

static double now_s(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

struct follow {
    struct gw *gw;
    const char *step;
    struct host_test_end *end;
    int64_t from, watch;
    bool has_failed; /* and the stage stays where it was then */
};

static void note_stage(struct follow *f, enum host_test_stage stage, const char *words)
{
    if (f->has_failed || stage <= f->end->stage)
        return;
    f->end->stage = stage;
    if (isatty(STDERR_FILENO))
        output_note("  %s: job %llu %s", f->step, (unsigned long long)f->end->id, words);
}

static void take_event(struct follow *f, const json_t *event)
{
    static const struct {
        const char *kind;
        enum host_test_stage stage;
        const char *words;
    } rows[] = {
        {"attempt-started", STAGE_PROLOG, "files go there"},
        {"attempt-staged", STAGE_SUBMIT, "is handed to the site"},
        {"attempt-submitted", STAGE_RUN, "is with the site"},
        {"attempt-exited", STAGE_EPILOG, "has ended there"},
    };
    const char *kind = gw_text(event, "kind", "");
    int64_t seq = gw_int(event, "seq", 0);
    f->from = seq >= f->from ? seq + 1 : f->from;
    if (*gw_text(gw_object(event, "reason"), "code", ""))
        f->has_failed = true;
    for (size_t i = 0; i < GW_COUNT(rows); i++)
        if (strcmp(rows[i].kind, kind) == 0)
            note_stage(f, rows[i].stage, rows[i].words);
}

static int watch(struct follow *f, struct gw_err *err)
{
    json_t *fields =
        json_pack("{sI so}", "from", (json_int_t)f->from, "ids", gw_ids(&f->end->id, 1));
    f->watch = gw_start(f->gw, "watch", fields, err);
    return f->watch < 0 ? (int)f->watch : gw_answer(f->gw, f->watch, NULL, err);
}

/* What happened in the next moment, and how the job is then. */
static int look(struct follow *f, struct gw_err *err)
{
    json_t *line, *jobs, *filter = json_pack("{so}", "ids", gw_ids(&f->end->id, 1));
    int r, wait_ms = LOOK_MS;
    while ((r = gw_next(f->gw, f->watch, wait_ms, &line, err)) > 0) {
        take_event(f, gw_object(line, "event"));
        json_decref(line);
        wait_ms = 0;
    }
    if (r == 0)
        r = gw_jobs(f->gw, filter, &jobs, NULL, err);
    json_decref(filter);
    if (r < 0)
        return r;
    json_decref(f->end->job);
    f->end->job = json_incref(json_array_get(jobs, 0));
    json_decref(jobs);
    return 0;
}

/* The same, through a restart of the daemon. */
static int look_again(struct follow *f, struct gw_err *err)
{
    int r = look(f, err);
    if (r != -GW_EUNAVAIL && r != -GW_ETIMEDOUT)
        return r;
    connect_say_lost(NULL, err->text);
    r = gw_reconnect(f->gw, PATIENCE_MS, err);
    return r < 0 ? r : watch(f, err);
}

/* Waiting for something that will not come by itself. */
static bool is_hopeless(const json_t *job)
{
    static const char *const codes[] = {"credential", "no-match", "no-host",
                                        "resting",    "paused",   "held"};
    const char *code = gw_text(gw_object(job, "reason"), "code", "");
    for (size_t i = 0; i < GW_COUNT(codes); i++)
        if (strcmp(code, codes[i]) == 0)
            return true;
    return false;
}

/* Until it has ended, or there is no more sense in waiting. */
static int await(struct follow *f, unsigned timeout_s, struct gw_err *err)
{
    double start = now_s(), hopeless_since = 0;
    for (;;) {
        int r = look_again(f, err);
        if (r < 0 || gw_job_has_ended(f->end->job))
            return r;
        double now = now_s();
        bool is_waiting = f->end->stage == STAGE_WAITING || is_hopeless(f->end->job);
        hopeless_since = !(is_waiting && is_hopeless(f->end->job)) ? 0
                         : hopeless_since > 0                      ? hopeless_since
                                                                   : now;
        f->end->is_late =
            now - start >= timeout_s || (hopeless_since > 0 && now - hopeless_since >= HOPELESS_S);
        if (f->end->is_late || is_interrupted)
            return 0;
    }
}

static int await_kill(struct follow *f, struct gw_err *err)
{
    double start = now_s();
    json_t *job = json_incref(f->end->job); /* as it was when it was given up */
    int r = 0;
    while (r == 0 && !gw_job_has_ended(f->end->job) && now_s() - start < KILL_S)
        r = look(f, err);
    bool has_ended = gw_job_has_ended(f->end->job);
    json_decref(f->end->job);
    f->end->job = job;
    return r < 0 ? r : has_ended;
}

/* The job goes. Never hard: what is at the site would stay there. */
static void kill_it(struct follow *f)
{
    struct gw_err err;
    json_t *answer;
    f->has_failed = true;
    int r = gw_wish(f->gw, "gone", &f->end->id, 1, 0, false, &answer, &err);
    if (r == 0) {
        json_decref(answer);
        r = await_kill(f, &err);
    }
    if (r <= 0)
        output_error("job %llu is still being ended: its site has not confirmed it",
                     (unsigned long long)f->end->id);
}

int host_test_job(struct gw *gw, const char *step, const char *template, const char *home,
                  unsigned timeout_s, struct host_test_end *ret)
{
    struct gw_err err = {0};
    struct gw_submitted sub;
    struct host_test_end end = {0};
    struct follow f = {
        .gw = gw, .step = step, .end = &end, .from = gw_int(gw_hello(gw), "seq", 0) + 1};
    char *credential = owner_credential_path();
    const struct gw_submission s = {.template = template,
                                    .file = "gwhost-test",
                                    .home = home,
                                    .priority = -1,
                                    .credential = credential};
    double start = now_s();
    int r = gw_submit(gw, &s, PATIENCE_MS, &sub, &err);
    free(credential);
    if (r < 0)
        return output_failure(&err);
    json_decref(sub.warnings);
    end.id = sub.job;
    r = watch(&f, &err);
    if (r == 0)
        r = await(&f, timeout_s, &err);
    if (!gw_job_has_ended(end.job))
        kill_it(&f);
    end.seconds = now_s() - start;
    if (r == 0 && !is_interrupted) {
        *ret = end;
        return 0;
    }
    host_test_end_clear(&end);
    return is_interrupted ? EXIT_INTERRUPTED : output_failure(&err);
}

void host_test_end_clear(struct host_test_end *e)
{
    json_decref(e->job);
    *e = (struct host_test_end){0};
}

/* Which service has to be looked at. */
static const char *stage_words(enum host_test_stage stage, bool is_late)
{
    static const char *const words[][2] = {
        [STAGE_WAITING] = {"it did not start", "it had not started"},
        [STAGE_PROLOG] = {"the files did not get there (transfer service)",
                          "the files were still on their way there (transfer service)"},
        [STAGE_SUBMIT] = {"the job service did not take the job",
                          "the job service had not taken the job"},
        [STAGE_RUN] = {"the job failed there", "the job had not ended there"},
        [STAGE_EPILOG] = {"the results did not come home (transfer service)",
                          "the results were still on their way home (transfer service)"},
    };
    return words[stage][is_late];
}

/* What the table of reasons has no word for, because for a user there is nothing to do. */
static const char *site_advice(const char *code, enum host_test_stage stage)
{
    if (strcmp(code, "unreachable") == 0)
        return stage == STAGE_SUBMIT || stage == STAGE_RUN
                   ? "is the gatekeeper up (port 2119), and does the firewall let it and its job "
                     "managers through?"
                   : "is the GridFTP server up (port 2811), and does the firewall let it and its "
                     "data ports through?";
    if (strcmp(code, "io") == 0)
        return "see the site's logs; is the home directory there, and may it be written?";
    if (strcmp(code, "unknown") == 0)
        return "the job service does not answer, or its messages do not come back: "
               "GLOBUS_TCP_PORT_RANGE and the firewall";
    if (strcmp(code, "no-status") == 0 || strcmp(code, "wrapper-died") == 0)
        return "do worker nodes see the directory that files are copied to (STAGE_URL)?";
    return NULL;
}

static void fail(struct host_test_step *s, const struct host_test_end *e)
{
    const json_t *reason = gw_object(e->job, "reason");
    struct buf why = BUF_INIT;
    reason_words(reason, &why);
    s->verdict = STEP_FAILED;
    s->words =
        xasprintf("%s%s%s", stage_words(e->stage, e->is_late), why.len ? ": " : "", buf_str(&why));
    s->advice = site_advice(gw_text(reason, "code", ""), e->stage);
    if (!s->advice)
        s->advice = reason_advice(reason);
    buf_clear(&why);
}

bool host_test_judge(struct host_test_step *s, const struct host_test_end *e, int exit_code)
{
    int got = outcome_exit_code(e->job);
    s->job = e->id;
    s->seconds = e->seconds;
    if (e->is_late) {
        fail(s, e);
        char *words = xasprintf("given up after %.0f s: %s", e->seconds, s->words);
        free(s->words);
        s->words = words;
        return false;
    }
    if (strcmp(gw_text(e->job, "phase", ""), "DONE") != 0) {
        fail(s, e);
        return false;
    }
    if (got == exit_code)
        return true;
    s->verdict = STEP_FAILED;
    s->words = xasprintf("the job ended with exit code %d, %d was expected", got, exit_code);
    s->advice = "the site loses exit codes, or its /bin/sh failed; gwhistory and gwlogs show it";
    return false;
}
