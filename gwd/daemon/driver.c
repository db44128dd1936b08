/* Driver processes: started, spoken with, watched, started again. What they send is hostile:
 * bounded lines, a table of what may come when, unknown things counted and dropped. */
#include "gwd/daemon/driver_line.h"
#include "gwd/daemon/driver_private.h"
#include "lib/crash.h"
#include "lib/log.h"
#include "lib/mem.h"
#include "lib/utf8.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum {
    /* In looks of the watchdog: driver_pending.c */
    INIT_LOOKS = 3,
    STEADY_LOOKS = 60000 / WATCHDOG_MS, /* up for so long: its next start is its first again */
    BACKOFF_MAX_S = 60,
    BAD_LINES_MAX = 1000, /* in BAD_LINES_WINDOW_S */
    BAD_LINES_WINDOW_S = 10,
    /* Good lines that answer nothing, such as callbacks: so many at once, and more as time goes by
     * and for each request. */
    UNASKED_MAX = 400000,
    UNASKED_FOR_A_LOOK = 2000 * WATCHDOG_MS / 1000,
    UNASKED_FOR_A_REQUEST = 8,
    OUTPUT_MAX = 64 << 20,
    OUTPUT_CLOSED_MS = 1000,
    READ_BYTES = 65536,
    SHORT_HANDLE_MAX = 99999,
    STOP_TIMEOUT_MS = 3000,
};

const char *driver_label(const struct driver_process *p, char buf[DRIVER_LABEL_MAX])
{
    int n = snprintf(buf, DRIVER_LABEL_MAX, "%s driver %s", driver_kind_name(p->settings->kind),
                     p->settings->name);
    if (p->base)
        snprintf(buf + n, DRIVER_LABEL_MAX - (size_t)n, " of uid %" PRIu64, p->user.key.uid);
    return buf;
}

static void handle_free(struct driver_process *p, struct handle *h)
{
    pending_drop_all(p, h);
    HASH_DEL(p->by_number, h);
    HASH_DELETE(hh_ref, p->by_ref, h);
    free(h);
}

static void handles_clear(struct driver_process *p)
{
    struct handle *h, *tmp;
    HASH_ITER (hh, p->by_number, h, tmp)
        handle_free(p, h);
    pending_drop_all(p, &p->nobody);
    p->next_handle = 1;
}

static struct handle *handle_of(struct driver_process *p, struct task_ref ref)
{
    struct handle *h;
    HASH_FIND(hh_ref, p->by_ref, &ref, sizeof ref, h);
    if (h)
        return h;
    h = xcalloc(1, sizeof *h);
    /* The handle of a host is its number. */
    h->number = p->settings->kind == DRIVER_IM ? ref.task : p->next_handle++;
    h->ref = ref;
    HASH_ADD(hh, p->by_number, number, sizeof h->number, h);
    HASH_ADD(hh_ref, p->by_ref, ref, sizeof h->ref, h);
    return h;
}

void driver_tell_engine(struct driver_process *p, enum input_kind kind, const char *staging)
{
    struct input in = {.kind = kind,
                       .driver = {.kind = p->settings->kind,
                                  .name = p->settings->name,
                                  .features = p->features,
                                  .staging = staging,
                                  .why = p->why,
                                  .is_of_user = p->base != NULL,
                                  .uid = p->user.key.uid,
                                  .is_refused = p->user.is_refused,
                                  .was_silent = !p->user.was_up,
                                  .unanswered = p->unanswered}};
    turn_input(p->daemon, &in);
}

static void on_retry(uv_timer_t *timer)
{
    struct driver_process *p = timer->data;
    if (p->base && p->base->state != DRIVER_UP)
        uv_timer_start(&p->timer, on_retry, 1000, 0);
    else
        driver_start(p);
}

void driver_on_closed(uv_handle_t *handle)
{
    struct driver_process *p = handle->data;
    if (--p->open_handles || p->daemon->is_stopping || p->state == DRIVER_STOPPED)
        return;
    if (p->base && driver_user_is_over(p))
        return;
    unsigned shift = p->starts_failed < 6 ? p->starts_failed : 6;
    uint64_t delay_s = UINT64_C(1) << shift;
    if (delay_s > BACKOFF_MAX_S)
        delay_s = BACKOFF_MAX_S;
    p->starts_failed++;
    uv_timer_start(&p->timer, on_retry, delay_s * 1000, 0);
}

