#include "wrappers/plain/payload.h"

#include "lib/mem.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <spawn.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static bool is_program(const char *path)
{
    struct stat st;
    return stat(path, &st) == 0 && S_ISREG(st.st_mode) && access(path, X_OK) == 0;
}

static char *find_in_path(const char *name)
{
    const char *dirs = getenv("PATH");
    for (const char *p = dirs ? dirs : "/usr/local/bin:/usr/bin:/bin"; *name;) {
        int n = (int)strcspn(p, ":");
        char *path = xasprintf("%.*s/%s", n ? n : 1, n ? p : ".", name);
        if (is_program(path))
            return path;
        free(path);
        if (!p[n])
            break;
        p += n + 1;
    }
    return NULL;
}

int payload_find(const char *executable, char **ret_path, struct gw_err *err)
{
    struct stat st;
    if (!strchr(executable, '/')) {
        char *path = find_in_path(executable);
        if (!path)
            return gw_err_set(err, GW_ENOENT, "%s is not found in PATH", executable);
        *ret_path = path;
        return 0;
    }
    if (stat(executable, &st) < 0)
        return gw_err_set(err, GW_ENOENT, "%s does not exist", executable);
    if (strncmp(executable, "./", 2) == 0 && !(st.st_mode & S_IXUSR))
        (void)!chmod(executable, (st.st_mode & 07777) | S_IXUSR);
    if (!is_program(executable))
        return gw_err_set(err, GW_EPERM, "%s is not a program that can be run", executable);
    *ret_path = xstrdup(executable);
    return 0;
}

struct streams {
    int fds[3];
};

static void close_streams(struct streams *s)
{
    for (size_t i = 0; i < GW_COUNT(s->fds); i++)
        if (s->fds[i] >= 0)
            close(s->fds[i]);
}

static int open_streams(const char *input, struct streams *s, struct gw_err *err)
{
    const int flags = O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC;
    s->fds[0] = open(input, O_RDONLY | O_CLOEXEC);
    s->fds[1] = open("stdout.execution", flags, 0666);
    s->fds[2] = open("stderr.execution", flags, 0666);
    if (s->fds[0] >= 0 && s->fds[1] >= 0 && s->fds[2] >= 0)
        return 0;
    close_streams(s);
    return gw_err_set(err, GW_EIO, "the payload's streams cannot be opened in the job directory");
}

static int spawn(const char *path, char *const argv[], const struct streams *s, pid_t *ret)
{
    posix_spawn_file_actions_t files;
    posix_spawnattr_t attr;
    sigset_t none, all;
    sigemptyset(&none);
    sigfillset(&all);
    posix_spawn_file_actions_init(&files);
    for (int i = 0; i < (int)GW_COUNT(s->fds); i++)
        posix_spawn_file_actions_adddup2(&files, s->fds[i], i);
    posix_spawnattr_init(&attr);
    posix_spawnattr_setsigmask(&attr, &none);
    posix_spawnattr_setsigdefault(&attr, &all);
    posix_spawnattr_setflags(
        &attr, (short)(POSIX_SPAWN_SETSID | POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSIGDEF));
    int e = posix_spawn(ret, path, &files, &attr, argv, environ);
    posix_spawnattr_destroy(&attr);
    posix_spawn_file_actions_destroy(&files);
    return e;
}

/* A script without a first line that names its shell, as execvp(3) runs it. */
static int spawn_script(const char *path, char *const argv[], const struct streams *s, pid_t *ret)
{
    size_t n = 1;
    while (argv[n])
        n++;
    char **words = xcalloc(n + 2, sizeof *words);
    words[0] = (char *)"/bin/sh";
    words[1] = (char *)path;
    memcpy(words + 2, argv + 1, n * sizeof *words);
    int e = spawn(words[0], words, s, ret);
    free(words);
    return e;
}

pid_t payload_start(const char *path, char *const argv[], const char *input, int *ret_code,
                    struct gw_err *err)
{
    struct streams s;
    pid_t pid = 0;
    int r = open_streams(input, &s, err);
    if (r < 0)
        return r;
    int e = spawn(path, argv, &s, &pid);
    if (e == ENOEXEC)
        e = spawn_script(path, argv, &s, &pid);
    if (e) {
        dprintf(s.fds[2], "gw_wrapper: %s: %s\n", argv[0], strerror(e));
        *ret_code = e == ENOENT ? 127 : 126;
        pid = 0;
    }
    close_streams(&s);
    return pid;
}
