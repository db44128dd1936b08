#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "lib/file.h"
#include "lib/mem.h"
#include "vm/result.h"
#include "tests/unit/tempdir.h"

#include <archive.h>
#include <archive_entry.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

struct member {
    const char *name, *data; /* data: content, or the target of a link */
    int type;                /* AE_IFREG when 0; 'H' for a hard link */
};

enum { DISK = 1 << 20, MAX = 1 << 19 };

static char *dir, disk[128];

static int set_up(void **state)
{
    (void)state;
    dir = tempdir_make("gw-result");
    assert_non_null(dir);
    snprintf(disk, sizeof disk, "%s/disk", dir);
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    return tempdir_remove(dir);
}

static void put_member(struct archive *a, const struct member *m)
{
    struct archive_entry *e = archive_entry_new();
    size_t len = m->data ? strlen(m->data) : 0;
    bool is_file = !m->type || m->type == AE_IFREG;
    archive_entry_set_pathname(e, m->name);
    archive_entry_set_filetype(e, m->type && m->type != 'H' ? (unsigned)m->type : AE_IFREG);
    archive_entry_set_perm(e, 0755);
    archive_entry_set_size(e, is_file ? (int64_t)len : 0);
    if (m->type == 'H')
        archive_entry_set_hardlink(e, m->data);
    if (m->type == AE_IFLNK)
        archive_entry_set_symlink(e, m->data);
    assert_int_equal(archive_write_header(a, e), ARCHIVE_OK);
    if (is_file && len)
        assert_int_equal(archive_write_data(a, m->data, len), (la_ssize_t)len);
    archive_entry_free(e);
}

/* A tar, as a guest writes it, at the beginning of a disk of zeros. */
static void write_disk(const struct member *members, size_t n)
{
    struct archive *a = archive_write_new();
    archive_write_set_format_pax_restricted(a);
    assert_int_equal(archive_write_open_filename(a, disk), ARCHIVE_OK);
    for (size_t i = 0; i < n; i++)
        put_member(a, &members[i]);
    assert_int_equal(archive_write_close(a), ARCHIVE_OK);
    archive_write_free(a);
    assert_int_equal(truncate(disk, DISK), 0);
}

static char *in_dir(const char *name)
{
    return xasprintf("%s/%s", dir, name);
}

static bool is_there(const char *name)
{
    char *path = in_dir(name);
    struct stat st;
    bool is = lstat(path, &st) == 0;
    free(path);
    return is;
}

static void assert_content(const char *name, const char *want)
{
    char *path = in_dir(name);
    struct buf b = BUF_INIT;
    assert_int_equal(file_read(path, 1 << 20, &b, NULL), 0);
    assert_string_equal(buf_str(&b), want);
    buf_clear(&b);
    free(path);
}

static void assert_refused(const struct member *members, size_t n, enum vm_reason reason)
{
    struct vm_failure f;
    int code;
    write_disk(members, n);
    assert_int_equal(result_read(disk, dir, MAX, &code, &f), -1);
    assert_string_equal(vm_reason_name(f.reason), vm_reason_name(reason));
    assert_false(is_there("out"));
    assert_false(is_there(".gw.stdout.partial"));
    assert_false(is_there("stdout.execution"));
}

static void a_good_result_comes_home(void **state)
{
    (void)state;
    static const struct member members[] = {
        {"stdout", "hello\n", 0}, {"stderr", "", 0},          {"out/", NULL, AE_IFDIR},
        {"out/a", "content", 0},  {"./out/b/c d", "deep", 0}, {"out/e", NULL, AE_IFDIR},
        {"exit_code", "7\n", 0},
    };
    struct vm_failure f;
    int code = -1;
    write_disk(members, GW_COUNT(members));
    assert_int_equal(result_read(disk, dir, MAX, &code, &f), 0);
    assert_int_equal(code, 7);
    assert_content("stdout.execution", "hello\n");
    assert_content("stderr.execution", "");
    assert_content("out/a", "content");
    assert_content("out/b/c d", "deep");
    assert_true(is_there("out/e"));
}

