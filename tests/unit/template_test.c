#include "lib/err.h"
#include "lib/file.h"
#include "lib/mem.h"
#include "spec/subst.h"
#include "spec/template.h"

#include <dirent.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

/* Parse; what was said, as "line:column severity: text; hint|", goes to *ret_said. NULL when
 * refused. */
static struct template *parse(const char *source, char **ret_said)
{
    struct diags d;
    struct template *t = NULL;
    struct buf said = BUF_INIT;
    diags_init(&d, "a.jt", source);
    int r = template_parse(source, strlen(source), "dir/a.jt", &t, &d);
    assert_int_equal(r, d.errors ? -GW_EINVAL : 0);
    assert_int_equal(t == NULL, r < 0);
    for (size_t i = 0; i < d.n; i++) {
        const struct diag *g = &d.items[i];
        buf_printf(&said, "%u:%u+%u %s%s%s%s|", g->place.line, g->place.column, g->place.length,
                   g->severity == DIAG_WARNING ? "warning: " : "", g->text, g->hint ? "; " : "",
                   g->hint ? g->hint : "");
    }
    diags_clear(&d);
    *ret_said = buf_take(&said);
    return t;
}

/* The template, or the test fails; nothing may have been said. */
static struct template *parsed(const char *source)
{
    char *said;
    struct template *t = parse(source, &said);
    if (!t || *said)
        fail_msg("%s\n%s", source, said);
    free(said);
    return t;
}

static void assert_said(const char *source, const char *said)
{
    char *text;
    template_destroy(parse(source, &text));
    if (strcmp(text, said) != 0)
        fail_msg("%s\nsaid: %s\nnot:  %s", source, text, said);
    free(text);
}

static void what_is_not_written_has_the_defaults(void **state)
{
    (void)state;
    struct template *t = parsed("EXECUTABLE = /bin/true");
    assert_string_equal(t->name, "a.jt");
    assert_string_equal(t->executable, "/bin/true");
    assert_string_equal(t->arguments, "");
    assert_string_equal(t->stdin_file, "/dev/null");
    assert_string_equal(t->stdout_file, "stdout.${JOB_ID}");
    assert_string_equal(t->stderr_file, "stderr.${JOB_ID}");
    assert_string_equal(t->requirements, "");
    assert_string_equal(t->rank, "");
    assert_int_equal(t->n_env + t->n_inputs + t->n_outputs + t->n_vm_disks, 0);
    assert_true(t->reschedule_on_failure);
    assert_int_equal(t->retries, 3);
    assert_int_equal(t->type, JOB_SINGLE);
    assert_int_equal(t->np, 1);
    assert_int_equal(t->priority, 0);
    assert_int_equal(t->walltime_s + t->deadline_s + t->lease_s, 0);
    assert_int_equal(t->on_lost, ON_LOST_WAIT);
    assert_null(t->wrapper);
    assert_null(t->vm_image);
    assert_null(t->vm_checksum);
    assert_int_equal(t->vm_cpus, 1);
    assert_int_equal(t->vm_memory_mib, 512);
    assert_int_equal(t->vm_result_bytes, UINT64_C(8) << 30);
    assert_int_equal(t->vm_boot_timeout_s, 300);
    template_destroy(t);
}

#define HEX64 "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef"

