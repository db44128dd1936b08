/* gwps: the jobs. */
#include "cli/ps.h"
#include "cli/cmd.h"
#include "cli/connect.h"
#include "cli/exit.h"
#include "cli/ids.h"
#include "cli/options.h"
#include "cli/output.h"
#include "cli/redraw.h"
#include "cli/table.h"

#include <stdio.h>
#include <string.h>
#include <unistd.h>

enum { KEY_WHY = KEY_OWN };

struct ps_options {
    struct options common;
    const char *user, *host, *states, *fields;
    uint64_t array, delay_s, why;
    bool has_array, has_delay, has_why, is_full;
    struct ids ids;
};

static const struct argp_option option_table[] = {
    {"user", 'u', "USER", 0, "Only this user's jobs", 0},
    {"host", 'r', "TEXT", 0, "Only jobs at hosts whose name has TEXT in it", 0},
    {"array", 'A', "ARRAY", 0, "Only the tasks of this array", 0},
    {"state", 's', "LETTERS", 0,
     "Only jobs in one of these states: i pend, h hold, p prol, w wrap, e epil, s stop, m migr, k "
     "canl, z done, f fail",
     0},
    {"fields", 'o', "LETTERS", 0, "Columns (" PS_DEFAULT_FIELDS "), see gwps(1)", 0},
    {"continuous", 'c', "SECONDS", 0, "Show again when something changed, at most every SECONDS",
     0},
    {"full", 'f', NULL, 0, "Lines KEY=VALUE", 0},
    {"why", KEY_WHY, "JOB", 0, "Say why this job is where it is, and what to do", 0},
    {0}};

static error_t parse(int key, char *arg, struct argp_state *state)
{
    struct ps_options *o = state->input;
    struct gw_err err;
    switch (key) {
    case ARGP_KEY_INIT:
        state->child_inputs[0] = &o->common;
        return 0;
    case 'u':
        o->user = arg;
        return 0;
    case 'r':
        o->host = arg;
        return 0;
    case 'A':
        o->array = option_number(state, "-A", arg, 1, INT64_MAX);
        o->has_array = true;
        return 0;
    case 's':
        if (strspn(arg, "ihpwesmkzf") != strlen(arg))
            argp_error(state, "-s: \"%s\" has other letters than ihpwesmkzf", arg);
        o->states = arg;
        return 0;
    case 'o':
        if (ps_bad_field(arg) || !*arg)
            argp_error(state, "-o: \"%s\" has other letters than uJipynseftTxjhvr", arg);
        o->fields = arg;
        return 0;
    case 'c':
        o->delay_s = option_number(state, "-c", arg, 0, INT32_MAX);
        o->has_delay = true;
        return 0;
    case 'f':
        o->is_full = true;
        return 0;
    case KEY_WHY:
        o->why = option_number(state, "--why", arg, 0, INT64_MAX);
        o->has_why = true;
        return 0;
    case ARGP_KEY_ARG:
        if (ids_add(&o->ids, arg, &err) < 0)
            argp_error(state, "%s", err.text);
        return 0;
    default:
        return ARGP_ERR_UNKNOWN;
    }
}

static const struct argp_child children[] = {{&options_table_argp, 0, NULL, 0}, {0}};
static const struct argp argp = {option_table,
                                 parse,
                                 "[JOB...]",
                                 "Show jobs: all, or those named.\vExamples:\n  gwps -u $USER -s "
                                 "iw\n  gwps -c 1\n  gwps --why 12",
                                 children,
                                 NULL,
                                 NULL};

/* NULL when a text is not UTF-8. */
static json_t *filter_of(const struct ps_options *o)
{
    json_t *fields = json_object();
    if (o->ids.n)
        json_object_set_new(fields, "ids", gw_ids(o->ids.items, o->ids.n));
    if (o->has_array)
        json_object_set_new(fields, "array", json_integer((json_int_t)o->array));
    const struct {
        const char *name, *value;
    } texts[] = {{"user", o->user}, {"host", o->host}, {"state", o->states}};
    for (size_t i = 0; i < sizeof texts / sizeof texts[0]; i++)
        if (texts[i].value &&
            json_object_set_new(fields, texts[i].name, json_string(texts[i].value)) < 0) {
            json_decref(fields);
            return NULL;
        }
    return fields;
}

