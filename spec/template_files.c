/* The rules for names of files (docs/template.md, docs/jobdir.md), and what substitutions come to.
 */
#include "lib/mem.h"
#include "spec/subst.h"
#include "spec/template_private.h"

#include <stdlib.h>
#include <string.h>

const char *const *template_reserved_names(void)
{
    static const char *const names[] = {
        ".gw*",
        ".wrapper",
        "job.ctl",
        "job.env",
        "job.rsl",
        "vm.conf",
        "gwvm",
        "image",
        "out",
        "stdin.execution",
        "stdout.execution",
        "stderr.execution",
        "console.log",
        "status",
        "status.*",
        "control.*",
        "claim.*",
        NULL,
    };
    return names;
}

enum { PART_MAX = 255, NAME_MAX_BYTES = 1024 };

/* What is wrong with a part between slashes, or NULL. */
static const char *part_fault(const char *p, size_t n)
{
    if (n == 0)
        return "has an empty part";
    if (p[0] == '.' && (n == 1 || (n == 2 && p[1] == '.')))
        return n == 1 ? "has a part \".\"" : "leads out of the job directory";
    if (n > PART_MAX)
        return "has a part of more than 255 bytes";
    for (size_t i = 0; i < n; i++)
        if ((unsigned char)p[i] < 0x20 || p[i] == 0x7f)
            return "has a control character";
    return NULL;
}

static bool is_reserved(const char *name)
{
    size_t n = strcspn(name, "/");
    for (const char *const *r = template_reserved_names(); *r; r++) {
        size_t m = strcspn(*r, "*");
        if (((*r)[m] ? n >= m : n == m) && memcmp(name, *r, m) == 0)
            return true;
    }
    return false;
}

/* What forbids a name in the job directory, or NULL. */
static const char *name_fault(const char *name)
{
    if (name[0] == '/')
        return "is absolute; a name below the job directory is expected";
    if (strstr(name, "://"))
        return "is a URL; a name below the job directory is expected";
    if (strlen(name) > NAME_MAX_BYTES)
        return "has more than 1024 bytes";
    for (const char *p = name;; p++) {
        size_t n = strcspn(p, "/");
        const char *fault = part_fault(p, n);
        if (fault)
            return fault;
        p += n;
        if (!*p)
            break;
    }
    return is_reserved(name) ? "is a name that gwd itself uses in the job directory" : NULL;
}

/* --- substitution, as far as it is known now --- */

static const char *lookup_now(const void *ctx, const char *name)
{
    static const char *const numbers[] = {"JOB_ID",      "ARRAY_ID", "TASK_ID",
                                          "TOTAL_TASKS", "PARAM",    "MAX_PARAM"};
    const struct template *t = ctx;
    if (strncmp(name, "GW_", 3) == 0)
        name += 3;
    for (size_t i = 0; i < GW_COUNT(numbers); i++)
        if (strcmp(name, numbers[i]) == 0)
            return "0";
    if (strcmp(name, "ARCH") == 0)
        return "x86_64";
    for (size_t i = 0; i < t->n_env; i++)
        if (strcmp(t->env[i].name, name) == 0)
            return t->env[i].value;
    return NULL;
}

/* NULL once the template comes to too much. */
static char *expand_now(struct template_reader *r, const char *text)
{
    if (r->expanded > TEMPLATE_EXPANDED_MAX)
        return NULL;
    char *expanded = subst_expand(text, lookup_now, r->t);
    r->expanded += strlen(expanded);
    return expanded;
}

/* --- input and output files --- */

/* A name in the job directory or a destination at home, with the place where it is written. */
struct target {
    char *name;
    const struct kv *kv;
    size_t from, length;
};

struct targets {
    struct target *items;
    size_t n, cap;
};

static void targets_add(struct targets *ts, struct target target)
{
    if (ts->n == ts->cap) {
        ts->cap = ts->cap ? 2 * ts->cap : 16;
        ts->items = xreallocarray(ts->items, ts->cap, sizeof *ts->items);
    }
    ts->items[ts->n++] = target;
}

static int by_name_and_place(const void *a, const void *b)
{
    const struct target *x = a, *y = b;
    int c = strcmp(x->name, y->name);
    size_t at_x = x->kv->value_offset[x->from], at_y = y->kv->value_offset[y->from];
    return c ? c : at_x < at_y ? -1 : at_x > at_y;
}

/* Frees the targets. */
static void check_targets_differ(struct template_reader *r, struct targets *ts)
{
    if (ts->n)
        qsort(ts->items, ts->n, sizeof *ts->items, by_name_and_place);
    for (size_t i = 1; i < ts->n && !diags_is_full(r->d); i++) {
        const struct target *a = &ts->items[i - 1], *b = &ts->items[i];
        if (strcmp(a->name, b->name) != 0)
            continue;
        char *hint = xasprintf("the first is in line %u", kv_place(r->d, a->kv, a->from, 0).line);
        template_error(r, b->kv, b->from, b->length, hint, "%s: there is a second file for %s",
                       b->kv->key, b->name);
        free(hint);
    }
    for (size_t i = 0; i < ts->n; i++)
        free(ts->items[i].name);
    free(ts->items);
}

static const char *base_name(const char *name)
{
    const char *slash = strrchr(name, '/');
    return slash ? slash + 1 : name;
}

/* A name in the job directory: `text`, or the last part of it when it is a source. It is noted in
 * ts unless NULL. */
