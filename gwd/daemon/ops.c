/* What clients may ask: one table of operations, with the fields that each takes. A field that is
 * not in the table, or of another type, is refused by name before the operation sees the request.
 */
#include "gwd/daemon/daemon.h"
#include "gwd/daemon/settings.h"
#include "lib/mem.h"

#include <inttypes.h>
#include <pwd.h>
#include <stdlib.h>
#include <string.h>
#include <sys/statvfs.h>
#include <unistd.h>

struct field {
    const char *name;
    char type; /* s string, i integer >= 0, n integer, b boolean, I list of ids */
};

struct op {
    const char *name;
    struct field fields[14];
    void (*serve)(struct connection *c, json_int_t id, json_t *request);
};

static json_int_t get_int(json_t *request, const char *name, json_int_t otherwise)
{
    json_t *v = json_object_get(request, name);
    return json_is_integer(v) ? json_integer_value(v) : otherwise;
}

static const char *get_text(json_t *request, const char *name)
{
    return json_string_value(json_object_get(request, name));
}

static bool get_bool(json_t *request, const char *name, bool otherwise)
{
    json_t *v = json_object_get(request, name);
    return json_is_boolean(v) ? json_is_true(v) : otherwise;
}

static uint64_t *get_ids(json_t *request, size_t *ret_n)
{
    json_t *list = json_object_get(request, "ids");
    size_t n = json_array_size(list);
    uint64_t *ids = xcalloc(n, sizeof *ids);
    for (size_t i = 0; i < n; i++)
        ids[i] = (uint64_t)json_integer_value(json_array_get(list, i));
    *ret_n = n;
    return ids;
}

/* --- submit --- */

static json_t *diagnostics_json(const struct diags *d)
{
    json_t *list = json_array();
    for (size_t i = 0; i < d->n; i++) {
        const struct diag *g = &d->items[i];
        json_t *hint = g->hint ? json_string(g->hint) : json_null();
        json_array_append_new(list,
                              json_pack("{si si si ss ss so}", "line", (int)g->place.line, "column",
                                        (int)g->place.column, "length", (int)g->place.length,
                                        "severity", g->severity == DIAG_ERROR ? "error" : "warning",
                                        "message", g->text, "hint", hint ? hint : json_null()));
    }
    return list;
}

/* A user may submit only to a daemon that runs jobs in his name: his own, or any as root. */
static bool may_submit(struct connection *c, json_int_t id, const struct asker *asker)
{
    if (asker->uid == geteuid() || asker->uid == 0)
        return true;
    connection_error(c, id, GW_EPERM, "this daemon runs jobs of its own user only", NULL);
    return false;
}

static bool has_space(struct connection *c, json_int_t id)
{
    struct statvfs fs;
    const struct settings *s = connection_daemon(c)->settings;
    if (statvfs(settings_state_dir(s), &fs) < 0 ||
        (uint64_t)fs.f_bavail * fs.f_frsize >= settings_min_free_bytes(s))
        return true;
    connection_error(c, id, GW_ENOSPC,
                     "the daemon's disk is nearly full; it takes no jobs until space is made",
                     NULL);
    return false;
}

static const char *user_name(uid_t uid, char fallback[32])
{
    struct passwd *pw = getpwuid(uid);
    if (pw)
        return pw->pw_name;
    snprintf(fallback, 32, "%ld", (long)uid);
    return fallback;
}

static void submit_checked(struct connection *c, json_int_t id, json_t *request,
                           const struct template *t)
{
    char fallback[32];
    struct asker asker = connection_asker(c, id);
    json_t *priority = json_object_get(request, "priority");
    const char *given = get_text(request, "credential");
    /* Where grid-proxy-init puts it. */
    char *credential = given ? xstrdup(given) : xasprintf("/tmp/x509up_u%" PRIu64, asker.uid);
    struct submission sub = {.source = get_text(request, "template"),
                             .file = get_text(request, "file"),
                             .home = get_text(request, "home"),
                             .key = get_text(request, "key"),
                             .owner = {.user = (char *)user_name((uid_t)asker.uid, fallback),
                                       .uid = asker.uid,
                                       .gid = connection_gid(c),
                                       .credential = credential},
                             .tasks = (uint64_t)get_int(request, "tasks", 1),
                             .is_array = get_bool(request, "array", false),
                             .is_held = get_bool(request, "hold", false),
                             .start = get_int(request, "start", 0),
                             .increment = get_int(request, "increment", 1),
                             .priority = json_is_integer(priority) ? json_integer_value(priority)
                                                                   : t->priority};
    struct input in = {.kind = IN_SUBMIT, .asker = asker, .submit = &sub};
    turn_input(connection_daemon(c), &in);
    free(credential);
}

