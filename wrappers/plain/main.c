/* gw_wrapper: runs one attempt of a plain job in its job directory, by the contract of
 * gw_wrapper.sh (docs/jobdir.md), which says more about each step. For hosts where it is installed:
 * a trivial job costs there two processes, and a dozen with a shell. No VMs: those take seconds.
 *
 * Started by the first line of the file `.wrapper`, so its argument is that file, which says what
 * to run. Exits 0 when it wrote the status, 75 when the claim belongs to another process, 1 when
 * nothing could be done. */
#include "lib/file.h"
#include "lib/mem.h"
#include "lib/num.h"
#include "wire/status.h"
#include "wrappers/plain/ctl.h"
#include "wrappers/plain/payload.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

enum {
    EXIT_NOT_CLAIMED = 75,
    CTL_MAX = 16 << 20,
    KILL_AFTER_MS = 10000,
};

static struct ctl ctl;
static const char *token;
static time_t began;         /* wall clock */
static int64_t began_ms;     /* CLOCK_BOOTTIME, as all that ends in _ms */
static char boot_id[64];     /* of this machine, without the newline */
static sigset_t signals;     /* that are waited for */
static pid_t payload;        /* 0: not started, or awaited */
static const char *stopped;  /* why: a reason of the table in docs/jobdir.md; NULL: it was not */
static int64_t kill_ms = -1; /* when the payload is killed that was asked to end */

static int64_t lease_ms, renewed_ms, looked_ms;
static uint64_t lease_seq;
static bool has_lease_seq, is_replaced; /* the last lease file that was read named us as lost */
static bool is_fenced;   /* a gwd with a later copy of the state is at work: nobody renews it */
static int64_t limit_ms; /* of the payload's time, 0: none */

static int64_t now_ms(void)
{
    struct timespec t;
    clock_gettime(CLOCK_BOOTTIME, &t);
    return (int64_t)t.tv_sec * 1000 + t.tv_nsec / 1000000;
}

static void die(const char *fmt, ...) __attribute__((format(printf, 1, 2), noreturn));
static void die(const char *fmt, ...)
{
    va_list ap;
    va_start(ap, fmt);
    fputs("gw_wrapper: ", stderr);
    vfprintf(stderr, fmt, ap);
    fputc('\n', stderr);
    va_end(ap);
    exit(1);
}

/* --- the status --- */

/* A payload can put anything in the way, such as a pipe that nobody reads. */
static bool write_whole(const char *path, const void *data, size_t len)
{
    int fd = file_make(AT_FDCWD, path, 0666);
    if (fd < 0)
        return false;
    bool is_written = file_write_all(fd, data, len) == 0;
    return close(fd) == 0 && is_written;
}

static bool publish_status(void)
{
    if (rename(".gw_status.tmp", "status") == 0)
        return true;
    return errno == EISDIR && file_remove_tree("status", NULL) == 0 &&
           rename(".gw_status.tmp", "status") == 0;
}

static void begin_status(struct buf *out, const char *state)
{
    status_begin(out, "GWSTATUS", 1);
    status_put(out, "TOKEN", token);
    status_put(out, "STATE", state);
}

static void end_status(struct buf *out)
{
    time_t ended = began + (time_t)((now_ms() - began_ms) / 1000);
    buf_printf(out, "STARTED=%jd\nENDED=%jd\n", (intmax_t)began, (intmax_t)ended);
    status_end(out);
    if (!write_whole(".gw_status.tmp", out->data, out->len) || !publish_status())
        die("the status file could not be written");
    buf_clear(out);
}

static void fail(const char *reason, const char *blame, const char *fmt, ...)
    __attribute__((format(printf, 3, 4), noreturn));
static void fail(const char *reason, const char *blame, const char *fmt, ...)
{
    struct buf message = BUF_INIT, out = BUF_INIT;
    va_list ap;
    va_start(ap, fmt);
    buf_vprintf(&message, fmt, ap);
    va_end(ap);
    for (char *p = message.data; *p; p++)
        if (*p < ' ' || *p > '~')
            *p = '?';
    begin_status(&out, "failed");
    status_put(&out, "REASON", reason);
    status_put(&out, "BLAME", blame);
    status_put(&out, "MESSAGE", message.data);
    end_status(&out);
    exit(0);
}

/* --- the claim --- */

