#include "drivers/kit.h"

#include "lib/log.h"
#include "lib/mem.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <time.h>
#include <unistd.h>

enum {
    OUT_MAX = 1 << 20,
    LAST_WORDS_MS = 2000, /* how long a reader may take to fetch the last answers */
};

struct kit {
    const struct kit_driver *driver;
    struct loop *loop;
    struct buf in, out;
    unsigned features; /* agreed on */
    bool is_extended;
    bool is_skipping; /* in a line that is too long */
    bool is_paused;   /* too many answers wait: no requests are read */
    bool is_ending, is_over;
    bool owes_finalize;   /* its answer is the last one */
    bool is_drain_wanted; /* somebody saw kit_is_full() */
    char *init;
    time_t complained_at;
    unsigned long complaints; /* since then, not logged */
};

static const struct {
    unsigned feature;
    const char *name;
} feature_names[] = {
    {KIT_PCT, "pct"},
    {KIT_HANDLES, "handles"},
    {KIT_RECOVER_TOKEN, "recover-token"},
    {KIT_BLAME, "blame"},
    {KIT_IDEMPOTENT, "idempotent"},
    {KIT_STAT, "stat"},
    {KIT_TAIL, "tail"},
    {KIT_COMMIT, "commit"},
    {KIT_CREDENTIAL, "credential"},
    {KIT_PROGRESS, "progress"},
    {KIT_ATOMIC, "atomic"},
    {KIT_BARE, "bare"},
    {KIT_INLINE, "inline"},
    {KIT_POLL_ALL, "poll-all"},
    {KIT_SMALL, "small"},
    {KIT_TAIL_INLINE, "tail-inline"},
};

static void on_stdin(void *ctx, int fd, short revents);
static void on_stdout(void *ctx, int fd, short revents);

struct kit *kit_create(const struct kit_driver *d)
{
    struct kit *k = xcalloc(1, sizeof *k);
    k->driver = d;
    k->loop = loop_create();
    log_set(d->name, LOG_INFO);
    prctl(PR_SET_DUMPABLE, 0); /* keys and environments pass through here: no core, no ptrace */
    signal(SIGPIPE, SIG_IGN);
    signal(SIGXFSZ, SIG_IGN); /* a limit of file sizes is an error of a copy, not our end */
    int flags = fcntl(STDOUT_FILENO, F_GETFL);
    if (flags >= 0)
        fcntl(STDOUT_FILENO, F_SETFL, flags | O_NONBLOCK);
    return k;
}

void kit_destroy(struct kit *k)
{
    if (!k)
        return;
    loop_destroy(k->loop);
    buf_clear(&k->in);
    buf_clear(&k->out);
    free(k->init);
    free(k);
}

struct loop *kit_loop(struct kit *k)
{
    return k->loop;
}

bool kit_has(const struct kit *k, unsigned feature)
{
    return (k->features & feature) == feature;
}

bool kit_is_extended(const struct kit *k)
{
    return k->is_extended;
}

const char *kit_init(const struct kit *k)
{
    return k->init;
}

bool kit_is_full(struct kit *k)
{
    k->is_drain_wanted |= k->out.len > OUT_MAX;
    return k->out.len > OUT_MAX;
}

/* A peer that only sends rubbish must not fill the log. */
static void complain(struct kit *k, const char *line, size_t len, const char *why)
{
    time_t now = time(NULL);
    if (now == k->complained_at) {
        k->complaints++;
        return;
    }
    log_warn("dropped \"%.*s\": %s (%lu more before)", len > 200 ? 200 : (int)len, line, why,
             k->complaints);
    k->complained_at = now;
    k->complaints = 0;
}

static bool lingers(struct kit *k)
{
    return k->driver->lingers && k->driver->lingers(k, k->driver->ctx);
}

void kit_flush(struct kit *k)
{
    if (k->owes_finalize && !lingers(k)) {
        k->owes_finalize = false;
        kit_succeed(k, "FINALIZE", "-", NULL, "-");
    }
    while (k->out.len && !k->is_over) {
        ssize_t n = write(STDOUT_FILENO, k->out.data, k->out.len);
        if (n >= 0) {
            buf_drop(&k->out, (size_t)n);
        } else if (errno == EAGAIN) {
            break;
        } else if (errno != EINTR) {
            log_warn("nobody reads our answers: %s", strerror(errno));
            k->is_over = true;
        }
    }
    if (k->out.len && !k->is_over)
        loop_watch(k->loop, STDOUT_FILENO, POLLOUT, on_stdout, k);
    else
        loop_unwatch(k->loop, STDOUT_FILENO);
    if (k->is_ending && !k->out.len && !lingers(k))
        k->is_over = true;
}

