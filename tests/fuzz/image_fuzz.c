/* Base disks: a file that is let through as qcow2 names no other file, and all its tables lie in
 * it. The input's last byte says how much longer than the input the file is, filled with zeros.
 *
 * fuzz: max_len=3072 */
#include "vm/image.h"
#include "tests/fuzz/fuzz.h"

#include <sys/mman.h>
#include <unistd.h>

static uint64_t be(const uint8_t *p, size_t n)
{
    uint64_t v = 0;
    for (size_t i = 0; i < n; i++)
        v = v << 8 | p[i];
    return v;
}

static void check_qcow2(const uint8_t *data, size_t size, const struct image *image)
{
    uint8_t head[120] = {0};
    memcpy(head, data, size < sizeof head ? size : sizeof head);
    FUZZ_CHECK(memcmp(head, "QFI\xfb", 4) == 0);
    FUZZ_CHECK(be(head + 8, 8) == 0 && be(head + 16, 4) == 0); /* no backing file */
    FUZZ_CHECK(be(head + 32, 4) == 0);                         /* no encryption */
    FUZZ_CHECK(be(head + 24, 8) == image->virtual_bytes && image->virtual_bytes);
    size_t length = be(head + 4, 4) == 3 ? be(head + 100, 4) : 72;
    if (be(head + 4, 4) == 3)
        FUZZ_CHECK((be(head + 72, 8) & 4) == 0); /* no data file */
    if (length <= sizeof head - 4)
        FUZZ_CHECK(memcmp(head + length, "DATA", 4) != 0);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static int fd = -1;
    struct image image = {0};
    struct vm_failure f = {0};
    if (fd < 0)
        fd = memfd_create("image", MFD_CLOEXEC);
    FUZZ_CHECK(fd >= 0 && ftruncate(fd, 0) == 0);
    size_t longer = size ? (size_t)data[size - 1] * 512 : 0;
    FUZZ_CHECK(pwrite(fd, data, size, 0) == (ssize_t)size &&
               ftruncate(fd, (off_t)(size + longer)) == 0);
    if (image_check(fd, "i", &image, &f) < 0)
        FUZZ_CHECK(*f.text &&
                   (f.reason == REASON_IMAGE_CORRUPT || f.reason == REASON_IMAGE_REFERS));
    else if (image.format == IMAGE_QCOW2)
        check_qcow2(data, size, &image);
    else
        FUZZ_CHECK(image.virtual_bytes == size + longer &&
                   (size < 4 || memcmp(data, "QFI\xfb", 4) != 0));
    return 0;
}