static void serve_submit(struct connection *c, json_int_t id, json_t *request)
{
    const char *source = get_text(request, "template"), *file = get_text(request, "file");
    const char *home = get_text(request, "home");
    struct asker asker = connection_asker(c, id);
    json_int_t priority = get_int(request, "priority", 0);
    const char *credential = get_text(request, "credential");
    if (credential && credential[0] != '/') {
        connection_error(c, id, GW_EINVAL, "a credential is the absolute path of a file", NULL);
        return;
    }
    if (!source || !home || home[0] != '/') {
        connection_error(c, id, GW_EINVAL,
                         "a submission needs a template and an absolute home directory", NULL);
        return;
    }
    if (priority > 20 || (priority == 20 && !asker.is_admin)) {
        connection_error(c, id, GW_EINVAL, "a priority is 0 to 19; 20 is for administrators", NULL);
        return;
    }
    if (json_array_size(json_object_get(request, "depends"))) {
        connection_error(c, id, GW_EINVAL,
                         "dependencies between jobs are not acted upon by this version", NULL);
        return;
    }
    if (!may_submit(c, id, &asker) || !has_space(c, id))
        return;
    struct diags d;
    struct template *t = NULL;
    diags_init(&d, file ? file : "stdin", source);
    int r = template_parse(source, strlen(source), file ? file : "stdin", &t, &d);
    diags_sort(&d);
    if (r < 0) {
        connection_error(c, id, GW_EINVAL, "the job template has errors", diagnostics_json(&d));
    } else {
        connection_note_warnings(c, id, d.n ? diagnostics_json(&d) : NULL);
        submit_checked(c, id, request, t);
    }
    template_destroy(t);
    diags_clear(&d);
}

/* --- jobs --- */

struct filter {
    const char *user, *states, *host;
    bool has_finished;
    uint64_t after, limit; /* of a listing: ids beyond `after`, at most `limit` */
    bool is_cut;           /* there are more */
};

static bool state_is_wanted(const char *letters, const char *state)
{
    static const struct {
        char letter;
        const char *states;
    } table[] = {{'p', "prol prew"}, {'i', "pend"}, {'h', "hold"}, {'w', "wrap"}, {'e', "epil"},
                 {'s', "stop"},      {'k', "canl"}, {'m', "migr"}, {'z', "done"}, {'f', "fail"}};
    for (size_t i = 0; i < GW_COUNT(table); i++)
        if (strchr(letters, table[i].letter) && strstr(table[i].states, state))
            return true;
    return false;
}

static void add_task(struct daemon *d, json_t *list, const struct job *j, uint64_t index,
                     struct filter *f)
{
    const struct task *t = job_task(j, index);
    if (!f->has_finished && phase_is_final(job_task_phase(j, index)))
        return;
    if (f->user && strcmp(j->spec->owner.user, f->user) != 0)
        return;
    if (f->states && !state_is_wanted(f->states, view_state(d, j, index)))
        return;
    if (f->host && (!t || !t->n_attempts || !strstr(t->attempts[t->n_attempts - 1].host, f->host)))
        return;
    f->is_cut = json_array_size(list) == f->limit;
    if (!f->is_cut)
        json_array_append_new(list, view_job(d, j, index));
}

static void add_job(struct daemon *d, json_t *list, const struct job *j, struct filter *f)
{
    for (uint64_t i = f->after < j->id ? 0 : f->after - j->id + 1; i < j->tasks && !f->is_cut; i++)
        add_task(d, list, j, i, f);
}

/* One that has left the live state; false when it never was. */
static bool add_archived(struct daemon *d, json_t *list, uint64_t id, bool wants_history)
{
    char *job = NULL, *history = NULL;
    if (store_find_archived(d->store, id, &job, &history, NULL) != 1)
        return false;
    json_t *o = json_loads(wants_history ? history : job, 0, NULL);
    if (o)
        json_array_append_new(list, o);
    free(job);
    free(history);
    return o != NULL;
}

static bool add_by_id(struct daemon *d, json_t *list, uint64_t id, struct filter *f)
{
    struct job *j = state_job_of(engine_state(d->engine), id);
    if (!j)
        return add_archived(d, list, id, false);
    add_task(d, list, j, id - j->id, f);
    return true;
}

