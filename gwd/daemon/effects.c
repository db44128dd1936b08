#include "gwd/daemon/effects.h"

#include "lib/file.h"
#include "lib/log.h"
#include "lib/mem.h"
#include "lib/num.h"
#include "wire/pct.h"
#include "wire/status.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

/* A staged file: made in the spool, read by a driver soon after. It need not survive a power cut:
 * whoever recovers an attempt that has not been submitted writes it again. */
static int spool_write(const char *path, const void *data, size_t len, unsigned mode,
                       struct gw_err *err)
{
    char *dir = xstrndup(path, (size_t)(strrchr(path, '/') - path));
    int r = file_mkdirs(dir, 0700, err);
    free(dir);
    return r < 0 ? r : file_write(path, data, len, mode, err);
}

static void write_effect_file(struct effect *f)
{
    struct gw_err err;
    if (spool_write(f->path, f->text, f->len, f->mode, &err) < 0)
        log_error("%s", err.text); /* the copy that needs it will say so to the job */
}

/* The file of the lines in f->text, which is cut up. */
static void make_lease(struct effect *f, struct buf *ret)
{
    char *save, *line = strtok_r(f->text, "\n", &save);
    status_begin(ret, "GWLEASE", 1);
    for (; line; line = strtok_r(NULL, "\n", &save)) {
        char *equals = strchr(line, '=');
        *equals = '\0';
        status_put(ret, line, equals + 1);
    }
    status_end(ret);
}

static void write_lease(struct effect *f)
{
    struct buf b = BUF_INIT;
    struct gw_err err;
    make_lease(f, &b);
    if (spool_write(f->path, b.data, b.len, 0600, &err) < 0)
        log_error("%s", err.text);
    buf_clear(&b);
}

int effect_empty_spool(const char *spool, struct gw_err *err)
{
    int r = file_mkdirs(spool, 0700, err);
    DIR *dir = r == 0 ? opendir(spool) : NULL;
    if (r == 0 && !dir)
        r = gw_err_sys(err, errno, "reading %s", spool);
    for (struct dirent *entry; r == 0 && (entry = readdir(dir));) {
        const char *name = entry->d_name;
        if (strcmp(name, ".") == 0 || strcmp(name, "..") == 0 || strcmp(name, "lease") == 0)
            continue;
        char *path = xasprintf("%s/%s", spool, name);
        r = file_remove_tree(path, err);
        free(path);
    }
    if (dir)
        closedir(dir);
    return r;
}

uint64_t effect_last_lease(const char *spool)
{
    char *path = xasprintf("%s/lease", spool);
    struct status_file file;
    struct buf text = BUF_INIT;
    uint64_t seq = 0;
    if (file_read(path, STATUS_FILE_MAX, &text, NULL) == 0 &&
        status_decode(buf_str(&text), text.len, "GWLEASE", &file, NULL) == 0) {
        const char *said = status_get(&file, "SEQ");
        if (said)
            (void)num_parse_u64(said, 0, INT64_MAX / 2, &seq, NULL);
        status_clear(&file);
    }
    buf_clear(&text);
    free(path);
    return seq;
}

static void send_lease(struct daemon *d, struct effect *f)
{
    struct buf b = BUF_INIT;
    make_lease(f, &b);
    f->args[2] = buf_take(&b);
    driver_request(d, f);
}

/* A site wrote it, or anybody there. */
/* A file that was copied here, or what GET gave. */
static int read_text(const struct effect *f, struct buf *text, struct gw_err *err)
{
    if (f->path)
        return file_read(f->path, STATUS_FILE_MAX, text, err);
    int r = pct_decode(f->args[0], err);
    if (r == 0)
        buf_puts(text, f->args[0]);
    return r;
}