static void stop_when_all_ended(struct daemon *d)
{
    struct driver_process *p = d->drivers;
    while (p && p->state == DRIVER_STOPPED)
        p = p->next;
    if (!p)
        uv_stop(d->loop);
}

void driver_down(struct driver_process *p, const char *why)
{
    if (p->state == DRIVER_DOWN || p->state == DRIVER_STOPPED)
        return;
    bool was_up = p->state == DRIVER_UP;
    p->state = p->daemon->is_stopping ? DRIVER_STOPPED : DRIVER_DOWN;
    free(p->why);
    p->why = xstrdup(why);
    utf8_clean(p->why);
    p->features = 0;
    if (was_up && p->daemon->driver_looks - p->look >= STEADY_LOOKS)
        p->starts_failed = 0;
    if (!p->daemon->is_stopping)
        log_at(p->user.is_leaving ? LOG_INFO : LOG_WARN, "%s: %s", LABEL(p), why);
    uv_timer_stop(&p->timer);
    uv_close((uv_handle_t *)&p->in, driver_on_closed);
    uv_close((uv_handle_t *)&p->out, driver_on_closed);
    if (p->base)
        uv_close((uv_handle_t *)&p->user.err, driver_on_closed);
    /* Closed before the process has ended, its handle would leave a zombie: nobody else reaps it.
     */
    if (!uv_is_active((uv_handle_t *)&p->process))
        uv_close((uv_handle_t *)&p->process, driver_on_closed);
    else if (!p->base) /* else the end of its input is what ends it */
        uv_process_kill(&p->process, SIGKILL);
    buf_reset(&p->line);
    buf_reset(&p->words);
    handles_clear(p);
    if (p->daemon->is_stopping)
        stop_when_all_ended(p->daemon);
    else if (was_up || p->base) /* a user's has been given requests by now */
        driver_tell_engine(p, IN_DRIVER_DOWN, NULL);
    if (!p->base && !p->daemon->is_stopping)
        driver_users_end(p, "the daemon's own process of this driver ended");
}

static void on_process_end(uv_process_t *process, int64_t status, int signal)
{
    struct driver_process *p = process->data;
    char why[80];
    if (signal)
        snprintf(why, sizeof why, "its process was ended by signal %d", signal);
    else
        snprintf(why, sizeof why, "its process ended with status %" PRId64, status);
    if (p->state == DRIVER_DOWN || p->state == DRIVER_STOPPED) {
        uv_close((uv_handle_t *)process, driver_on_closed); /* killed by driver_down() */
        return;
    }
    char *refusal = p->base ? driver_user_refusal(p, status) : NULL;
    driver_down(p, refusal ? refusal : why);
    free(refusal);
}

/* --- what it says --- */

static void bad_line(struct driver_process *p, const char *why, const char *line)
{
    int64_t now = clock_mono_us();
    if (now - p->bad_since_us > INT64_C(1000000) * BAD_LINES_WINDOW_S) {
        p->bad_since_us = now;
        p->bad_lines = 0;
    }
    if (now - p->bad_logged_us > 1000000) {
        p->bad_logged_us = now;
        log_warn("%s: dropped \"%.80s\": %s", LABEL(p), line, why);
    }
    if (++p->bad_lines > BAD_LINES_MAX)
        driver_down(p, "it babbles: too many lines that mean nothing");
}

static void init_answer(struct driver_process *p, const struct driver_line *l)
{
    if (p->state != DRIVER_STARTING)
        return;
    if (!l->is_success) {
        char *why = xasprintf("it refused to start: %s", l->text);
        driver_down(p, why);
        free(why);
        return;
    }
    crash_point("driver");
    p->features = driver_line_features(l->text);
    const char *lack = driver_user_lacks(p);
    if (lack) {
        driver_down(p, lack);
        return;
    }
    p->state = DRIVER_UP;
    p->user.was_up = true;
    free(p->why);
    p->why = NULL;
    char *staging = xstrndup(l->text, strcspn(l->text, " "));
    log_info("%s is up", LABEL(p));
    driver_tell_engine(p, IN_DRIVER_UP, strstr(staging, "://") ? staging : NULL);
    free(staging);
}

