#include "spec/template.h"

#include "lib/mem.h"
#include "lib/utf8.h"
#include "spec/template_private.h"

#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

/* --- telling --- */

void template_error(struct template_reader *r, const struct kv *kv, size_t from, size_t length,
                    const char *hint, const char *fmt, ...)
{
    struct buf text = BUF_INIT;
    va_list ap;
    va_start(ap, fmt);
    buf_vprintf(&text, fmt, ap);
    va_end(ap);
    struct place at = kv ? kv_place(r->d, kv, from, length) : (struct place){0};
    diags_add(r->d, DIAG_ERROR, at, hint, "%s", buf_str(&text));
    buf_clear(&text);
}

void template_report(void *value, enum diag_severity severity, size_t from, size_t length,
                     const char *hint, const char *sentence)
{
    struct template_value *v = value;
    struct place at = v->kv ? kv_place(v->r->d, v->kv, from, length) : (struct place){0};
    diags_add(v->r->d, severity, at, hint, "%s: %s", v->kv ? v->kv->key : "default", sentence);
}

struct kv *template_given(const struct template_reader *r, const char *name)
{
    size_t n;
    return r->given[template_row(name) - template_rows(&n)];
}

/* --- which variable --- */

static void unknown_variable(struct template_reader *r, const struct kv *kv)
{
    const char *names[TEMPLATE_ROWS_MAX];
    size_t n;
    const struct template_row *rows = template_rows(&n);
    for (size_t i = 0; i < n; i++)
        names[i] = rows[i].name;
    const char *nearest = diag_nearest(kv->key, names, n);
    char *hint = nearest ? xasprintf("did you mean %s?", nearest) : NULL;
    diags_add(r->d, DIAG_ERROR, kv->key_at, hint, "%s is not a variable of a job template",
              kv->key);
    free(hint);
    r->has_misspelt_executable |= nearest && strcmp(nearest, "EXECUTABLE") == 0;
}

static bool is_list(const struct template_row *row)
{
    return row->kind == KIND_ENVIRONMENT || row->kind == KIND_INPUTS || row->kind == KIND_OUTPUTS ||
           row->kind == KIND_SIZES || row->kind == KIND_LATER;
}

static void second_time(struct template_reader *r, const struct template_row *row,
                        const struct kv *kv, const struct kv *first)
{
    char *hint = xasprintf(is_list(row) ? "the first is in line %u; += continues a list"
                                        : "the first is in line %u",
                           first->key_at.line);
    diags_add(r->d, DIAG_ERROR, kv->key_at, hint, "%s stands here a second time", kv->key);
    free(hint);
}

/* Note which value each variable has. */
static void take_entry(struct template_reader *r, struct kv *kv)
{
    size_t n;
    const struct template_row *row = template_row(kv->key);
    if (!row) {
        unknown_variable(r, kv);
        return;
    }
    struct kv **given = &r->given[row - template_rows(&n)];
    if (kv->index)
        diags_add(r->d, DIAG_ERROR, kv->key_at, NULL, "%s takes no [%s]", kv->key, kv->index);
    else if (kv->is_append && !is_list(row))
        diags_add(r->d, DIAG_ERROR, kv->key_at, NULL, "+= continues a list, and %s is none",
                  kv->key);
    else if (*given && kv->is_append)
        kv_join(*given, kv);
    else if (*given)
        second_time(r, row, kv, *given);
    else
        *given = kv;
}

/* --- values --- */

/* A value that switches the thing off is acted upon: there is nothing to do. */
static bool is_off(const char *value)
{
    return !*value || strcmp(value, "0") == 0;
}

static void warn_if_not_acted_upon(struct template_reader *r, const struct template_row *row,
                                   const struct kv *kv)
{
    if ((row->kind == KIND_LATER || row->is_not_acted_upon) && !is_off(kv->value))
        diags_add(r->d, DIAG_WARNING, kv->key_at, NULL,
                  "%s is not acted upon yet by this version: the job runs as if it were not there",
                  row->name);
}

