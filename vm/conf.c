#include "vm/conf.h"

#include "lib/kv.h"
#include "lib/mem.h"
#include "lib/num.h"
#include "vm/name.h"

#include <stdlib.h>
#include <string.h>

enum kind { TEXT, TOKEN, UUID, PATH, CHECKSUM, NUMBER, SIZES, FLAG, NAMES };

/* One row a key. `at` is the field of struct vm_conf; for NAMES the count follows at `n_at`. */
struct row {
    const char *key;
    enum kind kind;
    bool is_required;
    size_t at, n_at;
    uint64_t min, max;
};

#define AT(field) offsetof(struct vm_conf, field)

static const struct row rows[] = {
    {"TOKEN", TOKEN, true, AT(token), 0, 0, 0},
    {"NAME", TEXT, true, AT(name), 0, 0, 0},
    {"UUID", UUID, true, AT(uuid), 0, 0, 0},
    {"URI", TEXT, true, AT(uri), 0, 0, 0},
    {"IMAGE", PATH, true, AT(image), 0, 0, 0},
    {"IMAGE_CHECKSUM", CHECKSUM, false, AT(image_sha256), 0, 0, 0},
    {"CPUS", NUMBER, true, AT(cpus), 0, 1, 4096},
    {"MEMORY_MIB", NUMBER, true, AT(memory_mib), 0, 1, 1 << 26},
    {"DISK", SIZES, false, AT(disks), AT(n_disks), 512, INT64_MAX},
    {"RESULT_BYTES", NUMBER, true, AT(result_bytes), 0, 65536, INT64_MAX},
    {"EXECUTABLE", PATH, true, AT(executable), 0, 0, 0},
    {"INPUT", NAMES, false, AT(inputs), AT(n_inputs), 0, 0},
    {"OUTPUT", NAMES, false, AT(outputs), AT(n_outputs), 0, 0},
    {"STDIN", FLAG, false, AT(has_stdin), 0, 0, 0},
    {"WALLTIME_S", NUMBER, true, AT(walltime_s), 0, 0, INT32_MAX},
    {"BOOT_TIMEOUT_S", NUMBER, true, AT(boot_timeout_s), 0, 1, INT32_MAX},
    {"CACHE_MAX_BYTES", NUMBER, false, AT(cache_max_bytes), 0, 0, UINT64_MAX},
    {"CACHE_MAX_AGE_S", NUMBER, false, AT(cache_max_age_s), 0, 0, UINT64_MAX},
};

static int set_string(char **field, const char *value, bool is_good, const char *expected,
                      struct gw_err *err)
{
    if (!is_good)
        return gw_err_set(err, GW_EINVAL, "\"%.200s\" is not %s", value, expected);
    *field = xstrdup(value);
    return 0;
}

static bool is_uuid(const char *s)
{
    static const char form[] = "xxxxxxxx-xxxx-xxxx-xxxx-xxxxxxxxxxxx";
    if (strlen(s) != sizeof form - 1)
        return false;
    for (size_t i = 0; form[i]; i++)
        if (form[i] == '-' ? s[i] != '-' : !strchr("0123456789abcdefABCDEF", s[i]))
            return false;
    return true;
}

static int set_checksum(char **field, const char *value, struct gw_err *err)
{
    static const char prefix[] = "sha256:";
    const char *hex = value + sizeof prefix - 1;
    bool is_good = strncmp(value, prefix, sizeof prefix - 1) == 0 && strlen(hex) == 64 &&
                   strspn(hex, "0123456789abcdef") == 64;
    return set_string(field, is_good ? hex : value, is_good,
                      "a checksum sha256: and 64 lower-case hexadecimal digits", err);
}

static int set_sizes(const struct row *row, struct vm_conf *c, char *value, struct gw_err *err)
{
    char *save, *word = strtok_r(value, " \t", &save);
    for (; word; word = strtok_r(NULL, " \t", &save)) {
        uint64_t bytes;
        if (c->n_disks == VM_DISKS_MAX)
            return gw_err_set(err, GW_EINVAL, "more than %d disks", VM_DISKS_MAX);
        if (num_parse_u64(word, row->min, row->max, &bytes, err) < 0)
            return -GW_EINVAL;
        c->disks = xreallocarray(c->disks, c->n_disks + 1, sizeof *c->disks);
        c->disks[c->n_disks++] = bytes;
    }
    return 0;
}

