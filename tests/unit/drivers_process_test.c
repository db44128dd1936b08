/* Processes of others, told apart by start time and boot; contacts and claims as text. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "em/attempt.h"
#include "em/process.h"
#include "lib/mem.h"

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

static void a_contact_is_read_back(void **state)
{
    (void)state;
    struct process_id id, again;
    struct buf text = BUF_INIT;
    assert_int_equal(process_identify(getpid(), &id, NULL), 0);
    process_encode_contact(&id, &text);
    assert_int_equal(process_decode_contact(text.data, &again, NULL), 0);
    assert_int_equal(again.pid, id.pid);
    assert_int_equal(again.start, id.start);
    assert_string_equal(again.boot, id.boot);
    buf_clear(&text);
}

static void a_malformed_claim_or_contact_is_refused(void **state)
{
    (void)state;
    static const char *const claims[] = {"",        "1",
                                         "1 2",     "1 2 ",
                                         "x 2 ab",  "1 x ab",
                                         "-1 2 ab", "1 2 AB",
                                         "1 2 a/b", "99999999999 2 ab",
                                         "1  2 ab", "1 2 0123456789012345678901234567890123456789"};
    static const char *const contacts[] = {"",       "fork:",       "fork:1:2",
                                           "1:2:ab", "fork:1 2 ab", "gram:1:2:ab"};
    struct process_id id;
    for (size_t i = 0; i < GW_COUNT(claims); i++)
        assert_int_equal(process_decode_claim(claims[i], &id, NULL), -GW_EINVAL);
    for (size_t i = 0; i < GW_COUNT(contacts); i++)
        assert_int_equal(process_decode_contact(contacts[i], &id, NULL), -GW_EINVAL);
    assert_int_equal(process_decode_claim("12 34 ab-c\nmore", &id, NULL), 0);
    assert_int_equal(id.pid, 12);
    assert_string_equal(id.boot, "ab-c");
}

static void only_the_same_process_of_the_same_boot_is_opened(void **state)
{
    (void)state;
    struct process_id id;
    assert_int_equal(process_identify(getpid(), &id, NULL), 0);
    int fd = process_pidfd(&id);
    assert_true(fd >= 0);
    close(fd);
    struct process_id other = id;
    other.start++;
    assert_int_equal(process_pidfd(&other), -1);
    other = id;
    other.boot[0] = other.boot[0] == 'a' ? 'b' : 'a';
    assert_int_equal(process_pidfd(&other), -1);
    other = id;
    other.pid = 0;
    assert_int_equal(process_pidfd(&other), -1);
}

static void a_zombie_does_not_run(void **state)
{
    (void)state;
    struct process_id id;
    pid_t pid = fork();
    if (pid == 0)
        _exit(0);
    siginfo_t info;
    assert_int_equal(waitid(P_PID, (id_t)pid, &info, WEXITED | WNOWAIT), 0);
    assert_int_equal(process_identify(pid, &id, NULL), 0);
    assert_int_equal(process_pidfd(&id), -1);
    waitpid(pid, NULL, 0);
    assert_int_equal(process_identify(pid, &id, NULL), -GW_ENOENT);
}

static void an_attempt_is_found_by_its_token_and_its_session(void **state)
{
    (void)state;
    int ready[2];
    assert_int_equal(pipe(ready), 0);
    pid_t pid = fork();
    if (pid == 0) {
        setsid();
        /* One of the session that does not show the token. */
        if (fork() == 0)
            execle("/bin/sh", "sh", "-c", "echo; sleep 60", (char *)NULL, (char *[]){NULL});
        dup2(ready[1], 1);
        execle("/bin/sh", "sh", "-c", "echo; sleep 60; exit", (char *)NULL,
               (const char *const[]){"PATH=/usr/bin:/bin", "GW_TOKEN=unit.test.1.2.3", NULL});
        _exit(1);
    }
    char byte;
    assert_int_equal(read(ready[0], &byte, 1), 1);
    assert_int_equal(process_signal_attempt("unit.test.1.2.4", NULL, 0, 0), 0);
    assert_int_equal(process_signal_attempt("unit.test.1.2", NULL, 0, 0), 0);
    assert_true(process_signal_attempt("unit.test.1.2.3", NULL, 0, 0) >= 2);
    struct process_id leader, reused;
    assert_int_equal(process_identify(pid, &leader, NULL), 0);
    reused = leader;
    reused.start--;
    assert_int_equal(process_signal_attempt(NULL, &reused, 1, SIGKILL), 0);
    assert_true(process_signal_attempt(NULL, &leader, 1, SIGKILL) >= 2);
    int status;
    assert_int_equal(waitpid(pid, &status, 0), pid);
    assert_true(WIFSIGNALED(status));
    close(ready[0]);
    close(ready[1]);
}

static void a_token_is_a_file_name(void **state)
{
    (void)state;
    char long_one[300];
    memset(long_one, 'a', sizeof long_one);
    long_one[201] = '\0';
    assert_true(attempt_token_is_valid("8c1c-1.2.3_X"));
    assert_false(attempt_token_is_valid(""));
    assert_false(attempt_token_is_valid("../x"));
    assert_false(attempt_token_is_valid("a b"));
    assert_false(attempt_token_is_valid(long_one));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_contact_is_read_back),
        cmocka_unit_test(a_malformed_claim_or_contact_is_refused),
        cmocka_unit_test(only_the_same_process_of_the_same_boot_is_opened),
        cmocka_unit_test(a_zombie_does_not_run),
        cmocka_unit_test(an_attempt_is_found_by_its_token_and_its_session),
        cmocka_unit_test(a_token_is_a_file_name),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
