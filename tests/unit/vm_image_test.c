#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "lib/mem.h"
#include "vm/image.h"

#include <fcntl.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

/* A whole qcow2 of 64 KiB clusters and a disk of 1 MiB: header, refcount table, refcount block, L1,
 * L2, one data cluster. */
enum { CLUSTER = 65536, CLUSTERS = 6 };
enum { REFCOUNTS = 1, L1 = 3, L2 = 4, DATA = 5 };

static unsigned char image[CLUSTERS * CLUSTER];

static void put(size_t at, uint64_t value, size_t bytes)
{
    for (size_t i = 0; i < bytes; i++)
        image[at + i] = (unsigned char)(value >> 8 * (bytes - 1 - i));
}

static void make_image(void)
{
    memset(image, 0, sizeof image);
    memcpy(image, "QFI\xfb", 4);
    put(4, 3, 4);
    put(20, 16, 4);
    put(24, 1 << 20, 8);
    put(36, 1, 4);
    put(40, L1 * CLUSTER, 8);
    put(48, REFCOUNTS * CLUSTER, 8);
    put(56, 1, 4);
    put(96, 4, 4);
    put(100, 104, 4);
    put(L1 * CLUSTER, L2 * CLUSTER | UINT64_C(1) << 63, 8);
    put(L2 * CLUSTER, DATA * CLUSTER | UINT64_C(1) << 63, 8);
}

static int check(size_t len, struct image *ret, struct vm_failure *f)
{
    int fd = memfd_create("image", MFD_CLOEXEC);
    assert_int_equal(write(fd, image, len), (ssize_t)len);
    int r = image_check(fd, "x.qcow2", ret, f);
    close(fd);
    return r;
}

static void a_good_qcow2_is_taken(void **state)
{
    (void)state;
    struct image got;
    struct vm_failure f;
    make_image();
    assert_int_equal(check(sizeof image, &got, &f), 0);
    assert_int_equal(got.format, IMAGE_QCOW2);
    assert_int_equal(got.virtual_bytes, 1 << 20);
}

static void anything_else_is_raw(void **state)
{
    (void)state;
    struct image got;
    struct vm_failure f;
    memset(image, 0, sizeof image);
    memcpy(image, "KDMV", 4);
    assert_int_equal(check(1024, &got, &f), 0);
    assert_int_equal(got.format, IMAGE_RAW);
    assert_int_equal(got.virtual_bytes, 1024);
    assert_int_equal(check(511, &got, &f), -1);
    assert_int_equal(f.reason, REASON_IMAGE_CORRUPT);
}

