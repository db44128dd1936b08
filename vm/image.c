#include "vm/image.h"

#include "lib/mem.h"

#include <errno.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

/* Offsets, bits and limits: docs/interop/qcow2.txt of QEMU. */
enum { HEADER_V2 = 72, HEADER_V3 = 104 };
enum { INCOMPATIBLE_CORRUPT = 1 << 1, INCOMPATIBLE_DATA_FILE = 1 << 2, INCOMPATIBLE_L2 = 1 << 4 };
static const uint64_t incompatible_known = 0x1f;
static const uint32_t extension_end = 0, extension_data_file = 0x44415441;
static const uint64_t offset_mask = UINT64_C(0x00fffffffffffe00);
static const uint64_t is_compressed = UINT64_C(1) << 62;

struct header {
    uint32_t version, backing_size, cluster_bits, crypt, l1_size, refcount_clusters, length;
    uint64_t backing_offset, size, l1_offset, refcount_offset, incompatible;
};

struct file {
    int fd;
    const char *name;
    uint64_t bytes;
    struct header h;
    struct vm_failure *f;
};

static uint32_t be32(const unsigned char *p)
{
    return (uint32_t)p[0] << 24 | (uint32_t)p[1] << 16 | (uint32_t)p[2] << 8 | p[3];
}

static uint64_t be64(const unsigned char *p)
{
    return (uint64_t)be32(p) << 32 | be32(p + 4);
}

static int corrupt(const struct file *q, const char *what)
{
    return vm_fail(q->f, REASON_IMAGE_CORRUPT, "image %s is damaged: %s", q->name, what);
}

/* Exactly n bytes at `at`; what is not there is damage. */
static int read_at(const struct file *q, uint64_t at, void *to, size_t n)
{
    char *p = to;
    while (n) {
        ssize_t got = pread(q->fd, p, n, (off_t)at);
        if (got < 0 && errno == EINTR)
            continue;
        if (got < 0)
            return vm_fail(q->f, REASON_HYPERVISOR, "reading image %s: %s", q->name,
                           strerror(errno));
        if (got == 0)
            return corrupt(q, "it ends too early");
        p += got;
        at += (uint64_t)got;
        n -= (size_t)got;
    }
    return 0;
}

static bool lies_inside(const struct file *q, uint64_t at, uint64_t n)
{
    return at <= q->bytes && n <= q->bytes - at;
}

static int decode_header(struct file *q)
{
    unsigned char b[HEADER_V3] = {0};
    struct header *h = &q->h;
    if (read_at(q, 0, b, HEADER_V2) < 0)
        return -1;
    h->version = be32(b + 4);
    if (h->version != 2 && h->version != 3)
        return corrupt(q, "its qcow2 version is neither 2 nor 3");
    if (h->version == 3 && read_at(q, 0, b, HEADER_V3) < 0)
        return -1;
    h->backing_offset = be64(b + 8);
    h->backing_size = be32(b + 16);
    h->cluster_bits = be32(b + 20);
    h->size = be64(b + 24);
    h->crypt = be32(b + 32);
    h->l1_size = be32(b + 36);
    h->l1_offset = be64(b + 40);
    h->refcount_offset = be64(b + 48);
    h->refcount_clusters = be32(b + 56);
    h->incompatible = be64(b + 72);
    h->length = h->version == 3 ? be32(b + 100) : HEADER_V2;
    return 0;
}

static int check_references(const struct file *q)
{
    if (q->h.backing_offset || q->h.backing_size)
        return vm_fail(q->f, REASON_IMAGE_REFERS,
                       "image %s names a backing file; send one whole image (qemu-img convert)",
                       q->name);
    if (q->h.incompatible & INCOMPATIBLE_DATA_FILE)
        return vm_fail(q->f, REASON_IMAGE_REFERS, "image %s keeps its data in another file",
                       q->name);
    return 0;
}

static uint64_t cluster_bytes(const struct file *q)
{
    return UINT64_C(1) << q->h.cluster_bits;
}

static size_t l2_entry_bytes(const struct file *q)
{
    return q->h.incompatible & INCOMPATIBLE_L2 ? 16 : 8;
}

/* How much of the disk one L1 entry maps, at most 2^21 * 2^18 = 2^39 bytes. */
static uint64_t l1_entry_reach(const struct file *q)
{
    return cluster_bytes(q) / l2_entry_bytes(q) * cluster_bytes(q);
}

