/* The payload's output: while it runs through the transfer driver's TAIL, a long poll; afterwards
 * from the file that the epilog wrote. */
#include "gwd/daemon/daemon.h"
#include "gwd/daemon/settings.h"
#include "lib/base64.h"
#include "lib/file.h"
#include "lib/mem.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include <utlist.h>

enum { CHUNK_BYTES = 1 << 20 };

struct log_stream {
    struct connection *connection;
    json_int_t id;
    uint64_t serial;
    uint64_t job, task;
    enum stream stream;
    uint64_t owner; /* of the job */
    uint64_t offset;
    bool follows;
    bool is_asked; /* a TAIL or STAT is out */
    bool has_end;  /* without follow: what is shown ends at `end` */
    uint64_t end;
    char *path;     /* where the driver puts what it read; multi-user mode: NULL, in its answer */
    char *tm;       /* the driver that was asked, or NULL */
    char *archived; /* the file, of a job that has left the state; else NULL */
    struct log_stream *prev, *next;
};

/* To the transfer driver that was asked last, in the name of the job's owner. */
static void request(struct daemon *d, const struct log_stream *s, const char *verb, char *arg0,
                    char *arg1, char *arg2)
{
    driver_request(d, &(struct effect){.kind = EFFECT_SEND,
                                       .driver_kind = DRIVER_TM,
                                       .driver = s->tm,
                                       .uid = s->owner,
                                       .verb = verb,
                                       .ref = {.job = LOGS_REF_JOB, .task = s->serial},
                                       .args = {arg0, arg1, arg2}});
}

static void destroy(struct daemon *d, struct log_stream *s)
{
    struct task_ref ref = {.job = LOGS_REF_JOB, .task = s->serial};
    DL_DELETE(d->logs, s);
    connection_drop_stream(s->connection, 0);
    if (s->tm)
        request(d, s, "END", NULL, NULL, NULL);
    driver_release(d, ref);
    if (s->path)
        unlink(s->path);
    free(s->path);
    free(s->archived);
    free(s->tm);
    free(s);
}

static void send_bytes(struct log_stream *s, const char *data, size_t len)
{
    if (len == 0)
        return;
    char *text = base64_encode(data, len);
    connection_send(s->connection, json_pack("{sI ss sI}", "id", s->id, "data", text, "offset",
                                             (json_int_t)s->offset));
    free(text);
    s->offset += len;
}

static void finish(struct daemon *d, struct log_stream *s)
{
    connection_send(s->connection, json_pack("{sI sb sb}", "id", s->id, "ok", 1, "end", 1));
    destroy(d, s);
}

static void fail(struct daemon *d, struct log_stream *s, enum gw_errc code, const char *text)
{
    connection_error(s->connection, s->id, code, text, NULL);
    destroy(d, s);
}

/* The files of users are not for a daemon of many to open: the client reads it by itself. */
static void finish_with(struct daemon *d, struct log_stream *s, const char *path)
{
    connection_send(s->connection, json_pack("{sI sb sb ss sI}", "id", s->id, "ok", 1, "end", 1,
                                             "path", path, "offset", (json_int_t)s->offset));
    destroy(d, s);
}

/* A file that is complete, from the offset to its end: as much as the client takes now. */
static void send_file(struct daemon *d, struct log_stream *s, const char *path)
{
    if (settings_launcher(d->settings)) {
        finish_with(d, s, path);
        return;
    }
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
    struct stat st;
    bool is_done = true;
    if (fd >= 0 && fstat(fd, &st) == 0 && S_ISREG(st.st_mode)) {
        char *chunk = xmalloc(CHUNK_BYTES);
        ssize_t n = 1;
        while (!connection_is_full(s->connection) &&
               (n = pread(fd, chunk, CHUNK_BYTES, (off_t)s->offset)) > 0)
            send_bytes(s, chunk, (size_t)n);
        is_done = n <= 0;
        free(chunk);
    }
    if (fd >= 0)
        close(fd);
    if (is_done)
        finish(d, s);
}

/* What the epilog brought home. */
static void send_final(struct daemon *d, struct log_stream *s, const struct job *j)
{
    char *url = engine_stream_url(d->engine, j, s->task, s->stream);
    if (strncmp(url, "file://", 7) == 0) {
        send_file(d, s, url + 7);
    } else {
        char *text = xasprintf("the output is at %s", url);
        fail(d, s, GW_EUNAVAIL, text);
        free(text);
    }
    free(url);
}