static void allow_unasked(struct driver_process *p, uint32_t n)
{
    p->unasked = p->unasked + n < UNASKED_MAX ? p->unasked + n : UNASKED_MAX;
}

static bool verb_is_known(enum driver_kind kind, const char *verb)
{
    static const char *const verbs[DRIVER_KINDS][14] = {
        [DRIVER_IM] = {"DISCOVER", "MONITOR", "FINALIZE"},
        [DRIVER_TM] = {"START", "MKDIR", "RMDIR", "EXISTS", "CP", "END", "STAT", "TAIL", "PUT",
                       "GET", "CREDENTIAL", "PROGRESS", "FINALIZE"},
        [DRIVER_EM] = {"SUBMIT", "COMMIT", "POLL", "CANCEL", "RECOVER", "CALLBACK", "CREDENTIAL",
                       "FINALIZE"},
    };
    for (const char *const *v = verbs[kind]; *v; v++)
        if (strcmp(*v, verb) == 0)
            return true;
    return false;
}

/* The engine only adds hosts, so that nobody would hear of a failure. It comes with each DISCOVER:
 * one that says the same again is not logged. */
static void take_discovery(struct driver_process *p, const struct driver_line *l)
{
    char *why = NULL;
    if (!l->is_success) {
        struct reason r = {0};
        reason_from_driver(&r, l->text);
        why = xasprintf("it cannot tell its hosts: %.500s", r.text ? r.text : r.code);
        utf8_clean(why);
        reason_clear(&r);
    }
    if (why && (!p->why || strcmp(why, p->why) != 0))
        log_warn("%s: %s", LABEL(p), why);
    free(p->why);
    p->why = why;
}

static void answer(struct driver_process *p, const struct driver_line *l)
{
    struct input in = {.kind = IN_ANSWER,
                       .answer = {.kind = p->settings->kind,
                                  .driver = p->settings->name,
                                  .verb = l->verb,
                                  .number = l->number,
                                  .is_success = l->is_success,
                                  .text = l->text}};
    char *end;
    uint64_t number = strtoull(l->handle, &end, 10);
    bool has_handle = *l->handle != '-' && !*end;
    struct handle *h = NULL;
    if (has_handle)
        HASH_FIND(hh, p->by_number, &number, sizeof number, h);
    if (!pending_settle(p, h ? h : &p->nobody, l->verb, l->number) && p->unasked-- == 0) {
        driver_down(p, "it babbles: far more lines than it was asked for");
        return;
    }
    if (h && strcmp(l->verb, "PROGRESS") == 0)
        pending_goes_on(p, h, l->number);
    if (p->settings->kind == DRIVER_IM) {
        if (strcmp(l->verb, "DISCOVER") == 0)
            take_discovery(p, l);
        in.answer.number = number;
        turn_input(p->daemon, &in);
        return;
    }
    if (!h) {
        /* The end of a POLL of all, or something about an attempt that is over. */
        if (has_handle && number >= p->next_handle)
            bad_line(p, "no such job handle was given", l->handle);
        return;
    }
    in.answer.ref = h->ref;
    if (h->ref.job == LOGS_REF_JOB)
        logs_answer(p->daemon, h->ref.task, l->verb, l->is_success, l->text);
    else
        turn_input(p->daemon, &in);
}

static void take_line(struct driver_process *p, char *line)
{
    struct driver_line l;
    struct gw_err err;
    p->daemon->n_answers++;
    if (driver_line_decode(p->settings->kind, line, &l, &err) < 0)
        bad_line(p, err.text, line); /* what of it stands before the first blank */
    else if (strcmp(l.verb, "INIT") == 0)
        init_answer(p, &l);
    else if (!verb_is_known(p->settings->kind, l.verb))
        bad_line(p, "no such verb", l.verb);
    else if (p->state == DRIVER_UP && strcmp(l.verb, "FINALIZE") != 0)
        answer(p, &l);
}

