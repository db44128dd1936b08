#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "lib/file.h"
#include "vm/xml.h"

#include <stdlib.h>
#include <string.h>

/* The structs own their strings elsewhere; here they are literals, and nobody writes to them. */
#define TEXT(literal) ((char *)(uintptr_t)(literal))

static struct vm_conf conf(void)
{
    static uint64_t disks[] = {1 << 30, 2 << 20};
    return (struct vm_conf){.token = TEXT("8c1c0000-1111-2222-3333-444455556666.1.12.0.1"),
                            .name = TEXT("a <name> & \"more\"\n"),
                            .uuid = TEXT("10685c57-a921-459a-82ca-052384331e61"),
                            .cpus = 2,
                            .memory_mib = 256,
                            .disks = disks,
                            .n_disks = 2};
}

static struct vm_files files(void)
{
    return (struct vm_files){.base = TEXT("/site/.gw_cache/sha256-0/image"),
                             .overlay = TEXT("/site/it's <here> & \"there\"/.gwvm/overlay.qcow2"),
                             .seed = TEXT("/w/seed.iso"),
                             .result = TEXT("/w/result.raw"),
                             .console = TEXT("/j/console.log"),
                             .stdout_log = TEXT("/j/stdout.execution"),
                             .stderr_log = TEXT("/j/stderr.execution"),
                             .status_log = TEXT("/w/status.log"),
                             .disks = {TEXT("/w/disk0.raw"), TEXT("/w/disk1.raw")}};
}

/* When the document is changed on purpose: GW_GOLDEN=write build/tests/vm_xml_test */
static void the_document_is_the_golden_file(void **state)
{
    (void)state;
    static const char golden[] = "tests/unit/data/vm_domain.xml";
    struct vm_conf c = conf();
    struct vm_files f = files();
    struct image base = {IMAGE_QCOW2, 1 << 30};
    struct buf got = BUF_INIT, want = BUF_INIT;
    vm_xml(&c, &base, &f, &got);
    if (getenv("GW_GOLDEN"))
        assert_int_equal(file_write(golden, got.data, got.len, 0644, NULL), 0);
    assert_int_equal(file_read(golden, 1 << 20, &want, NULL), 0);
    assert_string_equal(got.data, want.data);
    buf_clear(&got);
    buf_clear(&want);
}

static void the_format_of_the_base_is_always_said(void **state)
{
    (void)state;
    struct vm_conf c = conf();
    struct vm_files f = files();
    struct image base = {IMAGE_RAW, 1 << 30};
    struct buf got = BUF_INIT;
    vm_xml(&c, &base, &f, &got);
    assert_non_null(strstr(got.data, "<format type='raw'/>"));
    assert_null(strstr(got.data, "<format type='qcow2'/>"));
    buf_clear(&got);
}

static void what_xml_has_no_form_for_becomes_a_question_mark(void **state)
{
    (void)state;
    struct vm_conf c = conf();
    struct vm_files f = files();
    struct image base = {IMAGE_RAW, 1 << 30};
    struct buf got = BUF_INIT;
    c.name = TEXT("a\xef\xbf\xbe"
                  "b\xef\xbf\xbf"
                  "c\x01\xef\xbf\xbd");
    vm_xml(&c, &base, &f, &got);
    assert_non_null(strstr(got.data, "<title>a?b?c?\xef\xbf\xbd</title>"));
    buf_clear(&got);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_document_is_the_golden_file),
        cmocka_unit_test(the_format_of_the_base_is_always_said),
        cmocka_unit_test(what_xml_has_no_form_for_becomes_a_question_mark),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
