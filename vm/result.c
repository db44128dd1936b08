#include "vm/result.h"

#include "lib/beneath.h"
#include "lib/file.h"
#include "lib/mem.h"
#include "lib/num.h"
#include "vm/name.h"

#include <archive.h>
#include <archive_entry.h>
#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum { SMALL_MAX = 4096, MEMBERS_MAX = 100000 };

/* The payload's two streams: the member, the name it gets, the name until all was read. */
static const struct {
    const char *member, *name, *partial;
} streams[] = {
    {"stdout", "stdout.execution", ".gw.stdout.partial"},
    {"stderr", "stderr.execution", ".gw.stderr.partial"},
};

struct reader {
    struct archive *a;
    int dir;
    uint64_t left; /* bytes that may still come */
    unsigned members;
    char exit_code[16];
    char error[SMALL_MAX];
    bool has_exit_code, has_error;
    struct vm_failure *f;
};

static int corrupt(struct reader *r, const char *name, const char *what)
{
    return vm_fail(r->f, REASON_RESULT_CORRUPT, "result of the guest: %s: %s", name, what);
}

static int host_failed(struct reader *r, const char *name, int e)
{
    struct gw_err err = {0};
    gw_err_sys(&err, e, "writing %s", name);
    return vm_fail_err(r->f, REASON_HYPERVISOR, &err);
}

/* The member's bytes: archive_read_data fills holes, so what is counted is what is written. */
static int copy_data(struct reader *r, int fd, const char *name)
{
    char block[65536];
    for (;;) {
        la_ssize_t n = archive_read_data(r->a, block, sizeof block);
        if (n < 0)
            return corrupt(r, name, archive_error_string(r->a));
        if (n == 0)
            return 0;
        if ((uint64_t)n > r->left)
            return vm_fail(r->f, REASON_OUTPUT_LIMIT, "the guest's output is larger than allowed");
        r->left -= (uint64_t)n;
        int e = file_write_all(fd, block, (size_t)n);
        if (e < 0)
            return host_failed(r, name, -e);
    }
}

static int take_file(struct reader *r, const char *name, mode_t mode)
{
    const char *last;
    int parent = beneath_make_parents(r->dir, name, 0755, &last);
    if (parent == -ENOTDIR || parent == -ELOOP)
        return corrupt(r, name, "its directory is not a directory");
    if (parent < 0)
        return host_failed(r, name, -parent);
    int fd = openat(parent, last, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC,
                    mode & 0100 ? 0755 : 0644);
    int e = errno;
    close(parent);
    if (fd < 0)
        return e == EEXIST ? corrupt(r, name, "it is there twice") : host_failed(r, name, e);
    int result = copy_data(r, fd, name);
    if (close(fd) < 0 && result == 0)
        result = host_failed(r, name, errno);
    return result;
}

static int take_directory(struct reader *r, const char *name)
{
    char *below = xasprintf("%s/x", name);
    const char *last;
    int fd = beneath_make_parents(r->dir, below, 0755, &last);
    free(below);
    if (fd == -ENOTDIR || fd == -ELOOP)
        return corrupt(r, name, "it is also a file");
    if (fd < 0)
        return host_failed(r, name, -fd);
    close(fd);
    return 0;
}

/* A member that we keep in memory: its text without the newline. */
static int take_small(struct reader *r, const char *name, char *text, size_t size, bool *is_there)
{
    if (*is_there)
        return corrupt(r, name, "it is there twice");
    size_t len = 0;
    la_ssize_t n;
    while (len < size && (n = archive_read_data(r->a, text + len, size - len)) != 0) {
        if (n < 0)
            return corrupt(r, name, archive_error_string(r->a));
        len += (size_t)n;
    }
    if (len == size)
        return corrupt(r, name, "it is too long");
    if (len && text[len - 1] == '\n')
        len--;
    text[len] = '\0';
    *is_there = true;
    return 0;
}

/* tar writes directories as "out/" and may write "./out/x". */
static void trim(char *name)
{
    while (strncmp(name, "./", 2) == 0)
        memmove(name, name + 2, strlen(name + 2) + 1);
    size_t n = strlen(name);
    while (n > 1 && name[n - 1] == '/')
        name[--n] = '\0';
}

static int take_regular(struct reader *r, const char *name, mode_t mode)
{
    if (strcmp(name, "exit_code") == 0)
        return take_small(r, name, r->exit_code, sizeof r->exit_code, &r->has_exit_code);
    if (strcmp(name, "error") == 0)
        return take_small(r, name, r->error, sizeof r->error, &r->has_error);
    for (size_t i = 0; i < GW_COUNT(streams); i++)
        if (strcmp(name, streams[i].member) == 0)
            return take_file(r, streams[i].partial, 0644);
    if (strncmp(name, "out/", 4) == 0)
        return take_file(r, name, mode);
    return corrupt(r, name, "no such member belongs into a result");
}

