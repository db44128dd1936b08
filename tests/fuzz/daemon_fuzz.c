/* The daemon around the engine, on a loop and sockets of its own: two clients and three drivers say
 * anything, in any pieces. Each request of a client that is still there gets one answer, in JSON;
 * one that may not change anything changes nothing; what is answered and done is stored before, and
 * makes the state; and in the end a third client is served.
 *
 * The input has lines; the first byte says who speaks: 1 2 a client (the second one is another
 * user, and no administrator), i t e a driver; a line that ends in \ comes without its newline. q
 * and one of these: it hangs up. A: the drivers answer all that they were asked. The store is one
 * in memory.
 *
 * fuzz: max_len=320 slow=4 */
#include "gwd/daemon/daemon.h"
#include "gwd/daemon/settings.h"
#include "lib/file.h"
#include "lib/log.h"
#include "tests/fuzz/fuzz.h"
#include "tests/unit/history.h"
#include "tests/unit/tempdir.h"

#include <errno.h>
#include <fcntl.h>
#include <jansson.h>
#include <signal.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/un.h>
#include <unistd.h>

enum { OTHER_UID = 12345, CLIENTS = 3, IDS_MAX = 64, PUMPS = 3 };

/* Who speaks from outside: the other end of a socket. */
struct peer {
    int fd; /* -1: it has hung up, or was hung up on */
    struct buf said, heard;
    struct {
        json_int_t id;
        char op[12];
        unsigned n_asked, n_answered;
    } ids[IDS_MAX];
    size_t n_ids;
    bool has_refused, is_counted;
};

static struct play {
    struct daemon d;
    uv_loop_t loop;
    struct state stored;
    struct peer clients[CLIENTS], drivers[DRIVER_KINDS];
    size_t n_clients;
    char *dir;
} * play;

/* --- what stands in for the system and for the store --- */

/* The first client is who runs the daemon; the second one another user. */
int getsockopt(int fd, int level, int name, void *restrict value, socklen_t *restrict len)
{
    int r = (int)syscall(SYS_getsockopt, fd, level, name, value, len);
    if (r == 0 && play && level == SOL_SOCKET && name == SO_PEERCRED && play->n_clients == 2)
        ((struct ucred *)value)->uid = OTHER_UID;
    return r;
}

/* A driver's process is the other end of its two pipes. */
int uv_spawn(uv_loop_t *loop, uv_process_t *process, const uv_process_options_t *options)
{
    int in[2], out[2];
    static size_t n;
    struct peer *p = &play->drivers[n++ % DRIVER_KINDS];
    if (p->fd >= 0)
        return UV_EAGAIN;
    if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, in) < 0)
        return -errno;
    out[0] = dup(in[0]);
    p->fd = in[1];
    uv_pipe_open((uv_pipe_t *)options->stdio[0].data.stream, in[0]);
    uv_pipe_open((uv_pipe_t *)options->stdio[1].data.stream, out[0]);
    void *data = process->data;
    memset(process, 0, sizeof *process);
    uv_idle_init(loop, (uv_idle_t *)process); /* a handle that can be closed, and does nothing */
    process->data = data;
    return 0;
}

int store_append(struct store *s, uint64_t first_seq, uint64_t n, const struct buf *events,
                 struct gw_err *err)
{
    struct event_arena arena = {0};
    (void)s;
    for (size_t at = 0; at < events->len; n--) {
        struct event ev;
        long used = event_decode(events->data + at, events->len - at, &ev, &arena, err);
        FUZZ_CHECK(used > 0);
        ev.seq = first_seq++;
        if (state_apply(&play->stored, &ev, err) < 0)
            fuzz_broken(__FILE__, __LINE__, err->text);
        at += (size_t)used;
        event_arena_reset(&arena);
    }
    FUZZ_CHECK(n == 0);
    event_arena_clear(&arena);
    return 0;
}