static void on_stdout(void *ctx, int fd, short revents)
{
    (void)fd;
    (void)revents;
    struct kit *k = ctx;
    kit_flush(k);
}

void kit_send(struct kit *k, const void *data, size_t len)
{
    buf_put(&k->out, data, len);
}

static void answer(struct kit *k, const char *verb, const char *handle, const char *number,
                   const char *result, const char *reason, const char *fmt, va_list ap)
{
    struct buf line = BUF_INIT;
    buf_printf(&line, "%s %s ", verb, handle);
    if (k->driver->kind == KIT_TM)
        buf_printf(&line, "%s ", number ? number : "-");
    buf_printf(&line, "%s ", result);
    if (reason && kit_has(k, KIT_BLAME))
        buf_printf(&line, "%s ", reason);
    buf_vprintf(&line, fmt, ap);
    for (size_t i = 0; i < line.len; i++)
        if ((unsigned char)line.data[i] < 0x20 || line.data[i] == 0x7f)
            line.data[i] = '?';
    if (line.len > LINE_MAX_BYTES - 1)
        line.len = LINE_MAX_BYTES - 1;
    buf_putc(&line, '\n');
    kit_send(k, line.data, line.len);
    buf_clear(&line);
}

void kit_succeed(struct kit *k, const char *verb, const char *handle, const char *number,
                 const char *fmt, ...)
{
    va_list ap;
    va_start(ap, fmt);
    answer(k, verb, handle, number, "SUCCESS", NULL, fmt, ap);
    va_end(ap);
}

void kit_fail(struct kit *k, const char *verb, const char *handle, const char *number,
              const char *reason, const char *fmt, ...)
{
    va_list ap;
    va_start(ap, fmt);
    answer(k, verb, handle, number, "FAILURE", reason, fmt, ap);
    va_end(ap);
}

static unsigned feature_named(const char *name, size_t len)
{
    for (size_t i = 0; i < GW_COUNT(feature_names); i++)
        if (strlen(feature_names[i].name) == len && strncmp(feature_names[i].name, name, len) == 0)
            return feature_names[i].feature;
    return 0;
}

static void take_offer(struct kit *k, const char *offer)
{
    k->features = 0;
    k->is_extended = strncmp(offer, "gw1:", 4) == 0;
    if (!k->is_extended)
        return;
    for (const char *p = offer + 4; *p;) {
        size_t len = strcspn(p, ",");
        k->features |= feature_named(p, len) & k->driver->features;
        p += len + (p[len] == ',');
    }
}

static void init(struct kit *k, const struct fields *f)
{
    struct buf line = BUF_INIT;
    for (size_t i = 0; i < f->n; i++)
        buf_printf(&line, "%s%s", i ? " " : "", f->field[i]);
    free(k->init);
    k->init = buf_take(&line);
    take_offer(k, f->field[2]);
    struct buf taken = BUF_INIT;
    for (size_t i = 0; i < GW_COUNT(feature_names); i++)
        if (kit_has(k, feature_names[i].feature))
            buf_printf(&taken, "%s%s", taken.len ? "," : "gw1:", feature_names[i].name);
    if (k->driver->kind == KIT_TM && taken.len)
        kit_succeed(k, "INIT", "-", NULL, "- %s", taken.data);
    else
        kit_succeed(k, "INIT", "-", NULL, "%s", taken.len ? taken.data : "-");
    buf_clear(&taken);
}

static void stop(struct kit *k)
{
    if (k->driver->stop)
        k->driver->stop(k, k->driver->ctx);
}

static void serve(struct kit *k, const struct fields *f)
{
    const struct kit_driver *d = k->driver;
    if (strcmp(f->field[0], "INIT") == 0) {
        init(k, f);
        return;
    }
    if (strcmp(f->field[0], "FINALIZE") == 0) {
        stop(k);
        k->owes_finalize = true;
        kit_finish(k);
        return;
    }
    for (size_t i = 0; i < d->n_verbs; i++)
        if (strcmp(f->field[0], d->verbs[i].verb) == 0 && kit_has(k, d->verbs[i].needs)) {
            d->verbs[i].handle(k, f, d->ctx);
            return;
        }
    complain(k, f->field[0], strlen(f->field[0]), "no verb of this driver");
}