static void set_row(struct template_reader *r, const struct template_row *row, const struct kv *kv)
{
    if (kv)
        warn_if_not_acted_upon(r, row, kv);
    if (row->kind == KIND_LATER)
        return;
    if (kv && strlen(kv->value) == kv->value_len && *kv->value)
        template_set(r, row, kv->value, kv);
    else
        template_set(r, row, row->otherwise, NULL);
}

static const char *base_name(const char *path)
{
    const char *slash = strrchr(path, '/');
    return slash && slash[1] ? slash + 1 : path;
}

/* --- what needs more than one variable --- */

static void check_executable(struct template_reader *r)
{
    const struct kv *kv = template_given(r, "EXECUTABLE");
    if (r->t->executable)
        return;
    if (kv)
        diags_add(r->d, DIAG_ERROR, kv->value_at, NULL, "EXECUTABLE is empty");
    else if (!r->has_misspelt_executable)
        diags_add(r->d, DIAG_ERROR, (struct place){.line = 1, .column = 1},
                  "write EXECUTABLE = program", "EXECUTABLE is missing: there is nothing to run");
}

static void check_lease(struct template_reader *r)
{
    const struct kv *kv = template_given(r, "LEASE");
    if (r->t->on_lost != ON_LOST_RETRY_AFTER_LEASE)
        return;
    if (!kv || !*kv->value)
        r->t->lease_s = 600;
    else if (!r->t->lease_s && !r->d->errors)
        template_error(r, kv, 0, kv->value_len, "LEASE = 10m is the default",
                       "ON_LOST = retry-after-lease needs a lease");
}

static void check_vm(struct template_reader *r)
{
    size_t n;
    const struct template_row *rows = template_rows(&n);
    const struct kv *image = template_given(r, "VM_IMAGE");
    if (image && *image->value)
        return;
    for (size_t i = 0; i < n; i++)
        if (r->given[i] && *r->given[i]->value && strncmp(rows[i].name, "VM_", 3) == 0)
            diags_add(r->d, DIAG_ERROR, r->given[i]->key_at,
                      "name the disk image: VM_IMAGE = path or URL",
                      "%s has no meaning without VM_IMAGE", rows[i].name);
}

/* Without job directory and wrapper these have nobody who would do them. */
static void check_bare(struct template_reader *r)
{
    static const char *const refused[] = {"INPUT_FILES", "OUTPUT_FILES", "WRAPPER",
                                          "VM_IMAGE",    "WALLTIME",     "LEASE"};
    for (size_t i = 0; i < GW_COUNT(refused); i++) {
        const struct kv *kv = template_given(r, refused[i]);
        if (kv && *kv->value && strcmp(kv->value, "0") != 0)
            diags_add(r->d, DIAG_ERROR, kv->key_at, NULL,
                      "%s needs the job directory or the wrapper, and with STAGING = no there is "
                      "neither",
                      refused[i]);
    }
    if (r->t->on_lost == ON_LOST_RETRY_AFTER_LEASE)
        diags_add(r->d, DIAG_ERROR, template_given(r, "ON_LOST")->value_at,
                  "ON_LOST = wait or retry-now",
                  "a lease is kept by the wrapper, and with STAGING = no there is none");
}

static void check_host_path(struct template_reader *r, const char *name, const char *path)
{
    const struct kv *kv = template_given(r, name);
    if (kv && *kv->value && path && path[0] != '/')
        template_error(r, kv, 0, kv->value_len, NULL,
                       "%s: \"%s\" is no absolute path; with STAGING = no it is a file of the host",
                       name, path);
}

/* The defaults of the streams are files of the job's home; here they are thrown away. */
static void set_stream_of_host(struct template_reader *r, const char *name, char **path)
{
    const struct kv *kv = template_given(r, name);
    check_host_path(r, name, *path);
    if (kv && *kv->value)
        return;
    free(*path);
    *path = xstrdup("/dev/null");
}

