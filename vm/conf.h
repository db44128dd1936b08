/* vm.conf: what VM an attempt wants (docs/jobdir.md). */
#ifndef VM_CONF_H
#define VM_CONF_H

#include "lib/err.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct vm_conf {
    char *token, *name, *uuid, *uri, *image, *executable;
    char *image_sha256; /* 64 lower-case digits, or NULL */
    uint64_t cpus, memory_mib;
    uint64_t *disks; /* bytes */
    size_t n_disks;
    uint64_t result_bytes;
    char **inputs, **outputs; /* relative names */
    size_t n_inputs, n_outputs;
    bool has_stdin;
    uint64_t walltime_s; /* 0: none */
    uint64_t boot_timeout_s;
    uint64_t cache_max_bytes, cache_max_age_s; /* 0: no limit */
};

enum { VM_CONF_MAX = 16 << 20, VM_DISKS_MAX = 16 };

/* Decode `text`; every key but IMAGE_CHECKSUM, DISK, INPUT, OUTPUT, STDIN and the limits has to be
 * there, unknown keys are an error. `file` is its name for messages. Returns 0, or -GW_EINVAL with
 * the first mistake and its line. */
int vm_conf_parse(const char *text, size_t len, const char *file, struct vm_conf *ret,
                  struct gw_err *err);
void vm_conf_clear(struct vm_conf *c);

#endif
