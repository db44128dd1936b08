/* The job template: what a scientist writes, checked, as a value.
 *
 * One table of variables (names, kinds, defaults, meaning) serves the parser, `gwsubmit --check`,
 * the help text and docs/template.md. Pure: no file is opened, the text is passed in. Variables and
 * rules are GridWay 5.14's (docs/template.md), plus WALLTIME, ON_LOST and VM_*. */
#ifndef SPEC_TEMPLATE_H
#define SPEC_TEMPLATE_H

#include "lib/diag.h"
#include "lib/err.h"
#include "spec/expr.h"

#include <stdbool.h>
#include <stdint.h>

/* One file to stage: `from` and `to` before substitution; `to` may be NULL (base name of from). */
struct file_pair {
    char *from, *to;
};

struct env_entry {
    char *name, *value;
};

enum job_type { JOB_SINGLE, JOB_MULTIPLE, JOB_MPI };

/* What happens to an attempt whose site cannot say what became of it. */
enum on_lost { ON_LOST_WAIT, ON_LOST_RETRY_AFTER_LEASE, ON_LOST_RETRY_NOW };

struct template
{
    char *name;            /* never NULL */
    char *executable;      /* never NULL */
    char *arguments;       /* "" if none; subst_words takes it */
    struct env_entry *env; /* in template order; a name stands once */
    size_t n_env;
    struct file_pair *inputs, *outputs;
    size_t n_inputs, n_outputs;
    char *stdin_file, *stdout_file, *stderr_file; /* never NULL */
    char *requirements, *rank;                    /* texts, "" if none; they parse as expressions */
    bool reschedule_on_failure;
    unsigned retries; /* NUMBER_OF_RETRIES: more tries of one copy or submission */
    enum job_type type;
    unsigned np;
    uint64_t walltime_s; /* 0: none */
    uint64_t deadline_s; /* from submission; 0: none */
    int priority;        /* 0-20 */
    enum on_lost on_lost;
    uint64_t lease_s; /* LEASE; 0: none */
    char *wrapper;    /* own wrapper script, or NULL */
    bool is_bare;     /* STAGING = no: nothing is copied and no wrapper runs; the streams are files
                         of the host */

    char *vm_image;    /* NULL: a plain job */
    char *vm_checksum; /* "sha256:" and 64 lower-case hex digits, or NULL */
    unsigned vm_cpus;
    uint64_t vm_memory_mib;
    uint64_t *vm_disks; /* bytes */
    size_t n_vm_disks;
    uint64_t vm_result_bytes;
    uint64_t vm_boot_timeout_s;
};

/* What the substitutions of one template may come to in all; more is an error of the template. */
enum { TEMPLATE_EXPANDED_MAX = 16 << 20 };

/* Check `source` (len bytes; `d` was initialised with it and its name) and build the template. All
 * mistakes go to d with their places, also those inside REQUIREMENTS and RANK and in file names;
 * variables of GridWay's that are known but not acted upon give a warning. The base name of
 * `default_name` serves where NAME is absent.
 *
 * Names of files in the job directory are checked as they are after the substitution of
 * ENVIRONMENT's entries, with a number for JOB_ID and the like; what ARCH and the numbers really
 * are is known later. Returns 0 and *ret (the caller's), or -GW_EINVAL when d has errors. */
int template_parse(const char *source, size_t len, const char *default_name, struct template **ret,
                   struct diags *d);
void template_destroy(struct template *t);

/* What it takes in memory, at most: many times its source, where that is a list of short names. */
size_t template_bytes(const struct template *t);

/* The template text of `gwsubmit -- cmd args...`, with argc >= 1: quoting such that it parses to
 * exactly that command. Who calls it sees to it that argv[0] means the right file: relative names
 * are staged from the job's home, absolute ones are on the host. */
char *template_from_command(char *const argv[], size_t argc);

/* What gwd, the wrapper and gwvm have in a job directory (docs/jobdir.md), so that no file of the
 * job may have that name. One that ends in * stands for all that begin so. NULL-terminated. */
const char *const *template_reserved_names(void);

/* The rows of the table, for help and manual. */
struct template_variable {
    const char *name, *kind, *otherwise, *meaning; /* otherwise: the default as text, "" for none */
    bool is_acted_upon;
};
const struct template_variable *template_variables(size_t *ret_n);

#endif
