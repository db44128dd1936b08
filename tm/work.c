/* The verbs on file: URLs, as they run in a thread: URLs to places, places to the
 * operation, errors to the reasons of docs/PROTOCOL section 5. */
#include "lib/base64.h"
#include "lib/beneath.h"
#include "lib/file.h"
#include "lib/mem.h"
#include "tm/copy.h"
#include "tm/landing.h"
#include "tm/request.h"
#include "wire/pct.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum {
    TAIL_MAX = 1 << 20,
    SMALL_MAX = 1 << 20, /* copies that share a sync */
    GET_MAX = 16384,     /* bytes: three times as many fit into a line */
};

void work_fail(struct request *r, const char *reason, const struct gw_err *err)
{
    r->reason = reason;
    r->is_absent = err->code == GW_ENOENT;
    snprintf(r->text, sizeof r->text, "%s", err->text);
}

bool work_is_in_job(const char *path)
{
    return strstr(path, "/.gw_") != NULL;
}

/* Something that should be there to be read. */
const char *work_source_reason(int code, const char *path)
{
    if (-code == GW_ENOENT || -code == GW_EPERM || -code == GW_EINVAL)
        return work_is_in_job(path) ? "no-output:job" : "no-input:job";
    return "io:site";
}

/* Something to be made. An output file's destination is the job's own choice; a job directory is
 * the site's affair. */
const char *work_target_reason(int code, bool is_jobs_choice)
{
    switch (-code) {
    case GW_ENOSPC:
        return "no-space:site";
    case GW_EPERM:
        return is_jobs_choice ? "not-allowed:job" : "not-allowed:site";
    case GW_ENOENT: /* it cannot come to be: its parent is a file, or takes no files */
        return is_jobs_choice ? "refused:job" : "io:site";
    case GW_EINVAL:
        return "refused:job";
    case GW_ESTATE:
        return "internal:us";
    default:
        return "io:site";
    }
}

/* Parse the URL and open its place; false when the request has failed. */
bool work_open_source(struct request *r, struct place *ret)
{
    char *path = NULL;
    struct gw_err err;
    int code = place_path(r->from, &path, &err);
    if (code < 0) {
        work_fail(r, "bad-url:job", &err);
        return false;
    }
    code = place_open(path, PARENTS_THERE, ret, &err);
    if (code < 0)
        work_fail(r, work_source_reason(code, path), &err);
    free(path);
    return code == 0;
}

static bool open_target(struct request *r, const char *url, bool is_jobs_choice,
                        enum place_parents parents, struct place *ret)
{
    char *path = NULL;
    struct gw_err err;
    int code = place_path(url, &path, &err);
    if (code < 0) {
        work_fail(r, "bad-url:job", &err);
        return false;
    }
    code = place_open(path, parents, ret, &err);
    if (code < 0)
        work_fail(r, work_target_reason(code, is_jobs_choice), &err);
    free(path);
    return code == 0;
}

static void do_mkdir(struct request *r)
{
    struct place p;
    struct gw_err err;
    struct stat st;
    if (!open_target(r, r->from, false, PARENTS_MADE, &p))
        return;
    int code = 0;
    if (mkdirat(p.dirfd, p.name, p.zone == ZONE_OUTSIDE ? 0777 : 0700) == 0)
        code = place_sync(&p, &err);
    else if (errno != EEXIST)
        code = gw_err_sys(&err, errno, "making directory %s", p.path);
    else if ((code = place_stat(&p, &st, &err)) == 0 && !S_ISDIR(st.st_mode))
        code = gw_err_set(&err, GW_EINVAL, "%s exists and is not a directory", p.path);
    if (code < 0)
        work_fail(r, work_target_reason(code, false), &err);
    place_close(&p);
}

static void do_rmdir(struct request *r)
{
    struct place p;
    struct gw_err err;
    if (!work_open_source(r, &p)) {
        /* Without its parent it is not there. */
        if (r->is_absent)
            r->reason = NULL;
        return;
    }
    int e = beneath_remove(p.dirfd, p.name, &r->is_cancelled), code = 0;
    if (e == -ECANCELED)
        code = gw_err_set(&err, GW_ESTATE, "cancelled");
    else if (e < 0)
        code = gw_err_sys(&err, -e, "removing %s", p.path);
    if (code < 0)
        work_fail(r, work_target_reason(code, false), &err);
    place_close(&p);
}

