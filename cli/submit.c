/* gwsubmit: a template or a command becomes a job. */
#include "cli/submit.h"
#include "cli/cmd.h"
#include "cli/connect.h"
#include "cli/exit.h"
#include "cli/outcome.h"
#include "cli/output.h"
#include "cli/owner.h"
#include "cli/progress.h"
#include "lib/mem.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { KEY_WAIT = KEY_OWN, KEY_EXIT, KEY_CHECK, KEY_KEY, KEY_CREDENTIAL, KEY_BARE };

static const struct argp_option option_table[] = {
    {"template", 't', "FILE", 0,
     "The job template; also without -t; `-` is standard input, where lines --- part several", 0},
    {"verbose", 'v', NULL, 0, "Print the job's id; with --wait its state changes", 0},
    {"tasks", 'n', "N", 0, "An array of N tasks", 0},
    {"start", 's', "N", 0, "${PARAM} of an array's first task (0)", 0},
    {"increment", 'i', "N", 0, "Difference of ${PARAM} from task to task (1)", 0},
    {"hold", 'o', NULL, 0, "Hold it; gwkill -l releases it", 0},
    {"priority", 'p', "N", 0, "Priority, 0 to 20", 0},
    {"wait", KEY_WAIT, NULL, 0, "Wait until it has ended; Ctrl-C leaves it alone", 0},
    {"exit-with-job", KEY_EXIT, NULL, 0,
     "Wait, and exit with its exit code; of an array the largest", 0},
    {"check", KEY_CHECK, NULL, 0, "Only check the template, all of it; no daemon is needed", 0},
    {"key", KEY_KEY, "KEY", 0,
     "Submission key: what was submitted with it before is not submitted again", 0},
    {"no-staging", KEY_BARE, NULL, 0, "Of a command: start it as it is on the host (STAGING = no)",
     0},
    {"credential", KEY_CREDENTIAL, "FILE", 0,
     "The proxy certificate in whose name it runs; else $X509_USER_PROXY, /tmp/x509up_u<uid>", 0},
    {0}};

static void take_command(struct submit_options *o, struct argp_state *state)
{
    o->command = &state->argv[state->next - 1];
    o->command_n = (size_t)(state->argc - state->next + 1);
    state->next = state->argc;
}

static void take_argument(struct submit_options *o, char *arg, struct argp_state *state)
{
    if (state->quoted && state->next > state->quoted)
        take_command(o, state);
    else if (o->file)
        argp_error(state, "one template at a time: %s and %s", o->file, arg);
    else
        o->file = arg;
}

static void check(struct submit_options *o, struct argp_state *state)
{
    if (o->command && o->file)
        argp_error(state, "either a template or a command");
    if (o->is_bare && !o->command)
        argp_error(state, "--no-staging belongs to a command; in a template write STAGING = no");
    if (!o->tasks && (o->start != 0 || o->increment != 1))
        argp_error(state, "-s and -i belong to an array: -n N");
    if (!o->command && !o->file && isatty(STDIN_FILENO))
        argp_error(state, "name a template, or a command after --");
    if (!o->command && !o->file)
        o->file = "-";
}

static error_t parse(int key, char *arg, struct argp_state *state)
{
    struct submit_options *o = state->input;
    switch (key) {
    case ARGP_KEY_INIT:
        state->child_inputs[0] = &o->common;
        return 0;
    case 't':
    case ARGP_KEY_ARG:
        if (key == 't' && !o->file)
            o->file = arg;
        else
            take_argument(o, arg, state);
        return 0;
    case 'v':
        o->is_verbose = true;
        return 0;
    case 'n':
        o->tasks = option_number(state, "-n", arg, 1, UINT32_MAX);
        return 0;
    case 's':
        o->start = option_integer(state, "-s", arg);
        return 0;
    case 'i':
        o->increment = option_integer(state, "-i", arg);
        return 0;
    case 'o':
        o->is_held = true;
        return 0;
    case 'p':
        o->priority = (int)option_number(state, "-p", arg, 0, 20);
        return 0;
    case KEY_EXIT:
        o->is_jobs_own = true;
        o->is_waiting = true;
        return 0;
    case KEY_WAIT:
        o->is_waiting = true;
        return 0;
    case KEY_CHECK:
        o->is_check = true;
        return 0;
    case KEY_BARE:
        o->is_bare = true;
        return 0;
    case KEY_KEY:
        o->key = arg;
        return 0;
    case KEY_CREDENTIAL:
        setenv("X509_USER_PROXY", arg, 1); /* it means the same */
        return 0;
    case ARGP_KEY_END:
        check(o, state);
        return 0;
    default:
        return ARGP_ERR_UNKNOWN;
    }
}

