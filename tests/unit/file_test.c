#include "lib/file.h"
#include "lib/mem.h"
#include "tests/unit/tempdir.h"

#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

/* Each test runs in a directory of its own. */

static void what_is_written_is_read_back(void **state)
{
    (void)state;
    struct buf b = BUF_INIT;
    struct stat st;
    char *large = xmalloc(300000);
    memset(large, 'x', 300000);
    assert_int_equal(file_write("a", large, 300000, 0640, NULL), 0);
    assert_int_equal(stat("a", &st), 0);
    assert_int_equal(st.st_mode & 0777, 0640);
    buf_puts(&b, "before");
    assert_int_equal(file_read("a", 300000, &b, NULL), 0);
    assert_int_equal(b.len, 300006);
    assert_memory_equal(b.data, "beforexxx", 9);
    tempdir_put("a", "");
    buf_reset(&b);
    assert_int_equal(file_read("a", 0, &b, NULL), 0);
    assert_string_equal(buf_str(&b), "");
    buf_clear(&b);
    free(large);
}

static void what_cannot_be_read_leaves_the_buffer_as_it_was(void **state)
{
    (void)state;
    static const struct {
        const char *path;
        int code;
        const char *text;
    } cases[] = {{"none", -GW_ENOENT, "opening none: No such file or directory"},
                 {"large", -GW_ENOSPC, "large is larger than the 5 bytes allowed"},
                 {"dir", -GW_EINVAL, "dir is not a regular file"},
                 {"fifo", -GW_EINVAL, "fifo is not a regular file"},
                 {"large/x", -GW_ENOENT, "opening large/x: Not a directory"}};
    tempdir_put("large", "123456");
    assert_int_equal(mkdir("dir", 0700), 0);
    assert_int_equal(mkfifo("fifo", 0600), 0);
    for (size_t i = 0; i < GW_COUNT(cases); i++) {
        struct buf b = BUF_INIT;
        struct gw_err err;
        buf_puts(&b, "before");
        assert_int_equal(file_read(cases[i].path, 5, &b, &err), cases[i].code);
        assert_string_equal(err.text, cases[i].text);
        assert_string_equal(b.data, "before");
        buf_clear(&b);
    }
    struct buf empty = BUF_INIT;
    assert_int_equal(file_read("large", 5, &empty, NULL), -GW_ENOSPC);
    assert_string_equal(buf_str(&empty), "");
    buf_clear(&empty);
}

static void a_file_is_replaced_at_once_and_nothing_else_is_left(void **state)
{
    (void)state;
    struct buf b = BUF_INIT;
    tempdir_put("target", "old");
    assert_int_equal(symlink("target", "link"), 0);
    tempdir_put("link", "new"); /* the link is replaced, not what it names */
    assert_int_equal(file_read("target", 10, &b, NULL), 0);
    assert_string_equal(b.data, "old");
    struct gw_err err;
    assert_int_equal(file_write("none/x", "", 0, 0600, &err), -GW_ENOENT);
    assert_string_equal(err.text, "writing none/x: No such file or directory");
    assert_int_equal(mkdir("dir", 0700), 0);
    assert_true(file_write("dir", "", 0, 0600, NULL) < 0);
    assert_int_equal(unlink("target") + unlink("link") + rmdir("dir"), 0);
    assert_int_equal(chdir("/"), 0);
    assert_int_equal(rmdir(*state), 0); /* it is empty */
    assert_int_equal(mkdir(*state, 0700), 0);
    buf_clear(&b);
}

static void directories_are_made_with_their_parents(void **state)
{
    struct gw_err err;
    assert_int_equal(file_mkdirs("a/b//c/", 0700, NULL), 0);
    assert_true(tempdir_has("a/b/c"));
    assert_int_equal(file_mkdirs("a/b/c", 0700, NULL), 0);
    char *full = xasprintf("%s/x/y", (char *)*state);
    assert_int_equal(file_mkdirs(full, 0700, NULL), 0);
    assert_true(tempdir_has("x/y"));
    free(full);
    tempdir_put("file", "");
    assert_int_equal(file_mkdirs("file", 0700, &err), -GW_EINVAL);
    assert_string_equal(err.text, "file is not a directory");
    assert_true(file_mkdirs("file/x", 0700, NULL) < 0);
    assert_true(file_mkdirs("", 0700, NULL) < 0);
}

