/* gwhost --test: how a job's end and a site's own words are judged. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "cli/host_test.h"
#include "lib/mem.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define HAS_ALL "driver=yes\nqemu=yes\nqemu_img=yes\narch=x86_64\nfree_kib=2097152\n"
#define GWVM_WORKS "gwvm=yes\nuri=qemu:///session\nreachable=yes\nversion=7.2.0\ntype=qemu\n"

static void what_virtual_machines_lack_is_named(void **state)
{
    (void)state;
    static const struct {
        const char *report;
        enum host_test_verdict verdict;
        const char *words, *advice; /* parts of them */
    } cases[] = {
        {HAS_ALL GWVM_WORKS, STEP_OK, "QEMU 7.2.0, emulation, 2048 MiB free", NULL},
        {HAS_ALL, STEP_OK, "QEMU, emulation", NULL},
        {HAS_ALL GWVM_WORKS "type=kvm\n", STEP_OK, "QEMU 7.2.0, KVM, 2048", NULL},
        {HAS_ALL "qemu=no\n" GWVM_WORKS, STEP_FAILED, "QEMU is not there (qemu-system-x86_64)",
         "install QEMU"},
        {HAS_ALL "driver=no\nqemu=no\n", STEP_FAILED,
         "libvirt's QEMU driver is not installed; QEMU is not there", "driver-qemu"},
        {HAS_ALL "qemu_img=no\n" GWVM_WORKS, STEP_FAILED, "qemu-img is not there", "qemu-utils"},
        {HAS_ALL "free_kib=1024\n" GWVM_WORKS, STEP_FAILED, "only 1 MiB are free", "STAGE_URL"},
        {HAS_ALL "free_kib=1e9\n" GWVM_WORKS, STEP_OK, "0 MiB free", NULL},
        {HAS_ALL "gwvm=yes\nreachable=no\nerror=no such socket\n", STEP_FAILED,
         "libvirt cannot be used: no such socket", "gwvm probe"},
        {HAS_ALL "gwvm=no\n", STEP_FAILED, "GWVM", "leave it out"},
        {HAS_ALL "gwvm=yes\nerror while loading shared libraries: libvirt.so.0\n", STEP_FAILED,
         "gwvm does not run there", "libvirt0"},
        {"", STEP_FAILED, "libvirt's QEMU driver is not installed", "install"},
        {"=\n==\nqemu\nqemu=", STEP_FAILED, "QEMU is not there", "install"},
    };
    for (size_t i = 0; i < GW_COUNT(cases); i++) {
        struct host_test_step s = {.name = "ready"};
        host_test_judge_ready(&s, cases[i].report);
        assert_int_equal(s.verdict, cases[i].verdict);
        if (!strstr(s.words, cases[i].words))
            fail_msg("\"%s\" is not in \"%s\"", cases[i].words, s.words);
        if (!cases[i].advice != !s.advice || (s.advice && !strstr(s.advice, cases[i].advice)))
            fail_msg("case %zu: the advice is \"%s\"", i, s.advice ? s.advice : "none");
        host_test_step_clear(&s);
    }
}

#define DONE(code) "{\"phase\":\"DONE\",\"exit_code\":" #code ",\"reason\":null}"
#define FAILED(code, blame)                                                                        \
    "{\"phase\":\"FAILED\",\"exit_code\":null,\"reason\":{\"code\":\"" code                        \
    "\",\"blame\":\"" blame "\",\"params\":{\"message\":\"so it said\"}}}"
#define PENDING(code)                                                                              \
    "{\"phase\":\"PENDING\",\"exit_code\":null,\"reason\":{\"code\":\"" code                       \
    "\",\"blame\":\"us\",\"params\":{}}}"

static void a_failure_says_which_service_and_what_to_do(void **state)
{
    (void)state;
    static const struct {
        const char *job;
        enum host_test_stage stage;
        bool is_late;
        int exit_code;
        const char *words, *advice; /* NULL: it is good */
    } cases[] = {
        {DONE(7), STAGE_EPILOG, false, 7, NULL, NULL},
        {DONE(0), STAGE_EPILOG, false, 7, "exit code 0, 7 was expected", "loses exit codes"},
        {DONE(2), STAGE_EPILOG, false, 0, "exit code 2, 0 was expected", "gwlogs"},
        {FAILED("unreachable", "site"), STAGE_PROLOG, false, 0,
         "the files did not get there (transfer service): the site cannot be reached: so it said",
         "port 2811"},
        {FAILED("unreachable", "site"), STAGE_SUBMIT, false, 0,
         "the job service did not take the job", "port 2119"},
        {FAILED("not-authorized", "site"), STAGE_SUBMIT, false, 0, "identity: so it said",
         "grid-mapfile"},
        {FAILED("untrusted", "site"), STAGE_PROLOG, false, 0, "certificate is not accepted", "CA"},
        {FAILED("no-space", "site"), STAGE_EPILOG, false, 0, "results did not come home",
         "make space"},
        {FAILED("no-status", "site"), STAGE_RUN, false, 0, "the job failed there", "STAGE_URL"},
        {PENDING("credential"), STAGE_WAITING, true, 0,
         "given up after 3 s: it had not started: it waits for a valid credential",
         "grid-proxy-init"},
        {"{\"phase\":\"WRAPPER\",\"reason\":null}", STAGE_RUN, true, 0,
         "the job had not ended there", NULL},
        {"{}", STAGE_WAITING, false, 0, "it did not start", NULL},
    };
    for (size_t i = 0; i < GW_COUNT(cases); i++) {
        struct host_test_step s = {.name = "copy"};
        struct host_test_end e = {.id = 12,
                                  .stage = cases[i].stage,
                                  .job = json_loads(cases[i].job, 0, NULL),
                                  .is_late = cases[i].is_late,
                                  .seconds = 3};
        assert_non_null(e.job);
        bool is_good = host_test_judge(&s, &e, cases[i].exit_code);
        assert_int_equal(is_good, cases[i].words == NULL);
        assert_int_equal(s.verdict, is_good ? STEP_OK : STEP_FAILED);
        assert_int_equal(s.job, 12);
        if (cases[i].words && !strstr(s.words, cases[i].words))
            fail_msg("\"%s\" is not in \"%s\"", cases[i].words, s.words);
        if (!cases[i].advice != !s.advice || (s.advice && !strstr(s.advice, cases[i].advice)))
            fail_msg("case %zu: the advice is \"%s\"", i, s.advice ? s.advice : "none");
        host_test_step_clear(&s);
        host_test_end_clear(&e);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_virtual_machines_lack_is_named),
        cmocka_unit_test(a_failure_says_which_service_and_what_to_do),
    };
    return cmocka_run_group_tests_name("cli_host_test", tests, NULL, NULL);
}