/* "PID STARTTIME BOOT_ID"; false when there is no such process. */
static bool write_process(pid_t pid, const char *name)
{
    struct buf stat = BUF_INIT, out = BUF_INIT;
    char *path = xasprintf("/proc/%ld/stat", (long)pid);
    bool is_written = false;
    if (file_read(path, 4096, &stat, NULL) == 0) {
        /* The name, in parentheses, may hold anything. The 20th word after it is field 22. */
        char *p = strrchr(stat.data, ')');
        for (int i = 0; p && i < 20; i++)
            p = strchr(p + 1, ' ');
        if (p) {
            buf_printf(&out, "%ld %.*s %s\n", (long)pid, (int)strcspn(p + 1, " "), p + 1, boot_id);
            char *tmp = xasprintf("claim.%s/%s.tmp", token, name);
            char *to = xasprintf("claim.%s/%s", token, name);
            is_written = write_whole(tmp, out.data, out.len) && rename(tmp, to) == 0;
            free(tmp);
            free(to);
        }
    }
    buf_clear(&stat);
    buf_clear(&out);
    free(path);
    return is_written;
}

static void read_boot_id(void)
{
    struct buf text = BUF_INIT;
    if (file_read("/proc/sys/kernel/random/boot_id", sizeof boot_id, &text, NULL) == 0)
        snprintf(boot_id, sizeof boot_id, "%.*s", (int)strcspn(buf_str(&text), "\n"),
                 buf_str(&text));
    buf_clear(&text);
}

static void claim(void)
{
    char *dir = xasprintf("claim.%s", token);
    if (mkdir(dir, 0777) < 0) {
        if (errno == EEXIST)
            exit(EXIT_NOT_CLAIMED);
        fail("no-space", "site", "the claim could not be made in the job directory");
    }
    free(dir);
    read_boot_id();
    if (!write_process(getpid(), "pid"))
        fail("no-space", "site", "the claim could not be written");
}

/* --- lease and wall time --- */

/* Does a line LOST= name us? */
static bool names_us(const char *line)
{
    const char *own = token;
    for (int dots = 0; *own && dots < 2; own++)
        dots += *own == '.';
    size_t n = strlen(own);
    for (const char *p = line; (p = strstr(p, own)); p += n)
        if ((p == line || p[-1] == ' ') && (p[n] == ' ' || !p[n]))
            return true;
    return false;
}

static bool is_ours(const struct status_file *f, uint64_t *ret_seq)
{
    const char *instance = status_get(f, "INSTANCE"), *epoch = status_get(f, "EPOCH");
    const char *seq = status_get(f, "SEQ");
    uint64_t own, its;
    is_replaced = false;
    for (size_t i = 0; i < f->n; i++)
        is_replaced |= strcmp(f->entries[i].key, "LOST") == 0 && names_us(f->entries[i].value);
    if (is_replaced)
        return false;
    if (!instance || strcmp(instance, ctl_get(&ctl, "GW_INSTANCE", "")) != 0 || !epoch || !seq ||
        num_parse_u64(epoch, 0, INT64_MAX, &its, NULL) < 0 ||
        num_parse_u64(ctl_get(&ctl, "GW_EPOCH", "0"), 0, INT64_MAX, &own, NULL) < 0 ||
        num_parse_u64(seq, 0, INT64_MAX, ret_seq, NULL) < 0)
        return false;
    is_fenced |= its > own;
    return !is_fenced && its == own;
}

/* It counts as renewed when a larger SEQ of our own instance and epoch is read, in a file that does
 * not name us as lost: gwd, which cannot hear of us, is then about to start another attempt. Once
 * there was one with a larger EPOCH none counts any more. */
static bool lease_is_renewed(void)
{
    struct buf text = BUF_INIT;
    struct status_file file;
    bool is_newer = false;
    uint64_t seq;
    if (file_read(ctl_get(&ctl, "GW_LEASE_FILE", ""), STATUS_FILE_MAX, &text, NULL) == 0 &&
        status_decode(buf_str(&text), text.len, "GWLEASE", &file, NULL) == 0) {
        if (is_ours(&file, &seq) && (!has_lease_seq || seq > lease_seq)) {
            is_newer = has_lease_seq = true;
            lease_seq = seq;
        }
        status_clear(&file);
    }
    buf_clear(&text);
    return is_newer;
}

/* Since when the lease file may be as it is. Not from now on: it may have come just after the last
 * look, and gwd counts from there. Who brings it to this machine says in another file (seconds of
 * CLOCK_BOOTTIME) since when it may have been where he has it from. */
