/* How jobs, hosts and events look to clients (docs/client-protocol.md). A job's members are one
 * table, so that a listing makes only what was asked for. */
#include "gwd/daemon/daemon.h"
#include "gwd/engine/health.h"
#include "gwd/daemon/settings.h"
#include "lib/json_write.h"
#include "lib/mem.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <utlist.h>

static double span_s(int64_t from_us, int64_t to_us)
{
    return from_us && to_us > from_us ? (double)(to_us - from_us) / 1e6 : 0;
}

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

const char *view_state(const struct job *j, uint64_t index)
{
    const struct task *t = job_task(j, index);
    enum wish wish = job_task_wish(j, index);
    switch (job_task_phase(j, index)) {
    case PHASE_PENDING:
        return wish == WISH_HELD ? "hold" : "pend";
    case PHASE_PROLOG:
        return wish == WISH_GONE ? "canl" : "prol";
    case PHASE_WRAPPER:
        return wish == WISH_GONE ? "canl" : t->request == REQUEST_RELOCATE ? "migr" : "wrap";
    case PHASE_EPILOG:
        return wish == WISH_GONE ? "canl" : "epil";
    case PHASE_SLEEPING:
        return "stop";
    case PHASE_DONE:
        return "done";
    case PHASE_FAILED:
    case PHASE_COUNT:
        break;
    }
    return "fail";
}

static const char *em_text(const struct daemon *d, const struct job *j, const struct task *t)
{
    static const char *const names[] = {
        [EM_NONE] = "----", [EM_PENDING] = "pend", [EM_SUSPENDED] = "susp", [EM_ACTIVE] = "actv"};
    if (t && t->phase == PHASE_DONE)
        return "done";
    if (t && t->phase == PHASE_FAILED && t->n_attempts)
        return "fail";
    if (t && t->phase == PHASE_EPILOG)
        return "done";
    return t ? names[engine_em_state(d->engine, j, t)] : "----";
}

static const char *vjob_text(const struct job *j, uint64_t index)
{
    switch (job_task_phase(j, index)) {
    case PHASE_PENDING:
    case PHASE_PROLOG:
        return "waiting";
    case PHASE_WRAPPER:
        return "running";
    case PHASE_SLEEPING:
        return "sleeping";
    default:
        return "terminated";
    }
}

static void put_vms(struct buf *out, const char *name, const struct attempt *a)
{
    static const char *const states[] = {"planned", "running", "saved", "gone"};
    json_begin(out, name, '[');
    for (size_t i = 0; a && i < a->n_vms; i++) {
        json_begin(out, NULL, '{');
        json_put_uint(out, "rank", a->vms[i].rank);
        json_put_text(out, "uuid", a->vms[i].uuid);
        json_put_text(out, "node", a->vms[i].node);
        json_put_text(out, "state", states[a->vms[i].state]);
        json_end(out, '}');
    }
    json_end(out, ']');
}

static const char *const credential_states[] = {"unknown", "bad", "expired", "short", "valid"};

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

/* Of an owner: path, identity, state, when it ends, what is wrong with it. */
static void put_credential(struct buf *out, const struct daemon *d, uint64_t uid, const char *path)
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

/* --- a job --- */

struct show {
    const struct daemon *d;
    const struct job *j;
    uint64_t index;
    const struct template *t;
    const struct task *task;       /* or NULL */
    const struct attempt *attempt; /* the last, or NULL */
    int64_t now_us;
    struct buf *out;
};

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
    const char *blame = why->is_paused || why->is_user_limit ? "us"
                        : why->busy || why->resting || why->hosts == why->down + why->drained
                            ? "site"
                            : "job";
    char *words = why->no_credential ? credential_trouble(s->d, c->uid, c->credential) : NULL;
    json_begin(s->out, "reason", '{');
    json_put_text(s->out, "code", code);
    json_put_text(s->out, "blame", blame);
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

