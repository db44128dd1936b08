/* A base disk, looked at before QEMU opens it. The format is told by the first bytes and always
 * given to QEMU, which never guesses; a qcow2 that names another file could make QEMU read any file
 * of the account. */
#ifndef VM_IMAGE_H
#define VM_IMAGE_H

#include "vm/failure.h"

#include <stdint.h>

enum image_format { IMAGE_RAW, IMAGE_QCOW2 };

struct image {
    enum image_format format;
    uint64_t virtual_bytes;
};

/* Look at the open file `fd`, called `name` in messages: a qcow2's header, and that its tables and
 * clusters lie in the file. Returns 0, or -1 with REASON_IMAGE_CORRUPT (truncated, damaged,
 * encrypted, features we do not know) or REASON_IMAGE_REFERS (backing file or external data file).
 */
int image_check(int fd, const char *name, struct image *ret, struct vm_failure *f);

const char *image_format_name(enum image_format format); /* as QEMU calls it */

#endif
