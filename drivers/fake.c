/* gw_fake: a driver that does nothing, as told; for tests of faults and of speed.
 *
 *   gw_fake im|tm|em [-s SCRIPT [-1 FILE]] [-l LOG] [-k HOSTS] [-n SLOTS] [-p PREFIX] [-d MS]
 *
 * Without a script each request succeeds at once: DISCOVER names HOSTS (1) hosts PREFIX0, PREFIX1,
 * ... ("fake"), MONITOR gives each SLOTS (1) slots, SUBMIT and RECOVER are followed by CALLBACK
 * ACTIVE and, MS (0) later, CALLBACK DONE:0; CANCEL by CALLBACK DONE:1. Every feature offered is
 * taken, but poll-all and commit. Each request line is appended to LOG as it came. With -1 the
 * script is that of one process alone, which makes FILE: where that is there already, there is no
 * script.
 *
 * A script's lines are "PATTERN -> ANSWER", PATTERN a verb or /extended regexp/ of the whole line,
 * with " xN" behind it for the first N requests only. The first rule that applies counts. Lines
 * that begin with a blank are more answers to the same request; # begins a comment line. An ANSWER
 * is
 *
 *   text           that line; %1 ... %5 are the request's fields behind the verb, %% is %
 *   !none          no answer
 *   !default       what would be answered without the rule
 *   !part text     without its newline
 *   !raw text      without a newline; \n \0 \\ \xHH are the bytes that they mean
 *   !flood text    the same for ever, as fast as it is read
 *   !complain text that line on standard error for ever, beside all else
 *   !bytes N       N bytes and no newline
 *   !exit CODE     end at once
 *   !hang          read nothing and answer nothing any more
 *   !close         close standard output, and live on
 *
 * and may begin with @MS: that much later. "SUBMIT x1 -> @500 SUBMIT %1 FAILURE busy" fails the
 * first SUBMIT, late. */
#include "drivers/kit.h"
#include "drivers/script.h"
#include "lib/file.h"
#include "lib/log.h"
#include "lib/mem.h"
#include "lib/num.h"

#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sysexits.h>
#include <unistd.h>

enum { WORDS_MAX = 6 };

struct fake {
    struct kit *kit;
    enum kit_kind kind;
    struct script script;
    int log_fd; /* -1: none */
    int nowhere;
    const char *script_path, *once; /* of the command line */
    uint64_t hosts, slots, run_ms;
    const char *prefix;
    bool hangs;
};

/* A request and one answer to it that is still to come. */
struct late {
    struct fake *fake;
    const struct script_action *action; /* NULL: the end of a job */
    char *line;
};

/* Cut `copy` up; missing words are "-". */
static void cut(char *copy, const char *words[WORDS_MAX])
{
    char *save;
    char *w = strtok_r(copy, " \r", &save);
    for (size_t i = 0; i < WORDS_MAX; i++) {
        words[i] = w ? w : "-";
        w = w ? strtok_r(NULL, " \r", &save) : NULL;
    }
}

static void send_line(struct fake *f, struct buf *line)
{
    buf_putc(line, '\n');
    kit_send(f->kit, line->data, line->len);
    buf_clear(line);
}

static void put_features(struct buf *out, const char *offer)
{
    char *copy = xstrdup(offer + 4), *save;
    const char *before = " gw1:";
    for (char *w = strtok_r(copy, ",", &save); w; w = strtok_r(NULL, ",", &save))
        if (strcmp(w, "poll-all") != 0 && strcmp(w, "commit") != 0 &&
            strcmp(w, "credential") != 0) {
            buf_printf(out, "%s%s", before, w);
            before = ",";
        }
    free(copy);
}

