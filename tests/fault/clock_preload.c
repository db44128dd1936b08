/* Clocks that somebody sets: preloaded into gwd and its drivers. The file that CLOCK_SHIFT names
 * holds three binary numbers of seconds by which the wall clock, the one that runs on through sleep
 * (CLOCK_BOOTTIME) and the monotonic one are ahead; who changes the file sets all of them at once.
 */
#include <fcntl.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <time.h>
#include <unistd.h>

enum { WALL, BOOT, MONO, CLOCKS };

int clock_gettime(clockid_t id, struct timespec *t);

static int64_t shift_of(clockid_t id)
{
    static const volatile int64_t *shifts;
    static const int64_t none[CLOCKS];
    if (!shifts) {
        const char *path = getenv("CLOCK_SHIFT");
        int fd = path ? open(path, O_RDONLY | O_CLOEXEC) : -1;
        void *at = fd >= 0 ? mmap(NULL, sizeof none, PROT_READ, MAP_SHARED, fd, 0) : MAP_FAILED;
        shifts = at != MAP_FAILED ? at : none;
        if (fd >= 0)
            close(fd);
    }
    switch (id) {
    case CLOCK_REALTIME:
    case CLOCK_REALTIME_COARSE:
        return shifts[WALL];
    case CLOCK_BOOTTIME:
        return shifts[BOOT];
    case CLOCK_MONOTONIC:
    case CLOCK_MONOTONIC_COARSE:
    case CLOCK_MONOTONIC_RAW:
        return shifts[MONO];
    default:
        return 0;
    }
}

int clock_gettime(clockid_t id, struct timespec *t)
{
    int r = (int)syscall(SYS_clock_gettime, id, t);
    if (r == 0)
        t->tv_sec += shift_of(id);
    return r;
}

int gettimeofday(struct timeval *restrict t, void *restrict zone)
{
    struct timespec now;
    (void)zone;
    clock_gettime(CLOCK_REALTIME, &now);
    t->tv_sec = now.tv_sec;
    t->tv_usec = now.tv_nsec / 1000;
    return 0;
}

time_t time(time_t *ret)
{
    struct timespec now;
    clock_gettime(CLOCK_REALTIME, &now);
    if (ret)
        *ret = now.tv_sec;
    return now.tv_sec;
}
