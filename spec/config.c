#include "spec/config.h"

#include "lib/err.h"
#include "lib/kv.h"
#include "lib/mem.h"
#include "lib/num.h"
#include "spec/subst.h"

#include <stdlib.h>
#include <string.h>

enum row_kind {
    ROW_TEXT,
    ROW_PATH,
    ROW_COUNT,
    ROW_DURATION,
    ROW_SIZE,
    ROW_MODE,
    ROW_YES,
    ROW_IM,
    ROW_TM,
    ROW_EM,
    ROW_NONE
};

struct row {
    const char *name;
    enum row_kind kind;
    const char *otherwise;
    size_t offset; /* in struct config */
    uint64_t min, max;
    const char *meaning;
};

#define AT(member) offsetof(struct config, member)
#define NO_LIMIT UINT32_MAX

enum { SOCKET_NAME_MAX = 107 }; /* unix(7) */

static const struct row rows[] = {
    {"IM_MAD", ROW_IM, "", 0, 0, 0,
     "an information driver: name:program:arguments:TM name:EM name; may stand several times"},
    {"TM_MAD", ROW_TM, "", 0, 0, 0,
     "a transfer driver: name:program:arguments; may stand several times"},
    {"EM_MAD", ROW_EM, "", 0, 0, 0,
     "an execution driver: name:program:arguments:rsl; may stand several times"},
    {"DM_SCHED", ROW_TEXT, "builtin", AT(dm_sched), 0, 0, "the scheduler; builtin is the only one"},
    {"STATE_DIR", ROW_PATH, "/var/lib/gwd", AT(state_dir), 0, 0,
     "directory of the daemon's state; one gwd uses it at a time"},
    {"SOCKET", ROW_PATH, "/run/gwd/gwd.sock", AT(socket), 0, 0, "the socket for clients"},
    {"SOCKET_MODE", ROW_MODE, "0600", AT(socket_mode), 0, 0777,
     "its permissions, octal; with MULTI_USER 0666 if not given"},
    {"MULTI_USER", ROW_YES, "no", AT(is_multi_user), 0, 0,
     "yes: jobs of many users, each run as its owner; gwd itself runs as an account of its own"},
    {"LAUNCHER", ROW_PATH, "", AT(launcher), 0, 0,
     "with MULTI_USER: the program that runs drivers as users, gw_launch(8); the installed one if "
     "not given"},
    {"LOG_LEVEL", ROW_TEXT, "info", AT(log_level), 0, 0,
     "least level that is logged: debug, info, warn, error"},
    {"ADMIN_GROUP", ROW_TEXT, "", AT(admin_group), 0, 0,
     "members administer this daemon, as root and its own user do; a process counts by the groups "
     "that it has, not by those of its user"},
    {"VISIBILITY", ROW_TEXT, "all", AT(visibility), 0, 0,
     "what users see of each other's jobs: all: their names, kinds, sizes and where they are, but "
     "no template, directory, credential, file, output or message; user: nothing. Administrators "
     "see everything"},
    {"DISCOVERY_INTERVAL", ROW_DURATION, "300", AT(discovery_s), 1, NO_LIMIT,
     "how often drivers are asked which hosts there are"},
    {"MONITORING_INTERVAL", ROW_DURATION, "180", AT(monitoring_s), 1, NO_LIMIT,
     "how often they are asked how each host is"},
    {"POLL_INTERVAL", ROW_DURATION, "300", AT(poll_s), 1, NO_LIMIT,
     "how often they are asked about running jobs, beside what they tell by themselves"},
    {"NUMBER_OF_JOBS", ROW_COUNT, "0", AT(jobs_max), 0, NO_LIMIT,
     "most unfinished jobs, tasks of arrays counted; 0: no limit"},
    {"MAX_JOBS_USER", ROW_COUNT, "2000000", AT(jobs_max_user), 0, NO_LIMIT,
     "of these, most of one user; 0: no limit"},
    {"MAX_LISTED_USER", ROW_COUNT, "2000000", AT(listed_max_user), 0, NO_LIMIT,
     "most jobs of one user in the listing: unfinished ones, and those that finished and wait for "
     "JOB_RETENTION; 0: no limit"},
    {"MAX_TEMPLATES_USER", ROW_SIZE, "1G", AT(templates_max_user), 0, 0,
     "most bytes of memory for templates that differ of one user's jobs in the listing: about 3 "
     "KiB for a small one, many times its text for a long list of files; 0: no limit"},
    {"MAX_CONNECTIONS_USER", ROW_COUNT, "1024", AT(connections_user), 1, NO_LIMIT,
     "most connections of one user; never more than half of all that there can be"},
    {"TASKS_PER_ARRAY", ROW_COUNT, "1000000", AT(array_max), 1, 100000000,
     "most tasks of one array"},
    {"DISPATCH_CHUNK", ROW_COUNT, "0", AT(dispatch_chunk), 0, NO_LIMIT,
     "most jobs started in one pass of the scheduler; 0: no limit"},
    {"MAX_DISPATCH_RESOURCE", ROW_COUNT, "0", AT(max_dispatch_resource), 0, NO_LIMIT,
     "of these, most at one host; 0: no limit"},
    {"MAX_RUNNING_USER", ROW_COUNT, "0", AT(max_running_user), 0, NO_LIMIT,
     "most jobs of one user under way; 0: no limit"},
    {"ATTEMPTS_MAX", ROW_COUNT, "5", AT(attempts_max), 1, 1000,
     "attempts of one task that failed for a site's sake, before the task fails"},
    {"JOB_RETENTION", ROW_DURATION, "1h", AT(retention_s), 0, NO_LIMIT,
     "how long a finished job stays in the listing, while gwd runs; afterwards it is found by its "
     "id, in the archive"},
    {"ARCHIVE_RETENTION", ROW_DURATION, "0", AT(archive_retention_s), 0, NO_LIMIT,
     "how long the archive keeps a job, while gwd runs; 0: for ever"},
    {"CANCEL_RETRY", ROW_DURATION, "30", AT(cancel_retry_s), 1, NO_LIMIT,
     "a cancel is repeated after so long until the site confirms it; the pause doubles, up to "
     "BACKOFF_MAX"},
    {"RETRY_INTERVAL", ROW_DURATION, "5", AT(retry_s), 1, NO_LIMIT,
     "first pause before something that failed is tried again; it doubles"},
    {"BACKOFF_MAX", ROW_DURATION, "10m", AT(backoff_max_s), 1, NO_LIMIT, "longest such pause"},
    {"SITE_FAILURES", ROW_COUNT, "3", AT(site_failures), 0, NO_LIMIT,
     "when so many tasks of an owner failed in a row for a site's sake, the site rests: his tasks "
     "are not sent there for a while; 0: never"},
    {"SITE_PAUSE", ROW_DURATION, "60", AT(site_pause_s), 1, NO_LIMIT,
     "for so long; then few are sent, and when one fails again, the pause doubles"},
    {"SITE_PAUSE_MAX", ROW_DURATION, "15m", AT(site_pause_max_s), 1, NO_LIMIT,
     "longest such pause"},
    {"LEASE_MARGIN", ROW_DURATION, "60", AT(lease_margin_s), 0, NO_LIMIT,
     "waited beyond a lease before a lost attempt is replaced; a payload that does not end when it "
     "is asked to has 10 s of it, and a virtual machine some more"},
    {"DRIVER_TIMEOUT", ROW_DURATION, "10m", AT(driver_timeout_s), 1, NO_LIMIT,
     "a driver that leaves a request unanswered for so long is started anew; a copy of which it "
     "tells nothing for so long is broken off and begun again"},
    {"COPY_TIMEOUT", ROW_DURATION, "1d", AT(copy_timeout_s), 1, NO_LIMIT,
     "so is a copy after so long by a driver that does not tell how far its copies are "
     "(GridWay's)"},
    {"CREDENTIAL_MIN_LIFE", ROW_DURATION, "15m", AT(credential_life_s), 0, NO_LIMIT,
     "no job is started in the name of a credential (a proxy certificate) with less left; GRAM "
     "refuses less than 10m"},
    {"CREDENTIAL_RENEW", ROW_TEXT, "", AT(credential_renew), 0, 0,
     "a command that renews a credential, whose path gets its last argument; an absolute path and "
     "arguments, no shell"},
    {"CREDENTIAL_RENEW_BEFORE", ROW_DURATION, "1h", AT(credential_renew_s), 0, NO_LIMIT,
     "it is run when a credential has less left"},
    {"WRAPPER", ROW_PATH, "", AT(wrapper), 0, 0,
     "the wrapper script that is staged with each job; the installed one if not given"},
    {"GWVM", ROW_PATH, "", AT(gwvm), 0, 0,
     "the program that is staged with VM jobs; the installed one if not given"},
    {"VM_URI", ROW_TEXT, "qemu:///session", AT(vm_uri), 0, 0,
     "libvirt's URI of the hypervisor, as seen at the site; for qemu:///session gwvm runs the QEMU "
     "driver itself, no daemon is needed"},
    {"VM_CACHE_MAX", ROW_SIZE, "50G", AT(vm_cache_bytes), 0, 0,
     "space for cached images at a site"},
    {"VM_CACHE_AGE", ROW_DURATION, "30d", AT(vm_cache_age_s), 1, NO_LIMIT,
     "an image that was not used for so long is removed"},
    {"MIN_FREE_SPACE", ROW_SIZE, "64M", AT(min_free_bytes), 0, 0,
     "below this on the state's file system no job is taken"},
    {"CHECKPOINT_EVERY", ROW_COUNT, "20000", AT(checkpoint_rows), 1, NO_LIMIT,
     "turns of the journal after which what changed in the state is written"},
    {"KEEP_EVENTS", ROW_COUNT, "100000", AT(keep_events), 0, NO_LIMIT,
     "events kept beyond that, for clients that watch from a number on"},
    {"GWD_PORT", ROW_NONE, "", 0, 0, 0, "GridWay's; clients use SOCKET"},
    {"MAX_NUMBER_OF_CLIENTS", ROW_NONE, "", 0, 0, 0, "GridWay's; connections are limited per user"},
    {"NUMBER_OF_ARRAYS", ROW_NONE, "", 0, 0, 0, "GridWay's; arrays are not limited in number"},
    {"NUMBER_OF_HOSTS", ROW_NONE, "", 0, 0, 0, "GridWay's; hosts are not limited in number"},
    {"NUMBER_OF_USERS", ROW_NONE, "", 0, 0, 0, "GridWay's; users are not limited in number"},
    {"SCHEDULING_INTERVAL", ROW_NONE, "", 0, 0, 0,
     "GridWay's; the scheduler runs whenever something changed"},
    {"MAX_ACTIVE_IM_QUERIES", ROW_NONE, "", 0, 0, 0,
     "GridWay's; queries are not limited in number"},
};

