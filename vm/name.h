/* Names of files that come from a template or out of a guest. */
#ifndef VM_NAME_H
#define VM_NAME_H

#include <stdbool.h>
#include <stddef.h>

enum { VM_NAME_MAX = 1024 };

/* A relative path below its directory: not empty, no empty part, no "." or "..", no control
 * character, each part at most 255 bytes, together at most VM_NAME_MAX. A blank or any other
 * character is allowed. */
bool vm_name_is_safe(const char *name);

/* "instance.epoch.job.task.attempt": letters, digits, dots and dashes, at most 128 bytes. */
bool vm_token_is_safe(const char *token);

#endif