static void serve_jobs(struct connection *c, json_int_t id, json_t *request)
{
    struct daemon *d = connection_daemon(c);
    struct state *s = engine_state(d->engine);
    struct filter f = {.user = get_text(request, "user"),
                       .states = get_text(request, "state"),
                       .host = get_text(request, "host"),
                       .has_finished = get_bool(request, "finished", true),
                       .after = (uint64_t)get_int(request, "after", 0),
                       .limit = (uint64_t)get_int(request, "limit", INT64_MAX)};
    json_t *list = json_array();
    size_t n, it = 0;
    uint64_t *ids = get_ids(request, &n);
    uint64_t array_id = (uint64_t)get_int(request, "array", 0), missing = 0;
    if (json_object_get(request, "ids")) {
        for (size_t i = 0; i < n && !missing; i++)
            if (!add_by_id(d, list, ids[i], &f))
                missing = ids[i];
    } else if (array_id) {
        struct job *j = state_array(s, array_id);
        if (j)
            add_job(d, list, j, &f);
        else
            missing = array_id;
    } else {
        for (struct job *j; !f.is_cut && (j = state_next_job(s, &it));)
            add_job(d, list, j, &f);
    }
    free(ids);
    if (!missing) {
        connection_reply(c, id,
                         json_pack("{so sb sI}", "jobs", list, "more", (int)f.is_cut, "seq",
                                   (json_int_t)s->seq));
        return;
    }
    char *text = xasprintf("no %s has the id %" PRIu64, array_id ? "array" : "job", missing);
    connection_error(c, id, GW_ENOENT, text, NULL);
    free(text);
    json_decref(list);
}

static void serve_history(struct connection *c, json_int_t id, json_t *request)
{
    struct daemon *d = connection_daemon(c);
    uint64_t job = (uint64_t)get_int(request, "job", 0);
    struct job *j = state_job_of(engine_state(d->engine), job);
    json_t *found = json_array();
    if (j)
        connection_reply(c, id, json_pack("{so}", "attempts", view_history(d, j, job - j->id)));
    else if (add_archived(d, found, job, true))
        connection_reply(c, id, json_pack("{sO}", "attempts", json_array_get(found, 0)));
    else
        connection_error(c, id, GW_ENOENT, "no such job", NULL);
    json_decref(found);
}

/* --- hosts --- */

static json_t *host_places(struct daemon *d, json_t *host, const struct host *h,
                           const struct match_place *places, size_t n)
{
    json_t *queues = json_array();
    for (size_t i = 0; i < n; i++) {
        if (places[i].host != h)
            continue;
        json_t *q =
            json_deep_copy(json_array_get(json_object_get(host, "queues"), places[i].queue));
        json_object_set_new(q, "rank", json_real(places[i].rank));
        json_object_set_new(q, "slots", json_integer((json_int_t)host_free(h, places[i].queue)));
        json_array_append_new(queues, q);
    }
    (void)d;
    json_object_set(host, "queues", queues);
    return queues;
}

static void serve_match(struct connection *c, json_int_t id, uint64_t job)
{
    struct daemon *d = connection_daemon(c);
    struct job *j = state_job_of(engine_state(d->engine), job);
    if (!j) {
        connection_error(c, id, GW_ENOENT, "no such job", NULL);
        return;
    }
    size_t n_hosts, n;
    struct host *const *hosts = engine_hosts(d->engine, &n_hosts);
    struct match_place *places = engine_places(d->engine, j->spec->class, &n);
    json_t *list = json_array();
    for (size_t i = 0; i < n_hosts; i++) {
        json_t *host = view_host(d, hosts[i]);
        json_t *queues = host_places(d, host, hosts[i], places, n);
        if (json_array_size(queues))
            json_array_append(list, host);
        json_decref(queues);
        json_decref(host);
    }
    free(places);
    connection_reply(c, id, json_pack("{so}", "hosts", list));
}

static bool host_is_meant(const struct host *h, const char *name)
{
    char number[24];
    snprintf(number, sizeof number, "%" PRIu64, h->id);
    return !name || strcmp(h->name, name) == 0 || strcmp(number, name) == 0;
}