static int add_name(char ***names, size_t *n, const char *value, struct gw_err *err)
{
    if (!vm_name_is_safe(value))
        return gw_err_set(err, GW_EINVAL, "\"%.200s\" is not a relative name below the directory",
                          value);
    *names = xreallocarray(*names, *n + 1, sizeof **names);
    (*names)[(*n)++] = xstrdup(value);
    return 0;
}

static int set(const struct row *row, struct vm_conf *c, char *value, struct gw_err *err)
{
    char *base = (char *)c;
    void *field = base + row->at;
    switch (row->kind) {
    case TEXT:
        return set_string(field, value, true, "", err);
    case TOKEN:
        return set_string(field, value, vm_token_is_safe(value), "a token", err);
    case UUID:
        return set_string(field, value, is_uuid(value), "a UUID", err);
    case PATH:
        return set_string(field, value, *value && !strchr(value, '\n'), "a path", err);
    case CHECKSUM:
        return set_checksum(field, value, err);
    case NUMBER:
        return num_parse_u64(value, row->min, row->max, field, err);
    case SIZES:
        return set_sizes(row, c, value, err);
    case FLAG:
        return num_parse_bool(value, field, err);
    case NAMES:
        return add_name(field, (size_t *)(base + row->n_at), value, err);
    }
    return -GW_EINTERNAL;
}

static const struct row *find_row(const char *key)
{
    for (size_t i = 0; i < GW_COUNT(rows); i++)
        if (strcmp(rows[i].key, key) == 0)
            return &rows[i];
    return NULL;
}

static int take(const struct kv *kv, struct vm_conf *c, bool *is_seen, const char *file,
                struct gw_err *err)
{
    const struct row *row = find_row(kv->key);
    if (!row || kv->index || kv->is_append || strlen(kv->value) != kv->value_len)
        return gw_err_set(err, GW_EINVAL, "%s:%u: %s is not a key of vm.conf", file,
                          kv->key_at.line, kv->key);
    bool *seen = &is_seen[row - rows];
    if (*seen && row->kind != NAMES)
        return gw_err_set(err, GW_EINVAL, "%s:%u: %s is there twice", file, kv->key_at.line,
                          kv->key);
    *seen = true;
    int r = set(row, c, kv->value, err);
    return r < 0 ? gw_err_context(err, "%s:%u: %s", file, kv->key_at.line, kv->key) : 0;
}

static int take_all(const struct kv_list *list, struct vm_conf *c, const char *file,
                    struct gw_err *err)
{
    bool is_seen[GW_COUNT(rows)] = {false};
    for (size_t i = 0; i < list->n; i++) {
        int r = take(&list->items[i], c, is_seen, file, err);
        if (r < 0)
            return r;
    }
    for (size_t i = 0; i < GW_COUNT(rows); i++)
        if (rows[i].is_required && !is_seen[i])
            return gw_err_set(err, GW_EINVAL, "%s: %s is missing", file, rows[i].key);
    return 0;
}

int vm_conf_parse(const char *text, size_t len, const char *file, struct vm_conf *ret,
                  struct gw_err *err)
{
    struct diags diags;
    diags_init(&diags, file, NULL);
    struct kv_list list = {0};
    struct vm_conf c = {0};
    int r = kv_parse(text, len, &list, &diags);
    if (r < 0)
        r = gw_err_set(err, GW_EINVAL, "%s:%u: %s", file, diags.n ? diags.items[0].place.line : 0,
                       diags.n ? diags.items[0].text : "not KEY = VALUE");
    else
        r = take_all(&list, &c, file, err);
    kv_clear(&list);
    diags_clear(&diags);
    if (r < 0)
        vm_conf_clear(&c);
    else
        *ret = c;
    return r;
}

static void free_names(char **names, size_t n)
{
    for (size_t i = 0; i < n; i++)
        free(names[i]);
    free(names);
}

void vm_conf_clear(struct vm_conf *c)
{
    free(c->token);
    free(c->name);
    free(c->uuid);
    free(c->uri);
    free(c->image);
    free(c->executable);
    free(c->image_sha256);
    free(c->disks);
    free_names(c->inputs, c->n_inputs);
    free_names(c->outputs, c->n_outputs);
    *c = (struct vm_conf){0};
}