static int check_sizes(const struct file *q)
{
    const struct header *h = &q->h;
    if (h->cluster_bits < 9 || h->cluster_bits > 21)
        return corrupt(q, "its cluster size is impossible");
    if (h->incompatible & INCOMPATIBLE_CORRUPT)
        return corrupt(q, "it is marked as corrupt");
    if (h->incompatible & ~incompatible_known)
        return corrupt(q, "it uses features that we do not know");
    if (h->crypt)
        return corrupt(q, "it is encrypted, and there is no key");
    if (h->length < (h->version == 3 ? HEADER_V3 : HEADER_V2) || h->length > cluster_bytes(q))
        return corrupt(q, "its header's length is impossible");
    if (h->size == 0 || h->size > INT64_MAX)
        return corrupt(q, "its disk size is impossible");
    if (h->l1_size < (h->size - 1) / l1_entry_reach(q) + 1 || h->l1_size > (32 << 20) / 8)
        return corrupt(q, "its L1 table does not fit its disk size");
    if (h->l1_offset % cluster_bytes(q) || h->l1_offset == 0 ||
        !lies_inside(q, h->l1_offset, (uint64_t)h->l1_size * 8))
        return corrupt(q, "its L1 table is not in the file");
    if (h->refcount_offset % cluster_bytes(q) || h->refcount_offset == 0 ||
        h->refcount_clusters == 0 || h->refcount_clusters > (8 << 20) / 512 ||
        !lies_inside(q, h->refcount_offset, h->refcount_clusters * cluster_bytes(q)))
        return corrupt(q, "its refcount table is not in the file");
    return 0;
}

/* Header extensions: type, length, data padded to 8; they end with type 0 or with the first
 * cluster. */
static int check_extensions(const struct file *q)
{
    uint64_t at = q->h.length, end = cluster_bytes(q);
    while (at + 8 <= end) {
        unsigned char b[8];
        if (read_at(q, at, b, sizeof b) < 0)
            return -1;
        uint32_t type = be32(b), n = be32(b + 4);
        if (type == extension_end)
            return 0;
        if (type == extension_data_file)
            return vm_fail(q->f, REASON_IMAGE_REFERS, "image %s names a data file", q->name);
        if (n > end - at - 8)
            return corrupt(q, "a header extension is too long");
        at += 8 + (((uint64_t)n + 7) & ~UINT64_C(7));
    }
    return 0;
}

static bool is_cluster_in_file(const struct file *q, uint64_t entry)
{
    if (entry & is_compressed) {
        unsigned offset_bits = 62 - (q->h.cluster_bits - 8);
        return (entry & ((UINT64_C(1) << offset_bits) - 1)) < q->bytes;
    }
    uint64_t at = entry & offset_mask;
    return at == 0 || (at % cluster_bytes(q) == 0 && at < q->bytes);
}

static int check_l2(const struct file *q, uint64_t at, unsigned char *table)
{
    if (read_at(q, at, table, cluster_bytes(q)) < 0)
        return -1;
    for (size_t i = 0; i < cluster_bytes(q); i += l2_entry_bytes(q))
        if (!is_cluster_in_file(q, be64(table + i)))
            return corrupt(q, "a data cluster is not in the file");
    return 0;
}

/* A copy that stopped half-way has a good header; only the tables know how long the file should be.
 */
static int check_tables(const struct file *q)
{
    unsigned char *l1 = xmalloc((size_t)q->h.l1_size * 8), *l2 = xmalloc(cluster_bytes(q));
    uint64_t tables = 0,
             most = q->bytes / cluster_bytes(q); /* or one table named often takes us hours */
    int r = read_at(q, q->h.l1_offset, l1, (size_t)q->h.l1_size * 8);
    for (size_t i = 0; r == 0 && i < q->h.l1_size; i++) {
        uint64_t at = be64(l1 + i * 8) & offset_mask;
        if (at && (at % cluster_bytes(q) || ++tables > most))
            r = corrupt(q, "an L2 table is not where one can be");
        else if (at)
            r = check_l2(q, at, l2);
    }
    free(l1);
    free(l2);
    return r;
}

static int check_qcow2(struct file *q)
{
    int r = decode_header(q);
    if (r == 0)
        r = check_references(q);
    if (r == 0)
        r = check_sizes(q);
    if (r == 0)
        r = check_extensions(q);
    return r == 0 ? check_tables(q) : r;
}

int image_check(int fd, const char *name, struct image *ret, struct vm_failure *f)
{
    struct stat st;
    if (fstat(fd, &st) < 0 || !S_ISREG(st.st_mode))
        return vm_fail(f, REASON_IMAGE_MISSING, "image %s is not a regular file", name);
    struct file q = {.fd = fd, .name = name, .bytes = (uint64_t)st.st_size, .f = f};
    if (q.bytes < 512)
        return corrupt(&q, "it is shorter than one sector");
    char magic[4];
    if (read_at(&q, 0, magic, sizeof magic) < 0)
        return -1;
    if (memcmp(magic, "QFI\xfb", 4) != 0) {
        *ret = (struct image){IMAGE_RAW, q.bytes};
        return 0;
    }
    if (check_qcow2(&q) < 0)
        return -1;
    *ret = (struct image){IMAGE_QCOW2, q.h.size};
    return 0;
}

const char *image_format_name(enum image_format format)
{
    return format == IMAGE_QCOW2 ? "qcow2" : "raw";
}
