#include "lib/crash.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

/* How a process ends that comes to the points of `path`: 0, or the signal. */
static int end_of(const char *wish, const char *const *path)
{
    int status;
    pid_t pid = fork();
    if (pid == 0) {
        if (wish)
            setenv("GW_CRASH", wish, 1);
        else
            unsetenv("GW_CRASH");
        for (; *path; path++)
            crash_point(*path);
        _exit(0);
    }
    assert_int_equal(waitpid(pid, &status, 0), pid);
    return WIFSIGNALED(status) ? WTERMSIG(status) : WEXITSTATUS(status);
}

static void a_process_dies_the_nth_time_it_comes_to_the_point_that_was_named(void **ctx)
{
    static const struct {
        const char *wish;
        const char *path[5];
        int end;
    } cases[] = {
        {NULL, {"sync"}, 0},
        {"sync:1", {"append", "sync"}, SIGKILL},
        {"sync:2", {"sync", "append"}, 0},
        {"sync:2", {"sync", "append", "sync"}, SIGKILL},
        {"sync:0", {"sync", "sync"}, 0},
        {"sy:1", {"sync"}, 0},
        {"sync", {"sync"}, 0},
        {"sync:1", {"sy", "syncs"}, 0},
        {":1", {"sync", ""}, SIGKILL},
        {"", {"sync"}, 0},
    };
    (void)ctx;
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++)
        assert_int_equal(end_of(cases[i].wish, cases[i].path), cases[i].end);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_process_dies_the_nth_time_it_comes_to_the_point_that_was_named),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
