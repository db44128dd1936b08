/* The payload of a plain job: found, started in a session of its own, signalled as a whole. */
#ifndef WRAPPERS_PLAIN_PAYLOAD_H
#define WRAPPERS_PLAIN_PAYLOAD_H

#include "lib/err.h"

#include <sys/types.h>

/* The program that `executable` names: a path, else looked for in PATH; a "./" one is made
 * executable first, since not every transfer keeps modes. malloc'ed; -GW_ENOENT, -GW_EPERM. */
int payload_find(const char *executable, char **ret_path, struct gw_err *err);

/* Start it with this process's environment and the three files of the job directory: a session of
 * its own, no other descriptor, no signal ignored or blocked. `argv[0]` is the name it was asked
 * for by. Returns its process id; -GW_EIO when the files cannot be opened; *ret_code is set, and 0
 * returned, when the program cannot be executed: what a shell's exit code would be then. */
pid_t payload_start(const char *path, char *const argv[], const char *input, int *ret_code,
                    struct gw_err *err);

#endif
