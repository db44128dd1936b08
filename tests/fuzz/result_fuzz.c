/* The tar that a guest leaves: what comes out of it lies below out/ and is files and directories of
 * bounded size; after a failure nothing is there. The first byte 0: the rest is the tar as it is.
 * Else its parts end at \n and become members with true headers: type, name, link's target and
 * content, with tabs between.
 *
 * fuzz: max_len=2048 slow=1 */
#include "lib/file.h"
#include "vm/result.h"
#include "tests/fuzz/fuzz.h"
#include "tests/unit/tempdir.h"

#include <fcntl.h>
#include <ftw.h>
#include <sys/stat.h>
#include <unistd.h>

enum { BYTES_MAX = 2000 };

static char *dir, *job, *disk;
static uint64_t n_bytes;

static void remove_dir(void)
{
    tempdir_remove(dir);
    free(job);
    free(disk);
}

static void begin_process(void)
{
    dir = tempdir_make("gwresult");
    FUZZ_CHECK(dir != NULL);
    job = xasprintf("%s/job", dir);
    disk = xasprintf("%s/disk", dir);
    FUZZ_CHECK(mkdir(job, 0755) == 0);
    atexit(remove_dir);
}

/* --- a tar --- */

static void put_octal(char *at, size_t size, uint64_t v)
{
    for (size_t i = size - 1; i-- > 0; v >>= 3)
        at[i] = (char)('0' + (v & 7));
}

static void put_member(struct buf *tar, char *part)
{
    char head[512] = {0}, *save = part + 1;
    const char *name = strsep(&save, "\t"), *link = save ? strsep(&save, "\t") : "",
               *content = save ? save : "";
    size_t n = strlen(content), pad = (512 - n % 512) % 512;
    static const char zeros[512];
    memcpy(head, name, strnlen(name, 100));
    put_octal(head + 100, 8, 0644);
    put_octal(head + 108, 8, 0);
    put_octal(head + 116, 8, 0);
    put_octal(head + 124, 12, n);
    put_octal(head + 136, 12, 0);
    head[156] = part[0];
    memcpy(head + 157, link, strnlen(link, 100));
    memcpy(head + 257, "ustar\00000", 8);
    memset(head + 148, ' ', 8);
    unsigned sum = 0;
    for (size_t i = 0; i < sizeof head; i++)
        sum += (unsigned char)head[i];
    put_octal(head + 148, 7, sum);
    buf_put(tar, head, sizeof head);
    buf_put(tar, content, n);
    buf_put(tar, zeros, pad);
}

static void make_tar(struct fuzz_input *in, struct buf *tar)
{
    static const char zeros[1024];
    for (char *part; (part = fuzz_part(in, '\n', NULL)); free(part))
        if (*part)
            put_member(tar, part);
    buf_put(tar, zeros, sizeof zeros);
}

/* --- what is there afterwards --- */

static int check_entry(const char *path, const struct stat *st, int type, struct FTW *ftw)
{
    static const char *const ours[] = {"out", "stdout.execution", "stderr.execution"};
    (void)type;
    FUZZ_CHECK(S_ISREG(st->st_mode) || S_ISDIR(st->st_mode));
    FUZZ_CHECK((st->st_mode & 07000) == 0);
    if (ftw->level == 1) {
        bool is_ours = false;
        for (size_t i = 0; i < GW_COUNT(ours); i++)
            is_ours |= strcmp(path + ftw->base, ours[i]) == 0;
        FUZZ_CHECK(is_ours);
    }
    n_bytes += S_ISREG(st->st_mode) ? (uint64_t)st->st_size : 0;
    return 0;
}

static void check_tree(int r)
{
    char *out = xasprintf("%s/out", job);
    n_bytes = 0;
    FUZZ_CHECK(nftw(job, check_entry, 16, FTW_PHYS) == 0);
    FUZZ_CHECK(n_bytes <= BYTES_MAX);
    FUZZ_CHECK(r == 0 || access(out, F_OK) < 0);
    free(out);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct fuzz_input in = {data, size};
    struct buf tar = BUF_INIT;
    struct vm_failure f = {0};
    int code = -1;
    struct stat st;
    if (!dir)
        begin_process();
    if (fuzz_byte(&in))
        make_tar(&in, &tar);
    else
        buf_put(&tar, in.p, in.left);
    int fd = open(disk, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
    FUZZ_CHECK(fd >= 0 && file_write_all(fd, buf_str(&tar), tar.len) == 0);
    close(fd);
    int r = result_read(disk, job, BYTES_MAX, &code, &f);
    FUZZ_CHECK(r == 0 ? code >= 0 && code <= 255 : r == -1 && *f.text);
    check_tree(r);
    /* Beside the two of ours nothing has appeared, as a directory's number of links tells. */
    FUZZ_CHECK(stat(dir, &st) == 0 && st.st_nlink == 3);
    for (const char *const *name =
             (const char *const[]){"out", "stdout.execution", "stderr.execution", NULL};
         *name; name++) {
        char *path = xasprintf("%s/%s", job, *name);
        file_remove_tree(path, NULL);
        free(path);
    }
    buf_clear(&tar);
    return 0;
}
