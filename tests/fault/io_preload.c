/* A disk that fails: preloaded into gwd, it counts what is done to files below a directory and
 * lets the N-th fail.
 *
 *   GW_IO_DIR=DIR         only files below it (a real path)
 *   GW_IO_FAIL=WHAT:N:HOW[:on]
 *       WHAT  write (write, pwrite, their vectors), sync (fsync, fdatasync), other (open with
 *             O_CREAT, rename, ftruncate, fallocate, unlink), any
 *       HOW   enospc, eio, edquot; short: a write of half, and ENOSPC the next time
 *       on    from then on, not once
 *   GW_IO_COUNT=FILE      at the end, and when one fails: how many of each there were; "failed 1"
 *                         and the path of the first that failed, or "failed 0"
 *   GW_IO_SWITCH=FILE     while FILE exists, every write fails with ENOSPC, whatever GW_IO_FAIL
 *
 * Only the process that is named by GW_IO_PROGRAM (the end of its /proc/self/exe) is meddled with,
 * not the drivers that it starts. */
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <unistd.h>

enum what { WRITE, SYNC, OTHER, N_WHATS };
static const char *const what_names[N_WHATS] = {"write", "sync", "other"};

static struct {
    bool is_on, is_any, is_short, goes_on, has_failed;
    enum what what;
    long n, left;
    int error;
    char dir[4096];
    size_t dir_len;
    const char *count_file, *switch_file;
    long counts[N_WHATS];
    char failed_path[4096];
} plan;
static _Thread_local char last_path[4096]; /* that is_path() or is_file() looked at */
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;

static bool is_named(const char *program)
{
    char exe[4096];
    ssize_t n = readlink("/proc/self/exe", exe, sizeof exe - 1);
    size_t len = program ? strlen(program) : 0;
    return n > 0 && len && (size_t)n >= len && memcmp(exe + n - len, program, len) == 0;
}

static void read_plan(const char *text)
{
    char word[64], what[16] = "", how[16] = "", on[8] = "";
    snprintf(word, sizeof word, "%s", text);
    if (sscanf(word, "%15[^:]:%ld:%15[^:]:%7s", what, &plan.n, how, on) < 3)
        return;
    plan.is_any = strcmp(what, "any") == 0;
    for (int i = 0; i < N_WHATS; i++)
        if (strcmp(what, what_names[i]) == 0)
            plan.what = (enum what)i;
    plan.left = plan.n;
    plan.goes_on = *on != '\0';
    plan.is_short = strcmp(how, "short") == 0;
    plan.error = strcmp(how, "eio") == 0 ? EIO : strcmp(how, "edquot") == 0 ? EDQUOT : ENOSPC;
}

__attribute__((constructor)) static void begin(void)
{
    const char *dir = getenv("GW_IO_DIR"), *fail = getenv("GW_IO_FAIL");
    if (!dir || !is_named(getenv("GW_IO_PROGRAM")))
        return;
    snprintf(plan.dir, sizeof plan.dir, "%s/", dir);
    plan.dir_len = strlen(plan.dir);
    plan.count_file = getenv("GW_IO_COUNT");
    plan.switch_file = getenv("GW_IO_SWITCH");
    if (fail)
        read_plan(fail);
    plan.is_on = true;
}