static void members_that_climb_or_point_elsewhere_are_refused(void **state)
{
    (void)state;
    static const struct member bad[] = {
        {"out/../evil", "x", 0},
        {"../evil", "x", 0},
        {"/tmp/gw-evil", "x", 0},
        {"out//evil", "x", 0},
        {"out/./evil", "x", 0},
        {"evil", "x", 0},
        {"status", "x", 0},
        {"stdout.execution", "x", 0},
        {"outside", "x", 0},
        {"evil/", NULL, AE_IFDIR},
        {"out/new\nline", "x", 0},
        {"out/link", "/etc/passwd", AE_IFLNK},
        {"out/link", "stdout", 'H'},
        {"stdout", "/etc/passwd", AE_IFLNK},
        {"exit_code", "/etc/passwd", AE_IFLNK},
        {"out/fifo", NULL, AE_IFIFO},
        {"out/device", NULL, AE_IFCHR},
    };
    for (size_t i = 0; i < GW_COUNT(bad); i++) {
        const struct member members[] = {{"out/", NULL, AE_IFDIR}, bad[i], {"exit_code", "0", 0}};
        struct vm_failure f;
        int code;
        write_disk(members, GW_COUNT(members));
        if (result_read(disk, dir, MAX, &code, &f) != -1 || f.reason != REASON_RESULT_CORRUPT)
            fail_msg("\"%s\" is taken", bad[i].name);
        assert_false(is_there("out"));
    }
    assert_false(access("/tmp/gw-evil", F_OK) == 0);
}

/* Two members, the first of which would make the second end up elsewhere. */
static void nothing_is_written_through_a_link(void **state)
{
    (void)state;
    static const struct member members[] = {
        {"out/d", "..", AE_IFLNK}, {"out/d/evil", "x", 0}, {"exit_code", "0", 0}};
    assert_refused(members, GW_COUNT(members), REASON_RESULT_CORRUPT);
    assert_false(is_there("evil"));
}

/* Should a link be there all the same: it is not followed, and what it names is not touched. */
static void a_link_that_was_there_before_is_removed_not_followed(void **state)
{
    (void)state;
    char *target = in_dir("target"), *out = in_dir("out");
    mkdir(target, 0755);
    assert_int_equal(symlink(target, out), 0);
    static const struct member members[] = {{"out/a", "x", 0}, {"exit_code", "0", 0}};
    struct vm_failure f;
    int code;
    write_disk(members, GW_COUNT(members));
    assert_int_equal(result_read(disk, dir, MAX, &code, &f), 0);
    assert_content("out/a", "x");
    assert_false(is_there("target/a"));
    free(target);
    free(out);
}

static void a_member_twice_is_refused(void **state)
{
    (void)state;
    static const char *const names[] = {"out/a", "stdout", "exit_code"};
    for (size_t i = 0; i < GW_COUNT(names); i++) {
        const struct member members[] = {
            {names[i], "1", 0}, {names[i], "2", 0}, {"exit_code", "0", 0}};
        assert_refused(members, GW_COUNT(members), REASON_RESULT_CORRUPT);
    }
    static const struct member both[] = {
        {"out/a", "1", 0}, {"out/a/b", "2", 0}, {"exit_code", "0", 0}};
    assert_refused(both, GW_COUNT(both), REASON_RESULT_CORRUPT);
}

static void a_result_larger_than_allowed_is_refused(void **state)
{
    (void)state;
    char *big = xmalloc(MAX);
    memset(big, 'x', MAX);
    big[MAX - 1] = '\0';
    const struct member one[] = {{"out/a", big, 0}, {"out/b", "xx", 0}, {"exit_code", "0", 0}};
    assert_refused(one, GW_COUNT(one), REASON_OUTPUT_LIMIT);
    free(big);
}

/* A GNU sparse file of an exabyte in a few bytes of tar: the numbers are in the old GNU header. */
static void a_sparse_file_of_an_exabyte_is_refused(void **state)
{
    (void)state;
    unsigned char block[512] = "out/sparse";
    memcpy(block + 100, "0000644", 8);
    memcpy(block + 124, "00000000000", 12); /* stored bytes */
    block[156] = 'S';
    memcpy(block + 257, "ustar  ", 8);
    memcpy(block + 386, "00000000000", 12); /* one hole of no bytes */
    memcpy(block + 398, "00000000000", 12);
    block[483] = 0x80; /* real size, base 256: 2^60 */
    block[487] = 0x10;
    unsigned sum = 0;
    memset(block + 148, ' ', 8);
    for (size_t i = 0; i < sizeof block; i++)
        sum += block[i];
    snprintf((char *)block + 148, 8, "%06o", sum);
    FILE *f = fopen(disk, "w");
    assert_int_equal(fwrite(block, sizeof block, 1, f), 1);
    fclose(f);
    assert_int_equal(truncate(disk, DISK), 0);
    struct vm_failure failure;
    int code;
    assert_int_equal(result_read(disk, dir, MAX, &code, &failure), -1);
    assert_string_equal(vm_reason_name(failure.reason), "output-limit");
}

