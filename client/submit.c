/* Submission, once: the key makes asking again harmless. */
#include "client/client_private.h"
#include "lib/mem.h"

#include <stdio.h>
#include <string.h>
#include <uuid/uuid.h>

static json_t *fields_of(const struct gw_submission *s, const char *key)
{
    json_t *f = json_pack("{ss% ss ss sb}", "template", s->template, strlen(s->template), "home",
                          s->home, "key", key, "hold", (int)s->is_held);
    if (!f)
        return NULL;
    if (s->file)
        json_object_set_new(f, "file", json_string(s->file));
    if (s->credential)
        json_object_set_new(f, "credential", json_string(s->credential));
    if (s->is_array) {
        json_object_set_new(f, "array", json_true());
        json_object_set_new(f, "tasks", json_integer((json_int_t)s->tasks));
        json_object_set_new(f, "start", json_integer(s->start));
        json_object_set_new(f, "increment", json_integer(s->increment));
    }
    if (s->priority >= 0)
        json_object_set_new(f, "priority", json_integer(s->priority));
    if (s->n_depends)
        json_object_set_new(f, "depends", gw_ids(s->depends, s->n_depends));
    return f;
}

static int ask(struct gw *gw, const struct gw_submission *s, const char *key, json_t **ret,
               struct gw_err *err)
{
    json_t *fields = fields_of(s, key);
    if (!fields)
        return gw_err_set(err, GW_EINVAL, "the template or the directory's name is not UTF-8");
    return gw_request(gw, "submit", fields, ret, err);
}

int gw_submit(struct gw *gw, const struct gw_submission *s, int64_t patience_ms,
              struct gw_submitted *ret, struct gw_err *err)
{
    char key[64];
    json_t *answer;
    if (s->key && strlen(s->key) >= sizeof key)
        return gw_err_set(err, GW_EINVAL, "a submission key has at most %zu bytes", sizeof key - 1);
    if (s->key) {
        snprintf(key, sizeof key, "%s", s->key);
    } else {
        uuid_t uuid;
        uuid_generate_random(uuid);
        uuid_unparse_lower(uuid, key);
    }
    struct gw_err why = {0};
    int r = ask(gw, s, key, &answer, &why);
    if (r < 0 && gw->fd < 0 && (r == -GW_EUNAVAIL || r == -GW_ETIMEDOUT)) {
        r = gw_reconnect(gw, patience_ms, &why);
        if (r == 0)
            r = ask(gw, s, key, &answer, &why);
        if (r < 0 && gw->fd < 0)
            return gw_err_set(err, (enum gw_errc)why.code,
                              "%s: it is unknown whether the job was taken; submit it again with "
                              "the key %s, which makes no "
                              "second job",
                              why.text, key);
    }
    if (r < 0)
        return gw_err_set(err, (enum gw_errc)why.code, "%s", why.text);
    int64_t job = gw_int(answer, "job", 0), tasks = gw_int(answer, "tasks", 1);
    if (job <= 0 || tasks <= 0) {
        json_decref(answer);
        return gw_err_set(err, GW_EPROTO, "gwd answered a submission without the job's id");
    }
    *ret = (struct gw_submitted){.job = (uint64_t)job,
                                 .tasks = (uint64_t)tasks,
                                 .array = (uint64_t)gw_int(answer, "array", 0),
                                 .is_array = !gw_is_null(answer, "array"),
                                 .warnings = json_incref((json_t *)gw_array(answer, "warnings"))};
    memcpy(ret->key, key, sizeof ret->key);
    json_decref(answer);
    return 0;
}