static const char *const kind_names[] = {"text",   "path",       "count",     "duration",
                                         "size",   "octal mode", "yes or no", "driver",
                                         "driver", "driver",     "not used"};

const struct config_variable *config_variables(size_t *ret_n)
{
    static struct config_variable list[GW_COUNT(rows)];
    for (size_t i = 0; i < GW_COUNT(rows); i++)
        list[i] =
            (struct config_variable){rows[i].name, kind_names[rows[i].kind], rows[i].otherwise,
                                     rows[i].meaning, rows[i].kind != ROW_NONE};
    *ret_n = GW_COUNT(rows);
    return list;
}

static const struct row *row_find(const char *name)
{
    for (size_t i = 0; i < GW_COUNT(rows); i++)
        if (strcmp(rows[i].name, name) == 0)
            return &rows[i];
    return NULL;
}

/* --- values --- */

static int parse_mode(const char *text, uint64_t *ret, struct gw_err *err)
{
    char *end;
    unsigned long v = strtoul(text, &end, 8);
    if (!*text || *end || strspn(text, "01234567") != strlen(text) || v > 0777)
        return gw_err_set(err, GW_EINVAL, "\"%s\" is not an octal mode from 0 to 0777", text);
    *ret = v;
    return 0;
}

static int parse_number(const struct row *row, const char *text, uint64_t *ret, struct gw_err *err)
{
    uint64_t v;
    int r;
    switch (row->kind) {
    case ROW_COUNT:
        return num_parse_u64(text, row->min, row->max, ret, err);
    case ROW_MODE:
        return parse_mode(text, ret, err);
    case ROW_SIZE:
        return num_parse_size(text, 1, ret, err);
    default:
        r = num_parse_duration(text, &v, err);
        if (r == 0 && (v < row->min || v > row->max))
            r = gw_err_set(err, GW_EINVAL, "\"%s\" is not a duration of at least %llu s", text,
                           (unsigned long long)row->min);
        if (r == 0)
            *ret = v;
        return r;
    }
}

