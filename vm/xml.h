/* The libvirt domain of a VM job. Pure: a value in, a text out; held by a golden file. */
#ifndef VM_XML_H
#define VM_XML_H

#include "lib/buf.h"
#include "vm/conf.h"
#include "vm/image.h"

#define VM_METADATA_URI "https://gwd.invalid/xmlns/job/1"

/* The files of one VM; absolute paths. */
struct vm_files {
    char *base, *overlay, *seed, *result, *console, *stdout_log, *stderr_log, *status_log;
    char *disks[VM_DISKS_MAX];
};

/* Append the document. The domain's name is "gw-TOKEN". */
void vm_xml(const struct vm_conf *c, const struct image *base, const struct vm_files *files,
            struct buf *out);

#endif
