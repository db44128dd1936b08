/* The files of credentials: looked at when a job first uses one and whenever it changes, and
 * renewed by the operator's command when they get short.
 *
 * A file is asked for its state every few seconds instead of being watched: proxies lie in home
 * directories on network file systems, which tell nobody of changes made elsewhere. In multi-user
 * mode they are their owners' to look at: gw_credential does, as the owner, now and then. */
#include "gwd/daemon/daemon.h"
#include "gwd/daemon/settings.h"
#include "lib/buf.h"
#include "lib/log.h"
#include "lib/mem.h"
#include "lib/utf8.h"
#include "wire/proxy.h"

#include <inttypes.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <utlist.h>

enum {
    LOOK_MS = 2000,
    LOOK_OWNER_S = 5,        /* as the owner, while it is not good; */
    LOOK_OWNER_GOOD_S = 60,  /* while it is */
    LOOK_OWNER_LIMIT_S = 20, /* gw_credential is ended when it takes longer */
    LOOK_OWNER_GAP_MS = 200, /* between two of one owner's, of whose files */
    LOOKS_OWNER_MAX = 4,     /* no more are looked at at once */
    RENEW_PAUSE_S = 60,
    RENEW_PAUSE_MAX_S = 3600,
    RENEW_LIMIT_S = 300, /* the command is ended when it takes longer */
};

/* Multi-user mode: each look is two processes, and an owner may name many files that never get
 * good: they are looked at in turn, so that only he waits. */
struct credential_owner {
    uint64_t uid;
    struct credential_file *due; /* in the order in which they got due */
    unsigned n_looking;
    uv_timer_t gap;
    struct credential_owner *next;
};

struct credential_file {
    struct daemon *daemon;
    struct credential_owner *owner; /* multi-user mode */
    struct credential_file *next_due;
    uint64_t uid; /* multi-user mode: who looks, its owner; else 0 */
    char *path;
    char *text_seen; /* multi-user mode: what gw_credential said last */
    uv_fs_poll_t poll;
    uv_timer_t first;         /* a change between the first look and the first poll */
    struct stat seen;         /* by the last look */
    uv_timer_t renewal;       /* when the command is due */
    unsigned renewals_failed; /* in a row */
    uv_process_t renewer;
    uv_timer_t renewal_limit;
    bool is_renewing, is_renewed;
    uint64_t version;
    struct credential_file *next;
};

static bool is_owners(const struct credential_file *f)
{
    return settings_launcher(f->daemon->settings) != NULL;
}

static char *limited(const char *path)
{
    return xasprintf("the credential %s is a limited proxy, with which no site starts jobs: make a "
                     "full one with grid-proxy-init",
                     path);
}

/* Takes `problem` over. */
static void tell(struct credential_file *f, char *problem, const char *identity, int64_t start_s,
                 int64_t end_s)
{
    struct input in = {.kind = IN_CREDENTIAL,
                       .credential = {.uid = f->uid,
                                      .path = f->path,
                                      .version = f->version,
                                      .problem = problem,
                                      .identity = identity,
                                      .starts_us = start_s * 1000000,
                                      .expires_us = end_s * 1000000}};
    if (problem)
        log_info("%s", problem);
    else
        log_info("the credential %s is of %s, for another %" PRId64 " min", f->path, identity,
                 (in.credential.expires_us - clock_wall_us()) / 60000000);
    turn_input(f->daemon, &in);
    free(problem);
}

static void look(struct credential_file *f)
{
    struct proxy proxy = {0};
    struct gw_err err;
    char *problem = NULL;
    struct buf data = BUF_INIT;
    f->version++;
    if (proxy_read(f->path, &data, &f->seen, &err) < 0)
        problem = xstrdup(err.text);
    else if (proxy_decode(data.data, data.len, &proxy, &err) < 0)
        problem = xasprintf("the credential %s is none: %s; make it with grid-proxy-init", f->path,
                            err.text);
    else if (proxy.is_limited)
        problem = limited(f->path);
    buf_wipe(&data);
    tell(f, problem, proxy.identity, proxy.start_s, proxy.end_s);
    proxy_clear(&proxy);
}

