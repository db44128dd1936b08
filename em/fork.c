/* gw_em_fork: runs job descriptions on this machine (docs/PROTOCOL section 2). A job runs in a
 * session of its own and outlives the driver; a later driver process finds it by its contact, or by
 * its token in the job directory. Nothing is kept on disk here: the job directory says it all. */
#include "em/job.h"
#include "lib/mem.h"

#include <libgen.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* A handle may come again only after its job's end (GridWay's ids do). */
static bool is_free(struct fork_driver *d, const char *verb, const char *handle)
{
    struct job *j = job_find(d, handle);
    if (!j)
        return true;
    if (j->phase != JOB_DONE && j->phase != JOB_LOST) {
        kit_fail(d->kit, verb, handle, NULL, "internal:us", "the handle %s is in use", handle);
        return false;
    }
    job_forget(j);
    return true;
}

static bool read_launch(struct fork_driver *d, const struct fields *f, struct launch *ret)
{
    struct gw_err err;
    int r = launch_read(f->field[3], ret, &err);
    if (r < 0)
        kit_fail(d->kit, f->field[0], f->field[1], NULL,
                 r == -GW_EINVAL ? "refused:job" : "internal:us", "%s", err.text);
    return r == 0;
}

static void submit(struct kit *k, const struct fields *f, void *ctx)
{
    (void)k;
    struct fork_driver *d = ctx;
    struct launch launch;
    if (is_free(d, "SUBMIT", f->field[1]) && read_launch(d, f, &launch))
        job_submit(d, f->field[1], &launch);
}

static void recover(struct kit *k, const struct fields *f, void *ctx)
{
    struct fork_driver *d = ctx;
    struct launch launch = {0};
    struct process_id contact = {0};
    struct gw_err err = {0};
    bool has_contact = strcmp(f->field[2], "-") != 0, has_path = strcmp(f->field[3], "-") != 0;
    if (!is_free(d, "RECOVER", f->field[1]))
        return;
    if (has_contact && process_decode_contact(f->field[2], &contact, &err) < 0)
        kit_fail(k, "RECOVER", f->field[1], NULL, "internal:us", "%s", err.text);
    else if (!has_contact && !has_path)
        kit_fail(k, "RECOVER", f->field[1], NULL, "internal:us",
                 "neither a contact nor a job description is given");
    else if (!has_path || read_launch(d, f, &launch)) {
        if (!has_contact && !launch.token) {
            launch_clear(&launch);
            kit_fail(k, "RECOVER", f->field[1], NULL, "internal:us",
                     "without a contact, GW_TOKEN is expected in %s", f->field[3]);
        } else {
            job_recover(d, f->field[1], &launch, &contact);
        }
    }
}

static void poll_job(struct kit *k, const struct fields *f, void *ctx)
{
    struct fork_driver *d = ctx;
    struct job *j = job_find(d, f->field[1]);
    char text[16];
    const char *state = j ? job_state(j, text) : NULL;
    if (!j)
        kit_fail(k, "POLL", f->field[1], NULL, "internal:us", "no job has the handle %s",
                 f->field[1]);
    else if (!state)
        kit_fail(k, "POLL", f->field[1], NULL, "lost:site", "the job is over and left no result");
    else
        kit_succeed(k, "POLL", f->field[1], NULL, "%s", state);
}

static void cancel(struct kit *k, const struct fields *f, void *ctx)
{
    struct fork_driver *d = ctx;
    struct job *j = job_find(d, f->field[1]);
    if (!j) {
        kit_fail(k, "CANCEL", f->field[1], NULL, "internal:us", "no job has the handle %s",
                 f->field[1]);
        return;
    }
    job_cancel(j);
    kit_succeed(k, "CANCEL", f->field[1], NULL, "-");
}

static char *beside_us(const char *name)
{
    char own[4096];
    ssize_t n = readlink("/proc/self/exe", own, sizeof own - 1);
    own[n > 0 ? n : 0] = '\0';
    return xasprintf("%s/%s", dirname(own), name);
}

int main(void)
{
    static const struct kit_verb verbs[] = {
        {"SUBMIT", 0, submit},
        {"RECOVER", 0, recover},
        {"POLL", 0, poll_job},
        {"CANCEL", 0, cancel},
    };
    struct fork_driver d = {.gwvm = beside_us("gwvm")};
    const struct kit_driver driver = {
        .name = "em_fork",
        .kind = KIT_EM,
        .features = KIT_PCT | KIT_HANDLES | KIT_RECOVER_TOKEN | KIT_IDEMPOTENT | KIT_BLAME,
        .verbs = verbs,
        .n_verbs = GW_COUNT(verbs),
        .ctx = &d,
    };
    launch_raise_limit();
    d.kit = kit_create(&driver);
    int code = kit_run(d.kit);
    jobs_clear(&d);
    kit_destroy(d.kit);
    free(d.gwvm);
    return code;
}
