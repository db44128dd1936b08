#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "lib/file.h"
#include "lib/mem.h"
#include "wire/status.h"
#include "wrappers/gwvm/attempt.h"
#include "wrappers/gwvm/console.h"
#include "tests/unit/tempdir.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static char *dir;

/* attempt_finish writes into the working directory, which is the job's. */
static int set_up(void **state)
{
    (void)state;
    dir = tempdir_make("gw-attempt");
    return dir && chdir(dir) == 0 ? 0 : -1;
}

static int tear_down(void **state)
{
    (void)state;
    return chdir("/") == 0 ? tempdir_remove(dir) : -1;
}

static struct status_file read_status(void)
{
    struct buf b = BUF_INIT;
    struct status_file s;
    assert_int_equal(file_read("status", STATUS_FILE_MAX, &b, NULL), 0);
    assert_int_equal(status_decode(b.data, b.len, "GWSTATUS", &s, NULL), 0);
    buf_clear(&b);
    return s;
}

static struct attempt attempt(const char *token)
{
    return (struct attempt){
        .dir = dir, .conf.token = (char *)(uintptr_t)token, .session.owner_fd = -1};
}

static void an_exit_is_written_with_its_signal(void **state)
{
    (void)state;
    static const struct {
        int code;
        const char *text, *signal;
    } cases[] = {
        {0, "0", NULL}, {7, "7", NULL}, {137, "137", "9"}, {128, "128", NULL}, {255, "255", NULL}};
    for (size_t i = 0; i < GW_COUNT(cases); i++) {
        struct attempt a = attempt("t.1.1.0.1");
        struct outcome o = {
            .is_exited = true, .exit_code = cases[i].code, .started = 5, .ended = 9};
        unlink("status");
        assert_int_equal(attempt_finish(&a, &o, NULL), 0);
        struct status_file s = read_status();
        assert_string_equal(status_get(&s, "TOKEN"), "t.1.1.0.1");
        assert_string_equal(status_get(&s, "STATE"), "exited");
        assert_string_equal(status_get(&s, "EXIT_CODE"), cases[i].text);
        assert_string_equal(status_get(&s, "STARTED"), "5");
        assert_string_equal(status_get(&s, "ENDED"), "9");
        if (cases[i].signal)
            assert_string_equal(status_get(&s, "SIGNAL"), cases[i].signal);
        else
            assert_null(status_get(&s, "SIGNAL"));
        status_clear(&s);
    }
}

static void a_failure_is_written_with_reason_and_blame(void **state)
{
    (void)state;
    struct attempt a = attempt("t.1.1.0.1");
    struct outcome o = {0};
    vm_fail(&o.failure, REASON_NO_SPACE, "no space in %s", "/x");
    assert_int_equal(attempt_finish(&a, &o, NULL), 0);
    struct status_file s = read_status();
    assert_string_equal(status_get(&s, "STATE"), "failed");
    assert_string_equal(status_get(&s, "REASON"), "no-space");
    assert_string_equal(status_get(&s, "BLAME"), "site");
    assert_string_equal(status_get(&s, "MESSAGE"), "no space in /x");
    status_clear(&s);
}

static void a_status_of_this_attempt_is_written_once(void **state)
{
    (void)state;
    struct attempt a = attempt("t.1.1.0.1"), later = attempt("t.1.1.0.2");
    struct outcome first = {.is_exited = true, .exit_code = 1},
                   second = {.is_exited = true, .exit_code = 2};
    assert_false(attempt_has_status(&a));
    assert_int_equal(attempt_finish(&a, &first, NULL), 0);
    assert_true(attempt_has_status(&a));
    assert_int_equal(attempt_finish(&a, &second, NULL), 0);
    struct status_file s = read_status();
    assert_string_equal(status_get(&s, "EXIT_CODE"), "1");
    status_clear(&s);
    assert_false(attempt_has_status(&later));
    assert_int_equal(attempt_finish(&later, &second, NULL), 0);
    assert_true(attempt_has_status(&later));
}

static void a_console_is_quoted_without_what_a_terminal_would_do(void **state)
{
    (void)state;
    static const struct {
        const char *console, *want;
    } cases[] = {
        {"", "No; its console is empty"},
        {"\033[2J\033[0mSeaBIOS\r\n\nBooting\x01\xff...\r\n",
         "No; its console ends: SeaBIOS | Booting..."},
        {"end\033", "No; its console ends: end"},
        {"end\033[12", "No; its console ends: end"},
        {"\n\n", "No; its console is empty"},
    };
    for (size_t i = 0; i < GW_COUNT(cases); i++) {
        struct vm_failure f;
        assert_int_equal(
            file_write("console.log", cases[i].console, strlen(cases[i].console), 0644, NULL), 0);
        vm_fail(&f, REASON_GUEST_NO_BOOT, "No");
        console_quote("console.log", &f);
        assert_string_equal(f.text, cases[i].want);
    }
}

static void a_console_is_kept_at_its_end(void **state)
{
    (void)state;
    char *data = xmalloc(CONSOLE_MAX + 1);
    memset(data, 'a', CONSOLE_MAX);
    data[CONSOLE_MAX] = 'z';
    struct stat st;
    assert_int_equal(file_write("console.log", data, CONSOLE_MAX, 0644, NULL), 0);
    console_trim("console.log");
    assert_int_equal(stat("console.log", &st), 0);
    assert_int_equal(st.st_size, CONSOLE_MAX);
    assert_int_equal(file_write("console.log", data, CONSOLE_MAX + 1, 0644, NULL), 0);
    console_trim("console.log");
    struct buf b = BUF_INIT;
    assert_int_equal(file_read("console.log", CONSOLE_MAX, &b, NULL), 0);
    assert_int_equal(b.len, CONSOLE_KEEP);
    assert_int_equal(b.data[b.len - 1], 'z');
    buf_clear(&b);
    free(data);
}

#define with_dir(f) cmocka_unit_test_setup_teardown(f, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        with_dir(an_exit_is_written_with_its_signal),
        with_dir(a_failure_is_written_with_reason_and_blame),
        with_dir(a_status_of_this_attempt_is_written_once),
        with_dir(a_console_is_quoted_without_what_a_terminal_would_do),
        with_dir(a_console_is_kept_at_its_end),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
