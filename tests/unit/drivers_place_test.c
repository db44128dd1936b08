#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "lib/mem.h"
#include "tm/place.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static void a_file_url_is_a_path(void **state)
{
    (void)state;
    setenv("HOME", "/home/ann/", 1);
    static const struct {
        const char *url, *path;
    } cases[] = {
        {"file:///a/b", "/a/b"},           {"FILE://localhost/a", "/a"},
        {"file:///a//b/./c/", "/a/b/c"},   {"file:///~/x", "/home/ann/x"},
        {"file:///~", "/home/ann"},        {"file:///a%20b/c d", "/a%20b/c d"},
        {"file:///a..b/...", "/a..b/..."},
    };
    for (size_t i = 0; i < GW_COUNT(cases); i++) {
        char *path = NULL;
        assert_int_equal(place_path(cases[i].url, &path, NULL), 0);
        assert_string_equal(path, cases[i].path);
        free(path);
    }
}

static void this_machine_is_known_by_its_name(void **state)
{
    (void)state;
    char own[256] = "", *path = NULL;
    gethostname(own, sizeof own - 1);
    char *url = xasprintf("file://%s/x", own);
    assert_int_equal(place_path(url, &path, NULL), 0);
    assert_string_equal(path, "/x");
    free(path);
    free(url);
}

static void a_url_that_is_not_served_is_refused(void **state)
{
    (void)state;
    static const char *const urls[] = {"",
                                       "/a",
                                       "file:/a",
                                       "file://",
                                       "file:///",
                                       "file:///./",
                                       "file://host.elsewhere/a",
                                       "http://localhost/a",
                                       "file:///a/../b",
                                       "file:///..",
                                       "file:///~bob/x",
                                       "file:///~/../x"};
    for (size_t i = 0; i < GW_COUNT(urls); i++) {
        char *path = NULL;
        struct gw_err err = {0};
        assert_int_equal(place_path(urls[i], &path, &err), -GW_EINVAL);
        assert_null(path);
        assert_true(err.text[0]);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_file_url_is_a_path),
        cmocka_unit_test(this_machine_is_known_by_its_name),
        cmocka_unit_test(a_url_that_is_not_served_is_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
