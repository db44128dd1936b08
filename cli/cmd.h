/* The commands: one file each, listed in cli/commands.c. */
#ifndef CLI_CMD_H
#define CLI_CMD_H

#include <argp.h>
#include <stddef.h>

struct cmd {
    const char *name;    /* "gwps" */
    const char *summary; /* one line */
    const struct argp *argp;
    int (*run)(int argc, char **argv); /* argv[0] is the name; returns the exit code */
};

extern const struct cmd cmd_submit, cmd_ps, cmd_host, cmd_kill, cmd_wait, cmd_history, cmd_logs,
    cmd_user;

const struct cmd *const *cmd_list(size_t *ret_n);
const struct cmd *cmd_find(const char *name); /* "gwps" or "ps"; NULL if it is none */

#endif
