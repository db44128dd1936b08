/* Drivers of a gwd that was killed. They end by themselves when their input does, but that may take
 * a moment, in which they go on with what they were told last: a directory would be made after its
 * removal, a job submitted after its site was asked whether it has it. So a gwd that starts waits
 * for them before it does anything outside its own state.
 *
 * They are noted in STATE_DIR/drivers, after the gwd that started them: while that runs, the file
 * is a copy and they are not ours to wait for. It is never synced: what makes it disappear ends the
 * drivers as well. */
#include "gwd/daemon/driver_private.h"
#include "gwd/daemon/settings.h"
#include "lib/file.h"
#include "lib/log.h"
#include "lib/mem.h"
#include "lib/process.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/pidfd.h>
#include <unistd.h>

enum {
    GRACE_MS = 3000, /* docs/PROTOCOL: a driver ends by itself within 2 s */
    KILLED_MS = 5000,
    FILE_MAX = 1 << 20,
};

static char *file_of(const char *state_dir)
{
    return xasprintf("%s/drivers", state_dir);
}

static int put(const char *path, const struct buf *text)
{
    char *new = xasprintf("%s.new", path);
    int fd = open(new, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW, 0600);
    int r = fd < 0 ? -errno : file_write_all(fd, text->data, text->len);
    if (fd >= 0)
        close(fd);
    if (r == 0 && rename(new, path) < 0)
        r = -errno;
    if (r < 0)
        unlink(new);
    free(new);
    return r;
}

static void add_line(struct buf *text, pid_t pid)
{
    struct process_id id;
    if (process_identify(pid, &id, NULL) < 0)
        return;
    process_encode(&id, ' ', text);
    buf_puts(text, "\n");
}

void drivers_note(const struct daemon *d)
{
    struct buf text = BUF_INIT;
    add_line(&text, getpid());
    for (const struct driver_process *p = d->drivers; p; p = p->next)
        if (uv_is_active((const uv_handle_t *)&p->process))
            add_line(&text, p->process.pid);
    char *path = file_of(settings_state_dir(d->settings));
    int r = put(path, &text);
    if (r < 0)
        log_warn("writing %s, from which the next gwd knows for which drivers to wait: %s", path,
                 strerror(-r));
    free(path);
    buf_clear(&text);
}

struct former {
    struct pollfd *fds; /* pidfds */
    nfds_t n;
};

static int open_line(const char *line)
{
    struct process_id id;
    return process_decode(line, ' ', &id, NULL) == 0 ? process_pidfd(&id) : -1;
}

/* Those that still run. */
static void former_open(struct former *f, char *text)
{
    char *line = strsep(&text, "\n");
    int gwd = open_line(line);
    if (gwd >= 0) {
        close(gwd);
        return;
    }
    while ((line = strsep(&text, "\n"))) {
        int fd = open_line(line);
        if (fd < 0)
            continue;
        f->fds = xreallocarray(f->fds, f->n + 1, sizeof *f->fds);
        f->fds[f->n++] = (struct pollfd){.fd = fd, .events = POLLIN};
    }
}

static void former_wait(struct former *f, int limit_ms)
{
    int64_t until_us = clock_mono_us() + INT64_C(1000) * limit_ms;
    while (f->n > 0) {
        int64_t left_us = until_us - clock_mono_us();
        if (left_us <= 0 || (poll(f->fds, f->n, (int)(left_us / 1000) + 1) < 0 && errno != EINTR))
            return;
        for (nfds_t i = 0; i < f->n;) {
            if (!f->fds[i].revents) {
                i++;
                continue;
            }
            close(f->fds[i].fd);
            f->fds[i] = f->fds[--f->n];
        }
    }
}

void drivers_await_former(const char *state_dir)
{
    struct former f = {0};
    struct buf text = BUF_INIT;
    char *path = file_of(state_dir);
    if (file_read(path, FILE_MAX, &text, NULL) == 0 && text.len)
        former_open(&f, text.data);
    if (f.n)
        log_info("drivers of the gwd before still run: waiting for %lu", (unsigned long)f.n);
    former_wait(&f, GRACE_MS);
    for (nfds_t i = 0; i < f.n; i++)
        pidfd_send_signal(f.fds[i].fd, SIGKILL, NULL, 0);
    former_wait(&f, KILLED_MS);
    if (f.n)
        log_warn("%lu drivers of the gwd before cannot be ended: what they were told last may "
                 "still happen",
                 (unsigned long)f.n);
    for (nfds_t i = 0; i < f.n; i++)
        close(f.fds[i].fd);
    free(f.fds);
    buf_clear(&text);
    free(path);
}
