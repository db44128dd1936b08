#include "gwd/daemon/settings.h"

#include "lib/file.h"
#include "lib/log.h"
#include "lib/mem.h"
#include "spec/config.h"
#include "spec/subst.h"

#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { CONFIG_MAX_BYTES = 1 << 20, REMAINS_MAX = 10000 };

struct settings {
    struct config *config;
    struct engine_config engine;
    struct engine_im *ims;
    struct driver_settings *drivers;
    size_t n_drivers;
    char *spool, *wrapper, *gwvm;
    char *launcher; /* NULL: single-user mode */
    char **renew;
};

char *settings_libexec(void)
{
    static const char *const places[] = {"../libexec/gwd", "../libexec"};
    char self[PATH_MAX];
    ssize_t n = readlink("/proc/self/exe", self, sizeof self - 1);
    if (n < 0)
        return xstrdup(".");
    self[n] = '\0';
    *strrchr(self, '/') = '\0';
    for (size_t i = 0; i < GW_COUNT(places); i++) {
        char *candidate = xasprintf("%s/%s", self, places[i]),
             *script = xasprintf("%s/gw_wrapper.sh", candidate);
        char *found = access(script, R_OK) == 0 ? realpath(candidate, NULL) : NULL;
        free(candidate);
        free(script);
        if (found)
            return found;
    }
    return xstrdup(self);
}

/* A driver's arguments are words, as in a shell without anything but quoting. */
static int driver_argv(const struct config_driver *c, const char *libexec,
                       struct driver_settings *ret, struct gw_err *err)
{
    char **words;
    size_t n;
    if (subst_words(c->arguments, NULL, NULL, &words, &n, err) < 0)
        return gw_err_context(err, "the arguments of driver %s", c->name);
    ret->argv = xcalloc(n + 2, sizeof *ret->argv);
    ret->argv[0] = c->path[0] == '/' ? xstrdup(c->path) : xasprintf("%s/%s", libexec, c->path);
    for (size_t i = 0; i < n; i++)
        ret->argv[i + 1] = xstrdup(words[i]);
    subst_words_free(words);
    if (access(ret->argv[0], X_OK) < 0)
        return gw_err_sys(err, errno, "driver %s: %s", c->name, ret->argv[0]);
    return 0;
}

static int add_drivers(struct settings *s, enum driver_kind kind, const struct config_driver *list,
                       size_t n, const char *libexec, struct gw_err *err)
{
    int r = 0;
    for (size_t i = 0; r == 0 && i < n; i++) {
        s->drivers = xreallocarray(s->drivers, s->n_drivers + 1, sizeof *s->drivers);
        struct driver_settings *d = &s->drivers[s->n_drivers++];
        *d = (struct driver_settings){.kind = kind, .name = xstrdup(list[i].name)};
        r = driver_argv(&list[i], libexec, d, err);
    }
    return r;
}

static int renew_argv(struct settings *s, struct gw_err *err)
{
    size_t n;
    if (!s->config->credential_renew)
        return 0;
    if (subst_words(s->config->credential_renew, NULL, NULL, &s->renew, &n, err) < 0)
        return gw_err_context(err, "CREDENTIAL_RENEW");
    if (n && access(s->renew[0], X_OK) < 0)
        return gw_err_sys(err, errno, "CREDENTIAL_RENEW: %s", s->renew[0]);
    return 0;
}

static int find_launcher(struct settings *s, const char *libexec, struct gw_err *err)
{
    const struct config *c = s->config;
    if (!c->is_multi_user)
        return 0;
    s->launcher = c->launcher ? xstrdup(c->launcher) : xasprintf("%s/gw_launch", libexec);
    if (access(s->launcher, X_OK) < 0)
        return gw_err_sys(err, errno, "MULTI_USER needs gw_launch(8): %s", s->launcher);
    return 0;
}

static int64_t us(uint64_t seconds)
{
    return (int64_t)seconds * 1000000;
}

static void fill_engine(struct settings *s, const char *libexec)
{
    const struct config *c = s->config;
    s->spool = xasprintf("%s/spool", c->state_dir);
    s->wrapper = c->wrapper ? xstrdup(c->wrapper) : xasprintf("%s/gw_wrapper.sh", libexec);
    s->gwvm = c->gwvm ? xstrdup(c->gwvm) : xasprintf("%s/gwvm", libexec);
    s->engine = (struct engine_config){.spool = s->spool,
                                       .wrapper = s->wrapper,
                                       .gwvm = s->gwvm,
                                       .vm_uri = c->vm_uri ? c->vm_uri : "qemu:///session",
                                       .limits = {.per_pass = c->dispatch_chunk,
                                                  .per_host = c->max_dispatch_resource,
                                                  .per_user = c->max_running_user},
                                       .attempts_max = c->attempts_max,
                                       .remains_max = REMAINS_MAX,
                                       .jobs_max = c->jobs_max,
                                       .array_max = c->array_max,
                                       .jobs_max_user = c->jobs_max_user,
                                       .listed_max_user = c->listed_max_user,
                                       .templates_max_user = c->templates_max_user,
                                       .hides_others = strcmp(c->visibility, "user") == 0,
                                       .cancel_retry_us = us(c->cancel_retry_s),
                                       .retry_us = us(c->retry_s),
                                       .backoff_max_us = us(c->backoff_max_s),
                                       .poll_us = us(c->poll_s),
                                       .lease_margin_us = us(c->lease_margin_s),
                                       .retention_us = us(c->retention_s),
                                       .discovery_us = us(c->discovery_s),
                                       .monitoring_us = us(c->monitoring_s),
                                       .site_failures = c->site_failures,
                                       .site_pause_us = us(c->site_pause_s),
                                       .site_pause_max_us = us(c->site_pause_max_s),
                                       .credential_life_us = us(c->credential_life_s),
                                       .vm_cache_max_bytes = c->vm_cache_bytes,
                                       .vm_cache_age_s = c->vm_cache_age_s,
                                       .is_multi_user = c->is_multi_user,
                                       .keeps_traces = true};
    s->ims = xcalloc(c->n_ims, sizeof *s->ims);
    for (size_t i = 0; i < c->n_ims; i++)
        s->ims[i] = (struct engine_im){c->ims[i].name, c->ims[i].tm, c->ims[i].em,
                                       config_has_no_home(c, c->ims[i].em)};
}

