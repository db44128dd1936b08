/* TAIL as a long poll: between two looks a request waits for inotify, or for its time to be up. */
#include "lib/log.h"
#include "tm/place.h"
#include "tm/request.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/inotify.h>
#include <unistd.h>
#include <utlist.h>

enum { TAIL_MS = 10000, REPEAT_MS = 1000 };

static bool is_watched(struct transfers *l, int watch)
{
    struct request *r;
    DL_FOREACH (l->requests, r)
        if (r->is_waiting && r->watch == watch)
            return true;
    return false;
}

static void stop_waiting(struct request *r)
{
    int watch = r->watch;
    r->is_waiting = false;
    r->watch = -1;
    loop_timer_cancel(kit_loop(r->transfers->kit), r->repeat);
    r->repeat = NULL;
    if (watch >= 0 && !is_watched(r->transfers, watch))
        inotify_rm_watch(r->transfers->inotify, watch);
}

static void work_again(struct request *r)
{
    stop_waiting(r);
    r->transfers->begin(r);
}

static void on_inotify(void *ctx, int fd, short revents)
{
    (void)revents;
    struct transfers *l = ctx;
    union {
        struct inotify_event event;
        char bytes[16384];
    } buffer;
    ssize_t n = read(fd, &buffer, sizeof buffer);
    for (ssize_t at = 0; at < n;) {
        struct inotify_event e;
        memcpy(&e, buffer.bytes + at, sizeof e);
        at += (ssize_t)(sizeof e + e.len);
        struct request *r, *next;
        DL_FOREACH_SAFE(l->requests, r, next)
        if (r->is_waiting && (r->watch == e.wd || (e.mask & IN_Q_OVERFLOW)))
            work_again(r);
    }
}

void tail_open(struct transfers *l)
{
    l->inotify = inotify_init1(IN_CLOEXEC | IN_NONBLOCK);
    if (l->inotify >= 0)
        loop_watch(kit_loop(l->kit), l->inotify, POLLIN, on_inotify, l);
    else
        log_warn("no inotify, output is seen late: %s", strerror(errno));
}

void tail_close(struct transfers *l)
{
    if (l->inotify < 0)
        return;
    loop_unwatch(kit_loop(l->kit), l->inotify);
    close(l->inotify);
    l->inotify = -1;
}

static int watch_fd(struct transfers *l, int fd, uint32_t mask)
{
    char path[64];
    snprintf(path, sizeof path, "/proc/self/fd/%d", fd);
    return inotify_add_watch(l->inotify, path, mask | IN_MASK_ADD);
}

/* Watch the file, or where it would appear; then look once more, for what came before the watch. */
static bool watch_place(struct request *r, const struct place *p)
{
    struct stat st;
    int fd = place_open_file(p, &st, NULL);
    r->watch = fd >= 0 ? watch_fd(r->transfers, fd, IN_MODIFY)
                       : watch_fd(r->transfers, p->dirfd, IN_CREATE | IN_MOVED_TO);
    bool is_there = place_stat(p, &st, NULL) == 0;
    bool is_news = fd >= 0 ? is_there && (uint64_t)st.st_size > r->offset : is_there;
    if (fd >= 0)
        close(fd);
    return is_news;
}

static void on_repeat(void *ctx)
{
    struct request *r = ctx;
    r->repeat = NULL;
    work_again(r);
}

static void begin_waiting(struct request *r)
{
    struct place p;
    char *path = NULL;
    bool is_news = true; /* when it cannot be opened any more, the work says why */
    r->is_waiting = true;
    r->watch = -1;
    if (r->is_polled) {
        r->repeat = loop_timer_add(kit_loop(r->transfers->kit), REPEAT_MS, on_repeat, r);
        return;
    }
    if (place_path(r->from, &path, NULL) == 0 && place_open(path, PARENTS_THERE, &p, NULL) == 0) {
        is_news = watch_place(r, &p);
        place_close(&p);
    }
    free(path);
    if (is_news)
        work_again(r);
}

static void on_expiry(void *ctx)
{
    struct request *r = ctx;
    r->expiry = NULL;
    r->is_expired = true;
    /* One last look: writes of another machine to a shared file system are not told by inotify. */
    if (r->is_waiting)
        work_again(r);
}

void tail_begin(struct request *r)
{
    r->expiry = loop_timer_add(kit_loop(r->transfers->kit), TAIL_MS, on_expiry, r);
    r->transfers->begin(r);
}

static void finish(struct request *r)
{
    if (r->is_waiting)
        stop_waiting(r);
    loop_timer_cancel(kit_loop(r->transfers->kit), r->expiry);
    r->expiry = NULL;
    snprintf(r->text, r->reason ? 0 : sizeof r->text, "%llu", (unsigned long long)r->offset);
    request_finish(r);
}

void tail_step(struct request *r)
{
    bool has_ended = r->reason || r->offset != r->first_offset;
    if (has_ended || r->is_expired || atomic_load(&r->is_cancelled))
        finish(r);
    else
        begin_waiting(r);
}

void tail_cancel(struct request *r)
{
    if (r->is_waiting)
        finish(r);
}
