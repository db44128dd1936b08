#include "em/attempt.h"

#include "lib/file.h"
#include "lib/mem.h"
#include "wire/status.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

bool attempt_token_is_valid(const char *token)
{
    static const char allowed[] =
        "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789.-_";
    size_t len = strlen(token);
    return len > 0 && len <= 200 && strspn(token, allowed) == len;
}

bool attempt_is_over(const char *dir, const char *token)
{
    char *path = xasprintf("%s/status", dir);
    struct buf text = BUF_INIT;
    struct status_file status;
    bool is_ours = false;
    if (file_read(path, STATUS_FILE_MAX, &text, NULL) == 0 &&
        status_decode(buf_str(&text), text.len, "GWSTATUS", &status, NULL) == 0) {
        const char *its = status_get(&status, "TOKEN");
        is_ours = its && strcmp(its, token) == 0;
        status_clear(&status);
    }
    buf_clear(&text);
    free(path);
    return is_ours;
}

static void read_process(const char *dir, const char *token, const char *name,
                         struct process_id *ret)
{
    char *path = xasprintf("%s/claim.%s/%s", dir, token, name);
    struct buf text = BUF_INIT;
    if (file_read(path, 4096, &text, NULL) == 0)
        process_decode_claim(buf_str(&text), ret, NULL);
    buf_clear(&text);
    free(path);
}

static int claim_exists(const char *dir, const char *token, struct gw_err *err)
{
    struct stat st;
    char *path = xasprintf("%s/claim.%s", dir, token);
    int r = 0;
    if (stat(dir, &st) < 0)
        r = gw_err_sys(err, errno, "job directory %s", dir);
    else if (!S_ISDIR(st.st_mode))
        r = gw_err_set(err, GW_ENOENT, "job directory %s is not a directory", dir);
    else if (stat(path, &st) == 0)
        r = 1;
    else if (errno != ENOENT)
        r = gw_err_sys(err, errno, "claim %s", path);
    free(path);
    return r;
}

int attempt_look(const char *dir, const char *token, struct attempt *ret, struct gw_err *err)
{
    struct attempt a = {.state = ATTEMPT_ABSENT, .pidfd = -1};
    int r = claim_exists(dir, token, err);
    if (r < 0)
        return r;
    if (r) {
        read_process(dir, token, "pid", &a.wrapper);
        read_process(dir, token, "payload", &a.payload);
        a.pidfd = process_pidfd(&a.wrapper);
        /* The status is looked for after the process was seen dead: it writes it before it ends. */
        if (a.pidfd >= 0)
            a.state = ATTEMPT_RUNNING;
        else if (attempt_is_over(dir, token))
            a.state = ATTEMPT_ENDED;
        else
            a.state = a.wrapper.pid ? ATTEMPT_DEAD : ATTEMPT_CLAIMING;
    }
    *ret = a;
    return 0;
}

int attempt_lock(const char *dir)
{
    int fd = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (fd < 0)
        return -2;
    if (flock(fd, LOCK_EX | LOCK_NB) == 0)
        return fd;
    int e = errno;
    close(fd);
    return e == EWOULDBLOCK ? -1 : -2;
}
