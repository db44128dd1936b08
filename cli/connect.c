#include "cli/connect.h"
#include "cli/exit.h"
#include "cli/output.h"
#include "lib/mem.h"

#include <errno.h>
#include <signal.h>
#include <string.h>
#include <unistd.h>

static int failure(int r, const struct gw_err *err)
{
    if (r == 0)
        return 0;
    output_failure(err);
    return r == -GW_EINVAL ? EXIT_CONFIG : r == -GW_ETIMEDOUT ? EXIT_UNAVAILABLE : exit_of_error(r);
}

int connect_gwd(struct gw **ret)
{
    struct gw_err err = {0};
    return failure(gw_connect(NULL, ret, &err), &err);
}

int connect_open(struct gw **ret)
{
    struct gw_err err = {0};
    return failure(gw_open(NULL, ret, &err), &err);
}

int connect_ask(struct gw *gw, const char *op, json_t *fields, json_t **ret)
{
    struct gw_err err = {0};
    return gw_request(gw, op, fields, ret, &err) < 0 ? output_failure(&err) : 0;
}

static char *farewell; /* read by the signal handler only, so set before it is installed */

static void say_farewell(int signo)
{
    (void)signo;
    ssize_t n = write(STDERR_FILENO, farewell, strlen(farewell));
    (void)n;
    _exit(EXIT_INTERRUPTED);
}

void connect_on_interrupt(const char *text)
{
    struct sigaction sa = {.sa_handler = say_farewell};
    farewell = xasprintf("\n%s: %s\n", program_invocation_short_name, text);
    sigaction(SIGINT, &sa, NULL);
}

void connect_say_lost(void *ctx, const char *why)
{
    (void)ctx;
    output_error("%s; waiting for it to come back", why);
}

void connect_say_back(void *ctx)
{
    (void)ctx;
    output_error("gwd is back");
}