/* How the pages of a listing are printed. */
struct printer {
    const struct ps_options *o;
    struct table *table; /* NULL: not as a table */
    size_t n_pages;
};

static int print_full(void *ctx, const json_t *jobs, const char *text, size_t len,
                      struct gw_err *err)
{
    (void)ctx;
    (void)text;
    (void)len;
    (void)err;
    ps_print_full(jobs);
    return 0;
}

static int print_rows(void *ctx, const json_t *jobs, const char *text, size_t len,
                      struct gw_err *err)
{
    struct printer *p = ctx;
    (void)jobs;
    int r = ps_table_put(p->table, p->o->fields, text, len, err);
    table_flush(p->table);
    return r;
}

/* What gwd wrote goes out as it is. */
static int print_text(void *ctx, const json_t *jobs, const char *text, size_t len,
                      struct gw_err *err)
{
    struct printer *p = ctx;
    (void)jobs;
    (void)err;
    if (p->n_pages == 0)
        printf("{\"schema\":%d,\"jobs\":[", OUTPUT_SCHEMA);
    if (len) {
        if (p->n_pages > 1)
            putchar(',');
        fwrite(text, 1, len, stdout);
    }
    /* 0: nothing yet, 1: only the beginning, 2: jobs. */
    p->n_pages = len || p->n_pages > 1 ? 2 : 1;
    return 0;
}

static int list(struct gw *gw, const struct ps_options *o, json_t *filter, int64_t *ret_seq,
                struct gw_err *err)
{
    struct printer p = {.o = o};
    struct gw_listing l = {.filter = filter,
                           .ctx = &p,
                           .is_text = !o->is_full || o->common.is_json,
                           .on_page = o->common.is_json ? print_text
                                      : o->is_full      ? print_full
                                                        : print_rows};
    if (!o->common.is_json && !o->is_full) {
        json_object_set_new(filter, "fields", ps_members(o->fields));
        p.table = ps_table_create(o->fields, !o->common.has_no_header);
    }
    int r = gw_list(gw, &l, ret_seq, err);
    if (r == 0 && o->common.is_json)
        puts("]}");
    if (p.table)
        table_destroy(p.table);
    return r;
}

/* For a reader at a terminal, indented. */
static int list_for_reader(struct gw *gw, const json_t *filter, int64_t *ret_seq,
                           struct gw_err *err)
{
    json_t *jobs;
    int r = gw_jobs(gw, filter, &jobs, ret_seq, err);
    if (r == 0)
        output_json("jobs", jobs);
    return r;
}

static int show(struct gw *gw, const void *ctx, int64_t *ret_seq)
{
    const struct ps_options *o = ctx;
    struct gw_err err = {0};
    json_t *filter = filter_of(o);
    int r = !filter ? gw_err_set(&err, GW_EINVAL, "a filter is not UTF-8")
            : o->common.is_json && isatty(STDOUT_FILENO)
                ? list_for_reader(gw, filter, ret_seq, &err)
                : list(gw, o, filter, ret_seq, &err);
    json_decref(filter);
    return r < 0 ? output_failure(&err) : 0;
}

static int say_why(struct gw *gw, const struct ps_options *o)
{
    json_t *answer;
    int code = connect_ask(gw, "jobs", json_pack("{s[I]}", "ids", (json_int_t)o->why), &answer);
    if (code)
        return code;
    const json_t *job = json_array_get(gw_array(answer, "jobs"), 0);
    if (!job) {
        output_error("no job has the id %llu", (unsigned long long)o->why);
        code = EXIT_NOT_FOUND;
    } else if (o->common.is_json) {
        output_json("why", ps_why_json(job));
    } else {
        ps_print_why(job);
    }
    json_decref(answer);
    return code;
}

static int run(int argc, char **argv)
{
    struct ps_options o = {.fields = PS_DEFAULT_FIELDS};
    struct gw *gw;
    int64_t seq;
    options_parse(&argp, argc, argv, &o);
    int code = connect_gwd(&gw);
    if (code == 0) {
        if (o.has_why)
            code = say_why(gw, &o);
        else if (o.has_delay)
            code = redraw(gw, (int64_t)o.delay_s * 1000, false, show, &o);
        else
            code = show(gw, &o, &seq);
        gw_close(gw);
    }
    ids_clear(&o.ids);
    return code;
}

const struct cmd cmd_ps = {"gwps", "show jobs", &argp, run};