static void tell(void)
{
    char text[4096 + 128];
    int n = snprintf(text, sizeof text, "write %ld\nsync %ld\nother %ld\nfailed %d %s\n",
                     plan.counts[WRITE], plan.counts[SYNC], plan.counts[OTHER], plan.has_failed,
                     plan.failed_path);
    int fd = open(plan.count_file, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
    if (fd < 0 || write(fd, text, (size_t)n) < 0)
        return;
    close(fd);
}

static bool is_path(const char *path)
{
    bool is_below = plan.is_on && strncmp(path, plan.dir, plan.dir_len) == 0;
    if (is_below)
        snprintf(last_path, sizeof last_path, "%s", path);
    return is_below;
}

static bool is_file(int fd)
{
    char link[64], path[4096];
    if (!plan.is_on)
        return false;
    snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
    ssize_t n = readlink(link, path, sizeof path - 1);
    if (n <= 0)
        return false;
    path[n] = '\0';
    return is_path(path);
}

/* Whether this one fails, with errno set; *ret_is_half: it is cut short instead. */
static bool fails(enum what what, bool *ret_is_half)
{
    struct stat st;
    *ret_is_half = false;
    pthread_mutex_lock(&lock);
    plan.counts[what]++;
    bool is_counted = plan.n && (plan.is_any || what == plan.what), does = false;
    if (is_counted && plan.left > 0 && --plan.left == 0) {
        does = true;
        *ret_is_half = plan.is_short && what == WRITE;
        if (plan.is_short && !plan.goes_on)
            plan.left = -1; /* the rest of it */
    } else if (is_counted && (plan.left < 0 || (plan.left == 0 && plan.goes_on))) {
        does = true;
        plan.left = 0;
    }
    bool is_told = does && !plan.has_failed;
    if (is_told)
        memcpy(plan.failed_path, last_path, sizeof last_path);
    plan.has_failed |= does;
    if (is_told && plan.count_file)
        tell();
    pthread_mutex_unlock(&lock);
    if (does) {
        errno = plan.error;
    } else if (what != SYNC && plan.switch_file && stat(plan.switch_file, &st) == 0) {
        does = true;
        errno = ENOSPC;
    }
    return does;
}

__attribute__((destructor)) static void end(void)
{
    if (plan.is_on && plan.count_file)
        tell();
}

#define REAL(name) ((__typeof__(&name))real_of(#name))

static void *real_of(const char *name)
{
    return dlsym(RTLD_NEXT, name);
}

/* What is to be done of `len`: len, half of it, or nothing (-1). */
static ssize_t allowed(int fd, size_t len)
{
    bool is_half;
    if (!is_file(fd) || !fails(WRITE, &is_half))
        return (ssize_t)len;
    return is_half && len > 1 ? (ssize_t)(len / 2) : -1;
}

ssize_t write(int fd, const void *data, size_t len)
{
    ssize_t n = allowed(fd, len);
    return n < 0 ? -1 : REAL(write)(fd, data, (size_t)n);
}

ssize_t pwrite(int fd, const void *data, size_t len, off_t at)
{
    ssize_t n = allowed(fd, len);
    return n < 0 ? -1 : REAL(pwrite)(fd, data, (size_t)n, at);
}

ssize_t pwrite64(int fd, const void *data, size_t len, off_t at)
{
    ssize_t n = allowed(fd, len);
    return n < 0 ? -1 : REAL(pwrite64)(fd, data, (size_t)n, at);
}

ssize_t writev(int fd, const struct iovec *iov, int n)
{
    return allowed(fd, 2) < 2 ? -1 : REAL(writev)(fd, iov, n);
}

ssize_t pwritev(int fd, const struct iovec *iov, int n, off_t at)
{
    return allowed(fd, 2) < 2 ? -1 : REAL(pwritev)(fd, iov, n, at);
}

static bool other_fails(bool is_ours, enum what what)
{
    bool is_half;
    return is_ours && fails(what, &is_half);
}

int fsync(int fd)
{
    return other_fails(is_file(fd), SYNC) ? -1 : REAL(fsync)(fd);
}

int fdatasync(int fd)
{
    return other_fails(is_file(fd), SYNC) ? -1 : REAL(fdatasync)(fd);
}

int ftruncate(int fd, off_t len)
{
    return other_fails(is_file(fd), OTHER) ? -1 : REAL(ftruncate)(fd, len);
}

int ftruncate64(int fd, off_t len)
{
    return other_fails(is_file(fd), OTHER) ? -1 : REAL(ftruncate64)(fd, len);
}

int fallocate(int fd, int mode, off_t at, off_t len)
{
    return other_fails(is_file(fd), OTHER) ? -1 : REAL(fallocate)(fd, mode, at, len);
}

int posix_fallocate(int fd, off_t at, off_t len)
{
    return other_fails(is_file(fd), OTHER) ? errno : REAL(posix_fallocate)(fd, at, len);
}

int rename(const char *from, const char *to)
{
    return other_fails(is_path(to), OTHER) ? -1 : REAL(rename)(from, to);
}

int unlink(const char *path)
{
    return other_fails(is_path(path), OTHER) ? -1 : REAL(unlink)(path);
}

static bool open_fails(const char *path, int flags)
{
    return other_fails((flags & O_CREAT) && is_path(path), OTHER);
}

static mode_t mode_of(int flags, va_list ap)
{
    return flags & (O_CREAT | O_TMPFILE) ? va_arg(ap, mode_t) : 0;
}

int open(const char *path, int flags, ...)
{
    va_list ap;
    va_start(ap, flags);
    mode_t mode = mode_of(flags, ap);
    va_end(ap);
    return open_fails(path, flags) ? -1 : REAL(open)(path, flags, mode);
}

int open64(const char *path, int flags, ...)
{
    va_list ap;
    va_start(ap, flags);
    mode_t mode = mode_of(flags, ap);
    va_end(ap);
    return open_fails(path, flags) ? -1 : REAL(open64)(path, flags, mode);
}
