#include "vm/runner.h"

#include <stdint.h>

/* The assembler reads the file itself (relative to the tree's root), so there is no second copy to
 * keep in step. */
__asm__(".section .rodata\n"
        ".global vm_runner, vm_runner_end\n"
        "vm_runner:\n"
        ".incbin \"guest/run.sh\"\n"
        "vm_runner_end:\n"
        ".byte 0\n"
        ".previous\n");

extern const char vm_runner_end[];

size_t vm_runner_length(void)
{
    return (uintptr_t)vm_runner_end - (uintptr_t)vm_runner;
}
