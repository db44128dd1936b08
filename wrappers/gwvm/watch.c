#include "wrappers/gwvm/watch.h"

#include "lib/file.h"
#include "lib/log.h"
#include "lib/mem.h"
#include "wrappers/gwvm/console.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <libvirt/libvirt.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/inotify.h>
#include <sys/signalfd.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

/* A guest that said it is done has this long to power off. */
enum { END_MS = 60 * 1000 };
enum { CONSOLE_MS = 10 * 1000 };
/* What a guest may write to its status port, and in one line. */
enum { STATUS_MAX = 1 << 20, LINE_MAX_BYTES = 4096, LOGGED_MAX = 1000 };
/* libvirt's timers are an int of milliseconds; a longer wait takes several. */
enum { TIMER_MAX_MS = 24 * 3600 * 1000 };

static int64_t now_ms(void)
{
    struct timespec t;
    clock_gettime(CLOCK_BOOTTIME, &t);
    return (int64_t)t.tv_sec * 1000 + t.tv_nsec / 1000000;
}

static void arm(struct watch *w)
{
    int64_t left = w->deadline_ms ? w->deadline_ms - now_ms() : -1;
    if (w->deadline_ms && left < 0)
        left = 0;
    virEventUpdateTimeout(w->timer, left > TIMER_MAX_MS ? TIMER_MAX_MS : (int)left);
}

static void enter(struct watch *w, enum watch_phase phase, uint64_t limit_ms)
{
    w->phase = phase;
    w->deadline_ms = limit_ms ? now_ms() + (int64_t)limit_ms : 0;
    arm(w);
}

static void give_up(struct watch *w)
{
    w->has_failed = true;
    w->is_over = true;
}

static void on_timer(int timer, void *ctx)
{
    (void)timer;
    struct watch *w = ctx;
    if (now_ms() < w->deadline_ms) {
        arm(w);
        return;
    }
    switch (w->phase) {
    case WATCH_BOOT:
        vm_fail(&w->failure, REASON_GUEST_NO_BOOT, "%s within %" PRIu64 " s",
                w->is_ready ? "the guest was ready and did not start the payload"
                            : "nothing was heard from the guest",
                w->attempt->conf.boot_timeout_s);
        console_quote(w->files->console, &w->failure);
        give_up(w);
        break;
    case WATCH_PAYLOAD:
        vm_fail(&w->failure, REASON_WALLTIME,
                "the payload ran longer than its limit of %" PRIu64 " s",
                w->attempt->conf.walltime_s);
        give_up(w);
        break;
    case WATCH_END:
        w->is_over = true; /* its result is on the disk */
        break;
    }
}

static void take_line(struct watch *w, const char *line)
{
    if (strcmp(line, "ready") == 0) {
        w->is_ready = true;
    } else if (strcmp(line, "started") == 0 && w->phase == WATCH_BOOT) {
        w->started = time(NULL);
        enter(w, WATCH_PAYLOAD, w->attempt->conf.walltime_s * 1000);
    } else if ((strncmp(line, "exited ", 7) == 0 || strncmp(line, "error ", 6) == 0) &&
               w->phase != WATCH_END) {
        enter(w, WATCH_END, END_MS);
    }
    if (w->lines < LOGGED_MAX)
        log_info("guest: %s", line);
    else if (w->lines == LOGGED_MAX)
        log_info("guest: more, which is not logged");
    w->lines++;
}

static void take_bytes(struct watch *w, const char *data, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        if (data[i] == '\n') {
            take_line(w, buf_str(&w->line));
            buf_reset(&w->line);
        } else if (data[i] && w->line.len < LINE_MAX_BYTES) {
            buf_putc(&w->line, data[i]);
        }
    }
}

/* No further than check_sizes() lets it come: one that writes faster than this reads would keep us
 * here for ever. */
static void read_status(struct watch *w)
{
    char block[4096];
    ssize_t n;
    while (w->status_bytes <= STATUS_MAX && (n = read(w->status_fd, block, sizeof block)) > 0) {
        w->status_bytes += (uint64_t)n;
        take_bytes(w, block, (size_t)n);
    }
}

static uint64_t size_of(const char *path)
{
    struct stat st;
    return stat(path, &st) == 0 ? (uint64_t)st.st_size : 0;
}

/* The guest writes straight into files of the host: what it may write is bounded here. */
static void check_sizes(struct watch *w)
{
    uint64_t limit = w->attempt->conf.result_bytes;
    if (size_of(w->files->stdout_log) > limit || size_of(w->files->stderr_log) > limit ||
        size_of(w->files->status_log) > STATUS_MAX) {
        vm_fail(&w->failure, REASON_OUTPUT_LIMIT,
                "the payload wrote more than the %" PRIu64 " bytes allowed", limit);
        give_up(w);
    }
}

/* Not by inotify: a serial port is written byte by byte, and slowly enough that looking now and
 * then bounds it. */
static void on_console_timer(int timer, void *ctx)
{
    (void)timer;
    struct watch *w = ctx;
    console_trim(w->files->console);
}

