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
    struct run *run;           /* who tells the end, or may start it; NULL: nobody, or anybody */
    struct entry *prev, *next; /* of those that do not run, the oldest first */
    UT_hash_handle hh;
};

struct journal {
    char *instance, *dir;
    int lock_fd; /* journals_lock() */
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

/* In j->over. */
static bool is_listed(const struct entry *e)
{
    return is_over(e) || e->r.state == RECORD_NONE;
}

static void unlist(struct journal *j, struct entry *e)
{
    if (!is_listed(e))
        return;
    DL_DELETE(j->over, e);
    j->n_over--;
}

static void entry_drop(struct journal *j, struct entry *e)
{
    unlist(j, e);
    HASH_DEL(j->entries, e);
    free(e->token);
    free(e);
}

static void entry_list(struct journal *j, struct entry *e, enum record_state state)
{
    unlist(j, e);
    e->r.state = state;
    DL_APPEND(j->over, e);
    if (++j->n_over > ENDS_KEPT)
        entry_drop(j, j->over);
}

static void entry_over(struct journal *j, struct entry *e, enum record_state state, int code)
{
    if (is_over(e))
        return;
    e->r.code = code;
    e->run = NULL;
    entry_list(j, e, state);
}

/* A run that has seen that it runs or ended does not say so: what was read later came earlier. */
static void entry_never(struct journal *j, const char *token, struct run *run)
{
    struct entry *e = find(j, token);
    if (e && e->r.state != RECORD_NONE && e->run != run)
        return;
    e = entry_of(j, token, run);
    e->run = run;
    entry_list(j, e, RECORD_NONE);
}

static struct entry *entry_start(struct journal *j, const char *token, struct run *run)
{
    struct entry *e = entry_of(j, token, run);
    if (e->r.state == RECORD_NONE) {
        unlist(j, e);
        e->r.state = RECORD_STARTING;
        e->run = run;
    }
    return e;
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
    else if (e->r.state == RECORD_NONE)
        buf_printf(b, "N %s .\n", e->token);
    else
        buf_printf(b, "S %s .\n", e->token);
    if (is_running)
        buf_printf(b, "P %s %ld %" PRIu64 " .\n", e->token, (long)p->pid, p->start);
    if (!e->run && !is_listed(e))
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
    if (!kind || kind[1] || !token || (first && num_parse_u64(first, 0, INT32_MAX, &a, NULL) < 0) ||
        (second && num_parse_u64(second, 0, UINT64_MAX, &b, NULL) < 0))
        return;
    if (*kind == 'N') {
        if (!first)
            entry_never(j, token, run);
        return;
    }
    struct entry *e = entry_start(j, token, run);
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

static void run_free(struct run *run)
{
    run_close(run);
    free(run);
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
        if (is_listed(e))
            continue;
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
static int run_open(struct journal *j, const char *name, struct run **ret, struct gw_err *err)
{
    struct run *run = xcalloc(1, sizeof *run);
    run->path = xasprintf("%s/%s", j->dir, name);
    run->fd = open(run->path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
    int r = run->fd < 0 ? gw_err_sys(err, errno, "opening %s", run->path) : 0;
    if (r == 0)
        *ret = run;
    else
        run_free(run);
    return r;
}

static int read_other(struct journal *j, const char *name, struct buf *ret_gone, struct gw_err *err)
{
    struct run *run;
    int r = run_open(j, name, &run, err);
    if (r < 0)
        return r;
    bool lives = run_lives(run);
    r = run_read(j, run, err);
    if (r == 0 && lives) {
        LL_PREPEND(j->others, run);
        return 0;
    }
    if (r == 0) {
        forsake(j, run);
        buf_put(ret_gone, run->path, strlen(run->path) + 1);
    }
    run_free(run);
    return r;
}

/* One that began after us; it may be gone again, its file taken over by yet another. */
static int add_run(struct journal *j, const char *name, struct gw_err *err)
{
    struct run *run;
    int r = run_open(j, name, &run, err);
    if (r == 0)
        LL_PREPEND(j->others, run);
    return r == -GW_ENOENT ? 0 : r;
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
        if (!e->run || e->run == &j->own)
            put_entry(e, &text);
    for (const struct entry *e = j->entries; e; e = e->hh.next)
        if (!is_listed(e) && (!e->run || e->run == &j->own))
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
        run_free(run);
    }
    run_close(&j->own);
    if (j->lock_fd >= 0)
        close(j->lock_fd);
    buf_clear(&j->noted);
    free(j->instance);
    free(j->dir);
    free(j);
}

static int open_lock(struct journal *j, struct gw_err *err)
{
    char *path = xasprintf("%s/.lock", j->dir);
    j->lock_fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
    int r = j->lock_fd < 0 ? gw_err_sys(err, errno, "opening %s", path) : 0;
    free(path);
    return r;
}

static int open_journal(struct journals *js, const char *instance, struct journal **ret,
                        struct gw_err *err)
{
    struct journal *j = xcalloc(1, sizeof *j);
    struct process_id self;
    struct buf gone = BUF_INIT;
    j->instance = xstrdup(instance);
    j->dir = xasprintf("%s/%s", js->dir, instance);
    j->own.fd = j->lock_fd = -1;
    int r = process_identify(getpid(), &self, err);
    if (r == 0)
        r = file_mkdirs(j->dir, 0700, err);
    if (r == 0) {
        j->own.path = xasprintf("%s/%ld.%" PRIu64, j->dir, (long)self.pid, self.start);
        r = read_others(j, &gone, err);
    }
    if (r == 0)
        r = begin_file(j, err);
    if (r == 0)
        r = open_lock(j, err);
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
        ret->is_watched = e->run && (e->r.state != RECORD_NONE || e->run != &j->own);
    }
    return 0;
}

static bool is_file_of(const struct run *run, const char *name)
{
    return strcmp(strrchr(run->path, '/') + 1, name) == 0;
}

static bool is_known(const struct journal *j, const char *name)
{
    const struct run *run = j->others;
    while (run && !is_file_of(run, name))
        run = run->next;
    return run || is_file_of(&j->own, name);
}

/* All that other runs have said by now, also those that began after us. What is left of one that is
 * gone is taken over by the next that begins. */
static int read_news(struct journal *j, struct gw_err *err)
{
    DIR *dir = opendir(j->dir);
    int r = dir ? 0 : gw_err_sys(err, errno, "reading %s", j->dir);
    for (const struct dirent *d; r == 0 && dir && (errno = 0, d = readdir(dir));)
        if (d->d_name[0] != '.' && !is_known(j, d->d_name))
            r = add_run(j, d->d_name, err);
    if (r == 0 && errno)
        r = gw_err_sys(err, errno, "reading %s", j->dir);
    if (dir)
        closedir(dir);
    for (struct run *run = j->others; r == 0 && run; run = run->next)
        r = run_read(j, run, err);
    return r;
}

static int lock_one(struct journal *j, struct gw_err *err)
{
    if (flock(j->lock_fd, LOCK_EX | LOCK_NB) < 0)
        return errno == EWOULDBLOCK ? gw_err_set(err, GW_ESTATE, "another process is starting jobs")
                                    : gw_err_sys(err, errno, "locking %s", j->dir);
    return read_news(j, err);
}

int journals_lock(struct journals *js, struct gw_err *err)
{
    int r = 0;
    for (struct journal *j = js->first; j && r == 0; j = j->next)
        r = lock_one(j, err);
    if (r < 0)
        journals_unlock(js);
    return r;
}

void journals_unlock(struct journals *js)
{
    for (struct journal *j = js->first; j; j = j->next)
        flock(j->lock_fd, LOCK_UN);
}

void journal_start(struct journals *js, const char *token)
{
    struct journal *j = journal_of(js, token);
    struct entry *e = entry_start(j, token, &j->own);
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
    entry_never(j, token, &j->own);
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
