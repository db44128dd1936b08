#include "tm/landing.h"

#include "lib/mem.h"
#include "tm/request.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <unistd.h>
#include <utlist.h>

struct landing *landing_create(struct place *to, bool is_output)
{
    struct landing *l = xcalloc(1, sizeof *l);
    struct stat st;
    l->to = *to;
    l->part.fd = -1;
    l->is_output = is_output;
    *to = (struct place){0};
    if (fstat(l->to.dirfd, &st) == 0)
        l->device = st.st_dev;
    return l;
}

void landing_destroy(struct landing *l)
{
    if (l->part.fd >= 0)
        part_discard(&l->part);
    place_close(&l->to);
    free(l);
}

static void fail(struct request *r, int code, const struct gw_err *err)
{
    bool is_choice = r->landing->is_output && r->landing->to.zone == ZONE_OUTSIDE;
    work_fail(r, work_target_reason(code, is_choice), err);
    landing_destroy(r->landing);
    r->landing = NULL;
}

/* All that `device` has, to disk; 0 or an errno. A directory that may be entered but not read
 * cannot be opened for that: another file of the device may. */
static int sync_device(struct request *first, dev_t device)
{
    int e = EACCES;
    for (struct request *r = first; r && e == EACCES; r = (struct request *)r->task.next) {
        if (!r->landing || r->landing->device != device)
            continue;
        int own = r->landing->part.fd;
        int fd =
            own >= 0 ? own : openat(r->landing->to.dirfd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        e = fd < 0 || syncfs(fd) < 0 ? errno : 0;
        if (fd >= 0 && fd != own)
            close(fd);
    }
    return e;
}

/* Each file system once. */
static void sync_all(struct request *first)
{
    for (struct request *r = first; r; r = (struct request *)r->task.next) {
        if (!r->landing || r->landing->is_synced)
            continue;
        dev_t device = r->landing->device;
        int e = sync_device(r, device);
        for (struct request *q = r; q; q = (struct request *)q->task.next) {
            if (!q->landing || q->landing->device != device)
                continue;
            q->landing->is_synced = true;
            if (e && e != EACCES) {
                struct gw_err err;
                fail(q, gw_err_sys(&err, e, "bringing %s to disk", q->landing->to.path), &err);
            }
        }
    }
}

/* True when some got their names. */
static bool publish_all(struct request *first)
{
    bool has_some = false;
    for (struct request *r = first; r; r = (struct request *)r->task.next) {
        struct landing *l = r->landing;
        struct gw_err err;
        if (!l)
            continue;
        if (l->part.fd < 0) {
            r->landing = NULL;
            landing_destroy(l);
            continue;
        }
        l->is_synced = false;
        int code = part_publish(&l->part, l->mode, &err);
        if (code < 0)
            fail(r, code, &err);
        else
            has_some = true;
    }
    return has_some;
}

void work_settle(struct pool_task *tasks)
{
    struct request *first = (struct request *)tasks;
    sync_all(first);
    if (publish_all(first)) {
        sync_all(first);
        publish_all(first); /* all have their names: ends them */
    }
}