static void exit_codes_are_checked(void **state)
{
    (void)state;
    static const char *const bad[] = {"",   "256", "-1",   "x",
                                      " 1", "1 ",  "1\n2", "00000000000000000000001"};
    for (size_t i = 0; i < GW_COUNT(bad); i++) {
        const struct member members[] = {{"stdout", "x", 0}, {"exit_code", bad[i], 0}};
        assert_refused(members, GW_COUNT(members), REASON_RESULT_CORRUPT);
    }
    static const struct member none[] = {{"stdout", "x", 0}};
    assert_refused(none, 1, REASON_RESULT_CORRUPT);
}

static void what_the_guest_says_of_itself_may_only_blame_the_job(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        enum vm_reason reason;
    } cases[] = {
        {"exec-failed: ./x is not there\n", REASON_EXEC_FAILED},
        {"output-limit: too much", REASON_OUTPUT_LIMIT},
        {"guest-crashed: odd", REASON_GUEST_CRASHED},
        {"hypervisor: your fault", REASON_RESULT_CORRUPT},
        {"exec-failedness: no", REASON_RESULT_CORRUPT},
        {"", REASON_RESULT_CORRUPT},
    };
    for (size_t i = 0; i < GW_COUNT(cases); i++) {
        const struct member members[] = {{"error", cases[i].text, 0}};
        assert_refused(members, 1, cases[i].reason);
    }
}

static void a_disk_without_a_result_is_told_from_a_damaged_one(void **state)
{
    (void)state;
    static const struct member members[] = {{"stdout", "hello", 0}, {"exit_code", "0", 0}};
    struct vm_failure f;
    int code;
    write_disk(members, GW_COUNT(members));
    assert_int_equal(truncate(disk, 0), 0);
    assert_int_equal(truncate(disk, DISK), 0);
    assert_int_equal(result_read(disk, dir, MAX, &code, &f), -1);
    assert_string_equal(vm_reason_name(f.reason), "guest-no-result");
    FILE *file = fopen(disk, "r+");
    fputs("this is no tar", file);
    fclose(file);
    assert_int_equal(result_read(disk, dir, MAX, &code, &f), -1);
    assert_string_equal(vm_reason_name(f.reason), "result-corrupt");
}

static void a_flipped_byte_of_a_header_is_noticed_or_harmless(void **state)
{
    (void)state;
    static const struct member members[] = {{"out/a", "x", 0}, {"exit_code", "3", 0}};
    for (size_t at = 0; at < 2048; at += 7) {
        write_disk(members, GW_COUNT(members));
        FILE *file = fopen(disk, "r+");
        fseek(file, (long)at, SEEK_SET);
        int c = fgetc(file);
        fseek(file, (long)at, SEEK_SET);
        fputc(c ^ 0x55, file);
        fclose(file);
        struct vm_failure f;
        int code = -1;
        if (result_read(disk, dir, MAX, &code, &f) == 0)
            assert_int_equal(code, 3);
    }
}

#define with_dir(f) cmocka_unit_test_setup_teardown(f, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        with_dir(a_good_result_comes_home),
        with_dir(members_that_climb_or_point_elsewhere_are_refused),
        with_dir(nothing_is_written_through_a_link),
        with_dir(a_link_that_was_there_before_is_removed_not_followed),
        with_dir(a_member_twice_is_refused),
        with_dir(a_result_larger_than_allowed_is_refused),
        with_dir(a_sparse_file_of_an_exabyte_is_refused),
        with_dir(exit_codes_are_checked),
        with_dir(what_the_guest_says_of_itself_may_only_blame_the_job),
        with_dir(a_disk_without_a_result_is_told_from_a_damaged_one),
        with_dir(a_flipped_byte_of_a_header_is_noticed_or_harmless),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