static const struct argp_child children[] = {{&options_argp, 0, NULL, 0}, {0}};
static const struct argp argp = {
    option_table,
    parse,
    "[TEMPLATE]\n-- COMMAND [ARGUMENT...]",
    "Submit a job, or an array of jobs. File names are relative to the current directory.\v"
    "Examples:\n  gwsubmit -v hello.jt\n  gwsubmit --wait --exit-with-job -- /bin/sh -c 'exit 7'",
    children,
    NULL,
    NULL};

/* More tasks than anybody reads are told as a range. */
static void print_array(const struct gw_submitted *s)
{
    enum { LISTED_MAX = 1000 };
    printf("ARRAY ID: %" PRIu64 "\n\nTASK JOB\n", s->array);
    if (s->tasks > LISTED_MAX)
        printf("0-%" PRIu64 " %" PRIu64 "-%" PRIu64 "\n", s->tasks - 1, s->job,
               s->job + s->tasks - 1);
    for (uint64_t i = 0; s->tasks <= LISTED_MAX && i < s->tasks; i++)
        printf("%-4" PRIu64 " %" PRIu64 "\n", i, s->job + i);
}

void submission_say(const struct submit_options *o, const struct gw_submitted *s, uint64_t number)
{
    if (o->common.is_json) {
        json_t *said =
            json_pack("{sI sI so ss sO*}", "job", (json_int_t)s->job, "tasks", (json_int_t)s->tasks,
                      "array", s->is_array ? json_integer((json_int_t)s->array) : json_null(),
                      "key", s->key, "warnings", s->warnings);
        if (number)
            json_object_set_new(said, "template", json_integer((json_int_t)number));
        output_json("submitted", said);
    } else if (o->is_verbose || isatty(STDOUT_FILENO)) {
        if (s->is_array)
            print_array(s);
        else
            printf("JOB ID: %" PRIu64 "\n", s->job);
    }
}

struct submit_state {
    const struct submit_options *o;
    bool is_told; /* state changes */
    json_t *jobs;
    int code;
};

static void on_event(void *ctx, const json_t *event)
{
    struct submit_state *s = ctx;
    if (s->is_told)
        progress_event(event);
}

static void on_end(void *ctx, const json_t *job)
{
    struct submit_state *s = ctx;
    s->code = outcome_fold(s->code, job, s->o->is_jobs_own);
    if (s->o->common.is_json)
        json_array_append(s->jobs, (json_t *)job);
    /* A failure without an exit code would otherwise end without a word of why. */
    if (s->is_told || outcome_exit_code(job) < 0)
        progress_end(job);
}

static void farewell(const uint64_t *ids, size_t n, uint64_t array)
{
    char *text;
    if (array)
        text = xasprintf("the jobs go on; gwwait -A %" PRIu64 " waits again, gwkill -A %" PRIu64
                         " ends them",
                         array, array);
    else if (n == 1)
        text =
            xasprintf("the job goes on; gwwait %" PRIu64 " waits again, gwkill %" PRIu64 " ends it",
                      ids[0], ids[0]);
    else
        text = xstrdup("the jobs go on; gwps shows them");
    connect_on_interrupt(text);
    free(text);
}

int submission_await(struct gw *gw, const struct submit_options *o, const uint64_t *ids, size_t n,
                     uint64_t array, int64_t from)
{
    struct gw_err err = {0};
    struct submit_state s = {
        .o = o, .jobs = json_array(), .is_told = o->is_verbose || isatty(STDERR_FILENO)};
    struct gw_wait w = {.ids = ids,
                        .n = n,
                        .array = array,
                        .from = from,
                        .is_whole = o->common.is_json,
                        .timeout_ms = -1,
                        .patience_ms = PATIENCE_WAIT_MS,
                        .on_event = on_event,
                        .on_end = on_end,
                        .on_lost = connect_say_lost,
                        .on_back = connect_say_back,
                        .ctx = &s};
    farewell(ids, n, array);
    int r = gw_wait(gw, &w, &err);
    int code = r < 0 ? output_failure(&err) : s.code;
    if (o->common.is_json && r == 0)
        output_json("jobs", s.jobs);
    else
        json_decref(s.jobs);
    return code;
}