int store_checkpoint_some(struct store *s, struct state *state, uint64_t every, uint64_t keep,
                          struct gw_err *err)
{
    (void)s, (void)state, (void)every, (void)keep, (void)err;
    return 0;
}

int store_read(struct store *s, uint64_t from, bool (*each)(void *ctx, const struct event *ev),
               void *ctx, uint64_t *ret_oldest, struct gw_err *err)
{
    (void)s, (void)each, (void)ctx;
    if (from >= play->stored.seq)
        return 0;
    *ret_oldest = play->stored.seq;
    return gw_err_set(err, GW_ENOENT, "older events are not kept");
}

bool store_archive_put(struct store *s, const struct job *j, size_t *it)
{
    (void)s, (void)j, (void)it;
    return true;
}

bool store_archive_is_full(const struct store *s)
{
    (void)s;
    return false;
}

void store_archive_write(struct store *s, int64_t at_us, void (*done)(void *ctx), void *ctx)
{
    (void)s, (void)at_us;
    done(ctx);
}

bool store_archive_is_busy(struct store *s)
{
    (void)s;
    return false;
}

int store_archive_result(struct store *s, struct gw_err *err)
{
    (void)s, (void)err;
    return 0;
}

void store_archive_quiet(struct store *s)
{
    (void)s;
}

int store_archive_newest(struct store *s, int64_t *ret_us, struct gw_err *err)
{
    (void)s, (void)err;
    *ret_us = 0;
    return 0;
}

void store_archive_retain(struct store *s, int64_t retention_us)
{
    (void)s, (void)retention_us;
}

int store_find_archived_owner(struct store *s, uint64_t id, uint64_t *ret_uid, struct gw_err *err)
{
    (void)s, (void)id, (void)ret_uid, (void)err;
    return 0;
}

int store_find_archived(struct store *s, uint64_t id, struct job **ret, struct gw_err *err)
{
    (void)s, (void)id, (void)ret, (void)err;
    return 0;
}

int store_find_archived_text(struct store *s, uint64_t id, char **ret_job_json,
                             char **ret_history_json, struct gw_err *err)
{
    (void)s, (void)id, (void)ret_job_json, (void)ret_history_json, (void)err;
    return 0;
}

/* Credentials are files that are watched in threads: here each is good at once. */
void credential_watch(struct daemon *d, uint64_t uid, const char *path)
{

    struct input in = {
        .kind = IN_CREDENTIAL,
        .credential = {.uid = uid, .path = path, .identity = "/CN=Ann", .version = 1}};
    turn_input(d, &in);
}

void credentials_free(struct daemon *d)
{
    (void)d;
}

/* --- clients --- */

static void hang_up(struct peer *p)
{
    if (p->fd >= 0)
        close(p->fd);
    p->fd = -1;
}

static int find_id(struct peer *p, json_int_t id, bool is_new)
{
    for (size_t i = 0; i < p->n_ids; i++)
        if (p->ids[i].id == id)
            return (int)i;
    if (!is_new || p->n_ids == IDS_MAX)
        return -1;
    p->ids[p->n_ids].id = id;
    return (int)p->n_ids++;
}

/* A whole line that the client has said: which answer it may expect. */
static void note_request(struct peer *p, const char *line, size_t len)
{
    json_t *request = json_loadb(line, len, JSON_REJECT_DUPLICATES, NULL);
    json_t *id = json_object_get(request, "id");
    if (!json_is_object(request) || !json_is_integer(id) || json_integer_value(id) < 1 ||
        json_integer_value(id) >> 53) {
        p->has_refused = true; /* it is told, and not listened to any more */
    } else if (!p->has_refused) {
        int at = find_id(p, json_integer_value(id), true);
        const char *op = json_string_value(json_object_get(request, "op"));
        if (at >= 0) {
            snprintf(p->ids[at].op, sizeof p->ids[at].op, "%s", op ? op : "");
            p->ids[at].n_asked++;
        }
        /* The answer of `logs` waits for a driver; a stream may end in an error of its own. */
        bool is_stream = op && (strcmp(op, "logs") == 0 || strcmp(op, "watch") == 0);
        p->is_counted &= at >= 0 && !is_stream;
    }
    json_decref(request);
}