/* --- renewal by a command --- */

static void plan_renewal(struct credential_file *f, int64_t least_s);

static void end_renewal(struct credential_file *f, bool is_good)
{
    f->renewals_failed = is_good ? 0 : f->renewals_failed + 1;
    unsigned shift = f->renewals_failed < 6 ? f->renewals_failed : 6;
    int64_t pause_s = (int64_t)RENEW_PAUSE_S << shift;
    f->is_renewing = false;
    if (!f->daemon->is_stopping)
        plan_renewal(f, pause_s < RENEW_PAUSE_MAX_S ? pause_s : RENEW_PAUSE_MAX_S);
}

static void on_renewer_closed(uv_handle_t *handle)
{
    struct credential_file *f = handle->data;
    uv_timer_stop(&f->renewal_limit);
    end_renewal(f, f->is_renewed);
}

static void on_renewer_end(uv_process_t *process, int64_t status, int signal)
{
    struct credential_file *f = process->data;
    f->is_renewed = !status && !signal;
    if (!f->is_renewed)
        log_warn("the command that renews %s ended with status %" PRId64 "%s", f->path, status,
                 signal ? ", by a signal" : "");
    uv_close((uv_handle_t *)process, on_renewer_closed);
}

static void on_renewal_late(uv_timer_t *timer)
{
    struct credential_file *f = timer->data;
    log_warn("the command that renews %s is ended: it takes more than %d s", f->path,
             RENEW_LIMIT_S);
    uv_process_kill(&f->renewer, SIGKILL);
}

/* Nobody's credential is renewed who has no job any more. */
static bool is_used(const struct credential_file *f)
{
    return state_credential_use(engine_state(f->daemon->engine), is_owners(f) ? &f->uid : NULL,
                                f->path) > 0;
}

static void start_renewer(struct credential_file *f, char **argv)
{
    /* What it complains of goes to our log; its output may be the credential itself. */
    uv_stdio_container_t stdio[3] = {
        {.flags = UV_IGNORE}, {.flags = UV_IGNORE}, {.flags = UV_INHERIT_FD, .data.fd = 2}};
    uv_process_options_t options = {
        .file = argv[0], .args = argv, .stdio = stdio, .stdio_count = 3, .exit_cb = on_renewer_end};
    f->renewer.data = f;
    f->is_renewed = false;
    int r = uv_spawn(f->daemon->loop, &f->renewer, &options);
    if (r < 0) {
        log_warn("cannot start %s, which renews credentials: %s", argv[0], uv_strerror(r));
        uv_close((uv_handle_t *)&f->renewer, on_renewer_closed);
    } else {
        uv_timer_start(&f->renewal_limit, on_renewal_late, RENEW_LIMIT_S * 1000, 0);
    }
}

static void on_renewed_as_owner(void *ctx, int status, const char *said)
{
    struct credential_file *f = ctx;
    (void)said; /* it may be the credential itself */
    if (status)
        log_warn("the command that renews %s as uid %" PRIu64 " ended with status %d", f->path,
                 f->uid, status);
    end_renewal(f, status == 0);
}

static void on_renewal(uv_timer_t *timer)
{
    struct credential_file *f = timer->data;
    char **words = settings_renew_argv(f->daemon->settings);
    size_t n = 0;
    if (f->is_renewing)
        return;
    if (!is_used(f)) {
        plan_renewal(f, RENEW_PAUSE_S);
        return;
    }
    while (words[n])
        n++;
    char **argv = xcalloc(n + 2, sizeof *argv);
    memcpy(argv, words, n * sizeof *argv);
    argv[n] = f->path;
    f->is_renewing = true;
    log_info("renewing the credential %s", f->path);
    if (is_owners(f))
        helper_run(f->daemon, f->uid, argv, RENEW_LIMIT_S, on_renewed_as_owner, f);
    else
        start_renewer(f, argv);
    free(argv);
}