static void say_refused(const json_t *list, const struct gw_err *err, uint64_t number)
{
    json_t *refused = json_pack("{sI ss ss}", "template", (json_int_t)number, "code",
                                gw_errc_name((enum gw_errc)err->code), "message", err->text);
    if (list)
        json_object_set(refused, "diagnostics", (json_t *)list);
    output_json("refused", refused);
}

/* A template's mistakes with their places, or another reason. */
int submission_refused(struct gw *gw, const struct submit_options *o, const struct source *src,
                       const struct gw_err *err, uint64_t number)
{
    const json_t *list = err->code == GW_EINVAL ? gw_array(gw_refusal(gw), "diagnostics") : NULL;
    if (o->common.is_json && number)
        say_refused(list, err, number);
    if (json_array_size(list) == 0 && number) {
        output_error("%s: %s", src->shown, err->text);
        return exit_of_error(err->code);
    }
    if (json_array_size(list) == 0)
        return output_failure(err);
    if (!o->common.is_json)
        source_diagnose(src, list);
    else if (!number)
        output_json("diagnostics", json_incref((json_t *)list));
    output_error("%s: %s; %s", src->shown, err->text,
                 number ? "it was not submitted" : "nothing was submitted");
    return EXIT_TEMPLATE;
}

struct gw_submission submission_of(const struct submit_options *o, const struct source *src,
                                   const char *home, const char *credential)
{
    return (struct gw_submission){.template = buf_str(&src->text),
                                  .file = src->name,
                                  .home = home,
                                  .tasks = o->tasks,
                                  .is_array = o->tasks > 0,
                                  .start = o->start,
                                  .increment = o->increment,
                                  .is_held = o->is_held,
                                  .priority = o->priority,
                                  .key = o->key,
                                  .credential = credential};
}

static int submit(struct gw *gw, const struct submit_options *o, const struct source *src,
                  const char *home)
{
    struct gw_err err = {0};
    struct gw_submitted sub;
    char *credential = owner_credential_path();
    const struct gw_submission s = submission_of(o, src, home, credential);
    if (credential)
        owner_warn(credential);
    int r = gw_submit(gw, &s, PATIENCE_SUBMIT_MS, &sub, &err);
    free(credential);
    if (r < 0)
        return submission_refused(gw, o, src, &err, 0);
    if (!o->common.is_json)
        source_diagnose(src, sub.warnings);
    submission_say(o, &sub, 0);
    fflush(stdout);
    json_decref(sub.warnings);
    /* The job's own events are all after what the greeting told. */
    int64_t from = gw_int(gw_hello(gw), "seq", 0) + 1;
    return o->is_waiting ? submission_await(gw, o, &sub.job, sub.is_array ? 0 : 1, sub.array, from)
                         : 0;
}

static int submit_here(const struct submit_options *o, struct source *src, struct stream *rest)
{
    struct gw *gw;
    char *home = getcwd(NULL, 0);
    if (!home) {
        output_error("the current directory: %s", strerror(errno));
        return EXIT_NO_FILE;
    }
    bool has_nul = strlen(buf_str(&src->text)) != src->text.len;
    int code = has_nul && !rest ? source_check(src, o->common.is_json) : connect_open(&gw);
    if (code == 0) {
        code = rest ? submit_many(gw, o, src, rest, home) : submit(gw, o, src, home);
        gw_close(gw);
    }
    free(home);
    return code;
}

static int run(int argc, char **argv)
{
    struct submit_options o = {.increment = 1, .priority = -1};
    struct source src;
    struct stream *rest;
    options_parse(&argp, argc, argv, &o);
    int code = source_read(&o, &src, &rest);
    if (code)
        return code;
    if (!o.is_check)
        code = submit_here(&o, &src, rest);
    else
        code = rest ? check_many(&o, &src, rest) : source_check(&src, o.common.is_json);
    source_clear(&src);
    stream_close(rest);
    return code;
}

const struct cmd cmd_submit = {"gwsubmit", "submit a job", &argp, run};