static void do_exists(struct request *r)
{
    struct place p;
    struct gw_err err;
    struct stat st;
    if (!work_open_source(r, &p))
        return;
    int code = place_stat(&p, &st, &err);
    if (code < 0)
        work_fail(r, work_source_reason(code, p.path), &err);
    place_close(&p);
}

static void do_stat(struct request *r)
{
    struct place p;
    struct gw_err err;
    struct stat st;
    if (!work_open_source(r, &p))
        return;
    int code = place_stat(&p, &st, &err);
    if (code == 0 && !S_ISREG(st.st_mode))
        code = gw_err_set(&err, GW_EINVAL, "%s is not a regular file", p.path);
    if (code < 0)
        work_fail(r, work_source_reason(code, p.path), &err);
    else
        snprintf(r->text, sizeof r->text, "%jd %jd", (intmax_t)st.st_size, (intmax_t)st.st_mtime);
    place_close(&p);
}

/* Outside job directories a destination that is a symbolic link is written through, as cp(1) does.
 */
static bool follow(struct request *r, struct place *p)
{
    struct stat st;
    if (p->zone != ZONE_OUTSIDE || fstatat(p->dirfd, p->name, &st, AT_SYMLINK_NOFOLLOW) < 0 ||
        !S_ISLNK(st.st_mode))
        return true;
    struct gw_err err;
    char *real = realpath(p->path, NULL);
    int code = 0;
    if (!real && errno == ENOENT) /* as cp(1), which does not make a file that it cannot name */
        code = gw_err_set(&err, GW_EINVAL, "%s is a symbolic link to a file that does not exist",
                          p->path);
    else if (!real)
        code = gw_err_sys(&err, errno, "following %s", p->path);
    place_close(p);
    if (code == 0)
        code = place_open(real, PARENTS_THERE, p, &err);
    free(real);
    if (code < 0)
        work_fail(r, work_target_reason(code, true), &err);
    return code == 0;
}

bool work_open_target(struct request *r, bool is_output, struct place *ret)
{
    return open_target(r, r->to, is_output && !work_is_in_job(r->to),
                       r->is_settled_later ? PARENTS_UNSYNC : PARENTS_MADE, ret) &&
           follow(r, ret);
}

static void fail_copy(struct request *r, const struct place *from, const struct place *to,
                      bool is_output, bool is_source, int code, const struct gw_err *err)
{
    work_fail(r,
              is_source ? work_source_reason(code, from->path)
                        : work_target_reason(code, is_output && to->zone == ZONE_OUTSIDE),
              err);
}

static struct copy_watch watch_of(struct request *r)
{
    return (struct copy_watch){&r->is_cancelled, &r->moved, &r->total};
}

/* Takes `to` over. */
static void copy_later(struct request *r, const struct place *from, struct place *to,
                       bool is_output)
{
    struct gw_err err;
    bool is_source = false;
    struct landing *l = landing_create(to, is_output);
    const struct copy_watch watch = watch_of(r);
    int code =
        copy_prepare(from, &l->to, r->is_executable, &watch, &is_source, &l->part, &l->mode, &err);
    if (code < 0) {
        fail_copy(r, from, &l->to, is_output, is_source, code, &err);
        landing_destroy(l);
    } else {
        r->landing = l;
    }
}

static void copy(struct request *r, const struct place *from, struct place *to, bool is_output)
{
    struct gw_err err;
    bool is_source = false;
    if (r->is_settled_later) {
        copy_later(r, from, to, is_output);
        return;
    }
    const struct copy_watch watch = watch_of(r);
    int code = copy_file(from, to, r->is_executable, &watch, &is_source, &err);
    if (code < 0)
        fail_copy(r, from, to, is_output, is_source, code, &err);
    place_close(to);
}

/* Not a regular file: its copy says so. */
static bool is_large(const struct place *p)
{
    struct stat st;
    return place_stat(p, &st, NULL) == 0 && (st.st_size > SMALL_MAX || !S_ISREG(st.st_mode));
}

static void do_cp(struct request *r)
{
    struct place from, to;
    if (atomic_load(&r->is_cancelled)) {
        work_fail(r, "internal:us", &(struct gw_err){.text = "cancelled"});
        return;
    }
    if (!work_open_source(r, &from))
        return;
    bool is_output = from.zone != ZONE_OUTSIDE;
    if (r->is_settled_later && is_large(&from))
        r->is_large = true;
    else if (work_open_target(r, is_output, &to))
        copy(r, &from, &to, is_output);
    place_close(&from);
}

