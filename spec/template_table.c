/* Every variable of a job template: the one place that says what there is. docs/template.md is
 * checked against it. */
#include "lib/mem.h"
#include "spec/template_private.h"

#include <assert.h>
#include <stddef.h>
#include <string.h>

#define AT(member) offsetof(struct template, member)

static const char *const job_types[] = {"single", "multiple", "mpi", NULL};
static const char *const on_lost[] = {"wait", "retry-after-lease", "retry-now", NULL};

static const struct template_row rows[] = {
    {.name = "EXECUTABLE",
     .kind = KIND_FILE,
     .otherwise = "",
     .at = AT(executable),
     .meaning = "the program; required. A relative name is copied to the job from the job's home, "
                "a URL from there; an absolute path is on the host already"},
    {.name = "ARGUMENTS",
     .kind = KIND_ARGUMENTS,
     .otherwise = "",
     .at = AT(arguments),
     .meaning = "its arguments, separated by blanks; '...' and \"...\" keep blanks"},
    {.name = "ENVIRONMENT",
     .kind = KIND_ENVIRONMENT,
     .otherwise = "",
     .at = AT(env),
     .meaning = "list of NAME=value; the names can be used as ${NAME} in other variables"},
    {.name = "NAME",
     .kind = KIND_TEXT,
     .otherwise = "",
     .at = AT(name),
     .meaning = "name of the job; without it the name of the template's file"},
    {.name = "INPUT_FILES",
     .kind = KIND_INPUTS,
     .otherwise = "",
     .at = AT(inputs),
     .meaning = "list of `source [name]`: copied into the job directory before the job runs"},
    {.name = "OUTPUT_FILES",
     .kind = KIND_OUTPUTS,
     .otherwise = "",
     .at = AT(outputs),
     .meaning =
         "list of `name [destination]`: copied out of the job directory after the job has ended"},
    {.name = "STDIN_FILE",
     .kind = KIND_FILE,
     .otherwise = "/dev/null",
     .at = AT(stdin_file),
     .meaning = "standard input of the program"},
    {.name = "STDOUT_FILE",
     .kind = KIND_FILE,
     .otherwise = "stdout.${JOB_ID}",
     .at = AT(stdout_file),
     .meaning = "where its standard output goes"},
    {.name = "STDERR_FILE",
     .kind = KIND_FILE,
     .otherwise = "stderr.${JOB_ID}",
     .at = AT(stderr_file),
     .meaning = "where its standard error goes"},
    {.name = "REQUIREMENTS",
     .kind = KIND_REQUIREMENTS,
     .otherwise = "",
     .at = AT(requirements),
     .meaning = "condition that a host and queue must meet; without it all do"},
    {.name = "RANK",
     .kind = KIND_RANK,
     .otherwise = "",
     .at = AT(rank),
     .meaning = "of the hosts that meet it those where this is largest come first"},
    {.name = "TYPE",
     .kind = KIND_CHOICE,
     .otherwise = "single",
     .at = AT(type),
     .choices = job_types,
     .meaning = "how the site's batch system starts the program"},
    {.name = "NP",
     .kind = KIND_COUNT,
     .otherwise = "1",
     .at = AT(np),
     .min = 1,
     .max = 1000000,
     .meaning = "slots of the queue that the job takes"},
    {.name = "WALLTIME",
     .kind = KIND_DURATION,
     .otherwise = "",
     .at = AT(walltime_s),
     .max = UINT32_MAX,
     .meaning = "the program is ended when it has run for so long; without it there is no limit"},
    {.name = "PRIORITY",
     .kind = KIND_COUNT,
     .otherwise = "0",
     .at = AT(priority),
     .max = 20,
     .meaning = "0 to 20, larger comes first; 20 is for administrators"},
    {.name = "NUMBER_OF_RETRIES",
     .kind = KIND_COUNT,
     .otherwise = "3",
     .at = AT(retries),
     .max = 1000,
     .meaning = "how many more times a copy to the site or a submission that failed is tried"},
    {.name = "RESCHEDULE_ON_FAILURE",
     .kind = KIND_FLAG,
     .otherwise = "yes",
     .at = AT(reschedule_on_failure),
     .meaning =
         "after a failure that the site is to blame for, try the job again, elsewhere if possible"},
    {.name = "ON_LOST",
     .kind = KIND_CHOICE,
     .otherwise = "wait",
     .at = AT(on_lost),
     .choices = on_lost,
     .meaning = "what to do when a site cannot say what became of the job: wait for its answer; "
                "start it again when its lease has run out, so that it never runs twice at a time; "
                "start it again at once"},
    {.name = "LEASE",
     .kind = KIND_DURATION,
     .otherwise = "",
     .at = AT(lease_s),
     .max = UINT32_MAX,
     .meaning = "the job ends itself when it has not heard from gwd for so long; without it it "
                "never does, except with ON_LOST = retry-after-lease, where it is 10m"},
    {.name = "WRAPPER",
     .kind = KIND_FILE,
     .otherwise = "",
     .at = AT(wrapper),
     .meaning = "script that starts the program at the site, in place of gwd's own"},
    {.name = "STAGING",
     .kind = KIND_NOT,
     .otherwise = "yes",
     .at = AT(is_bare),
     .meaning =
         "no: the program is started as it is on the host, without job directory, copies and "
         "wrapper"},
    {.name = "VM_IMAGE",
     .kind = KIND_IMAGE,
     .otherwise = "",
     .at = AT(vm_image),
     .meaning = "run the job in a virtual machine with this disk image (qcow2 or raw; file name or "
                "URL). It is only read. `sha256:HEX` may follow"},
    {.name = "VM_CHECKSUM",
     .kind = KIND_CHECKSUM,
     .otherwise = "",
     .at = AT(vm_checksum),
     .meaning = "`sha256:HEX` of the image: it is checked, and sites copy the image only once"},
    {.name = "VM_CPUS",
     .kind = KIND_COUNT,
     .otherwise = "1",
     .at = AT(vm_cpus),
     .min = 1,
     .max = 4096,
     .meaning = "processors of the virtual machine"},
    {.name = "VM_MEMORY",
     .kind = KIND_MIB,
     .otherwise = "512M",
     .at = AT(vm_memory_mib),
     .min = 16 << 20,
     .max = UINT64_C(64) << 40,
     .meaning = "its memory; a bare number counts MiB"},
    {.name = "VM_DISK",
     .kind = KIND_SIZES,
     .otherwise = "",
     .at = AT(vm_disks),
     .min = 1 << 20,
     .max = UINT64_C(1) << 60,
     .meaning = "list of sizes: empty disks for scratch; a bare number counts MiB"},
    {.name = "VM_RESULT_SIZE",
     .kind = KIND_BYTES,
     .otherwise = "8G",
     .at = AT(vm_result_bytes),
     .min = 1 << 20,
     .max = UINT64_C(1) << 60,
     .meaning = "the output files of the virtual machine may have this size together; a bare "
                "number counts MiB"},
    {.name = "VM_BOOT_TIMEOUT",
     .kind = KIND_DURATION,
     .otherwise = "5m",
     .at = AT(vm_boot_timeout_s),
     .min = 1,
     .max = INT32_MAX,
     .meaning = "the job fails when nothing was heard from the guest for so long after its start"},
    {.name = "DEADLINE",
     .kind = KIND_DEADLINE,
     .otherwise = "",
     .at = AT(deadline_s),
     .max = UINT32_MAX,
     .is_not_acted_upon = true,
     .meaning = "the job should have ended so long after its submission: D:H:M, H:M or minutes"},
    {.name = "JOB_DEPENDENCIES",
     .kind = KIND_LATER,
     .otherwise = "",
     .meaning = "jobs that must have ended before this one starts"},
    {.name = "RESCHEDULING_INTERVAL",
     .kind = KIND_LATER,
     .otherwise = "",
     .meaning = "how often a better host is looked for"},
    {.name = "RESCHEDULING_THRESHOLD",
     .kind = KIND_LATER,
     .otherwise = "",
     .meaning = "move the job to a better host only while it has run for less than this"},
    {.name = "SUSPENSION_TIMEOUT",
     .kind = KIND_LATER,
     .otherwise = "",
     .meaning = "longest time in a site's queue before the job goes elsewhere"},
    {.name = "CPULOAD_THRESHOLD",
     .kind = KIND_LATER,
     .otherwise = "",
     .meaning = "share of the processor below which the monitor gives the host up"},
    {.name = "MONITOR",
     .kind = KIND_LATER,
     .otherwise = "",
     .meaning = "program that watches the job at the site"},
    {.name = "PRE_WRAPPER",
     .kind = KIND_LATER,
     .otherwise = "",
     .meaning = "program that runs on the site's front end first"},
    {.name = "PRE_WRAPPER_ARGUMENTS",
     .kind = KIND_LATER,
     .otherwise = "",
     .meaning = "its arguments"},
    {.name = "RESTART_FILES",
     .kind = KIND_LATER,
     .otherwise = "",
     .meaning = "files by which the program goes on after it was moved"},
    {.name = "CHECKPOINT_INTERVAL",
     .kind = KIND_LATER,
     .otherwise = "",
     .meaning = "how often these are copied away while it runs"},
    {.name = "CHECKPOINT_URL", .kind = KIND_LATER, .otherwise = "", .meaning = "where to"},
};
static_assert(GW_COUNT(rows) <= TEMPLATE_ROWS_MAX, "struct template_reader has too few rows");

