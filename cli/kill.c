/* gwkill: what the owner wants of jobs: that they be gone, held, or released. */
#include "cli/cmd.h"
#include "cli/connect.h"
#include "cli/exit.h"
#include "cli/ids.h"
#include "cli/options.h"
#include "cli/outcome.h"
#include "cli/output.h"
#include "client/reason.h"
#include "lib/mem.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

enum { KEY_TIMEOUT = KEY_OWN };

struct kill_options {
    struct options common;
    struct ids ids;
    uint64_t array;
    bool has_array, is_async, is_hard;
    int64_t timeout_ms;      /* -1: none */
    const char *wish, *done; /* the word for what was done */
};

static const struct argp_option option_table[] = {
    {"kill", 'k', NULL, 0, "End the jobs and clean up at the site (the default)", 0},
    {"hold", 'o', NULL, 0, "Hold pending jobs", 0},
    {"release", 'l', NULL, 0, "Release held jobs", 0},
    {"hard", '9', NULL, 0,
     "End the jobs without waiting for the site, which may keep remains of them", 0},
    {"async", 'a', NULL, 0, "Do not wait until the end is confirmed", 0},
    {"timeout", KEY_TIMEOUT, "SECONDS", 0,
     "Wait so long at most; what is pending then ends all the same, and is exit code 75", 0},
    {NULL, 'A', "ARRAY", 0, "All tasks of an array", 0},
    {0}};

static error_t parse(int key, char *arg, struct argp_state *state)
{
    struct kill_options *o = state->input;
    struct gw_err err;
    switch (key) {
    case ARGP_KEY_INIT:
        state->child_inputs[0] = &o->common;
        return 0;
    case 'k':
    case '9':
        o->wish = "gone";
        o->done = "killed";
        o->is_hard = o->is_hard || key == '9';
        return 0;
    case 'o':
        o->wish = "held";
        o->done = "held";
        return 0;
    case 'l':
        o->wish = "run";
        o->done = "released";
        return 0;
    case 'a':
        o->is_async = true;
        return 0;
    case KEY_TIMEOUT:
        o->timeout_ms = (int64_t)option_number(state, "--timeout", arg, 0, INT32_MAX) * 1000;
        return 0;
    case 'A':
        o->array = option_number(state, "-A", arg, 1, INT64_MAX);
        o->has_array = true;
        return 0;
    case ARGP_KEY_ARG:
        if (ids_add(&o->ids, arg, &err) < 0)
            argp_error(state, "%s", err.text);
        return 0;
    case ARGP_KEY_END:
        if ((o->ids.n > 0) == o->has_array)
            argp_error(state, "name jobs, or an array with -A");
        return 0;
    default:
        return ARGP_ERR_UNKNOWN;
    }
}

static const struct argp_child children[] = {{&options_argp, 0, NULL, 0}, {0}};
static const struct argp argp = {option_table,
                                 parse,
                                 "JOB...\n-A ARRAY",
                                 "End jobs, hold them or release them, and say what became of "
                                 "each.\vJobs are ids or ranges (3-7).\n\n"
                                 "Example:\n  gwkill 12 14-17",
                                 children,
                                 NULL,
                                 NULL};

static int by_id(const void *a, const void *b)
{
    uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;
    return x < y ? -1 : x > y;
}

static uint64_t *ids_of(const json_t *list, size_t *ret_n)
{
    size_t i, n = 0;
    json_t *id;
    uint64_t *ids = xcalloc(json_array_size(list), sizeof *ids);
    json_array_foreach(list, i, id) if (json_is_integer(id)) ids[n++] =
        (uint64_t)json_integer_value(id);
    *ret_n = n;
    return ids;
}

/* Each that was refused; the exit code. */
static int say_refused(const json_t *answer)
{
    size_t i;
    json_t *one;
    int code = 0;
    json_array_foreach(gw_array(answer, "refused"), i, one)
    {
        const json_t *error = gw_object(one, "error");
        const char *name = gw_text(error, "code", "");
        output_error("%" PRId64 ": %s", gw_int(one, "id", 0), gw_text(error, "message", name));
        int this = strcmp(name, gw_errc_name(GW_ENOENT)) == 0  ? EXIT_NOT_FOUND
                   : strcmp(name, gw_errc_name(GW_EPERM)) == 0 ? EXIT_NOT_ALLOWED
                                                               : EXIT_JOB;
        code = code && code != this ? EXIT_JOB : this;
    }
    return code;
}

static void say_all(const json_t *list, const char *what)
{
    size_t i;
    json_t *id;
    json_array_foreach(list, i, id)
        output_line("%" PRId64 ": %s", (int64_t)json_integer_value(id), what);
}

struct kill_state {
    bool is_json;
    json_t *done;
    uint64_t *ended; /* while it was waited for */
    size_t n_ended;
};

static void on_end(void *ctx, const json_t *job)
{
    struct kill_state *s = ctx;
    struct buf words = BUF_INIT;
    const char *code = gw_text(gw_object(job, "reason"), "code", "");
    s->ended[s->n_ended++] = (uint64_t)gw_int(job, "id", 0);
    bool is_killed = strncmp(code, "killed", 6) == 0 || strcmp(code, "cancelled") == 0;
    if (s->is_json) {
        json_array_append(s->done, json_object_get(job, "id"));
        return;
    }
    outcome_words(job, &words);
    output_line("%" PRId64 ": %s%s", gw_int(job, "id", 0),
                is_killed ? "" : "had ended: ", is_killed ? "killed" : buf_str(&words));
    buf_clear(&words);
}

