/* Who may see a job: its owner and administrators all of it; others what VISIBILITY says. A job
 * that is not to be seen is answered as one that does not exist. */
#include "gwd/daemon/daemon.h"
#include "gwd/daemon/settings.h"

enum sight connection_sight(const struct connection *c, uint64_t owner)
{
    struct asker asker = connection_asker(c, 0);
    if (asker.is_admin || asker.uid == owner)
        return SIGHT_FULL;
    return settings_engine(connection_daemon(c)->settings)->hides_others ? SIGHT_NONE
                                                                         : SIGHT_OUTSIDE;
}

/* Its parts in the archive are the same job's. */
bool job_owner(struct daemon *d, uint64_t job, uint64_t *ret_uid)
{
    struct state past;
    const struct job *j = state_job_of(engine_state(d->engine), job);
    state_init(&past);
    if (!j && store_find_archived(d->store, job, &past, NULL) == 1)
        j = state_job_of(&past, job);
    if (j)
        *ret_uid = j->spec->owner.uid;
    state_clear(&past);
    return j != NULL;
}