static void put_why(const struct show *s)
{
    const struct task *t = s->task;
    const struct job_class *c = s->j->spec->class;
    const struct match_why *why;
    if (t && t->is_waiting && t->not_before_us > s->now_us) {
        json_begin(s->out, "reason", '{');
        json_put_text(s->out, "code", "back-off");
        json_put_text(s->out, "blame", blame_name(t->reason.blame));
        json_begin(s->out, "params", '{');
        json_put_seconds(s->out, "until", t->not_before_us);
        json_put_text(s->out, "after", t->reason.code);
        json_put_text(s->out, "message", t->reason.text);
        json_end(s->out, '}');
        json_end(s->out, '}');
    } else if ((why = engine_why(s->d->engine, c))) {
        put_pass(s, c, why);
    } else {
        view_reason(s->out, "reason", "not-looked-at", BLAME_US, NULL);
    }
}

static void put_reason(const struct show *s)
{
    enum phase phase = job_task_phase(s->j, s->index);
    const struct reason *trouble = s->task ? engine_trouble(s->d->engine, s->j, s->task) : NULL;
    if (phase == PHASE_PENDING && job_task_wish(s->j, s->index) == WISH_HELD)
        view_reason(s->out, "reason", "held", BLAME_NONE, NULL);
    else if (phase == PHASE_PENDING)
        put_why(s);
    else if (!s->task)
        view_reason(s->out, "reason", "killed", BLAME_NONE, NULL);
    else if (trouble)
        view_reason(s->out, "reason", trouble->code, trouble->blame, trouble->text);
    else if (s->attempt && s->attempt->unknown_since_us)
        view_reason(s->out, "reason", "unknown", BLAME_SITE, NULL);
    else if (phase_is_final(phase))
        view_reason(s->out, "reason", s->task->reason.code, s->task->reason.blame,
                    s->task->reason.text);
    else
        json_put_null(s->out, "reason");
}

static double wrapper_s(const struct attempt *a, int64_t now_us)
{
    int64_t end = a->exited_us ? a->exited_us : a->ended_us ? a->ended_us : now_us;
    return span_s(a->active_us ? a->active_us : a->staged_us, end);
}

static double transfer_s(const struct attempt *a, int64_t now_us)
{
    int64_t end = a->ended_us ? a->ended_us : now_us;
    return span_s(a->started_us, a->staged_us ? a->staged_us : end) +
           (a->exited_us ? span_s(a->exited_us, end) : 0);
}

static void put_token(struct buf *out, const struct daemon *d, const struct job *j,
                      const struct task *t, const struct attempt *a)
{
    char *token = t && a ? attempt_token(engine_state(d->engine)->instance, j, t, a) : NULL;
    json_put_text(out, "token", token);
    free(token);
}

static const char *local_path(const char *url)
{
    return strncmp(url, "file://", 7) == 0 ? url + 7 : url;
}

static void put_stream(const struct show *s, const char *name, enum stream stream)
{
    char *url = engine_stream_url(s->d->engine, s->j, s->index, stream);
    json_put_text(s->out, name, local_path(url));
    free(url);
}

static void put_transfer(const struct show *s)
{
    uint64_t done, total;
    if (!s->task || !engine_transfer(s->d->engine, s->j, s->task, &done, &total)) {
        json_put_null(s->out, "transfer");
        return;
    }
    json_begin(s->out, "transfer", '{');
    json_put_uint(s->out, "done", done);
    json_put_uint(s->out, "total", total);
    json_end(s->out, '}');
}

static void put_resources(const struct show *s)
{
    uint64_t disk = 0;
    for (size_t i = 0; i < s->t->n_vm_disks; i++)
        disk += s->t->vm_disks[i] >> 20;
    json_begin(s->out, "resources", '{');
    json_put_uint(s->out, "cpus", s->t->vm_image ? s->t->vm_cpus : s->t->np);
    json_put_uint(s->out, "memory_mib", s->t->vm_image ? s->t->vm_memory_mib : 0);
    json_put_uint(s->out, "disk_mib", disk);
    json_end(s->out, '}');
}

/* The members of a job, in the order in which they are shown. */
static const char *const members[] = {
    "id",         "name",          "user",      "uid",    "array",     "task",     "tasks",
    "phase",      "wish",          "state",     "em",     "vjob",      "type",     "np",
    "priority",   "walltime_s",    "attempt",   "token",  "host",      "queue",    "lrms",
    "certain",    "unknown_since", "exit_code", "signal", "started",   "exec_s",   "xfer_s",
    "vms",        "reason",        "submitted", "ended",  "resources", "transfer", "home",
    "credential", "stdout",        "stderr"};
