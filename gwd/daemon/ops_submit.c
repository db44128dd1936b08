/* Submissions: checked here, acknowledged by the engine when they are on disk. */
#include "gwd/daemon/ops_private.h"
#include "gwd/daemon/request.h"
#include "gwd/daemon/settings.h"
#include "gwd/daemon/statedir.h"
#include "lib/mem.h"
#include "lib/num.h"

#include <inttypes.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

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

/* A user may submit only to a daemon that runs jobs in his name: one of many users, whose launcher
 * has the last word, but for root and its own account, whose jobs could read its state; his own, or
 * any as root. */
static bool may_submit(struct connection *c, json_int_t id, const struct asker *asker,
                       uint64_t tasks)
{
    bool is_own = asker->uid == geteuid(), is_root = asker->uid == 0;
    const char *refusal = NULL;
    if (!settings_launcher(connection_daemon(c)->settings))
        refusal = is_own || is_root ? NULL : "this daemon runs jobs of its own user only";
    else if (is_root)
        refusal = "this daemon runs each user's jobs as that user, and none as root: submit as "
                  "another user";
    else if (is_own)
        refusal = "this daemon runs each user's jobs as that user, and none as its own account: "
                  "submit as another user";
    else if (!connection_is_admitted(c, tasks))
        refusal = "your account is none of those that may run jobs here, as the jobs that you "
                  "submitted say: ask the administrator to add it to launch.conf (gw_launch(8))";
    if (refusal)
        connection_error(c, id, GW_EPERM, refusal, NULL);
    return !refusal;
}

/* Asked for once a second at most. */
static bool has_space(struct connection *c, json_int_t id)
{
    enum { AGE_MS = 1000 };
    static uint64_t looked_ms;
    static bool has = false;
    struct daemon *d = connection_daemon(c);
    if (!has || uv_now(d->loop) - looked_ms >= AGE_MS) {
        has = statedir_free_bytes(d) >= settings_min_free_bytes(d->settings);
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
    const char *given = asked_text(request, "credential");
    /* Where grid-proxy-init puts it. */
    char *credential = given ? xstrdup(given) : xasprintf("/tmp/x509up_u%" PRIu64, asker.uid);
    struct submission sub = {.source = asked_text(request, "template"),
                             .file = asked_text(request, "file"),
                             .home = asked_text(request, "home"),
                             .key = asked_text(request, "key"),
                             .owner = {.user = (char *)connection_user(c),
                                       .uid = asker.uid,
                                       .gid = connection_gid(c),
                                       .credential = credential},
                             .tasks = (uint64_t)asked_int(request, "tasks", 1),
                             .is_array = asked_bool(request, "array", false),
                             .is_held = asked_bool(request, "hold", false),
                             .start = asked_int(request, "start", 0),
                             .increment = asked_int(request, "increment", 1),
                             .priority = json_is_integer(priority) ? json_integer_value(priority)
                                                                   : template_priority};
    struct input in = {.kind = IN_SUBMIT, .asker = asker, .submit = &sub};
    turn_input(connection_daemon(c), &in);
    free(credential);
}

/* Texts that are kept as long as the job. */
static int check_texts(json_t *request, struct gw_err *err)
{
    static const struct {
        const char *name;
        size_t max;
    } texts[] = {{"template", 1 << 20},
                 {"home", PATH_MAX},
                 {"file", PATH_MAX},
                 {"credential", PATH_MAX},
                 {"key", 255}};
    for (size_t i = 0; i < GW_COUNT(texts); i++) {
        size_t len = json_string_length(json_object_get(request, texts[i].name));
        if (len > texts[i].max)
            return gw_err_set(err, GW_EINVAL, "%s: at most %zu bytes; this has %zu", texts[i].name,
                              texts[i].max, len);
    }
    return 0;
}

int ops_check_submit(json_t *request, bool is_admin, struct gw_err *err)
{
    const char *home = asked_text(request, "home"), *credential = asked_text(request, "credential");
    json_int_t priority = asked_int(request, "priority", 0);
    int r = check_texts(request, err);
    if (r < 0)
        return r;
    if (credential && credential[0] != '/')
        return gw_err_set(err, GW_EINVAL, "a credential is the absolute path of a file");
    if (!asked_text(request, "template") || !home || home[0] != '/')
        return gw_err_set(err, GW_EINVAL,
                          "a submission needs a template and an absolute home directory");
    if (priority > 20 || (priority == 20 && !is_admin))
        return gw_err_set(err, GW_EINVAL, "a priority is 0 to 19; 20 is for administrators");
    if (json_array_size(json_object_get(request, "depends")))
        return gw_err_set(err, GW_EINVAL,
                          "dependencies between jobs are not acted upon by this version");
    return 0;
}

void ops_submit(struct connection *c, json_int_t id, json_t *request)
{
    const char *source = asked_text(request, "template"), *file = asked_text(request, "file");
    struct asker asker = connection_asker(c, id);
    struct known_template checked;
    struct gw_err err;
    if (ops_check_submit(request, asker.is_admin, &err) < 0) {
        connection_error(c, id, GW_EINVAL, err.text, NULL);
        return;
    }
    if (!may_submit(c, id, &asker, (uint64_t)asked_int(request, "tasks", 1)) || !has_space(c, id))
        return;
    if (!check_template(c, id, file ? file : "stdin", source, &checked))
        return;
    connection_note_warnings(c, id, checked.warnings);
    submit_checked(c, id, request, checked.priority);
}
