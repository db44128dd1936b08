/* What has to be there before the VM starts. */
#ifndef WRAPPERS_GWVM_PREPARE_H
#define WRAPPERS_GWVM_PREPARE_H

#include "vm/cache.h"
#include "vm/xml.h"
#include "wrappers/gwvm/attempt.h"

struct prepared {
    struct cached_image base; /* held until prepared_clear */
    struct vm_files files;
};

/* The base image from the cache, overlay, result, scratch and seed disk in a->work, empty logs in
 * the job directory. 0, or -1 with f; prepared_clear in both cases. */
int prepare(const struct attempt *a, struct prepared *ret, struct vm_failure *f);
void prepared_clear(struct prepared *p);

#endif
