/* SHA-256 of a file. */
#ifndef VM_HASH_H
#define VM_HASH_H

#include "lib/err.h"

enum { HASH_HEX = 64 };

/* The digest of all of `fd`, as 64 lower-case digits and a NUL. */
int hash_file(int fd, const char *name, char ret_hex[HASH_HEX + 1], struct gw_err *err);

#endif