static int set_value(struct config *c, const struct row *row, const char *text, struct gw_err *err)
{
    void *at = (char *)c + row->offset;
    if (row->kind == ROW_PATH && *text && *text != '/')
        return gw_err_set(err, GW_EINVAL, "\"%s\" is not an absolute path", text);
    if (row->kind == ROW_YES) {
        if (strcmp(text, "yes") != 0 && strcmp(text, "no") != 0)
            return gw_err_set(err, GW_EINVAL, "\"%s\" is neither yes nor no", text);
        *(bool *)at = strcmp(text, "yes") == 0;
        return 0;
    }
    if (row->kind == ROW_TEXT || row->kind == ROW_PATH) {
        free(*(char **)at);
        *(char **)at = *text ? xstrdup(text) : NULL;
        return 0;
    }
    return parse_number(row, text, at, err);
}

static int check_words(const struct row *row, const char *text, struct gw_err *err)
{
    static const char *const levels[] = {"debug", "info", "warn", "error"};
    if (strcmp(row->name, "DM_SCHED") == 0 && strcmp(text, "builtin") != 0)
        return gw_err_set(err, GW_EINVAL, "\"%s\" is not a scheduler; builtin is the only one",
                          text);
    if (strcmp(row->name, "SOCKET") == 0 && strlen(text) > SOCKET_NAME_MAX)
        return gw_err_set(err, GW_EINVAL, "a socket's name has at most %d bytes, this one %zu",
                          SOCKET_NAME_MAX, strlen(text));
    if (strcmp(row->name, "VISIBILITY") == 0 && strcmp(text, "all") != 0 &&
        strcmp(text, "user") != 0)
        return gw_err_set(err, GW_EINVAL, "\"%s\" is not one of all, user", text);
    if (strcmp(row->name, "LOG_LEVEL") != 0)
        return 0;
    for (size_t i = 0; i < GW_COUNT(levels); i++)
        if (strcmp(levels[i], text) == 0)
            return 0;
    return gw_err_set(err, GW_EINVAL, "\"%s\" is not one of debug, info, warn, error", text);
}

