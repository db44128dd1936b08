#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "lib/buf.h"
#include "lib/file.h"
#include "lib/mem.h"
#include "vm/seed.h"
#include "tests/unit/tempdir.h"

#include <archive.h>
#include <archive_entry.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static char *dir, disk[128], input[128];

static int set_up(void **state)
{
    (void)state;
    dir = tempdir_make("gw-seed");
    assert_non_null(dir);
    snprintf(disk, sizeof disk, "%s/seed.iso", dir);
    snprintf(input, sizeof input, "%s/input", dir);
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    return tempdir_remove(dir);
}

/* "MODE NAME CONTENT;" of each file, in the disk's order; read with libarchive's own ISO reader. */
static void list(struct buf *out)
{
    struct archive *a = archive_read_new();
    struct archive_entry *e;
    archive_read_support_format_iso9660(a);
    archive_read_set_options(a, "iso9660:!joliet");
    assert_int_equal(archive_read_open_filename(a, disk, 65536), ARCHIVE_OK);
    while (archive_read_next_header(a, &e) == ARCHIVE_OK) {
        char data[256] = "";
        if (archive_entry_filetype(e) != AE_IFREG)
            continue;
        assert_true(archive_read_data(a, data, sizeof data - 1) >= 0);
        buf_printf(out, "%o %s %s;", archive_entry_perm(e) & 0111 ? 0755u : 0644u,
                   archive_entry_pathname(e), data);
    }
    archive_read_free(a);
}

static void the_disk_holds_names_contents_and_modes(void **state)
{
    (void)state;
    assert_int_equal(file_write(input, "from a file", 11, 0755, NULL), 0);
    char long_name[256] = "gw/files/";
    memset(long_name + 9, 'n', 200);
    const struct seed_file files[] = {
        {.name = "meta-data", .data = "instance-id: x", .len = 14},
        {.name = "gw/run.sh", .data = "#!/bin/sh", .len = 9, .is_executable = true},
        {.name = "gw/files/a b/C.d", .path = input},
        {.name = long_name, .data = "", .len = 0},
    };
    assert_int_equal(seed_write(disk, files, GW_COUNT(files), NULL), 0);
    struct buf got = BUF_INIT;
    list(&got);
    assert_non_null(strstr(got.data, "644 meta-data instance-id: x;"));
    assert_non_null(strstr(got.data, "755 gw/run.sh #!/bin/sh;"));
    assert_non_null(strstr(got.data, "755 gw/files/a b/C.d from a file;"));
    assert_non_null(strstr(got.data, long_name));
    buf_clear(&got);
}

/* Where our image and blkid look: the volume's name in the first descriptor. */
static void the_label_is_cidata(void **state)
{
    (void)state;
    const struct seed_file file = {.name = "meta-data", .data = "", .len = 0};
    assert_int_equal(seed_write(disk, &file, 1, NULL), 0);
    struct buf b = BUF_INIT;
    assert_int_equal(file_read(disk, 1 << 24, &b, NULL), 0);
    assert_memory_equal(b.data + 32769, "CD001", 5);
    assert_int_equal(strncasecmp(b.data + 32808, "cidata ", 7), 0);
    buf_clear(&b);
}

static void a_disk_that_fails_is_not_left_behind(void **state)
{
    (void)state;
    char missing[160];
    snprintf(missing, sizeof missing, "%s/missing", dir);
    const char *const bad[] = {missing, dir, "/dev/zero"};
    for (size_t i = 0; i < GW_COUNT(bad); i++) {
        const struct seed_file file = {.name = "gw/files/x", .path = bad[i]};
        struct gw_err err;
        assert_true(seed_write(disk, &file, 1, &err) < 0);
        assert_non_null(strstr(err.text, bad[i]));
        assert_int_equal(access(disk, F_OK), -1);
    }
}

static void a_file_that_is_there_is_not_written_over(void **state)
{
    (void)state;
    const struct seed_file file = {.name = "meta-data", .data = "", .len = 0};
    assert_int_equal(file_write(disk, "precious", 8, 0644, NULL), 0);
    assert_int_equal(seed_write(disk, &file, 1, NULL), -GW_EEXIST);
}

#define with_dir(f) cmocka_unit_test_setup_teardown(f, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        with_dir(the_disk_holds_names_contents_and_modes),
        with_dir(the_label_is_cidata),
        with_dir(a_disk_that_fails_is_not_left_behind),
        with_dir(a_file_that_is_there_is_not_written_over),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
