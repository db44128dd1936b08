#include "vm/session.h"

#include "lib/file.h"
#include "lib/mem.h"
#include "vm/base.h"
#include "vm/name.h"
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
#include <unistd.h>

/* Whose session a directory is, as its file `owner` says. */
struct owner {
    int lock; /* the directory */
    pid_t pid;
    char token[130];
};

static bool read_owner(const char *dir, struct owner *ret)
{
    char *path = xasprintf("%s/owner", dir), *end;
    struct buf text = BUF_INIT;
    bool is_good = false;
    if (file_read(path, 256, &text, NULL) == 0) {
        long pid = strtol(buf_str(&text), &end, 10);
        is_good = pid > 1 && sscanf(end, " %129s", ret->token) == 1 && vm_token_is_safe(ret->token);
        ret->pid = (pid_t)pid;
    }
    buf_clear(&text);
    free(path);
    ret->lock = is_good ? open(dir, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC) : -1;
    return ret->lock >= 0;
}

static bool is_dead(const struct owner *o)
{
    return flock(o->lock, LOCK_EX | LOCK_NB) == 0;
}

/* Only while the lock is held is the pid the owner's, so that is looked at after the pidfd was
 * opened. */
static int stop(const struct owner *o, const char *dir, int timeout_ms, struct gw_err *err)
{
    struct process p;
    if (process_open(o->pid, &p) < 0)
        return 0;
    int r = 0;
    if (!is_dead(o)) {
        process_signal(&p, SIGTERM);
        if (process_wait(&p, timeout_ms) < 0)
            r = gw_err_set(err, GW_ETIMEDOUT, "process %ld, owner of %s, did not end in %d ms",
                           (long)o->pid, dir, timeout_ms);
    }
    process_close(&p);
    return r;
}

static void end_dead(const struct owner *o, const char *dir)
{
    struct session s = {.dir = xstrdup(dir), .owner_fd = -1};
    session_kill(&s, o->token);
    session_destroy(&s);
}

/* What a sweep is for: a token, or (NULL) whatever is dead. */
struct sweep {
    const char *token;
    int timeout_ms;
};

/* 1 when `dir` was a session to be ended and is gone, 0 when not. */
static int sweep_dir(const char *dir, const struct sweep *s, struct gw_err *err)
{
    struct owner o;
    if (!read_owner(dir, &o))
        return 0;
    int r = 0;
    bool is_wanted = s->token ? strcmp(o.token, s->token) == 0 : is_dead(&o);
    if (is_wanted && s->token)
        r = stop(&o, dir, s->timeout_ms, err);
    if (is_wanted && r == 0) {
        end_dead(&o, dir);
        r = 1;
    }
    close(o.lock);
    return r;
}

static int sweep_base(const char *base, const struct sweep *s, struct gw_err *err)
{
    DIR *d = opendir(base);
    if (!d)
        return gw_err_sys(err, errno, "reading directory %s", base);
    int n = 0, failure = 0;
    struct dirent *e;
    while ((e = readdir(d))) {
        if (e->d_name[0] == '.')
            continue;
        char *dir = xasprintf("%s/%s", base, e->d_name);
        int r = sweep_dir(dir, s, err);
        if (r < 0)
            failure = r;
        else
            n += r;
        free(dir);
    }
    closedir(d);
    return failure < 0 ? failure : n;
}

static int sweep_all(const struct sweep *s, struct gw_err *err)
{
    struct bases bases;
    int total = 0, r = 0;
    bases_list(&bases);
    for (size_t i = 0; i < bases.n && r >= 0; i++) {
        r = sweep_base(bases.paths[i], s, err);
        total += r;
    }
    bases_clear(&bases);
    return r < 0 ? r : total;
}

int session_sweep(const char *token, int timeout_ms, struct gw_err *err)
{
    return sweep_all(&(struct sweep){token, timeout_ms}, err);
}

void session_sweep_dead(void)
{
    sweep_all(&(struct sweep){NULL, 0}, NULL);
}
