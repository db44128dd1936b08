/* gw_em_fork: runs job descriptions on this machine (docs/PROTOCOL section 2).
 *
 *   gw_em_fork [-d DIRECTORY]      of the journals (em/journal.h)
 *
 * A job runs in a session of its own and outlives the driver; a later driver process finds it by
 * its contact, or by its token: in the job directory, which says it all, or in the journal for one
 * that has none.
 *
 * The exit code of a job without a wrapper is told to its parent alone. So the driver is two
 * processes: the one that was started waits, and the other does the work. When the first is killed,
 * or nobody asks any more, the second goes on until it has written down how its jobs ended. */
#include "em/job.h"
#include "lib/log.h"
#include "lib/mem.h"

#include <fcntl.h>
#include <getopt.h>

#include <libgen.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <sysexits.h>
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
    if (!is_free(d, "SUBMIT", f->field[1]) || !read_launch(d, f, &launch))
        return;
    if (launch.is_bare && !d->journals) {
        launch_clear(&launch);
        kit_fail(d->kit, "SUBMIT", f->field[1], NULL, "refused:site",
                 "there is no directory for the journal of jobs without staging");
        return;
    }
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

/* Below the account's home, or where -d says; NULL: without jobs that need one. */
static struct journals *open_journals(const char *given)
{
    struct gw_err err;
    const char *state = getenv("XDG_STATE_HOME"), *home = getenv("HOME");
    char *dir = given                      ? xstrdup(given)
                : state && state[0] == '/' ? xasprintf("%s/gw_em_fork", state)
                : home && home[0] == '/'   ? xasprintf("%s/.local/state/gw_em_fork", home)
                                           : NULL;
    struct journals *js = dir ? journals_create(dir, &err) : NULL;
    if (!js)
        log_warn("no jobs without staging: %s", dir ? err.text : "HOME is not set; see -d");
    free(dir);
    return js;
}

/* Nobody asks any more. */
static void collect_ends(struct fork_driver *d)
{
    int nowhere = open("/dev/null", O_RDWR | O_CLOEXEC);
    for (int fd = 0; fd < 3; fd++)
        dup2(nowhere, fd);
    while (d->n_children)
        loop_turn(kit_loop(d->kit));
}

static void on_parent_end(void *ctx, int fd, short revents)
{
    (void)revents;
    struct fork_driver *d = ctx;
    loop_unwatch(kit_loop(d->kit), fd);
    kit_finish(d->kit);
}

/* `parent` is readable when the process that was started is gone; `done` tells it to go. */
static int serve(const char *dir, int parent, int done)
{
    static const struct kit_verb verbs[] = {
        {"SUBMIT", 0, submit},
        {"RECOVER", 0, recover},
        {"POLL", 0, poll_job},
        {"CANCEL", 0, cancel},
    };
    struct fork_driver d = {.gwvm = beside_us("gwvm"), .journals = open_journals(dir)};
    const struct kit_driver driver = {
        .name = "em_fork",
        .kind = KIT_EM,
        .features = KIT_PCT | KIT_HANDLES | KIT_RECOVER_TOKEN | KIT_IDEMPOTENT | KIT_BLAME |
                    KIT_INLINE | (d.journals ? KIT_BARE : 0),
        .verbs = verbs,
        .n_verbs = GW_COUNT(verbs),
        .ctx = &d,
    };
    launch_raise_limit();
    d.kit = kit_create(&driver);
    loop_watch(kit_loop(d.kit), parent, POLLIN, on_parent_end, &d);
    int code = kit_run(d.kit);
    loop_unwatch(kit_loop(d.kit), parent);
    recorded_stop(&d);
    char byte = (char)code;
    if (write(done, &byte, 1) == 1)
        close(done);
    collect_ends(&d);
    recorded_stop(&d);
    jobs_clear(&d);
    journals_destroy(d.journals);
    kit_destroy(d.kit);
    free(d.gwvm);
    return code;
}

/* The process that was started. Its descriptors are the other's: nothing may be kept open here. */
static int wait_for(pid_t pid, int done)
{
    char code;
    int status = 0, nowhere = open("/dev/null", O_RDWR | O_CLOEXEC);
    dup2(nowhere, STDIN_FILENO);
    dup2(nowhere, STDOUT_FILENO);
    if (read(done, &code, 1) == 1)
        return code;
    waitpid(pid, &status, 0);
    return WIFEXITED(status) ? WEXITSTATUS(status) : EX_SOFTWARE;
}

int main(int argc, char **argv)
{
    const char *dir = NULL;
    int option, parent[2], done[2];
    kit_arguments(&argc, &argv);
    while ((option = getopt(argc, argv, "d:")) != -1) {
        if (option != 'd')
            return EX_USAGE;
        dir = optarg;
    }
    if (pipe2(parent, O_CLOEXEC) < 0 || pipe2(done, O_CLOEXEC) < 0)
        return EX_OSERR;
    pid_t pid = fork();
    if (pid < 0)
        return EX_OSERR;
    close(parent[pid ? 0 : 1]);
    close(done[pid ? 1 : 0]);
    return pid ? wait_for(pid, done[0]) : serve(dir, parent[0], done[1]);
}
