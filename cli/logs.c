/* gwlogs: what a job's payload wrote, byte for byte, also while it runs. */
#include "cli/cmd.h"
#include "cli/connect.h"
#include "cli/options.h"
#include "cli/output.h"
#include "lib/base64.h"
#include "lib/file.h"
#include "lib/mem.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

struct logs_options {
    struct options common;
    uint64_t job;
    bool has_job, is_followed, is_stderr;
};

static const struct argp_option option_table[] = {
    {"follow", 'f', NULL, 0, "Go on as it grows, until the job has ended", 0},
    {"stderr", 'e', NULL, 0, "Its standard error instead of its standard output", 0},
    {0}};

static error_t parse(int key, char *arg, struct argp_state *state)
{
    struct logs_options *o = state->input;
    switch (key) {
    case ARGP_KEY_INIT:
        state->child_inputs[0] = &o->common;
        return 0;
    case 'f':
        o->is_followed = true;
        return 0;
    case 'e':
        o->is_stderr = true;
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

static const struct argp_child children[] = {{&options_argp, 0, NULL, 0}, {0}};
static const struct argp argp = {
    option_table,
    parse,
    "JOB",
    "Show what a job printed. The bytes are not altered: of a job that you do not "
    "trust, pipe them through `cat -v`.\vExample:\n  gwlogs -f 12",
    children,
    NULL,
    NULL};

struct logs_state {
    const struct logs_options *o;
    const char *stream;
    uint64_t expected;
};

static int on_data(void *ctx, uint64_t offset, const void *data, size_t len, struct gw_err *err)
{
    struct logs_state *s = ctx;
    if (offset < s->expected)
        output_error("%" PRIu64 ": a new attempt; its output begins anew", s->o->job);
    s->expected = offset + len;
    if (s->o->common.is_json) {
        char *text = base64_encode(data, len);
        output_json("log", json_pack("{sI ss sI ss}", "job", (json_int_t)s->o->job, "stream",
                                     s->stream, "offset", (json_int_t)offset, "data", text));
        free(text);
        fflush(stdout);
        return 0;
    }
    int r = file_write_all(STDOUT_FILENO, data, len);
    return r < 0 ? gw_err_sys(err, -r, "standard output") : 0;
}

static int show(struct gw *gw, const struct logs_options *o)
{
    struct gw_err err = {0};
    struct logs_state s = {.o = o, .stream = o->is_stderr ? "stderr" : "stdout"};
    struct gw_logs l = {.job = o->job,
                        .stream = s.stream,
                        .is_followed = o->is_followed,
                        .patience_ms = PATIENCE_WAIT_MS,
                        .on_data = on_data,
                        .on_lost = connect_say_lost,
                        .ctx = &s};
    if (o->is_followed) {
        char *text = xasprintf("the job goes on; gwlogs -f %" PRIu64
                               " shows it again, gwkill %" PRIu64 " ends it",
                               o->job, o->job);
        connect_on_interrupt(text);
        free(text);
    }
    return gw_logs(gw, &l, &err) < 0 ? output_failure(&err) : 0;
}

static int run(int argc, char **argv)
{
    struct logs_options o = {0};
    struct gw *gw;
    options_parse(&argp, argc, argv, &o);
    int code = connect_gwd(&gw);
    if (code == 0) {
        code = show(gw, &o);
        gw_close(gw);
    }
    return code;
}

const struct cmd cmd_logs = {"gwlogs", "show what a job printed", &argp, run};