static void on_plan(uv_timer_t *timer)
{
    plan_renewal(timer->data, 0);
}

/* Due when little is left; at once when it is not valid at all; not sooner than `least_s`. What is
 * far away is planned again every minute: meanwhile the clock is set, or the machine sleeps. */
static void plan_renewal(struct credential_file *f, int64_t least_s)
{
    const struct credential *c = engine_credential(f->daemon->engine, f->uid, f->path);
    if (!settings_renew_argv(f->daemon->settings) || !c || f->is_renewing)
        return;
    int64_t rest_s = 0;
    if (!c->problem)
        rest_s = (c->expires_us - clock_wall_us()) / 1000000 -
                 (int64_t)settings_renew_before_s(f->daemon->settings);
    if (rest_s > RENEW_PAUSE_S && rest_s > least_s)
        uv_timer_start(&f->renewal, on_plan, RENEW_PAUSE_S * 1000, 0);
    else
        uv_timer_start(&f->renewal, on_renewal,
                       (uint64_t)(rest_s > least_s ? rest_s : least_s) * 1000, 0);
}

/* --- changes --- */

static void look_if_changed(struct credential_file *f)
{
    struct stat st = {0};
    (void)stat(f->path, &st);
    if (st.st_ino == f->seen.st_ino && st.st_dev == f->seen.st_dev &&
        st.st_size == f->seen.st_size && st.st_mode == f->seen.st_mode &&
        st.st_uid == f->seen.st_uid &&
        memcmp(&st.st_mtim, &f->seen.st_mtim, sizeof st.st_mtim) == 0 &&
        memcmp(&st.st_ctim, &f->seen.st_ctim, sizeof st.st_ctim) == 0)
        return;
    look(f);
    plan_renewal(f, 0);
}

static void on_change(uv_fs_poll_t *poll, int status, const uv_stat_t *before, const uv_stat_t *now)
{
    (void)status, (void)before, (void)now;
    look_if_changed(poll->data);
}

static void on_first(uv_timer_t *timer)
{
    look_if_changed(timer->data);
}

/* --- as its owner --- */

static const char *fact(const char *said, const char *name)
{
    const char *at = strstr(said, name);
    return at ? at + strlen(name) : "";
}

/* The owner could have had it say anything: his own jobs would suffer, and nothing overflow. */
static int64_t fact_seconds(const char *said, const char *name)
{
    int64_t seconds = strtoll(fact(said, name), NULL, 10);
    return seconds > 0 && seconds < INT64_C(1) << 40 ? seconds : 0;
}

static void on_due(uv_timer_t *timer);

static void plan_look(struct credential_file *f, int64_t seconds)
{
    uv_timer_start(&f->first, on_due, (uint64_t)seconds * 1000, 0);
}

static void take_facts(struct credential_file *f, int status, const char *said)
{
    char *identity = xstrdup(fact(said, "\nIDENTITY=")), *problem = NULL;
    int64_t start_s = fact_seconds(said, "\nSTART="), end_s = fact_seconds(said, "END=");
    identity[strcspn(identity, "\n")] = '\0';
    if (status == 0 && *fact(said, "\nLIMITED=") == '1')
        problem = limited(f->path);
    else if (status == 1)
        problem = xasprintf("%.*s", (int)strcspn(said, "\n"), said);
    else if (status)
        problem = xasprintf("the credential %s could not be looked at as its owner: gw_credential "
                            "ended with status %d (see gw_launch(8))",
                            f->path, status);
    f->version++;
    utf8_clean(identity);
    if (problem)
        utf8_clean(problem);
    if (status)
        start_s = end_s = 0;
    tell(f, problem, status ? NULL : identity, start_s, end_s);
    free(identity);
}

