/* gwhost: the hosts, and what administrators do with them. */
#include "cli/host.h"
#include "cli/host_test.h"
#include "cli/cmd.h"
#include "cli/connect.h"
#include "cli/exit.h"
#include "cli/options.h"
#include "cli/output.h"
#include "cli/redraw.h"

#include <stdio.h>
#include <string.h>

enum {
    KEY_DRAIN = KEY_OWN,
    KEY_UNDRAIN,
    KEY_PAUSE,
    KEY_RESUME,
    KEY_DRIVERS,
    KEY_TEST,
    KEY_IMAGE,
    KEY_TIMEOUT,
};

enum { TEST_TIMEOUT_S = 300 };

struct host_options {
    struct options common;
    const char *host;
    uint64_t delay_s, match;
    bool has_delay, has_match, is_full;
    int change;        /* one of the keys above, or 0 */
    const char *named; /* of the change */
    struct host_test_options test;
};

static const struct argp_option option_table[] = {
    {"continuous", 'c', "SECONDS", 0, "Show again every SECONDS", 0},
    {"full", 'f', NULL, 0, "Lines KEY=VALUE with all attributes", 0},
    {"match", 'm', "JOB", 0, "The queues that match this job now, best first", 0},
    {"drivers", KEY_DRIVERS, NULL, 0, "The drivers and their states", 0},
    {"test", KEY_TEST, "HOST", 0,
     "Try HOST with small jobs: a copy, a job, a virtual machine; say what is missing", 0},
    {"image", KEY_IMAGE, "FILE", 0, "With --test: the disk image of its virtual machine", 0},
    {"timeout", KEY_TIMEOUT, "SECONDS", 0, "With --test: for each of its jobs (300)", 0},
    {NULL, 0, NULL, 0, "For administrators of the daemon:", 1},
    {"drain", KEY_DRAIN, "HOST", 0, "Start nothing new at HOST; what is there goes on", 1},
    {"undrain", KEY_UNDRAIN, "HOST", 0, "Use HOST again", 1},
    {"pause", KEY_PAUSE, NULL, 0, "Start nothing new anywhere", 1},
    {"resume", KEY_RESUME, NULL, 0, "Go on after --pause", 1},
    {0}};

static void take_change(struct host_options *o, int key, const char *arg, struct argp_state *state)
{
    if (o->change)
        argp_error(state,
                   "one of --drivers, --test, --drain, --undrain, --pause and --resume at a time");
    o->change = key;
    o->named = arg;
}

static error_t parse(int key, char *arg, struct argp_state *state)
{
    struct host_options *o = state->input;
    switch (key) {
    case ARGP_KEY_INIT:
        state->child_inputs[0] = &o->common;
        return 0;
    case 'c':
        o->delay_s = option_number(state, "-c", arg, 1, INT32_MAX);
        o->has_delay = true;
        return 0;
    case 'f':
        o->is_full = true;
        return 0;
    case 'm':
        o->match = option_number(state, "-m", arg, 0, INT64_MAX);
        o->has_match = true;
        return 0;
    case KEY_DRAIN:
    case KEY_UNDRAIN:
    case KEY_PAUSE:
    case KEY_RESUME:
    case KEY_DRIVERS:
    case KEY_TEST:
        take_change(o, key, arg, state);
        return 0;
    case KEY_IMAGE:
        o->test.image = arg;
        return 0;
    case KEY_TIMEOUT:
        o->test.timeout_s = (unsigned)option_number(state, "--timeout", arg, 1, 86400);
        return 0;
    case ARGP_KEY_ARG:
        if (o->host)
            argp_error(state, "one host at a time: %s and %s", o->host, arg);
        o->host = arg;
        return 0;
    case ARGP_KEY_END:
        if (o->host && (o->has_match || o->change))
            argp_error(state, "%s: a host is named only to show it", o->host);
        if ((o->test.image || o->test.timeout_s) && o->change != KEY_TEST)
            argp_error(state, "--image and --timeout belong to --test");
        return 0;
    default:
        return ARGP_ERR_UNKNOWN;
    }
}