static void put_text(struct fake *f, const char *const *w, struct buf *out)
{
    if (strcmp(w[0], "INIT") == 0 && strncmp(w[2], "gw1:", 4) == 0) {
        buf_puts(out, f->kind == KIT_TM ? " -" : "");
        put_features(out, w[2]);
    } else if (strcmp(w[0], "DISCOVER") == 0) {
        for (uint64_t i = 0; i < f->hosts; i++)
            buf_printf(out, " %s%llu", f->prefix, (unsigned long long)i);
    } else if (strcmp(w[0], "MONITOR") == 0) {
        buf_printf(out,
                   " HOSTNAME=\"%s\" ARCH=\"x86_64\" OS_NAME=\"Linux\" CPU_MHZ=2000 CPU_SMP=%llu "
                   "CPU_FREE=%llu NODECOUNT=%llu SIZE_MEM_MB=8192 FREE_MEM_MB=8192 "
                   "SIZE_DISK_MB=100000 FREE_DISK_MB=100000 LRMS_NAME=\"jobmanager-fake\" "
                   "LRMS_TYPE=\"fake\" QUEUE_NAME[0]=\"default\" QUEUE_NODECOUNT[0]=%llu "
                   "QUEUE_FREENODECOUNT[0]=%llu QUEUE_STATUS[0]=\"enabled\" VM_HYPERVISOR=\"qemu\"",
                   w[2], (unsigned long long)f->slots, (unsigned long long)f->slots * 100,
                   (unsigned long long)f->slots, (unsigned long long)f->slots,
                   (unsigned long long)f->slots);
    } else if (strcmp(w[0], "SUBMIT") == 0) {
        buf_printf(out, " fake:%s", w[1]);
    } else if (strcmp(w[0], "POLL") == 0 || strcmp(w[0], "RECOVER") == 0) {
        buf_puts(out, " ACTIVE");
    } else if (strcmp(w[0], "STAT") == 0) {
        buf_puts(out, " 1024 1767225600");
    } else if (strcmp(w[0], "TAIL") == 0) {
        buf_printf(out, " %s", w[3]);
    } else {
        buf_puts(out, " -");
    }
}

static void callback(struct fake *f, const char *handle, const char *state)
{
    struct buf line = BUF_INIT;
    buf_printf(&line, "CALLBACK %s SUCCESS %s", handle, state);
    send_line(f, &line);
}

static void answer_late(void *ctx);

static void later(struct fake *f, const char *line, const struct script_action *action, uint64_t ms)
{
    struct late *l = xcalloc(1, sizeof *l);
    *l = (struct late){.fake = f, .action = action, .line = xstrdup(line)};
    loop_timer_add(kit_loop(f->kit), ms, answer_late, l);
}

static void run(struct fake *f, const char *line, const char *handle)
{
    callback(f, handle, "ACTIVE");
    if (f->run_ms)
        later(f, line, NULL, f->run_ms);
    else
        callback(f, handle, "DONE:0");
}

static void answer_default(struct fake *f, const char *request)
{
    struct buf line = BUF_INIT;
    const char *w[WORDS_MAX];
    char *copy = xstrdup(request);
    cut(copy, w);
    bool has_handle = strcmp(w[0], "INIT") != 0 && strcmp(w[0], "DISCOVER") != 0;
    bool has_number =
        strcmp(w[0], "CP") == 0 || strcmp(w[0], "STAT") == 0 || strcmp(w[0], "TAIL") == 0;
    buf_printf(&line, "%s %s ", w[0], has_handle ? w[1] : "-");
    if (f->kind == KIT_TM)
        buf_printf(&line, "%s ", has_number ? w[2] : "-");
    buf_puts(&line, "SUCCESS");
    put_text(f, w, &line);
    send_line(f, &line);
    if (strcmp(w[0], "SUBMIT") == 0 || strcmp(w[0], "RECOVER") == 0)
        run(f, request, w[1]);
    else if (strcmp(w[0], "CANCEL") == 0)
        callback(f, w[1], "DONE:1");
    else if (strcmp(w[0], "FINALIZE") == 0)
        kit_finish(f->kit);
    free(copy);
}

