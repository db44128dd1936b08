/* The engine among drivers that say anything, users who change their minds, and crashes. What it
 * stores makes the state that it has; nothing is accepted twice, no key makes two jobs; each
 * request gets one reply; what it writes and sends can be written, sent and read; it never asks for
 * a time that has passed again and again.
 *
 * The input has lines; the first byte says what happens:
 *     I T E  the rest is a line of the information, transfer, execution driver (a handle: the n-th
 * task that it was asked of) A      all that was asked is answered as by a good driver;  a  the
 * n-th only f      the n-th request fails with the rest S      a status file is found: exited,
 * failed or none, as the next byte says t      so many seconds pass;  s w  submissions and wishes;
 * u d  a driver comes up or down;  D p  drain, pause c      a credential is found good or bad;  x
 * what was to be archived is (n: not);  R  the daemon is killed
 *
 * fuzz: max_len=320 slow=4 */
#include "gwd/daemon/driver_line.h"
#include "gwd/engine/engine.h"
#include "tests/fuzz/fuzz.h"
#include "tests/unit/history.h"
#include "vm/conf.h"
#include "wrappers/plain/ctl.h"

enum { PENDING_MAX = 512, REFS_MAX = 64, TASKS_MAX = 256, TURNS_MAX = 50 };

static const char *const names[DRIVER_KINDS] = {"i", "t", "e"};
static const char good_host[] =
    "LRMS_NAME=\"fork\" NODECOUNT=4 ARCH=\"x86_64\" CPU_SMP=8 SIZE_MEM_MB=4096 "
    "VM_HYPERVISOR=\"qemu\" "
    "STAGE_URL=\"file:///site/\" QUEUE_NAME[0]=\"default\" QUEUE_NODECOUNT[0]=4";
static const char *const templates[] = {
    "EXECUTABLE = run.sh\nARGUMENTS = a\\'b \"c d\" $GW_TASK_ID\nENVIRONMENT = X=\"it's\"\n"
    "INPUT_FILES = in.${TASK_ID}\nOUTPUT_FILES = o.${ARCH}\nNUMBER_OF_RETRIES = 1\n",
    "EXECUTABLE = /bin/true\nVM_IMAGE = images/d.qcow2\nVM_MEMORY = 512\nON_LOST = retry-now\n"
    "NAME = \"a <b>\"\n",
    "EXECUTABLE = /bin/true\nSTAGING = no\nSTDOUT_FILE = /dev/null\nSTDERR_FILE = /dev/null\n",
    "EXECUTABLE = /bin/true\nON_LOST = retry-after-lease\nLEASE = 60\nWALLTIME = 100\n"
    "RESCHEDULE_ON_FAILURE = yes\n",
    "EXECUTABLE = /bin/true\nREQUIREMENTS = ARCH = \"x86_64\" & CPU_SMP > 4\nRANK = CPU_SMP\n",
};

/* What was asked and is not answered. */
struct ask {
    enum driver_kind kind;
    char verb[16];
    struct task_ref ref;
    uint64_t number;
    bool is_status;
};

struct play {
    struct engine *engine;
    struct state stored; /* what is on disk */
    struct output out;
    struct ask asks[PENDING_MAX];
    size_t n_asks;
    struct task_ref refs[DRIVER_KINDS][REFS_MAX];
    size_t n_refs[DRIVER_KINDS];
    unsigned features[DRIVER_KINDS];
    int64_t mono_us;
    int64_t request; /* of the last asker */
    unsigned n_replies;
    struct reply_seen {
        int code;
        uint64_t job;
    } reply;
    uint64_t job_of_key[4]; /* 0: not given yet */
    bool has_to_archive;
};

static const struct engine_config config = {.spool = "/spool",
                                            .wrapper = "/lib/gw_wrapper.sh",
                                            .gwvm = "/lib/gwvm",
                                            .vm_uri = "qemu:///embed",
                                            .attempts_max = 3,
                                            .remains_max = 2,
                                            .jobs_max = 40,
                                            .array_max = 20,
                                            .cancel_retry_us = 10000000,
                                            .retry_us = 1000000,
                                            .backoff_max_us = 60000000,
                                            .poll_us = 60000000,
                                            .lease_margin_us = 30000000,
                                            .retention_us = 600000000,
                                            .discovery_us = 300000000,
                                            .monitoring_us = 60000000};
static const struct engine_im im = {.name = "i", .tm = "t", .em = "e"};

/* --- what it says --- */