static bool is_empty(const json_t *answer, const char *name)
{
    return json_array_size(json_object_get(answer, name)) == 0;
}

static void check_answer(struct peer *p, const json_t *answer)
{
    json_t *ok = json_object_get(answer, "ok"), *id = json_object_get(answer, "id");
    if (!json_is_boolean(ok)) /* the greeting, an event, a part of an output */
        return;
    if (json_is_false(ok))
        FUZZ_CHECK(json_is_string(json_object_get(json_object_get(answer, "error"), "code")) &&
                   json_is_string(json_object_get(json_object_get(answer, "error"), "message")));
    if (!json_is_integer(id))
        return;
    int at = find_id(p, json_integer_value(id), false);
    FUZZ_CHECK(at >= 0 || p->n_ids == IDS_MAX);
    if (at < 0)
        return;
    FUZZ_CHECK(++p->ids[at].n_answered <= p->ids[at].n_asked || !p->is_counted);
    const char *op = p->ids[at].op;
    if (p != &play->clients[1] || !json_is_true(ok) || p->ids[at].n_asked > 1)
        return;
    FUZZ_CHECK(strcmp(op, "submit") != 0 && strcmp(op, "drain") != 0 && strcmp(op, "pause") != 0);
    if (strcmp(op, "wish") == 0)
        FUZZ_CHECK(is_empty(answer, "done") && is_empty(answer, "pending"));
}

static void hear_lines(struct peer *p)
{
    char *newline;
    while (p->heard.len && (newline = memchr(p->heard.data, '\n', p->heard.len))) {
        size_t len = (size_t)(newline - p->heard.data);
        json_t *line = json_loadb(p->heard.data, len, JSON_REJECT_DUPLICATES, NULL);
        FUZZ_CHECK(json_is_object(line));
        check_answer(p, line);
        json_decref(line);
        buf_drop(&p->heard, len + 1);
    }
}

static void hear(struct peer *p)
{
    char block[8192];
    ssize_t n = 0;
    while (p->fd >= 0 && (n = recv(p->fd, block, sizeof block, MSG_DONTWAIT)) > 0)
        buf_put(&p->heard, block, (size_t)n);
    if (p->fd >= 0 && (n == 0 || errno != EAGAIN))
        hang_up(p);
}

/* The loop does what it has to, and everybody hears what was said. */
static void pump(void)
{
    for (int i = 0; i < PUMPS; i++)
        uv_run(&play->loop, UV_RUN_NOWAIT);
    for (size_t i = 0; i < play->n_clients; i++) {
        hear(&play->clients[i]);
        hear_lines(&play->clients[i]);
    }
    for (size_t i = 0; i < DRIVER_KINDS; i++)
        hear(&play->drivers[i]);
}

static struct peer *connect_client(void)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    struct peer *p = &play->clients[play->n_clients++];
    snprintf(address.sun_path, sizeof address.sun_path, "%s", settings_socket(play->d.settings));
    *p = (struct peer){.fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0), .is_counted = true};
    FUZZ_CHECK(p->fd >= 0 && connect(p->fd, (struct sockaddr *)&address, sizeof address) == 0);
    pump();
    return p;
}

/* --- what happens --- */

static void say(struct peer *p, const char *data, size_t len)
{
    if (p->fd >= 0 && send(p->fd, data, len, MSG_DONTWAIT | MSG_NOSIGNAL) != (ssize_t)len)
        hang_up(p);
}

