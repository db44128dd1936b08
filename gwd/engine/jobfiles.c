/* The files that gwd writes for an attempt: job.ctl, job.env, vm.conf (docs/jobdir.md), and the job
 * description for the execution driver (docs/PROTOCOL section 2). */
#include "gwd/engine/engine_private.h"
#include "lib/mem.h"
#include "spec/rsl.h"
#include "spec/subst.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { NSH_COPIES_MIN = 30 };

static void put_shell(struct buf *b, const char *prefix, const char *name, const char *value)
{
    buf_printf(b, "%s%s=", prefix, name);
    subst_shell_quote(b, value);
    buf_putc(b, '\n');
}

static void put_shell_u64(struct buf *b, const char *prefix, const char *name, uint64_t value)
{
    char text[32];
    snprintf(text, sizeof text, "%" PRIu64, value);
    put_shell(b, prefix, name, text);
}

static char *executable_name(const struct engine *e, const struct flight *f)
{
    const char *name = f->job->spec->t->executable;
    char *expanded = staging_expand(e, f->job, f->ref.task, name);
    if (!staging_is_staged(name))
        return expanded;
    const char *slash = strrchr(expanded, '/');
    char *local = xasprintf("./%s", slash ? slash + 1 : expanded);
    free(expanded);
    return local;
}

static const char *gwvm_path(const struct attempt *a)
{
    return a->gwvm && *a->gwvm ? a->gwvm : "./gwvm";
}

static void put_ctl(struct engine *e, struct flight *f, struct buf *b)
{
    const struct template *t = f->job->spec->t;
    const struct attempt *a = flight_attempt(f);
    char *token = staging_token(e, f), *executable = executable_name(e, f);
    char *lease = xasprintf("../.gw_lease_%s", e->state.instance);
    put_shell(b, "", "GW_TOKEN", token);
    put_shell(b, "", "GW_INSTANCE", e->state.instance);
    put_shell_u64(b, "", "GW_EPOCH", e->state.fence);
    put_shell(b, "", "GW_EXECUTABLE", executable);
    put_shell(b, "", "GW_STDIN", staging_has_stdin(t) ? "stdin.execution" : "/dev/null");
    put_shell(b, "", "GW_VM", t->vm_image ? "yes" : "no");
    put_shell(b, "", "GWVM", t->vm_image ? gwvm_path(a) : "");
    put_shell_u64(b, "", "GW_LEASE_S", t->lease_s);
    put_shell(b, "", "GW_LEASE_FILE", lease);
    put_shell_u64(b, "", "GW_WALLTIME_S", t->walltime_s);
    if (nsh_is_wanted(e, f)) {
        char *outputs = nsh_outputs(e, f);
        put_shell(b, "", "GW_OUTPUTS", outputs);
        free(outputs);
    }
    free(token);
    free(executable);
    free(lease);
}

void jobfiles_names(struct engine *e, const struct flight *f, jobfiles_put *put, void *ctx)
{
    static const struct {
        const char *name, *ask;
    } numbers[] = {{"GW_JOB_ID", "${JOB_ID}"},   {"GW_ARRAY_ID", "${ARRAY_ID}"},
                   {"GW_TASK_ID", "${TASK_ID}"}, {"GW_TOTAL_TASKS", "${TOTAL_TASKS}"},
                   {"GW_PARAM", "${PARAM}"},     {"GW_MAX_PARAM", "${MAX_PARAM}"},
                   {"GW_ARCH", "${ARCH}"}};
    const struct template *t = f->job->spec->t;
    const struct attempt *a = flight_attempt(f);
    for (size_t i = 0; i < GW_COUNT(numbers); i++)
        put(ctx, numbers[i].name, staging_expand(e, f->job, f->ref.task, numbers[i].ask));
    put(ctx, "GW_USER", xstrdup(f->job->spec->owner.user));
    put(ctx, "GW_HOSTNAME", xstrdup(a->host));
    put(ctx, "GW_RESTARTED", xasprintf("%" PRIu64, a->number - 1));
    put(ctx, "GW_NP", xasprintf("%u", t->np));
    put(ctx, "GW_JOB_HOME", xstrdup(f->job->spec->home));
    for (size_t i = 0; i < t->n_env; i++)
        put(ctx, t->env[i].name, staging_expand(e, f->job, f->ref.task, t->env[i].value));
}

static void put_export(void *ctx, const char *name, char *value)
{
    put_shell(ctx, "export ", name, value);
    free(value);
}

static void put_env(struct engine *e, struct flight *f, struct buf *b)
{
    const struct template *t = f->job->spec->t;
    jobfiles_names(e, f, put_export, b);
    char **words;
    size_t n;
    if (staging_words(e, f->job, f->ref.task, t->arguments, &words, &n) < 0)
        return; /* the template's check refuses such a line before it gets here */
    buf_puts(b, "set --");
    for (size_t i = 0; i < n; i++) {
        buf_putc(b, ' ');
        subst_shell_quote(b, words[i]);
    }
    buf_putc(b, '\n');
    subst_words_free(words);
}