static void every_variable_comes_into_the_record(void **state)
{
    (void)state;
    struct template *t =
        parsed("EXECUTABLE = bin/sim.${ARCH}\n"
               "ARGUMENTS = -x 'a b' \"${TASK_ID}\"\n"
               "ENVIRONMENT = A=1, B=\"x, y\", C='it''s', D=\n"
               "ENVIRONMENT += E=\"q\\\"\\\\\"\n"
               "NAME = my job\n"
               "INPUT_FILES = a.txt, 'dir/b c' 'd e', gsiftp://h/x/y.dat, http://h/z w\n"
               "OUTPUT_FILES = r.tgz, sub/s.dat /tmp/s.${JOB_ID}\n"
               "STDIN_FILE = in\nSTDOUT_FILE = o\nSTDERR_FILE = gsiftp://h/e\n"
               "REQUIREMENTS = ARCH = \"x86_64\"\nRANK = CPU_MHZ\n"
               "TYPE = MPI\nNP = 8\nWALLTIME = 1:00:00\nPRIORITY = 20\nNUMBER_OF_RETRIES = 0\n"
               "RESCHEDULE_ON_FAILURE = no\nON_LOST = retry-now\nLEASE = 90\nWRAPPER = w.sh\n"
               "VM_IMAGE = 'my image.qcow2' SHA256:" HEX64 "\n"
               "VM_CPUS = 4\nVM_MEMORY = 1500000K\nVM_DISK = 10, 2G\n"
               "VM_RESULT_SIZE = 100\nVM_BOOT_TIMEOUT = 90\n");
    assert_string_equal(t->name, "my job");
    assert_string_equal(t->arguments, "-x 'a b' \"${TASK_ID}\"");
    assert_int_equal(t->n_env, 5);
    static const char *const values[] = {"1", "x, y", "it's", "", "q\"\\"};
    for (size_t i = 0; i < 5; i++)
        assert_string_equal(t->env[i].value, values[i]);
    assert_string_equal(t->env[4].name, "E");
    assert_int_equal(t->n_inputs, 4);
    assert_null(t->inputs[0].to);
    assert_string_equal(t->inputs[1].from, "dir/b c");
    assert_string_equal(t->inputs[1].to, "d e");
    assert_string_equal(t->inputs[3].to, "w");
    assert_int_equal(t->n_outputs, 2);
    assert_string_equal(t->outputs[1].to, "/tmp/s.${JOB_ID}");
    assert_string_equal(t->stderr_file, "gsiftp://h/e");
    assert_string_equal(t->requirements, "ARCH = \"x86_64\"");
    assert_int_equal(t->type, JOB_MPI);
    assert_int_equal(t->np, 8);
    assert_int_equal(t->walltime_s, 3600);
    assert_int_equal(t->priority, 20);
    assert_int_equal(t->retries, 0);
    assert_false(t->reschedule_on_failure);
    assert_int_equal(t->on_lost, ON_LOST_RETRY_NOW);
    assert_int_equal(t->lease_s, 90);
    assert_string_equal(t->wrapper, "w.sh");
    assert_string_equal(t->vm_image, "my image.qcow2");
    assert_string_equal(t->vm_checksum, "sha256:" HEX64);
    assert_int_equal(t->vm_cpus, 4);
    assert_int_equal(t->vm_memory_mib, 1465);
    assert_int_equal(t->n_vm_disks, 2);
    assert_int_equal(t->vm_disks[0], 10 << 20);
    assert_int_equal(t->vm_disks[1], UINT64_C(2) << 30);
    assert_int_equal(t->vm_result_bytes, 100 << 20);
    assert_int_equal(t->vm_boot_timeout_s, 90);
    template_destroy(t);
}

#define BARE "EXECUTABLE = /bin/a\nSTAGING = no\n"
#define NEITHER(name)                                                                              \
    name " needs the job directory or the wrapper, and with STAGING = no there is neither|"
#define EXE "EXECUTABLE = /bin/x\n"

