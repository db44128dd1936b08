#include "vm/disk.h"

#include "lib/mem.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <signal.h>
#include <spawn.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

extern char **environ;

/* The program's signals are those of a fresh process, whatever ours are blocked for. */
static int spawn(char *const argv[], int output, pid_t *ret)
{
    posix_spawn_file_actions_t files;
    posix_spawnattr_t attr;
    sigset_t none, all;
    sigemptyset(&none);
    sigfillset(&all);
    posix_spawn_file_actions_init(&files);
    posix_spawn_file_actions_addopen(&files, 0, "/dev/null", O_RDONLY, 0);
    posix_spawn_file_actions_adddup2(&files, output, 1);
    posix_spawn_file_actions_adddup2(&files, output, 2);
    posix_spawnattr_init(&attr);
    posix_spawnattr_setflags(&attr, POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSIGDEF);
    posix_spawnattr_setsigmask(&attr, &none);
    posix_spawnattr_setsigdefault(&attr, &all);
    int r = posix_spawnp(ret, argv[0], &files, &attr, argv, environ);
    posix_spawnattr_destroy(&attr);
    posix_spawn_file_actions_destroy(&files);
    return r;
}

static void read_output(int fd, char *text, size_t size)
{
    size_t len = 0;
    for (;;) {
        char more[512];
        ssize_t n = read(fd, more, sizeof more);
        if (n < 0 && errno == EINTR)
            continue;
        if (n <= 0)
            break;
        size_t keep = (size_t)n < size - 1 - len ? (size_t)n : size - 1 - len;
        memcpy(text + len, more, keep);
        len += keep;
    }
    while (len && text[len - 1] == '\n')
        len--;
    text[len] = '\0';
}

static int run_qemu_img(char *const argv[], struct vm_failure *f)
{
    int pipe_fd[2];
    if (pipe2(pipe_fd, O_CLOEXEC) < 0)
        return vm_fail(f, REASON_INTERNAL, "making a pipe: %s", strerror(errno));
    pid_t pid;
    int r = spawn(argv, pipe_fd[1], &pid);
    close(pipe_fd[1]);
    char text[512];
    int status = 0;
    if (r == 0) {
        read_output(pipe_fd[0], text, sizeof text);
        while (waitpid(pid, &status, 0) < 0 && errno == EINTR)
            ;
    }
    close(pipe_fd[0]);
    if (r)
        return vm_fail(f, REASON_HYPERVISOR, "starting %s: %s", argv[0], strerror(r));
    if (WIFEXITED(status) && WEXITSTATUS(status) == 0)
        return 0;
    bool is_full = strstr(text, strerror(ENOSPC)) || strstr(text, strerror(EDQUOT));
    return vm_fail(f, is_full ? REASON_NO_SPACE : REASON_HYPERVISOR, "%s %s failed: %s", argv[0],
                   argv[1], text);
}

int disk_overlay(const char *path, const char *base, const struct image *image,
                 struct vm_failure *f)
{
    char size[32];
    snprintf(size, sizeof size, "%" PRIu64, (image->virtual_bytes + 511) / 512 * 512);
    const char *argv[] = {
        "qemu-img", "create", "-q", "-f", "qcow2", "-u", "-F", image_format_name(image->format),
        "-b",       base,     "--", path, size,    NULL};
    return run_qemu_img((char *const *)argv, f);
}

int disk_raw(const char *path, uint64_t bytes, struct vm_failure *f)
{
    int fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
    int e = fd < 0 ? errno : 0;
    if (fd >= 0) {
        if (ftruncate(fd, (off_t)((bytes + 511) / 512 * 512)) < 0)
            e = errno;
        close(fd);
    }
    if (!e)
        return 0;
    bool is_full = e == ENOSPC || e == EDQUOT || e == EFBIG;
    return vm_fail(f, is_full ? REASON_NO_SPACE : REASON_HYPERVISOR,
                   "making disk %s of %" PRIu64 " bytes: %s", path, bytes, strerror(e));
}
