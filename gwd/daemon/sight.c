/* Who may see a job: its owner and administrators all of it; others what VISIBILITY says. A job
 * that is not to be seen is answered as one that does not exist. */
#include "gwd/daemon/daemon.h"
#include "gwd/daemon/settings.h"

enum sight sight_of(const struct daemon *d, uint64_t viewer, uint64_t owner)
{
    if (viewer == VIEWER_OF_ALL || viewer == owner)
        return SIGHT_FULL;
    return settings_engine(d->settings)->hides_others ? SIGHT_NONE : SIGHT_OUTSIDE;
}

uint64_t connection_viewer(const struct connection *c)
{
    struct asker asker = connection_asker(c, 0);
    return asker.is_admin ? VIEWER_OF_ALL : asker.uid;
}

enum sight connection_sight(const struct connection *c, uint64_t owner)
{
    return sight_of(connection_daemon(c), connection_viewer(c), owner);
}

/* Its parts in the archive are the same job's. */
bool job_owner(struct daemon *d, uint64_t job, uint64_t *ret_uid)
{
    const struct job *j = state_job_of(engine_state(d->engine), job);
    if (j)
        *ret_uid = j->spec->owner.uid;
    return j || store_find_archived_owner(d->store, job, ret_uid, NULL) == 1;
}