static void a_bad_header_is_refused(void **state)
{
    (void)state;
    static const struct {
        const char *what;
        size_t at, bytes;
        uint64_t value;
        enum vm_reason reason;
    } cases[] = {
        {"version 1", 4, 4, 1, REASON_IMAGE_CORRUPT},
        {"version 4", 4, 4, 4, REASON_IMAGE_CORRUPT},
        {"backing file", 8, 8, 512, REASON_IMAGE_REFERS},
        {"backing file's length alone", 16, 4, 7, REASON_IMAGE_REFERS},
        {"tiny clusters", 20, 4, 8, REASON_IMAGE_CORRUPT},
        {"huge clusters", 20, 4, 22, REASON_IMAGE_CORRUPT},
        {"cluster bits beyond a shift", 20, 4, 64, REASON_IMAGE_CORRUPT},
        {"no size", 24, 8, 0, REASON_IMAGE_CORRUPT},
        {"negative size", 24, 8, UINT64_MAX, REASON_IMAGE_CORRUPT},
        {"size beyond the L1 table", 24, 8, UINT64_C(1) << 40, REASON_IMAGE_CORRUPT},
        {"encryption", 32, 4, 1, REASON_IMAGE_CORRUPT},
        {"no L1", 36, 4, 0, REASON_IMAGE_CORRUPT},
        {"huge L1", 36, 4, UINT32_MAX, REASON_IMAGE_CORRUPT},
        {"L1 longer than the file", 36, 4, 100000, REASON_IMAGE_CORRUPT},
        {"L1 at 0", 40, 8, 0, REASON_IMAGE_CORRUPT},
        {"L1 between clusters", 40, 8, L1 * CLUSTER + 8, REASON_IMAGE_CORRUPT},
        {"L1 outside", 40, 8, UINT64_C(0xffffffffffff0000), REASON_IMAGE_CORRUPT},
        {"refcounts outside", 48, 8, 100 * CLUSTER, REASON_IMAGE_CORRUPT},
        {"no refcounts", 56, 4, 0, REASON_IMAGE_CORRUPT},
        {"too many refcounts", 56, 4, UINT32_MAX, REASON_IMAGE_CORRUPT},
        {"marked corrupt", 72, 8, 2, REASON_IMAGE_CORRUPT},
        {"external data", 72, 8, 4, REASON_IMAGE_REFERS},
        {"unknown feature", 72, 8, 32, REASON_IMAGE_CORRUPT},
        {"short header", 100, 4, 100, REASON_IMAGE_CORRUPT},
        {"long header", 100, 4, CLUSTER + 8, REASON_IMAGE_CORRUPT},
        {"endless extension", 104, 8, UINT64_C(0x12345678ffffffff), REASON_IMAGE_CORRUPT},
        {"data file's name", 104, 8, UINT64_C(0x4441544100000001), REASON_IMAGE_REFERS},
        {"L2 outside", L1 * CLUSTER, 8, 100 * CLUSTER, REASON_IMAGE_CORRUPT},
        {"L2 between clusters", L1 * CLUSTER, 8, L2 * CLUSTER + 512, REASON_IMAGE_CORRUPT},
        {"data outside", L2 * CLUSTER, 8, CLUSTERS * CLUSTER, REASON_IMAGE_CORRUPT},
        {"compressed data outside", L2 * CLUSTER, 8, UINT64_C(1) << 62 | CLUSTERS * CLUSTER,
         REASON_IMAGE_CORRUPT},
    };
    for (size_t i = 0; i < GW_COUNT(cases); i++) {
        struct image got;
        struct vm_failure f;
        make_image();
        put(cases[i].at, cases[i].value, cases[i].bytes);
        if (check(sizeof image, &got, &f) != -1 || f.reason != cases[i].reason)
            fail_msg("%s is not refused as %s", cases[i].what, vm_reason_name(cases[i].reason));
    }
}

static void a_harmless_extension_is_taken(void **state)
{
    (void)state;
    struct image got;
    struct vm_failure f;
    make_image();
    put(104, UINT64_C(0x6803f85700000003), 8); /* feature names, 3 bytes, padded to 8 */
    assert_int_equal(check(sizeof image, &got, &f), 0);
}

static void a_copy_that_stopped_early_is_refused(void **state)
{
    (void)state;
    make_image();
    for (size_t len = 512; len <= DATA * CLUSTER; len += 509) {
        struct image got;
        struct vm_failure f;
        if (check(len, &got, &f) != -1 || f.reason != REASON_IMAGE_CORRUPT)
            fail_msg("%zu bytes are taken", len);
    }
}

/* Each L1 entry names the same L2 table: a small file that would keep us reading for hours. */
static void one_table_named_often_is_refused(void **state)
{
    (void)state;
    struct image got;
    struct vm_failure f;
    make_image();
    put(36, CLUSTER / 8, 4);
    for (size_t i = 0; i < CLUSTER; i += 8)
        put(L1 * CLUSTER + i, L2 * CLUSTER, 8);
    assert_int_equal(check(sizeof image, &got, &f), -1);
    assert_int_equal(f.reason, REASON_IMAGE_CORRUPT);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_good_qcow2_is_taken),
        cmocka_unit_test(anything_else_is_raw),
        cmocka_unit_test(a_bad_header_is_refused),
        cmocka_unit_test(a_harmless_extension_is_taken),
        cmocka_unit_test(a_copy_that_stopped_early_is_refused),
        cmocka_unit_test(one_table_named_often_is_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
