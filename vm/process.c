#include "vm/process.h"

#include "lib/file.h"
#include "lib/mem.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

enum { KILL_MS = 10000 };

int process_open(pid_t pid, struct process *ret)
{
    int fd = (int)syscall(SYS_pidfd_open, pid, 0);
    if (fd < 0)
        return -errno;
    *ret = (struct process){fd, pid};
    return 0;
}

/* Asked after the pidfd was opened: the answer is about that very process or a dead one. */
static bool has_argument(pid_t pid, const char *word)
{
    char *path = xasprintf("/proc/%ld/cmdline", (long)pid);
    struct buf b = BUF_INIT;
    bool is_found = false;
    if (file_read(path, 1 << 20, &b, NULL) == 0)
        for (size_t at = 0; at < b.len && !is_found; at += strlen(b.data + at) + 1)
            is_found = strncmp(b.data + at, word, strlen(word)) == 0;
    buf_clear(&b);
    free(path);
    return is_found;
}

int process_of_file(const char *path, const char *word, struct process *ret)
{
    struct buf b = BUF_INIT;
    long pid = file_read(path, 64, &b, NULL) == 0 ? strtol(buf_str(&b), NULL, 10) : 0;
    buf_clear(&b);
    if (pid <= 1)
        return -ESRCH;
    struct process p;
    int r = process_open((pid_t)pid, &p);
    if (r < 0)
        return r;
    if (!has_argument(p.pid, word)) {
        process_close(&p);
        return -ESRCH;
    }
    *ret = p;
    return 0;
}

int process_signal(const struct process *p, int signum)
{
    return syscall(SYS_pidfd_send_signal, p->fd, signum, NULL, 0) < 0 ? -errno : 0;
}

int process_wait(const struct process *p, int timeout_ms)
{
    struct pollfd fd = {.fd = p->fd, .events = POLLIN};
    int n;
    do
        n = poll(&fd, 1, timeout_ms);
    while (n < 0 && errno == EINTR);
    return n > 0 ? 0 : -ETIMEDOUT;
}

void process_kill(struct process *p)
{
    if (process_signal(p, SIGKILL) == 0)
        process_wait(p, KILL_MS);
    process_close(p);
}

void process_close(struct process *p)
{
    close(p->fd);
    p->fd = -1;
}
