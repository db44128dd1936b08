#include "lib/beneath.h"

#include "lib/file.h"
#include "lib/mem.h"
#include "tm/copy.h"
#include "tm/part.h"
#include "tm/place.h"
#include "tests/unit/tempdir.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

/* Each test runs in a directory of its own, which has
 *
 *   secret/file      what must neither be read nor written nor removed
 *   .gw_1/           a job directory, where a payload does what it likes
 */
static char *home;

static int enter(void **state)
{
    if (tempdir_enter(state) < 0 || mkdir("secret", 0700) < 0 || mkdir(".gw_1", 0700) < 0)
        return -1;
    home = *state;
    tempdir_put("secret/file", "secret");
    beneath_forget_openat2(false);
    return 0;
}

static int open_in(const char *path, int flags)
{
    int dir = open(".gw_1", O_PATH | O_DIRECTORY), fd = beneath_open(dir, path, flags, 0600);
    close(dir);
    return fd;
}

/* --- opening --- */

static void look_at_names(void)
{
    static const struct {
        const char *path;
        int expected;
    } cases[] = {
        {"d/f", 0},
        {"f", 0},
        {"none", -ENOENT},
        {"none/f", -ENOENT},
        {"f/x", -ENOTDIR},
        {"..", -EXDEV},
        {"../secret/file", -EXDEV},
        {"d/../../secret/file", -EXDEV},
        {"link", -ELOOP},
        {"dir/file", -ELOOP},
        {"up/secret/file", -ELOOP},
        {"d/back/f", -ELOOP},
    };
    for (size_t i = 0; i < GW_COUNT(cases); i++) {
        int fd = open_in(cases[i].path, O_RDONLY);
        if ((fd < 0 ? fd : 0) != cases[i].expected)
            fail_msg("%s: %d, not %d", cases[i].path, fd, cases[i].expected);
        if (fd >= 0)
            close(fd);
    }
    assert_int_equal(open_in("/etc/passwd", O_RDONLY), -EXDEV);
    assert_int_equal(open_in("link", O_WRONLY | O_CREAT), -ELOOP);
    assert_int_equal(open_in("dangling", O_WRONLY | O_CREAT), -ELOOP);
}

static void a_name_beneath_leads_nowhere_else(void **state)
{
    (void)state;
    assert_int_equal(mkdir(".gw_1/d", 0700), 0);
    tempdir_put(".gw_1/f", "");
    tempdir_put(".gw_1/d/f", "");
    assert_int_equal(symlink("../secret/file", ".gw_1/link"), 0);
    assert_int_equal(symlink("../secret/new", ".gw_1/dangling"), 0);
    assert_int_equal(symlink("../secret", ".gw_1/dir"), 0);
    assert_int_equal(symlink("..", ".gw_1/up"), 0);
    assert_int_equal(symlink("..", ".gw_1/d/back"), 0);
    look_at_names();
    beneath_forget_openat2(true);
    look_at_names();
    assert_false(tempdir_has("secret/new"));
}

static void missing_parents_are_made_and_links_among_them_refused(void **state)
{
    (void)state;
    const char *last = NULL;
    int dir = open(".gw_1", O_PATH | O_DIRECTORY);
    int fd = beneath_make_parents(dir, "a/b/c", 0700, &last);
    assert_true(fd >= 0);
    assert_string_equal(last, "c");
    assert_true(tempdir_has(".gw_1/a/b"));
    close(fd);
    assert_int_equal(symlink("../../secret", ".gw_1/a/s"), 0);
    tempdir_put(".gw_1/a/f", "");
    assert_int_equal(beneath_make_parents(dir, "a/s/new/c", 0700, &last), -ELOOP);
    assert_int_equal(beneath_make_parents(dir, "a/f/c", 0700, &last), -ENOTDIR);
    assert_int_equal(beneath_make_parents(dir, "../c", 0700, &last), -EXDEV);
    assert_int_equal(beneath_make_parents(dir, "/c", 0700, &last), -EXDEV);
    assert_false(tempdir_has("secret/new"));
    close(dir);
}

static void a_link_to_a_name_beside_it_may_be_followed(void **state)
{
    (void)state;
    assert_int_equal(mkdir(".gw_1/sha256-1", 0700), 0);
    assert_int_equal(symlink("sha256-1", ".gw_1/u-1"), 0);
    assert_int_equal(symlink("../secret", ".gw_1/u-2"), 0);
    assert_int_equal(symlink("..", ".gw_1/u-3"), 0);
    assert_int_equal(symlink("u-2", ".gw_1/u-4"), 0);
    int dir = open(".gw_1", O_PATH | O_DIRECTORY), fd = beneath_open_linked(dir, "u-1");
    assert_true(fd >= 0);
    close(fd);
    assert_int_equal(beneath_open_linked(dir, "u-2"), -ELOOP);
    assert_int_equal(beneath_open_linked(dir, "u-3"), -EXDEV);
    assert_int_equal(beneath_open_linked(dir, "u-4"), -ELOOP);
    close(dir);
}