static const struct argp_child children[] = {{&options_table_argp, 0, NULL, 0}, {0}};
static const struct argp argp = {option_table,
                                 parse,
                                 "[HOST]",
                                 "Show hosts: all, or one by name or id with its queues.\v"
                                 "Examples:\n  gwhost\n  gwhost -m 12\n  gwhost --test "
                                 "cluster.example.org\n  gwhost --drain cluster.example.org",
                                 children,
                                 NULL,
                                 NULL};

static json_t *filter_of(const struct host_options *o)
{
    json_t *fields = json_object();
    if (o->has_match)
        json_object_set_new(fields, "match", json_integer((json_int_t)o->match));
    else if (o->host)
        json_object_set_new(fields, "host", json_string(o->host));
    return fields;
}

static int show(struct gw *gw, const void *ctx, int64_t *ret_seq)
{
    const struct host_options *o = ctx;
    json_t *answer;
    bool has_header = !o->common.has_no_header;
    json_t *filter = filter_of(o);
    if (o->host && !o->has_match && gw_is_null(filter, "host")) {
        json_decref(filter);
        output_error("the name of the host is not UTF-8");
        return EXIT_USAGE;
    }
    int code = connect_ask(gw, "hosts", filter, &answer);
    if (code)
        return code;
    const json_t *hosts = gw_array(answer, "hosts");
    /* Hosts have no events of their own; with -c any later event is a reason to look again. */
    *ret_seq = gw_int(gw_hello(gw), "seq", 0);
    if (o->common.is_json) {
        output_json("hosts", json_incref((json_t *)hosts));
    } else if (o->has_match) {
        host_print_match(hosts, has_header);
    } else if (o->is_full) {
        host_print_full(hosts);
    } else {
        host_print_table(hosts, has_header);
        if (o->host) {
            putchar('\n');
            host_print_queues(json_array_get(hosts, 0), has_header);
        }
    }
    json_decref(answer);
    return 0;
}

static int show_drivers(struct gw *gw, const struct host_options *o)
{
    json_t *answer;
    int code = connect_ask(gw, "status", json_object(), &answer);
    if (code)
        return code;
    json_object_del(answer, "id");
    json_object_del(answer, "ok");
    if (o->common.is_json)
        output_json("status", json_incref(answer));
    else
        host_print_drivers(answer, !o->common.has_no_header);
    json_decref(answer);
    return 0;
}

static int change(struct gw *gw, const struct host_options *o)
{
    bool is_drain = o->change == KEY_DRAIN || o->change == KEY_UNDRAIN;
    bool is_off = o->change == KEY_DRAIN || o->change == KEY_PAUSE;
    json_t *fields = is_drain ? json_pack("{ss? sb}", "host", o->named, "drained", (int)is_off)
                              : json_pack("{sb}", "paused", (int)is_off);
    json_t *answer;
    if (!fields) {
        output_error("the name of the host is not UTF-8");
        return EXIT_USAGE;
    }
    int code = connect_ask(gw, is_drain ? "drain" : "pause", fields, &answer);
    if (code)
        return code;
    json_decref(answer);
    if (o->common.is_json && is_drain)
        output_json_object(json_pack("{ss sb}", "host", o->named, "drained", (int)is_off));
    else if (o->common.is_json)
        output_json("paused", json_boolean(is_off));
    return 0;
}

static int test(struct gw *gw, const struct host_options *o)
{
    struct host_test_options t = o->test;
    t.host = o->named;
    t.is_json = o->common.is_json;
    t.timeout_s = t.timeout_s ? t.timeout_s : TEST_TIMEOUT_S;
    return host_test(gw, &t);
}

static int run(int argc, char **argv)
{
    struct host_options o = {0};
    struct gw *gw;
    int64_t seq;
    options_parse(&argp, argc, argv, &o);
    int code = connect_gwd(&gw);
    if (code)
        return code;
    if (o.change == KEY_DRIVERS)
        code = show_drivers(gw, &o);
    else if (o.change == KEY_TEST)
        code = test(gw, &o);
    else if (o.change)
        code = change(gw, &o);
    else if (o.has_delay)
        code = redraw(gw, (int64_t)o.delay_s * 1000, true, show, &o);
    else
        code = show(gw, &o, &seq);
    gw_close(gw);
    return code;
}

const struct cmd cmd_host = {"gwhost", "show hosts, drain them, pause dispatch", &argp, run};