/* A value of a KEY = VALUE file, quoted so that lib/kv gives it back as it is. */
static void put_kv(struct buf *b, const char *key, const char *value)
{
    buf_printf(b, "%s = \"", key);
    for (const char *p = value; *p; p++) {
        if (*p == '"' || *p == '\\')
            buf_putc(b, '\\');
        buf_putc(b, *p);
    }
    buf_puts(b, "\"\n");
}

static void put_kv_u64(struct buf *b, const char *key, uint64_t value)
{
    buf_printf(b, "%s = %" PRIu64 "\n", key, value);
}

static void put_vm_files(struct engine *e, struct flight *f, struct buf *b)
{
    const struct template *t = f->job->spec->t;
    if (staging_is_staged(t->executable)) {
        char *name = executable_name(e, f);
        put_kv(b, "INPUT", name + 2);
        free(name);
    }
    for (size_t i = 0; i < t->n_inputs; i++) {
        const struct file_pair *p = &t->inputs[i];
        if (!staging_is_staged(p->from))
            continue;
        char *name = staging_expand(e, f->job, f->ref.task, p->to ? p->to : p->from);
        const char *slash = p->to ? NULL : strrchr(name, '/');
        put_kv(b, "INPUT", slash ? slash + 1 : name);
        free(name);
    }
    for (size_t i = 0; i < t->n_outputs; i++) {
        char *name = staging_expand(e, f->job, f->ref.task, t->outputs[i].from);
        put_kv(b, "OUTPUT", name);
        free(name);
    }
}

static void put_vm(struct engine *e, struct flight *f, struct buf *b)
{
    const struct template *t = f->job->spec->t;
    const struct attempt *a = flight_attempt(f);
    char *token = staging_token(e, f), *executable = executable_name(e, f);
    char *image = f->image_key && *f->image_key ? xasprintf("../.gw_cache/%s/image", f->image_key)
                                                : xstrdup("image");
    put_kv(b, "TOKEN", token);
    put_kv(b, "NAME", t->name);
    if (a->n_vms)
        put_kv(b, "UUID", a->vms[0].uuid);
    put_kv(b, "URI", e->config->vm_uri);
    put_kv(b, "IMAGE", image);
    if (t->vm_checksum)
        put_kv(b, "IMAGE_CHECKSUM", t->vm_checksum);
    put_kv_u64(b, "CPUS", t->vm_cpus);
    put_kv_u64(b, "MEMORY_MIB", t->vm_memory_mib);
    if (t->n_vm_disks) {
        buf_puts(b, "DISK = \"");
        for (size_t i = 0; i < t->n_vm_disks; i++)
            buf_printf(b, "%s%" PRIu64, i ? " " : "", t->vm_disks[i]);
        buf_puts(b, "\"\n");
    }
    put_kv_u64(b, "RESULT_BYTES", t->vm_result_bytes);
    put_kv(b, "EXECUTABLE", executable);
    put_vm_files(e, f, b);
    put_kv(b, "STDIN", staging_has_stdin(t) ? "yes" : "no");
    put_kv_u64(b, "WALLTIME_S", t->walltime_s);
    put_kv_u64(b, "BOOT_TIMEOUT_S", t->vm_boot_timeout_s);
    put_kv_u64(b, "CACHE_MAX_BYTES", e->config->vm_cache_max_bytes);
    put_kv_u64(b, "CACHE_MAX_AGE_S", e->config->vm_cache_age_s);
    free(token);
    free(executable);
    free(image);
}

/* The program gw_wrapper, where the host has it. Its path goes into a first line "#!PATH", which
 * the kernel cuts and splits at blanks. */
static const char *wrapper_program(const struct engine *e, const struct flight *f)
{
    const struct template *t = f->job->spec->t;
    const struct host *h = engine_host(e, flight_attempt(f)->host);
    const char *path = h ? host_text(h, "WRAPPER") : "";
    bool is_plain = path[0] == '/' && strlen(path) < 200 && !strpbrk(path, " \t\n");
    return is_plain && !t->wrapper && !t->vm_image && !nsh_is_wanted(e, f) ? path : NULL;
}

bool jobfiles_has_program(const struct engine *e, const struct flight *f)
{
    return wrapper_program(e, f) != NULL;
}

/* What the program reads: one file instead of three. */
static void put_program(struct engine *e, struct flight *f, struct buf *b)
{
    buf_printf(b, "#!%s\n", wrapper_program(e, f));
    put_ctl(e, f, b);
    put_env(e, f, b);
}

/* Relative to `directory`, as GRAM reads them; that itself may be relative to the account's home.
 */