/* --- drivers --- */

enum { PARTS_MAX = 6 };

/* Split at colons; "\:" is a colon that separates nothing. Returns the number of parts, at most
 * PARTS_MAX. */
static size_t split(const char *text, char *parts[PARTS_MAX])
{
    size_t n = 0;
    struct buf part = BUF_INIT;
    for (const char *p = text;; p++) {
        if (p[0] == '\\' && p[1] == ':') {
            buf_putc(&part, *++p);
        } else if (*p && *p != ':') {
            buf_putc(&part, *p);
        } else {
            if (n < PARTS_MAX)
                parts[n++] = buf_take(&part);
            buf_clear(&part);
            if (!*p)
                return n;
        }
    }
}

static bool name_is_good(const char *name)
{
    static const char allowed[] =
        "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_-.";
    return *name && strlen(name) <= 64 && strspn(name, allowed) == strlen(name);
}

static void add_driver(struct config *c, const struct row *row, const struct kv *kv,
                       struct diags *d)
{
    static const struct {
        size_t least, most;
        const char *form;
    } forms[] = {[ROW_IM] = {5, 5, "name:program:arguments:TM name:EM name"},
                 [ROW_TM] = {2, 3, "name:program:arguments"},
                 [ROW_EM] = {4, 4, "name:program:arguments:rsl"}};
    char *parts[PARTS_MAX] = {0};
    size_t column, n = split(kv->value, parts);
    bool is_good = n >= forms[row->kind].least && n <= forms[row->kind].most &&
                   name_is_good(parts[0]) && *parts[1];
    if (!is_good) {
        diags_add(d, DIAG_ERROR, kv->value_at,
                  "a colon inside a part is written \\:", "\"%s\" is not of the form %s", kv->value,
                  forms[row->kind].form);
    } else if (n > 2 && subst_words_check(parts[2], &column) < 0) {
        diags_add(d, DIAG_ERROR, kv->value_at, NULL,
                  "in the arguments \"%s\" a quote is not closed", parts[2]);
        is_good = false;
    } else if (row->kind == ROW_EM && strcmp(parts[3], "rsl") != 0 &&
               strcmp(parts[3], "rsl_nsh") != 0) {
        diags_add(d, DIAG_ERROR, kv->value_at, NULL,
                  "\"%s\" is not a language of job descriptions; rsl and rsl_nsh are", parts[3]);
        is_good = false;
    }
    if (!is_good) {
        for (size_t i = 0; i < n; i++)
            free(parts[i]);
        return;
    }
    struct config_driver driver = {.name = parts[0],
                                   .path = parts[1],
                                   .arguments = parts[2] ? parts[2] : xstrdup(""),
                                   .tm = row->kind == ROW_IM ? parts[3] : NULL,
                                   .em = row->kind == ROW_IM ? parts[4] : NULL,
                                   .mode = row->kind == ROW_EM ? parts[3] : NULL,
                                   .at = kv->value_at};
    struct config_driver **list = row->kind == ROW_IM   ? &c->ims
                                  : row->kind == ROW_TM ? &c->tms
                                                        : &c->ems;
    size_t *count = row->kind == ROW_IM ? &c->n_ims : row->kind == ROW_TM ? &c->n_tms : &c->n_ems;
    *list = xreallocarray(*list, *count + 1, sizeof **list);
    (*list)[(*count)++] = driver;
}

