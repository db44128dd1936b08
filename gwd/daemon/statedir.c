#include "gwd/daemon/statedir.h"

#include "gwd/daemon/settings.h"
#include "lib/crash.h"
#include "lib/log.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <sys/random.h>
#include <sys/statvfs.h>
#include <uuid/uuid.h>

/* sysexits.h */
enum { EXIT_SOFTWARE = 70, EXIT_IO = 74, EXIT_TEMPORARY = 75 };

static int append(struct daemon *d, struct event *ev, struct gw_err *err)
{
    struct state *s = engine_state(d->engine);
    struct buf events = BUF_INIT;
    ev->seq = s->seq + 1;
    ev->at_us = clock_wall_us();
    event_encode(ev, &events);
    crash_point("start");
    int r = store_append(d->store, ev->seq, 1, &events, err);
    buf_clear(&events);
    return r < 0 ? r : state_apply(s, ev, err);
}

/* None that another copy of this state has had: the time, and chance, for copies that start in the
 * same millisecond or while the clock is behind. */
static uint64_t new_epoch(uint64_t old)
{
    uint64_t now = (uint64_t)clock_wall_us() / 1000;
    uint32_t chance = 0;
    if (getrandom(&chance, sizeof chance, 0) != sizeof chance)
        log_warn("no random number for the epoch: %s", strerror(errno));
    return (now > old ? now : old) + 1 + chance % EPOCH_CHANCE_MS;
}

/* A state that was never used begins with its identity. */
static int create_state(struct daemon *d, struct gw_err *err)
{
    uuid_t uuid;
    char text[37];
    uuid_generate_random(uuid);
    uuid_unparse_lower(uuid, text);
    struct event ev = {.kind = EV_STATE_CREATED, .instance = text, .epoch = new_epoch(0)};
    return append(d, &ev, err);
}

/* Of a copy nobody knows of when it is: attempts that were started after it, or by another daemon
 * with the same state, are not to be kept going by our lease files. */
static int raise_epoch(struct daemon *d, struct gw_err *err)
{
    bool was_copied = store_was_copied(d->store);
    uint64_t epoch = new_epoch(engine_state(d->engine)->epoch);
    struct event ev = {.kind = EV_EPOCH_RAISED, .epoch = epoch, .fence = was_copied ? epoch : 0};
    if (was_copied)
        log_warn("the state in %s is a copy that was put there by hand: what an older one does not "
                 "know of is lost to it; gwd(8), --restore",
                 settings_state_dir(d->settings));
    return append(d, &ev, err);
}

int statedir_load(struct daemon *d, struct gw_err *err)
{
    struct state *s = engine_state(d->engine);
    int r = store_open(settings_state_dir(d->settings), &d->store, err);
    if (r == 0)
        r = store_load(d->store, s, err);
    if (r == 0)
        r = s->instance ? raise_epoch(d, err) : create_state(d, err);
    if (r == 0)
        log_info("instance %s, epoch %" PRIu64 ", %" PRIu64 " events", s->instance, s->epoch,
                 s->seq);
    return r;
}

uint64_t statedir_free_bytes(const struct daemon *d)
{
    struct statvfs fs;
    if (statvfs(settings_state_dir(d->settings), &fs) < 0)
        return UINT64_MAX;
    return (uint64_t)fs.f_bavail * fs.f_frsize;
}

int statedir_fail(const struct settings *settings, const struct gw_err *err)
{
    fprintf(stderr, "gwd: %s\n", err->text);
    if (err->code == GW_EEXIST)
        return EXIT_TEMPORARY;
    if (err->code != GW_ECORRUPT)
        return EXIT_IO;
    if (settings)
        fprintf(stderr,
                "gwd: nothing was changed. To go on, `gwd --restore BACKUP` puts a backup in its "
                "place, and `gwd --restore %s` takes what is there for the truth, where that can "
                "be read. See gwd(8), \"WHEN THE STATE IS DAMAGED\".\n",
                settings_state_dir(settings));
    return EXIT_SOFTWARE;
}