static int64_t lease_since(int64_t now)
{
    struct buf text = BUF_INIT;
    uint64_t since;
    int64_t at_ms = looked_ms;
    char *path = xasprintf("%s.since", ctl_get(&ctl, "GW_LEASE_FILE", ""));
    if (file_read(path, STATUS_FILE_MAX, &text, NULL) == 0 && text.len) {
        text.data[strcspn(text.data, "\n")] = '\0';
        if (num_parse_u64(text.data, 0, (uint64_t)now / 1000, &since, NULL) == 0)
            at_ms = (int64_t)since * 1000;
    }
    free(path);
    buf_clear(&text);
    return at_ms;
}

/* One that waited in the site's queue while gwd replaced it begins too late. */
static void check_lease(void)
{
    if (lease_ms && !lease_is_renewed() && (is_replaced || is_fenced))
        fail("lease-expired", "us", "gwd has given this attempt up for lost before it began");
}

static void stop(const char *why)
{
    if (stopped)
        return;
    stopped = why;
    kill(-payload, SIGTERM);
    kill_ms = now_ms() + KILL_AFTER_MS;
}

static void check_limits(int64_t now)
{
    if (limit_ms && now >= began_ms + limit_ms)
        stop("walltime");
    if (lease_ms && lease_is_renewed()) {
        int64_t since_ms = lease_since(now);
        renewed_ms = since_ms > renewed_ms ? since_ms : renewed_ms;
    }
    looked_ms = now;
    if (lease_ms && now >= renewed_ms + lease_ms)
        stop("lease-expired");
    if (kill_ms >= 0 && now >= kill_ms) {
        kill(-payload, SIGKILL);
        kill_ms = INT64_MAX;
    }
}

/* The next time that something is to be looked at, other than for a signal. */
static int64_t next_ms(int64_t now)
{
    if (stopped)
        return kill_ms;
    int64_t next = limit_ms ? began_ms + limit_ms : INT64_MAX;
    int64_t look = now + (lease_ms > 2000 ? lease_ms / 8 : 250);
    if (lease_ms && look > renewed_ms + lease_ms)
        look = renewed_ms + lease_ms;
    return lease_ms && look < next ? look : next;
}

/* Wait for a signal, or until a time. */
static void await(int64_t now, int64_t until)
{
    int64_t ms = until > now ? until - now : 0;
    struct timespec rest = {.tv_sec = ms / 1000, .tv_nsec = ms % 1000 * 1000000};
    int sig =
        until == INT64_MAX ? sigwaitinfo(&signals, NULL) : sigtimedwait(&signals, NULL, &rest);
    if (sig > 0 && sig != SIGCHLD)
        stop("cancelled");
}

/* Where there is a lease or a limit, the payload must not outlive us. The guard hears of our end
 * from the kernel: its end of a pipe that only we have the other end of. */
static pid_t start_guard(void)
{
    int ends[2];
    char byte;
    if (pipe2(ends, O_CLOEXEC) < 0)
        return 0;
    pid_t parent = getpid(), pid = fork();
    if (pid != 0) {
        close(ends[0]);
        return pid > 0 ? pid : 0;
    }
    close(ends[1]);
    signal(SIGTERM, SIG_DFL);
    setpgid(0, 0);
    while (read(ends[0], &byte, 1) < 0 && errno == EINTR)
        ;
    if (getppid() != parent)
        kill(-payload, SIGKILL);
    _exit(0);
}

/* --- the way --- */

static uint64_t seconds(const char *name)
{
    uint64_t s;
    return num_parse_u64(ctl_get(&ctl, name, "0"), 0, INT32_MAX, &s, NULL) == 0 ? s : 0;
}

/* Its directory is the job directory. */
static void read_ctl(char *path)
{
    struct buf text = BUF_INIT;
    struct gw_err err;
    char *slash = strrchr(path, '/');
    if (file_read(path, CTL_MAX, &text, &err) < 0 || ctl_parse(buf_str(&text), &ctl, &err) < 0)
        die("%s", err.text);
    buf_clear(&text);
    if (slash) {
        *slash = '\0';
        if (chdir(slash == path ? "/" : path) < 0)
            die("the job directory %s cannot be entered", path);
    }
    token = ctl_get(&ctl, "GW_TOKEN", "");
    if (!*token || strchr(token, '/'))
        die("%s does not set GW_TOKEN", path);
    if (strcmp(ctl_get(&ctl, "GW_VM", "no"), "no") != 0)
        die("this program runs no VMs");
    lease_ms = (int64_t)seconds("GW_LEASE_S") * 1000;
    limit_ms = (int64_t)seconds("GW_WALLTIME_S") * 1000;
}