static void line(struct kit *k, const char *text, size_t len)
{
    if (k->driver->line) {
        k->driver->line(k, text, len, k->driver->ctx);
        return;
    }
    struct fields f;
    struct gw_err err;
    size_t expected = k->driver->kind == KIT_TM ? 6 : 4;
    if (fields_split(text, len, expected, kit_has(k, KIT_PCT), &f, &err) < 0) {
        complain(k, text, len, err.text);
        return;
    }
    serve(k, &f);
    fields_clear(&f);
}

/* Serve the whole lines that are there; keep the rest. */
static void read_lines(struct kit *k)
{
    size_t done = 0;
    while (!k->is_ending && k->out.len <= OUT_MAX) {
        char *start = k->in.data + done;
        char *end = k->in.len > done ? memchr(start, '\n', k->in.len - done) : NULL;
        if (!end)
            break;
        size_t len = (size_t)(end - start);
        done += len + 1;
        if (k->is_skipping || len + 1 > LINE_MAX_BYTES)
            complain(k, start, len, "longer than 65536 bytes");
        else
            line(k, start, len);
        k->is_skipping = false;
    }
    buf_drop(&k->in, done);
    if (k->in.len >= LINE_MAX_BYTES && !memchr(k->in.data, '\n', k->in.len)) {
        k->is_skipping = true;
        buf_reset(&k->in);
    }
    k->is_paused = k->out.len > OUT_MAX;
    if (k->is_paused)
        loop_unwatch(k->loop, STDIN_FILENO);
}

static void resume(struct kit *k)
{
    while (k->is_paused && !k->is_ending && k->out.len <= OUT_MAX) {
        loop_watch(k->loop, STDIN_FILENO, POLLIN, on_stdin, k);
        read_lines(k);
        kit_flush(k);
    }
}

static void on_stdin(void *ctx, int fd, short revents)
{
    (void)revents;
    struct kit *k = ctx;
    buf_reserve(&k->in, LINE_MAX_BYTES);
    ssize_t n = read(fd, k->in.data + k->in.len, LINE_MAX_BYTES);
    if (n < 0 && (errno == EINTR || errno == EAGAIN))
        return;
    if (n <= 0) {
        stop(k);
        kit_finish(k);
        return;
    }
    k->in.len += (size_t)n;
    k->in.data[k->in.len] = '\0';
    read_lines(k);
}

static void give_up(void *ctx)
{
    struct kit *k = ctx;
    if (k->owes_finalize) {
        k->owes_finalize = false;
        kit_succeed(k, "FINALIZE", "-", NULL, "-");
        kit_flush(k);
    }
    k->is_over = true;
}

void kit_finish(struct kit *k)
{
    if (k->is_ending)
        return;
    k->is_ending = true;
    loop_unwatch(k->loop, STDIN_FILENO);
    loop_timer_add(k->loop, LAST_WORDS_MS, give_up, k);
}

static void tell_drained(struct kit *k)
{
    if (!k->is_drain_wanted || k->out.len > OUT_MAX)
        return;
    k->is_drain_wanted = false;
    if (k->driver->drained)
        k->driver->drained(k, k->driver->ctx);
}

int kit_run(struct kit *k)
{
    loop_watch(k->loop, STDIN_FILENO, POLLIN, on_stdin, k);
    for (;;) {
        kit_flush(k);
        resume(k);
        tell_drained(k);
        if (k->is_over)
            return 0;
        loop_turn(k->loop);
    }
}

void kit_arguments(int *argc, char ***argv)
{
    if (*argc != 2 || !strchr((*argv)[1], ' '))
        return;
    static char *words, **all; /* kept: leak checkers do not see what only argv holds */
    char *save;
    int n = 0;
    words = xstrdup((*argv)[1]);
    all = xcalloc(strlen(words) + 3, sizeof *all);
    all[n++] = (*argv)[0];
    for (char *w = strtok_r(words, " ", &save); w; w = strtok_r(NULL, " ", &save))
        all[n++] = w;
    *argc = n;
    *argv = all;
}