static void each_mistake_is_told_at_its_place(void **state)
{
    (void)state;
    static const struct {
        const char *source, *said;
    } cases[] = {
        {"EXECUTABL = x",
         "1:1+9 EXECUTABL is not a variable of a job template; did you mean EXECUTABLE?|"},
        {"", "1:1+0 EXECUTABLE is missing: there is nothing to run; write EXECUTABLE = program|"},
        {"EXECUTABLE =", "1:13+0 EXECUTABLE is empty|"},
        {"EXECUTABLE = bin/", "1:14+4 EXECUTABLE: this names a directory, a file is expected|"},
        {EXE "ARGUMENT = 5",
         "2:1+8 ARGUMENT is not a variable of a job template; did you mean ARGUMENTS?|"},
        {EXE "arguments = 5",
         "2:1+9 arguments is not a variable of a job template; did you mean ARGUMENTS?|"},
        {EXE "XYZZY = 5", "2:1+5 XYZZY is not a variable of a job template|"},
        {EXE "NP = 2\nNP = 3", "3:1+2 NP stands here a second time; the first is in line 2|"},
        {EXE "INPUT_FILES = a\nINPUT_FILES = b", "3:1+11 INPUT_FILES stands here a second time; "
                                                 "the first is in line 2; += continues a list|"},
        {EXE "NP += 2", "2:1+2 += continues a list, and NP is none|"},
        {EXE "NP[1] = 2", "2:1+2 NP takes no [1]|"},
        {EXE "NP = 0", "2:6+1 NP: \"0\" is not an integer from 1 to 1000000|"},
        {EXE "PRIORITY = 21", "2:12+2 PRIORITY: \"21\" is not an integer from 0 to 20|"},
        {EXE "TYPE = singel",
         "2:8+6 TYPE: \"singel\" is not single, multiple or mpi; did you mean single?|"},
        {EXE "RESCHEDULE_ON_FAILURE = maybe",
         "2:25+5 RESCHEDULE_ON_FAILURE: \"maybe\" is neither yes nor no|"},
        {EXE "STAGING = maybe", "2:11+5 STAGING: \"maybe\" is neither yes nor no|"},
        {BARE "INPUT_FILES = a", "3:1+11 " NEITHER("INPUT_FILES")},
        {BARE "OUTPUT_FILES = a", "3:1+12 " NEITHER("OUTPUT_FILES")},
        {BARE "WRAPPER = a", "3:1+7 " NEITHER("WRAPPER")},
        {BARE "VM_IMAGE = a", "3:1+8 " NEITHER("VM_IMAGE")},
        {BARE "WALLTIME = 5", "3:1+8 " NEITHER("WALLTIME")},
        {BARE "LEASE = 5", "3:1+5 " NEITHER("LEASE")},
        {BARE "ON_LOST = retry-after-lease",
         "3:11+17 a lease is kept by the wrapper, and with STAGING = no there is none; ON_LOST = "
         "wait or retry-now|"},
        {BARE "STDOUT_FILE = out.${JOB_ID}",
         "3:15+13 STDOUT_FILE: \"out.${JOB_ID}\" is no absolute path; with STAGING = no it is a "
         "file of the host|"},
        {"EXECUTABLE = a\nSTAGING = no",
         "1:14+1 EXECUTABLE: \"a\" is no absolute path; with STAGING = no it is a file of the "
         "host|"},
        {BARE "STDERR_FILE = /tmp/e\nON_LOST = retry-now\nWALLTIME = 0", ""},
        {EXE "WALLTIME = 5x", "2:12+2 WALLTIME: \"5x\" is not a duration; write seconds, an "
                              "integer and s, m, h or d, or H:M:S|"},
        {EXE "ARGUMENTS = a 'b", "2:15+1 ARGUMENTS: this quote is not closed; a # after a blank "
                                 "begins a comment, unless the whole value is in double quotes|"},
        {EXE "REQUIREMENTS = \"A = 1 &\n  B > \\\"x\\\"\"",
         "3:7+5 REQUIREMENTS: a text can only be compared with = and !=|"},
        {EXE "RANK = A +", "2:11+0 RANK: the expression ends where a value is expected|"},
        {EXE "REQUIREMENTS = A = 1 | B = 1 & C = 1",
         "2:16+21 warning: REQUIREMENTS: here & binds more closely than |; GridWay takes both from "
         "left to right; "
         "write parentheses to say which is meant|"},
        {EXE "NAME = \"a\\nb\"", "2:10+2 NAME: a control character cannot be part of it|"},
        {EXE "STDOUT_FILE = x\nSTDERR_FILE = x",
         "3:15+1 STDOUT_FILE and STDERR_FILE are the same file|"},
        {EXE "STDOUT_FILE = \"a\\tb\"",
         "2:17+2 STDOUT_FILE: a control character cannot be part of a file name|"},
        {"EXECUTABLE = run me", "1:14+6 warning: EXECUTABLE: \"run me\" is one file name with "
                                "blanks; arguments are given in ARGUMENTS|"},
        {EXE "MONITOR = m.sh\nRESCHEDULING_INTERVAL = 0\nCHECKPOINT_URL =",
         "2:1+7 warning: MONITOR is not acted upon yet by this version: the job runs as if it were "
         "not there|"},
        {EXE "DEADLINE = 1:0:0", "2:1+8 warning: DEADLINE is not acted upon yet by this version: "
                                 "the job runs as if it were not there|"},
        {EXE "A", "2:2+0 expected = after A|"},
    };
    for (size_t i = 0; i < GW_COUNT(cases); i++)
        assert_said(cases[i].source, cases[i].said);
}

