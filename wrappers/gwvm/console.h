/* The guest's console, kept as a file of bounded size. */
#ifndef WRAPPERS_GWVM_CONSOLE_H
#define WRAPPERS_GWVM_CONSOLE_H

#include "vm/failure.h"

#include <stdbool.h>

enum { CONSOLE_MAX = 4 << 20, CONSOLE_KEEP = 1 << 20 };

/* Beyond CONSOLE_MAX only the last CONSOLE_KEEP bytes are kept; QEMU goes on appending. */
void console_trim(const char *path);

/* Append the last lines to the sentence in `f`, printable characters only. */
void console_quote(const char *path, struct vm_failure *f);

/* Whether a Linux kernel said that it panicked. */
bool console_shows_panic(const char *path);

#endif
