#include "em/launch.h"

#include "em/attempt.h"
#include "lib/file.h"
#include "lib/mem.h"
#include "spec/rsl.h"

#include <errno.h>
#include <fcntl.h>
#include <pwd.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <unistd.h>

static const char *home(void)
{
    const char *h = getenv("HOME");
    if (!h || h[0] != '/') {
        const struct passwd *pw = getpwuid(getuid());
        h = pw ? pw->pw_dir : "/";
    }
    return h;
}

static void env_put(char ***env, size_t *n, const char *name, const char *value)
{
    size_t len = strlen(name);
    char *entry = xasprintf("%s=%s", name, value);
    for (size_t i = 0; i < *n; i++)
        if (strncmp((*env)[i], name, len) == 0 && (*env)[i][len] == '=') {
            free((*env)[i]);
            (*env)[i] = entry;
            return;
        }
    *env = xreallocarray(*env, *n + 2, sizeof **env);
    (*env)[(*n)++] = entry;
    (*env)[*n] = NULL;
}

static char **account_env(size_t *n)
{
    static const char *const names[] = {"USER", "LOGNAME", "SHELL",
                                        "TZ",   "LANG",    "XDG_RUNTIME_DIR"};
    char **env = NULL;
    *n = 0;
    env_put(&env, n, "HOME", home());
    env_put(&env, n, "PATH", getenv("PATH") ? getenv("PATH") : "/usr/local/bin:/usr/bin:/bin");
    for (size_t i = 0; i < GW_COUNT(names); i++)
        if (getenv(names[i]))
            env_put(&env, n, names[i], getenv(names[i]));
    return env;
}

char **launch_account_env(void)
{
    size_t n;
    return account_env(&n);
}

void launch_env_free(char **env)
{
    for (size_t i = 0; env && env[i]; i++)
        free(env[i]);
    free(env);
}

static char **build_env(const struct rsl *rsl, struct gw_err *err)
{
    size_t n;
    char **env = account_env(&n);
    const struct rsl_relation *own = rsl_find(rsl, "environment");
    for (size_t i = 0; own && i + 1 < own->n; i += 2) {
        const char *name = own->values[i];
        if (!name[0] || strchr(name, '=')) {
            gw_err_set(err, GW_EINVAL, "\"%s\" is not a name of an environment variable", name);
            launch_env_free(env);
            return NULL;
        }
        env_put(&env, &n, name, own->values[i + 1]);
    }
    return env;
}

static char **build_argv(const struct rsl *rsl)
{
    const struct rsl_relation *args = rsl_find(rsl, "arguments");
    size_t n = args ? args->n : 0;
    char **argv = xcalloc(n + 2, sizeof *argv);
    argv[0] = xstrdup(rsl_get(rsl, "executable"));
    for (size_t i = 0; i < n; i++)
        argv[i + 1] = xstrdup(args->values[i]);
    return argv;
}

static char *std_file(const struct rsl *rsl, const char *name)
{
    const char *value = rsl_get(rsl, name);
    return xstrdup(value && value[0] ? value : "/dev/null");
}

static int check(const struct rsl *rsl, struct gw_err *err)
{
    static const char *const files[] = {"executable", "stdin", "stdout", "stderr", "directory"};
    const char *type = rsl_get(rsl, "jobtype"), *count = rsl_get(rsl, "count");
    const char *exe = rsl_get(rsl, "executable"), *token = rsl_getenv(rsl, "GW_TOKEN");
    if (token && !attempt_token_is_valid(token))
        return gw_err_set(err, GW_EINVAL, "GW_TOKEN \"%.60s\" is not a token", token);
    if (!exe || !exe[0])
        return gw_err_set(err, GW_EINVAL, "no executable is given");
    /* As GRAM's fork manager does, "single" runs one process whatever the count. */
    bool is_single = type && strcasecmp(type, "single") == 0;
    if (!is_single && type && strcasecmp(type, "multiple") != 0)
        return gw_err_set(err, GW_EINVAL, "jobtype \"%s\" is not served here, only single", type);
    if (!is_single && count && strcmp(count, "1") != 0)
        return gw_err_set(err, GW_EINVAL, "count is \"%s\"; one process is served here", count);
    for (size_t i = 0; i < GW_COUNT(files); i++) {
        const char *value = rsl_get(rsl, files[i]);
        if (value && strstr(value, "://"))
            return gw_err_set(err, GW_EINVAL, "%s is the URL \"%s\"; a path is expected", files[i],
                              value);
    }
    return 0;
}

static bool is_bare(const struct rsl *rsl)
{
    const char *staging = rsl_getenv(rsl, "GW_STAGING");
    return staging && strcmp(staging, "no") == 0 && rsl_getenv(rsl, "GW_TOKEN");
}

static int build(const struct rsl *rsl, struct launch *ret, struct gw_err *err)
{
    int r = check(rsl, err);
    char **env = r == 0 ? build_env(rsl, err) : NULL;
    if (!env)
        return -GW_EINVAL;
    const char *dir = rsl_get(rsl, "directory");
    *ret = (struct launch){
        .directory = !dir            ? xstrdup(home())
                     : dir[0] == '/' ? xstrdup(dir)
                                     : xasprintf("%s/%s", home(), dir),
        .is_bare = is_bare(rsl),
        .token = xstrdup(rsl_getenv(rsl, "GW_TOKEN")),
        .in = std_file(rsl, "stdin"),
        .out = std_file(rsl, "stdout"),
        .error = std_file(rsl, "stderr"),
        .argv = build_argv(rsl),
        .env = env,
    };
    return 0;
}

int launch_read(const char *description, struct launch *ret, struct gw_err *err)
{
    struct buf text = BUF_INIT;
    struct rsl rsl = {0};
    int r = 0;
    if (*description == '&')
        buf_puts(&text, description);
    else
        r = file_read(description, RSL_TEXT_MAX, &text, err);
    if (r < 0) {
        buf_clear(&text);
        return r == -GW_EINVAL ? -GW_EIO : r;
    }
    r = rsl_decode(buf_str(&text), text.len, &rsl, err);
    if (r == 0)
        r = build(&rsl, ret, err);
    rsl_clear(&rsl);
    buf_clear(&text);
    return r < 0 ? -GW_EINVAL : 0;
}

void launch_clear(struct launch *l)
{
    free(l->directory);
    free(l->token);
    free(l->in);
    free(l->out);
    free(l->error);
    launch_env_free(l->argv);
    launch_env_free(l->env);
    *l = (struct launch){0};
}
