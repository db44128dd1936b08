/* Listings: jobs, their history, hosts. */
#include "gwd/daemon/ops_private.h"
#include "lib/json_write.h"
#include "lib/mem.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

/* --- jobs --- */

/* A listing: what is wanted, and the answer as it grows. The loop is not held for longer than
 * LISTING_MAX_US: what does not fit is asked for again, from `next` on. */
enum {
    LISTING_MAX_US = 4000,
    LISTING_LOOK_EVERY = 64,
    LISTING_MAX_BYTES = 8 << 20,
    LISTING_MAX_IDS = 1000
};

struct listing {
    const struct connection *c;
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
    const struct job_spec *spec; /* the last that was looked at: */
    enum sight sight;            /* its jobs, SIGHT_NONE when they are not `user`'s */
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

/* Equal submissions share their spec, and follow each other: one look serves them all. */
static enum sight sight_in(struct listing *l, const struct job_spec *spec)
{
    if (l->spec != spec) {
        bool is_users = !l->user || strcmp(spec->owner.user, l->user) == 0;
        l->spec = spec;
        l->sight = is_users ? connection_sight(l->c, spec->owner.uid) : SIGHT_NONE;
    }
    return l->sight;
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
    enum sight sight = sight_in(l, j->spec);
    if (sight == SIGHT_NONE || !is_wanted(l, j, index))
        return;
    l->n++;
    view_job(l->d, j, index, l->wanted, sight, l->out);
}

static void add_job(struct listing *l, const struct job *j, uint64_t after)
{
    uint64_t i = after < j->id ? 0 : after - j->id + 1;
    if (i < j->tasks && sight_in(l, j->spec) == SIGHT_NONE) {
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

/* One that has left the live state in the time of an earlier version, and its attempts; false when
 * there is none that this client may see. */
static bool archived_text(const struct connection *c, uint64_t id, json_t **ret_job,
                          json_t **ret_history)
{
    char *job_text = NULL, *history_text = NULL;
    if (store_find_archived_text(connection_daemon(c)->store, id, &job_text, &history_text, NULL) !=
        1)
        return false;
    json_t *job = json_loads(job_text, 0, NULL), *history = json_loads(history_text, 0, NULL);
    json_t *uid = json_object_get(job, "uid");
    enum sight sight = SIGHT_NONE;
    if (json_is_integer(uid))
        sight = connection_sight(c, (uint64_t)json_integer_value(uid));
    free(job_text);
    free(history_text);
    if (sight == SIGHT_NONE || !history) {
        json_decref(job);
        json_decref(history);
        return false;
    }
    if (sight == SIGHT_OUTSIDE) {
        view_strip(job);
        json_array_clear(history);
    }
    *ret_job = job;
    *ret_history = history;
    return true;
}

static bool add_archived_text(struct listing *l, uint64_t id)
{
    json_t *o, *history, *v;
    const char *name;
    void *next;
    if (!archived_text(l->c, id, &o, &history))
        return false;
    json_decref(history);
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
    uint64_t uid;
    if (store_find_archived_owner(l->d->store, id, &uid, NULL) != 1)
        return add_archived_text(l, id);
    enum sight sight = connection_sight(l->c, uid);
    if (sight == SIGHT_NONE)
        return false;
    struct job *j;
    if (store_find_archived(l->d->store, id, &j, NULL) != 1)
        return false;
    view_job(l->d, j, id - j->id, l->wanted, sight, l->out);
    return true;
}

static bool add_by_id(struct listing *l, uint64_t id)
{
    struct job *j = state_job_of(engine_state(l->d->engine), id);
    if (!j) {
        l->looked |= LISTING_LOOK_EVERY - 1; /* it costs as much as many others */
        return add_archived(l, id);
    }
    if (connection_sight(l->c, j->spec->owner.uid) == SIGHT_NONE)
        return false;
    add_task(l, j, id - j->id);
    return true;
}

/* The id that does not exist, or 0. `next` counts those that were looked at. */
static uint64_t list_ids(struct listing *l, const json_t *ids)
{
    size_t n = json_array_size(ids);
    for (l->next = 0; l->next < n && !l->is_cut; l->next++) {
        uint64_t id = (uint64_t)json_integer_value(json_array_get(ids, l->next));
        if (!add_by_id(l, id))
            return id;
        l->is_cut = is_over_time(l) && l->next + 1 < n;
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
    *l = (struct listing){.c = c,
                          .d = connection_daemon(c),
                          .user = asked_text(request, "user"),
                          .states = asked_text(request, "state"),
                          .host = asked_text(request, "host"),
                          .wanted = wanted,
                          .has_finished = asked_bool(request, "finished", true),
                          .next = (uint64_t)asked_int(request, "after", 0),
                          .limit = (uint64_t)asked_int(request, "limit", INT64_MAX),
                          .end_us = clock_mono_us() + LISTING_MAX_US};
}

/* No page of nothing, which the client would ask for again and again. False: it was told. */
static bool has_good_size(struct connection *c, json_int_t id, json_t *request)
{
    const char *text = NULL;
    if (json_array_size(json_object_get(request, "ids")) > LISTING_MAX_IDS)
        text = "ids: at most 1000 in one request";
    else if (asked_int(request, "limit", 1) == 0)
        text = "limit: at least 1";
    if (text)
        connection_error(c, id, GW_EINVAL, text, NULL);
    return !text;
}

/* To one from whom others' jobs are hidden they are as jobs that never were. */
static enum gw_errc why_not(const struct connection *c, uint64_t id, char **ret_text)
{
    if (connection_sight(c, NOBODY) != SIGHT_NONE)
        return archived_why_not(connection_daemon(c), id, ret_text);
    *ret_text = xasprintf("no job has the id %" PRIu64, id);
    return GW_ENOENT;
}

void ops_jobs(struct connection *c, json_int_t id, json_t *request)
{
    struct listing l;
    uint64_t array_id = (uint64_t)asked_int(request, "array", 0), missing = 0;
    uint64_t wanted = wanted_members(c, id, json_object_get(request, "fields"));
    const json_t *ids = json_object_get(request, "ids");
    if (!wanted || !has_good_size(c, id, request))
        return;
    listing_init(&l, c, request, wanted);
    struct state *s = engine_state(l.d->engine);
    struct job *array = array_id && !ids ? state_array(s, array_id) : NULL;
    if (array && connection_sight(c, array->spec->owner.uid) == SIGHT_NONE)
        array = NULL;
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
        char *text = NULL;
        enum gw_errc code = GW_ENOENT;
        if (ids)
            code = why_not(c, missing, &text);
        else
            text = xasprintf("no array has the id %" PRIu64, missing);
        connection_error(c, id, code, text, NULL);
        free(text);
        return;
    }
    json_end(l.out, ']');
    json_put_bool(l.out, "more", l.is_cut && (!array || l.next + 1 < array->id + array->tasks));
    json_put_uint(l.out, "next", l.next);
    json_put_uint(l.out, "seq", s->seq);
    connection_answer_end(c);
}

void ops_history(struct connection *c, json_int_t id, json_t *request)
{
    struct daemon *d = connection_daemon(c);
    uint64_t job = (uint64_t)asked_int(request, "job", 0);
    struct job *j = state_job_of(engine_state(d->engine), job);
    json_t *text = NULL, *history = NULL;
    if (!j && store_find_archived(d->store, job, &j, NULL) != 1)
        j = NULL;
    enum sight sight = j ? connection_sight(c, j->spec->owner.uid) : SIGHT_NONE;
    if (sight != SIGHT_NONE) {
        view_history(d, j, job - j->id, "attempts", sight, connection_answer(c, id));
        connection_answer_end(c);
    } else if (!j && archived_text(c, job, &text, &history)) {
        connection_send(c, json_pack("{sI sb sO}", "id", id, "ok", 1, "attempts", history));
    } else {
        char *why;
        enum gw_errc code = why_not(c, job, &why);
        connection_error(c, id, code, why, NULL);
        free(why);
    }
    json_decref(text);
    json_decref(history);
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
    enum sight sight = j ? connection_sight(c, j->spec->owner.uid) : SIGHT_NONE;
    if (sight != SIGHT_FULL) { /* the answer follows from its REQUIREMENTS */
        connection_error(c, id, sight == SIGHT_NONE ? GW_ENOENT : GW_EPERM,
                         sight == SIGHT_NONE ? "no such job" : "the job belongs to another user",
                         NULL);
        return;
    }
    size_t n_hosts, n;
    struct host *const *hosts = engine_hosts(d->engine, &n_hosts);
    struct match_place *places = engine_places(d->engine, j->spec->class, &n);
    const struct asker asker = connection_asker(c, id);
    struct buf *out = connection_answer(c, id);
    json_begin(out, "hosts", '[');
    for (size_t i = 0; i < n_hosts; i++)
        if (has_place(hosts[i], places, n))
            view_host(d, hosts[i], places, n, &asker, out);
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

void ops_hosts(struct connection *c, json_int_t id, json_t *request)
{
    struct daemon *d = connection_daemon(c);
    const char *name = asked_text(request, "host");
    if (json_object_get(request, "match")) {
        serve_match(c, id, (uint64_t)asked_int(request, "match", 0));
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
    const struct asker asker = connection_asker(c, id);
    struct buf *out = connection_answer(c, id);
    json_begin(out, "hosts", '[');
    for (size_t i = 0; i < n; i++)
        if (host_is_meant(hosts[i], name))
            view_host(d, hosts[i], NULL, 0, &asker, out);
    json_end(out, ']');
    connection_answer_end(c);
}
