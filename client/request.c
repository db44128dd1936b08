/* Requests, answers and streams over one connection. Lines that come for others meanwhile are kept,
 * bounded. */
#include "client/client_private.h"
#include "lib/mem.h"

#include <stdlib.h>
#include <string.h>

int64_t request_end(struct gw *gw, size_t from, const char *op, struct gw_err *err)
{
    buf_putc(&gw->out, '\n');
    size_t len = gw->out.len - from;
    if (len <= REQUEST_MAX_BYTES)
        return ++gw->last_id;
    buf_cut(&gw->out, from);
    return gw_err_set(err, GW_EINVAL, "%s: the request has %zu bytes; at most %d are allowed", op,
                      len, REQUEST_MAX_BYTES);
}

int64_t gw_start(struct gw *gw, const char *op, json_t *fields, struct gw_err *err)
{
    size_t from = gw->out.len;
    json_object_set_new(fields, "id", json_integer(gw->last_id + 1));
    json_object_set_new(fields, "op", json_string(op));
    char *text = json_dumps(fields, JSON_COMPACT);
    json_decref(fields);
    if (!text)
        return gw_err_set(err, GW_EINVAL, "%s: a value is not UTF-8", op);
    buf_puts(&gw->out, text);
    free(text);
    int64_t id = request_end(gw, from, op, err);
    int r = id < 0 ? 0 : connection_flush(gw, err);
    return r < 0 ? r : id;
}

static int keep(struct gw *gw, json_t *object, size_t size, struct gw_err *err)
{
    if (gw->backlog + size > BACKLOG_MAX_BYTES) {
        json_decref(object);
        connection_drop(gw);
        return gw_err_set(err, GW_EPROTO, "gwd at %s sent more than %d bytes that nobody asked for",
                          gw->socket, BACKLOG_MAX_BYTES);
    }
    struct line *l = xcalloc(1, sizeof *l);
    *l = (struct line){.id = gw_int(object, "id", 0), .size = size, .object = object};
    *gw->last = l;
    gw->last = &l->next;
    gw->backlog += size;
    return 0;
}

static json_t *take_kept(struct gw *gw, int64_t id)
{
    for (struct line **at = &gw->first; *at; at = &(*at)->next) {
        struct line *l = *at;
        if (l->id != id)
            continue;
        json_t *object = l->object;
        *at = l->next;
        if (!l->next)
            gw->last = at;
        gw->backlog -= l->size;
        free(l);
        return object;
    }
    return NULL;
}

/* The next line for `id`: 1, 0 at the deadline, or a negative code. */
static int next_line(struct gw *gw, int64_t id, int64_t deadline_ms, json_t **ret,
                     struct gw_err *err)
{
    json_t *line = take_kept(gw, id);
    size_t size;
    int r = line ? 0 : connection_greet(gw, err);
    if (r < 0)
        return r;
    while (!line) {
        r = connection_read(gw, deadline_ms, &line, &size, err);
        if (r <= 0)
            return r;
        if (gw_int(line, "id", 0) == id)
            break;
        if (gw_is_null(line, "id") && line_is_refusal(line)) { /* the daemon's last words */
            r = refusal_take(gw, line, err);
            json_decref(line);
            connection_drop(gw);
            return r;
        }
        r = keep(gw, line, size, err);
        if (r < 0)
            return r;
        line = NULL;
    }
    *ret = line;
    return 1;
}

static enum gw_errc code_of_name(const char *name)
{
    for (int code = GW_EINVAL; code <= GW_EINTERNAL; code++)
        if (strcmp(gw_errc_name((enum gw_errc)code), name) == 0)
            return (enum gw_errc)code;
    return GW_EPROTO;
}

int refusal_take(struct gw *gw, const json_t *line, struct gw_err *err)
{
    const json_t *error = gw_object(line, "error");
    json_decref(gw->refusal);
    gw->refusal = error ? json_incref((json_t *)error) : NULL;
    const char *code = gw_text(error, "code", "protocol");
    return gw_err_set(err, code_of_name(code), "%s", gw_text(error, "message", code));
}