static void look_at_next(struct credential_owner *o);

static void on_facts(void *ctx, int status, const char *said)
{
    struct credential_file *f = ctx;
    char *text = xasprintf("%d %s", status, said);
    if (!f->text_seen || strcmp(text, f->text_seen) != 0) {
        take_facts(f, status, said);
        plan_renewal(f, 0);
    }
    free(f->text_seen);
    f->text_seen = text;
    plan_look(f, status ? LOOK_OWNER_S : LOOK_OWNER_GOOD_S);
    f->owner->n_looking--;
    look_at_next(f->owner);
}

static void look_as_owner(struct credential_file *f)
{
    char *libexec = settings_libexec(), *program = xasprintf("%s/gw_credential", libexec);
    f->owner->n_looking++;
    helper_run(f->daemon, f->uid, (char *[]){program, (char *)"-a", f->path, NULL},
               LOOK_OWNER_LIMIT_S, on_facts, f);
    free(program);
    free(libexec);
}

static void on_gap(uv_timer_t *timer)
{
    look_at_next(timer->data);
}

static void look_at_next(struct credential_owner *o)
{
    struct credential_file *f = o->due;
    if (!f || o->n_looking == LOOKS_OWNER_MAX || uv_is_active((uv_handle_t *)&o->gap))
        return;
    LL_DELETE2(o->due, f, next_due);
    uv_timer_start(&o->gap, on_gap, LOOK_OWNER_GAP_MS, 0);
    look_as_owner(f);
}

/* Only where a driver acts by credentials, and for jobs that are not over. */
static void on_due(uv_timer_t *timer)
{
    struct credential_file *f = timer->data;
    bool is_needed = drivers_need_credentials(f->daemon);
    if (!is_needed || !is_used(f)) {
        plan_look(f, is_needed ? LOOK_OWNER_S : LOOK_MS / 1000);
        return;
    }
    LL_APPEND2(f->owner->due, f, next_due);
    look_at_next(f->owner);
}

static struct credential_owner *owner_of(struct daemon *d, uint64_t uid)
{
    struct credential_owner *o;
    LL_SEARCH_SCALAR(d->credential_owners, o, uid, uid);
    if (o)
        return o;
    o = xcalloc(1, sizeof *o);
    o->uid = uid;
    uv_timer_init(d->loop, &o->gap);
    o->gap.data = o;
    LL_PREPEND(d->credential_owners, o);
    return o;
}

void credential_watch(struct daemon *d, uint64_t uid, const char *path)
{
    struct credential_file *f = xcalloc(1, sizeof *f);
    f->daemon = d;
    f->uid = uid;
    f->path = xstrdup(path);
    uv_fs_poll_init(d->loop, &f->poll);
    uv_timer_init(d->loop, &f->renewal);
    uv_timer_init(d->loop, &f->first);
    uv_timer_init(d->loop, &f->renewal_limit);
    f->poll.data = f->renewal.data = f->first.data = f->renewal_limit.data = f;
    LL_PREPEND(d->credentials, f);
    if (is_owners(f)) {
        f->owner = owner_of(d, uid);
        plan_look(f, 0);
        return;
    }
    int r = uv_fs_poll_start(&f->poll, on_change, path, LOOK_MS);
    if (r < 0)
        log_warn("%s is not watched: %s", path, uv_strerror(r));
    uv_timer_start(&f->first, on_first, LOOK_MS, 0);
    look(f);
    plan_renewal(f, 0);
}

void credentials_free(struct daemon *d)
{
    struct credential_file *f, *tmp;
    LL_FOREACH_SAFE(d->credentials, f, tmp)
    {
        free(f->text_seen);
        free(f->path);
        free(f);
    }
    d->credentials = NULL;
    struct credential_owner *o, *next;
    LL_FOREACH_SAFE(d->credential_owners, o, next)
    {
        free(o);
    }
    d->credential_owners = NULL;
}