static void block_signals(void)
{
    static const int numbers[] = {SIGTERM, SIGINT, SIGHUP, SIGCHLD};
    sigemptyset(&signals);
    for (size_t i = 0; i < GW_COUNT(numbers); i++)
        sigaddset(&signals, numbers[i]);
    sigprocmask(SIG_BLOCK, &signals, NULL);
    /* One that is ignored would not wait for us. */
    for (size_t i = 0; i < GW_COUNT(numbers); i++)
        signal(numbers[i], SIG_DFL);
}

/* 0, or the exit code of a payload that cannot be executed. */
static int start_payload(void)
{
    struct gw_err err;
    char *path = NULL, *none[] = {NULL};
    const char *executable = ctl_get(&ctl, "GW_EXECUTABLE", "");
    const char *input = ctl_get(&ctl, "GW_STDIN", "/dev/null");
    int code = 0;
    /* The payload gets its environment from us. */
    for (size_t i = 0; i < ctl.n; i++)
        if (ctl.values[i].is_exported)
            setenv(ctl.values[i].name, ctl.values[i].value, 1);
    if (payload_find(executable, &path, &err) < 0)
        fail("exec-failed", "job", "%s", err.text);
    if (access(input, R_OK) < 0)
        fail("internal", "us", "%s is missing in the job directory", input);
    if (sigtimedwait(&signals, NULL, &(struct timespec){0}) > 0)
        fail("cancelled", "job", "stopped before it began, because it was asked for");
    char **argv = xcalloc(ctl.n_words + 2, sizeof *argv);
    argv[0] = (char *)executable;
    memcpy(argv + 1, ctl.words ? ctl.words : none, (ctl.n_words + 1) * sizeof *argv);
    payload = payload_start(path, argv, input, &code, &err);
    if (payload < 0)
        fail("no-space", "site", "%s", err.text);
    free(argv);
    free(path);
    return code;
}

/* Its end, and the end of all that it left in its group: before it is awaited, or the group's
 * number might be another's. */
static siginfo_t await_payload(void)
{
    siginfo_t info = {0};
    pid_t guard = lease_ms || limit_ms ? start_guard() : 0;
    renewed_ms = looked_ms = began_ms;
    if (lease_ms)
        lease_is_renewed();
    while (waitid(P_PID, (id_t)payload, &info, WEXITED | WNOWAIT | WNOHANG) == 0 && !info.si_pid) {
        int64_t now = now_ms();
        check_limits(now);
        await(now, next_ms(now));
    }
    if (guard) {
        kill(guard, SIGKILL);
        waitpid(guard, NULL, 0);
    }
    kill(-payload, SIGKILL);
    waitpid(payload, NULL, 0);
    return info;
}

/* `code` is that of a payload that could not be executed. */
static void finish(const siginfo_t *info, int code)
{
    struct buf out = BUF_INIT;
    if (stopped && strcmp(stopped, "cancelled") == 0)
        fail("cancelled", "job", "stopped because it was asked for");
    if (stopped && strcmp(stopped, "walltime") == 0)
        fail("walltime", "job", "stopped after its wall time of %" PRId64 " s", limit_ms / 1000);
    if (stopped)
        fail(stopped, "us", "stopped because gwd did not renew the lease of %" PRId64 " s",
             lease_ms / 1000);
    int sig = info->si_code == CLD_KILLED || info->si_code == CLD_DUMPED ? info->si_status : 0;
    if (info->si_code == CLD_EXITED)
        code = info->si_status;
    begin_status(&out, "exited");
    buf_printf(&out, "EXIT_CODE=%d\n", sig ? 128 + sig : code);
    if (sig)
        buf_printf(&out, "SIGNAL=%d\n", sig);
    end_status(&out);
}

int main(int argc, char **argv)
{
    siginfo_t info = {0};
    if (argc < 2)
        die("it is started by the file .wrapper of a job directory");
    close_range(3, ~0U, 0);
    read_ctl(argv[1]);
    block_signals();
    began = time(NULL);
    began_ms = now_ms();
    claim();
    check_lease();
    int code = start_payload();
    if (payload) {
        write_process(payload, "payload"); /* who finds us dead ends the payload by this */
        info = await_payload();
    }
    finish(&info, code);
    ctl_clear(&ctl);
    return 0;
}