static void four_mistakes_are_told_in_one_run(void **state)
{
    (void)state;
    assert_said("NP = many\n"
                "REQUIREMENTS = (A = 1\n"
                "INPUT_FILES = ../x y, z ../w\n"
                "ARGUMENT = 1\n"
                "EXECUTABLE = x\n",
                "1:6+4 NP: \"many\" is not an integer from 1 to 1000000|"
                "2:16+1 REQUIREMENTS: this parenthesis is not closed|"
                "3:25+4 INPUT_FILES: the name \"../w\" leads out of the job directory|"
                "4:1+8 ARGUMENT is not a variable of a job template; did you mean ARGUMENTS?|");
}

static void lists_are_checked_entry_by_entry(void **state)
{
    (void)state;
    static const struct {
        const char *source, *said;
    } cases[] = {
        {EXE "INPUT_FILES = a,,b", "2:17+1 INPUT_FILES: there is nothing before this comma|"},
        {EXE "INPUT_FILES = ,a", "2:15+1 INPUT_FILES: there is nothing before this comma|"},
        {EXE "INPUT_FILES = a,", "2:17+0 INPUT_FILES: there is nothing after the last comma|"},
        {EXE "INPUT_FILES = a b c, d",
         "2:19+1 INPUT_FILES: a comma is expected here; write a comma between two files; put a "
         "name with blanks in single quotes|"},
        {EXE "INPUT_FILES = 'a", "2:15+1 INPUT_FILES: this quote is not closed|"},
        {EXE "INPUT_FILES = a, ''", "2:18+2 INPUT_FILES: a file name is expected|"},
        {EXE "INPUT_FILES = ../../a, ./../b, c..d/..e, a/../b x",
         "2:42+6 INPUT_FILES: \"a/../b\" has \"..\" elsewhere than at its beginning|"},
        {EXE "OUTPUT_FILES = a ../a, b /b/../b, c ../..",
         "2:26+7 OUTPUT_FILES: \"/b/../b\" has \"..\" elsewhere than at its beginning|"
         "2:37+5 OUTPUT_FILES: \"../..\" has \"..\" elsewhere than at its beginning|"},
        {EXE "ENVIRONMENT = 1A=2, B",
         "2:15+4 ENVIRONMENT: NAME=value is expected; a name is letters, digits and _|"
         "2:21+1 ENVIRONMENT: NAME=value is expected; a name is letters, digits and _|"},
        {EXE "ENVIRONMENT = A=1 2",
         "2:19+1 ENVIRONMENT: a comma is expected here; put a value with blanks in quotes|"},
        {EXE "ENVIRONMENT = A=1, GW_B=1",
         "2:20+4 ENVIRONMENT: names that begin with GW_ are gwd's own; these are set by gwd: "
         "GW_JOB_ID, GW_TASK_ID and others|"},
        {EXE "ENVIRONMENT = A=1\nENVIRONMENT += B=2,\n",
         "3:20+0 ENVIRONMENT: there is nothing after the last comma|"},
        {EXE "ENVIRONMENT = A=1, AB=1, A=2",
         "2:26+1 ENVIRONMENT: this name stands here a second time|"},
        {EXE "VM_IMAGE = i\nVM_DISK = 1G, x, 1 2, 0",
         "3:15+1 VM_DISK: \"x\" is not a size; write an integer and K, M, G or T|"
         "3:18+3 VM_DISK: one size is expected; write a comma between sizes|"
         "3:23+1 VM_DISK: a disk has at least 1M, and at most 1024P|"},
        {EXE "VM_IMAGE = i\nVM_DISK = 1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1",
         "3:43+1 VM_DISK: there are more than 16 disks|"},
    };
    for (size_t i = 0; i < GW_COUNT(cases); i++)
        assert_said(cases[i].source, cases[i].said);
}