/* %1 ... %5, %% */
static void expand(const char *text, const char *request, struct buf *out)
{
    const char *w[WORDS_MAX];
    char *copy = xstrdup(request);
    cut(copy, w);
    for (; *text; text++) {
        bool is_field = text[0] == '%' && text[1] >= '1' && text[1] <= '5';
        if (is_field)
            buf_puts(out, w[text[1] - '0']);
        else
            buf_putc(out, *text);
        text += is_field || (text[0] == '%' && text[1] == '%');
    }
    free(copy);
}

/* However much it is, nothing is kept: we wait until it is read. */
static void send_now(const char *data, size_t len)
{
    int flags = fcntl(STDOUT_FILENO, F_GETFL);
    fcntl(STDOUT_FILENO, F_SETFL, flags & ~O_NONBLOCK);
    if (file_write_all(STDOUT_FILENO, data, len) < 0)
        _exit(0); /* nobody reads any more */
    fcntl(STDOUT_FILENO, F_SETFL, flags);
}

static void send_bytes(struct fake *f, uint64_t n)
{
    static char bytes[1 << 20];
    memset(bytes, 'x', sizeof bytes);
    kit_flush(f->kit);
    for (uint64_t now; n; n -= now) {
        now = n < sizeof bytes ? n : sizeof bytes;
        send_now(bytes, now);
    }
}

static void put_escaped(const char *text, struct buf *out)
{
    for (const char *p = text; *p; p++) {
        if (*p != '\\' || !p[1]) {
            buf_putc(out, *p);
            continue;
        }
        unsigned byte = (unsigned char)*++p;
        if (*p == 'n' || *p == '0')
            byte = *p == 'n' ? '\n' : 0;
        else if (*p == 'x' && sscanf(p + 1, "%2x", &byte) == 1)
            p += 2;
        buf_putc(out, (char)byte);
    }
}

static void send_raw(struct fake *f, const char *text, bool is_for_ever)
{
    struct buf once = BUF_INIT, many = BUF_INIT;
    put_escaped(text, &once);
    while (is_for_ever && many.len < 65536)
        buf_put(&many, once.data, once.len);
    kit_flush(f->kit);
    do
        send_now(is_for_ever ? many.data : buf_str(&once), is_for_ever ? many.len : once.len);
    while (is_for_ever);
    buf_clear(&once);
}

/* In a process of its own, for as long as somebody holds the other end and this one lives. */
static void complain(struct buf *line)
{
    buf_putc(line, '\n');
    if (fork() != 0)
        return;
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    while (write(STDERR_FILENO, line->data, line->len) > 0)
        ;
    _exit(0);
}

static void act(struct fake *f, const char *request, const struct script_action *a)
{
    struct buf out = BUF_INIT;
    switch (a->what) {
    case SCRIPT_LINE:
        expand(a->text, request, &out);
        send_line(f, &out);
        break;
    case SCRIPT_PART:
        expand(a->text, request, &out);
        kit_send(f->kit, buf_str(&out), out.len);
        buf_clear(&out);
        break;
    case SCRIPT_BYTES:
        send_bytes(f, a->n);
        break;
    case SCRIPT_RAW:
    case SCRIPT_FLOOD:
        expand(a->text, request, &out);
        send_raw(f, buf_str(&out), a->what == SCRIPT_FLOOD);
        buf_clear(&out);
        break;
    case SCRIPT_COMPLAIN:
        expand(a->text, request, &out);
        complain(&out);
        buf_clear(&out);
        break;
    case SCRIPT_DEFAULT:
        answer_default(f, request);
        break;
    case SCRIPT_EXIT:
        kit_flush(f->kit);
        _exit((int)a->n);
    case SCRIPT_HANG:
        f->hangs = true;
        loop_unwatch(kit_loop(f->kit), STDIN_FILENO);
        break;
    case SCRIPT_CLOSE:
        kit_flush(f->kit);
        dup2(f->nowhere, STDOUT_FILENO);
        break;
    }
}

static void answer_late(void *ctx)
{
    struct late *l = ctx;
    const char *w[WORDS_MAX];
    if (!l->fake->hangs && l->action)
        act(l->fake, l->line, l->action);
    else if (!l->fake->hangs) {
        cut(l->line, w);
        callback(l->fake, w[1], "DONE:0");
    }
    free(l->line);
    free(l);
}

