/* What clients may ask: one table of operations, with the fields that each takes. A field that is
 * not in the table, or of another type, is refused by name before the operation sees the request.
 */
#include "gwd/daemon/daemon.h"
#include "gwd/daemon/settings.h"
#include "lib/json_write.h"
#include "lib/mem.h"
#include "lib/num.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <sys/statvfs.h>
#include <unistd.h>

struct field {
    const char *name;
    char
        type; /* s string, i integer >= 0, n integer, b boolean, I list of ids, S list of strings */
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

/* Asked for once a second at most. */
static bool has_space(struct connection *c, json_int_t id)
{
    enum { AGE_MS = 1000 };
    static uint64_t looked_ms;
    static bool has = false;
    struct daemon *d = connection_daemon(c);
    struct statvfs fs;
    if (!has || uv_now(d->loop) - looked_ms >= AGE_MS) {
        has = statvfs(settings_state_dir(d->settings), &fs) < 0 ||
              (uint64_t)fs.f_bavail * fs.f_frsize >= settings_min_free_bytes(d->settings);
        looked_ms = uv_now(d->loop);
    }
    if (!has)
        connection_error(c, id, GW_ENOSPC,
                         "the daemon's disk is nearly full; it takes no jobs until space is made",
                         NULL);
    return has;
}

/* Templates that were found good lately: who submits a thousand jobs mostly sends one text. */
struct known_template {
    uint64_t hash;
    char *file, *source;
    json_t *warnings; /* or NULL */
    int priority;
};
enum { KNOWN_TEMPLATES = 64, KNOWN_TEMPLATE_MAX_BYTES = 65536 };
static struct known_template known[KNOWN_TEMPLATES];

void ops_free(void)
{
    for (size_t i = 0; i < GW_COUNT(known); i++) {
        free(known[i].file);
        free(known[i].source);
        json_decref(known[i].warnings);
        known[i] = (struct known_template){0};
    }
}

static struct known_template *known_slot(const char *file, const char *source, uint64_t *ret_hash)
{
    *ret_hash = num_fnv64(source, strlen(source)) ^ num_fnv64(file, strlen(file));
    return &known[*ret_hash % KNOWN_TEMPLATES];
}

static void know(struct known_template *k, uint64_t hash, const char *file, const char *source,
                 const struct known_template *checked)
{
    if (strlen(source) + strlen(file) > KNOWN_TEMPLATE_MAX_BYTES)
        return;
    free(k->file);
    free(k->source);
    json_decref(k->warnings);
    *k = (struct known_template){.hash = hash,
                                 .file = xstrdup(file),
                                 .source = xstrdup(source),
                                 .warnings = json_incref(checked->warnings),
                                 .priority = checked->priority};
}

/* Check a template. On success *ret has its priority, and its warnings for the caller to release;
 * else the client has been told. */
static bool check_template(struct connection *c, json_int_t id, const char *file,
                           const char *source, struct known_template *ret)
{
    uint64_t hash;
    struct known_template *k = known_slot(file, source, &hash);
    if (k->source && k->hash == hash && strcmp(k->source, source) == 0 &&
        strcmp(k->file, file) == 0) {
        *ret = *k;
        json_incref(ret->warnings);
        return true;
    }
    struct diags d;
    struct template *t = NULL;
    diags_init(&d, file, source);
    int r = template_parse(source, strlen(source), file, &t, &d);
    diags_sort(&d);
    if (r < 0) {
        connection_error(c, id, GW_EINVAL, "the job template has errors", diagnostics_json(&d));
    } else {
        *ret = (struct known_template){.priority = t->priority,
                                       .warnings = d.n ? diagnostics_json(&d) : NULL};
        know(k, hash, file, source, ret);
    }
    template_destroy(t);
    diags_clear(&d);
    return r == 0;
}

static void submit_checked(struct connection *c, json_int_t id, json_t *request,
                           int template_priority)
{
    struct asker asker = connection_asker(c, id);
    json_t *priority = json_object_get(request, "priority");
    const char *given = get_text(request, "credential");
    /* Where grid-proxy-init puts it. */
    char *credential = given ? xstrdup(given) : xasprintf("/tmp/x509up_u%" PRIu64, asker.uid);
    struct submission sub = {.source = get_text(request, "template"),
                             .file = get_text(request, "file"),
                             .home = get_text(request, "home"),
                             .key = get_text(request, "key"),
                             .owner = {.user = (char *)connection_user(c),
                                       .uid = asker.uid,
                                       .gid = connection_gid(c),
                                       .credential = credential},
                             .tasks = (uint64_t)get_int(request, "tasks", 1),
                             .is_array = get_bool(request, "array", false),
                             .is_held = get_bool(request, "hold", false),
                             .start = get_int(request, "start", 0),
                             .increment = get_int(request, "increment", 1),
                             .priority = json_is_integer(priority) ? json_integer_value(priority)
                                                                   : template_priority};
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
    struct known_template checked;
    if (!check_template(c, id, file ? file : "stdin", source, &checked))
        return;
    connection_note_warnings(c, id, checked.warnings);
    submit_checked(c, id, request, checked.priority);
}

/* --- jobs --- */

/* A listing: what is wanted, and the answer as it grows. The loop is not held for longer than
 * LISTING_MAX_US: what does not fit is asked for again, from `next` on. */
enum { LISTING_MAX_US = 4000, LISTING_LOOK_EVERY = 64, LISTING_MAX_BYTES = 8 << 20 };

struct listing {
    struct daemon *d;
    struct buf *out;
    const char *user, *states, *host;
    uint64_t wanted; /* members */
    bool has_finished;
    uint64_t limit, n; /* at most, and so far */
    uint64_t next;     /* the last id that was looked at */
    bool is_cut;       /* there are more */
    unsigned looked;
    int64_t end_us;
    size_t begin;                /* where in `out` it began */
    const struct job_spec *spec; /* the last that was compared with `user` */
    bool is_users;
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

/* Equal submissions share their spec, and follow each other: one comparison serves them all. */
static bool is_users(struct listing *l, const struct job_spec *spec)
{
    if (l->user && l->spec != spec) {
        l->spec = spec;
        l->is_users = strcmp(spec->owner.user, l->user) == 0;
    }
    return !l->user || l->is_users;
}

static bool is_wanted(const struct listing *l, const struct job *j, uint64_t index)
{
    const struct task *t = job_task(j, index);
    if (!l->has_finished && phase_is_final(job_task_phase(j, index)))
        return false;
    if (l->states && !state_is_wanted(l->states, view_state(j, index)))
        return false;
    return !l->host || (t && t->n_attempts && strstr(t->attempts[t->n_attempts - 1].host, l->host));
}

static bool is_over_time(struct listing *l)
{
    return ++l->looked % LISTING_LOOK_EVERY == 0 &&
           (clock_mono_us() > l->end_us || l->out->len - l->begin > LISTING_MAX_BYTES);
}

static void add_task(struct listing *l, const struct job *j, uint64_t index)
{
    if (!is_users(l, j->spec) || !is_wanted(l, j, index))
        return;
    l->n++;
    view_job(l->d, j, index, l->wanted, l->out);
}

static void add_job(struct listing *l, const struct job *j, uint64_t after)
{
    uint64_t i = after < j->id ? 0 : after - j->id + 1;
    if (i < j->tasks && !is_users(l, j->spec)) {
        l->next = j->id + j->tasks - 1;
        l->is_cut = is_over_time(l);
        return;
    }
    for (; i < j->tasks && !l->is_cut; i++) {
        if (l->n == l->limit) {
            l->is_cut = is_wanted(l, j, i);
            if (l->is_cut)
                return;
        }
        add_task(l, j, i);
        l->next = j->id + i;
        l->is_cut = is_over_time(l);
    }
}

/* One that has left the live state in the time of an earlier version; NULL when there is none. */
static json_t *archived_text(struct daemon *d, uint64_t id, bool wants_history)
{
    char *job = NULL, *history = NULL;
    if (store_find_archived_text(d->store, id, &job, &history, NULL) != 1)
        return NULL;
    json_t *o = json_loads(wants_history ? history : job, 0, NULL);
    free(job);
    free(history);
    return o;
}

static bool add_archived_text(struct listing *l, uint64_t id)
{
    json_t *o = archived_text(l->d, id, false), *v;
    const char *name;
    void *next;
    if (!o)
        return false;
    json_object_foreach_safe(o, next, name, v)
    {
        if (l->wanted != VIEW_ALL && !(view_member(name) & l->wanted))
            json_object_del(o, name);
    }
    char *text = json_dumps(o, JSON_COMPACT);
    json_put_raw(l->out, NULL, text, strlen(text));
    free(text);
    json_decref(o);
    return true;
}

static bool add_archived(struct listing *l, uint64_t id)
{
    struct state past;
    state_init(&past);
    bool is_there = store_find_archived(l->d->store, id, &past, NULL) == 1;
    const struct job *j = is_there ? state_job_of(&past, id) : NULL;
    if (j)
        view_job(l->d, j, id - j->id, l->wanted, l->out);
    state_clear(&past);
    return is_there || add_archived_text(l, id);
}

static bool add_by_id(struct listing *l, uint64_t id)
{
    struct job *j = state_job_of(engine_state(l->d->engine), id);
    if (!j)
        return add_archived(l, id);
    add_task(l, j, id - j->id);
    return true;
}

/* The id that does not exist, or 0. */
static uint64_t list_ids(struct listing *l, const json_t *ids)
{
    size_t i;
    json_t *id;
    json_array_foreach(ids, i, id)
    {
        if (!add_by_id(l, (uint64_t)json_integer_value(id)))
            return (uint64_t)json_integer_value(id);
    }
    return 0;
}

static void list_all(struct listing *l, uint64_t after)
{
    struct state *s = engine_state(l->d->engine);
    size_t it = state_seek_job(s, after);
    uint32_t user = l->user ? state_user(s, l->user) : 0;
    for (struct job *j;
         !l->is_cut && (j = l->user ? state_next_job_of(s, user, &it) : state_next_job(s, &it));)
        add_job(l, j, after);
    /* Cut by the time, at the very last job. */
    l->is_cut = l->is_cut && l->next + 1 < s->next_job;
}

/* Bits of the members named, or 0 when the client was told that one does not exist. */
static uint64_t wanted_members(struct connection *c, json_int_t id, const json_t *names)
{
    uint64_t wanted = 0;
    size_t i;
    json_t *name;
    if (!names)
        return VIEW_ALL;
    json_array_foreach(names, i, name)
    {
        uint64_t bit = view_member(json_string_value(name));
        if (!bit) {
            connection_error(c, id, GW_EINVAL, "fields: a job has no member of that name", NULL);
            return 0;
        }
        wanted |= bit;
    }
    if (!wanted)
        connection_error(c, id, GW_EINVAL, "fields: name at least one", NULL);
    return wanted;
}

static void listing_init(struct listing *l, struct connection *c, json_t *request, uint64_t wanted)
{
    *l = (struct listing){.d = connection_daemon(c),
                          .user = get_text(request, "user"),
                          .states = get_text(request, "state"),
                          .host = get_text(request, "host"),
                          .wanted = wanted,
                          .has_finished = get_bool(request, "finished", true),
                          .next = (uint64_t)get_int(request, "after", 0),
                          .limit = (uint64_t)get_int(request, "limit", INT64_MAX),
                          .end_us = clock_mono_us() + LISTING_MAX_US};
}

static void serve_jobs(struct connection *c, json_int_t id, json_t *request)
{
    struct listing l;
    uint64_t array_id = (uint64_t)get_int(request, "array", 0), missing = 0;
    uint64_t wanted = wanted_members(c, id, json_object_get(request, "fields"));
    const json_t *ids = json_object_get(request, "ids");
    if (!wanted)
        return;
    listing_init(&l, c, request, wanted);
    struct state *s = engine_state(l.d->engine);
    struct job *array = array_id && !ids ? state_array(s, array_id) : NULL;
    size_t before = connection_line(c)->len;
    l.out = connection_answer(c, id);
    l.begin = l.out->len;
    json_begin(l.out, "jobs", '[');
    if (ids)
        missing = list_ids(&l, ids);
    else if (array)
        add_job(&l, array, l.next);
    else if (array_id)
        missing = array_id;
    else
        list_all(&l, l.next);
    if (missing) { /* the answer is another one */
        buf_cut(l.out, before);
        char *text = xasprintf("no %s has the id %" PRIu64, ids ? "job" : "array", missing);
        connection_error(c, id, GW_ENOENT, text, NULL);
        free(text);
        return;
    }
    json_end(l.out, ']');
    json_put_bool(l.out, "more", l.is_cut && (!array || l.next + 1 < array->id + array->tasks));
    json_put_uint(l.out, "next", l.next);
    json_put_uint(l.out, "seq", s->seq);
    connection_answer_end(c);
}

static void serve_history(struct connection *c, json_int_t id, json_t *request)
{
    struct daemon *d = connection_daemon(c);
    uint64_t job = (uint64_t)get_int(request, "job", 0);
    struct job *j = state_job_of(engine_state(d->engine), job);
    struct state past;
    json_t *text = NULL;
    state_init(&past);
    if (!j && store_find_archived(d->store, job, &past, NULL) == 1)
        j = state_job_of(&past, job);
    if (j) {
        view_history(d, j, job - j->id, "attempts", connection_answer(c, id));
        connection_answer_end(c);
    } else if ((text = archived_text(d, job, true))) {
        connection_send(c, json_pack("{sI sb sO}", "id", id, "ok", 1, "attempts", text));
    } else {
        connection_error(c, id, GW_ENOENT, "no such job", NULL);
    }
    json_decref(text);
    state_clear(&past);
}

/* --- hosts --- */

static bool has_place(const struct host *h, const struct match_place *places, size_t n)
{
    for (size_t i = 0; i < n; i++)
        if (places[i].host == h)
            return true;
    return false;
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
    struct buf *out = connection_answer(c, id);
    json_begin(out, "hosts", '[');
    for (size_t i = 0; i < n_hosts; i++)
        if (has_place(hosts[i], places, n))
            view_host(d, hosts[i], places, n, out);
    json_end(out, ']');
    free(places);
    connection_answer_end(c);
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
    size_t n, n_meant = 0;
    struct host *const *hosts = engine_hosts(d->engine, &n);
    for (size_t i = 0; i < n; i++)
        n_meant += host_is_meant(hosts[i], name);
    if (name && n_meant == 0) {
        connection_error(c, id, GW_ENOENT, "no such host", NULL);
        return;
    }
    struct buf *out = connection_answer(c, id);
    json_begin(out, "hosts", '[');
    for (size_t i = 0; i < n; i++)
        if (host_is_meant(hosts[i], name))
            view_host(d, hosts[i], NULL, 0, out);
    json_end(out, ']');
    connection_answer_end(c);
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
    json_t *drivers = drivers_json(d);
    char *drivers_text = json_dumps(drivers, JSON_COMPACT);
    struct buf *out = connection_answer(c, id);
    (void)request;
    json_put_text(out, "version", GW_VERSION);
    json_put_text(out, "instance", s->instance);
    json_put_uint(out, "epoch", s->epoch);
    json_put_uint(out, "seq", s->seq);
    json_put_bool(out, "paused", s->is_paused);
    json_put_raw(out, "drivers", drivers_text, strlen(drivers_text));
    json_begin(out, "jobs", '{');
    for (int phase = 0; phase < PHASE_COUNT; phase++)
        json_put_uint(out, phase_name((enum phase)phase), s->n_tasks[phase]);
    json_end(out, '}');
    connection_answer_end(c);
    json_decref(drivers);
    free(drivers_text);
}

static void serve_users(struct connection *c, json_int_t id, json_t *request)
{
    (void)request;
    view_users(connection_daemon(c), connection_answer(c, id));
    connection_answer_end(c);
}

static void serve_unwatch(struct connection *c, json_int_t id, json_t *request)
{
    json_int_t watch = get_int(request, "watch", 0);
    watch_remove(c, watch);
    logs_remove(c, watch);
    connection_answer(c, id);
    connection_answer_end(c);
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
      {"fields", 'S'},
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

static bool names_are_good(const json_t *list)
{
    if (!json_is_array(list))
        return false;
    for (size_t i = 0; i < json_array_size(list); i++)
        if (!json_is_string(json_array_get(list, i)))
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
    case 'S':
        return names_are_good(v);
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

static void put_ids(struct buf *out, const char *name, const uint64_t *ids, size_t n)
{
    json_begin(out, name, '[');
    for (size_t i = 0; i < n; i++)
        json_put_uint(out, NULL, ids[i]);
    json_end(out, ']');
}

static void put_warnings(struct buf *out, json_t *warnings)
{
    char *text = warnings ? json_dumps(warnings, JSON_COMPACT) : NULL;
    json_put_raw(out, "warnings", text ? text : "[]", text ? strlen(text) : 2);
    free(text);
    json_decref(warnings);
}

static void put_refused(struct buf *out, const struct reply *r)
{
    json_begin(out, "refused", '[');
    for (size_t i = 0; i < r->n_refused; i++) {
        json_begin(out, NULL, '{');
        json_put_uint(out, "id", r->refused[i].id);
        json_begin(out, "error", '{');
        json_put_text(out, "code", gw_errc_name((enum gw_errc)r->refused[i].code));
        json_put_text(out, "message", r->refused[i].text);
        json_end(out, '}');
        json_end(out, '}');
    }
    json_end(out, ']');
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
    struct buf *out = connection_answer(c, asker->request);
    if (r->job) {
        json_put_uint(out, "job", r->job);
        json_put_uint(out, "tasks", r->tasks);
        if (r->array_id)
            json_put_uint(out, "array", r->array_id);
        else
            json_put_null(out, "array");
        put_warnings(out, warnings);
    } else {
        put_ids(out, "done", r->done, r->n_done);
        put_ids(out, "pending", r->pending, r->n_pending);
        put_refused(out, r);
        json_decref(warnings);
    }
    connection_answer_end(c);
}
