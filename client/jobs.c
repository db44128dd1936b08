/* Listings of any length: an answer is one line, so they come in pages. */
#include "client/client_private.h"
#include "lib/mem.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { AT_ONCE = 5000, IDS_AT_ONCE = 1000 };

struct listing {
    struct gw *gw;
    const struct gw_listing *l;
    int64_t seq; /* of the first answer; -1 before */
    bool is_more;
    int64_t
        next; /* where the last answer stopped: an id; of ids that were named, how many it has */
};

static void take_tail(struct listing *s, const json_t *answer, int64_t last)
{
    if (s->seq < 0)
        s->seq = gw_int(answer, "seq", 0);
    s->is_more = gw_bool(answer, "more", false);
    s->next = gw_int(answer, "next", last);
}

/* An answer that was read as JSON; taken over. */
static int take_answer(struct listing *s, json_t *answer, struct gw_err *err)
{
    const json_t *jobs = gw_array(answer, "jobs");
    int r;
    if (!jobs) {
        r = gw_err_set(err, GW_EPROTO, "gwd answered a question for jobs without jobs");
    } else {
        json_t *last = json_array_get(jobs, json_array_size(jobs) - 1);
        take_tail(s, answer, gw_int(last, "id", 0));
        char *text = s->l->is_text ? json_dumps(jobs, JSON_COMPACT) : NULL;
        size_t len = text ? strlen(text) : 0;
        r = s->l->on_page(s->l->ctx, jobs, text ? text + 1 : NULL, len ? len - 2 : 0, err);
        free(text);
    }
    json_decref(answer);
    return r;
}

/* The answer's line as gwd writes it: the jobs between a head that says that they are what was
 * asked for, and a tail without brackets. False: it is another line. */
static bool split(const char *line, size_t len, int64_t id, const char **ret_jobs, size_t *ret_len,
                  json_t **ret_tail)
{
    char head[64];
    int n = snprintf(head, sizeof head, "{\"id\":%" PRId64 ",\"ok\":true,\"jobs\":[", id);
    const char *end = len > (size_t)n && memcmp(line, head, (size_t)n) == 0
                          ? memrchr(line + n, ']', len - (size_t)n)
                          : NULL;
    if (!end || end + 1 == line + len || end[1] != ',')
        return false;
    size_t tail_len = (size_t)(line + len - end - 1);
    char *tail = xmemdup0(end + 1, tail_len);
    tail[0] = '{';
    *ret_tail = json_loadb(tail, tail_len, JSON_REJECT_DUPLICATES, NULL);
    *ret_jobs = line + n;
    *ret_len = (size_t)(end - line) - (size_t)n;
    free(tail);
    return json_is_object(*ret_tail);
}

/* The line of an answer that will not be looked into. Another one that comes first is not for this
 * call: who lists as text has nothing else open. */
static int take_text(struct listing *s, int64_t id, struct gw_err *err)
{
    const char *line, *jobs;
    size_t len, jobs_len;
    json_t *tail = NULL, *answer;
    int r = connection_greet(s->gw, err);
    if (r == 0)
        r = connection_read_text(s->gw, client_deadline(s->gw->timeout_ms), &line, &len, err);
    if (r == 0) {
        connection_drop(s->gw);
        return gw_err_set(err, GW_ETIMEDOUT, "gwd at %s did not answer in time", s->gw->socket);
    }
    if (r < 0)
        return r;
    if (split(line, len, id, &jobs, &jobs_len, &tail)) {
        take_tail(s, tail, 0);
        json_decref(tail);
        return s->l->on_page(s->l->ctx, NULL, jobs, jobs_len, err);
    }
    json_decref(tail);
    r = connection_parse(s->gw, line, len, &answer, err);
    if (r == 0)
        r = answer_check(s->gw, answer, &answer, err);
    return r < 0 ? r : take_answer(s, answer, err);
}

/* One page. */
static int ask(struct listing *s, json_t *fields, struct gw_err *err)
{
    json_t *answer;
    int64_t id = gw_start(s->gw, "jobs", fields, err);
    if (id < 0)
        return (int)id;
    if (s->l->is_text && !s->gw->first)
        return take_text(s, id, err);
    int r = gw_answer(s->gw, id, &answer, err);
    return r < 0 ? r : take_answer(s, answer, err);
}

static int list_ids(struct listing *s, const json_t *ids, struct gw_err *err)
{
    int r = 0;
    size_t n = json_array_size(ids);
    for (size_t i = 0, end; i < n && r >= 0; i = end) {
        json_t *fields = json_copy((json_t *)s->l->filter), *some = json_array();
        for (end = i; end < n && end - i < IDS_AT_ONCE; end++)
            json_array_append(some, json_array_get(ids, end));
        json_object_set_new(fields, "ids", some);
        r = ask(s, fields, err);
        if (s->is_more && s->next > 0 && i + (size_t)s->next < end)
            end = i + (size_t)s->next;
    }
    return r;
}

static int list_all(struct listing *s, struct gw_err *err)
{
    int r = 0;
    int64_t after = 0;
    for (s->is_more = true; s->is_more && r >= 0; after = s->next) {
        json_t *fields = json_copy((json_t *)s->l->filter);
        json_object_set_new(fields, "after", json_integer(after));
        json_object_set_new(fields, "limit", json_integer(AT_ONCE));
        r = ask(s, fields, err);
        if (r >= 0 && s->is_more && s->next <= after)
            r = gw_err_set(err, GW_EPROTO, "gwd listed jobs in another order than by id");
    }
    return r;
}

int gw_list(struct gw *gw, const struct gw_listing *l, int64_t *ret_seq, struct gw_err *err)
{
    struct listing s = {.gw = gw, .l = l, .seq = -1};
    const json_t *ids = gw_array(l->filter, "ids");
    int r = ids ? list_ids(&s, ids, err) : list_all(&s, err);
    if (r >= 0 && ret_seq)
        *ret_seq = s.seq;
    return r < 0 ? r : 0;
}

static int collect(void *ctx, const json_t *jobs, const char *text, size_t len, struct gw_err *err)
{
    (void)text;
    (void)len;
    (void)err;
    return json_array_extend(ctx, (json_t *)jobs);
}

int gw_jobs(struct gw *gw, const json_t *filter, json_t **ret_jobs, int64_t *ret_seq,
            struct gw_err *err)
{
    json_t *jobs = json_array();
    const struct gw_listing l = {.filter = filter, .on_page = collect, .ctx = jobs};
    int r = gw_list(gw, &l, ret_seq, err);
    if (r < 0)
        json_decref(jobs);
    else
        *ret_jobs = jobs;
    return r;
}
