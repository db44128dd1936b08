/* state.mark: up to where events were acknowledged, noted outside of the database.
 *
 * SQLite takes a log that was cut off, or that is gone, for one that never was longer: the state
 * would be a good one of some time ago, without the jobs that were taken since. The mark tells. It
 * is written in place after each append and never synced, so that it costs a microsecond: it is
 * never ahead of what is on disk, and what a power cut takes of it only makes it weaker. */
#include "gwd/store/store_private.h"

#include "lib/mem.h"
#include "lib/num.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

/* Two of them, each in a sector of its own and written in turns: a write that is cut short leaves
 * the one before. */
enum { MARK_MAX = 256, SLOT = 512, SLOTS = 2 };

static char *path_of(const struct store *s, const char *name)
{
    return xasprintf("%s/%s", s->dir, name);
}

/* One line of the same length always. */
static size_t encode(const struct mark *m, char ret[MARK_MAX])
{
    int n = snprintf(ret, MARK_MAX, "gwd-mark 1 %-36s %020" PRIu64 " %020" PRIu64 " %020" PRIu64,
                     m->instance, m->seq, m->batch, m->file);
    n += snprintf(ret + n, (size_t)(MARK_MAX - n), " %010" PRIu32 "\n", num_cksum(ret, (size_t)n));
    return (size_t)n;
}

static int decode(const char *text, struct mark *ret)
{
    struct mark m = {.is_there = true};
    char again[MARK_MAX];
    if (sscanf(text, "gwd-mark 1 %36s %" SCNu64 " %" SCNu64 " %" SCNu64, m.instance, &m.seq,
               &m.batch, &m.file) != 4 ||
        memcmp(again, text, encode(&m, again)) != 0)
        return -1;
    *ret = m;
    return 0;
}

int mark_open(struct store *s, struct gw_err *err)
{
    char *path = path_of(s, "state.mark"), slots[SLOTS * SLOT + 1] = "";
    struct mark m;
    s->mark_fd = open(path, O_RDWR | O_CLOEXEC | O_NOFOLLOW);
    ssize_t n = s->mark_fd < 0 ? 0 : pread(s->mark_fd, slots, sizeof slots - 1, 0);
    int r = 0;
    if ((s->mark_fd < 0 && errno != ENOENT) || n < 0)
        r = gw_err_sys(err, errno, "reading %s", path);
    for (size_t i = 0; i < SLOTS; i++)
        if (decode(slots + i * SLOT, &m) == 0 && (!s->mark.is_there || m.seq >= s->mark.seq)) {
            s->mark = m;
            s->mark_slot = i;
        }
    if (r == 0 && s->mark_fd >= 0 && !s->mark.is_there)
        r = gw_err_set(err, GW_ECORRUPT, "%s is not what was written there", path);
    free(path);
    return r;
}

/* Which file it is. The number alone is given again when a file was removed: the next one in its
 * place may have it. 0: there is none. */
static uint64_t identity_of(const char *path)
{
    struct statx st;
    if (statx(AT_FDCWD, path, AT_SYMLINK_NOFOLLOW, STATX_INO | STATX_BTIME, &st) < 0)
        return 0;
    const uint64_t parts[] = {st.stx_ino, (uint64_t)st.stx_btime.tv_sec, st.stx_btime.tv_nsec};
    return num_fnv64(parts, sizeof parts);
}

static int sync_dir(const char *path)
{
    int fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    int r = fd < 0 || fsync(fd) < 0 ? -1 : 0;
    if (fd >= 0)
        close(fd);
    return r;
}

/* Durably, before the state is one that needs it. */
static int create(struct store *s, struct gw_err *err)
{
    char *path = path_of(s, "state.mark"), slots[SLOTS * SLOT] = "";
    mark_name(s, "-");
    s->mark.is_there = true;
    for (size_t i = 0; i < SLOTS; i++)
        encode(&s->mark, slots + i * SLOT);
    s->mark_fd = open(path, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0600);
    int r = 0;
    if (s->mark_fd < 0 || pwrite(s->mark_fd, slots, sizeof slots, 0) != (ssize_t)sizeof slots ||
        fsync(s->mark_fd) < 0 || sync_dir(s->dir) < 0)
        r = gw_err_sys(err, errno, "writing %s", path);
    if (r < 0)
        unlink(path);
    free(path);
    return r;
}

int mark_begin(struct store *s, struct gw_err *err)
{
    char *database = path_of(s, "state.db");
    uint64_t file = identity_of(database);
    int r = s->mark.is_there ? 0 : create(s, err);
    free(database);
    s->was_copied = s->mark.file && s->mark.file != file;
    s->mark.file = file;
    return r;
}

void mark_name(struct store *s, const char *instance)
{
    if (instance)
        snprintf(s->mark.instance, sizeof s->mark.instance, "%s", instance);
}

int mark_write(struct store *s, struct gw_err *err)
{
    char text[MARK_MAX];
    size_t len = encode(&s->mark, text);
    s->mark_slot = (s->mark_slot + 1) % SLOTS;
    ssize_t n = pwrite(s->mark_fd, text, len, (off_t)s->mark_slot * SLOT);
    if (n == (ssize_t)len)
        return 0;
    return gw_err_set(err, GW_EIO, "writing %s/state.mark: %s", s->dir,
                      n < 0 ? strerror(errno) : "it was cut short");
}

int mark_check(const struct store *s, const struct state *state, struct gw_err *err)
{
    const struct mark *m = &s->mark;
    if (!m->is_there) {
        if (s->format < STORE_FORMAT || s->is_adopted || state->seq == 0)
            return 0;
        return gw_err_set(err, GW_ECORRUPT,
                          "state.mark, which tells whether the state is complete, is missing");
    }
    if (state->instance && strcmp(m->instance, "-") != 0 &&
        strcmp(m->instance, state->instance) != 0)
        return gw_err_set(err, GW_ECORRUPT, "it is of instance %s, and state.mark of instance %s",
                          state->instance, m->instance);
    if (m->seq > state->seq)
        return gw_err_set(err, GW_ECORRUPT,
                          "it ends with event %" PRIu64 ", and event %" PRIu64
                          " was acknowledged: state.db or state.db-wal is an older one, was cut "
                          "off, or is damaged",
                          state->seq, m->seq);
    return 0;
}
