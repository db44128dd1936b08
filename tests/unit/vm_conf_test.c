#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "lib/buf.h"
#include "lib/mem.h"
#include "vm/conf.h"
#include "vm/name.h"

#include <stdio.h>
#include <string.h>

static const char *const lines[] = {
    "TOKEN = 8c1c.1.12.0.1",
    "NAME = \"hello # world\"",
    "UUID = 10685c57-a921-459a-82ca-052384331e61",
    "URI = qemu:///session",
    "IMAGE = ../.gw_cache/u-1/image",
    "CPUS = 2",
    "MEMORY_MIB = 128",
    "RESULT_BYTES = 1048576",
    "EXECUTABLE = ./run",
    "WALLTIME_S = 0",
    "BOOT_TIMEOUT_S = 60",
};

/* Parse the good lines, with line `at` replaced by `other` (at = their number: added). */
static int parse(size_t at, const char *other, struct vm_conf *ret, struct gw_err *err)
{
    struct buf b = BUF_INIT;
    for (size_t i = 0; i <= GW_COUNT(lines); i++) {
        const char *line = i == at ? other : i < GW_COUNT(lines) ? lines[i] : "";
        buf_printf(&b, "%s\n", line);
    }
    int r = vm_conf_parse(b.data, b.len, "vm.conf", ret, err);
    buf_clear(&b);
    return r;
}

static void all_keys_are_read(void **state)
{
    (void)state;
    struct vm_conf c;
    static const char more[] =
        "IMAGE_CHECKSUM = sha256:aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa\n"
        "DISK = 1024 2048\nINPUT = a\nINPUT = \"b c\"\nOUTPUT = d/e\nSTDIN = yes\n"
        "CACHE_MAX_BYTES = 7\nCACHE_MAX_AGE_S = 8";
    assert_int_equal(parse(GW_COUNT(lines), more, &c, NULL), 0);
    assert_string_equal(c.token, "8c1c.1.12.0.1");
    assert_string_equal(c.name, "hello # world");
    assert_string_equal(c.image, "../.gw_cache/u-1/image");
    assert_int_equal(strlen(c.image_sha256), 64);
    assert_int_equal(c.cpus, 2);
    assert_int_equal(c.memory_mib, 128);
    assert_int_equal(c.n_disks, 2);
    assert_int_equal(c.disks[1], 2048);
    assert_int_equal(c.n_inputs, 2);
    assert_string_equal(c.inputs[1], "b c");
    assert_int_equal(c.n_outputs, 1);
    assert_string_equal(c.outputs[0], "d/e");
    assert_true(c.has_stdin);
    assert_int_equal(c.cache_max_bytes, 7);
    assert_int_equal(c.cache_max_age_s, 8);
    vm_conf_clear(&c);
}

static void every_required_key_is_missed(void **state)
{
    (void)state;
    for (size_t i = 0; i < GW_COUNT(lines); i++) {
        struct vm_conf c;
        struct gw_err err;
        char key[32];
        snprintf(key, sizeof key, "%.*s is missing", (int)strcspn(lines[i], " "), lines[i]);
        assert_int_equal(parse(i, "", &c, &err), -GW_EINVAL);
        assert_non_null(strstr(err.text, key));
    }
}

static void mistakes_are_refused(void **state)
{
    (void)state;
    static const struct {
        size_t at;
        const char *line;
    } cases[] = {
        {0, "TOKEN = ../../etc"},
        {0, "TOKEN = a/b"},
        {0, "TOKEN = \"\""},
        {2, "UUID = 10685c57a921459a82ca052384331e61"},
        {2, "UUID = 10685c57-a921-459a-82ca-052384331e6g"},
        {5, "CPUS = 0"},
        {5, "CPUS = two"},
        {6, "MEMORY_MIB = -1"},
        {7, "RESULT_BYTES = 99999999999999999999"},
        {8, "EXECUTABLE = \"a\nb\""},
        {10, "BOOT_TIMEOUT_S = 0"},
        {GW_COUNT(lines), "CPUS = 2"},
        {GW_COUNT(lines), "UNKNOWN = 1"},
        {GW_COUNT(lines), "STDIN = perhaps"},
        {GW_COUNT(lines), "DISK = 12G"},
        {GW_COUNT(lines), "DISK = 1"},
        {GW_COUNT(lines),
         "DISK = 512 512 512 512 512 512 512 512 512 512 512 512 512 512 512 512 512"},
        {GW_COUNT(lines), "IMAGE_CHECKSUM = md5:abc"},
        {GW_COUNT(lines), "IMAGE_CHECKSUM = sha256:abc"},
        {GW_COUNT(lines), "INPUT = /etc/passwd"},
        {GW_COUNT(lines), "INPUT = a/../../b"},
        {GW_COUNT(lines), "OUTPUT = .."},
        {GW_COUNT(lines), "OUTPUT = \"a\nb\""},
        {GW_COUNT(lines), "INPUT[1] = a"},
        {GW_COUNT(lines), "no equals sign"},
    };
    for (size_t i = 0; i < GW_COUNT(cases); i++) {
        struct vm_conf c;
        struct gw_err err;
        if (parse(cases[i].at, cases[i].line, &c, &err) != -GW_EINVAL)
            fail_msg("\"%s\" is taken", cases[i].line);
        assert_int_equal(strncmp(err.text, "vm.conf:", 8), 0);
    }
}

static void names_stay_below_their_directory(void **state)
{
    (void)state;
    static const char *const good[] = {"a",       "a/b", "...",      "..a",
                                       ".hidden", "a b", "\xc3\xa9", "-x"};
    static const char *const bad[] = {"",    ".",     "..",   "/a",   "a/",   "a//b",
                                      "./a", "a/./b", "a/..", "a\nb", "a\x7f"};
    char part[258];
    memset(part, 'x', sizeof part);
    part[256] = '\0';
    assert_false(vm_name_is_safe(part));
    part[255] = '\0';
    assert_true(vm_name_is_safe(part));
    for (size_t i = 0; i < GW_COUNT(good); i++)
        assert_true(vm_name_is_safe(good[i]));
    for (size_t i = 0; i < GW_COUNT(bad); i++)
        if (vm_name_is_safe(bad[i]))
            fail_msg("\"%s\" is taken", bad[i]);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(all_keys_are_read),
        cmocka_unit_test(every_required_key_is_missed),
        cmocka_unit_test(mistakes_are_refused),
        cmocka_unit_test(names_stay_below_their_directory),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