static void on_line(struct kit *k, const char *text, size_t len, void *ctx)
{
    (void)k;
    struct fake *f = ctx;
    if (f->hangs)
        return;
    if (f->log_fd >= 0 && file_write_all(f->log_fd, text, len + 1) < 0)
        log_warn("the log was not written: %s", strerror(errno));
    char *line = xmemdup0(text, len);
    const struct script_rule *rule = script_match(&f->script, line);
    if (!rule)
        answer_default(f, line);
    for (size_t i = 0; rule && i < rule->n_actions; i++) {
        if (rule->actions[i].after_ms)
            later(f, line, &rule->actions[i], rule->actions[i].after_ms);
        else
            act(f, line, &rule->actions[i]);
    }
    free(line);
}

static int read_script(struct fake *f, struct gw_err *err)
{
    struct buf text = BUF_INIT;
    const char *path = f->script_path;
    int fd = f->once ? open(f->once, O_CREAT | O_EXCL | O_CLOEXEC, 0644) : -1;
    if (fd >= 0)
        close(fd);
    else if (f->once && errno == EEXIST)
        return 0;
    else if (f->once)
        return gw_err_sys(err, errno, "making %s", f->once);
    int r = file_read(path, 1 << 20, &text, err);
    if (r == 0)
        r = script_parse(buf_str(&text), text.len, path, &f->script, err);
    buf_clear(&text);
    return r;
}

static int read_option(struct fake *f, int letter, struct gw_err *err)
{
    switch (letter) {
    case 's':
        f->script_path = optarg;
        return 0;
    case '1':
        f->once = optarg;
        return 0;
    case 'l':
        f->log_fd = open(optarg, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0644);
        return f->log_fd < 0 ? gw_err_sys(err, errno, "opening %s", optarg) : 0;
    case 'k':
        return num_parse_u64(optarg, 0, 100000, &f->hosts, err);
    case 'n':
        return num_parse_u64(optarg, 1, 1000000, &f->slots, err);
    case 'd':
        return num_parse_u64(optarg, 0, 86400000, &f->run_ms, err);
    case 'p':
        f->prefix = optarg;
        return 0;
    default:
        return gw_err_set(err, GW_EINVAL,
                          "usage: gw_fake im|tm|em [-s SCRIPT [-1 FILE]] [-l LOG] [-k HOSTS] "
                          "[-n SLOTS] [-p PREFIX] [-d MS]");
    }
}

static int read_options(struct fake *f, int argc, char **argv, struct gw_err *err)
{
    static const char *const kinds[] = {[KIT_IM] = "im", [KIT_TM] = "tm", [KIT_EM] = "em"};
    int c, r = 0;
    while (r == 0 && (c = getopt(argc, argv, "s:1:l:k:n:d:p:")) != -1)
        r = read_option(f, c, err);
    if (r == 0 && f->script_path)
        r = read_script(f, err);
    if (r < 0)
        return r;
    for (size_t i = 0; optind == argc - 1 && i < GW_COUNT(kinds); i++)
        if (strcmp(argv[optind], kinds[i]) == 0) {
            f->kind = (enum kit_kind)i;
            return 0;
        }
    return read_option(f, '?', err);
}

int main(int argc, char **argv)
{
    struct fake f = {.log_fd = -1,
                     .nowhere = open("/dev/null", O_WRONLY | O_CLOEXEC),
                     .hosts = 1,
                     .slots = 1,
                     .prefix = "fake"};
    const struct kit_driver driver = {.name = "fake", .line = on_line, .ctx = &f};
    struct gw_err err;
    f.kit = kit_create(&driver);
    kit_arguments(&argc, &argv);
    int code = EX_USAGE;
    if (read_options(&f, argc, argv, &err) < 0)
        log_error("%s", err.text);
    else
        code = kit_run(f.kit);
    if (f.log_fd >= 0)
        close(f.log_fd);
    script_clear(&f.script);
    kit_destroy(f.kit);
    return code;
}
