#include "em/journal.h"

#include "lib/file.h"
#include "lib/log.h"
#include "lib/mem.h"
#include "lib/num.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>
#include <uthash.h>
#include <utlist.h>

enum {
    ENDS_KEPT = 100000,
    COMPACT_BYTES = 32 << 20,
    INSTANCE_MAX = 64,
};

/* The file of a run: ours, or that of another that lives. */
struct run {
    char *path;
    char boot[BOOT_ID_MAX];
    int fd;
    off_t at; /* read, or written, up to here */
    struct run *next;
};

struct entry {
    char *token;
    struct record r;
    struct run *run;           /* who tells the end; NULL: nobody does */
    struct entry *prev, *next; /* of those that are over, the oldest first */
    UT_hash_handle hh;
};

struct journal {
    char *instance, *dir;
    struct run own, *others;
    struct buf noted;
    bool has_unsynced; /* a start was noted, and is not yet known to be on disk */
    struct entry *entries, *over;
    size_t n_over;
    struct journal *next;
};

struct journals {
    char *dir;
    struct journal *first;
};

/* --- what is known --- */

static struct entry *find(const struct journal *j, const char *token)
{
    struct entry *e;
    HASH_FIND_STR(j->entries, token, e);
    return e;
}

static struct entry *entry_of(struct journal *j, const char *token, struct run *run)
{
    struct entry *e = find(j, token);
    if (e)
        return e;
    e = xcalloc(1, sizeof *e);
    e->token = xstrdup(token);
    e->r.state = RECORD_STARTING;
    e->run = run;
    HASH_ADD_KEYPTR(hh, j->entries, e->token, strlen(e->token), e);
    return e;
}

static bool is_over(const struct entry *e)
{
    return e->r.state == RECORD_ENDED || e->r.state == RECORD_LOST;
}

static void entry_drop(struct journal *j, struct entry *e)
{
    if (is_over(e)) {
        DL_DELETE(j->over, e);
        j->n_over--;
    }
    HASH_DEL(j->entries, e);
    free(e->token);
    free(e);
}

static void entry_over(struct journal *j, struct entry *e, enum record_state state, int code)
{
    if (is_over(e))
        return;
    e->r.state = state;
    e->r.code = code;
    e->run = NULL;
    DL_APPEND(j->over, e);
    if (++j->n_over > ENDS_KEPT)
        entry_drop(j, j->over);
}

/* --- lines --- */

static void put_entry(const struct entry *e, struct buf *b)
{
    const struct process_id *p = &e->r.process;
    bool is_running = e->r.state == RECORD_RUNNING;
    if (e->r.state == RECORD_ENDED)
        buf_printf(b, "E %s %d .\n", e->token, e->r.code);
    else if (e->r.state == RECORD_LOST)
        buf_printf(b, "L %s .\n", e->token);
    else
        buf_printf(b, "S %s .\n", e->token);
    if (is_running)
        buf_printf(b, "P %s %ld %" PRIu64 " .\n", e->token, (long)p->pid, p->start);
    if (!e->run && !is_over(e))
        buf_printf(b, "A %s .\n", e->token);
}

/* A line that has no full stop was cut off: its writer died, or there was no space. */
static void take_line(struct journal *j, struct run *run, char *line)
{
    size_t len = strlen(line);
    if (len < 2 || strcmp(line + len - 2, " .") != 0)
        return;
    line[len - 2] = '\0';
    char *save, *kind = strtok_r(line, " ", &save), *token = strtok_r(NULL, " ", &save);
    char *first = strtok_r(NULL, " ", &save), *second = strtok_r(NULL, " ", &save);
    uint64_t a = 0, b = 0;
    if (!kind || !token || (first && num_parse_u64(first, 0, INT32_MAX, &a, NULL) < 0) ||
        (second && num_parse_u64(second, 0, UINT64_MAX, &b, NULL) < 0))
        return;
    struct entry *e = entry_of(j, token, run);
    if (*kind == 'P' && second && !is_over(e)) {
        e->r.state = RECORD_RUNNING;
        e->r.process = (struct process_id){.pid = (pid_t)a, .start = b};
        memcpy(e->r.process.boot, run->boot, sizeof run->boot);
    } else if (*kind == 'E' && first) {
        entry_over(j, e, RECORD_ENDED, (int)a & 0xff);
    } else if (*kind == 'L') {
        entry_over(j, e, RECORD_LOST, 0);
    } else if (*kind == 'A') {
        e->run = NULL;
    } else if (*kind == 'N') {
        entry_drop(j, e);
    }
}