/* Lines are cut up where they are; only one that comes in pieces is put together elsewhere. */
static void take_bytes(struct driver_process *p, char *data, size_t len)
{
    while (len && p->state != DRIVER_DOWN && p->state != DRIVER_STOPPED) {
        char *newline = memchr(data, '\n', len), *line = data;
        size_t n = newline ? (size_t)(newline - data) : len;
        if (p->line.len + n >= DRIVER_LINE_MAX) {
            driver_down(p, "it sent a line that is too long");
            return;
        }
        if (!newline || p->line.len) {
            buf_put(&p->line, data, n);
            line = p->line.data;
        }
        if (!newline)
            return;
        *newline = '\0';
        data += n + 1;
        len -= n + 1;
        bool is_put_together = line == p->line.data;
        size_t line_len = is_put_together ? p->line.len : n;
        if (line_len && !memchr(line, '\0', line_len))
            take_line(p, line);
        else
            bad_line(p, line_len ? "it has a zero byte" : "it is empty", line);
        if (is_put_together)
            buf_reset(&p->line);
    }
}

static void on_output_closed(uv_timer_t *timer)
{
    driver_down(timer->data, "it closed its output");
}

static void on_read(uv_stream_t *stream, ssize_t n, const uv_buf_t *buf)
{
    struct driver_process *p = stream->data;
    if (n > 0)
        take_bytes(p, buf->base, (size_t)n);
    else if (n < 0 && uv_is_active((uv_handle_t *)&p->process))
        uv_timer_start(&p->timer, on_output_closed, OUTPUT_CLOSED_MS, 0); /* why, its end tells */
    else if (n < 0)
        driver_down(p, "it closed its output");
}

static void on_alloc(uv_handle_t *handle, size_t suggested, uv_buf_t *buf)
{
    struct driver_process *p = handle->data;
    (void)suggested;
    if (!p->read_buffer)
        p->read_buffer = xmalloc(READ_BYTES);
    *buf = uv_buf_init(p->read_buffer, READ_BYTES);
}

/* --- what we say --- */

struct write_request {
    uv_write_t request;
    char *data;
};

static void on_written(uv_write_t *request, int status)
{
    (void)status; /* a broken pipe shows at the process's end */
    struct write_request *w = (struct write_request *)request;
    free(w->data);
    free(w);
}

/* What the driver does not take at once is kept. */
static void say(struct driver_process *p)
{
    struct buf *text = &p->words;
    uv_buf_t all = uv_buf_init(text->data, (unsigned)text->len);
    uv_stream_t *to = (uv_stream_t *)&p->in;
    int taken = text->len ? uv_try_write(to, &all, 1) : 0;
    if (taken > 0)
        buf_drop(text, (size_t)taken);
    if (!text->len || (taken < 0 && taken != UV_EAGAIN)) { /* its end tells of a broken pipe */
        buf_reset(text);
        return;
    }
    struct write_request *w = xcalloc(1, sizeof *w);
    uv_buf_t rest = uv_buf_init(NULL, (unsigned)text->len);
    w->data = rest.base = buf_take(text);
    if (uv_write(&w->request, to, &rest, 1, on_written) < 0) {
        free(w->data);
        free(w);
        return;
    }
    if (uv_stream_get_write_queue_size(to) > OUTPUT_MAX)
        driver_down(p, "it does not read what it is told");
}

void drivers_flush(struct daemon *d)
{
    for (struct driver_process *p = d->drivers; p; p = p->next)
        if (p->words.len && p->state == DRIVER_UP)
            say(p);
}

static void say_init(struct driver_process *p)
{
    buf_puts(&p->words, "INIT 100000 ");
    driver_line_offer(p->settings->kind, &p->words);
    buf_puts(&p->words, p->settings->kind == DRIVER_TM ? " - - -\n" : " -\n");
    say(p);
}