static bool has_name(const struct config_driver *list, size_t n, const char *name)
{
    for (size_t i = 0; i < n; i++)
        if (strcmp(list[i].name, name) == 0)
            return true;
    return false;
}

static void check_names(const struct config_driver *list, size_t n, const char *key,
                        struct diags *d)
{
    for (size_t i = 0; i < n; i++)
        if (has_name(list, i, list[i].name))
            diags_add(d, DIAG_ERROR, list[i].at, NULL, "a second %s is named %s", key,
                      list[i].name);
}

static void check_drivers(const struct config *c, struct diags *d)
{
    struct place whole = {0};
    check_names(c->ims, c->n_ims, "IM_MAD", d);
    check_names(c->tms, c->n_tms, "TM_MAD", d);
    check_names(c->ems, c->n_ems, "EM_MAD", d);
    for (size_t i = 0; i < c->n_ims; i++) {
        if (!has_name(c->tms, c->n_tms, c->ims[i].tm))
            diags_add(d, DIAG_ERROR, c->ims[i].at, NULL, "no TM_MAD is named \"%s\"", c->ims[i].tm);
        if (!has_name(c->ems, c->n_ems, c->ims[i].em))
            diags_add(d, DIAG_ERROR, c->ims[i].at, NULL, "no EM_MAD is named \"%s\"", c->ims[i].em);
    }
    if (!c->n_ims || !c->n_tms || !c->n_ems)
        diags_add(d, DIAG_ERROR, whole, NULL,
                  "there must be at least one IM_MAD, one TM_MAD and one EM_MAD");
}

