/* What runs in the guest: guest/run.sh, as it is in the tree, inside the program. */
#ifndef VM_RUNNER_H
#define VM_RUNNER_H

#include <stddef.h>

extern const char vm_runner[];
size_t vm_runner_length(void);

#endif