enum member {
    ID,
    NAME,
    USER,
    UID,
    ARRAY,
    TASK,
    TASKS,
    PHASE,
    WISH,
    STATE,
    EM,
    VJOB,
    TYPE,
    NP,
    PRIORITY,
    WALLTIME,
    ATTEMPT,
    TOKEN,
    HOST,
    QUEUE,
    LRMS,
    CERTAIN,
    UNKNOWN_SINCE,
    EXIT_CODE,
    SIGNAL,
    STARTED,
    EXEC,
    XFER,
    VMS,
    REASON,
    SUBMITTED,
    ENDED,
    RESOURCES,
    TRANSFER,
    HOME,
    CREDENTIAL,
    STDOUT,
    STDERR,
};

uint64_t view_member(const char *name)
{
    for (size_t i = 0; i < GW_COUNT(members); i++)
        if (strcmp(members[i], name) == 0)
            return UINT64_C(1) << i;
    return 0;
}

static void put_optional(struct buf *out, const char *name, bool is_there, int64_t value)
{
    if (is_there)
        json_put_int(out, name, value);
    else
        json_put_null(out, name);
}

/* What belongs to the attempt: the last one, `a`, or NULL. */
static void put_of_attempt(const struct show *s, enum member member, const char *name)
{
    const struct attempt *a = s->attempt;
    bool has_code = a && (a->is_accepted || a->exit_code);
    switch ((int)member) {
    case ATTEMPT:
        json_put_uint(s->out, name, a ? a->number : 0);
        break;
    case TOKEN:
        put_token(s->out, s->d, s->j, s->task, a);
        break;
    case HOST:
        json_put_text(s->out, name, a ? a->host : NULL);
        break;
    case QUEUE:
        json_put_text(s->out, name, a ? a->queue : NULL);
        break;
    case LRMS:
        json_put_text(s->out, name, a ? a->lrms : NULL);
        break;
    case CERTAIN:
        json_put_bool(s->out, name, !a || !a->unknown_since_us);
        break;
    case UNKNOWN_SINCE:
        json_put_seconds(s->out, name, a ? a->unknown_since_us : 0);
        break;
    case EXIT_CODE:
        put_optional(s->out, name, has_code, a ? a->exit_code : 0);
        break;
    case SIGNAL:
        put_optional(s->out, name, has_code && a->signal, a ? a->signal : 0);
        break;
    case STARTED:
        json_put_seconds(s->out, name, a ? a->started_us : 0);
        break;
    case EXEC:
        json_put_real(s->out, name, a ? wrapper_s(a, s->now_us) : 0);
        break;
    case XFER:
        json_put_real(s->out, name, a ? transfer_s(a, s->now_us) : 0);
        break;
    default:
        put_vms(s->out, name, a);
        break;
    }
}

static void put_member(const struct show *s, enum member member, const char *name)
{
    static const char *const types[] = {"single", "multiple", "mpi"};
    const struct job *j = s->j;
    struct buf *out = s->out;
    switch (member) {
    case ID:
        json_put_uint(out, name, j->id + s->index);
        break;
    case NAME:
        json_put_text(out, name, s->t->name);
        break;
    case USER:
        json_put_text(out, name, j->spec->owner.user);
        break;
    case UID:
        json_put_uint(out, name, j->spec->owner.uid);
        break;
    case ARRAY:
        put_optional(out, name, j->array_id > 0, (int64_t)j->array_id);
        break;
    case TASK:
        json_put_uint(out, name, s->index);
        break;
    case TASKS:
        json_put_uint(out, name, j->tasks);
        break;
    case PHASE:
        json_put_text(out, name, phase_name(job_task_phase(j, s->index)));
        break;
    case WISH:
        json_put_text(out, name, wish_name(job_task_wish(j, s->index)));
        break;
    case STATE:
        json_put_text(out, name, view_state(j, s->index));
        break;
    case EM:
        json_put_text(out, name, em_text(s->d, j, s->task));
        break;
    case VJOB:
        json_put_text(out, name, s->t->vm_image ? vjob_text(j, s->index) : NULL);
        break;
    case TYPE:
        json_put_text(out, name, types[s->t->type]);
        break;
    case NP:
        json_put_uint(out, name, s->t->np);
        break;
    case PRIORITY:
        json_put_int(out, name, j->priority);
        break;
    case WALLTIME:
        json_put_uint(out, name, s->t->walltime_s);
        break;
    case ATTEMPT:
    case TOKEN:
    case HOST:
    case QUEUE:
    case LRMS:
    case CERTAIN:
    case UNKNOWN_SINCE:
    case EXIT_CODE:
    case SIGNAL:
    case STARTED:
    case EXEC:
    case XFER:
    case VMS:
        put_of_attempt(s, member, name);
        break;
    case REASON:
        put_reason(s);
        break;
    case SUBMITTED:
        json_put_seconds(out, name, j->submitted_us);
        break;
    case ENDED:
        json_put_seconds(out, name, s->task ? s->task->ended_us : j->rest_ended_us);
        break;
    case RESOURCES:
        put_resources(s);
        break;
    case TRANSFER:
        put_transfer(s);
        break;
    case HOME:
        json_put_text(out, name, j->spec->home);
        break;
    case CREDENTIAL:
        put_credential(out, s->d, j->spec->owner.uid, j->spec->owner.credential);
        break;
    case STDOUT:
        put_stream(s, name, STREAM_STDOUT);
        break;
    case STDERR:
        put_stream(s, name, STREAM_STDERR);
        break;
    }
}

