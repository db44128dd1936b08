#include "cli/owner.h"
#include "cli/output.h"
#include "client/gw.h"
#include "lib/buf.h"
#include "lib/mem.h"

#include <fcntl.h>
#include <limits.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

char *owner_credential_path(void)
{
    const char *name = getenv("X509_USER_PROXY");
    if (!name || !*name)
        return NULL;
    if (*name == '/')
        return xstrdup(name);
    char *here = getcwd(NULL, 0), *path = here ? xasprintf("%s/%s", here, name) : xstrdup(name);
    free(here);
    return path;
}

const char *owner_credential_left(const json_t *credential, char text[MOMENT_MAX])
{
    const char *state = gw_text(credential, "state", "none");
    double left = gw_number(credential, "expires", 0) - (double)time(NULL);
    bool is_usable = strcmp(state, "valid") == 0 || strcmp(state, "short") == 0;
    if (is_usable && left > 0)
        return moment_span(left, text);
    snprintf(text, MOMENT_MAX, "%s", is_usable ? "expired" : state);
    return text;
}

struct facts {
    char *identity;
    int64_t end_s;
};

/* gw_credential, beside our own executable as `make install` or `make` put it; malloc'ed. */
static char *find_helper(void)
{
    static const char *const places[] = {"../libexec/gwd", "../libexec"};
    char self[PATH_MAX];
    ssize_t n = readlink("/proc/self/exe", self, sizeof self - 1);
    self[n > 0 ? n : 0] = '\0';
    char *slash = strrchr(self, '/');
    for (size_t i = 0; slash && i < GW_COUNT(places); i++) {
        char *path = xasprintf("%.*s/%s/gw_credential", (int)(slash - self), self, places[i]);
        if (access(path, X_OK) == 0)
            return path;
        free(path);
    }
    return NULL;
}

/* What it prints, of at most a few lines; its exit status, or -1. */
static int run_helper(const char *path, struct buf *out)
{
    enum { OUTPUT_MAX_BYTES = 65536 };
    char *helper = find_helper();
    const char *argv[] = {"gw_credential", path, NULL};
    posix_spawn_file_actions_t actions;
    int ends[2], status = -1;
    pid_t pid;
    if (!helper || pipe2(ends, O_CLOEXEC) < 0) {
        free(helper);
        return -1;
    }
    posix_spawn_file_actions_init(&actions);
    posix_spawn_file_actions_adddup2(&actions, ends[1], STDOUT_FILENO);
    int e = posix_spawn(&pid, helper, &actions, NULL, (char **)argv, environ);
    posix_spawn_file_actions_destroy(&actions);
    close(ends[1]);
    for (ssize_t n = 1; e == 0 && n > 0 && out->len < OUTPUT_MAX_BYTES;) {
        buf_reserve(out, 4096);
        n = read(ends[0], out->data + out->len, 4096);
        out->len += n > 0 ? (size_t)n : 0;
        out->data[out->len] = '\0';
    }
    close(ends[0]);
    if (e == 0 && (waitpid(pid, &status, 0) != pid || !WIFEXITED(status)))
        status = -1;
    free(helper);
    return e || status < 0 ? -1 : WEXITSTATUS(status);
}

/* `what` is set to malloc'ed text on failure. */
static int read_credential(const char *path, struct facts *ret, char **what)
{
    struct buf out = BUF_INIT;
    int status = run_helper(path, &out);
    char *identity = strstr(buf_str(&out), "\nIDENTITY="), *end = NULL;
    int64_t end_s = 0;
    if (status == 0 && identity && strncmp(out.data, "END=", 4) == 0)
        end_s = strtoll(out.data + 4, &end, 10);
    if (out.len && out.data[out.len - 1] == '\n')
        out.data[--out.len] = '\0';
    if (end && end == identity)
        *ret = (struct facts){.identity = xstrdup(identity + 10), .end_s = end_s};
    else
        *what = status == 1 && out.len
                    ? xstrdup(out.data)
                    : xasprintf("the credential %s: gw_credential, which looks into it, does "
                                "not run",
                                path);
    buf_clear(&out);
    return end && ret->identity ? 0 : -1;
}

void owner_warn(const char *path)
{
    struct facts facts = {0};
    char *what = NULL;
    if (read_credential(path, &facts, &what) < 0)
        output_error("%s; the job will wait for it where a site asks for one", what);
    else if (facts.end_s <= time(NULL))
        output_error("the credential %s has expired; the job will wait for it where a site asks "
                     "for one",
                     path);
    free(facts.identity);
    free(what);
}

void owner_print_credential(void)
{
    char *given = owner_credential_path(), *what = NULL;
    char *path = given ? xstrdup(given) : xasprintf("/tmp/x509up_u%lu", (unsigned long)getuid());
    struct facts facts = {0};
    char text[MOMENT_MAX];
    int r = read_credential(path, &facts, &what);
    double left = (double)(facts.end_s - time(NULL));
    if (r < 0)
        output_line("your credential: none (%s); grid-proxy-init makes one", what);
    else if (left <= 0)
        output_line("your credential: %s (%s), expired; grid-proxy-init makes a new one",
                    facts.identity, path);
    else
        output_line("your credential: %s (%s), %s left", facts.identity, path,
                    moment_span(left, text));
    free(facts.identity);
    free(what);
    free(path);
    free(given);
}
