/* gwwait: until jobs have ended. */
#include "cli/cmd.h"
#include "cli/connect.h"
#include "cli/exit.h"
#include "cli/ids.h"
#include "cli/options.h"
#include "cli/outcome.h"
#include "cli/output.h"
#include "lib/mem.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

enum { KEY_EXIT = KEY_OWN };

struct wait_options {
    struct options common;
    struct ids ids;
    uint64_t array;
    bool has_array, is_any, is_verbose, is_jobs_own;
    int64_t timeout_ms;
};

static const struct argp_option option_table[] = {
    {NULL, 'A', "ARRAY", 0, "Wait for all tasks of an array", 0},
    {"any", 'a', NULL, 0, "The first end is enough", 0},
    {"verbose", 'v', NULL, 0, "Print the exit code; of several jobs a line `id: code` each", 0},
    {"timeout", 't', "SECONDS", 0, "Give up after this time, with exit code 75; the jobs go on", 0},
    {"keep", 'k', NULL, 0, "Accepted as in GridWay; jobs are always kept", 0},
    {"exit-with-job", KEY_EXIT, NULL, 0, "Exit with the job's exit code; of several the largest",
     0},
    {0}};

static error_t parse(int key, char *arg, struct argp_state *state)
{
    struct wait_options *o = state->input;
    struct gw_err err;
    switch (key) {
    case ARGP_KEY_INIT:
        state->child_inputs[0] = &o->common;
        return 0;
    case 'A':
        o->array = option_number(state, "-A", arg, 1, INT64_MAX);
        o->has_array = true;
        return 0;
    case 'a':
        o->is_any = true;
        return 0;
    case 'v':
        o->is_verbose = true;
        return 0;
    case 't':
        o->timeout_ms = (int64_t)option_number(state, "-t", arg, 0, INT32_MAX) * 1000;
        return 0;
    case 'k':
        return 0;
    case KEY_EXIT:
        o->is_jobs_own = true;
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
                                 "Wait until jobs have ended.\vExit code 0: all are done with exit "
                                 "code 0; 1: one is not. gw-exit-codes(7) has "
                                 "the others.\n\nExample:\n  gwwait -v 12 14-17",
                                 children,
                                 NULL,
                                 NULL};

struct wait_state {
    const struct wait_options *o;
    json_t *jobs; /* for --json */
    int code;
};

static void on_end(void *ctx, const json_t *job)
{
    struct wait_state *s = ctx;
    int own = outcome_exit_code(job);
    char text[16] = "--";
    s->code = outcome_fold(s->code, job, s->o->is_jobs_own);
    if (s->o->common.is_json) {
        json_array_append(s->jobs, (json_t *)job);
        return;
    }
    if (!s->o->is_verbose)
        return;
    if (own >= 0)
        snprintf(text, sizeof text, "%d", own);
    if (s->o->ids.n == 1)
        printf("%s\n", text);
    else
        printf("%" PRId64 ": %s\n", gw_int(job, "id", 0), text);
    fflush(stdout);
}

static void farewell(const struct wait_options *o)
{
    char *text;
    if (o->has_array)
        text = xasprintf("the jobs go on; gwwait -A %" PRIu64 " waits again, gwkill -A %" PRIu64
                         " ends them",
                         o->array, o->array);
    else if (o->ids.n == 1)
        text =
            xasprintf("the job goes on; gwwait %" PRIu64 " waits again, gwkill %" PRIu64 " ends it",
                      o->ids.items[0], o->ids.items[0]);
    else
        text = xstrdup("the jobs go on; gwwait waits again, gwkill ends them");
    connect_on_interrupt(text);
    free(text);
}

static int run(int argc, char **argv)
{
    struct wait_options o = {.timeout_ms = -1};
    struct gw *gw;
    struct gw_err err = {0};
    options_parse(&argp, argc, argv, &o);
    int code = connect_gwd(&gw);
    if (code == 0) {
        struct wait_state s = {.o = &o, .jobs = json_array()};
        struct gw_wait w = {.ids = o.ids.items,
                            .n = o.ids.n,
                            .array = o.array,
                            .is_any = o.is_any,
                            .is_whole = o.common.is_json,
                            .timeout_ms = o.timeout_ms,
                            .patience_ms = PATIENCE_WAIT_MS,
                            .on_end = on_end,
                            .on_lost = connect_say_lost,
                            .on_back = connect_say_back,
                            .ctx = &s};
        farewell(&o);
        int r = gw_wait(gw, &w, &err);
        code = r < 0 ? output_failure(&err) : s.code;
        if (o.common.is_json)
            output_json("jobs", s.jobs);
        else
            json_decref(s.jobs);
        gw_close(gw);
    }
    ids_clear(&o.ids);
    return code;
}

const struct cmd cmd_wait = {"gwwait", "wait until jobs have ended", &argp, run};