/* Those of `done` that this wish has ended; both lists rise. */
static void say_ended_now(const json_t *done, const json_t *ended)
{
    size_t i, at = 0;
    json_t *id;
    json_array_foreach(done, i, id)
    {
        if (json_integer_value(json_array_get(ended, at)) == json_integer_value(id))
            at++;
        else
            output_line("%" PRId64 ": killed", (int64_t)json_integer_value(id));
    }
}

static json_t *ids_sorted(const json_t *list)
{
    size_t n;
    uint64_t *ids = ids_of(list, &n);
    qsort(ids, n, sizeof *ids, by_id);
    json_t *sorted = gw_ids(ids, n);
    free(ids);
    return sorted;
}

static int say_pending(void *ctx, const json_t *jobs, const char *text, size_t len,
                       struct gw_err *err)
{
    size_t i;
    json_t *job;
    (void)ctx;
    (void)text;
    (void)len;
    (void)err;
    json_array_foreach(jobs, i, job)
    {
        struct buf words = BUF_INIT;
        reason_words(gw_object(job, "reason"), &words);
        output_line("%" PRId64 ": pending%s%s", gw_int(job, "id", 0), words.len ? ": " : "",
                    buf_str(&words));
        buf_clear(&words);
    }
    return 0;
}

/* The time is over: those of `pending` that have not ended, and why; what is done is moved. */
static int say_rest(struct gw *gw, struct kill_state *s, const uint64_t *pending, size_t n,
                    json_t *answer)
{
    json_t *rest = json_array();
    qsort(s->ended, s->n_ended, sizeof *s->ended, by_id);
    for (size_t i = 0; i < n; i++)
        if (!bsearch(&pending[i], s->ended, s->n_ended, sizeof *s->ended, by_id))
            json_array_append_new(rest, json_integer((json_int_t)pending[i]));
    struct gw_err err = {0};
    json_t *filter = json_pack("{sO s[ss]}", "ids", rest, "fields", "id", "reason");
    const struct gw_listing l = {.filter = filter, .on_page = say_pending};
    int r = s->is_json ? 0 : gw_list(gw, &l, NULL, &err);
    json_decref(filter);
    json_object_set_new(answer, "pending", rest);
    return r < 0 ? output_failure(&err) : EXIT_TRY_AGAIN;
}

/* Until what is pending has ended, and for the words about what had ended before: it may have been
 * killed by another wish, or come to its own end. What this wish has ended at once needs no
 * question. */
static int await_ends(struct gw *gw, const struct kill_options *o, json_t *answer)
{
    json_t *done = ids_sorted(gw_array(answer, "done")),
           *ended = ids_sorted(gw_array(answer, "ended"));
    size_t n_ended, n;
    uint64_t *ids = ids_of(ended, &n_ended), *pending = ids_of(gw_array(answer, "pending"), &n);
    struct gw_err err = {0};
    struct kill_state s = {.is_json = o->common.is_json, .done = json_array()};
    if (!s.is_json)
        say_ended_now(done, ended);
    s.ended = xcalloc(n_ended + n + 1, sizeof *s.ended);
    ids = xreallocarray(ids, n_ended + n + 1, sizeof *ids);
    memcpy(ids + n_ended, pending, n * sizeof *ids);
    struct gw_wait w = {.ids = s.is_json ? pending : ids,
                        .n = s.is_json ? n : n_ended + n,
                        .timeout_ms = o->timeout_ms,
                        .patience_ms = PATIENCE_WAIT_MS,
                        .on_end = on_end,
                        .on_lost = connect_say_lost,
                        .on_back = connect_say_back,
                        .ctx = &s};
    connect_on_interrupt("the jobs are being ended all the same; gwps shows how far it is");
    int r = w.n ? gw_wait(gw, &w, &err) : 0;
    int code = r == -GW_ETIMEDOUT ? say_rest(gw, &s, pending, n, answer)
               : r < 0            ? output_failure(&err)
                                  : 0;
    if (r == 0 || r == -GW_ETIMEDOUT) {
        json_array_extend(done, s.done);
        json_object_set(answer, "done", done);
    }
    if (r == 0)
        json_object_set_new(answer, "pending", json_array());
    free(s.ended);
    json_decref(s.done);
    json_decref(done);
    json_decref(ended);
    free(ids);
    free(pending);
    return code;
}

static int carry_out(struct gw *gw, const struct kill_options *o)
{
    json_t *answer;
    struct gw_err err = {0};
    int code = 0;
    if (gw_wish(gw, o->wish, o->ids.items, o->ids.n, o->has_array ? o->array : 0, o->is_hard,
                &answer, &err) < 0)
        return output_failure(&err);
    bool is_awaited = strcmp(o->wish, "gone") == 0 && !o->is_async;
    if (is_awaited)
        code = await_ends(gw, o, answer);
    if (!is_awaited && !o->common.is_json) {
        say_all(gw_array(answer, "done"), o->done);
        say_all(gw_array(answer, "pending"), "pending");
    }
    int refused = say_refused(answer);
    if (o->common.is_json)
        output_json_object(json_pack("{sO* sO* sO*}", "done", gw_array(answer, "done"), "pending",
                                     gw_array(answer, "pending"), "refused",
                                     gw_array(answer, "refused")));
    json_decref(answer);
    return code ? code : refused;
}

static int run(int argc, char **argv)
{
    struct kill_options o = {.wish = "gone", .done = "killed", .timeout_ms = -1};
    struct gw *gw;
    options_parse(&argp, argc, argv, &o);
    int code = connect_gwd(&gw);
    if (code == 0) {
        code = carry_out(gw, &o);
        gw_close(gw);
    }
    ids_clear(&o.ids);
    return code;
}

const struct cmd cmd_kill = {"gwkill", "end, hold or release jobs", &argp, run};
