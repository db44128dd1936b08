/* A job description (RSL) as a program to start, and the start of it. */
#ifndef EM_LAUNCH_H
#define EM_LAUNCH_H

#include "lib/err.h"

#include <sys/types.h>

struct launch {
    char *directory;        /* absolute */
    char *token;            /* GW_TOKEN of the environment, or NULL */
    char *in, *out, *error; /* paths, relative ones to directory */
    char **argv;            /* [0] the executable, relative to directory */
    char **env;
};

/* Read and check the description in file `path`. -GW_EINVAL: this driver refuses it; else it could
 * not be read. */
int launch_read(const char *path, struct launch *ret, struct gw_err *err);
void launch_clear(struct launch *l);

/* The environment of jobs and of our helpers, as far as it is the account's: PATH, HOME, USER, ...
 * NULL-terminated vector of NAME=VALUE, free with launch_env_free. */
char **launch_account_env(void);
void launch_env_free(char **env);

/* Start in a new session, with no other descriptor than its three. `lock` (or a negative number)
 * stays open in the child until the exec. Returns the pid; *ret_exec_fd (close-on-exec,
 * non-blocking) becomes readable when the fate of the exec is known: see launch_result. */
pid_t launch_start(const struct launch *l, int *ret_exec_fd, struct gw_err *err);

/* 0: the program runs. Else the error: -GW_EINVAL when it cannot be executed, others for the
 * directory and its files. */
int launch_result(const struct launch *l, int exec_fd, struct gw_err *err);

/* As many descriptors as the account may have, for us and not for what we start. */
void launch_raise_limit(void);

#endif
