#include "cli/options.h"
#include "cli/exit.h"
#include "lib/num.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

static error_t parse(int key, char *arg, struct argp_state *state)
{
    struct options *o = state->input;
    (void)arg;
    switch (key) {
    case KEY_JSON:
        o->is_json = true;
        return 0;
    case 'n':
        o->has_no_header = true;
        return 0;
    case 'h':
        argp_state_help(state, stdout, ARGP_HELP_STD_HELP);
        return 0;
    default:
        return ARGP_ERR_UNKNOWN;
    }
}

#define OPTION_JSON                                                                                \
    {                                                                                              \
        "json", KEY_JSON, NULL, 0, "Print JSON, as docs/schema/gw.schema.json describes it", -2    \
    }
#define OPTION_HELP                                                                                \
    {                                                                                              \
        NULL, 'h', NULL, OPTION_HIDDEN, NULL, -2                                                   \
    }

static const struct argp_option plain[] = {OPTION_JSON, OPTION_HELP, {0}};
static const struct argp_option table[] = {
    OPTION_JSON, {"no-header", 'n', NULL, 0, "Print no header", -2}, OPTION_HELP, {0}};

const struct argp options_argp = {.options = plain, .parser = parse};
const struct argp options_table_argp = {.options = table, .parser = parse};

static void print_version(FILE *to, struct argp_state *state)
{
    fprintf(to, "%s (gwd) %s\n", state->name, GW_VERSION);
}

void options_parse(const struct argp *argp, int argc, char **argv, void *input)
{
    argp_program_version_hook = print_version;
    if (argp_parse(argp, argc, argv, 0, NULL, input) != 0)
        exit(EXIT_USAGE);
}

uint64_t option_number(struct argp_state *state, const char *option, const char *text, uint64_t min,
                       uint64_t max)
{
    uint64_t value = 0;
    struct gw_err err;
    if (num_parse_u64(text, min, max, &value, &err) < 0)
        argp_error(state, "%s: %s", option, err.text);
    return value;
}

int64_t option_integer(struct argp_state *state, const char *option, const char *text)
{
    int64_t value = 0;
    struct gw_err err;
    if (num_parse_i64(text, INT32_MIN, INT32_MAX, &value, &err) < 0)
        argp_error(state, "%s: %s", option, err.text);
    return value;
}