/* --- the whole --- */

static void set_defaults(struct config *c)
{
    for (size_t i = 0; i < GW_COUNT(rows); i++)
        if (rows[i].kind < ROW_IM)
            set_value(c, &rows[i], rows[i].otherwise, NULL);
}

static void take(struct config *c, const struct kv_list *list, size_t i, struct diags *d)
{
    const struct kv *kv = &list->items[i];
    const struct row *row = row_find(kv->key);
    struct gw_err err;
    if (!row) {
        const char *names[GW_COUNT(rows)];
        for (size_t k = 0; k < GW_COUNT(rows); k++)
            names[k] = rows[k].name;
        const char *nearest = diag_nearest(kv->key, names, GW_COUNT(names));
        char *hint = nearest ? xasprintf("did you mean %s?", nearest) : NULL;
        diags_add(d, DIAG_ERROR, kv->key_at, hint, "%s is not a variable of the configuration",
                  kv->key);
        free(hint);
        return;
    }
    if (kv->index || kv->is_append) {
        diags_add(d, DIAG_ERROR, kv->key_at, NULL, "%s takes neither an index nor +=", kv->key);
        return;
    }
    if (row->kind >= ROW_IM && row->kind <= ROW_EM) {
        add_driver(c, row, kv, d);
        return;
    }
    for (size_t k = 0; k < i; k++)
        if (strcmp(list->items[k].key, kv->key) == 0) {
            diags_add(d, DIAG_ERROR, kv->key_at, NULL, "%s stands in line %u already", kv->key,
                      list->items[k].key_at.line);
            return;
        }
    if (row->kind == ROW_NONE)
        diags_add(d, DIAG_WARNING, kv->key_at, NULL, "%s has no meaning here: %s", kv->key,
                  row->meaning);
    else if (*kv->value &&
             (check_words(row, kv->value, &err) < 0 || set_value(c, row, kv->value, &err) < 0))
        diags_add(d, DIAG_ERROR, kv->value_at, NULL, "%s: %s", kv->key, err.text);
}

/* The kernel says who a client is, and each acts for himself: any may come. */
static void open_socket(struct config *c, const struct kv_list *list)
{
    enum { MODE_OF_ALL = 0666 };
    for (size_t i = 0; i < list->n; i++)
        if (strcmp(list->items[i].key, "SOCKET_MODE") == 0)
            return;
    c->socket_mode = MODE_OF_ALL;
}

int config_parse(const char *source, size_t len, struct config **ret, struct diags *d)
{
    struct config *c = xcalloc(1, sizeof *c);
    struct kv_list list = {0};
    set_defaults(c);
    kv_parse(source, len, &list, d);
    for (size_t i = 0; i < list.n; i++)
        take(c, &list, i, d);
    if (c->is_multi_user)
        open_socket(c, &list);
    kv_clear(&list);
    check_drivers(c, d);
    diags_sort(d);
    if (d->errors) {
        config_destroy(c);
        return -GW_EINVAL;
    }
    *ret = c;
    return 0;
}

static void drivers_free(struct config_driver *list, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        free(list[i].name);
        free(list[i].path);
        free(list[i].arguments);
        free(list[i].tm);
        free(list[i].em);
        free(list[i].mode);
    }
    free(list);
}

bool config_has_no_home(const struct config *c, const char *em)
{
    for (size_t i = 0; i < c->n_ems; i++)
        if (strcmp(c->ems[i].name, em) == 0)
            return strcmp(c->ems[i].mode, "rsl_nsh") == 0;
    return false;
}

void config_destroy(struct config *c)
{
    if (!c)
        return;
    drivers_free(c->ims, c->n_ims);
    drivers_free(c->tms, c->n_tms);
    drivers_free(c->ems, c->n_ems);
    for (size_t i = 0; i < GW_COUNT(rows); i++)
        if (rows[i].kind == ROW_TEXT || rows[i].kind == ROW_PATH)
            free(*(char **)((char *)c + rows[i].offset));
    free(c);
}