void driver_start(struct driver_process *p)
{
    uv_stdio_container_t stdio[3];
    uv_pipe_init(p->daemon->loop, &p->in, 0);
    uv_pipe_init(p->daemon->loop, &p->out, 0);
    p->in.data = p->out.data = p->process.data = p;
    stdio[0] = (uv_stdio_container_t){.flags = UV_CREATE_PIPE | UV_READABLE_PIPE,
                                      .data.stream = (uv_stream_t *)&p->in};
    stdio[1] = (uv_stdio_container_t){.flags = UV_CREATE_PIPE | UV_WRITABLE_PIPE,
                                      .data.stream = (uv_stream_t *)&p->out};
    stdio[2] = (uv_stdio_container_t){.flags = UV_INHERIT_FD, .data.fd = 2};
    char **argv = p->base ? driver_user_argv(p) : p->settings->argv;
    uv_process_options_t options = {
        .file = argv[0], .args = argv, .stdio = stdio, .stdio_count = 3, .exit_cb = on_process_end};
    crash_point("driver");
    p->open_handles = p->base ? 4 : 3;
    if (p->base)
        stdio[2] = driver_user_stderr(p);
    p->state = DRIVER_STARTING;
    p->unanswered = (struct task_ref){0};
    handles_clear(p);
    int r = uv_spawn(p->daemon->loop, &p->process, &options);
    char *why = r < 0 ? xasprintf("cannot start %s: %s", argv[0], uv_strerror(r)) : NULL;
    if (p->base)
        free(argv);
    if (why) {
        driver_down(p, why);
        free(why);
        return;
    }
    drivers_note(p->daemon);
    uv_read_start((uv_stream_t *)&p->out, on_alloc, on_read);
    if (p->base)
        driver_user_listen(p);
    p->look = p->daemon->driver_looks;
    p->unasked = UNASKED_MAX;
    say_init(p);
}

static struct driver_process *find(const struct daemon *d, enum driver_kind kind, const char *name)
{
    struct driver_process *p = d->drivers;
    while (p && (p->base || p->settings->kind != kind || strcmp(p->settings->name, name) != 0))
        p = p->next;
    return p;
}

bool drivers_need_credentials(const struct daemon *d)
{
    for (const struct driver_process *p = d->drivers; p; p = p->next)
        if (p->state == DRIVER_UP && p->features & FEATURE_CREDENTIAL)
            return true;
    return false;
}

unsigned driver_features(const struct daemon *d, enum driver_kind kind, const char *name)
{
    struct driver_process *p = find(d, kind, name);
    return p && p->state == DRIVER_UP ? p->features : 0;
}

/* A request that this driver cannot be sent is answered here, as its failure. */
static void refuse(struct driver_process *p, const struct effect *r, const char *text)
{
    char *full = xasprintf("bad-url:job %s", text);
    struct input in = {.kind = IN_ANSWER,
                       .answer = {.kind = p->settings->kind,
                                  .driver = p->settings->name,
                                  .verb = r->verb,
                                  .ref = r->ref,
                                  .number = r->number,
                                  .text = full}};
    turn_input(p->daemon, &in);
    free(full);
}

static void request(struct driver_process *p, const struct effect *r)
{
    enum driver_kind kind = p->settings->kind;
    bool is_host = kind == DRIVER_IM && strcmp(r->verb, "MONITOR") == 0;
    bool has_handle = is_host || (kind != DRIVER_IM && (r->ref.job || r->ref.attempt));
    struct handle *h = !has_handle ? &p->nobody
                       : is_host   ? handle_of(p, (struct task_ref){.task = r->number})
                                   : handle_of(p, r->ref);
    if (has_handle && !is_host && h->number > SHORT_HANDLE_MAX &&
        !(p->features & FEATURE_HANDLES)) {
        driver_down(p, "its job handles are used up; starting it anew");
        return;
    }
    char text[32] = "-";
    if (has_handle)
        snprintf(text, sizeof text, "%" PRIu64, h->number);
    struct gw_err err;
    /* One that is being started has what the daemon's own process has, or is not used. */
    bool has_pct = (p->base ? p->base : p)->features & FEATURE_PCT;
    if (driver_line_encode(kind, r->verb, text, r->number, r->args, has_pct, &p->words, &err) < 0)
        refuse(p, r, err.text);
    else
        pending_add(p, h, r->verb, r->number);
    allow_unasked(p, UNASKED_FOR_A_REQUEST);
    if (p->state == DRIVER_STARTING && p->words.len > OUTPUT_MAX)
        driver_down(p, "it does not read what it is told");
}

/* Whose process is asked: in multi-user mode that of the job's owner. */
void driver_request(struct daemon *d, const struct effect *r)
{
    struct driver_process *p = find(d, r->driver_kind, r->driver), *of;
    if (!p || p->state != DRIVER_UP)
        return; /* the engine hears that it is down, and asks again when it is up */
    bool is_of_user = settings_launcher(d->settings) && r->driver_kind != DRIVER_IM;
    bool is_of_all = r->uid == NOBODY && !r->ref.job && !r->ref.attempt; /* POLL - - - */
    if (!is_of_user || r->uid == geteuid() || (r->uid == NOBODY && !is_of_all)) {
        request(p, r);
    } else if (r->uid != NOBODY) {
        of = driver_of_user(p, r->uid);
        if (of->state == DRIVER_UP || of->state == DRIVER_STARTING)
            request(of, r);
    } else {
        for (of = d->drivers; of; of = of->next)
            if (of->settings == p->settings && of->state == DRIVER_UP)
                request(of, r);
    }
}