static void check_job_name(struct template_reader *r, struct targets *ts, const char *text,
                           bool is_source, const struct kv *kv, const struct list_word *at)
{
    char *expanded = diags_is_full(r->d) ? NULL : expand_now(r, text);
    if (!expanded)
        return;
    const char *name = is_source ? base_name(expanded) : expanded;
    const char *written = is_source ? base_name(text) : text;
    const char *fault = name_fault(name);
    if (fault && strcmp(name, written) != 0)
        template_error(r, kv, at->from, at->length, NULL,
                       "%s: the name \"%s\", which is \"%s\" here, %s", kv->key, written, name,
                       fault);
    else if (fault)
        template_error(r, kv, at->from, at->length, NULL, "%s: the name \"%s\" %s", kv->key, name,
                       fault);
    else if (ts)
        targets_add(ts, (struct target){xstrdup(name), kv, at->from, at->length});
    free(expanded);
}

static bool is_url(const char *name)
{
    return strstr(name, "://") != NULL;
}

/* Where a link stands before it, ".." would lead elsewhere than it seems. */
static bool has_dots_inside(const char *name)
{
    while (strncmp(name, "../", 3) == 0 || strncmp(name, "./", 2) == 0) {
        name += strcspn(name, "/");
        name += strspn(name, "/");
    }
    for (const char *p = name; (p = strstr(p, "..")); p += 2)
        if ((p == name || p[-1] == '/') && (p[2] == '/' || !p[2]))
            return true;
    return false;
}

/* A name on the submitting side. */
static void check_home_name(struct template_reader *r, const char *name, const struct kv *kv,
                            size_t from, size_t length)
{
    size_t n = strlen(name);
    bool has_control = false;
    for (size_t i = 0; i < n; i++)
        has_control |= (unsigned char)name[i] < 0x20 || name[i] == 0x7f;
    if (!n)
        template_error(r, kv, from, length, NULL, "%s: a file name is expected", kv->key);
    else if (has_control)
        template_error(r, kv, from, length, NULL, "%s: a file name has a control character",
                       kv->key);
    else if (name[n - 1] == '/')
        template_error(r, kv, from, length, NULL, "%s: \"%s\" is a directory, a file is expected",
                       kv->key, name);
    else if (!is_url(name) && has_dots_inside(name))
        template_error(r, kv, from, length, NULL,
                       "%s: \"%s\" has \"..\" elsewhere than at its beginning", kv->key, name);
}

static void check_inputs(struct template_reader *r, struct targets *ts)
{
    const struct kv *kv = template_given(r, "INPUT_FILES");
    for (size_t i = 0; i < r->inputs.n && !diags_is_full(r->d); i++) {
        const struct list_word *w = r->inputs.entries[i].words;
        bool has_name = r->inputs.entries[i].n > 1;
        size_t errors = r->d->errors;
        check_home_name(r, w[0].text, kv, w[0].from, w[0].length);
        if (w[0].text[0] == '/')
            diags_add(r->d, DIAG_WARNING, kv_place(r->d, kv, w[0].from, w[0].length),
                      "file:// before it, or a relative name, copies a file of this machine",
                      "INPUT_FILES: \"%s\" is absolute: it is taken to be on the host already and "
                      "not copied",
                      w[0].text);
        else if (has_name)
            check_job_name(r, ts, w[1].text, false, kv, &w[1]);
        else if (r->d->errors == errors)
            check_job_name(r, ts, w[0].text, true, kv, &w[0]);
    }
}

static void check_outputs(struct template_reader *r)
{
    const struct kv *kv = template_given(r, "OUTPUT_FILES");
    struct targets ts = {0};
    for (size_t i = 0; i < r->outputs.n && !diags_is_full(r->d); i++) {
        const struct list_entry *e = &r->outputs.entries[i];
        const struct list_word *source = &e->words[0], *target = &e->words[e->n > 1];
        check_job_name(r, NULL, source->text, false, kv, source);
        if (e->n > 1)
            check_home_name(r, target->text, kv, target->from, target->length);
        char *name = expand_now(r, target->text);
        if (name)
            targets_add(&ts, (struct target){name, kv, target->from, target->length});
    }
    check_targets_differ(r, &ts);
}

static void check_executable(struct template_reader *r, struct targets *ts)
{
    const char *name = r->t->executable;
    const struct kv *kv = template_given(r, "EXECUTABLE");
    if (!name || !kv || name[0] == '/' || name[strlen(name) - 1] == '/')
        return;
    if (strpbrk(name, " \t") && !is_url(name))
        diags_add(r->d, DIAG_WARNING, kv_place(r->d, kv, 0, kv->value_len),
                  "arguments are given in ARGUMENTS",
                  "EXECUTABLE: \"%s\" is one file name with blanks", name);
    const struct list_word all = {.length = kv->value_len};
    check_job_name(r, ts, name, true, kv, &all);
}

void template_check_files(struct template_reader *r)
{
    struct targets ts = {0};
    check_executable(r, &ts);
    check_inputs(r, &ts);
    check_targets_differ(r, &ts);
    check_outputs(r);
}

/* --- what the rest comes to --- */

static void count_words(struct template_reader *r)
{
    char **words;
    size_t n;
    if (r->expanded > TEMPLATE_EXPANDED_MAX || !r->t->arguments ||
        subst_words(r->t->arguments, lookup_now, r->t, &words, &n, NULL) < 0)
        return;
    for (size_t i = 0; i < n; i++)
        r->expanded += strlen(words[i]);
    subst_words_free(words);
}

/* A short text can name a long value very often. */
void template_check_substitutions(struct template_reader *r)
{
    for (size_t i = 0; i < r->t->n_env; i++)
        free(expand_now(r, r->t->env[i].value));
    count_words(r);
    if (r->expanded > TEMPLATE_EXPANDED_MAX)
        diags_add(r->d, DIAG_ERROR, (struct place){0}, NULL,
                  "the values come to more than %d MiB with what is put in for ${NAME}",
                  TEMPLATE_EXPANDED_MAX >> 20);
}