const struct template_row *template_rows(size_t *ret_n)
{
    *ret_n = GW_COUNT(rows);
    return rows;
}

const struct template_row *template_row(const char *name)
{
    for (size_t i = 0; i < GW_COUNT(rows); i++)
        if (strcmp(rows[i].name, name) == 0)
            return &rows[i];
    return NULL;
}

static const char *kind_text(const struct template_row *row)
{
    switch (row->kind) {
    case KIND_TEXT:
        return "text";
    case KIND_FILE:
        return "file";
    case KIND_ARGUMENTS:
        return "words";
    case KIND_ENVIRONMENT:
    case KIND_INPUTS:
    case KIND_OUTPUTS:
        return "list";
    case KIND_REQUIREMENTS:
    case KIND_RANK:
        return "expression";
    case KIND_FLAG:
    case KIND_NOT:
        return "yes, no";
    case KIND_COUNT:
        return "integer";
    case KIND_DURATION:
        return "duration";
    case KIND_DEADLINE:
        return "time";
    case KIND_BYTES:
    case KIND_MIB:
        return "size";
    case KIND_CHOICE:
        return row->choices == job_types ? "single, multiple, mpi"
                                         : "wait, retry-after-lease, retry-now";
    case KIND_IMAGE:
        return "file";
    case KIND_CHECKSUM:
        return "checksum";
    case KIND_SIZES:
        return "list of sizes";
    case KIND_LATER:
        return "any";
    }
    return "";
}

const struct template_variable *template_variables(size_t *ret_n)
{
    static struct template_variable list[GW_COUNT(rows)];
    for (size_t i = 0; i < GW_COUNT(rows); i++)
        list[i] = (struct template_variable){
            rows[i].name, kind_text(&rows[i]), rows[i].otherwise, rows[i].meaning,
            rows[i].kind != KIND_LATER && !rows[i].is_not_acted_upon};
    *ret_n = GW_COUNT(rows);
    return list;
}