int settings_from_text(const char *file, const char *text, struct settings **ret,
                       struct gw_err *err)
{
    struct settings *s = xcalloc(1, sizeof *s);
    struct buf report = BUF_INIT;
    struct diags d;
    diags_init(&d, file, text);
    int r = config_parse(text, strlen(text), &s->config, &d);
    diags_print(&d, isatty(STDERR_FILENO), &report);
    if (report.len)
        fputs(report.data, stderr);
    buf_clear(&report);
    if (r < 0)
        gw_err_set(err, GW_EINVAL, "%s has %zu error%s", file, d.errors, d.errors == 1 ? "" : "s");
    diags_clear(&d);
    if (r == 0) {
        char *libexec = settings_libexec();
        fill_engine(s, libexec);
        r = add_drivers(s, DRIVER_IM, s->config->ims, s->config->n_ims, libexec, err);
        if (r == 0)
            r = renew_argv(s, err);
        if (r == 0)
            r = find_launcher(s, libexec, err);
        if (r == 0)
            r = add_drivers(s, DRIVER_TM, s->config->tms, s->config->n_tms, libexec, err);
        if (r == 0)
            r = add_drivers(s, DRIVER_EM, s->config->ems, s->config->n_ems, libexec, err);
        free(libexec);
    }
    if (r < 0)
        settings_destroy(s);
    else
        *ret = s;
    return r;
}

int settings_load(const char *file, bool is_acted_on, struct settings **ret, struct gw_err *err)
{
    struct buf text = BUF_INIT;
    int r = is_acted_on ? file_read_trusted(file, CONFIG_MAX_BYTES, &text, err)
                        : file_read(file, CONFIG_MAX_BYTES, &text, err);
    if (r == 0 && strlen(buf_str(&text)) != text.len)
        r = gw_err_set(err, GW_EINVAL, "%s has a NUL byte", file);
    if (r == 0)
        r = settings_from_text(file, buf_str(&text), ret, err);
    buf_clear(&text);
    return r;
}

void settings_destroy(struct settings *s)
{
    if (!s)
        return;
    for (size_t i = 0; i < s->n_drivers; i++) {
        for (char **p = s->drivers[i].argv; p && *p; p++)
            free(*p);
        free(s->drivers[i].argv);
        free(s->drivers[i].name);
    }
    free(s->drivers);
    free(s->ims);
    free(s->spool);
    free(s->wrapper);
    free(s->gwvm);
    free(s->launcher);
    subst_words_free(s->renew);
    config_destroy(s->config);
    free(s);
}

const struct engine_config *settings_engine(const struct settings *s)
{
    return &s->engine;
}

const struct engine_im *settings_ims(const struct settings *s, size_t *ret_n)
{
    *ret_n = s->config->n_ims;
    return s->ims;
}

const struct driver_settings *settings_drivers(const struct settings *s, size_t *ret_n)
{
    *ret_n = s->n_drivers;
    return s->drivers;
}

const char *settings_state_dir(const struct settings *s)
{
    return s->config->state_dir;
}

const char *settings_socket(const struct settings *s)
{
    return s->config->socket;
}

unsigned settings_socket_mode(const struct settings *s)
{
    return (unsigned)s->config->socket_mode;
}

const char *settings_launcher(const struct settings *s)
{
    return s->launcher;
}

const char *settings_admin_group(const struct settings *s)
{
    return s->config->admin_group;
}

size_t settings_connections_user(const struct settings *s)
{
    return s->config->connections_user;
}

uint64_t settings_driver_timeout_s(const struct settings *s)
{
    return s->config->driver_timeout_s;
}

uint64_t settings_copy_timeout_s(const struct settings *s)
{
    return s->config->copy_timeout_s;
}

uint64_t settings_min_free_bytes(const struct settings *s)
{
    return s->config->min_free_bytes;
}

uint64_t settings_checkpoint_rows(const struct settings *s)
{
    return s->config->checkpoint_rows;
}

uint64_t settings_keep_events(const struct settings *s)
{
    return s->config->keep_events;
}

int64_t settings_archive_retention_us(const struct settings *s)
{
    return us(s->config->archive_retention_s);
}

uint64_t settings_renew_before_s(const struct settings *s)
{
    return s->config->credential_renew_s;
}

char **settings_renew_argv(const struct settings *s)
{
    return s->renew;
}

int settings_log_level(const struct settings *s)
{
    static const struct {
        const char *name;
        enum log_level level;
    } levels[] = {
        {"debug", LOG_DEBUG}, {"info", LOG_INFO}, {"warn", LOG_WARN}, {"error", LOG_ERROR}};
    for (size_t i = 0; i < GW_COUNT(levels); i++)
        if (s->config->log_level && strcmp(levels[i].name, s->config->log_level) == 0)
            return levels[i].level;
    return LOG_INFO;
}
