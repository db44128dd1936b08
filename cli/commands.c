#include "cli/cmd.h"
#include "lib/mem.h"

#include <string.h>

static const struct cmd *const list[] = {&cmd_submit, &cmd_ps,      &cmd_host, &cmd_kill,
                                         &cmd_wait,   &cmd_history, &cmd_logs, &cmd_user};

const struct cmd *const *cmd_list(size_t *ret_n)
{
    *ret_n = GW_COUNT(list);
    return list;
}

const struct cmd *cmd_find(const char *name)
{
    for (size_t i = 0; i < GW_COUNT(list); i++)
        if (strcmp(list[i]->name, name) == 0 || strcmp(list[i]->name + 2, name) == 0)
            return list[i];
    return NULL;
}