static void read_epoch(struct daemon *d, const struct effect *f)
{
    struct input in = {.kind = IN_TRACE, .trace = {.ref = f->ref}};
    const char *before = engine_notice(d->engine);
    struct status_file file;
    struct buf text = BUF_INIT;
    if (read_text(f, &text, NULL) == 0 &&
        status_decode(buf_str(&text), text.len, "GWLEASE", &file, NULL) == 0) {
        const char *instance = status_get(&file, "INSTANCE"), *epoch = status_get(&file, "EPOCH");
        const char *fence = status_get(&file, "FENCE");
        if (instance && epoch && strcmp(instance, f->text) == 0)
            (void)num_parse_u64(epoch, 1, INT64_MAX / 2, &in.trace.epoch, NULL);
        if (in.trace.epoch && fence)
            (void)num_parse_u64(fence, 1, in.trace.epoch, &in.trace.fence, NULL);
        status_clear(&file);
    }
    buf_clear(&text);
    turn_input(d, &in);
    if (engine_notice(d->engine) != before)
        log_error("%s; see docs/operations.md", engine_notice(d->engine));
}

/* What a verified status file of this attempt says; the strings live as long as `file`. */
static void report_from(const struct status_file *file, const char *token,
                        struct status_report *ret)
{
    const char *of = status_get(file, "TOKEN"), *state = status_get(file, "STATE");
    const char *code = status_get(file, "EXIT_CODE"), *signal = status_get(file, "SIGNAL");
    const char *reason = status_get(file, "REASON"), *blame = status_get(file, "BLAME");
    uint64_t number;
    if (!of || strcmp(of, token) != 0 || !state)
        return;
    if (strcmp(state, "exited") == 0) {
        if (!code || num_parse_u64(code, 0, 255, &number, NULL) < 0)
            return;
        ret->exit_code = (int)number;
        if (signal && num_parse_u64(signal, 1, 64, &number, NULL) == 0)
            ret->signal = (int)number;
        ret->is_exited = true;
    } else if (strcmp(state, "failed") != 0) {
        return;
    }
    ret->reason = reason && reason_code_is_valid(reason) ? reason : "internal";
    if (!blame || !blame_of_name(blame, &ret->blame))
        ret->blame = BLAME_SITE;
    ret->message = status_get(file, "MESSAGE");
    ret->is_there = true;
}

static void read_status(struct daemon *d, const struct effect *f)
{
    struct input in = {.kind = IN_STATUS, .status = {.ref = f->ref}};
    struct status_file file = {0};
    struct buf text = BUF_INIT;
    struct gw_err err = {0};
    int r = read_text(f, &text, &err);
    if (r == 0)
        r = status_decode(buf_str(&text), text.len, "GWSTATUS", &file, &err);
    if (r == 0)
        report_from(&file, f->text, &in.status.report);
    if (!in.status.report.is_there)
        log_warn("job %" PRIu64 " task %" PRIu64 " attempt %" PRIu64 ": status file: %s",
                 f->ref.job, f->ref.task, f->ref.attempt, r < 0 ? err.text : "not of this attempt");
    turn_input(d, &in);
    status_clear(&file);
    buf_clear(&text);
}

void effect_perform(struct daemon *d, struct effect *f)
{
    struct gw_err err;
    switch (f->kind) {
    case EFFECT_SEND:
        driver_request(d, f);
        break;
    case EFFECT_RELEASE:
        driver_release(d, f->ref);
        break;
    case EFFECT_WRITE_FILE:
        write_effect_file(f);
        break;
    case EFFECT_WRITE_LEASE:
        write_lease(f);
        break;
    case EFFECT_SEND_LEASE:
        send_lease(d, f);
        break;
    case EFFECT_READ_STATUS:
        read_status(d, f);
        break;
    case EFFECT_READ_EPOCH:
        read_epoch(d, f);
        break;
    case EFFECT_REMOVE:
        if (file_remove_tree(f->path, &err) < 0)
            log_warn("%s", err.text);
        break;
    case EFFECT_ARCHIVE:
        archiving_add(d, f->ref.job);
        break;
    case EFFECT_CREDENTIAL:
        credential_watch(d, f->uid, f->path);
        break;
    case EFFECT_WARN:
        log_warn("%s", f->text);
        break;
    case EFFECT_REPLY:
        ops_reply(d, &f->asker, f->reply);
        break;
    }
}
