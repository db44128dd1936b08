/* The disks made for one VM. */
#ifndef VM_DISK_H
#define VM_DISK_H

#include "vm/image.h"

#include <stdint.h>

/* Make the copy-on-write disk `path` over `base` (absolute) with qemu-img. It does not open the
 * base: `image` says what it is. */
int disk_overlay(const char *path, const char *base, const struct image *image,
                 struct vm_failure *f);

/* Make the sparse raw disk `path` of `bytes`, rounded up to a sector. It must not exist. */
int disk_raw(const char *path, uint64_t bytes, struct vm_failure *f);

#endif
