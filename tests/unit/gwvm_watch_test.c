#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "lib/file.h"
#include "wrappers/gwvm/watch.h"
#include "tests/unit/tempdir.h"

#include <fcntl.h>
#include <unistd.h>

static char *dir;

static int set_up(void **state)
{
    (void)state;
    dir = tempdir_make("gw-watch");
    return dir && chdir(dir) == 0 ? 0 : -1;
}

static int tear_down(void **state)
{
    (void)state;
    return chdir("/") == 0 ? tempdir_remove(dir) : -1;
}

/* What it has written is never read to its end: the limits and the clock have to be looked at
 * nevertheless. */
static void a_guest_that_writes_faster_than_is_read_is_ended_in_time(void **state)
{
    (void)state;
    struct attempt a = {.work = dir, .conf = {.boot_timeout_s = 1, .result_bytes = 1000}};
    struct vm_files files = {.console = (char *)"console",
                             .stdout_log = (char *)"stdout",
                             .stderr_log = (char *)"stderr",
                             .status_log = (char *)"/dev/zero"};
    struct watch w;
    struct vm_failure f;
    assert_int_equal(file_write("console", "", 0, 0600, NULL), 0);
    assert_int_equal(file_write("stdout", "", 0, 0600, NULL), 0);
    assert_int_equal(file_write("stderr", "", 0, 0600, NULL), 0);
    assert_int_equal(watch_open(&w, &a, &files, getppid(), &f), 0);
    int fd = open("stdout", O_WRONLY); /* so that its files are looked at */
    assert_int_equal(write(fd, "x", 1), 1);
    close(fd);
    alarm(60);
    assert_int_equal(watch_run(&w, &f), -1);
    alarm(0);
    assert_int_equal(f.reason, REASON_GUEST_NO_BOOT);
    watch_close(&w);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_guest_that_writes_faster_than_is_read_is_ended_in_time),
    };
    return cmocka_run_group_tests(tests, set_up, tear_down);
}