static void store(struct play *p)
{
    const struct buf *events = &p->out.events;
    uint64_t seq = p->out.first_seq, n = 0;
    struct event_arena arena = {0};
    struct gw_err err = {0};
    for (size_t at = 0; at < events->len; n++) {
        struct event ev;
        long used = event_decode(events->data + at, events->len - at, &ev, &arena, &err);
        FUZZ_CHECK(used > 0);
        ev.seq = seq++;
        /* It applies to what is stored, so a fold of the journal is the state. */
        if (state_apply(&p->stored, &ev, &err) < 0)
            fuzz_broken(__FILE__, __LINE__, err.text);
        at += (size_t)used;
        event_arena_reset(&arena);
    }
    FUZZ_CHECK(n == p->out.n_events);
    event_arena_clear(&arena);
}

static void note_ask(struct play *p, const struct effect *f, bool is_status)
{
    if (p->n_asks == PENDING_MAX)
        memmove(p->asks, p->asks + 1, --p->n_asks * sizeof *p->asks);
    struct ask *a = &p->asks[p->n_asks++];
    *a = (struct ask){
        .kind = f->driver_kind, .ref = f->ref, .number = f->number, .is_status = is_status};
    if (is_status)
        return;
    snprintf(a->verb, sizeof a->verb, "%s", f->verb);
    size_t *n = &p->n_refs[f->driver_kind];
    for (size_t i = 0; i < *n; i++)
        if (memcmp(&p->refs[f->driver_kind][i], &f->ref, sizeof f->ref) == 0)
            return;
    if (f->ref.job && *n < REFS_MAX)
        p->refs[f->driver_kind][(*n)++] = f->ref;
}

static void check_send(struct play *p, const struct effect *f)
{
    struct buf line = BUF_INIT;
    struct gw_err err = {0};
    FUZZ_CHECK(f->driver_kind < DRIVER_KINDS && strcmp(f->driver, names[f->driver_kind]) == 0 &&
               strlen(f->verb) < 16);
    int r = driver_line_encode(f->driver_kind, f->verb, "1", f->number, f->args, true, &line, &err);
    if (r < 0)
        FUZZ_CHECK(
            strstr(err.text, "longer")); /* a hostile text may make it so; with %xx nothing else */
    buf_clear(&line);
    note_ask(p, f, false);
}

static bool ends_in(const char *text, const char *end)
{
    size_t n = strlen(text), m = strlen(end);
    return n >= m && strcmp(text + n - m, end) == 0;
}

/* The spool is all that it writes to, and what it writes there is what its readers take. */
static void check_file(const struct effect *f)
{
    struct gw_err err = {0};
    FUZZ_CHECK(strncmp(f->path, "/spool", 6) == 0 && !strstr(f->path, "/../"));
    if (f->kind == EFFECT_REMOVE || f->kind == EFFECT_WRITE_LEASE)
        return;
    if (ends_in(f->path, "job.ctl") || ends_in(f->path, "job.env")) {
        struct ctl c = {0};
        int r = ctl_parse(f->text, &c, &err);
        if (r < 0)
            fuzz_broken(__FILE__, __LINE__, err.text);
        ctl_clear(&c);
    }
    if (ends_in(f->path, "vm.conf")) {
        struct vm_conf c = {0};
        if (vm_conf_parse(f->text, f->len ? f->len : strlen(f->text), "vm.conf", &c, &err) < 0)
            fuzz_broken(__FILE__, __LINE__, err.text);
        vm_conf_clear(&c);
    }
}

static void perform(struct play *p, const struct effect *f)
{
    switch (f->kind) {
    case EFFECT_SEND:
    case EFFECT_SEND_LEASE:
        check_send(p, f);
        break;
    case EFFECT_WRITE_FILE:
    case EFFECT_WRITE_LEASE:
    case EFFECT_READ_EPOCH:
    case EFFECT_REMOVE:
        check_file(f);
        break;
    case EFFECT_READ_STATUS:
        note_ask(p, f, true);
        break;
    case EFFECT_RELEASE:
    case EFFECT_CREDENTIAL:
    case EFFECT_WARN:
        break;
    case EFFECT_ARCHIVE:
        p->has_to_archive = true;
        break;
    case EFFECT_REPLY:
        FUZZ_CHECK(f->asker.request == p->request && f->reply);
        FUZZ_CHECK(f->reply->code == 0 || (f->reply->text && *f->reply->text));
        p->reply = (struct reply_seen){f->reply->code, f->reply->job};
        p->n_replies++;
        break;
    }
}

static void step(struct play *p, struct input *in)
{
    in->mono_us = p->mono_us;
    in->now_us = p->mono_us + INT64_C(1767225600000000);
    in->asker.request = p->request;
    in->asker.connection = 1;
    in->asker.uid = 1000;
    output_reset(&p->out);
    engine_step(p->engine, in, &p->out);
    store(p);
    const char *wrong = recount(engine_state(p->engine));
    if (wrong)
        fuzz_broken(__FILE__, __LINE__, wrong);
    for (size_t i = 0; i < p->out.n_effects; i++)
        perform(p, &p->out.effects[i]);
}