static void names_in_the_job_directory_stay_in_it_and_are_not_ours(void **state)
{
    (void)state;
    static const char *const bad[] = {
        "/abs",
        "../x",
        "a/../../b",
        "..",
        ".",
        "./x",
        "a//b",
        "a/",
        ".gw",
        ".gw_x",
        ".gwx/y",
        ".wrapper",
        "job.ctl",
        "job.env",
        "job.rsl",
        "vm.conf",
        "gwvm",
        "image",
        "out",
        "out/x",
        "stdin.execution",
        "stdout.execution",
        "stderr.execution",
        "console.log",
        "status",
        "status.1",
        "control.7",
        "claim.x",
        "claim.x/pid",
        "http://h/x",
        "${UP}/x",
        "${CTL}",
        "x${BAD}",
    };
    static const char *const good[] = {
        "x",       "a/b",     "..x",        "x..",   "...", "outx",     "my.status", "images",
        ".hidden", "x-${ID}", "${UNKNOWN}", "it''s", "-x",  "a/status", "a/out",     "\xc3\xa9"};
    static const char *const forms[] = {
        EXE "ENVIRONMENT = UP=.., CTL=job.ctl, BAD=\"\t\", ID=1\nINPUT_FILES = 'src' '%s'",
        EXE "ENVIRONMENT = UP=.., CTL=job.ctl, BAD=\"\t\", ID=1\nOUTPUT_FILES = '%s' dst"};
    for (size_t f = 0; f < GW_COUNT(forms); f++) {
        for (size_t i = 0; i < GW_COUNT(bad) + GW_COUNT(good); i++) {
            struct buf source = BUF_INIT;
            bool is_good = i >= GW_COUNT(bad);
            const char *name = is_good ? good[i - GW_COUNT(bad)] : bad[i];
            const char *at = strstr(forms[f], "%s");
            buf_put(&source, forms[f], (size_t)(at - forms[f]));
            buf_printf(&source, "%s%s", name, at + 2);
            char *said;
            struct template *t = parse(source.data, &said);
            if ((t != NULL) != is_good || (!is_good && !strstr(said, "FILES: the name ")))
                fail_msg("%s: %s", source.data, said);
            template_destroy(t);
            free(said);
            buf_clear(&source);
        }
    }
}

static void the_last_part_of_a_source_is_a_name_in_the_job_directory_too(void **state)
{
    (void)state;
    assert_said(
        EXE "INPUT_FILES = data/gwvm, http://h/job.env, data/.. , d/",
        "2:15+9 INPUT_FILES: the name \"gwvm\" is a name that gwd itself uses in the job directory|"
        "2:26+16 INPUT_FILES: the name \"job.env\" is a name that gwd itself uses in the job "
        "directory|"
        "2:44+7 INPUT_FILES: \"data/..\" has \"..\" elsewhere than at its beginning|"
        "2:54+2 INPUT_FILES: \"d/\" is a directory, a file is expected|");
    assert_said("ENVIRONMENT = S=data/status\nEXECUTABLE = ${S}",
                "2:14+4 EXECUTABLE: the name \"${S}\", which is \"status\" here, is a name that "
                "gwd itself uses in the job directory|");
    assert_said("ENVIRONMENT = D=a/b\nEXECUTABLE = x/b\nINPUT_FILES = ${D}",
                "3:15+4 INPUT_FILES: there is a second file for b; the first is in line 2|");
    assert_said("EXECUTABLE = bin/status", "1:14+10 EXECUTABLE: the name \"status\" is a name that "
                                           "gwd itself uses in the job directory|");
    assert_said(
        EXE "INPUT_FILES = /data/status",
        "2:15+12 warning: INPUT_FILES: \"/data/status\" is absolute: it is taken to be on the "
        "host already and not copied; file:// before it, or a relative name, copies a file of this "
        "machine|");
}