static void put_wrapper(const struct engine *e, const struct flight *f, struct rsl *rsl)
{
    char *url = staging_dir_url(e, f->job, f->task, flight_attempt(f));
    char *dir = staging_site_path(url);
    rsl_add_one(rsl, "executable", ".wrapper");
    rsl_add_one(rsl, "directory", dir);
    rsl_add_one(rsl, "stdin", "/dev/null");
    rsl_add_one(rsl, "stdout", "/dev/null"); /* it says nothing there */
    rsl_add_one(rsl, "stderr", jobfiles_has_program(e, f) ? "/dev/null" : "stderr.wrapper");
    free(dir);
    free(url);
}

static void put_wrapper_env(struct engine *e, const struct flight *f, struct rsl *rsl)
{
    char *token = staging_token(e, f);
    const char *env[] = {"GW_TOKEN", token, "GW_HOSTNAME", flight_attempt(f)->host};
    rsl_add(rsl, "environment", env, GW_COUNT(env));
    free(token);
}

static void put_description(struct engine *e, const struct flight *f, struct buf *b)
{
    static const char *const types[] = {"single", "multiple", "mpi"};
    const struct template *t = f->job->spec->t;
    const struct attempt *a = flight_attempt(f);
    bool is_nsh = !flight_is_bare(f) && nsh_is_wanted(e, f);
    char *count = xasprintf("%u", t->np);
    struct rsl rsl = {0};
    if (flight_is_bare(f))
        bare_put(e, f, &rsl);
    else if (is_nsh)
        nsh_describe(e, f, &rsl);
    else
        put_wrapper(e, f, &rsl);
    if (!flight_is_bare(f))
        put_wrapper_env(e, f, &rsl);
    rsl_add_one(&rsl, "count", count);
    rsl_add_one(&rsl, "jobtype", types[t->type]);
    if (a->queue && *a->queue)
        rsl_add_one(&rsl, "queue", a->queue);
    if (t->walltime_s) {
        /* The batch system counts the time of the copies, too. */
        uint64_t more = is_nsh ? NSH_COPIES_MIN : 0;
        char *minutes = xasprintf("%" PRIu64, (t->walltime_s + 59) / 60 + more);
        rsl_add_one(&rsl, "maxWallTime", minutes);
        free(minutes);
    }
    rsl_encode(&rsl, b);
    rsl_clear(&rsl);
    free(count);
}

/* Some room is left for the line's other fields and for what percent-encoding adds. */
enum { INLINE_MAX = 16384 };

char *jobfiles_description(struct engine *e, struct flight *f, const struct driver *d)
{
    struct buf b = BUF_INIT;
    put_description(e, f, &b);
    unsigned needed = FEATURE_INLINE | FEATURE_PCT;
    if ((d->features & needed) == needed && b.len <= INLINE_MAX)
        return buf_take(&b);
    if (e->config->is_multi_user) {
        buf_clear(&b);
        return NULL;
    }
    f->has_spool = true;
    write_file(e, staging_spool(e, f, "job.rsl"), &b, 0600);
    return staging_spool(e, f, "job.rsl");
}

/* A small one goes in the request where the driver takes that, else by the spool. */
static void stage(struct engine *e, struct flight *f, const char *name, bool is_executable,
                  struct buf *b)
{
    char *to = engine_job_url(e, f->job, f->task, flight_attempt(f), name);
    if (tm_is_small(e, f) && b->len <= INLINE_MAX) {
        copies_put(&f->copies, buf_take(b), to, is_executable);
        return;
    }
    if (e->config->is_multi_user) {
        char *text = xasprintf("its %s has %zu bytes; a daemon of many users takes %d: shorten its "
                               "ARGUMENTS, ENVIRONMENT or lists of files",
                               name, b->len, (int)INLINE_MAX);
        flight_fail(f, "refused", BLAME_JOB, text);
        free(text);
        free(to);
        buf_clear(b);
        return;
    }
    f->has_spool = true;
    char *path = staging_spool(e, f, name);
    copies_add(&f->copies, xasprintf("file://%s", path), to, is_executable, false);
    write_file(e, path, b, 0600);
}

void jobfiles_stage(struct engine *e, struct flight *f)
{
    bool has_program = jobfiles_has_program(e, f);
    const struct {
        const char *name;
        void (*put)(struct engine *e, struct flight *f, struct buf *b);
        bool is_wanted, is_executable;
    } files[] = {{".wrapper", put_program, has_program, true},
                 {"job.ctl", put_ctl, !has_program, false},
                 {"job.env", put_env, !has_program, false},
                 {"vm.conf", put_vm, f->job->spec->t->vm_image, false}};
    for (size_t i = 0; i < GW_COUNT(files); i++) {
        struct buf b = BUF_INIT;
        if (!files[i].is_wanted)
            continue;
        files[i].put(e, f, &b);
        stage(e, f, files[i].name, files[i].is_executable, &b);
    }
}