static int take_named(struct reader *r, struct archive_entry *e, const char *name)
{
    if (!vm_name_is_safe(name))
        return corrupt(r, "a name", "it is not a relative path below the job directory");
    if (archive_entry_hardlink(e))
        return corrupt(r, name, "it is a hard link; only files and directories come back");
    switch (archive_entry_filetype(e)) {
    case AE_IFREG:
        return take_regular(r, name, archive_entry_perm(e));
    case AE_IFDIR:
        if (strcmp(name, "out") == 0 || strncmp(name, "out/", 4) == 0)
            return take_directory(r, name);
        return corrupt(r, name, "no such directory belongs into a result");
    default:
        return corrupt(r, name, "it is neither a file nor a directory");
    }
}

static int take_member(struct reader *r, struct archive_entry *e)
{
    const char *raw = archive_entry_pathname(e);
    if (!raw || ++r->members > MEMBERS_MAX)
        return corrupt(r, "the tar", raw ? "it has too many members" : "a member has no name");
    if (archive_entry_size(e) < 0 || (uint64_t)archive_entry_size(e) > r->left)
        return vm_fail(r->f, REASON_OUTPUT_LIMIT, "the guest's output is larger than allowed");
    char *name = xstrdup(raw);
    trim(name);
    int result = take_named(r, e, name);
    free(name);
    return result;
}

/* The format is tar and nothing else, without any decompression. */
static int read_members(struct reader *r, int fd)
{
    archive_read_support_format_tar(r->a);
    archive_read_support_filter_none(r->a);
    if (archive_read_open_fd(r->a, fd, 65536) != ARCHIVE_OK)
        return corrupt(r, "the tar", archive_error_string(r->a));
    for (;;) {
        struct archive_entry *e;
        int code = archive_read_next_header(r->a, &e);
        if (code == ARCHIVE_EOF)
            return 0;
        /* WARN stands for names in a character set that we do not have; the bytes are there. */
        if (code != ARCHIVE_OK && code != ARCHIVE_WARN)
            return corrupt(r, "the tar", archive_error_string(r->a));
        if (take_member(r, e) < 0)
            return -1;
    }
}

/* What the guest's runner says instead of a result. It may only blame the job. */
static int guest_error(struct reader *r)
{
    static const enum vm_reason allowed[] = {REASON_EXEC_FAILED, REASON_OUTPUT_LIMIT,
                                             REASON_GUEST_CRASHED};
    for (size_t i = 0; i < GW_COUNT(allowed); i++) {
        const char *name = vm_reason_name(allowed[i]);
        size_t n = strlen(name);
        if (strncmp(r->error, name, n) != 0 || r->error[n] != ':')
            continue;
        const char *why = r->error + n + strspn(r->error + n, ": ");
        return vm_fail(r->f, allowed[i], "%s", *why ? why : "the guest does not say why");
    }
    return corrupt(r, "error", "it begins with no reason that a guest may give");
}

static int finish(struct reader *r, int *ret_exit_code)
{
    uint64_t code;
    if (r->has_error)
        return guest_error(r);
    if (!r->has_exit_code)
        return corrupt(r, "the tar", "it ends without exit_code");
    if (num_parse_u64(r->exit_code, 0, 255, &code, NULL) < 0)
        return corrupt(r, "exit_code", "it is not a number from 0 to 255");
    for (size_t i = 0; i < GW_COUNT(streams); i++)
        if (renameat(r->dir, streams[i].partial, r->dir, streams[i].name) < 0 && errno != ENOENT)
            return host_failed(r, streams[i].name, errno);
    *ret_exit_code = (int)code;
    return 0;
}

static int check_begun(struct reader *r, int fd)
{
    static const char zeros[512];
    char block[sizeof zeros];
    ssize_t n = pread(fd, block, sizeof block, 0);
    if (n == sizeof block && memcmp(block, zeros, sizeof block) != 0)
        return 0;
    return vm_fail(r->f, REASON_GUEST_NO_RESULT,
                   "the guest powered off and left nothing on its result disk");
}

static void remove_partial(const char *dir)
{
    char *out = xasprintf("%s/out", dir);
    file_remove_tree(out, NULL);
    free(out);
    for (size_t i = 0; i < GW_COUNT(streams); i++) {
        char *partial = xasprintf("%s/%s", dir, streams[i].partial);
        unlink(partial);
        free(partial);
    }
}

int result_read(const char *path, const char *dir, uint64_t max_bytes, int *ret_exit_code,
                struct vm_failure *f)
{
    struct reader r = {.dir = -1, .left = max_bytes, .f = f};
    remove_partial(dir);
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    r.dir = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    r.a = archive_read_new();
    int result = -1;
    if (fd < 0 || r.dir < 0)
        vm_fail(f, REASON_HYPERVISOR, "opening the result disk %s: %s", path, strerror(errno));
    else if (check_begun(&r, fd) == 0 && read_members(&r, fd) == 0)
        result = finish(&r, ret_exit_code);
    if (result < 0)
        remove_partial(dir);
    archive_read_free(r.a);
    if (fd >= 0)
        close(fd);
    if (r.dir >= 0)
        close(r.dir);
    return result;
}