static void two_files_of_one_name_are_refused(void **state)
{
    (void)state;
    static const struct {
        const char *source, *said;
    } cases[] = {
        {EXE "INPUT_FILES = \"a/x, b,\n  c/x\"",
         "3:3+3 INPUT_FILES: there is a second file for x; the first is in line 2|"},
        {EXE "INPUT_FILES = a/x, b x, c x",
         "2:22+1 INPUT_FILES: there is a second file for x; the first is in line 2|"
         "2:27+1 INPUT_FILES: there is a second file for x; the first is in line 2|"},
        {"INPUT_FILES = run.sh\nEXECUTABLE = bin/run.sh\n",
         "2:14+10 EXECUTABLE: there is a second file for run.sh; the first is in line 1|"},
        {EXE "ENVIRONMENT = A=x\nINPUT_FILES = q ${A}, x",
         "3:23+1 INPUT_FILES: there is a second file for x; the first is in line 3|"},
        {EXE "OUTPUT_FILES = a, b a",
         "2:21+1 OUTPUT_FILES: there is a second file for a; the first is in line 2|"},
        {EXE "OUTPUT_FILES = a, a b", ""},
        {EXE "INPUT_FILES = a, a b, b c", ""},
    };
    for (size_t i = 0; i < GW_COUNT(cases); i++)
        if (cases[i].said)
            assert_said(cases[i].source, cases[i].said);
}

static void the_variables_of_a_VM_need_an_image(void **state)
{
    (void)state;
    assert_said(EXE "VM_CPUS = 2\nVM_MEMORY =\nVM_DISK = 1G",
                "2:1+7 VM_CPUS has no meaning without VM_IMAGE; name the disk image: VM_IMAGE = "
                "path or URL|"
                "4:1+7 VM_DISK has no meaning without VM_IMAGE; name the disk image: VM_IMAGE = "
                "path or URL|");
    assert_said(EXE "VM_IMAGE = i sha256:12",
                "2:14+9 VM_IMAGE: sha256: and 64 hexadecimal digits are expected|");
    assert_said(EXE "VM_IMAGE = i sha512:" HEX64,
                "2:14+71 VM_IMAGE: sha256: and 64 hexadecimal digits are expected|");
    assert_said(EXE "VM_IMAGE = i\nVM_MEMORY = much",
                "3:13+4 VM_MEMORY: \"much\" is not a size; write an integer and K, M, G or T|");
    assert_said(EXE "VM_IMAGE = i md5:12 x",
                "2:14+6 VM_IMAGE: sha256: and 64 hexadecimal digits are expected|"
                "2:21+1 VM_IMAGE: one file name and a checksum are expected; put a name with "
                "blanks in single quotes|");
    assert_said(EXE "VM_IMAGE = i sha256:" HEX64 "\nVM_CHECKSUM = sha256:" HEX64,
                "3:15+71 VM_CHECKSUM: the checksum of the image is given twice|");
    assert_said(EXE "VM_IMAGE = dir/", "2:12+4 VM_IMAGE: this is not the name of a file|");
    assert_said(EXE "VM_IMAGE = i\nVM_MEMORY = 1M",
                "3:13+2 VM_MEMORY: 1M is not from 16M to 67108864M|");
    struct template *t = parsed(EXE "VM_CHECKSUM = sha256:" HEX64 "\nVM_IMAGE = http://h/a,b");
    assert_string_equal(t->vm_image, "http://h/a,b");
    assert_string_equal(t->vm_checksum, "sha256:" HEX64);
    template_destroy(t);
}

static void a_lease_is_there_when_it_is_needed(void **state)
{
    (void)state;
    static const struct {
        const char *source;
        unsigned lease_s;
    } cases[] = {{EXE "ON_LOST = retry-after-lease", 600},
                 {EXE "ON_LOST = Retry-After-Lease\nLEASE = 1h", 3600},
                 {EXE "ON_LOST = retry-after-lease\nLEASE =", 600},
                 {EXE "LEASE = 30", 30}};
    for (size_t i = 0; i < GW_COUNT(cases); i++) {
        struct template *t = parsed(cases[i].source);
        assert_int_equal(t->lease_s, cases[i].lease_s);
        template_destroy(t);
    }
    assert_said(EXE "ON_LOST = retry-after-lease\nLEASE = 0",
                "3:9+1 ON_LOST = retry-after-lease needs a lease; LEASE = 10m is the default|");
    assert_said(EXE "ON_LOST = retry",
                "2:11+5 ON_LOST: \"retry\" is not wait, retry-after-lease or retry-now|");
}