static void say_line(struct peer *p, const char *line, size_t len, bool is_client)
{
    bool is_part = len && line[len - 1] == '\\';
    struct buf b = BUF_INIT;
    buf_put(&b, line, is_part ? len - 1 : len);
    buf_puts(&b, is_part ? "" : "\n");
    say(p, b.data, b.len);
    buf_put(&p->said, b.data, b.len);
    if (is_client && !is_part)
        note_request(p, p->said.data, p->said.len - 1);
    if (!is_part)
        buf_reset(&p->said);
    buf_clear(&b);
}

static const char *good_text(const char *verb)
{
    static const struct {
        const char *verb, *text;
    } texts[] = {
        {"INIT", "- gw1:pct,handles,recover-token,idempotent,poll-all,blame,stat,atomic,bare"},
        {"DISCOVER", "a.example.org"},
        {"MONITOR", "LRMS_NAME=\"fork\" NODECOUNT=2 STAGE_URL=\"file:///site/\""},
        {"STAT", "1000 1767225600"},
        {"POLL", "ACTIVE"},
        {"RECOVER", "ACTIVE"},
        {"SUBMIT", "contact"}};
    for (size_t i = 0; i < GW_COUNT(texts); i++)
        if (strcmp(texts[i].verb, verb) == 0)
            return texts[i].text;
    return "-";
}

/* All requests that a driver has been sent, as a good one would. */
static void answer_all(size_t kind)
{
    struct peer *p = &play->drivers[kind];
    char *newline;
    while (p->heard.len && (newline = memchr(p->heard.data, '\n', p->heard.len))) {
        char verb[16] = "", handle[32] = "", number[32] = "", line[512];
        *newline = '\0';
        FUZZ_CHECK(sscanf(p->heard.data, "%15s %31s %31s", verb, handle, number) == 3);
        size_t len = (size_t)(newline - p->heard.data) + 1;
        int n = snprintf(line, sizeof line, "%s %s %s%sSUCCESS %s\n", verb, handle,
                         kind == DRIVER_TM ? number : "", kind == DRIVER_TM ? " " : "",
                         good_text(verb));
        buf_drop(&p->heard, len);
        say(p, line, (size_t)n);
    }
}

static struct peer *peer_of(char c)
{
    if (c == '1' || c == '2')
        return &play->clients[c - '1'];
    return c == 'i'   ? &play->drivers[0]
           : c == 't' ? &play->drivers[1]
           : c == 'e' ? &play->drivers[2]
                      : NULL;
}

static void happen(const char *line, size_t len)
{
    struct peer *p = len ? peer_of(line[0]) : NULL;
    if (len && line[0] == 'A') {
        for (size_t kind = 0; kind < DRIVER_KINDS; kind++)
            answer_all(kind);
    } else if (len > 1 && line[0] == 'q') {
        p = peer_of(line[1]);
        if (p)
            hang_up(p);
    } else if (p) {
        say_line(p, line + 1, len - 1, line[0] == '1' || line[0] == '2');
    }
    pump();
}

/* --- its life --- */

static void remove_dir(void)
{
    tempdir_remove(play->dir);
    settings_destroy(play->d.settings);
    free(play);
}

static void begin_process(void)
{
    struct gw_err err;
    play = xcalloc(1, sizeof *play);
    play->dir = tempdir_make("gwdfuzz");
    FUZZ_CHECK(play->dir != NULL);
    char *text = xasprintf(
        "IM_MAD = i:/bin/sh::t:e\nTM_MAD = t:/bin/sh\nEM_MAD = e:/bin/sh::rsl\nSTATE_DIR = "
        "%s\nSOCKET = %s/s\nJOB_RETENTION = 0\n"
        "MIN_FREE_SPACE = 0\nNUMBER_OF_JOBS = 30\n",
        play->dir, play->dir);
    if (settings_from_text("f", text, &play->d.settings, &err) < 0)
        fuzz_broken(__FILE__, __LINE__, err.text);
    free(text);
    log_set("gwd", LOG_ERROR + 1);
    signal(SIGPIPE, SIG_IGN);
    atexit(remove_dir);
}