static void on_files(int handle, int fd, int events, void *ctx)
{
    (void)handle;
    (void)events;
    struct watch *w = ctx;
    char block[4096];
    /* Which file it was does not matter; when there is more, this is called again. */
    (void)!read(fd, block, sizeof block);
    read_status(w);
    check_sizes(w);
}

bool watch_is_cancelled(struct watch *w, struct vm_failure *f)
{
    struct signalfd_siginfo info;
    if (read(w->signal_fd, &info, sizeof info) != sizeof info)
        return false;
    if (getppid() != w->parent)
        vm_fail(f, REASON_INTERNAL, "gwvm was killed");
    else
        vm_fail(f, REASON_CANCELLED, "stopped by signal %u (%s)", info.ssi_signo,
                strsignal((int)info.ssi_signo));
    return true;
}

static void on_signal(int handle, int fd, int events, void *ctx)
{
    (void)handle;
    (void)fd;
    (void)events;
    struct watch *w = ctx;
    if (watch_is_cancelled(w, &w->failure))
        give_up(w);
}

void watch_machine_ended(void *watch, enum machine_end end)
{
    struct watch *w = watch;
    if (w->is_over)
        return;
    w->is_over = true;
    switch (end) {
    case MACHINE_OFF:
        return;
    case MACHINE_CRASHED:
        vm_fail(&w->failure, REASON_GUEST_CRASHED, "the guest's kernel crashed");
        console_quote(w->files->console, &w->failure);
        break;
    case MACHINE_LOST:
        vm_fail(&w->failure, REASON_HYPERVISOR, "QEMU or libvirt ended by itself");
        break;
    case MACHINE_NO_SPACE:
        vm_fail(&w->failure, REASON_NO_SPACE, "no space left for the VM's disks in %s",
                w->attempt->work);
        break;
    case MACHINE_IO_ERROR:
        vm_fail(&w->failure, REASON_HYPERVISOR, "the host's disk failed under the VM");
        break;
    }
    w->has_failed = true;
}

static int open_files(struct watch *w, struct vm_failure *f)
{
    const char *const paths[] = {w->files->status_log, w->files->stdout_log, w->files->stderr_log};
    w->inotify_fd = inotify_init1(IN_NONBLOCK | IN_CLOEXEC);
    for (size_t i = 0; w->inotify_fd >= 0 && i < GW_COUNT(paths); i++)
        if (inotify_add_watch(w->inotify_fd, paths[i], IN_MODIFY) < 0)
            return vm_fail(f, REASON_INTERNAL, "watching %s: %s", paths[i], strerror(errno));
    w->status_fd = open(w->files->status_log, O_RDONLY | O_CLOEXEC);
    sigset_t signals;
    sigemptyset(&signals);
    sigaddset(&signals, SIGTERM);
    sigaddset(&signals, SIGINT);
    sigaddset(&signals, SIGHUP);
    w->signal_fd = signalfd(-1, &signals, SFD_NONBLOCK | SFD_CLOEXEC);
    if (w->inotify_fd < 0 || w->status_fd < 0 || w->signal_fd < 0)
        return vm_fail(f, REASON_INTERNAL, "watching the VM's files: %s", strerror(errno));
    return 0;
}

int watch_open(struct watch *w, const struct attempt *a, const struct vm_files *files, pid_t parent,
               struct vm_failure *f)
{
    *w = (struct watch){.attempt = a,
                        .files = files,
                        .parent = parent,
                        .inotify_fd = -1,
                        .signal_fd = -1,
                        .status_fd = -1};
    if (open_files(w, f) < 0)
        return -1;
    virEventRegisterDefaultImpl();
    w->inotify_handle =
        virEventAddHandle(w->inotify_fd, VIR_EVENT_HANDLE_READABLE, on_files, w, NULL);
    w->signal_handle =
        virEventAddHandle(w->signal_fd, VIR_EVENT_HANDLE_READABLE, on_signal, w, NULL);
    w->timer = virEventAddTimeout(-1, on_timer, w, NULL);
    w->console_timer = virEventAddTimeout(CONSOLE_MS, on_console_timer, w, NULL);
    return 0;
}

void watch_close(struct watch *w)
{
    const int fds[] = {w->inotify_fd, w->signal_fd, w->status_fd};
    virEventRemoveHandle(w->inotify_handle);
    virEventRemoveHandle(w->signal_handle);
    virEventRemoveTimeout(w->timer);
    virEventRemoveTimeout(w->console_timer);
    for (size_t i = 0; i < GW_COUNT(fds); i++)
        if (fds[i] >= 0)
            close(fds[i]);
    buf_clear(&w->line);
}

int watch_run(struct watch *w, struct vm_failure *f)
{
    enter(w, WATCH_BOOT, w->attempt->conf.boot_timeout_s * 1000);
    while (!w->is_over)
        if (virEventRunDefaultImpl() < 0) {
            vm_fail(&w->failure, REASON_HYPERVISOR, "libvirt's event loop failed");
            give_up(w);
        }
    read_status(w);
    console_trim(w->files->console);
    if (w->has_failed) {
        *f = w->failure;
        return -1;
    }
    return 0;
}