static void serve_hosts(struct connection *c, json_int_t id, json_t *request)
{
    struct daemon *d = connection_daemon(c);
    const char *name = get_text(request, "host");
    if (json_object_get(request, "match")) {
        serve_match(c, id, (uint64_t)get_int(request, "match", 0));
        return;
    }
    size_t n;
    struct host *const *hosts = engine_hosts(d->engine, &n);
    json_t *list = json_array();
    for (size_t i = 0; i < n; i++)
        if (host_is_meant(hosts[i], name))
            json_array_append_new(list, view_host(d, hosts[i]));
    if (name && json_array_size(list) == 0)
        connection_error(c, id, GW_ENOENT, "no such host", NULL);
    else
        connection_reply(c, id, json_pack("{sO}", "hosts", list));
    json_decref(list);
}

/* --- changes --- */

static void serve_wish(struct connection *c, json_int_t id, json_t *request)
{
    enum wish wish;
    const char *name = get_text(request, "wish");
    if (!name || !wish_of_name(name, &wish) || wish == WISH_ASLEEP) {
        connection_error(c, id, GW_EINVAL, "wish is one of gone, held, run", NULL);
        return;
    }
    size_t n;
    uint64_t *ids = get_ids(request, &n);
    struct input in = {.kind = IN_WISH,
                       .asker = connection_asker(c, id),
                       .wish = {.wish = wish,
                                .is_hard = get_bool(request, "hard", false),
                                .ids = ids,
                                .n_ids = n,
                                .array_id = (uint64_t)get_int(request, "array", 0)}};
    turn_input(connection_daemon(c), &in);
    free(ids);
}

static void serve_drain(struct connection *c, json_int_t id, json_t *request)
{
    struct input in = {.kind = IN_DRAIN,
                       .asker = connection_asker(c, id),
                       .drain = {.host = get_text(request, "host"),
                                 .is_drained = get_bool(request, "drained", true)}};
    if (in.drain.host)
        turn_input(connection_daemon(c), &in);
    else
        connection_error(c, id, GW_EINVAL, "drain needs the name of a host", NULL);
}

static void serve_pause(struct connection *c, json_int_t id, json_t *request)
{
    struct input in = {.kind = IN_PAUSE,
                       .asker = connection_asker(c, id),
                       .is_paused = get_bool(request, "paused", true)};
    turn_input(connection_daemon(c), &in);
}

static void serve_status(struct connection *c, json_int_t id, json_t *request)
{
    struct daemon *d = connection_daemon(c);
    const struct state *s = engine_state(d->engine);
    json_t *jobs = json_object();
    (void)request;
    for (int phase = 0; phase < PHASE_COUNT; phase++)
        json_object_set_new(jobs, phase_name((enum phase)phase),
                            json_integer((json_int_t)s->n_tasks[phase]));
    connection_reply(c, id,
                     json_pack("{ss ss sI sI sb so so}", "version", GW_VERSION, "instance",
                               s->instance, "epoch", (json_int_t)s->epoch, "seq",
                               (json_int_t)s->seq, "paused", (int)s->is_paused, "drivers",
                               drivers_json(d), "jobs", jobs));
}

static void serve_users(struct connection *c, json_int_t id, json_t *request)
{
    (void)request;
    connection_reply(c, id, json_pack("{so}", "users", view_users(connection_daemon(c))));
}

static void serve_unwatch(struct connection *c, json_int_t id, json_t *request)
{
    json_int_t watch = get_int(request, "watch", 0);
    watch_remove(c, watch);
    logs_remove(c, watch);
    connection_reply(c, id, json_object());
}

/* --- the table --- */

static const struct op ops[] = {
    {"submit",
     {{"template", 's'},
      {"file", 's'},
      {"home", 's'},
      {"tasks", 'i'},
      {"array", 'b'},
      {"start", 'n'},
      {"increment", 'n'},
      {"hold", 'b'},
      {"priority", 'i'},
      {"depends", 'I'},
      {"key", 's'},
      {"credential", 's'}},
     serve_submit},
    {"jobs",
     {{"ids", 'I'},
      {"array", 'i'},
      {"user", 's'},
      {"state", 's'},
      {"host", 's'},
      {"finished", 'b'},
      {"after", 'i'},
      {"limit", 'i'}},
     serve_jobs},
    {"hosts", {{"host", 's'}, {"match", 'i'}}, serve_hosts},
    {"wish", {{"wish", 's'}, {"ids", 'I'}, {"array", 'i'}, {"hard", 'b'}}, serve_wish},
    {"history", {{"job", 'i'}}, serve_history},
    {"watch", {{"from", 'i'}, {"ids", 'I'}, {"array", 'i'}}, watch_add},
    {"unwatch", {{"watch", 'i'}}, serve_unwatch},
    {"logs", {{"job", 'i'}, {"stream", 's'}, {"offset", 'i'}, {"follow", 'b'}}, logs_add},
    {"drain", {{"host", 's'}, {"drained", 'b'}}, serve_drain},
    {"pause", {{"paused", 'b'}}, serve_pause},
    {"status", {{0}}, serve_status},
    {"users", {{0}}, serve_users},
};

