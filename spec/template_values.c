/* From the text of a value to a member of struct template. */
#include "lib/mem.h"
#include "lib/num.h"
#include "spec/subst.h"
#include "spec/template_private.h"

#include <stdlib.h>
#include <string.h>
#include <strings.h>

struct setter {
    struct template_reader *r;
    const struct template_row *row;
    const char *text;
    const struct kv *kv;
    void *member;
};

static void refuse(const struct setter *s, size_t from, size_t length, const char *hint,
                   const char *why)
{
    template_error(s->r, s->kv, from, length, hint, "%s: %s", s->row->name, why);
}

static void refuse_all(const struct setter *s, const char *hint, const char *why)
{
    refuse(s, 0, strlen(s->text), hint, why);
}

static void set_string(char **member, const char *text)
{
    free(*member);
    *member = *text ? xstrdup(text) : NULL;
}

/* The first control character, or NULL. */
static const char *find_control(const char *text)
{
    for (; *text; text++)
        if ((unsigned char)*text < 0x20 || *text == 0x7f)
            return text;
    return NULL;
}

static void set_text(const struct setter *s)
{
    const char *bad = find_control(s->text);
    if (bad)
        refuse(s, (size_t)(bad - s->text), 1, NULL, "a control character cannot be part of it");
    *(char **)s->member = xstrdup(s->text);
}

static void set_file(const struct setter *s)
{
    size_t n = strlen(s->text);
    const char *bad = find_control(s->text);
    if (bad)
        refuse(s, (size_t)(bad - s->text), 1, NULL,
               "a control character cannot be part of a file name");
    if (n && s->text[n - 1] == '/')
        refuse_all(s, NULL, "this names a directory, a file is expected");
    set_string(s->member, s->text);
}

static void set_arguments(const struct setter *s)
{
    size_t from;
    if (subst_words_check(s->text, &from) < 0)
        refuse(s, from, 1,
               "a # after a blank begins a comment, unless the whole value is in double quotes",
               "this quote is not closed");
    *(char **)s->member = xstrdup(s->text);
}

static void set_expression(const struct setter *s)
{
    struct template_value v = {s->r, s->kv};
    struct expr *e = NULL;
    expr_parse(s->text, s->row->kind == KIND_RANK ? EXPR_RANK : EXPR_REQUIREMENTS, &e,
               template_report, &v);
    expr_destroy(e);
    *(char **)s->member = xstrdup(s->text);
}

/* --- numbers --- */

static void set_flag(const struct setter *s)
{
    struct gw_err err;
    if (num_parse_bool(s->text, s->member, &err) < 0)
        refuse_all(s, NULL, err.text);
}

static void set_not(const struct setter *s)
{
    set_flag(s);
    *(bool *)s->member = !*(bool *)s->member;
}

static void set_count(const struct setter *s)
{
    struct gw_err err;
    uint64_t v;
    if (num_parse_u64(s->text, s->row->min, s->row->max, &v, &err) < 0)
        refuse_all(s, NULL, err.text);
    else
        *(unsigned *)s->member = (unsigned)v;
}

/* Numbers with units: a value out of limits is told with the limits of the row, as they are written
 * there. */
static bool is_in_limits(const struct setter *s, uint64_t v, const char *unit, uint64_t scale)
{
    if (v >= s->row->min && v <= s->row->max)
        return true;
    template_error(s->r, s->kv, 0, strlen(s->text), NULL, "%s: %s is not from %llu%s to %llu%s",
                   s->row->name, s->text, (unsigned long long)(s->row->min / scale), unit,
                   (unsigned long long)(s->row->max / scale), unit);
    return false;
}

static void set_duration(const struct setter *s)
{
    struct gw_err err;
    uint64_t v;
    if (num_parse_duration(s->text, &v, &err) < 0)
        refuse_all(s, NULL, err.text);
    else if (is_in_limits(s, v, "s", 1))
        *(uint64_t *)s->member = v;
}

/* GridWay's D:H:M, H:M or M, where ours end in seconds; with a unit it is the same duration for
 * both. */
static void set_deadline(const struct setter *s)
{
    size_t n = strlen(s->text);
    bool is_gridways = n && s->text[n - 1] >= '0' && s->text[n - 1] <= '9';
    char *text = is_gridways ? xasprintf(strchr(s->text, ':') ? "%s:0" : "0:%s:0", s->text)
                             : xstrdup(s->text);
    uint64_t v;
    if (num_parse_duration(text, &v, NULL) < 0)
        refuse_all(
            s, NULL,
            "this is not days:hours:minutes, hours:minutes, minutes or a number with s, m, h or d");
    else if (is_in_limits(s, v, "s", 1))
        *(uint64_t *)s->member = v;
    free(text);
}

static bool parse_size(const struct setter *s, const char *text, uint64_t *ret)
{
    struct gw_err err;
    if (num_parse_size(text, 1 << 20, ret, &err) == 0)
        return true;
    refuse_all(s, NULL, err.text);
    return false;
}