/* All that is due now: it comes to an end. */
static void run_timers(struct play *p)
{
    for (int n = 0; engine_next_time(p->engine) <= p->mono_us; n++) {
        struct input in = {.kind = IN_TIME};
        FUZZ_CHECK(n < TURNS_MAX);
        step(p, &in);
    }
}

/* --- what happens --- */

static void driver(struct play *p, unsigned kind, bool is_up)
{
    struct input in = {.kind = is_up ? IN_DRIVER_UP : IN_DRIVER_DOWN,
                       .driver = {.kind = (enum driver_kind)kind,
                                  .name = names[kind],
                                  .features = p->features[kind],
                                  .why = "test"}};
    size_t n = 0;
    for (size_t i = 0; i < p->n_asks; i++)
        if (p->asks[i].is_status || p->asks[i].kind != kind)
            p->asks[n++] = p->asks[i];
    p->n_asks = n;
    step(p, &in);
}

static void answer(struct play *p, enum driver_kind kind, const char *verb, struct task_ref ref,
                   uint64_t number, bool is_success, const char *text)
{
    struct input in = {.kind = IN_ANSWER,
                       .answer = {.kind = kind,
                                  .driver = names[kind],
                                  .verb = verb,
                                  .ref = ref,
                                  .number = number,
                                  .is_success = is_success,
                                  .text = text}};
    step(p, &in);
}

static void status(struct play *p, struct task_ref ref, char what)
{
    struct status_report r = {
        .is_there = what != 'n', .is_exited = what != 'f', .exit_code = what == '7' ? 7 : 0};
    if (what == 'f')
        r = (struct status_report){
            .is_there = true, .reason = "no-space", .blame = BLAME_SITE, .message = "full"};
    struct input in = {.kind = IN_STATUS, .status = {.ref = ref, .report = r}};
    step(p, &in);
}

static const char *good_text(const struct ask *a)
{
    static const struct {
        const char *verb, *text;
    } texts[] = {{"DISCOVER", "a.example.org b.example.org"},
                 {"MONITOR", good_host},
                 {"STAT", "1000 1767225600"},
                 {"POLL", "ACTIVE"},
                 {"RECOVER", "ACTIVE"},
                 {"SUBMIT", "contact"}};
    for (size_t i = 0; i < GW_COUNT(texts); i++)
        if (strcmp(texts[i].verb, a->verb) == 0)
            return texts[i].text;
    return "-";
}

static void settle(struct play *p, size_t at, bool is_success, const char *text)
{
    struct ask a = p->asks[at];
    memmove(p->asks + at, p->asks + at + 1, (--p->n_asks - at) * sizeof *p->asks);
    if (a.is_status)
        status(p, a.ref, 'e');
    else
        answer(p, a.kind, a.verb, a.ref, a.number, is_success, text ? text : good_text(&a));
}

static void settle_all(struct play *p)
{
    for (size_t n = p->n_asks; n && p->n_asks; n--)
        settle(p, 0, true, NULL);
}

static size_t nth(const char *text, size_t n)
{
    size_t k = strtoul(text, NULL, 10);
    return n ? k % n : 0;
}

static void raw_line(struct play *p, enum driver_kind kind, char *line)
{
    struct driver_line l;
    struct gw_err err;
    struct task_ref ref = {0};
    if (driver_line_decode(kind, line, &l, &err) < 0 || strcmp(l.verb, "INIT") == 0)
        return;
    if (kind != DRIVER_IM && p->n_refs[kind])
        ref = p->refs[kind][nth(l.handle, p->n_refs[kind])];
    else if (kind != DRIVER_IM)
        return; /* no such handle was given */
    answer(p, kind, l.verb, ref, kind == DRIVER_IM ? strtoull(l.handle, NULL, 10) : l.number,
           l.is_success, l.text);
}

static void submit(struct play *p, const char *choice)
{
    unsigned which = (unsigned char)choice[0], key = choice[0] ? (unsigned char)choice[1] % 5 : 0;
    static const char *const given[] = {NULL, "k1", "k2", "k3", "k4"};
    struct submission sub = {
        .source = templates[which % GW_COUNT(templates)],
        .file = "f",
        .home = "/home/ann",
        .key = given[key],
        .owner = {.user = (char[]){"ann"}, .uid = 1000, .gid = 1000, .credential = (char[]){"/c"}},
        .tasks = which & 0x20 ? 3 : 1,
        .is_array = which & 0x20,
        .increment = 1};
    struct input in = {.kind = IN_SUBMIT, .submit = &sub};
    p->request++;
    p->n_replies = 0;
    step(p, &in);
    FUZZ_CHECK(p->n_replies == 1);
    FUZZ_CHECK(p->reply.code || p->reply.job);
    if (!key || p->reply.code)
        return;
    uint64_t *job = &p->job_of_key[key - 1];
    /* A key is forgotten with its job, and not before. */
    if (*job && state_job(engine_state(p->engine), *job))
        FUZZ_CHECK(*job == p->reply.job);
    *job = p->reply.job;
}

