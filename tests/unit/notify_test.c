/* What a service manager is told. */
#include "gwd/daemon/daemon.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <cmocka.h>

static void a_manager_hears_once_that_gwd_is_ready(void **state)
{
    (void)state;
    struct sockaddr_un at = {.sun_family = AF_UNIX};
    char name[80], said[32] = "";
    int len = snprintf(name, sizeof name, "@gwd-notify-test-%ld", (long)getpid());
    memcpy(at.sun_path + 1, name + 1, (size_t)len - 1);
    int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_NONBLOCK, 0);
    assert_int_equal(bind(fd, (struct sockaddr *)&at,
                          (socklen_t)(offsetof(struct sockaddr_un, sun_path) + (size_t)len)),
                     0);
    setenv("NOTIFY_SOCKET", name, 1);
    notify_ready();
    assert_int_equal(recv(fd, said, sizeof said - 1, 0), 7);
    assert_string_equal(said, "READY=1");
    assert_null(getenv("NOTIFY_SOCKET"));
    notify_ready();
    assert_int_equal(recv(fd, said, sizeof said - 1, 0), -1);
    close(fd);
}

static void a_name_that_is_none_does_no_harm(void **state)
{
    (void)state;
    char name[300];
    memset(name, 'x', sizeof name);
    name[sizeof name - 1] = '\0';
    const char *names[] = {"", "/nowhere/at/all", name};
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        setenv("NOTIFY_SOCKET", names[i], 1);
        notify_ready();
        assert_null(getenv("NOTIFY_SOCKET"));
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_manager_hears_once_that_gwd_is_ready),
        cmocka_unit_test(a_name_that_is_none_does_no_harm),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
