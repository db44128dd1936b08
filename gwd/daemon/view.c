/* How jobs, hosts and events look to clients (docs/client-protocol.md). */
#include "gwd/daemon/daemon.h"
#include "gwd/daemon/settings.h"
#include "lib/mem.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <utlist.h>

static json_t *seconds(int64_t us)
{
    return us ? json_real((double)us / 1e6) : json_null();
}

static json_t *text(const char *s)
{
    json_t *j = s ? json_string(s) : NULL;
    return j ? j : json_null();
}

static double span_s(int64_t from_us, int64_t to_us)
{
    return from_us && to_us > from_us ? (double)(to_us - from_us) / 1e6 : 0;
}

json_t *view_reason(const char *code, enum blame blame, const char *message)
{
    if (!code)
        return json_null();
    json_t *params = json_object();
    if (message)
        json_object_set_new(params, "message", text(message));
    return json_pack("{ss ss so}", "code", code, "blame", blame_name(blame), "params", params);
}

const char *view_state(const struct daemon *d, const struct job *j, uint64_t index)
{
    (void)d;
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

static json_t *view_vms(const struct attempt *a)
{
    static const char *const states[] = {"planned", "running", "saved", "gone"};
    json_t *list = json_array();
    for (size_t i = 0; a && i < a->n_vms; i++)
        json_array_append_new(list,
                              json_pack("{sI so so ss}", "rank", (json_int_t)a->vms[i].rank, "uuid",
                                        text(a->vms[i].uuid), "node", text(a->vms[i].node), "state",
                                        states[a->vms[i].state]));
    return list;
}

static const char *const credential_states[] = {"unknown", "bad", "expired", "short", "valid"};

static int64_t credential_life_us(const struct daemon *d)
{
    return settings_engine(d->settings)->credential_life_us;
}

static char *credential_trouble(const struct daemon *d, const char *path)
{
    return path ? credential_words(engine_credential(d->engine, path), credential_life_us(d),
                                   clock_wall_us())
                : xstrdup("it was submitted without a credential");
}

/* Of an owner: path, identity, state, when it ends, what is wrong with it. */
static json_t *view_credential(const struct daemon *d, const char *path)
{
    const struct credential *c = path ? engine_credential(d->engine, path) : NULL;
    if (!c)
        return json_null();
    int64_t now_us = clock_wall_us(), life_us = credential_life_us(d);
    char *words = credential_words(c, life_us, now_us);
    json_t *o = json_pack("{so so ss so so}", "path", text(c->path), "identity", text(c->identity),
                          "state", credential_states[credential_state(c, life_us, now_us)],
                          "expires", seconds(c->expires_us), "problem", text(words));
    free(words);
    return o;
}

static json_t *view_transfer(const struct daemon *d, const struct job *j, const struct task *t)
{
    uint64_t done, total;
    if (!t || !engine_transfer(d->engine, j, t, &done, &total))
        return json_null();
    return json_pack("{sI sI}", "done", (json_int_t)done, "total", (json_int_t)total);
}

/* Why a pending task waits: as the last scheduling pass saw it. */
static json_t *view_why(const struct daemon *d, const struct job *j, const struct task *t)
{
    const struct job_class *c = j->spec->class;
    const struct match_why *why = c->why;
    if (t && t->not_before_us > clock_wall_us())
        return json_pack("{ss ss s{so so so}}", "code", "back-off", "blame",
                         blame_name(t->reason.blame), "params", "until", seconds(t->not_before_us),
                         "after", text(t->reason.code), "message", text(t->reason.text));
    if (!why)
        return json_pack("{ss ss s{}}", "code", "not-looked-at", "blame", "us", "params");
    const struct expr_conjunct *conjuncts = NULL;
    size_t n = expr_conjuncts(c->requirements, &conjuncts);
    json_t *requirements = json_array();
    for (size_t i = 0; i < n && i < why->n_conjuncts; i++)
        json_array_append_new(requirements, json_pack("{ss% sI}", "condition",
                                                      c->requirements_text + conjuncts[i].from,
                                                      conjuncts[i].length, "removed",
                                                      (json_int_t)why->unmatched[i]));
    const char *code = why->is_paused       ? "paused"
                       : why->is_user_limit ? "user-limit"
                       : why->hosts == 0    ? "no-host"
                       : why->busy          ? "busy"
                       : why->no_credential ? "credential"
                                            : "no-match";
    char *words = why->no_credential ? credential_trouble(d, c->credential) : NULL;
    json_t *message = text(words);
    free(words);
    const char *blame = why->is_paused || why->is_user_limit                  ? "us"
                        : why->busy || why->hosts == why->down + why->drained ? "site"
                                                                              : "job";
    return json_pack("{ss ss s{so sI sI sI sI sI sI sI sI so}}", "code", code, "blame", blame,
                     "params", "message", message, "hosts", (json_int_t)why->hosts, "down",
                     (json_int_t)why->down, "drained", (json_int_t)why->drained, "no_credential",
                     (json_int_t)why->no_credential, "no_lrms", (json_int_t)why->no_lrms, "no_vm",
                     (json_int_t)why->no_vm, "too_small", (json_int_t)why->too_small, "busy",
                     (json_int_t)why->busy, "requirements", requirements);
}

static json_t *current_reason(const struct daemon *d, const struct job *j, uint64_t index,
                              const struct task *t, const struct attempt *a)
{
    enum phase phase = job_task_phase(j, index);
    if (phase == PHASE_PENDING)
        return job_task_wish(j, index) == WISH_HELD ? view_reason("held", BLAME_NONE, NULL)
                                                    : view_why(d, j, t);
    if (!t)
        return view_reason("killed", BLAME_NONE, NULL);
    const struct reason *trouble = engine_trouble(d->engine, j, t);
    if (trouble)
        return view_reason(trouble->code, trouble->blame, trouble->text);
    if (a && a->unknown_since_us)
        return view_reason("unknown", BLAME_SITE, NULL);
    if (phase_is_final(phase))
        return view_reason(t->reason.code, t->reason.blame, t->reason.text);
    return json_null();
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

static void put_attempt(json_t *o, const struct daemon *d, const struct job *j,
                        const struct task *t, const struct attempt *a)
{
    int64_t now_us = clock_wall_us();
    char *token = t && a ? attempt_token(engine_state(d->engine)->instance, j, t, a) : NULL;
    bool has_code = a && (a->is_accepted || a->exit_code);
    json_object_set_new(o, "attempt", json_integer(a ? (json_int_t)a->number : 0));
    json_object_set_new(o, "token", text(token));
    json_object_set_new(o, "host", a ? text(a->host) : json_null());
    json_object_set_new(o, "queue", a ? text(a->queue) : json_null());
    json_object_set_new(o, "lrms", a ? text(a->lrms) : json_null());
    json_object_set_new(o, "certain", json_boolean(!a || !a->unknown_since_us));
    json_object_set_new(o, "unknown_since", seconds(a ? a->unknown_since_us : 0));
    json_object_set_new(o, "exit_code", has_code ? json_integer(a->exit_code) : json_null());
    json_object_set_new(o, "signal", has_code && a->signal ? json_integer(a->signal) : json_null());
    json_object_set_new(o, "started", seconds(a ? a->started_us : 0));
    json_object_set_new(o, "exec_s", json_real(a ? wrapper_s(a, now_us) : 0));
    json_object_set_new(o, "xfer_s", json_real(a ? transfer_s(a, now_us) : 0));
    json_object_set_new(o, "vms", view_vms(a));
    free(token);
}

static json_t *number(double v)
{
    return v == (double)(json_int_t)v ? json_integer((json_int_t)v) : json_real(v);
}

static const char *local_path(const char *url)
{
    return strncmp(url, "file://", 7) == 0 ? url + 7 : url;
}

static void put_streams(json_t *o, const struct daemon *d, const struct job *j, uint64_t index)
{
    static const char *const names[] = {"stdout", "stderr"};
    for (size_t i = 0; i < GW_COUNT(names); i++) {
        char *url = engine_stream_url(d->engine, j, index, (enum stream)i);
        json_object_set_new(o, names[i], text(local_path(url)));
        free(url);
    }
}

json_t *view_job(struct daemon *d, const struct job *j, uint64_t index)
{
    static const char *const types[] = {"single", "multiple", "mpi"};
    const struct template *t = j->spec->t;
    const struct task *task = job_task(j, index);
    const struct attempt *a =
        task && task->n_attempts ? &task->attempts[task->n_attempts - 1] : NULL;
    uint64_t disk = 0;
    for (size_t i = 0; i < t->n_vm_disks; i++)
        disk += t->vm_disks[i] >> 20;
    json_t *o =
        json_pack("{sI so so sI so sI sI ss ss ss ss so ss sI sI sI}", "id",
                  (json_int_t)(j->id + index), "name", text(t->name), "user",
                  text(j->spec->owner.user), "uid", (json_int_t)j->spec->owner.uid, "array",
                  j->array_id ? json_integer((json_int_t)j->array_id) : json_null(), "task",
                  (json_int_t)index, "tasks", (json_int_t)j->tasks, "phase",
                  phase_name(job_task_phase(j, index)), "wish", wish_name(job_task_wish(j, index)),
                  "state", view_state(d, j, index), "em", em_text(d, j, task), "vjob",
                  t->vm_image ? json_string(vjob_text(j, index)) : json_null(), "type",
                  types[t->type], "np", (json_int_t)t->np, "priority", (json_int_t)j->priority,
                  "walltime_s", (json_int_t)t->walltime_s);
    put_attempt(o, d, j, task, a);
    json_object_set_new(o, "reason", current_reason(d, j, index, task, a));
    json_object_set_new(o, "submitted", seconds(j->submitted_us));
    json_object_set_new(o, "ended", seconds(task ? task->ended_us : j->rest_ended_us));
    json_object_set_new(o, "resources",
                        json_pack("{sI sI sI}", "cpus",
                                  (json_int_t)(t->vm_image ? t->vm_cpus : t->np), "memory_mib",
                                  (json_int_t)(t->vm_image ? t->vm_memory_mib : 0), "disk_mib",
                                  (json_int_t)disk));
    json_object_set_new(o, "transfer", view_transfer(d, j, task));
    json_object_set_new(o, "home", text(j->spec->home));
    json_object_set_new(o, "credential", view_credential(d, j->spec->owner.credential));
    put_streams(o, d, j, index);
    return o;
}

json_t *view_history(struct daemon *d, const struct job *j, uint64_t index)
{
    const struct task *t = job_task(j, index);
    int64_t now_us = clock_wall_us();
    json_t *list = json_array();
    for (size_t i = 0; t && i < t->n_attempts; i++) {
        const struct attempt *a = &t->attempts[i];
        char *token = attempt_token(engine_state(d->engine)->instance, j, t, a);
        int64_t end = a->ended_us ? a->ended_us : now_us;
        bool has_code = a->is_accepted || a->exit_code;
        json_array_append_new(
            list,
            json_pack("{sI so so so so sf so so sf sf sf so so so so}", "attempt",
                      (json_int_t)a->number, "token", text(token), "host", text(a->host), "queue",
                      text(a->queue), "lrms", text(a->lrms), "rank", (double)a->match_rank / 1000,
                      "started", seconds(a->started_us), "ended", seconds(a->ended_us), "prolog_s",
                      span_s(a->started_us, a->staged_us ? a->staged_us : end), "wrapper_s",
                      a->staged_us ? wrapper_s(a, now_us) : 0.0, "epilog_s",
                      span_s(a->exited_us, end), "contact", text(a->contact), "reason",
                      view_reason(a->reason.code, a->reason.blame, a->reason.text), "exit_code",
                      has_code ? json_integer(a->exit_code) : json_null(), "vms", view_vms(a)));
        free(token);
    }
    return list;
}

static json_t *view_queue(const struct host *h, size_t i)
{
    static const struct {
        const char *attr, *name;
    } more[] = {{"QUEUE_MAXTIME", "max_time"},        {"QUEUE_MAXCPUTIME", "max_cpu_time"},
                {"QUEUE_MAXCOUNT", "max_count"},      {"QUEUE_MAXRUNNINGJOBS", "max_running"},
                {"QUEUE_MAXJOBSINQUEUE", "max_jobs"}, {"QUEUE_STATUS", "status"},
                {"QUEUE_DISPATCHTYPE", "dispatch"},   {"QUEUE_PRIORITY", "priority"}};
    const struct host_queue *q = &h->queues[i];
    json_t *o = json_pack("{so sI sI sI}", "name", text(q->name), "nodes", (json_int_t)q->nodes,
                          "used", (json_int_t)q->used, "free", (json_int_t)host_free(h, i));
    for (size_t k = 0; k < GW_COUNT(more); k++) {
        const struct attr *a = host_attr(h, i, more[k].attr);
        json_object_set_new(o, more[k].name,
                            !a             ? json_null()
                            : a->is_number ? number(a->number)
                                           : text(a->text));
    }
    return o;
}

json_t *view_host(struct daemon *d, const struct host *h)
{
    json_t *attributes = json_object(), *queues = json_array();
    for (struct attr *a = h->attrs; a; a = a->hh.next)
        json_object_set_new(attributes, a->key, a->is_number ? number(a->number) : text(a->text));
    uint64_t used = 0;
    for (size_t i = 0; i < h->n_queues; i++) {
        used += h->queues[i].used;
        json_array_append_new(queues, view_queue(h, i));
    }
    bool is_drained = state_site_is_drained(engine_state(d->engine), h->name);
    return json_pack(
        "{sI so so so so ss so so sI sI so sb}", "id", (json_int_t)h->id, "name", text(h->name),
        "im", text(h->im), "tm", text(h->tm), "em", text(h->em), "state",
        is_drained ? "drained"
        : h->is_up ? "up"
                   : "unknown",
        "reason", view_reason(h->reason.code, h->reason.blame, h->reason.text), "attributes",
        attributes, "used_slots", (json_int_t)used, "running_jobs", (json_int_t)h->running,
        "queues", queues, "needs_credential", (int)engine_needs_credential(d->engine, h));
}

/* Owners with unfinished jobs: a user may use several credentials. */
struct owner_count {
    const struct principal *owner;
    json_int_t waiting, running;
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

json_t *view_users(struct daemon *d)
{
    struct owner_count *owners = NULL, *o, *tmp;
    json_t *list = json_array();
    size_t it = 0;
    for (struct job *j; (j = state_next_job(engine_state(d->engine), &it));) {
        o = owner_find(&owners, &j->spec->owner);
        if (!j->is_rest_ended)
            o->waiting += (json_int_t)(j->tasks - j->fresh);
        size_t task_it = 0;
        for (struct task *t; (t = job_next_task(j, &task_it));) {
            bool is_waiting = t->phase == PHASE_PENDING || t->phase == PHASE_SLEEPING;
            o->waiting += is_waiting;
            o->running += !is_waiting && !phase_is_final(t->phase);
        }
    }
    LL_FOREACH_SAFE(owners, o, tmp)
    {
        json_array_append_new(list, json_pack("{so sI sI sI so}", "user", text(o->owner->user),
                                              "uid", (json_int_t)o->owner->uid, "waiting",
                                              o->waiting, "running", o->running, "credential",
                                              view_credential(d, o->owner->credential)));
        free(o);
    }
    return list;
}

static json_t *field_value(const struct event *ev, const struct event_field *f)
{
    const char *at = (const char *)ev + f->offset;
    if (f->type == EVENT_S)
        return text(*(const char *const *)at);
    if (f->type == EVENT_I)
        return json_integer(*(const json_int_t *)(const void *)at);
    return json_integer((json_int_t) * (const uint64_t *)(const void *)at);
}

/* Words instead of numbers where a reader would have to look them up. */
static void put_words(json_t *o, const struct event *ev)
{
    static const char *const outcomes[] = {"", "done", "failed", "requeue"};
    if (json_object_get(o, "wish") && ev->wish < WISH_COUNT)
        json_object_set_new(o, "wish", json_string(wish_name((enum wish)ev->wish)));
    if (json_object_get(o, "outcome") && ev->outcome < GW_COUNT(outcomes))
        json_object_set_new(o, "outcome", json_string(outcomes[ev->outcome]));
    if (json_object_get(o, "blame")) {
        json_object_del(o, "blame");
        json_object_del(o, "text");
        json_object_set_new(o, "reason", view_reason(ev->reason, (enum blame)ev->blame, ev->text));
    }
    if (json_object_get(o, "task") && ev->task == TASK_ALL)
        json_object_set_new(o, "task", json_null());
    else if (json_object_get(o, "task"))
        json_object_set_new(o, "id", json_integer((json_int_t)(ev->job + ev->task)));
}

json_t *view_event(const struct event *ev)
{
    const struct event_kind_info *info = event_kind_info((unsigned)ev->kind);
    size_t n;
    const struct event_field *fields = event_fields(&n);
    json_t *o = json_pack("{sI sf ss}", "seq", (json_int_t)ev->seq, "at", (double)ev->at_us / 1e6,
                          "kind", info->name);
    for (size_t i = 0; i < n; i++) {
        bool is_private =
            strcmp(fields[i].name, "source") == 0 || strcmp(fields[i].name, "key") == 0;
        if (info->fields & UINT64_C(1) << (fields[i].id - 1) && !is_private)
            json_object_set_new(o, fields[i].name, field_value(ev, &fields[i]));
    }
    put_words(o, ev);
    return o;
}