static void a_deadline_is_written_as_GridWay_does(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        unsigned seconds;
    } cases[] = {{"90", 5400}, {"2:30", 9000}, {"1:2:30", 95400}, {"2h", 7200}, {"3d", 259200}};
    for (size_t i = 0; i < GW_COUNT(cases); i++) {
        char *source = xasprintf(EXE "DEADLINE = %s", cases[i].text), *said;
        struct template *t = parse(source, &said);
        assert_non_null(t);
        assert_int_equal(t->deadline_s, cases[i].seconds);
        template_destroy(t);
        free(said);
        free(source);
    }
    char *said;
    assert_null(parse(EXE "DEADLINE = 1:2:3:4", &said));
    free(said);
}

static void a_command_becomes_a_template_of_exactly_that_command(void **state)
{
    (void)state;
    static const char *const commands[][6] = {
        {"/bin/true"},
        {"/bin/sh", "-c", "exit 7"},
        {"./run", "", " ", "a b", "it's"},
        {"a\\$b $${ID}", "$ID", "${ID}", "\\$ID", "\\"},
        {"/x", "\"", "\\\"", "'", "''"},
        {"/x", "#", " # c", "line\nline", "tab\tcr\r\nend"},
        {"/x y/z", "\\n", "A=1,B", "\xc3\xa9"},
        {"sub/dir/x", "--", "-"},
    };
    for (size_t i = 0; i < GW_COUNT(commands); i++) {
        size_t argc = 0, n;
        char **words, *said;
        while (argc < 6 && commands[i][argc])
            argc++;
        char *source = template_from_command((char *const *)commands[i], argc);
        struct template *t = parse(source, &said);
        if (!t)
            fail_msg("%s: %s", source, said);
        char *executable = subst_expand(t->executable, NULL, NULL);
        assert_string_equal(executable, commands[i][0]);
        assert_int_equal(subst_words(t->arguments, NULL, NULL, &words, &n, NULL), 0);
        assert_int_equal(n, argc - 1);
        for (size_t k = 0; k < n; k++)
            assert_string_equal(words[k], commands[i][k + 1]);
        subst_words_free(words);
        free(executable);
        template_destroy(t);
        free(source);
        free(said);
    }
}

static void no_value_is_cut(void **state)
{
    (void)state;
    struct buf source = BUF_INIT;
    buf_puts(&source, EXE "ARGUMENTS = ");
    size_t before = source.len;
    for (int i = 0; i < 200000; i++)
        buf_printf(&source, "word%d ", i);
    size_t length = source.len - before - 1;
    buf_puts(&source, "\nINPUT_FILES = f");
    for (int i = 0; i < 5000; i++)
        buf_printf(&source, ", file%d", i);
    struct template *t = parsed(source.data);
    assert_int_equal(strlen(t->arguments), length);
    assert_int_equal(t->n_inputs, 5001);
    template_destroy(t);
    buf_clear(&source);
}

static void what_substitutions_come_to_is_bounded(void **state)
{
    (void)state;
    struct buf source = BUF_INIT;
    buf_puts(&source, EXE "ENVIRONMENT = A=");
    for (int i = 0; i < 1 << 20; i++)
        buf_putc(&source, 'x');
    for (int i = 0; i < 100; i++)
        buf_printf(&source, ", B%d=${A}", i);
    assert_said(source.data,
                "0:0+0 the values come to more than 16 MiB with what is put in for ${NAME}|");
    buf_clear(&source);
}

static void the_name_of_the_file_is_a_harmless_name_of_the_job(void **state)
{
    (void)state;
    static const struct {
        const char *file, *name;
    } cases[] = {{"a.jt", "a.jt"}, {"/x/y/b", "b"}, {"stdin", "stdin"}, {"a\033\n\xff", "a???"}};
    for (size_t i = 0; i < GW_COUNT(cases); i++) {
        struct diags d;
        struct template *t = NULL;
        diags_init(&d, "f", EXE);
        assert_int_equal(template_parse(EXE, strlen(EXE), cases[i].file, &t, &d), 0);
        assert_string_equal(t->name, cases[i].name);
        template_destroy(t);
        diags_clear(&d);
    }
}

