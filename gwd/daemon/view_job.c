/* How a job looks to clients (docs/client-protocol.md): its members are one table, so that a
 * listing makes only what was asked for, and that says which of them are its owner's alone. */
#include "gwd/daemon/view_private.h"
#include "lib/json_write.h"
#include "lib/mem.h"

#include <stdlib.h>
#include <string.h>

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
    "credential", "stdout",        "stderr",    "left"};
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
    LEFT,
};

/* What stands in a job's template, where its files are, and what its owner is known by elsewhere:
 * others see that the member exists. */
static const uint64_t private_members =
    UINT64_C(1) << TOKEN | UINT64_C(1) << VMS | UINT64_C(1) << HOME | UINT64_C(1) << CREDENTIAL |
    UINT64_C(1) << STDOUT | UINT64_C(1) << STDERR | UINT64_C(1) << LEFT;

uint64_t view_member(const char *name)
{
    for (size_t i = 0; i < GW_COUNT(members); i++)
        if (strcmp(members[i], name) == 0)
            return UINT64_C(1) << i;
    return 0;
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
        view_token(s->out, s->d, s->j, s->task, a);
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
        view_optional(s->out, name, has_code, a ? a->exit_code : 0);
        break;
    case SIGNAL:
        view_optional(s->out, name, has_code && a->signal, a ? a->signal : 0);
        break;
    case STARTED:
        json_put_seconds(s->out, name, a ? a->started_us : 0);
        break;
    case EXEC:
        json_put_real(s->out, name, a ? view_wrapper_s(a, s->now_us) : 0);
        break;
    case XFER:
        json_put_real(s->out, name, a ? view_transfer_s(a, s->now_us) : 0);
        break;
    default:
        view_vms(s->out, name, a);
        break;
    }
}

/* What its place in the world is: which task of which job of whose. */
static void put_identity(const struct show *s, enum member member, const char *name)
{
    const struct job *j = s->j;
    switch ((int)member) {
    case ID:
        json_put_uint(s->out, name, j->id + s->index);
        break;
    case NAME:
        json_put_text(s->out, name, s->t->name);
        break;
    case USER:
        json_put_text(s->out, name, j->spec->owner.user);
        break;
    case UID:
        json_put_uint(s->out, name, j->spec->owner.uid);
        break;
    case ARRAY:
        view_optional(s->out, name, j->array_id > 0, (int64_t)j->array_id);
        break;
    case TASK:
        json_put_uint(s->out, name, s->index);
        break;
    default:
        json_put_uint(s->out, name, j->tasks);
        break;
    }
}

/* How far it is, and why. */
static void put_progress(const struct show *s, enum member member, const char *name)
{
    const struct job *j = s->j;
    switch ((int)member) {
    case PHASE:
        json_put_text(s->out, name, phase_name(job_task_phase(j, s->index)));
        break;
    case WISH:
        json_put_text(s->out, name, wish_name(job_task_wish(j, s->index)));
        break;
    case STATE:
        json_put_text(s->out, name, view_state(j, s->index));
        break;
    case EM:
        json_put_text(s->out, name, em_text(s->d, j, s->task));
        break;
    case VJOB:
        json_put_text(s->out, name, s->t->vm_image ? vjob_text(j, s->index) : NULL);
        break;
    case REASON:
        view_why(s);
        break;
    case LEFT:
        view_left(s, name);
        break;
    case SUBMITTED:
        json_put_seconds(s->out, name, j->submitted_us);
        break;
    case ENDED:
        json_put_seconds(s->out, name, s->task ? s->task->ended_us : j->rest_ended_us);
        break;
    default:
        put_transfer(s);
        break;
    }
}

/* What its template and its submission asked for. */
static void put_demand(const struct show *s, enum member member, const char *name)
{
    static const char *const types[] = {"single", "multiple", "mpi"};
    switch ((int)member) {
    case TYPE:
        json_put_text(s->out, name, types[s->t->type]);
        break;
    case NP:
        json_put_uint(s->out, name, s->t->np);
        break;
    case PRIORITY:
        json_put_int(s->out, name, s->j->priority);
        break;
    case WALLTIME:
        json_put_uint(s->out, name, s->t->walltime_s);
        break;
    case RESOURCES:
        put_resources(s);
        break;
    case HOME:
        json_put_text(s->out, name, s->j->spec->home);
        break;
    case CREDENTIAL:
        view_credential(s->out, s->d, s->j->spec->owner.uid, s->j->spec->owner.credential);
        break;
    default:
        put_stream(s, name, member == STDERR ? STREAM_STDERR : STREAM_STDOUT);
        break;
    }
}

static void put_member(const struct show *s, enum member member, const char *name)
{
    switch (member) {
    case ID:
    case NAME:
    case USER:
    case UID:
    case ARRAY:
    case TASK:
    case TASKS:
        put_identity(s, member, name);
        break;
    case PHASE:
    case WISH:
    case STATE:
    case EM:
    case VJOB:
    case REASON:
    case LEFT:
    case SUBMITTED:
    case ENDED:
    case TRANSFER:
        put_progress(s, member, name);
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
    case TYPE:
    case NP:
    case PRIORITY:
    case WALLTIME:
    case RESOURCES:
    case HOME:
    case CREDENTIAL:
    case STDOUT:
    case STDERR:
        put_demand(s, member, name);
        break;
    }
}

/* In place of a member that is its owner's alone: nothing, of the member's type where it is a list.
 */
static void put_hidden(struct buf *out, enum member member)
{
    if (member != VMS && member != LEFT) {
        json_put_null(out, members[member]);
        return;
    }
    json_begin(out, members[member], '[');
    json_end(out, ']');
}

void view_job(const struct daemon *d, const struct job *j, uint64_t index, uint64_t wanted,
              enum sight sight, struct buf *out)
{
    const struct task *task = job_task(j, index);
    uint64_t hidden = sight == SIGHT_FULL ? 0 : private_members;
    struct show s = {.d = d,
                     .j = j,
                     .index = index,
                     .t = j->spec->t,
                     .task = task,
                     .attempt =
                         task && task->n_attempts ? &task->attempts[task->n_attempts - 1] : NULL,
                     .sight = sight,
                     .now_us = clock_wall_us(),
                     .out = out};
    json_begin(out, NULL, '{');
    for (size_t i = 0; i < GW_COUNT(members); i++)
        if (wanted & hidden & UINT64_C(1) << i)
            put_hidden(out, (enum member)i);
        else if (wanted & UINT64_C(1) << i)
            put_member(&s, (enum member)i, members[i]);
    json_end(out, '}');
}

void view_strip(json_t *job)
{
    json_t *reason = json_object_get(job, "reason");
    for (size_t i = 0; i < GW_COUNT(members); i++)
        if (private_members & UINT64_C(1) << i && json_object_get(job, members[i]))
            json_object_set_new(job, members[i],
                                i == VMS || i == LEFT ? json_array() : json_null());
    if (json_is_object(reason))
        json_object_set_new(reason, "params", json_object());
}
