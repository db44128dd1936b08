/* A job description (RSL) as a program to start, and the start of it. */
#ifndef EM_LAUNCH_H
#define EM_LAUNCH_H

#include "lib/err.h"

#include <stdbool.h>
#include <sys/types.h>

struct launch {
    bool is_bare;           /* no wrapper, and no job directory: GW_STAGING=no */
    char *directory;        /* absolute */
    char *token;            /* GW_TOKEN of the environment, or NULL */
    char *in, *out, *error; /* paths, relative ones to directory */
    char **argv;            /* [0] the executable, relative to directory */
    char **env;
};

/* Read and check a description: itself when it begins with &, else the file of that name.
 * -GW_EINVAL: this driver refuses it; else it could not be read. */
int launch_read(const char *description, struct launch *ret, struct gw_err *err);
void launch_clear(struct launch *l);

/* The environment of jobs and of our helpers, as far as it is the account's: PATH, HOME, USER, ...
 * NULL-terminated vector of NAME=VALUE, free with launch_env_free. */
char **launch_account_env(void);
void launch_env_free(char **env);

/* Start in a new session, with no other descriptor than its three, and wait until the program runs
 * or cannot. 0, and the pidfd is the caller's; -GW_EINVAL when it cannot be executed, -GW_ESTATE
 * when its file is being written, -GW_EUNAVAIL when there is no room for a process, others for the
 * directory and its files. */
int launch_start(const struct launch *l, pid_t *ret_pid, int *ret_pidfd, struct gw_err *err);

/* As many descriptors as the account may have, for us and not for what we start. */
void launch_raise_limit(void);

#endif