static char *read_text(const char *path)
{
    struct buf b = BUF_INIT;
    struct gw_err err;
    if (file_read(path, 1 << 20, &b, &err) < 0)
        fail_msg("%s", err.text);
    return buf_take(&b);
}

static void the_manual_has_every_variable_as_the_table_has_it(void **state)
{
    (void)state;
    char *page = read_text("docs/template.md");
    size_t n, rows = 0;
    const struct template_variable *v = template_variables(&n);
    for (size_t i = 0; i < n; i++) {
        bool has_default = *v[i].otherwise != '\0';
        char *row = v[i].is_acted_upon
                        ? xasprintf("\n| `%s` | %s | %s%s%s | %s |\n", v[i].name, v[i].kind,
                                    has_default ? "`" : "", v[i].otherwise, has_default ? "`" : "",
                                    v[i].meaning)
                        : xasprintf("\n| `%s` | %s |\n", v[i].name, v[i].meaning);
        if (!strstr(page, row))
            fail_msg("docs/template.md lacks: %s", row);
        free(row);
    }
    char *end = strstr(page, "\n## Lists");
    assert_non_null(end);
    *end = '\0';
    for (const char *p = page; (p = strstr(p, "\n| `")); p++)
        rows++;
    assert_int_equal(rows, n);
    free(page);
}

/* "uses there: `a`, `b`." and the table name the same. */
static void the_manual_has_every_reserved_name(void **state)
{
    (void)state;
    char *page = read_text("docs/template.md"), *from = strstr(page, "uses there: ");
    assert_non_null(from);
    char *end = strstr(from, ". Two files");
    assert_non_null(end);
    *end = '\0';
    size_t ticks = 0, n = 0;
    for (const char *p = from; *p; p++)
        ticks += *p == '`';
    for (const char *const *name = template_reserved_names(); *name; name++, n++) {
        char *quoted = xasprintf("`%s`", *name);
        if (!strstr(from, quoted))
            fail_msg("docs/template.md lacks the reserved name %s", quoted);
        free(quoted);
    }
    assert_int_equal(ticks, 2 * n);
    free(page);
}

static void the_examples_are_good_templates(void **state)
{
    (void)state;
    DIR *dir = opendir("examples");
    struct dirent *e;
    size_t n = 0;
    assert_non_null(dir);
    while ((e = readdir(dir))) {
        const char *dot = strrchr(e->d_name, '.');
        if (!dot || strcmp(dot, ".jt") != 0)
            continue;
        char *path = xasprintf("examples/%s", e->d_name), *source = read_text(path), *said;
        struct template *t = parse(source, &said);
        if (!t || (*said && !strstr(said, "DEADLINE is not acted upon")))
            fail_msg("%s: %s", path, said);
        template_destroy(t);
        free(said);
        free(source);
        free(path);
        n++;
    }
    closedir(dir);
    assert_true(n >= 5);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_is_not_written_has_the_defaults),
        cmocka_unit_test(every_variable_comes_into_the_record),
        cmocka_unit_test(each_mistake_is_told_at_its_place),
        cmocka_unit_test(four_mistakes_are_told_in_one_run),
        cmocka_unit_test(lists_are_checked_entry_by_entry),
        cmocka_unit_test(names_in_the_job_directory_stay_in_it_and_are_not_ours),
        cmocka_unit_test(the_last_part_of_a_source_is_a_name_in_the_job_directory_too),
        cmocka_unit_test(two_files_of_one_name_are_refused),
        cmocka_unit_test(the_variables_of_a_VM_need_an_image),
        cmocka_unit_test(a_lease_is_there_when_it_is_needed),
        cmocka_unit_test(a_deadline_is_written_as_GridWay_does),
        cmocka_unit_test(a_command_becomes_a_template_of_exactly_that_command),
        cmocka_unit_test(no_value_is_cut),
        cmocka_unit_test(what_substitutions_come_to_is_bounded),
        cmocka_unit_test(the_name_of_the_file_is_a_harmless_name_of_the_job),
        cmocka_unit_test(the_manual_has_every_variable_as_the_table_has_it),
        cmocka_unit_test(the_manual_has_every_reserved_name),
        cmocka_unit_test(the_examples_are_good_templates),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