static void change(struct play *p, char what, const char *text)
{
    uint64_t ids[] = {*text ? strtoull(text + 1, NULL, 10) : 0};
    struct input in = {.kind = IN_WISH,
                       .wish = {.wish = *text == 'g'   ? WISH_GONE
                                        : *text == 'h' ? WISH_HELD
                                                       : WISH_RUN,
                                .is_hard = *text == 'G',
                                .ids = ids,
                                .n_ids = 1}};
    if (*text == 'G')
        in.wish.wish = WISH_GONE;
    if (what == 'D')
        in = (struct input){.kind = IN_DRAIN,
                            .drain = {.host = "a.example.org", .is_drained = *text != 'n'}};
    if (what == 'p')
        in = (struct input){.kind = IN_PAUSE, .is_paused = *text != 'n'};
    p->request++;
    p->n_replies = 0;
    in.asker.is_admin = true;
    step(p, &in);
    FUZZ_CHECK(p->n_replies == 1);
}

static void credential(struct play *p, char what)
{
    struct input in = {
        .kind = IN_CREDENTIAL,
        .credential = {.path = "/c",
                       .identity = what == 'b' ? NULL : "/CN=Ann",
                       .problem = what == 'b' ? "it is bad" : NULL,
                       .expires_us = p->mono_us + INT64_C(1767225600000000) + 3600000000,
                       .version = (unsigned char)what}};
    step(p, &in);
}

static void start(struct play *p)
{
    struct input in = {.kind = IN_START};
    struct buf journal = dump_of(&p->stored);
    struct gw_err err = {0};
    engine_destroy(p->engine);
    p->engine = engine_create(&config, &im, 1);
    if (fold_bytes(engine_state(p->engine), &journal, &err) < 0)
        fuzz_broken(__FILE__, __LINE__, err.text);
    buf_clear(&journal);
    p->n_asks = 0;
    p->has_to_archive = false;
    step(p, &in);
    for (unsigned k = 0; k < DRIVER_KINDS; k++)
        driver(p, k, true);
}

static void happen(struct play *p, char *line)
{
    char what = *line, *rest = line + (what != '\0');
    struct input in = {.kind = IN_ARCHIVED, .is_archived = *rest != 'n'};
    if (what == 'I' || what == 'T' || what == 'E')
        raw_line(p, what == 'I' ? DRIVER_IM : what == 'T' ? DRIVER_TM : DRIVER_EM, rest);
    else if (what == 'A')
        settle_all(p);
    else if ((what == 'a' || what == 'f') && p->n_asks)
        settle(p, nth(rest, p->n_asks), what == 'a',
               what == 'a' ? NULL : rest + strspn(rest, "0123456789"));
    else if (what == 'S' && p->n_refs[DRIVER_EM] && *rest)
        status(p, p->refs[DRIVER_EM][nth(rest + 1, p->n_refs[DRIVER_EM])], *rest);
    else if (what == 't')
        p->mono_us += (int64_t)(strtoul(rest, NULL, 10) % 100000) * 1000000;
    else if (what == 's')
        submit(p, rest);
    else if (what == 'w' || what == 'D' || what == 'p')
        change(p, what, rest);
    else if (what == 'u' || what == 'd') {
        unsigned kind = (unsigned char)*rest % DRIVER_KINDS;
        if (*rest && rest[1])
            p->features[kind] = (unsigned)strtoul(rest + 1, NULL, 16);
        driver(p, kind, what == 'u');
    } else if (what == 'c')
        credential(p, *rest);
    else if (what == 'x' && p->has_to_archive) {
        p->has_to_archive = false;
        step(p, &in);
    } else if (what == 'R')
        start(p);
    run_timers(p);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct fuzz_input in = {data, size};
    struct play *p = xcalloc(1, sizeof *p);
    struct event ev = created_event();
    p->mono_us = 1000000;
    for (unsigned k = 0; k < DRIVER_KINDS; k++)
        p->features[k] = 0x7fff & ~(unsigned)(FEATURE_COMMIT | FEATURE_CREDENTIAL | FEATURE_INLINE |
                                              FEATURE_SMALL);
    ev.seq = 1;
    state_init(&p->stored);
    state_apply(&p->stored, &ev, NULL);
    start(p);
    for (char *line; (line = fuzz_part(&in, '\n', NULL)); free(line))
        happen(p, line);
    FUZZ_CHECK(jobs_are_equal(engine_state(p->engine), &p->stored) &&
               engine_state(p->engine)->seq == p->stored.seq);
    engine_destroy(p->engine);
    state_clear(&p->stored);
    output_clear(&p->out);
    free(p);
    return 0;
}
