#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "lib/mem.h"
#include "tm/gass/url.h"

#include <stdlib.h>
#include <string.h>

static void a_url_is_scheme_host_and_literal_path(void **state)
{
    (void)state;
    static const struct {
        const char *url;
        enum url_scheme scheme;
        const char *host, *path, *text;
    } cases[] = {
        {"gsiftp://Site.Example.ORG/a/b", URL_GSIFTP, "site.example.org:2811", "/a/b",
         "gsiftp://site.example.org:2811/a/b"},
        {"GSIFTP://h:2812//a/./b/", URL_GSIFTP, "h:2812", "/a/b", "gsiftp://h:2812/a/b"},
        {"gsiftp://h/~/x", URL_GSIFTP, "h:2811", "/~/x", "gsiftp://h:2811/~/x"},
        {"gsiftp://h/~", URL_GSIFTP, "h:2811", "/~", "gsiftp://h:2811/~"},
        {"gsiftp://h/a b%20\"\xc3\xbc?#", URL_GSIFTP, "h:2811", "/a b%20\"\xc3\xbc?#",
         "gsiftp://h:2811/a%20b%2520%22%C3%BC%3F%23"},
        {"gsiftp://[::1]:2811/x", URL_GSIFTP, "[::1]:2811", "/x", "gsiftp://[::1]:2811/x"},
        {"gsiftp://h/a..b/...", URL_GSIFTP, "h:2811", "/a..b/...", "gsiftp://h:2811/a..b/..."},
        {"https://h/a%20b?q=1", URL_HTTPS, "h:443", "/a%20b?q=1", "https://h:443/a%20b?q=1"},
        {"https://h:8443/a b", URL_HTTPS, "h:8443", "/a b", "https://h:8443/a%20b"},
    };
    for (size_t i = 0; i < GW_COUNT(cases); i++) {
        struct url u;
        assert_int_equal(url_parse(cases[i].url, &u, NULL), 0);
        assert_int_equal(u.scheme, cases[i].scheme);
        assert_string_equal(u.host, cases[i].host);
        assert_string_equal(u.path, cases[i].path);
        assert_string_equal(u.text, cases[i].text);
        url_clear(&u);
    }
}

static void a_file_url_is_left_to_the_local_part(void **state)
{
    (void)state;
    struct url u;
    assert_int_equal(url_parse("file:///~/a%20b", &u, NULL), 0);
    assert_int_equal(u.scheme, URL_FILE);
    assert_string_equal(u.host, "");
    assert_null(u.path);
    assert_string_equal(u.text, "file:///~/a%20b");
    url_clear(&u);
}

static void what_could_be_a_command_or_lead_elsewhere_is_refused(void **state)
{
    (void)state;
    static const char *const urls[] = {
        "",
        "/a",
        "ftp://h/a",
        "http://h/a",
        "gsiftp:/h/a",
        "gsiftp://",
        "gsiftp://h",
        "gsiftp://h/",
        "gsiftp:///a",
        "gsiftp://h/a/../b",
        "gsiftp://h/..",
        "gsiftp://h/~bob/x",
        "gsiftp://h//~bob/x",
        "gsiftp://h/./~bob/x",
        "gsiftp://h/a\r\nDELE b",
        "gsiftp://h/a\nb",
        "gsiftp://h/a\x7f",
        "gsiftp://h/\xff\xf4",
        "gsiftp://h:0/a",
        "gsiftp://h:65536/a",
        "gsiftp://h:/a",
        "gsiftp://h:21x/a",
        "gsiftp://user@h/a",
        "gsiftp://h h/a",
        "gsiftp://-h/a",
        "gsiftp://h?x/a",
        "gsiftp://[::1/a",
        "https://h",
    };
    for (size_t i = 0; i < GW_COUNT(urls); i++) {
        struct url u = {0};
        struct gw_err err = {0};
        if (url_parse(urls[i], &u, &err) != -GW_EINVAL)
            fail_msg("\"%s\" is taken", urls[i]);
        assert_true(err.text[0]);
        assert_null(u.text);
    }
    char *path = xmalloc(5000);
    memset(path, 'x', 4999);
    path[4999] = '\0';
    char *url = xasprintf("gsiftp://h/%s", path);
    struct url u;
    assert_int_equal(url_parse(url, &u, NULL), -GW_EINVAL);
    free(url);
    free(path);
}

static void a_path_has_a_parent_until_the_top(void **state)
{
    (void)state;
    char *parent = url_parent("/~/a/b");
    assert_string_equal(parent, "/~/a");
    free(parent);
    assert_null(url_parent("/a"));
    assert_null(url_parent("/~"));
    assert_string_equal(url_name("/~/a/b"), "b");
    assert_true(url_is_in_job("/~/.gw_x/out"));
    assert_false(url_is_in_job("/~/x.gw_y/out"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_url_is_scheme_host_and_literal_path),
        cmocka_unit_test(a_file_url_is_left_to_the_local_part),
        cmocka_unit_test(what_could_be_a_command_or_lead_elsewhere_is_refused),
        cmocka_unit_test(a_path_has_a_parent_until_the_top),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