static void ask(struct daemon *d, struct log_stream *s, const struct job *j, const struct task *t)
{
    static const char *const files[] = {"stdout.execution", "stderr.execution"};
    const struct attempt *a = task_attempt(t);
    bool is_inline = settings_launcher(d->settings) != NULL;
    unsigned needed = FEATURE_TAIL | FEATURE_STAT | (is_inline ? FEATURE_TAIL_INLINE : 0);
    if ((driver_features(d, DRIVER_TM, a->tm) & needed) != needed) {
        if (!s->follows)
            fail(d, s, GW_EUNAVAIL, "this site shows the output only when the job has ended");
        return;
    }
    char *url = engine_job_url(d->engine, j, t, a, files[s->stream]);
    char *offset = xasprintf("%" PRIu64, s->offset);
    /* Without follow the size comes first: a TAIL at the end would wait for more. */
    bool asks_size = !s->follows && !s->has_end;
    char *to = asks_size ? NULL : s->path;
    s->is_asked = true;
    free(s->tm);
    s->tm = xstrdup(a->tm);
    const char *credential = j->spec->owner.credential;
    if (credential && driver_features(d, DRIVER_TM, a->tm) & FEATURE_CREDENTIAL)
        request(d, s, "CREDENTIAL", NULL, (char *)credential, NULL);
    request(d, s, asks_size ? "STAT" : "TAIL", asks_size ? NULL : offset, url, to);
    free(offset);
    free(url);
}

static char *archived_text_stream(struct daemon *d, uint64_t id, const char *name,
                                  uint64_t *ret_owner)
{
    char *job = NULL, *history = NULL;
    if (store_find_archived_text(d->store, id, &job, &history, NULL) != 1)
        return NULL;
    json_t *o = json_loads(job, 0, NULL);
    const char *path = json_string_value(json_object_get(o, name));
    char *copy = xstrdup(path);
    *ret_owner = (uint64_t)json_integer_value(json_object_get(o, "uid"));
    json_decref(o);
    free(job);
    free(history);
    return copy;
}

/* Where the stream of a job that has left the state is; NULL when there never was such a job. */
static char *archived_stream(struct daemon *d, uint64_t id, enum stream stream, uint64_t *ret_owner)
{
    static const char *const names[] = {"stdout", "stderr"};
    struct job *j;
    if (store_find_archived(d->store, id, &j, NULL) != 1)
        return archived_text_stream(d, id, names[stream], ret_owner);
    char *url = engine_stream_url(d->engine, j, id - j->id, stream);
    char *path = xstrdup(j->spec->t->is_bare               ? "/dev/null"
                         : strncmp(url, "file://", 7) == 0 ? url + 7
                                                           : url);
    *ret_owner = j->spec->owner.uid;
    free(url);
    return path;
}

static void advance(struct daemon *d, struct log_stream *s)
{
    struct job *j = state_job(engine_state(d->engine), s->job);
    if (connection_is_full(s->connection))
        return; /* logs_drained() goes on */
    if (!j && !s->archived) {
        uint64_t owner;
        s->archived = archived_stream(d, s->job + s->task, s->stream, &owner);
    }
    if (!j) {
        send_file(d, s, s->archived ? s->archived : "");
        return;
    }
    if (j->spec->t->is_bare) { /* a path of the host, which is not for us to open */
        fail(d, s, GW_EUNAVAIL,
             "it runs without staging: its output goes to the files of the host that its template "
             "names, and nothing is brought here");
        return;
    }
    if (s->is_asked)
        return;
    enum phase phase = job_task_phase(j, s->task);
    struct task *t = job_task(j, s->task);
    if (phase_is_final(phase))
        send_final(d, s, j);
    else if (phase == PHASE_WRAPPER)
        ask(d, s, j, t);
    else if (!s->follows)
        finish(d, s); /* nothing is there yet, or it is on its way home */
}

static void take_size(struct daemon *d, struct log_stream *s, bool is_success, const char *text)
{
    s->has_end = true;
    s->end = is_success ? strtoull(text, NULL, 10) : 0;
    if (s->end <= s->offset)
        finish(d, s);
    else
        advance(d, s);
}

/* "<new offset> <base 64>", of which the first is what the second makes it. */
static bool take_inline(const char *text, struct buf *out)
{
    const char *blank = strchr(text, ' ');
    return !blank || base64_decode(blank + 1, strlen(blank + 1), out);
}

static bool take_tail(struct log_stream *s, const char *text)
{
    struct buf b = BUF_INIT;
    bool is_good = s->path ? file_read(s->path, CHUNK_BYTES, &b, NULL) == 0 : take_inline(text, &b);
    if (is_good)
        send_bytes(s, buf_str(&b), b.len);
    bool is_empty = b.len == 0;
    buf_clear(&b);
    return is_empty;
}