static void a_tree_is_removed_and_links_are_not_followed(void **state)
{
    (void)state;
    assert_int_equal(file_mkdirs("keep", 0700, NULL) + file_mkdirs("tree/a/b", 0700, NULL), 0);
    tempdir_put("keep/file", "x");
    tempdir_put("tree/a/file", "x");
    assert_int_equal(symlink("../keep", "tree/link"), 0);
    assert_int_equal(symlink("../../keep/file", "tree/a/link"), 0);
    assert_int_equal(mkfifo("tree/a/b/fifo", 0600), 0);
    assert_int_equal(file_remove_tree("tree", NULL), 0);
    assert_false(tempdir_has("tree"));
    assert_true(tempdir_has("keep/file"));
    assert_int_equal(file_remove_tree("tree", NULL), 0);
    assert_int_equal(file_remove_tree("none/x", NULL), 0);
    assert_int_equal(symlink("keep", "link"), 0);
    assert_int_equal(file_remove_tree("link", NULL), 0);
    assert_false(tempdir_has("link"));
    assert_true(tempdir_has("keep/file"));
    assert_int_equal(file_remove_tree("keep/file", NULL), 0);
    assert_false(tempdir_has("keep/file"));
}

static void a_directory_of_secrets_is_closed_to_others(void **state)
{
    (void)state;
    struct gw_err err;
    struct stat st;
    assert_int_equal(file_own_dir("own/state", NULL), 0);
    assert_int_equal(stat("own/state", &st), 0);
    assert_int_equal(st.st_mode & 0777, 0700);
    assert_int_equal(chmod("own/state", 0777), 0);
    assert_int_equal(file_own_dir("own/state", NULL), 0);
    assert_int_equal(stat("own/state", &st), 0);
    assert_int_equal(st.st_mode & 0777, 0755);
    if (geteuid() != 0)
        return;
    assert_int_equal(chown("own/state", 65534, 65534), 0);
    assert_int_equal(file_own_dir("own/state", &err), -GW_EPERM);
    assert_non_null(strstr(err.text, "own/state belongs to the account 65534"));
    assert_int_equal(mkdir("groups", 0755) + chmod("groups", 0775) + chmod(".", 0755), 0);
    assert_int_equal(seteuid(65534), 0);
    int roots = file_own_dir("/", NULL), everybodys = file_own_dir("/tmp", NULL);
    int groups = file_own_dir("groups", &err);
    assert_int_equal(seteuid(0), 0);
    assert_int_equal(roots, 0);
    assert_int_equal(everybodys, -GW_EPERM);
    assert_int_equal(groups, -GW_EPERM);
    assert_non_null(strstr(err.text, "groups can be written by others than its owner"));
}

static void what_others_could_have_written_is_not_believed(void **state)
{
    (void)state;
    struct buf b = BUF_INIT;
    struct gw_err err;
    tempdir_put("config", "text");
    assert_int_equal(file_read_trusted("config", 10, &b, NULL), 0);
    assert_string_equal(buf_str(&b), "text");
    static const mode_t open[] = {0620, 0602, 0666};
    for (size_t i = 0; i < GW_COUNT(open); i++) {
        assert_int_equal(chmod("config", open[i]), 0);
        assert_int_equal(file_read_trusted("config", 10, &b, &err), -GW_EPERM);
        assert_non_null(strstr(err.text, "config can be written by others than its owner"));
    }
    assert_string_equal(buf_str(&b), "text");
    if (geteuid() == 0) {
        assert_int_equal(chmod("config", 0600) + chown("config", 65534, 65534), 0);
        assert_int_equal(file_read_trusted("config", 10, &b, &err), -GW_EPERM);
        assert_non_null(strstr(err.text, "config belongs to the account 65534"));
        assert_int_equal(file_read("config", 10, &b, NULL), 0);
    }
    buf_clear(&b);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(what_is_written_is_read_back, tempdir_enter, tempdir_leave),
        cmocka_unit_test_setup_teardown(what_cannot_be_read_leaves_the_buffer_as_it_was,
                                        tempdir_enter, tempdir_leave),
        cmocka_unit_test_setup_teardown(a_file_is_replaced_at_once_and_nothing_else_is_left,
                                        tempdir_enter, tempdir_leave),
        cmocka_unit_test_setup_teardown(directories_are_made_with_their_parents, tempdir_enter,
                                        tempdir_leave),
        cmocka_unit_test_setup_teardown(a_directory_of_secrets_is_closed_to_others, tempdir_enter,
                                        tempdir_leave),
        cmocka_unit_test_setup_teardown(what_others_could_have_written_is_not_believed,
                                        tempdir_enter, tempdir_leave),
        cmocka_unit_test_setup_teardown(a_tree_is_removed_and_links_are_not_followed, tempdir_enter,
                                        tempdir_leave),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