static void set_bare(struct template_reader *r)
{
    if (!r->t->is_bare)
        return;
    check_bare(r);
    check_host_path(r, "EXECUTABLE", r->t->executable);
    set_stream_of_host(r, "STDIN_FILE", &r->t->stdin_file);
    set_stream_of_host(r, "STDOUT_FILE", &r->t->stdout_file);
    set_stream_of_host(r, "STDERR_FILE", &r->t->stderr_file);
}

static void check_streams(struct template_reader *r)
{
    const struct template *t = r->t;
    const struct kv *kv = template_given(r, "STDERR_FILE");
    if (kv && t->stdout_file && t->stderr_file && strcmp(t->stdout_file, t->stderr_file) == 0 &&
        strcmp(t->stdout_file, "/dev/null") != 0)
        template_error(r, kv, 0, kv->value_len, NULL,
                       "STDOUT_FILE and STDERR_FILE are the same file");
}

static void read_all(struct template_reader *r, struct kv_list *list, const char *default_name)
{
    size_t n;
    const struct template_row *rows = template_rows(&n);
    for (size_t i = 0; i < list->n && !diags_is_full(r->d); i++)
        take_entry(r, &list->items[i]);
    for (size_t i = 0; i < n; i++)
        set_row(r, &rows[i], r->given[i]);
    if (!*r->t->name) {
        free(r->t->name);
        r->t->name = xstrdup(base_name(default_name));
        utf8_clean(r->t->name);
    }
    check_executable(r);
    check_lease(r);
    check_vm(r);
    set_bare(r);
    check_streams(r);
    template_check_files(r);
    template_check_substitutions(r);
}

int template_parse(const char *source, size_t len, const char *default_name, struct template **ret,
                   struct diags *d)
{
    struct kv_list list;
    struct template_reader r = {.t = xcalloc(1, sizeof *r.t), .d = d};
    kv_parse(source, len, &list, d);
    read_all(&r, &list, default_name);
    kv_clear(&list);
    list_clear(&r.inputs);
    list_clear(&r.outputs);
    diags_sort(d);
    if (d->errors) {
        template_destroy(r.t);
        return -GW_EINVAL;
    }
    *ret = r.t;
    return 0;
}

static void pairs_free(struct file_pair *pairs, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        free(pairs[i].from);
        free(pairs[i].to);
    }
    free(pairs);
}

void template_destroy(struct template *t)
{
    if (!t)
        return;
    for (size_t i = 0; i < t->n_env; i++) {
        free(t->env[i].name);
        free(t->env[i].value);
    }
    free(t->env);
    pairs_free(t->inputs, t->n_inputs);
    pairs_free(t->outputs, t->n_outputs);
    free(t->name);
    free(t->executable);
    free(t->arguments);
    free(t->stdin_file);
    free(t->stdout_file);
    free(t->stderr_file);
    free(t->requirements);
    free(t->rank);
    free(t->wrapper);
    free(t->vm_image);
    free(t->vm_checksum);
    free(t->vm_disks);
    free(t);
}

static size_t pairs_bytes(const struct file_pair *pairs, size_t n)
{
    size_t bytes = n * sizeof *pairs;
    for (size_t i = 0; i < n; i++)
        bytes += text_bytes(pairs[i].from) + text_bytes(pairs[i].to);
    return bytes;
}

size_t template_bytes(const struct template *t)
{
    const char *const texts[] = {t->name,        t->executable,  t->arguments,    t->stdin_file,
                                 t->stdout_file, t->stderr_file, t->requirements, t->rank,
                                 t->wrapper,     t->vm_image,    t->vm_checksum};
    size_t bytes = sizeof *t + 2 * t->n_env * sizeof *t->env + t->n_vm_disks * sizeof *t->vm_disks +
                   pairs_bytes(t->inputs, t->n_inputs) + pairs_bytes(t->outputs, t->n_outputs);
    for (size_t i = 0; i < GW_COUNT(texts); i++)
        bytes += text_bytes(texts[i]);
    for (size_t i = 0; i < t->n_env; i++)
        bytes += text_bytes(t->env[i].name) + text_bytes(t->env[i].value);
    return bytes;
}
