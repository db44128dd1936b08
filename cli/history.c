/* gwhistory: the attempts of a job, newest first. */
#include "cli/cmd.h"
#include "cli/connect.h"
#include "cli/moment.h"
#include "cli/options.h"
#include "cli/output.h"
#include "cli/table.h"
#include "client/reason.h"
#include "lib/buf.h"
#include "lib/mem.h"

#include <inttypes.h>
#include <string.h>

struct history_options {
    struct options common;
    uint64_t job;
    bool has_job;
};

static error_t parse(int key, char *arg, struct argp_state *state)
{
    struct history_options *o = state->input;
    switch (key) {
    case ARGP_KEY_INIT:
        state->child_inputs[0] = &o->common;
        return 0;
    case ARGP_KEY_ARG:
        if (o->has_job)
            argp_error(state, "one job at a time");
        o->job = option_number(state, "JOB", arg, 0, INT64_MAX);
        o->has_job = true;
        return 0;
    case ARGP_KEY_END:
        if (!o->has_job)
            argp_error(state, "name a job");
        return 0;
    default:
        return ARGP_ERR_UNKNOWN;
    }
}

static const struct argp_child children[] = {{&options_table_argp, 0, NULL, 0}, {0}};
static const struct argp argp = {
    NULL,
    parse,
    "JOB",
    "Show where a job was tried, newest attempt first, and why each ended.\v"
    "Example:\n  gwhistory 12",
    children,
    NULL,
    NULL};

/* The id of a host by its name; NULL when it is not known any more. */
static const json_t *host_id(const json_t *hosts, const char *name)
{
    size_t i;
    json_t *host;
    json_array_foreach(hosts, i, host) if (strcmp(gw_text(host, "name", ""), name) ==
                                           0) return json_object_get(host, "id");
    return NULL;
}

static void print_attempt(struct table *t, const json_t *a, const json_t *hosts)
{
    char text[MOMENT_MAX];
    struct buf words = BUF_INIT;
    const json_t *reason = gw_object(a, "reason");
    const char *host = gw_text(a, "host", "?"), *lrms = gw_text(a, "lrms", NULL);
    const json_t *id = host_id(hosts, host);
    static const char *const spans[] = {"prolog_s", "wrapper_s", "epilog_s"};
    table_row(t);
    if (json_is_integer(id))
        table_putf(t, "%" PRId64, (int64_t)json_integer_value(id));
    else
        table_put(t, NULL);
    table_put(t, moment_clock(gw_number(a, "started", 0), false, text));
    table_put(t, moment_clock(gw_number(a, "ended", 0), false, text));
    for (size_t i = 0; i < GW_COUNT(spans); i++)
        table_put(t, moment_span(gw_number(a, spans[i], 0), text));
    table_put(t, moment_span(0, text)); /* MIGR: nothing is migrated yet */
    table_put(t, gw_text(reason, "code", "----"));
    table_put(t, gw_text(a, "queue", NULL));
    table_putf(t, "%s%s%s", host, lrms ? "/" : "", lrms ? lrms : "");
    reason_words(reason, &words);
    table_put(t, buf_str(&words));
    buf_clear(&words);
}

static void print_table(const json_t *attempts, const json_t *hosts, bool has_header)
{
    static const struct table_column columns[] = {
        {"HID", 3, true},     {"START", 8, false}, {"END", 8, false}, {"PROLOG", 7, true},
        {"WRAPPER", 7, true}, {"EPILOG", 7, true}, {"MIGR", 7, true}, {"REASON", 6, false},
        {"QUEUE", 10, false}, {"HOST", 25, false}, {"WHY", 20, false}};
    struct table *t = table_create(columns, GW_COUNT(columns), has_header);
    for (size_t i = json_array_size(attempts); i-- > 0;)
        print_attempt(t, json_array_get(attempts, i), hosts);
    table_print_destroy(t);
}

static json_t *newest_first(const json_t *attempts)
{
    json_t *list = json_array();
    for (size_t i = json_array_size(attempts); i-- > 0;)
        json_array_append(list, json_array_get(attempts, i));
    return list;
}

static int show(struct gw *gw, const struct history_options *o)
{
    json_t *answer, *hosts = NULL;
    int code = connect_ask(gw, "history", json_pack("{sI}", "job", (json_int_t)o->job), &answer);
    if (code)
        return code;
    const json_t *attempts = gw_array(answer, "attempts");
    if (!o->common.is_json)
        code = connect_ask(gw, "hosts", json_object(), &hosts);
    if (o->common.is_json)
        output_json("attempts", newest_first(attempts));
    else if (code == 0)
        print_table(attempts, gw_array(hosts, "hosts"), !o->common.has_no_header);
    json_decref(hosts);
    json_decref(answer);
    return code;
}

static int run(int argc, char **argv)
{
    struct history_options o = {0};
    struct gw *gw;
    options_parse(&argp, argc, argv, &o);
    int code = connect_gwd(&gw);
    if (code == 0) {
        code = show(gw, &o);
        gw_close(gw);
    }
    return code;
}

const struct cmd cmd_history = {"gwhistory", "show the attempts of a job", &argp, run};