static void begin(void)
{
    struct daemon *d = &play->d;
    struct event ev = created_event();
    struct input in = {.kind = IN_START};
    struct gw_err err;
    size_t n_ims;
    const struct engine_im *ims = settings_ims(d->settings, &n_ims);
    *d = (struct daemon){
        .loop = &play->loop, .settings = d->settings, .store = (struct store *)play};
    ev.seq = 1;
    uv_loop_init(&play->loop);
    d->engine = engine_create(settings_engine(d->settings), ims, n_ims);
    state_init(&play->stored);
    state_apply(&play->stored, &ev, NULL);
    state_apply(engine_state(d->engine), &ev, NULL);
    play->n_clients = 0;
    for (size_t i = 0; i < DRIVER_KINDS; i++)
        play->drivers[i] = (struct peer){.fd = -1};
    turn_init(d);
    archiving_init(d);
    turn_input(d, &in);
    turn_end(d);
    if (server_start(d, &err) < 0 || drivers_start(d, &err) < 0)
        fuzz_broken(__FILE__, __LINE__, err.text);
}

static void close_handle(uv_handle_t *handle, void *ctx)
{
    (void)ctx;
    if (!uv_is_closing(handle))
        uv_close(handle, NULL);
}

/* As main() does it. */
static void end(void)
{
    struct daemon *d = &play->d;
    turn_end(d);
    d->is_stopping = true;
    server_stop(d);
    drivers_stop(d);
    for (size_t i = 0; i < DRIVER_KINDS; i++)
        hang_up(&play->drivers[i]);
    uv_run(&play->loop, UV_RUN_NOWAIT);
    turn_end(d);
    archiving_stop(d);
    uv_walk(&play->loop, close_handle, NULL);
    uv_run(&play->loop, UV_RUN_DEFAULT);
    FUZZ_CHECK(uv_loop_close(&play->loop) == 0);
    drivers_free(d);
    archiving_free(d);
    server_free(d);
    ops_free();
    turn_close(d);
    engine_destroy(d->engine);
    state_clear(&play->stored);
    for (size_t i = 0; i < CLIENTS; i++) {
        hang_up(&play->clients[i]);
        buf_clear(&play->clients[i].said);
        buf_clear(&play->clients[i].heard);
        play->clients[i] = (struct peer){.fd = -1};
    }
    for (size_t i = 0; i < DRIVER_KINDS; i++) {
        buf_clear(&play->drivers[i].said);
        buf_clear(&play->drivers[i].heard);
    }
}

static void check_end(void)
{
    static const char question[] = "{\"id\":7,\"op\":\"status\"}";
    const struct state *s = engine_state(play->d.engine);
    for (size_t i = 0; i < 2; i++) {
        const struct peer *p = &play->clients[i];
        for (size_t k = 0; p->fd >= 0 && p->is_counted && !p->has_refused && k < p->n_ids; k++)
            FUZZ_CHECK(p->ids[k].n_answered == p->ids[k].n_asked);
    }
    struct peer *third = connect_client();
    say_line(third, question, sizeof question - 1, true);
    pump();
    FUZZ_CHECK(third->fd >= 0 && third->n_ids == 1 && third->ids[0].n_answered == 1);
    turn_end(&play->d);
    const char *wrong = recount(s);
    if (wrong)
        fuzz_broken(__FILE__, __LINE__, wrong);
    FUZZ_CHECK(jobs_are_equal(s, &play->stored) && s->seq == play->stored.seq);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct fuzz_input in = {data, size};
    size_t len = 0;
    if (!play)
        begin_process();
    begin();
    connect_client();
    connect_client();
    for (char *line; (line = fuzz_part(&in, '\n', &len)); free(line))
        happen(line, len);
    check_end();
    end();
    return 0;
}