void view_job(const struct daemon *d, const struct job *j, uint64_t index, uint64_t wanted,
              struct buf *out)
{
    const struct task *task = job_task(j, index);
    struct show s = {.d = d,
                     .j = j,
                     .index = index,
                     .t = j->spec->t,
                     .task = task,
                     .attempt =
                         task && task->n_attempts ? &task->attempts[task->n_attempts - 1] : NULL,
                     .now_us = clock_wall_us(),
                     .out = out};
    json_begin(out, NULL, '{');
    for (size_t i = 0; i < GW_COUNT(members); i++)
        if (wanted & UINT64_C(1) << i)
            put_member(&s, (enum member)i, members[i]);
    json_end(out, '}');
}

/* --- what else is shown --- */

static void put_past(const struct daemon *d, const struct job *j, const struct task *t,
                     const struct attempt *a, struct buf *out)
{
    int64_t now_us = clock_wall_us(), end = a->ended_us ? a->ended_us : now_us;
    json_begin(out, NULL, '{');
    json_put_uint(out, "attempt", a->number);
    put_token(out, d, j, t, a);
    json_put_text(out, "host", a->host);
    json_put_text(out, "queue", a->queue);
    json_put_text(out, "lrms", a->lrms);
    json_put_real(out, "rank", (double)a->match_rank / 1000);
    json_put_seconds(out, "started", a->started_us);
    json_put_seconds(out, "ended", a->ended_us);
    json_put_real(out, "prolog_s", span_s(a->started_us, a->staged_us ? a->staged_us : end));
    json_put_real(out, "wrapper_s", a->staged_us ? wrapper_s(a, now_us) : 0);
    json_put_real(out, "epilog_s", span_s(a->exited_us, end));
    json_put_text(out, "contact", a->contact);
    view_reason(out, "reason", a->reason.code, a->reason.blame, a->reason.text);
    put_optional(out, "exit_code", a->is_accepted || a->exit_code, a->exit_code);
    put_vms(out, "vms", a);
    json_end(out, '}');
}

void view_history(const struct daemon *d, const struct job *j, uint64_t index, const char *name,
                  struct buf *out)
{
    const struct task *t = job_task(j, index);
    json_begin(out, name, '[');
    for (size_t i = 0; t && i < t->n_attempts; i++)
        put_past(d, j, t, &t->attempts[i], out);
    json_end(out, ']');
}

/* Owners with unfinished jobs: a user may use several credentials. */
struct owner_count {
    const struct principal *owner;
    uint64_t waiting, running;
    struct owner_count *next;
};

static struct owner_count *owner_find(struct owner_count **list, const struct principal *owner)
{
    struct owner_count *o;
    const char *path = owner->credential ? owner->credential : "";
    LL_FOREACH(*list, o)
    {
        if (o->owner->uid == owner->uid &&
            strcmp(o->owner->credential ? o->owner->credential : "", path) == 0)
            return o;
    }
    o = xcalloc(1, sizeof *o);
    o->owner = owner;
    LL_APPEND(*list, o);
    return o;
}

