/* One program under many names: `gwps` is a link to `gw`, and `gw ps` is the same. */
#include "cli/cmd.h"
#include "cli/exit.h"

#include <errno.h>
#include <jansson.h>
#include <libgen.h>
#include <stdio.h>
#include <string.h>
#include <sys/auxv.h>

static int usage(FILE *to, int code)
{
    size_t n;
    const struct cmd *const *list = cmd_list(&n);
    fputs("Usage: gw COMMAND [ARGUMENT...]\n\n", to);
    for (size_t i = 0; i < n; i++)
        fprintf(to, "  %-10s  %s\n", list[i]->name + 2, list[i]->summary);
    fputs(
        "\n`gw ps` and `gwps` are the same; `gwps --help` tells more. The manual: man gwsubmit.\n",
        to);
    return code;
}

/* A full disk or a closed pipe must not look like success. */
static int close_output(int code)
{
    if (fflush(stdout) == 0 && !ferror(stdout))
        return code;
    fprintf(stderr, "%s: standard output: %s\n", program_invocation_short_name, strerror(errno));
    return code ? code : EXIT_IO;
}

static int run(const struct cmd *cmd, int argc, char **argv)
{
    program_invocation_short_name = (char *)cmd->name;
    argv[0] = (char *)cmd->name;
    argp_err_exit_status = EXIT_USAGE;
    return close_output(cmd->run(argc, argv));
}

/* Against daemons that choose names for their hashes. jansson would read /dev/urandom for it; the
 * kernel gave every process some random bytes already. */
static void seed_hashes(void)
{
    size_t seed = 0;
    const void *random = (const void *)getauxval(AT_RANDOM);
    if (random)
        memcpy(&seed, random, sizeof seed);
    json_object_seed(seed);
}

int main(int argc, char **argv)
{
    seed_hashes();
    const struct cmd *cmd = argc > 0 ? cmd_find(basename(argv[0])) : NULL;
    if (cmd && strcmp(cmd->name, basename(argv[0])) == 0)
        return run(cmd, argc, argv);
    if (argc < 2)
        return usage(stderr, EXIT_USAGE);
    if (strcmp(argv[1], "--help") == 0 || strcmp(argv[1], "-h") == 0 ||
        strcmp(argv[1], "help") == 0)
        return close_output(usage(stdout, 0));
    if (strcmp(argv[1], "--version") == 0) {
        puts("gw (gwd) " GW_VERSION);
        return close_output(0);
    }
    cmd = cmd_find(argv[1]);
    if (cmd)
        return run(cmd, argc - 1, argv + 1);
    fprintf(stderr, "gw: no command is named %s\n", argv[1]);
    return usage(stderr, EXIT_USAGE);
}
