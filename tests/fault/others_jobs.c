/* A state with jobs of people who are not here, for tests/system/visibility.sh.
 *
 *     others_jobs DIR UID USER UID2 USER2
 *
 * Of USER: 1 that no host fits, 2 that failed at a site, 3-5 an array that is held; of USER2: 6,
 * held. What is their owner's alone has the word "hunter2" in it. */
#include "gwd/store/store.h"
#include "lib/mem.h"
#include "lib/num.h"

#include <stdio.h>
#include <stdlib.h>

static const char source[] = "NAME = open\n"
                             "EXECUTABLE = /bin/hunter2\n"
                             "ARGUMENTS = hunter2\n"
                             "ENVIRONMENT = PASSWORD=hunter2\n"
                             "INPUT_FILES = hunter2\n"
                             "REQUIREMENTS = HOSTNAME = \"hunter2\"\n"
                             "STDOUT_FILE = hunter2.out\n"
                             "STDERR_FILE = hunter2.err\n";

static struct buf events;
static uint64_t n;

static void add(struct event ev)
{
    ev.seq = ++n;
    ev.at_us = INT64_C(1700000000000000) + (int64_t)n;
    event_encode(&ev, &events);
}

static void submit(const char *user, uint64_t uid, uint64_t job, uint64_t tasks, bool is_held)
{
    add((struct event){.kind = EV_JOB_SUBMITTED,
                       .job = job,
                       .tasks = tasks,
                       .array_id = tasks > 1 ? 1 : 0,
                       .array_increment = 1,
                       .wish = is_held ? 1 : 0,
                       .source = source,
                       .file = "hunter2.jt",
                       .home = "/home/hunter2",
                       .user = user,
                       .uid = uid,
                       .gid = uid,
                       .credential = "/tmp/hunter2",
                       .key = job == 1 ? "hunter2" : NULL});
}

static void fail_at_site(uint64_t job)
{
    const struct event attempt = {.job = job, .attempt = 1, .epoch = 1};
    struct event ev = attempt;
    ev.kind = EV_ATTEMPT_STARTED;
    ev.host = "somewhere";
    ev.queue = "short";
    ev.im = "static";
    ev.tm = "local";
    ev.em = "fork";
    ev.stage_url = "file:///home/hunter2/site";
    add(ev);
    ev = attempt;
    ev.kind = EV_ATTEMPT_STAGED;
    add(ev);
    ev = attempt;
    ev.kind = EV_ATTEMPT_SUBMITTED;
    ev.contact = "https://site/hunter2";
    add(ev);
    ev = attempt;
    ev.kind = EV_VM_CHANGED;
    ev.uuid = "hunter2";
    ev.node = "hunter2";
    add(ev);
    ev = attempt;
    ev.kind = EV_ATTEMPT_EXITED;
    ev.reason = "no-file";
    ev.blame = 1;
    ev.text = "/home/hunter2/data is not there";
    add(ev);
    ev.kind = EV_ATTEMPT_ENDED;
    ev.outcome = 2;
    add(ev);
}

static int fail(const struct gw_err *err)
{
    fprintf(stderr, "others_jobs: %s\n", err->text);
    return 1;
}

int main(int argc, char **argv)
{
    struct store *store;
    struct state state;
    struct gw_err err = {0};
    uint64_t uid, uid2;
    if (argc != 6 || num_parse_u64(argv[2], 0, UINT32_MAX, &uid, &err) < 0 ||
        num_parse_u64(argv[4], 0, UINT32_MAX, &uid2, &err) < 0)
        return fail(&(struct gw_err){.text = "DIR UID USER UID2 USER2"});
    add((struct event){
        .kind = EV_STATE_CREATED, .instance = "0c2b7f9e-0000-4000-8000-000000000005", .epoch = 1});
    submit(argv[3], uid, 1, 1, false);
    submit(argv[3], uid, 2, 1, false);
    fail_at_site(2);
    submit(argv[3], uid, 3, 3, true);
    submit(argv[5], uid2, 6, 1, true);
    state_init(&state);
    int r = store_open(argv[1], &store, &err);
    if (r == 0)
        r = store_load(store, &state, &err);
    if (r == 0)
        r = store_append(store, 1, n, &events, &err);
    if (r < 0)
        return fail(&err);
    store_close(store);
    state_clear(&state);
    buf_clear(&events);
    return 0;
}
