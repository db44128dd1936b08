/* gwvm: runs one grid job in a virtual machine, at the site, from a job directory (docs/jobdir.md).
 */
#include "lib/log.h"
#include "lib/mem.h"
#include "vm/machine.h"
#include "vm/name.h"
#include "vm/session.h"
#include "wrappers/gwvm/supervise.h"

#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>

static const char usage[] =
    "usage: gwvm run [-d JOBDIR]\n"
    "       gwvm sweep --token TOKEN [-c URI]\n"
    "       gwvm probe [-c URI]\n"
    "       gwvm --help | --version\n"
    "\n"
    "run    boot the VM that JOBDIR/vm.conf describes (default: the working directory), run the\n"
    "       payload in it, bring its results home, write JOBDIR/status\n"
    "sweep  end what is left of an attempt: its gwvm if it still runs, its VM, its private state\n"
    "probe  say whether the hypervisor can be reached and which kind of domain works\n"
    "\n"
    "exit code: 0 done (run: status was written), 1 failed, 64 wrong usage, 65 wrong vm.conf\n";

/* Longer than gwvm takes to stop a VM that does not want to. */
enum { SWEEP_MS = 45 * 1000 };

struct options {
    const char *dir, *uri, *token;
};

static int wrong_usage(void)
{
    fputs(usage, stderr);
    return GWVM_USAGE;
}

static int cmd_run(const struct options *o)
{
    return gwvm_run(o->dir);
}

static int cmd_sweep(const struct options *o)
{
    struct gw_err err;
    if (!o->token || !vm_token_is_safe(o->token))
        return wrong_usage();
    int n = strcmp(o->uri, VM_SESSION_URI) == 0 ? session_sweep(o->token, SWEEP_MS, &err)
                                                : machine_sweep(o->uri, o->token, &err);
    if (n < 0) {
        log_error("%s", err.text);
        return GWVM_FAILED;
    }
    printf("%d\n", n);
    return GWVM_OK;
}

static int probe_in(const struct session *s)
{
    unsigned long version;
    struct gw_err err;
    session_enter(s);
    if (machine_probe(s, &version, &err) < 0) {
        printf("reachable=no\nerror=%s\n", err.text);
        return GWVM_FAILED;
    }
    printf("reachable=yes\nversion=%lu.%lu.%lu\ntype=qemu\n", version / 1000000,
           version / 1000 % 1000, version % 1000);
    return GWVM_OK;
}

static int cmd_probe(const struct options *o)
{
    struct session s;
    struct gw_err err;
    printf("uri=%s\n", o->uri);
    if (session_create(o->uri, "probe", &s, &err) < 0) {
        printf("reachable=no\nerror=%s\n", err.text);
        return GWVM_FAILED;
    }
    int r = probe_in(&s);
    session_destroy(&s);
    return r;
}

static const struct command {
    const char *name, *letters;
    int (*run)(const struct options *o);
} commands[] = {
    {"run", "d:", cmd_run},
    {"sweep", "t:c:", cmd_sweep},
    {"probe", "c:", cmd_probe},
};

static int run_command(const struct command *c, int argc, char **argv)
{
    static const struct option sweep_options[] = {{"token", required_argument, NULL, 't'}, {0}};
    static const struct option no_options[] = {{0}};
    struct options o = {".", VM_SESSION_URI, NULL};
    int letter;
    while ((letter = getopt_long(argc, argv, c->letters,
                                 strchr(c->letters, 't') ? sweep_options : no_options, NULL)) != -1)
        switch (letter) {
        case 'd':
            o.dir = optarg;
            break;
        case 'c':
            o.uri = optarg;
            break;
        case 't':
            o.token = optarg;
            break;
        default:
            return wrong_usage();
        }
    return optind == argc ? c->run(&o) : wrong_usage();
}

int main(int argc, char **argv)
{
    log_set("gwvm", LOG_INFO);
    /* The payload's files and environment pass through here; QEMU inherits it. (Not
     * PR_SET_DUMPABLE: the execution driver finds us by our environment.) */
    setrlimit(RLIMIT_CORE, &(struct rlimit){0, 0});
    if (argc < 2)
        return wrong_usage();
    if (strcmp(argv[1], "--help") == 0)
        return fputs(usage, stdout) < 0;
    if (strcmp(argv[1], "--version") == 0)
        return puts("gwvm " GW_VERSION) < 0;
    for (size_t i = 0; i < GW_COUNT(commands); i++)
        if (strcmp(argv[1], commands[i].name) == 0)
            return run_command(&commands[i], argc - 1, argv + 1);
    return wrong_usage();
}