void driver_release(struct daemon *d, struct task_ref ref)
{
    for (struct driver_process *p = d->drivers; p; p = p->next) {
        struct handle *h;
        HASH_FIND(hh_ref, p->by_ref, &ref, sizeof ref, h);
        if (h)
            handle_free(p, h);
    }
}

static void on_watchdog(uv_timer_t *timer)
{
    struct daemon *d = timer->data;
    d->driver_looks++;
    for (struct driver_process *p = d->drivers; p; p = p->next) {
        allow_unasked(p, UNASKED_FOR_A_LOOK);
        if (p->state == DRIVER_STARTING && d->driver_looks - p->look >= INIT_LOOKS)
            driver_down(p, "no answer to INIT in time");
        else if (p->state == DRIVER_UP)
            pending_look(p);
        if (p->base)
            driver_user_look(p);
    }
}

int drivers_start(struct daemon *d, struct gw_err *err)
{
    size_t n;
    const struct driver_settings *settings = settings_drivers(d->settings, &n);
    if (n == 0)
        return gw_err_set(err, GW_EINVAL, "no driver is configured");
    for (size_t i = 0; i < n; i++) {
        struct driver_process *p = xcalloc(1, sizeof *p);
        p->daemon = d;
        p->settings = &settings[i];
        uv_timer_init(d->loop, &p->timer);
        p->timer.data = p;
        p->next = d->drivers;
        d->drivers = p;
        driver_start(p);
    }
    uv_timer_init(d->loop, &d->driver_watchdog);
    d->driver_watchdog.data = d;
    uv_timer_start(&d->driver_watchdog, on_watchdog, WATCHDOG_MS, WATCHDOG_MS);
    return 0;
}

static void on_stop_late(uv_timer_t *timer)
{
    driver_down(timer->data, "it did not end in time");
}

void drivers_stop(struct daemon *d)
{
    uv_timer_stop(&d->driver_watchdog);
    for (struct driver_process *p = d->drivers; p; p = p->next) {
        if (p->state == DRIVER_DOWN || p->state == DRIVER_STOPPED) {
            p->state = DRIVER_STOPPED;
            uv_timer_stop(&p->timer);
            continue;
        }
        if (p->state == DRIVER_STARTING)
            buf_reset(&p->words);
        buf_puts(&p->words,
                 p->settings->kind == DRIVER_TM ? "FINALIZE - - - - -\n" : "FINALIZE - - -\n");
        say(p);
        uv_timer_start(&p->timer, on_stop_late, STOP_TIMEOUT_MS, 0);
    }
    stop_when_all_ended(d);
}

void driver_process_free(struct driver_process *p)
{
    handles_clear(p);
    buf_clear(&p->line);
    buf_clear(&p->words);
    buf_clear(&p->user.line);
    free(p->user.said);
    free(p->read_buffer);
    free(p->why);
    free(p);
}

void drivers_free(struct daemon *d)
{
    HASH_CLEAR(hh, d->user_drivers);
    while (d->drivers) {
        struct driver_process *p = d->drivers;
        d->drivers = p->next;
        driver_process_free(p);
    }
}

json_t *drivers_json(const struct connection *c)
{
    static const char *const states[] = {"starting", "up", "down", "stopped"};
    json_t *list = json_array();
    for (struct driver_process *p = connection_daemon(c)->drivers; p; p = p->next) {
        if (p->base && connection_sight(c, p->user.key.uid) != SIGHT_FULL)
            continue; /* what a user's driver says is about his jobs */
        json_array_append_new(
            list,
            json_pack("{ss ss ss sI ss* so*}", "kind", driver_kind_name(p->settings->kind), "name",
                      p->settings->name, "state", states[p->state], "pid",
                      (json_int_t)(p->state <= DRIVER_UP ? p->process.pid : 0), "reason", p->why,
                      "uid", p->base ? json_integer((json_int_t)p->user.key.uid) : NULL));
    }
    return list;
}