bool line_is_refusal(const json_t *line)
{
    return json_is_false(json_object_get(line, "ok"));
}

int gw_answer(struct gw *gw, int64_t id, json_t **ret_answer, struct gw_err *err)
{
    json_t *line;
    int r = next_line(gw, id, client_deadline(gw->timeout_ms), &line, err);
    if (r == 0) {
        connection_drop(gw);
        return gw_err_set(err, GW_ETIMEDOUT,
                          "gwd at %s did not answer within %lld s: the outcome is unknown",
                          gw->socket, (long long)(gw->timeout_ms + 999) / 1000);
    }
    return r < 0 ? r : answer_check(gw, line, ret_answer, err);
}

int answer_check(struct gw *gw, json_t *line, json_t **ret_answer, struct gw_err *err)
{
    if (!json_is_true(json_object_get(line, "ok"))) {
        int r = refusal_take(gw, line, err);
        json_decref(line);
        return r;
    }
    json_decref(gw->refusal);
    gw->refusal = NULL;
    if (ret_answer)
        *ret_answer = line;
    else
        json_decref(line);
    return 0;
}

int gw_request(struct gw *gw, const char *op, json_t *fields, json_t **ret_answer,
               struct gw_err *err)
{
    int64_t id = gw_start(gw, op, fields, err);
    return id < 0 ? (int)id : gw_answer(gw, id, ret_answer, err);
}

const json_t *gw_refusal(const struct gw *gw)
{
    return gw->refusal;
}

int gw_next(struct gw *gw, int64_t id, int64_t timeout_ms, json_t **ret_line, struct gw_err *err)
{
    json_t *line;
    int r = next_line(gw, id, client_deadline(timeout_ms), &line, err);
    if (r <= 0)
        return r;
    if (line_is_refusal(line)) {
        r = refusal_take(gw, line, err);
        json_decref(line);
        return r;
    }
    *ret_line = line;
    return 1;
}

static int wish_once(struct gw *gw, const char *wish, const uint64_t *ids, size_t n, uint64_t array,
                     bool is_hard, json_t **ret_answer, struct gw_err *err)
{
    json_t *fields = json_pack("{ss sb}", "wish", wish, "hard", (int)is_hard);
    if (array)
        json_object_set_new(fields, "array", json_integer((json_int_t)array));
    else
        json_object_set_new(fields, "ids", gw_ids(ids, n));
    return gw_request(gw, "wish", fields, ret_answer, err);
}

/* Append what another answer has; taken over. */
static void add_answer(json_t *all, json_t *answer)
{
    const char *name;
    json_t *list;
    json_object_foreach(answer, name, list)
    {
        if (json_is_array(list) && json_is_array(json_object_get(all, name)))
            json_array_extend(json_object_get(all, name), list);
    }
    json_decref(answer);
}

int gw_wish(struct gw *gw, const char *wish, const uint64_t *ids, size_t n, uint64_t array,
            bool is_hard, json_t **ret_answer, struct gw_err *err)
{
    enum { AT_ONCE = 10000 }; /* as many as the daemon takes in one step */
    struct gw_err why = {0};
    json_t *all = NULL, *answer = NULL;
    size_t at = 0;
    int r;
    do {
        size_t part = n - at < AT_ONCE ? n - at : AT_ONCE;
        r = wish_once(gw, wish, ids + at, part, array, is_hard, &answer, &why);
        at += part;
        if (r == 0 && !all)
            all = answer;
        else if (r == 0)
            add_answer(all, answer);
    } while (r == 0 && at < n);
    if (r == 0) {
        *ret_answer = all;
        return 0;
    }
    json_decref(all);
    if (r == -GW_EUNAVAIL && gw->fd < 0)
        return gw_err_set(
            err, GW_EUNAVAIL,
            "%s: it is unknown what was done; gwps shows it, and asking again does no harm",
            why.text);
    return gw_err_set(err, (enum gw_errc)why.code, "%s", why.text);
}
