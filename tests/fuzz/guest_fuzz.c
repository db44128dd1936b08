/* What a guest writes while it runs: lines on its status port, in any pieces, and its console. The
 * first byte says how long the pieces are.
 *
 * fuzz: max_len=6000 */
#include "wrappers/gwvm/watch.c"
#include "tests/fuzz/fuzz.h"

#include <sys/mman.h>

static void check_status(const char *data, size_t size, size_t piece)
{
    struct attempt a = {0};
    struct watch w = {.attempt = &a, .timer = -1};
    enum watch_phase before = WATCH_BOOT;
    a.conf.walltime_s = 100;
    for (size_t at = 0; at < size; at += piece) {
        take_bytes(&w, data + at, size - at < piece ? size - at : piece);
        FUZZ_CHECK(w.phase >= before && w.line.len <= LINE_MAX_BYTES && !w.is_over &&
                   !w.has_failed);
        FUZZ_CHECK((w.started != 0) <= (w.phase != WATCH_BOOT));
        before = w.phase;
    }
    if (!memmem(data, size, "started", 7) && !memchr(data, 0, size))
        FUZZ_CHECK(w.phase != WATCH_PAYLOAD);
    buf_clear(&w.line);
}

static void check_console(const char *data, size_t size)
{
    static int fd = -1;
    struct vm_failure f = {.text = "it failed"};
    char path[32];
    if (fd < 0)
        fd = memfd_create("console", MFD_CLOEXEC);
    snprintf(path, sizeof path, "/proc/self/fd/%d", fd);
    FUZZ_CHECK(fd >= 0 && ftruncate(fd, 0) == 0 && pwrite(fd, data, size, 0) == (ssize_t)size);
    console_quote(path, &f);
    FUZZ_CHECK(strncmp(f.text, "it failed", 9) == 0 && fuzz_is_clean(f.text, strlen(f.text), ""));
    FUZZ_CHECK(!strchr(f.text, '\033'));
    console_shows_panic(path);
    console_trim(path);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static bool is_quiet;
    if (!is_quiet)
        log_set("guest", LOG_ERROR);
    is_quiet = true;
    if (size < 2)
        return 0;
    check_status((const char *)data + 1, size - 1, 1 + data[0]);
    if (data[0] % 4 == 0)
        check_console((const char *)data + 1, size - 1);
    return 0;
}
