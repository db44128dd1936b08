#include "vm/session.h"

#include "lib/file.h"
#include "lib/mem.h"
#include "vm/process.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

/* The owner's pid and token from the text "PID TOKEN\n"; false when it is another token's. */
static bool is_owner_of(const char *text, const char *token, pid_t *ret_pid)
{
    char *end;
    long pid = strtol(text, &end, 10);
    size_t n = strlen(token);
    if (pid <= 1 || *end != ' ' || strncmp(end + 1, token, n) != 0 ||
        strcmp(end + 1 + n, "\n") != 0)
        return false;
    *ret_pid = (pid_t)pid;
    return true;
}

/* The pid may have been used again since; only while the lock is held is it the owner's, so look
 * once more. */
static int stop_owner(int fd, pid_t pid, const char *dir, int timeout_ms, struct gw_err *err)
{
    struct process p;
    if (process_open(pid, &p) < 0)
        return 0;
    int r = 0;
    if (flock(fd, LOCK_EX | LOCK_NB) < 0) {
        process_signal(&p, SIGTERM);
        if (process_wait(&p, timeout_ms) < 0)
            r = gw_err_set(err, GW_ETIMEDOUT, "process %ld, owner of %s, did not end in %d ms",
                           (long)pid, dir, timeout_ms);
    }
    process_close(&p);
    return r;
}

/* 1 when `dir` was a session of `token` and is gone, 0 when it was none. */
static int end_session(const char *dir, const char *token, int timeout_ms, struct gw_err *err)
{
    char *path = xasprintf("%s/owner", dir);
    struct buf text = BUF_INIT;
    pid_t pid;
    int r = 0;
    int fd = open(path, O_RDWR | O_NOFOLLOW | O_CLOEXEC);
    if (fd >= 0 && file_read(path, 4096, &text, NULL) == 0 &&
        is_owner_of(buf_str(&text), token, &pid)) {
        r = stop_owner(fd, pid, dir, timeout_ms, err);
        if (r == 0) {
            struct session s = {.dir = xstrdup(dir), .owner_fd = -1};
            session_kill(&s, token);
            session_destroy(&s);
            r = 1;
        }
    }
    if (fd >= 0)
        close(fd);
    buf_clear(&text);
    free(path);
    return r;
}

static int sweep_base(const char *base, const char *token, int timeout_ms, struct gw_err *err)
{
    struct stat st;
    if (lstat(base, &st) < 0 || !S_ISDIR(st.st_mode) || st.st_uid != geteuid())
        return 0;
    DIR *d = opendir(base);
    if (!d)
        return gw_err_sys(err, errno, "reading directory %s", base);
    int n = 0, failure = 0;
    struct dirent *e;
    while ((e = readdir(d))) {
        if (e->d_name[0] == '.')
            continue;
        char *dir = xasprintf("%s/%s", base, e->d_name);
        int r = end_session(dir, token, timeout_ms, err);
        if (r < 0)
            failure = r;
        else
            n += r;
        free(dir);
    }
    closedir(d);
    return failure < 0 ? failure : n;
}

int session_sweep(const char *token, int timeout_ms, struct gw_err *err)
{
    int total = 0;
    for (size_t i = 0; i < session_bases(); i++) {
        char *base = session_base(i);
        int r = sweep_base(base, token, timeout_ms, err);
        free(base);
        if (r < 0)
            return r;
        total += r;
    }
    return total;
}