/* Where nobody reads before it is told: no temporary. */
static int put(const struct place *p, const char *content, bool is_executable, struct gw_err *err)
{
    int flags = O_WRONLY | O_CREAT | O_TRUNC | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC;
    int fd = openat(p->dirfd, p->name, flags, is_executable ? 0700 : 0600);
    int e = fd < 0 ? -errno : file_write_all(fd, content, strlen(content));
    if (fd >= 0 && close(fd) < 0 && e == 0)
        e = -errno;
    return e < 0 ? gw_err_sys(err, -e, "writing %s", p->path) : 0;
}

static void do_put(struct request *r)
{
    struct place p;
    struct gw_err err;
    if (!open_target(r, r->to, false, PARENTS_UNSYNC, &p))
        return;
    int code = put(&p, r->content, r->is_executable, &err);
    if (code < 0) {
        work_fail(r, work_target_reason(code, false), &err);
        place_close(&p);
    } else {
        r->landing = landing_create(&p, false);
    }
}

static void do_get(struct request *r)
{
    struct place p;
    struct stat st;
    struct gw_err err;
    char text[GET_MAX + 1];
    if (!work_open_source(r, &p))
        return;
    int fd = place_open_file(&p, &st, &err);
    ssize_t n = fd < 0 ? 0 : read(fd, text, sizeof text);
    if (fd < 0)
        work_fail(r, work_source_reason(fd, p.path), &err);
    else if (n < 0)
        work_fail(r, "io:site", (gw_err_sys(&err, errno, "reading %s", p.path), &err));
    else if (n > GET_MAX || memchr(text, '\0', (size_t)n))
        work_fail(r, "refused:job",
                  (gw_err_set(&err, GW_EINVAL, "%s is not a small text", p.path), &err));
    else {
        struct buf out = BUF_INIT;
        text[n] = '\0';
        pct_encode(&out, text);
        r->content = n ? buf_take(&out) : xstrdup("-");
    }
    if (fd >= 0)
        close(fd);
    place_close(&p);
}

void work_tail_inline(struct request *r, const void *data, size_t len)
{
    r->content = base64_encode(data, len);
    r->offset += len;
}

/* Into the answer. */
static void tail_inline(struct request *r, int fd)
{
    struct gw_err err;
    char *data = xmalloc(TAIL_INLINE_MAX);
    ssize_t n = pread(fd, data, TAIL_INLINE_MAX, (off_t)r->offset);
    if (n < 0)
        work_fail(r, "io:site", (gw_err_sys(&err, errno, "reading %s", r->from), &err));
    else if (n > 0)
        work_tail_inline(r, data, (size_t)n);
    free(data);
}

static void tail_to(struct request *r, int fd, const struct stat *st)
{
    if (r->offset >= (uint64_t)st->st_size)
        return;
    if (!r->to) {
        tail_inline(r, fd);
        return;
    }
    struct gw_err err;
    size_t n = 0;
    int to = open(r->to, O_WRONLY | O_CREAT | O_TRUNC | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC, 0600);
    int code = to < 0 ? -errno : copy_tail(fd, to, (off_t)r->offset, TAIL_MAX, &n);
    if (to >= 0)
        close(to);
    r->offset += n;
    if (code < 0 && n == 0) {
        gw_err_sys(&err, -code, "copying to %s", r->to);
        work_fail(r, "internal:us", &err);
    }
}

static void do_tail(struct request *r)
{
    struct place p;
    struct stat st;
    struct gw_err err;
    if (!work_open_source(r, &p))
        return;
    int fd = place_open_file(&p, &st, &err);
    if (fd >= 0) {
        tail_to(r, fd, &st);
        close(fd);
    } else if (fd != -GW_ENOENT) {
        work_fail(r, work_source_reason(fd, p.path), &err);
    }
    place_close(&p);
}

void work_of(struct request *r)
{
    static const struct {
        const char *verb;
        void (*work)(struct request *r);
    } rows[] = {
        {"MKDIR", do_mkdir}, {"RMDIR", do_rmdir}, {"EXISTS", do_exists}, {"STAT", do_stat},
        {"CP", do_cp},       {"TAIL", do_tail},   {"PUT", do_put},       {"GET", do_get},
    };
    for (size_t i = 0; i < GW_COUNT(rows); i++)
        if (strcmp(rows[i].verb, r->verb) == 0)
            rows[i].work(r);
}
