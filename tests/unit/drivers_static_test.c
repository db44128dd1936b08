/* What people write for the static information driver: attribute files, host lists, --self. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "im/attributes.h"
#include "im/hostlist.h"
#include "im/self.h"
#include "lib/mem.h"

#include <stdio.h>
#include <string.h>

static void an_attribute_file_becomes_one_line(void **state)
{
    (void)state;
    static const struct {
        const char *text, *line;
    } cases[] = {
        {"", ""},
        {"# only a comment", ""},
        {"A=1", "A=1"},
        {"A=-1 B=\"x y\"\n\n  C[12]=\"\"\t# rest\nD=\r\nE=5#c", "A=-1 B=\"x y\" C[12]=\"\" D= E=5"},
        {"A=\"# no comment\"", "A=\"# no comment\""},
        {"_x9=123456789012345678", "_x9=123456789012345678"},
    };
    for (size_t i = 0; i < GW_COUNT(cases); i++) {
        struct buf out = BUF_INIT;
        assert_int_equal(attributes_parse(cases[i].text, strlen(cases[i].text), "f", &out, NULL),
                         0);
        assert_string_equal(buf_str(&out), cases[i].line);
        buf_clear(&out);
    }
}

static void a_mistake_in_an_attribute_file_is_named_by_line(void **state)
{
    (void)state;
    static const struct {
        const char *text, *message;
    } cases[] = {
        {"A=1\nB", "f:2: \"B\": NAME=value was expected"},
        {"A=x", "f:1: \"A=x\": an integer or a text"},
        {"A=1.5", "f:1: \"A=1.5\": an integer or a text"},
        {"A=-", "f:1: \"A=-\": an integer"},
        {"A=1234567890123456789", "an integer of at most 18 digits"},
        {"\n\nA=\"x", "f:3: \"A=\"x\": the text has no closing quote"},
        {"A=\"x\ny\"", "closing quote, or a control character"},
        {"A=\"x\"y", "an integer or a text in double quotes"},
        {"9A=1", "an attribute name"},
        {"A[x]=1", "an index"},
        {"A[]=1", "an index"},
        {"A[12345]=1", "an index"},
        {"A[1=1", "an index"},
        {"=1", "an attribute name"},
        {"A=1,B=2", "an integer or a text"},
        {"A\x01=1", "NAME=value"},
    };
    for (size_t i = 0; i < GW_COUNT(cases); i++) {
        struct buf out = BUF_INIT;
        struct gw_err err = {0};
        buf_puts(&out, "before");
        assert_int_equal(attributes_parse(cases[i].text, strlen(cases[i].text), "f", &out, &err),
                         -GW_EINVAL);
        if (!strstr(err.text, cases[i].message))
            fail_msg("\"%s\": \"%s\" does not say \"%s\"", cases[i].text, err.text,
                     cases[i].message);
        assert_string_equal(buf_str(&out), "before");
        buf_clear(&out);
    }
}

static void more_attributes_than_a_line_holds_are_refused(void **state)
{
    (void)state;
    struct buf text = BUF_INIT, out = BUF_INIT;
    for (int i = 0; i < 8000; i++)
        buf_printf(&text, "A%d=1\n", i);
    assert_int_equal(attributes_parse(text.data, text.len, "f", &out, NULL), -GW_EINVAL);
    buf_clear(&text);
    buf_clear(&out);
}

static void what_is_gone_is_cleared(void **state)
{
    (void)state;
    struct buf now = BUF_INIT;
    buf_puts(&now, "B=\"A=1 C=2\" AA=3");
    attributes_clear_gone("A=1 B=\"D=1\" AA=2 C= E[0]=\"x y\"", &now);
    assert_string_equal(buf_str(&now), "B=\"A=1 C=2\" AA=3 A= C= E[0]=");
    buf_clear(&now);
    attributes_clear_gone("A=1", &now);
    assert_string_equal(buf_str(&now), "A=");
    buf_clear(&now);
}

static char reported[512];

static void report(const char *message)
{
    strncat(reported, message, sizeof reported - strlen(reported) - 1);
    strncat(reported, "\n", sizeof reported - strlen(reported) - 1);
}

static void a_host_list_names_files_beside_it(void **state)
{
    (void)state;
    static const char text[] =
        "# hosts\nh1 h1.attr\n\n  h-2.x\t/abs/a file \r\nh1 again\nbad/x f\nlonely\nlast l";
    struct hostlist l;
    reported[0] = '\0';
    hostlist_parse(text, strlen(text), "dir/list", &l, report);
    assert_int_equal(l.n, 3);
    assert_string_equal(l.items[0].file, "dir/h1.attr");
    assert_string_equal(l.items[1].host, "h-2.x");
    assert_string_equal(l.items[1].file, "/abs/a file");
    assert_string_equal(l.items[2].host, "last");
    assert_string_equal(reported, "dir/list:5: \"h1\" stands in the list already\n"
                                  "dir/list:6: \"bad/x\" is not a host name\n"
                                  "dir/list:7: \"lonely\" has no attribute file behind it\n");
    hostlist_clear(&l);
}

static void self_is_name_slots_and_url(void **state)
{
    (void)state;
    struct self_host h;
    assert_int_equal(self_parse("me:4:file:///srv/a:b", &h, NULL), 0);
    assert_string_equal(h.name, "me");
    assert_int_equal(h.slots, 4);
    assert_string_equal(h.stage_url, "file:///srv/a:b");
    self_clear(&h);
    static const char *const bad[] = {"",
                                      "me",
                                      "me:4",
                                      "me:0:file:///x",
                                      "me:x:file:///x",
                                      ":4:file:///x",
                                      "a b:4:file:///x",
                                      "me:4:/x",
                                      "me:4:file:///\"x"};
    for (size_t i = 0; i < GW_COUNT(bad); i++)
        assert_int_equal(self_parse(bad[i], &h, NULL), -GW_EINVAL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(an_attribute_file_becomes_one_line),
        cmocka_unit_test(a_mistake_in_an_attribute_file_is_named_by_line),
        cmocka_unit_test(more_attributes_than_a_line_holds_are_refused),
        cmocka_unit_test(what_is_gone_is_cleared),
        cmocka_unit_test(a_host_list_names_files_beside_it),
        cmocka_unit_test(self_is_name_slots_and_url),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
