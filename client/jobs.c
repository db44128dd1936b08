/* Listings of any length: an answer is one line, so they come in portions. */
#include "client/gw.h"

enum { AT_ONCE = 5000, IDS_AT_ONCE = 1000 };

struct listing {
    json_t *jobs;
    int64_t seq;  /* of the first answer; -1 before */
    int64_t next; /* where the last answer stopped */
};

/* One portion; *ret_more: the daemon has more. */
static int ask(struct gw *gw, json_t *fields, struct listing *l, bool *ret_more, struct gw_err *err)
{
    json_t *answer;
    int r = gw_request(gw, "jobs", fields, &answer, err);
    if (r < 0)
        return r;
    const json_t *jobs = gw_array(answer, "jobs");
    if (jobs) {
        json_array_extend(l->jobs, (json_t *)jobs);
        if (l->seq < 0)
            l->seq = gw_int(answer, "seq", 0);
        *ret_more = gw_bool(answer, "more", false);
        json_t *last = json_array_get(jobs, json_array_size(jobs) - 1);
        l->next = gw_int(answer, "next", gw_int(last, "id", 0));
    } else {
        r = gw_err_set(err, GW_EPROTO, "gwd answered a question for jobs without jobs");
    }
    json_decref(answer);
    return r;
}

static int list_ids(struct gw *gw, const json_t *filter, const json_t *ids, struct listing *l,
                    struct gw_err *err)
{
    int r = 0;
    size_t n = json_array_size(ids);
    for (size_t i = 0; i < n && r == 0;) {
        bool is_more;
        json_t *fields = json_copy((json_t *)filter), *some = json_array();
        for (; i < n && json_array_size(some) < IDS_AT_ONCE; i++)
            json_array_append(some, json_array_get(ids, i));
        json_object_set_new(fields, "ids", some);
        r = ask(gw, fields, l, &is_more, err);
    }
    return r;
}

static int list_all(struct gw *gw, const json_t *filter, struct listing *l, struct gw_err *err)
{
    int r = 0;
    int64_t after = 0;
    for (bool is_more = true; is_more && r == 0;) {
        json_t *fields = json_copy((json_t *)filter);
        json_object_set_new(fields, "after", json_integer(after));
        json_object_set_new(fields, "limit", json_integer(AT_ONCE));
        r = ask(gw, fields, l, &is_more, err);
        if (r == 0 && is_more && l->next <= after)
            r = gw_err_set(err, GW_EPROTO, "gwd listed jobs in another order than by id");
        after = l->next;
    }
    return r;
}

int gw_jobs(struct gw *gw, const json_t *filter, json_t **ret_jobs, int64_t *ret_seq,
            struct gw_err *err)
{
    struct listing l = {.jobs = json_array(), .seq = -1};
    const json_t *ids = gw_array(filter, "ids");
    int r = ids ? list_ids(gw, filter, ids, &l, err) : list_all(gw, filter, &l, err);
    if (r < 0) {
        json_decref(l.jobs);
        return r;
    }
    *ret_jobs = l.jobs;
    if (ret_seq)
        *ret_seq = l.seq;
    return 0;
}