void view_users(const struct daemon *d, struct buf *out)
{
    struct owner_count *owners = NULL, *o, *tmp;
    size_t it = 0;
    for (struct job *j; (j = state_next_job(engine_state(d->engine), &it));) {
        o = owner_find(&owners, &j->spec->owner);
        if (!j->is_rest_ended)
            o->waiting += j->tasks - j->fresh;
        size_t task_it = 0;
        for (struct task *t; (t = job_next_task(j, &task_it));) {
            bool is_waiting = t->phase == PHASE_PENDING || t->phase == PHASE_SLEEPING;
            o->waiting += is_waiting;
            o->running += !is_waiting && !phase_is_final(t->phase);
        }
    }
    json_begin(out, "users", '[');
    LL_FOREACH_SAFE(owners, o, tmp)
    {
        json_begin(out, NULL, '{');
        json_put_text(out, "user", o->owner->user);
        json_put_uint(out, "uid", o->owner->uid);
        json_put_uint(out, "waiting", o->waiting);
        json_put_uint(out, "running", o->running);
        put_credential(out, d, o->owner->uid, o->owner->credential);
        json_end(out, '}');
        free(o);
    }
    json_end(out, ']');
}

/* Words instead of numbers where a reader would have to look them up. False: not a field for
 * words. */
static bool put_words(struct buf *out, const struct event *ev, const char *name)
{
    static const char *const outcomes[] = {"", "done", "failed", "requeue"};
    if (strcmp(name, "wish") == 0 && ev->wish < WISH_COUNT) {
        json_put_text(out, name, wish_name((enum wish)ev->wish));
    } else if (strcmp(name, "outcome") == 0 && ev->outcome < GW_COUNT(outcomes)) {
        json_put_text(out, name, outcomes[ev->outcome]);
    } else if (strcmp(name, "reason") == 0) { /* and blame and text, which it always comes with */
        view_reason(out, name, ev->reason, (enum blame)ev->blame, ev->text);
    } else if (strcmp(name, "task") == 0 && ev->task == TASK_ALL) {
        json_put_null(out, name);
    } else if (strcmp(name, "task") == 0) {
        json_put_uint(out, name, ev->task);
        json_put_uint(out, "id", ev->job + ev->task);
    } else {
        return false;
    }
    return true;
}

static void put_field(struct buf *out, const struct event *ev, const struct event_field *f)
{
    const char *at = (const char *)ev + f->offset;
    if (put_words(out, ev, f->name))
        return;
    switch (f->type) {
    case EVENT_S:
        json_put_text(out, f->name, *(const char *const *)at);
        break;
    case EVENT_I:
        json_put_int(out, f->name, *(const int64_t *)(const void *)at);
        break;
    case EVENT_U:
        json_put_uint(out, f->name, *(const uint64_t *)(const void *)at);
        break;
    }
}

/* Fields that no watcher is shown: what a submission's text is, and what stands in others. */
static uint64_t hidden_fields(void)
{
    static const char *const names[] = {"source", "key", "blame", "text"};
    static uint64_t mask;
    size_t n;
    const struct event_field *fields = event_fields(&n);
    if (mask)
        return mask;
    for (size_t i = 0; i < n; i++)
        for (size_t k = 0; k < GW_COUNT(names); k++)
            if (strcmp(fields[i].name, names[k]) == 0)
                mask |= UINT64_C(1) << (fields[i].id - 1);
    return mask;
}

void view_event(const struct event *ev, struct buf *out)
{
    const struct event_kind_info *info = event_kind_info((unsigned)ev->kind);
    uint64_t shown = info->fields & ~hidden_fields();
    size_t n;
    const struct event_field *fields = event_fields(&n);
    json_begin(out, "event", '{');
    json_put_uint(out, "seq", ev->seq);
    json_put_seconds(out, "at", ev->at_us);
    json_put_text(out, "kind", info->name);
    for (size_t i = 0; i < n; i++)
        if (shown & UINT64_C(1) << (fields[i].id - 1))
            put_field(out, ev, &fields[i]);
    json_end(out, '}');
}
