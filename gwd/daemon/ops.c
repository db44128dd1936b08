/* What clients may ask: one table of operations, with the fields that each takes. A field that is
 * not in the table, or of another type, is refused by name before the operation sees the request.
 */
#include "gwd/daemon/daemon.h"
#include "gwd/daemon/ops_private.h"
#include "gwd/daemon/request.h"
#include "lib/json_write.h"
#include "lib/mem.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

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
json_int_t asked_int(json_t *request, const char *name, json_int_t otherwise)
{
    json_t *v = json_object_get(request, name);
    return json_is_integer(v) ? json_integer_value(v) : otherwise;
}

const char *asked_text(json_t *request, const char *name)
{
    return json_string_value(json_object_get(request, name));
}

bool asked_bool(json_t *request, const char *name, bool otherwise)
{
    json_t *v = json_object_get(request, name);
    return json_is_boolean(v) ? json_is_true(v) : otherwise;
}

uint64_t *asked_ids(json_t *request, size_t *ret_n)
{
    json_t *list = json_object_get(request, "ids");
    size_t n = json_array_size(list);
    uint64_t *ids = xcalloc(n, sizeof *ids);
    for (size_t i = 0; i < n; i++)
        ids[i] = (uint64_t)json_integer_value(json_array_get(list, i));
    *ret_n = n;
    return ids;
}
/* --- changes --- */

/* One wish is one step and one turn, and an event for each id. */
enum { WISH_MAX_IDS = 10000 };

static void serve_wish(struct connection *c, json_int_t id, json_t *request)
{
    enum wish wish;
    const char *name = asked_text(request, "wish");
    if (!name || !wish_of_name(name, &wish) || wish == WISH_ASLEEP) {
        connection_error(c, id, GW_EINVAL, "wish is one of gone, held, run", NULL);
        return;
    }
    if (json_array_size(json_object_get(request, "ids")) > WISH_MAX_IDS) {
        connection_error(c, id, GW_EINVAL, "ids: at most 10000 in one wish", NULL);
        return;
    }
    size_t n;
    uint64_t *ids = asked_ids(request, &n);
    struct input in = {.kind = IN_WISH,
                       .asker = connection_asker(c, id),
                       .wish = {.wish = wish,
                                .is_hard = asked_bool(request, "hard", false),
                                .ids = ids,
                                .n_ids = n,
                                .array_id = (uint64_t)asked_int(request, "array", 0)}};
    turn_input(connection_daemon(c), &in);
    free(ids);
}

static void serve_drain(struct connection *c, json_int_t id, json_t *request)
{
    struct input in = {.kind = IN_DRAIN,
                       .asker = connection_asker(c, id),
                       .drain = {.host = asked_text(request, "host"),
                                 .is_drained = asked_bool(request, "drained", true)}};
    if (in.drain.host)
        turn_input(connection_daemon(c), &in);
    else
        connection_error(c, id, GW_EINVAL, "drain needs the name of a host", NULL);
}

static void serve_pause(struct connection *c, json_int_t id, json_t *request)
{
    struct input in = {.kind = IN_PAUSE,
                       .asker = connection_asker(c, id),
                       .is_paused = asked_bool(request, "paused", true)};
    turn_input(connection_daemon(c), &in);
}

static void serve_status(struct connection *c, json_int_t id, json_t *request)
{
    struct daemon *d = connection_daemon(c);
    const struct state *s = engine_state(d->engine);
    json_t *drivers = drivers_json(c);
    char *drivers_text = json_dumps(drivers, JSON_COMPACT);
    struct buf *out = connection_answer(c, id);
    (void)request;
    json_put_text(out, "version", GW_VERSION);
    json_put_text(out, "instance", s->instance);
    json_put_uint(out, "epoch", s->epoch);
    json_put_uint(out, "seq", s->seq);
    json_put_bool(out, "paused", s->is_paused);
    if (engine_notice(d->engine))
        json_put_text(out, "notice", engine_notice(d->engine));
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
    view_users(c, connection_answer(c, id));
    connection_answer_end(c);
}

static void serve_unwatch(struct connection *c, json_int_t id, json_t *request)
{
    json_int_t watch = asked_int(request, "watch", 0);
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
     ops_submit},
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
     ops_jobs},
    {"hosts", {{"host", 's'}, {"match", 'i'}}, ops_hosts},
    {"wish", {{"wish", 's'}, {"ids", 'I'}, {"array", 'i'}, {"hard", 'b'}}, serve_wish},
    {"history", {{"job", 'i'}}, ops_history},
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

static const struct op *op_of(json_t *request)
{
    const char *name = asked_text(request, "op");
    for (size_t i = 0; name && i < GW_COUNT(ops); i++)
        if (strcmp(ops[i].name, name) == 0)
            return &ops[i];
    return NULL;
}

int ops_check(json_t *request, struct gw_err *err)
{
    const struct op *op = op_of(request);
    const char *name = asked_text(request, "op");
    drop_nulls(request);
    const char *bad = op ? bad_field(op, request) : NULL;
    if (!op)
        return gw_err_set(err, GW_EINVAL, "no operation is named \"%.60s\"", name ? name : "");
    return bad ? gw_err_set(err, GW_EINVAL, "%s: field \"%.60s\" is unknown or of another type",
                            op->name, bad)
               : 0;
}

void ops_serve(struct connection *c, json_t *request)
{
    struct gw_err err;
    json_int_t id = asked_int(request, "id", 0);
    if (ops_check(request, &err) < 0)
        connection_error(c, id, GW_EINVAL, err.text, NULL);
    else
        op_of(request)->serve(c, id, request);
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
        put_ids(out, "ended", r->ended, r->n_ended);
        put_refused(out, r);
        json_decref(warnings);
    }
    connection_answer_end(c);
}
