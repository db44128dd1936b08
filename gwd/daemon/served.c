/* How long the state has been served: a clock that nobody sets. It runs while a daemon does and
 * stands still while none does, so that what is kept for a time is kept for that time, whatever the
 * wall clock says and also over a start.
 *
 * It is noted in STATE_DIR/clock now and then, with moments: by when which events were there. From
 * these a start knows how long finished jobs have been so, and what is left at sites. The file is
 * never synced; without one, or with one of another history of the state, or that cannot be opened,
 * things only stay longer. So nothing that is wrong with it is a reason not to start. */
#include "gwd/daemon/daemon.h"
#include "gwd/daemon/moments.h"
#include "gwd/daemon/settings.h"
#include "lib/file.h"
#include "lib/log.h"
#include "lib/mem.h"
#include "lib/num.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { FILE_MAX = 64 * MOMENTS };
#define STEP_MIN_US INT64_C(1000000)
#define NOTE_EVERY_US (INT64_C(3600) * 1000000) /* at least */

struct served {
    int fd;
    int64_t ahead_us; /* of clock_mono_us() */
    int64_t step_us;  /* between two of the newest moments */
    struct moments moments;
    struct seen seen[MOMENTS];
    uv_timer_t timer;
};

int64_t served_us(const struct daemon *d)
{
    return d->served ? d->served->ahead_us + clock_mono_us() : 0;
}

/* --- the file --- */

static void note(struct daemon *d)
{
    struct served *v = d->served;
    struct buf b = BUF_INIT;
    if (v->fd < 0)
        return;
    buf_printf(&b, "gwd-clock 1 %" PRIu64 " %" PRId64 "\n", engine_state(d->engine)->epoch,
               served_us(d));
    for (size_t i = 0; i < v->moments.n; i++)
        buf_printf(&b, "%" PRIu64 " %" PRId64 "\n", v->moments.items[i].seq,
                   v->moments.items[i].at_us);
    buf_printf(&b, "cksum %" PRIu32 "\n", num_cksum(b.data, b.len));
    if (pwrite(v->fd, b.data, b.len, 0) != (ssize_t)b.len || ftruncate(v->fd, (off_t)b.len) < 0)
        log_debug("STATE_DIR/clock: %s", strerror(errno));
    buf_clear(&b);
}

/* What was noted; 0 when nothing was, or not that. */
static int64_t read_note(struct served *v, const char *path, uint64_t *ret_epoch)
{
    struct buf b = BUF_INIT;
    int64_t at_us = 0;
    int used = 0;
    if (file_read(path, FILE_MAX, &b, NULL) < 0 || b.len < 2) {
        buf_clear(&b);
        return 0;
    }
    const char *line = buf_str(&b), *last = memrchr(line, '\n', b.len - 1);
    char end[32];
    size_t len = last ? (size_t)(last + 1 - line) : 0;
    snprintf(end, sizeof end, "cksum %" PRIu32 "\n", num_cksum(line, len));
    bool is_good =
        last && strcmp(last + 1, end) == 0 &&
        sscanf(line, "gwd-clock 1 %" SCNu64 " %" SCNd64 "\n%n", ret_epoch, &at_us, &used) == 2 &&
        used > 0;
    for (v->moments.n = 0; is_good && v->moments.n < MOMENTS; v->moments.n++) {
        struct moment *m = &v->moments.items[v->moments.n];
        line += used;
        if (sscanf(line, "%" SCNu64 " %" SCNd64 "\n%n", &m->seq, &m->at_us, &used) != 2)
            break;
    }
    buf_clear(&b);
    return is_good ? at_us : 0;
}

/* --- moments --- */

/* Events after `seq` may be others than those that it spoke of. */
static void forget_after(struct served *v, uint64_t seq)
{
    for (size_t i = 0; i < v->moments.n; i++)
        if (v->moments.items[i].seq > seq)
            v->moments.items[i].seq = seq;
}

static void add_moment(struct daemon *d)
{
    struct served *v = d->served;
    struct moment now = {engine_state(d->engine)->seq, served_us(d)};
    moments_add(&v->moments, now, v->step_us);
}

static void on_time(uv_timer_t *timer)
{
    struct daemon *d = timer->data;
    add_moment(d);
    note(d);
}

static int64_t step_of(int64_t retention_us)
{
    int64_t step_us = retention_us / MOMENT_STEPS;
    if (retention_us == 0) /* nobody asks for moments */
        return NOTE_EVERY_US;
    return step_us > STEP_MIN_US ? step_us : STEP_MIN_US;
}

void served_begin(struct daemon *d, struct input *start)
{
    struct gw_err err;
    struct served *v = d->served = xcalloc(1, sizeof *v);
    const struct state *s = engine_state(d->engine);
    char *path = xasprintf("%s/clock", settings_state_dir(d->settings));
    uint64_t epoch = 0;
    int64_t newest_us = 0, at_us = read_note(v, path, &epoch);
    v->fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
    if (v->fd < 0)
        log_warn("after the next start finished jobs stay for longer than they should: %s: %s",
                 path, strerror(errno));
    free(path);
    if (store_archive_newest(d->store, &newest_us, &err) < 0)
        log_error("%s", err.text);
    at_us = at_us > newest_us ? at_us : newest_us;
    v->ahead_us = (at_us ? at_us : clock_wall_us()) - clock_mono_us();
    v->step_us = step_of(settings_engine(d->settings)->retention_us);
    if (epoch != s->epoch_before)
        v->moments.n = 0;
    forget_after(v, s->seq);
    for (size_t i = 0; i < v->moments.n; i++)
        v->seen[i] = (struct seen){v->moments.items[i].seq, at_us - v->moments.items[i].at_us};
    start->seen = v->seen;
    start->n_seen = v->moments.n;
    note(d);
}

void served_start(struct daemon *d)
{
    struct served *v = d->served;
    int64_t every_us = v->step_us < NOTE_EVERY_US ? v->step_us : NOTE_EVERY_US;
    uv_timer_init(d->loop, &v->timer);
    v->timer.data = d;
    uv_timer_start(&v->timer, on_time, (uint64_t)every_us / 1000, (uint64_t)every_us / 1000);
    uv_unref((uv_handle_t *)&v->timer);
}

void served_end(struct daemon *d)
{
    add_moment(d);
    note(d);
    if (d->served->fd >= 0)
        close(d->served->fd);
    free(d->served);
    d->served = NULL;
}