/* --- while a payload swaps what is there --- */

struct swaps {
    const char *a, *b;
    atomic_bool is_over;
    unsigned long n;
};

static void *swap(void *ctx)
{
    struct swaps *s = ctx;
    while (!atomic_load(&s->is_over))
        s->n += renameat2(AT_FDCWD, s->a, AT_FDCWD, s->b, RENAME_EXCHANGE) == 0;
    return NULL;
}

enum { SWAPS = 10000, TRIES_MAX = 1000000 };

/* Call `attack` for as long as it takes to swap 10,000 times. */
static void while_swapped(const char *a, const char *b, void (*attack)(void))
{
    struct swaps s = {.a = a, .b = b};
    pthread_t thread;
    assert_int_equal(pthread_create(&thread, NULL, swap, &s), 0);
    for (int i = 0; i < TRIES_MAX && (i < 4000 || s.n < SWAPS); i++)
        attack();
    atomic_store(&s.is_over, true);
    pthread_join(thread, NULL);
    assert_true(s.n >= SWAPS);
}

static unsigned long taken, refused;

/* As the driver opens the output "d/file" of a job. */
static void take_output(void)
{
    char *path = xasprintf("%s/.gw_1/d/file", home), text[16] = "";
    struct place p;
    struct stat st;
    int fd = -1;
    if (place_open(path, PARENTS_THERE, &p, NULL) == 0) {
        fd = place_open_file(&p, &st, NULL);
        place_close(&p);
    }
    if (fd >= 0) {
        assert_true(read(fd, text, sizeof text - 1) >= 0);
        assert_string_equal(text, "output");
        close(fd);
        taken++;
    } else {
        refused++;
    }
    free(path);
}

static void an_output_behind_a_swapped_directory_is_its_own_or_refused(void **state)
{
    (void)state;
    assert_int_equal(mkdir(".gw_1/d", 0700), 0);
    tempdir_put(".gw_1/d/file", "output");
    assert_int_equal(symlink("../secret", ".gw_1/s"), 0);
    for (int i = 0; i < 2; i++) {
        beneath_forget_openat2(i == 1);
        taken = refused = 0;
        while_swapped(".gw_1/d", ".gw_1/s", take_output);
        assert_true(taken > 0);
        assert_true(refused > 0);
    }
}

static void an_output_that_is_swapped_with_a_link_is_its_own_or_refused(void **state)
{
    (void)state;
    assert_int_equal(mkdir(".gw_1/d", 0700), 0);
    tempdir_put(".gw_1/d/file", "output");
    assert_int_equal(symlink("../../secret/file", ".gw_1/d/s"), 0);
    taken = refused = 0;
    while_swapped(".gw_1/d/file", ".gw_1/d/s", take_output);
    assert_true(taken > 0 && refused > 0);
}

static void remove_it(const char *name)
{
    int r = beneath_remove(AT_FDCWD, name, NULL);
    assert_true(r == 0 || r == -ENOTEMPTY);
}

/* As RMDIR removes the job directory, in which the payload has put this: links before directories,
 * because some file systems list what is newest first, and a link that is gone cannot be swapped.
 */
static void remove_job(void)
{
    (void)!mkdir(".gw_1", 0700);
    (void)!symlink("../secret", ".gw_1/s");
    (void)!mkdir(".gw_1/d", 0700);
    (void)!mkdir(".gw_1/d/e", 0700);
    remove_it(".gw_1");
}

static void remove_job_itself(void)
{
    remove_it("s");
    (void)!symlink("secret", "s");
    (void)!mkdir(".gw_1", 0700);
    remove_it(".gw_1");
}

static void a_removal_does_not_leave_its_tree_for_a_swapped_link(void **state)
{
    (void)state;
    while_swapped(".gw_1/d", ".gw_1/s", remove_job);
    assert_true(tempdir_has("secret/file"));
    while_swapped(".gw_1", "s", remove_job_itself);
    assert_true(tempdir_has("secret/file"));
}

static void *make_files(void *ctx)
{
    struct swaps *s = ctx;
    for (; !atomic_load(&s->is_over); s->n++) {
        char *name = xasprintf(".gw_1/d/%lu", s->n);
        int fd = open(name, O_WRONLY | O_CREAT, 0600);
        if (fd >= 0)
            close(fd);
        free(name);
    }
    return NULL;
}

static void a_removal_ends_where_somebody_goes_on_making_files(void **state)
{
    (void)state;
    struct swaps s = {0};
    pthread_t thread;
    for (int i = 0; i < 20; i++) {
        (void)!mkdir(".gw_1", 0700);
        (void)!mkdir(".gw_1/d", 0700);
        atomic_store(&s.is_over, false);
        assert_int_equal(pthread_create(&thread, NULL, make_files, &s), 0);
        int r = beneath_remove(AT_FDCWD, ".gw_1", NULL);
        atomic_store(&s.is_over, true);
        pthread_join(thread, NULL);
        assert_true(r == 0 || r == -ENOTEMPTY);
    }
}