/* The whole lines that came since the last time. */
static int run_read(struct journal *j, struct run *run, struct gw_err *err)
{
    struct buf text = BUF_INIT;
    ssize_t n;
    do {
        buf_reserve(&text, 1 << 16);
        n = pread(run->fd, text.data + text.len, 1 << 16, run->at + (off_t)text.len);
        text.len += n > 0 ? (size_t)n : 0;
    } while (n > 0);
    int r = n < 0 ? gw_err_sys(err, errno, "reading %s", run->path) : 0;
    size_t done = 0;
    for (char *end; text.len > done && (end = memchr(text.data + done, '\n', text.len - done));) {
        *end = '\0';
        char *line = text.data + done;
        if (strncmp(line, "gw_em_fork 1 ", 13) == 0)
            snprintf(run->boot, sizeof run->boot, "%s", line + 13);
        else
            take_line(j, run, line);
        done = (size_t)(end - text.data) + 1;
    }
    run->at += (off_t)done;
    buf_clear(&text);
    return r;
}

static bool run_lives(const struct run *run)
{
    if (flock(run->fd, LOCK_EX | LOCK_NB) < 0)
        return true;
    flock(run->fd, LOCK_UN);
    return false;
}

static void run_close(struct run *run)
{
    if (run->fd >= 0)
        close(run->fd);
    free(run->path);
}

/* --- a run begins --- */

/* Its run is gone: what was running, and does not any more, is lost. */
static void forsake(struct journal *j, struct run *run)
{
    struct entry *e, *tmp;
    HASH_ITER (hh, j->entries, e, tmp) {
        if (e->run != run)
            continue;
        e->run = NULL;
        int fd = e->r.state == RECORD_RUNNING ? process_pidfd(&e->r.process) : -1;
        bool is_alive = fd >= 0 || (e->r.state == RECORD_STARTING &&
                                    strcmp(run->boot, process_boot_id()) == 0 &&
                                    process_signal_attempt(e->token, NULL, 0, 0) > 0);
        if (fd >= 0)
            close(fd);
        if (!is_alive)
            entry_over(j, e, RECORD_LOST, 0);
    }
}

/* What cannot be read is not taken for empty: an attempt that it knows of would be started again.
 */
