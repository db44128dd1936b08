#include "vm/seed.h"

#include <archive.h>
#include <archive_entry.h>
#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

static int archive_failed(struct archive *a, const char *name, struct gw_err *err)
{
    if (archive_errno(a) == ENOSPC || archive_errno(a) == EDQUOT)
        return gw_err_set(err, GW_ENOSPC, "writing %s to the seed disk: no space", name);
    return gw_err_set(err, GW_EIO, "writing %s to the seed disk: %s", name,
                      archive_error_string(a));
}

static int put_header(struct archive *a, const char *name, mode_t mode, uint64_t size,
                      struct gw_err *err)
{
    struct archive_entry *e = archive_entry_new();
    archive_entry_set_pathname(e, name);
    archive_entry_set_mode(e, S_IFREG | mode);
    archive_entry_set_size(e, (int64_t)size);
    archive_entry_set_mtime(e, 0, 0);
    int r = archive_write_header(a, e) == ARCHIVE_OK ? 0 : archive_failed(a, name, err);
    archive_entry_free(e);
    return r;
}

static int put_data(struct archive *a, const char *name, const void *data, size_t len,
                    struct gw_err *err)
{
    return archive_write_data(a, data, len) == (la_ssize_t)len ? 0 : archive_failed(a, name, err);
}

/* A file that grows or shrinks while it is read would leave a disk whose sizes lie: exactly `size`
 * or fail. */
static int put_bytes(struct archive *a, const struct seed_file *f, int fd, uint64_t size,
                     struct gw_err *err)
{
    char block[65536];
    while (size) {
        ssize_t n = read(fd, block, size < sizeof block ? (size_t)size : sizeof block);
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            return gw_err_sys(err, errno, "reading input file %s", f->path);
        if (n == 0)
            return gw_err_set(err, GW_EIO, "input file %s became shorter while it was read",
                              f->path);
        int r = put_data(a, f->name, block, (size_t)n, err);
        if (r < 0)
            return r;
        size -= (uint64_t)n;
    }
    return 0;
}

static int put_file(struct archive *a, const struct seed_file *f, struct gw_err *err)
{
    int fd = open(f->path, O_RDONLY | O_NONBLOCK | O_NOCTTY | O_CLOEXEC);
    if (fd < 0)
        return gw_err_sys(err, errno, "opening input file %s", f->path);
    struct stat st;
    int r;
    if (fstat(fd, &st) < 0)
        r = gw_err_sys(err, errno, "looking at input file %s", f->path);
    else if (!S_ISREG(st.st_mode))
        r = gw_err_set(err, GW_EINVAL, "input file %s is not a regular file", f->path);
    else
        r = put_header(a, f->name, st.st_mode & 0111 ? 0755 : 0644, (uint64_t)st.st_size, err);
    if (r == 0)
        r = put_bytes(a, f, fd, (uint64_t)st.st_size, err);
    close(fd);
    return r;
}

static int put(struct archive *a, const struct seed_file *f, struct gw_err *err)
{
    if (!f->data)
        return put_file(a, f, err);
    int r = put_header(a, f->name, f->is_executable ? 0755 : 0644, f->len, err);
    return r < 0 ? r : put_data(a, f->name, f->data, f->len, err);
}

static int write_all(struct archive *a, int fd, const struct seed_file *files, size_t n,
                     struct gw_err *err)
{
    /* iso-level 3: files of 4 GiB and more */
    if (archive_write_set_format_iso9660(a) != ARCHIVE_OK ||
        archive_write_set_options(a, "iso9660:volume-id=cidata,iso9660:iso-level=3") !=
            ARCHIVE_OK ||
        archive_write_open_fd(a, fd) != ARCHIVE_OK)
        return archive_failed(a, "the header", err);
    for (size_t i = 0; i < n; i++) {
        int r = put(a, &files[i], err);
        if (r < 0)
            return r;
    }
    return archive_write_close(a) == ARCHIVE_OK ? 0 : archive_failed(a, "the directory", err);
}

int seed_write(const char *out, const struct seed_file *files, size_t n, struct gw_err *err)
{
    int fd = open(out, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
    if (fd < 0)
        return gw_err_sys(err, errno, "making the seed disk %s", out);
    struct archive *a = archive_write_new();
    int r = write_all(a, fd, files, n, err);
    archive_write_free(a);
    if (close(fd) < 0 && r == 0)
        r = gw_err_sys(err, errno, "writing the seed disk %s", out);
    if (r < 0)
        unlink(out);
    return r;
}
