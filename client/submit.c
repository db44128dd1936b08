/* Submission, once: the key makes asking again harmless. */
#include "client/client_private.h"
#include "lib/json_write.h"
#include "lib/mem.h"
#include "lib/utf8.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>

/* Random once for a connection, then counted. */
void gw_new_key(struct gw *gw, char key[64])
{
    unsigned char random[16];
    if (!gw->key[0]) {
        if (getrandom(random, sizeof random, 0) != sizeof random)
            abort(); /* so few bytes always come */
        for (size_t i = 0; i < sizeof random; i++)
            snprintf(gw->key + 2 * i, 3, "%02x", random[i]);
    }
    snprintf(key, 64, "%s.%" PRIu64, gw->key, ++gw->n_keys);
}

static bool is_utf8(const char *text)
{
    size_t left = text ? strlen(text) : 0, n;
    for (; left && (n = utf8_length(text, left)) > 0; text += n)
        left -= n;
    return left == 0;
}

int64_t gw_submit_send(struct gw *gw, const struct gw_submission *s, struct gw_err *err)
{
    struct buf *out = &gw->out;
    size_t from = out->len;
    if (!is_utf8(s->template) || !is_utf8(s->home) || !is_utf8(s->file) || !is_utf8(s->key) ||
        !is_utf8(s->credential))
        return gw_err_set(err, GW_EINVAL, "submit: a value is not UTF-8");
    json_begin(out, NULL, '{');
    json_put_int(out, "id", gw->last_id + 1);
    json_put_text(out, "op", "submit");
    json_put_text(out, "template", s->template);
    json_put_text(out, "home", s->home);
    json_put_text(out, "key", s->key);
    if (s->is_held)
        json_put_bool(out, "hold", true);
    if (s->file)
        json_put_text(out, "file", s->file);
    if (s->credential)
        json_put_text(out, "credential", s->credential);
    if (s->is_array) {
        json_put_bool(out, "array", true);
        json_put_uint(out, "tasks", s->tasks);
        json_put_int(out, "start", s->start);
        json_put_int(out, "increment", s->increment);
    }
    if (s->priority >= 0)
        json_put_int(out, "priority", s->priority);
    if (s->n_depends) {
        json_begin(out, "depends", '[');
        for (size_t i = 0; i < s->n_depends; i++)
            json_put_uint(out, NULL, s->depends[i]);
        json_end(out, ']');
    }
    json_end(out, '}');
    int64_t id = request_end(gw, from, "submit", err);
    int r = id > 0 && out->len > SEND_AT_BYTES ? connection_flush(gw, err) : 0;
    return r < 0 ? r : id;
}

int gw_submit_answer(struct gw *gw, int64_t id, struct gw_submitted *ret, struct gw_err *err)
{
    json_t *answer;
    int r = gw_answer(gw, id, &answer, err);
    if (r < 0)
        return r;
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
    json_decref(answer);
    return 0;
}

static int ask(struct gw *gw, const struct gw_submission *s, struct gw_submitted *ret,
               struct gw_err *err)
{
    int64_t id = gw_submit_send(gw, s, err);
    return id < 0 ? (int)id : gw_submit_answer(gw, id, ret, err);
}

int gw_submit(struct gw *gw, const struct gw_submission *s, int64_t patience_ms,
              struct gw_submitted *ret, struct gw_err *err)
{
    char key[sizeof ret->key];
    if (s->key && strlen(s->key) >= sizeof key)
        return gw_err_set(err, GW_EINVAL, "a submission key has at most %zu bytes", sizeof key - 1);
    if (s->key)
        snprintf(key, sizeof key, "%s", s->key);
    else
        gw_new_key(gw, key);
    struct gw_submission keyed = *s;
    struct gw_err why = {0};
    keyed.key = key;
    int r = ask(gw, &keyed, ret, &why);
    if (r < 0 && gw->fd < 0 && (r == -GW_EUNAVAIL || r == -GW_ETIMEDOUT)) {
        r = gw_reconnect(gw, patience_ms, &why);
        if (r == 0)
            r = ask(gw, &keyed, ret, &why);
        if (r < 0 && gw->fd < 0)
            return gw_err_set(err, (enum gw_errc)why.code,
                              "%s: it is unknown whether the job was taken; submit it again with "
                              "the key %s, which makes no "
                              "second job",
                              why.text, key);
    }
    if (r < 0)
        return gw_err_set(err, (enum gw_errc)why.code, "%s", why.text);
    memcpy(ret->key, key, sizeof ret->key);
    return 0;
}