static int read_other(struct journal *j, const char *name, struct buf *ret_gone, struct gw_err *err)
{
    struct run *run = xcalloc(1, sizeof *run);
    run->path = xasprintf("%s/%s", j->dir, name);
    run->fd = open(run->path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
    int r = run->fd < 0 ? gw_err_sys(err, errno, "opening %s", run->path) : 0;
    bool lives = r == 0 && run_lives(run);
    if (r == 0)
        r = run_read(j, run, err);
    if (r == 0 && lives) {
        LL_PREPEND(j->others, run);
        return 0;
    }
    if (r == 0) {
        forsake(j, run);
        buf_put(ret_gone, run->path, strlen(run->path) + 1);
    }
    run_close(run);
    free(run);
    return r;
}

static int read_others(struct journal *j, struct buf *ret_gone, struct gw_err *err)
{
    DIR *dir = opendir(j->dir);
    struct dirent *d;
    int r = dir ? 0 : gw_err_sys(err, errno, "reading %s", j->dir);
    while (r == 0 && (errno = 0, d = readdir(dir)))
        if (d->d_name[0] != '.')
            r = read_other(j, d->d_name, ret_gone, err);
    if (r == 0 && errno)
        r = gw_err_sys(err, errno, "reading %s", j->dir);
    if (dir)
        closedir(dir);
    return r;
}

static int sync_dir(const char *path)
{
    int fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    int r = fd < 0 ? -1 : fsync(fd);
    if (fd >= 0)
        close(fd);
    return r;
}

/* A file with all that is known and that no other run tells of, in place of the one so far. */
static int begin_file(struct journal *j, struct gw_err *err)
{
    struct buf text = BUF_INIT;
    char *next = xasprintf("%s/.next.%ld", j->dir, (long)getpid());
    buf_printf(&text, "gw_em_fork 1 %s\n", process_boot_id());
    for (const struct entry *e = j->over; e; e = e->next)
        put_entry(e, &text);
    for (const struct entry *e = j->entries; e; e = e->hh.next)
        if (!is_over(e) && (!e->run || e->run == &j->own))
            put_entry(e, &text);
    int r = 0, fd = open(next, O_WRONLY | O_CREAT | O_TRUNC | O_APPEND | O_CLOEXEC, 0600);
    if (fd < 0 || flock(fd, LOCK_EX | LOCK_NB) < 0 || file_write_all(fd, text.data, text.len) < 0 ||
        fdatasync(fd) < 0 || rename(next, j->own.path) < 0 || sync_dir(j->dir) < 0)
        r = gw_err_sys(err, errno, "writing %s", j->own.path);
    if (r < 0 && fd >= 0)
        close(fd);
    if (r == 0) {
        if (j->own.fd >= 0)
            close(j->own.fd);
        j->own.fd = fd;
        j->own.at = (off_t)text.len;
    }
    buf_clear(&text);
    free(next);
    return r;
}

static void journal_free(struct journal *j)
{
    struct entry *e, *tmp;
    HASH_ITER (hh, j->entries, e, tmp)
        entry_drop(j, e);
    while (j->others) {
        struct run *run = j->others;
        j->others = run->next;
        run_close(run);
        free(run);
    }
    run_close(&j->own);
    buf_clear(&j->noted);
    free(j->instance);
    free(j->dir);
    free(j);
}

static int open_journal(struct journals *js, const char *instance, struct journal **ret,
                        struct gw_err *err)
{
    struct journal *j = xcalloc(1, sizeof *j);
    struct process_id self;
    struct buf gone = BUF_INIT;
    j->instance = xstrdup(instance);
    j->dir = xasprintf("%s/%s", js->dir, instance);
    j->own.fd = -1;
    int r = process_identify(getpid(), &self, err);
    if (r == 0)
        r = file_mkdirs(j->dir, 0700, err);
    if (r == 0) {
        j->own.path = xasprintf("%s/%ld.%" PRIu64, j->dir, (long)self.pid, self.start);
        r = read_others(j, &gone, err);
    }
    if (r == 0)
        r = begin_file(j, err);
    for (size_t at = 0; r == 0 && at < gone.len; at += strlen(gone.data + at) + 1)
        if (strcmp(gone.data + at, j->own.path) != 0)
            unlink(gone.data + at);
    buf_clear(&gone);
    if (r < 0) {
        journal_free(j);
        return r;
    }
    LL_PREPEND(js->first, j);
    *ret = j;
    return 0;
}

static struct journal *journal_of(const struct journals *js, const char *token)
{
    size_t len = strcspn(token, ".");
    struct journal *j = js->first;
    while (j && (strlen(j->instance) != len || strncmp(j->instance, token, len) != 0))
        j = j->next;
    return j;
}

struct journals *journals_create(const char *dir, struct gw_err *err)
{
    if (file_mkdirs(dir, 0700, err) < 0)
        return NULL;
    if (access(dir, W_OK | X_OK) < 0) {
        gw_err_sys(err, errno, "directory %s", dir);
        return NULL;
    }
    struct journals *js = xcalloc(1, sizeof *js);
    js->dir = xstrdup(dir);
    return js;
}

void journals_destroy(struct journals *js)
{
    while (js && js->first) {
        struct journal *j = js->first;
        js->first = j->next;
        journal_free(j);
    }
    if (js)
        free(js->dir);
    free(js);
}

/* --- in the course of a run --- */

/* What the run that started it has said since, and whether it says more. */
static int catch_up(struct journal *j, const char *token, struct entry **e, struct gw_err *err)
{
    struct run *run = (*e)->run;
    if (!run || run == &j->own)
        return 0;
    bool lives = run_lives(run); /* looked at before what it wrote last is read */
    int r = run_read(j, run, err);
    *e = find(j, token);
    if (r == 0 && *e && (*e)->run == run && !lives)
        (*e)->run = NULL;
    return r;
}

int journal_look(struct journals *js, const char *token, struct record *ret, struct gw_err *err)
{
    struct journal *j = journal_of(js, token);
    *ret = (struct record){.state = RECORD_NONE};
    if (!j) {
        char *instance = xstrndup(token, strcspn(token, "."));
        int r = *instance && strlen(instance) <= INSTANCE_MAX
                    ? open_journal(js, instance, &j, err)
                    : gw_err_set(err, GW_EINVAL, "the token %s names no instance", token);
        free(instance);
        if (r < 0)
            return r;
    }
    struct entry *e = find(j, token);
    int r = e ? catch_up(j, token, &e, err) : 0;
    if (r < 0)
        return r;
    if (e) {
        *ret = e->r;
        ret->is_watched = e->run != NULL;
    }
    return 0;
}

void journal_start(struct journals *js, const char *token)
{
    struct journal *j = journal_of(js, token);
    struct entry *e = entry_of(j, token, &j->own);
    put_entry(e, &j->noted);
    j->has_unsynced = true;
}

void journal_run(struct journals *js, const char *token, const struct process_id *id)
{
    struct journal *j = journal_of(js, token);
    struct entry *e = entry_of(j, token, &j->own);
    e->r.state = RECORD_RUNNING;
    e->r.process = *id;
    buf_printf(&j->noted, "P %s %ld %" PRIu64 " .\n", token, (long)id->pid, id->start);
}

void journal_never(struct journals *js, const char *token)
{
    struct journal *j = journal_of(js, token);
    struct entry *e = find(j, token);
    if (e)
        entry_drop(j, e);
    buf_printf(&j->noted, "N %s .\n", token);
}

void journal_end(struct journals *js, const char *token, int code)
{
    struct journal *j = journal_of(js, token);
    entry_over(j, entry_of(j, token, &j->own), RECORD_ENDED, code & 0xff);
    buf_printf(&j->noted, "E %s %d .\n", token, code & 0xff);
}

void journal_lose(struct journals *js, const char *token)
{
    struct journal *j = journal_of(js, token);
    entry_over(j, entry_of(j, token, &j->own), RECORD_LOST, 0);
    buf_printf(&j->noted, "L %s .\n", token);
}

static int write_noted(struct journal *j, bool is_synced, struct gw_err *err)
{
    bool is_sync_due = is_synced && j->has_unsynced;
    if (j->noted.len == 0 && !is_sync_due)
        return 0;
    /* What could not be written whole is written again: a line that stands twice says nothing new,
     * and one that was cut off is ended by the newline. */
    if (file_write_all(j->own.fd, j->noted.data, j->noted.len) < 0 ||
        (is_sync_due && fdatasync(j->own.fd) < 0)) {
        int r = gw_err_sys(err, errno, "writing %s", j->own.path);
        if (j->noted.len && j->noted.data[0] != '\n') {
            struct buf again = BUF_INIT;
            buf_putc(&again, '\n');
            buf_put(&again, j->noted.data, j->noted.len);
            buf_clear(&j->noted);
            j->noted = again;
        }
        return r;
    }
    if (is_sync_due)
        j->has_unsynced = false;
    j->own.at += (off_t)j->noted.len;
    buf_reset(&j->noted);
    return j->own.at > COMPACT_BYTES ? begin_file(j, err) : 0;
}

int journals_write(struct journals *js, bool is_synced, struct gw_err *err)
{
    int r = 0;
    for (struct journal *j = js->first; j && r == 0; j = j->next)
        r = write_noted(j, is_synced, err);
    return r;
}