static void a_tree_of_any_depth_is_removed(void **state)
{
    (void)state;
    int dir = open(".gw_1", O_RDONLY | O_DIRECTORY);
    for (int i = 0; i < 5000; i++) {
        assert_int_equal(mkdirat(dir, "d", 0700), 0);
        int next = openat(dir, "d", O_RDONLY | O_DIRECTORY);
        close(dir);
        dir = next;
    }
    close(dir);
    assert_int_equal(file_remove_tree(".gw_1", NULL), 0);
    assert_false(tempdir_has(".gw_1"));
    assert_int_equal(file_remove_tree(".gw_1", NULL), 0);
}

/* --- what stands in the way --- */

static void what_a_payload_put_in_the_way_is_removed_and_not_opened(void **state)
{
    (void)state;
    static const char *const names[] = {"pipe", "link", "dir", "file"};
    assert_int_equal(mkfifo("pipe", 0600), 0);
    assert_int_equal(symlink("secret/file", "link"), 0);
    assert_int_equal(mkdir("dir", 0), 0);
    tempdir_put("file", "old");
    for (size_t i = 0; i < GW_COUNT(names); i++) {
        struct stat st;
        int fd = file_make(AT_FDCWD, names[i], 0600);
        assert_true(fd >= 0);
        assert_int_equal(fstat(fd, &st), 0);
        assert_true(S_ISREG(st.st_mode) && st.st_size == 0);
        close(fd);
    }
    struct buf b = BUF_INIT;
    assert_int_equal(file_read("secret/file", 100, &b, NULL), 0);
    assert_string_equal(buf_str(&b), "secret");
    buf_clear(&b);
}

static void a_strangers_temporary_gets_nothing_of_ours(void **state)
{
    (void)state;
    if (geteuid() != 0)
        skip();
    struct place to;
    char *path = xasprintf("%s/out", home), *planted = part_name("out", 3, 0);
    tempdir_put(planted, "");
    assert_int_equal(chown(planted, 65534, 65534), 0);
    assert_int_equal(chmod(planted, 0666), 0);
    int theirs = open(planted, O_RDONLY);
    assert_int_equal(place_open(path, PARENTS_THERE, &to, NULL), 0);
    struct part part;
    assert_int_equal(part_open(&to, &part, NULL), 0);
    assert_int_equal(write(part.fd, "ours", 4), 4);
    char text[8];
    assert_int_equal(pread(theirs, text, sizeof text, 0), 0);
    assert_int_equal(part_finish(&part, 0600, NULL), 0);
    struct stat st;
    assert_int_equal(stat("out", &st), 0);
    assert_int_equal(st.st_uid, 0);
    close(theirs);
    place_close(&to);
    free(planted);
    free(path);
}

/* A file that has no size yet has no end that we could know. This one of the kernel's has 2^39
 * bytes and says 0. */
static void a_file_that_grows_without_end_is_not_followed_for_ever(void **state)
{
    (void)state;
    const atomic_bool no = false;
    const struct copy_watch watch = {.is_cancelled = &no};
    bool is_source;
    struct place from, to;
    struct stat st;
    char *path = xasprintf("%s/out", home),
         *endless = xasprintf("/proc/%ld/pagemap", (long)getpid());
    if (access(endless, R_OK) < 0)
        skip();
    assert_int_equal(place_open(endless, PARENTS_THERE, &from, NULL), 0);
    assert_int_equal(place_open(path, PARENTS_THERE, &to, NULL), 0);
    assert_int_equal(copy_file(&from, &to, false, &watch, &is_source, NULL), 0);
    assert_int_equal(stat("out", &st), 0);
    assert_in_range(st.st_size, 1, 64 << 20);
    place_close(&from);
    place_close(&to);
    free(endless);
    free(path);
}

#define IN_DIR(f) cmocka_unit_test_setup_teardown(f, enter, tempdir_leave)

int main(void)
{
    const struct CMUnitTest tests[] = {
        IN_DIR(a_name_beneath_leads_nowhere_else),
        IN_DIR(missing_parents_are_made_and_links_among_them_refused),
        IN_DIR(a_link_to_a_name_beside_it_may_be_followed),
        IN_DIR(an_output_behind_a_swapped_directory_is_its_own_or_refused),
        IN_DIR(an_output_that_is_swapped_with_a_link_is_its_own_or_refused),
        IN_DIR(a_removal_does_not_leave_its_tree_for_a_swapped_link),
        IN_DIR(a_removal_ends_where_somebody_goes_on_making_files),
        IN_DIR(a_tree_of_any_depth_is_removed),
        IN_DIR(what_a_payload_put_in_the_way_is_removed_and_not_opened),
        IN_DIR(a_strangers_temporary_gets_nothing_of_ours),
        IN_DIR(a_file_that_grows_without_end_is_not_followed_for_ever),
    };
    copy_init();
    return cmocka_run_group_tests(tests, NULL, NULL);
}