void logs_answer(struct daemon *d, uint64_t serial, const char *verb, bool is_success,
                 const char *text)
{
    struct log_stream *s;
    DL_SEARCH_SCALAR(d->logs, s, serial, serial);
    if (!s)
        return;
    if (strcmp(verb, "STAT") != 0 && strcmp(verb, "TAIL") != 0)
        return; /* of CREDENTIAL: the request after it says what is wrong with it */
    s->is_asked = false;
    if (strcmp(verb, "STAT") == 0) {
        take_size(d, s, is_success, text);
        return;
    }
    bool is_empty = !is_success || take_tail(s, text);
    bool is_over = !s->follows && (is_empty || s->offset >= s->end);
    if (s->path)
        unlink(s->path);
    if (is_over)
        finish(d, s);
    else if (is_success)
        advance(d, s);
    /* Else the file is not there yet, or no more: the job's next event goes on. */
}

void logs_event(struct daemon *d, const struct event *ev)
{
    struct log_stream *s, *tmp;
    DL_FOREACH_SAFE(d->logs, s, tmp)
    {
        bool is_its = ev->job == s->job && (ev->task == s->task || ev->task == TASK_ALL);
        if (!is_its)
            continue;
        if (ev->kind == EV_ATTEMPT_EXITED)
            s->is_asked = false; /* the driver may still be waiting for more; its answer will be
                                    dropped or used */
        if (ev->kind == EV_ATTEMPT_STARTED)
            s->offset = 0; /* a new attempt writes anew */
        advance(d, s);
    }
}

void logs_add(struct connection *c, json_int_t id, json_t *request)
{
    struct daemon *d = connection_daemon(c);
    uint64_t job = (uint64_t)json_integer_value(json_object_get(request, "job"));
    const char *name = json_string_value(json_object_get(request, "stream"));
    bool is_stderr = name && strcmp(name, "stderr") == 0;
    struct job *j = state_job_of(engine_state(d->engine), job);
    if (name && !is_stderr && strcmp(name, "stdout") != 0) {
        connection_error(c, id, GW_EINVAL, "stream is stdout or stderr", NULL);
        return;
    }
    uint64_t owner = j ? j->spec->owner.uid : 0;
    char *archived =
        j ? NULL : archived_stream(d, job, is_stderr ? STREAM_STDERR : STREAM_STDOUT, &owner);
    enum sight sight = j || archived ? connection_sight(c, owner) : SIGHT_NONE;
    if (sight != SIGHT_FULL) {
        free(archived);
        connection_error(c, id, sight == SIGHT_NONE ? GW_ENOENT : GW_EPERM,
                         sight == SIGHT_NONE ? "no such job" : "the job belongs to another user",
                         NULL);
        return;
    }
    if (!connection_take_stream(c, id, false, 0)) {
        free(archived);
        return;
    }
    struct log_stream *s = xcalloc(1, sizeof *s);
    *s = (struct log_stream){.connection = c,
                             .id = id,
                             .serial = ++d->next_log,
                             .job = j ? j->id : job,
                             .task = j ? job - j->id : 0,
                             .owner = owner,
                             .archived = archived,
                             .stream = is_stderr ? STREAM_STDERR : STREAM_STDOUT,
                             .offset =
                                 (uint64_t)json_integer_value(json_object_get(request, "offset")),
                             .follows = json_is_true(json_object_get(request, "follow"))};
    if (!settings_launcher(d->settings))
        s->path = xasprintf("%s/log.%" PRIu64, settings_engine(d->settings)->spool, s->serial);
    DL_APPEND(d->logs, s);
    advance(d, s);
}

void logs_drained(struct daemon *d, const struct connection *c)
{
    struct log_stream *s, *tmp;
    DL_FOREACH_SAFE(d->logs, s, tmp)
    {
        if (s->connection == c)
            advance(d, s);
    }
}

void logs_remove(struct connection *c, json_int_t id)
{
    struct daemon *d = connection_daemon(c);
    struct log_stream *s, *tmp;
    DL_FOREACH_SAFE(d->logs, s, tmp)
    {
        if (s->connection == c && s->id == id)
            destroy(d, s);
    }
}

void logs_gone(struct daemon *d, const struct connection *c)
{
    struct log_stream *s, *tmp;
    DL_FOREACH_SAFE(d->logs, s, tmp)
    {
        if (s->connection == c)
            destroy(d, s);
    }
}