static bool ids_are_good(const json_t *list)
{
    if (!json_is_array(list))
        return false;
    for (size_t i = 0; i < json_array_size(list); i++)
        if (!json_is_integer(json_array_get(list, i)) ||
            json_integer_value(json_array_get(list, i)) < 0)
            return false;
    return true;
}

static bool type_fits(const json_t *v, char type)
{
    switch (type) {
    case 's':
        return json_is_string(v) && strlen(json_string_value(v)) == json_string_length(v);
    case 'i':
        return json_is_integer(v) && json_integer_value(v) >= 0;
    case 'n':
        return json_is_integer(v);
    case 'b':
        return json_is_boolean(v);
    default:
        return ids_are_good(v);
    }
}

/* The name of the first field that the operation does not take, or NULL. Null means absent. */
static const char *bad_field(const struct op *op, json_t *request)
{
    const char *name;
    json_t *v;
    json_object_foreach(request, name, v)
    {
        if (strcmp(name, "id") == 0 || strcmp(name, "op") == 0 || json_is_null(v))
            continue;
        const struct field *f = op->fields;
        while (f->name && strcmp(f->name, name) != 0)
            f++;
        if (!f->name || !type_fits(v, f->type))
            return name;
    }
    return NULL;
}

static void drop_nulls(json_t *request)
{
    const char *name;
    json_t *v;
    void *next;
    json_object_foreach_safe(request, next, name, v)
    {
        if (json_is_null(v))
            json_object_del(request, name);
    }
}

void ops_serve(struct connection *c, json_t *request)
{
    json_int_t id = get_int(request, "id", 0);
    const char *name = get_text(request, "op");
    const struct op *op = NULL;
    for (size_t i = 0; name && i < GW_COUNT(ops); i++)
        if (strcmp(ops[i].name, name) == 0)
            op = &ops[i];
    drop_nulls(request);
    const char *bad = op ? bad_field(op, request) : NULL;
    if (op && !bad) {
        op->serve(c, id, request);
        return;
    }
    char *text = op ? xasprintf("%s: field \"%.60s\" is unknown or of another type", op->name, bad)
                    : xasprintf("no operation is named \"%.60s\"", name ? name : "");
    connection_error(c, id, GW_EINVAL, text, NULL);
    free(text);
}

/* --- answers of the engine --- */

static json_t *ids_json(const uint64_t *ids, size_t n)
{
    json_t *list = json_array();
    for (size_t i = 0; i < n; i++)
        json_array_append_new(list, json_integer((json_int_t)ids[i]));
    return list;
}

void ops_reply(struct daemon *d, const struct asker *asker, const struct reply *r)
{
    struct connection *c = server_connection(d, asker->connection);
    if (!c)
        return;
    json_t *warnings = connection_take_warnings(c, asker->request);
    if (r->code) {
        connection_error(c, asker->request, (enum gw_errc)r->code, r->text, warnings);
        return;
    }
    if (r->job) {
        connection_reply(
            c, asker->request,
            json_pack("{sI sI so so}", "job", (json_int_t)r->job, "tasks", (json_int_t)r->tasks,
                      "array", r->array_id ? json_integer((json_int_t)r->array_id) : json_null(),
                      "warnings", warnings ? warnings : json_array()));
        return;
    }
    json_t *refused = json_array();
    for (size_t i = 0; i < r->n_refused; i++)
        json_array_append_new(refused, json_pack("{sI s{ss ss}}", "id",
                                                 (json_int_t)r->refused[i].id, "error", "code",
                                                 gw_errc_name((enum gw_errc)r->refused[i].code),
                                                 "message", r->refused[i].text));
    connection_reply(c, asker->request,
                     json_pack("{so so so}", "done", ids_json(r->done, r->n_done), "pending",
                               ids_json(r->pending, r->n_pending), "refused", refused));
}