static void set_bytes(const struct setter *s)
{
    uint64_t v, unit = s->row->kind == KIND_MIB ? 1 << 20 : 1;
    if (parse_size(s, s->text, &v) && is_in_limits(s, v, "M", 1 << 20))
        *(uint64_t *)s->member = (v + unit - 1) / unit;
}

enum { DISKS_MAX = 16 }; /* VM_DISKS_MAX of gwvm */

static void add_size(const struct setter *s, const struct list_entry *e)
{
    struct template *t = s->r->t;
    struct gw_err err;
    uint64_t v;
    if (e->n > 1)
        refuse(s, e->from, e->length, "write a comma between sizes", "one size is expected");
    else if (num_parse_size(e->words[0].text, 1 << 20, &v, &err) < 0)
        refuse(s, e->from, e->length, NULL, err.text);
    else if (v < s->row->min || v > s->row->max)
        refuse(s, e->from, e->length, NULL, "a disk has at least 1M, and at most 1024P");
    else if (t->n_vm_disks == DISKS_MAX)
        refuse(s, e->from, e->length, NULL, "there are more than 16 disks");
    else {
        t->vm_disks = xreallocarray(t->vm_disks, t->n_vm_disks + 1, sizeof *t->vm_disks);
        t->vm_disks[t->n_vm_disks++] = v;
    }
}

static void set_sizes(const struct setter *s)
{
    struct template_value v = {s->r, s->kv};
    struct list list;
    list_parse(s->text, true, &list, template_report, &v);
    for (size_t i = 0; i < list.n && !diags_is_full(s->r->d); i++)
        add_size(s, &list.entries[i]);
    list_clear(&list);
}

static void set_choice(const struct setter *s)
{
    size_t n = 0;
    for (; s->row->choices[n]; n++)
        if (strcasecmp(s->text, s->row->choices[n]) == 0) {
            /* The enumerations of struct template; gcc gives each the size of unsigned. */
            *(unsigned *)s->member = (unsigned)n;
            return;
        }
    struct buf why = BUF_INIT;
    buf_printf(&why, "\"%s\" is not ", s->text);
    for (size_t i = 0; i < n; i++)
        buf_printf(&why, "%s%s", s->row->choices[i], i + 2 < n ? ", " : i + 2 == n ? " or " : "");
    const char *nearest = diag_nearest(s->text, s->row->choices, n);
    char *hint = nearest ? xasprintf("did you mean %s?", nearest) : NULL;
    refuse_all(s, hint, buf_str(&why));
    free(hint);
    buf_clear(&why);
}

/* --- ENVIRONMENT --- */

static size_t identifier_length(const char *p)
{
    size_t n = 0;
    while ((p[n] >= 'A' && p[n] <= 'Z') || (p[n] >= 'a' && p[n] <= 'z') || p[n] == '_' ||
           (n && p[n] >= '0' && p[n] <= '9'))
        n++;
    return n;
}

static void add_variable(const struct setter *s, const struct list_entry *e, size_t *cap)
{
    struct template *t = s->r->t;
    const struct list_word *w = &e->words[0];
    size_t n = identifier_length(w->text);
    if (!n || w->text[n] != '=')
        refuse(s, w->from, w->length, NULL,
               "NAME=value is expected; a name is letters, digits and _");
    else if (e->n > 1)
        refuse(s, e->words[1].from, e->words[1].length, "put a value with blanks in quotes",
               "a comma is expected here");
    else if (strncmp(w->text, "GW_", 3) == 0)
        refuse(s, w->from, n, "these are set by gwd: GW_JOB_ID, GW_TASK_ID and others",
               "names that begin with GW_ are gwd's own");
    else {
        if (t->n_env == *cap) {
            *cap = *cap ? 2 * *cap : 8;
            t->env = xreallocarray(t->env, *cap, sizeof *t->env);
        }
        t->env[t->n_env++] = (struct env_entry){xstrndup(w->text, n), xstrdup(w->text + n + 1)};
    }
}

struct named_word {
    const char *name;
    size_t length;
    const struct list_word *word;
};

static int by_name(const void *a, const void *b)
{
    const struct named_word *x = a, *y = b;
    size_t n = x->length < y->length ? x->length : y->length;
    int c = memcmp(x->name, y->name, n);
    if (c || x->length != y->length)
        return c ? c : x->length < y->length ? -1 : 1;
    return x->word->from < y->word->from ? -1 : 1;
}

/* Sorted, since a list may have very many. */
static void check_variables_differ(const struct setter *s, const struct list *list)
{
    struct named_word *names = xcalloc(list->n, sizeof *names);
    for (size_t i = 0; i < list->n; i++) {
        const struct list_word *w = &list->entries[i].words[0];
        names[i] = (struct named_word){w->text, identifier_length(w->text), w};
    }
    if (list->n)
        qsort(names, list->n, sizeof *names, by_name);
    for (size_t i = 1; i < list->n && !diags_is_full(s->r->d); i++)
        if (names[i].length && names[i].length == names[i - 1].length &&
            memcmp(names[i].name, names[i - 1].name, names[i].length) == 0)
            refuse(s, names[i].word->from, names[i].length, NULL,
                   "this name stands here a second time");
    free(names);
}

