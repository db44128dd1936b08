/* gwuser: whose jobs gwd has, and how long their credentials are valid. */
#include "cli/cmd.h"
#include "cli/connect.h"
#include "cli/options.h"
#include "cli/output.h"
#include "cli/owner.h"
#include "cli/redraw.h"
#include "cli/table.h"
#include "client/gw.h"
#include "lib/mem.h"

#include <inttypes.h>

struct user_options {
    struct options common;
    uint64_t delay_s;
};

static const struct argp_option option_table[] = {
    {"continuous", 'c', "SECONDS", 0, "Show again every SECONDS", 0}, {0}};

static error_t parse(int key, char *arg, struct argp_state *state)
{
    struct user_options *o = state->input;
    switch (key) {
    case ARGP_KEY_INIT:
        state->child_inputs[0] = &o->common;
        return 0;
    case 'c':
        o->delay_s = option_number(state, "-c", arg, 1, INT32_MAX);
        return 0;
    default:
        return ARGP_ERR_UNKNOWN;
    }
}

static const struct argp_child children[] = {{&options_table_argp, 0, NULL, 0}, {0}};
static const struct argp argp = {
    option_table,
    parse,
    NULL,
    "Show the users whose jobs gwd has: how many wait and run, and for how long the credential in "
    "whose name they do is valid yet. A user with several credentials has a line for each.",
    children,
    NULL,
    NULL};

static void print_table(const json_t *users, bool has_header)
{
    static const struct table_column columns[] = {
        {"UID", 5, true},  {"NAME", 12, false},       {"WAIT", 5, true},      {"RUN", 5, true},
        {"LEFT", 8, true}, {"CREDENTIAL", 20, false}, {"IDENTITY", 20, false}};
    struct table *t = table_create(columns, GW_COUNT(columns), has_header);
    size_t i;
    json_t *user;
    json_array_foreach(users, i, user)
    {
        char text[MOMENT_MAX];
        const json_t *credential = gw_object(user, "credential");
        table_row(t);
        table_putf(t, "%" PRId64, gw_int(user, "uid", 0));
        table_put(t, gw_text(user, "user", NULL));
        table_putf(t, "%" PRId64, gw_int(user, "waiting", 0));
        table_putf(t, "%" PRId64, gw_int(user, "running", 0));
        table_put(t, owner_credential_left(credential, text));
        table_put(t, gw_text(credential, "path", NULL));
        table_put(t, gw_text(credential, "identity", NULL));
    }
    table_print_destroy(t);
}

static int show(struct gw *gw, const void *ctx, int64_t *ret_seq)
{
    const struct user_options *o = ctx;
    json_t *answer;
    int code = connect_ask(gw, "users", json_object(), &answer);
    if (code)
        return code;
    const json_t *users = gw_array(answer, "users");
    *ret_seq = gw_int(gw_hello(gw), "seq", 0);
    if (o->common.is_json)
        output_json("users", json_incref((json_t *)users));
    else
        print_table(users, !o->common.has_no_header);
    json_decref(answer);
    return 0;
}

static int run(int argc, char **argv)
{
    struct user_options o = {0};
    struct gw *gw;
    int64_t seq;
    options_parse(&argp, argc, argv, &o);
    int code = connect_gwd(&gw);
    if (code)
        return code;
    code = o.delay_s ? redraw(gw, (int64_t)o.delay_s * 1000, true, show, &o) : show(gw, &o, &seq);
    gw_close(gw);
    return code;
}

const struct cmd cmd_user = {"gwuser", "show users and their credentials", &argp, run};