/* A reference is looked for among all of them. */
enum { VARIABLES_MAX = 4096 };

static void set_environment(const struct setter *s)
{
    struct template_value v = {s->r, s->kv};
    struct list list;
    size_t cap = 0;
    list_parse(s->text, true, &list, template_report, &v);
    if (list.n > VARIABLES_MAX)
        refuse(s, list.entries[VARIABLES_MAX].from, 0, NULL, "there are more than 4096 variables");
    for (size_t i = 0; i < list.n && i < VARIABLES_MAX && !diags_is_full(s->r->d); i++)
        add_variable(s, &list.entries[i], &cap);
    check_variables_differ(s, &list);
    list_clear(&list);
}

/* --- files --- */

static void set_pairs(const struct setter *s, struct list *list, size_t *n)
{
    struct template_value v = {s->r, s->kv};
    struct file_pair **pairs = s->member;
    list_parse(s->text, true, list, template_report, &v);
    *pairs = list->n ? xcalloc(list->n, sizeof **pairs) : NULL;
    for (size_t i = 0; i < list->n; i++) {
        const struct list_entry *e = &list->entries[i];
        if (e->n > 2 && !diags_is_full(s->r->d))
            refuse(s, e->words[2].from, e->words[2].length,
                   "write a comma between two files; put a name with blanks in single quotes",
                   "a comma is expected here");
        (*pairs)[(*n)++] = (struct file_pair){xstrdup(e->words[0].text),
                                              e->n > 1 ? xstrdup(e->words[1].text) : NULL};
    }
}

static bool take_checksum(const struct setter *s, const char *text, size_t from, size_t length)
{
    static const char prefix[] = "sha256:";
    size_t n = sizeof prefix - 1;
    if (strncasecmp(text, prefix, n) != 0 || strlen(text) != n + 64 ||
        strspn(text + n, "0123456789abcdefABCDEF") != 64) {
        refuse(s, from, length, NULL, "sha256: and 64 hexadecimal digits are expected");
        return false;
    }
    if (s->r->t->vm_checksum) {
        refuse(s, from, length, NULL, "the checksum of the image is given twice");
        return false;
    }
    char *sum = xstrdup(text);
    for (char *p = sum; *p; p++)
        if (*p >= 'A' && *p <= 'Z')
            *p = (char)(*p - 'A' + 'a');
    s->r->t->vm_checksum = sum;
    return true;
}

static void set_image(const struct setter *s)
{
    struct template_value v = {s->r, s->kv};
    struct list list;
    if (list_parse(s->text, false, &list, template_report, &v) == 0 && list.n) {
        const struct list_entry *e = &list.entries[0];
        const char *name = e->words[0].text;
        set_string(s->member, name);
        if (!*name || find_control(name) || name[strlen(name) - 1] == '/')
            refuse(s, e->words[0].from, e->words[0].length, NULL, "this is not the name of a file");
        if (e->n > 1)
            take_checksum(s, e->words[1].text, e->words[1].from, e->words[1].length);
        if (e->n > 2)
            refuse(s, e->words[2].from, e->words[2].length,
                   "put a name with blanks in single quotes",
                   "one file name and a checksum are expected");
    }
    list_clear(&list);
}

void template_set(struct template_reader *r, const struct template_row *row, const char *text,
                  const struct kv *kv)
{
    struct setter s = {r, row, text, kv, (char *)r->t + row->at};
    bool is_optional =
        row->kind == KIND_DURATION || row->kind == KIND_DEADLINE || row->kind == KIND_CHECKSUM;
    if (!*text && is_optional)
        return;
    switch (row->kind) {
    case KIND_TEXT:
        set_text(&s);
        break;
    case KIND_FILE:
        set_file(&s);
        break;
    case KIND_ARGUMENTS:
        set_arguments(&s);
        break;
    case KIND_ENVIRONMENT:
        set_environment(&s);
        break;
    case KIND_INPUTS:
        set_pairs(&s, &r->inputs, &r->t->n_inputs);
        break;
    case KIND_OUTPUTS:
        set_pairs(&s, &r->outputs, &r->t->n_outputs);
        break;
    case KIND_REQUIREMENTS:
    case KIND_RANK:
        set_expression(&s);
        break;
    case KIND_FLAG:
        set_flag(&s);
        break;
    case KIND_NOT:
        set_not(&s);
        break;
    case KIND_COUNT:
        set_count(&s);
        break;
    case KIND_DURATION:
        set_duration(&s);
        break;
    case KIND_DEADLINE:
        set_deadline(&s);
        break;
    case KIND_BYTES:
    case KIND_MIB:
        set_bytes(&s);
        break;
    case KIND_CHOICE:
        set_choice(&s);
        break;
    case KIND_IMAGE:
        set_image(&s);
        break;
    case KIND_CHECKSUM:
        take_checksum(&s, text, 0, strlen(text));
        break;
    case KIND_SIZES:
        set_sizes(&s);
        break;
    case KIND_LATER:
        break;
    }
}
