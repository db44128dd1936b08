/* gw_launch UID PROGRAM [ARGUMENT ...]: run one of gwd's programs as another user.
 *
 * The only part of gwd with a privilege: CAP_SETUID and CAP_SETGID, as file capabilities or, where
 * a file system has none, by the set-user-id bit of root, of which all but these two is given up
 * first. It trusts /etc/gwd/launch.conf (launcher/rules.h) and nothing else: not its caller, not
 * its arguments, not its environment. It starts no shell, and takes nothing over but its three
 * standard descriptors.
 *
 * It stays as the program's parent, as that user by then, because gwd may not signal a process of
 * another user: when gwd closes the program's standard input, or is gone, the program has some
 * seconds to end and is killed then. The exit code is the program's.
 *
 * Read it from main(), which comes last: the order of the steps is the security. */
#include "launcher/rules.h"

#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <limits.h>
#include <linux/capability.h>
#include <poll.h>
#include <pwd.h>
#include <signal.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <sysexits.h>
#include <unistd.h>

/* Not a matter of PREFIX: who may be launched on a machine stands in one place. */
#define LIST "/etc/gwd/launch.conf"

enum {
    LIST_MAX_BYTES = 65536,
    GROUPS_MAX = 4096,
    GRACE_MS = 3000, /* docs/PROTOCOL: a driver ends by itself within 2 s of the end of its input */
    ENV_OWN = 5,
};

/* EX_NOUSER says that this user is not launched, whatever the program: gwd tells it to his jobs.
 */
static void refuse(int code, const char *fmt, ...) __attribute__((noreturn, format(printf, 2, 3)));
static void refuse(int code, const char *fmt, ...)
{
    char text[1024];
    va_list ap;
    va_start(ap, fmt);
    vsnprintf(text, sizeof text, fmt, ap);
    va_end(ap);
    for (char *p = text; *p; p++)
        if ((unsigned char)*p < ' ' || *p == 0x7f)
            *p = '?';
    dprintf(STDERR_FILENO, "gw_launch: %s\n", text);
    _exit(code);
}

static _Noreturn void fail(const char *what)
{
    refuse(EX_OSERR, "%s: %s", what, strerror(errno));
}

/* --- privileges --- */

static void set_capabilities(unsigned bits)
{
    struct __user_cap_header_struct head = {.version = _LINUX_CAPABILITY_VERSION_3};
    struct __user_cap_data_struct data[2] = {{.effective = bits, .permitted = bits}};
    if (syscall(SYS_capset, &head, data) < 0)
        refuse(EX_CONFIG,
               "it has not the privilege to change users: an administrator gives it with "
               "\"setcap cap_setuid,cap_setgid=ep\" (see gw_launch(8))");
}

static bool has_capabilities(void)
{
    struct __user_cap_header_struct head = {.version = _LINUX_CAPABILITY_VERSION_3};
    struct __user_cap_data_struct data[2] = {{0}};
    if (syscall(SYS_capget, &head, data) < 0)
        fail("capget");
    return data[0].effective || data[0].permitted || data[0].inheritable || data[1].effective ||
           data[1].permitted || data[1].inheritable;
}

/* From here on: the caller's uid, and two capabilities. */
static void keep_two_capabilities(void)
{
    const unsigned both = 1u << CAP_SETUID | 1u << CAP_SETGID;
    uid_t uid = getuid();
    if (geteuid() != uid) { /* set-user-id root */
        if (prctl(PR_SET_KEEPCAPS, 1, 0, 0, 0) < 0 || setresuid(uid, uid, uid) < 0 ||
            prctl(PR_SET_KEEPCAPS, 0, 0, 0, 0) < 0)
            fail("giving up root");
    }
    gid_t gid = getgid();
    set_capabilities(both);
    if (setresgid(gid, gid, gid) < 0)
        fail("setresgid");
}

/* For good: nothing that is started later gets a privilege back. */
static void become(const struct passwd *pw)
{
    uid_t r, e, s, caller = getuid();
    gid_t rg, eg, sg;
    if (initgroups(pw->pw_name, pw->pw_gid) < 0 ||
        setresgid(pw->pw_gid, pw->pw_gid, pw->pw_gid) < 0 ||
        setresuid(pw->pw_uid, pw->pw_uid, pw->pw_uid) < 0)
        fail("changing to the user");
    if (prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_CLEAR_ALL, 0, 0, 0) < 0)
        fail("clearing ambient capabilities");
    set_capabilities(0);
    if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0)
        fail("PR_SET_NO_NEW_PRIVS");
    if (getresuid(&r, &e, &s) < 0 || getresgid(&rg, &eg, &sg) < 0 || r != pw->pw_uid || e != r ||
        s != r || rg != pw->pw_gid || eg != rg || sg != rg || has_capabilities() ||
        setresuid(caller, caller, caller) == 0 || setresuid(0, 0, 0) == 0)
        refuse(EX_OSERR, "the change to the user %s was not complete", pw->pw_name);
}

/* --- what only root can have written --- */

static void check_trusted(int fd, const char *path, size_t len, bool is_dir)
{
    struct stat st;
    if (fstat(fd, &st) < 0)
        refuse(EX_CONFIG, "%.*s: %s", (int)len, path, strerror(errno));
    if (S_ISLNK(st.st_mode))
        refuse(EX_CONFIG, "%.*s is a symbolic link; give the path without links", (int)len, path);
    if (is_dir ? !S_ISDIR(st.st_mode) : !S_ISREG(st.st_mode))
        refuse(EX_CONFIG, "%.*s is not a %s", (int)len, path,
               is_dir ? "directory" : "regular file");
    if (st.st_uid != 0)
        refuse(EX_CONFIG, "%.*s does not belong to root", (int)len, path);
    if (st.st_mode & (S_IWGRP | S_IWOTH))
        refuse(EX_CONFIG, "%.*s can be written by others than root", (int)len, path);
    if (!is_dir && st.st_mode & (S_ISUID | S_ISGID))
        refuse(EX_CONFIG, "%.*s has a set-user-id or set-group-id bit", (int)len, path);
}

/* Each directory on the way and the file itself: root's, and only root's to write; no symbolic
 * link. What was looked at is what the descriptor returned is of. */
static int open_trusted(const char *path, int flags)
{
    const int look = O_PATH | O_NOFOLLOW | O_CLOEXEC;
    int at = open("/", look | O_DIRECTORY);
    const char *name = path + 1;
    if (path[0] != '/' || at < 0)
        refuse(EX_CONFIG, "%s: not an absolute path", path);
    check_trusted(at, "/", 1, true);
    for (const char *slash; (slash = strchr(name, '/')); name = slash + 1) {
        char part[NAME_MAX + 1];
        size_t len = (size_t)(slash - name);
        if (len == 0 || len > NAME_MAX)
            refuse(EX_CONFIG, "%s: not a plain path", path);
        memcpy(part, name, len);
        part[len] = '\0';
        int next = openat(at, part, look | O_DIRECTORY);
        if (next < 0)
            refuse(EX_CONFIG, "%.*s: %s", (int)(slash - path), path,
                   errno == ENOTDIR
                       ? "a symbolic link, or no directory; give the path without links"
                       : strerror(errno));
        check_trusted(next, path, (size_t)(slash - path), true);
        close(at);
        at = next;
    }
    int fd = openat(at, name, flags | O_NOFOLLOW | O_CLOEXEC | O_NOCTTY | O_NONBLOCK);
    if (fd < 0)
        refuse(EX_CONFIG, "%s: %s", path,
               errno == ELOOP ? "a symbolic link; give the path without links" : strerror(errno));
    check_trusted(fd, path, strlen(path), false);
    close(at);
    return fd;
}

static void read_list(struct rules *ret)
{
    static char text[LIST_MAX_BYTES + 1];
    char why[RULES_WHY_MAX];
    size_t len = 0;
    ssize_t n;
    int fd = open_trusted(LIST, O_RDONLY);
    while (len < sizeof text && (n = read(fd, text + len, sizeof text - len)) != 0) {
        if (n < 0)
            refuse(EX_CONFIG, "%s: %s", LIST, strerror(errno));
        len += (size_t)n;
    }
    close(fd);
    if (len > LIST_MAX_BYTES || memchr(text, '\0', len))
        refuse(EX_CONFIG, "%s is longer than %d bytes, or no text", LIST, LIST_MAX_BYTES);
    if (!rules_parse(text, ret, why))
        refuse(EX_CONFIG, "%s: %s", LIST, why);
}

/* --- who --- */

static void check_caller(const struct rules *rules)
{
    const struct passwd *pw = getpwnam(rules->daemon);
    if (!pw || pw->pw_uid == 0)
        refuse(EX_CONFIG, "%s: DAEMON = %s is %s", LIST, rules->daemon,
               pw ? "root, as which gwd does not run" : "no account of this machine");
    if (getuid() != pw->pw_uid)
        refuse(EX_NOPERM, "only the account %s may call it (DAEMON in %s)", rules->daemon, LIST);
}

static bool is_member(const struct rules *rules, const struct passwd *pw)
{
    static gid_t groups[GROUPS_MAX];
    int n = GROUPS_MAX;
    if (getgrouplist(pw->pw_name, pw->pw_gid, groups, &n) < 0)
        refuse(EX_OSERR, "%s is in too many groups", pw->pw_name);
    for (size_t i = 0; i < rules->groups.n; i++) {
        const struct group *gr = getgrnam(rules->groups.items[i]);
        for (int k = 0; gr && k < n; k++)
            if (groups[k] == gr->gr_gid)
                return true;
    }
    return false;
}

static uid_t uid_of(const char *text)
{
    char *end;
    errno = 0;
    unsigned long v = strtoul(text, &end, 10);
    if (text[0] < '0' || text[0] > '9' || *end || errno || v >= UINT_MAX)
        refuse(EX_USAGE, "\"%.40s\" is not the number of an account", text);
    return (uid_t)v;
}

/* The account, which stays in memory of its own: getpwuid()'s is used again. */
static const struct passwd *find_user(const struct rules *rules, const char *text)
{
    static struct passwd user;
    uid_t uid = uid_of(text);
    if (!rules_allow_uid(rules, uid))
        refuse(EX_NOUSER,
               uid == 0 ? "root's jobs are not run"
                        : "the account %u is one of the system's: jobs of uids %u to %u are run, "
                          "but for nobody's (MIN_UID, MAX_UID in %s)",
               (unsigned)uid, rules->min_uid, rules->max_uid, LIST);
    const struct passwd *pw = getpwuid(uid);
    if (!pw)
        refuse(EX_NOUSER, "no account of this machine has the number %u", (unsigned)uid);
    user = *pw;
    user.pw_name = strdup(pw->pw_name);
    user.pw_dir = strdup(pw->pw_dir && pw->pw_dir[0] == '/' ? pw->pw_dir : "/");
    if (!user.pw_name || !user.pw_dir)
        fail("strdup");
    if (user.pw_uid == getuid() || user.pw_uid != uid || user.pw_gid == 0)
        refuse(EX_NOUSER, "jobs of the account %s are not run", user.pw_name);
    if (!rules_allow_user(rules, user.pw_name) && !is_member(rules, &user))
        refuse(EX_NOUSER,
               "the account %s may not run jobs here: an administrator adds it to USERS or GROUPS "
               "in %s",
               user.pw_name, LIST);
    return &user;
}

/* --- the program --- */

static char *variable(const char *name, const char *value)
{
    char *text;
    if (asprintf(&text, "%s=%s", name, value) < 0)
        fail("asprintf");
    return text;
}

static char **make_environment(const struct rules *rules, const struct passwd *pw)
{
    static char *env[RULES_WORDS_MAX + ENV_OWN + 1];
    size_t n = 0;
    env[n++] = variable("PATH", "/usr/local/bin:/usr/bin:/bin");
    env[n++] = variable("HOME", pw->pw_dir);
    env[n++] = variable("USER", pw->pw_name);
    env[n++] = variable("LOGNAME", pw->pw_name);
    env[n++] = variable("LANG", "C.UTF-8");
    for (size_t i = 0; i < rules->environment.n; i++)
        env[n++] = (char *)rules->environment.items[i];
    return env;
}

static void reset_signals(void)
{
    /* The two that the C library keeps to itself as well: it lets nobody name them. */
    const uint64_t none = 0, defaults[8] = {0}; /* the kernel's sigaction, with SIG_DFL */
    for (int s = 1; s <= 64; s++)
        syscall(SYS_rt_sigaction, s, defaults, NULL, sizeof none);
    syscall(SYS_rt_sigprocmask, SIG_SETMASK, &none, NULL, sizeof none);
}

static _Noreturn void run_program(int fd, char **argv, char **env, pid_t parent)
{
    setsid(); /* no terminal of the daemon's */
    if (prctl(PR_SET_PDEATHSIG, SIGKILL, 0, 0, 0) < 0 || getppid() != parent)
        _exit(EX_OSERR);
    syscall(SYS_execveat, fd, "", argv, env, AT_EMPTY_PATH);
    refuse(EX_CONFIG, "%s: %s", argv[0],
           errno == ENOENT ? "it is a script; only programs are started" : strerror(errno));
}

/* Until the program has ended; it is given the end of its input to do so. */
static _Noreturn void guard(pid_t child)
{
    int status, nowhere = open("/dev/null", O_RDWR | O_CLOEXEC);
    int pidfd = (int)syscall(SYS_pidfd_open, child, 0);
    struct pollfd fds[] = {{.fd = pidfd, .events = POLLIN},
                           {.fd = STDIN_FILENO, .events = POLLRDHUP}};
    if (nowhere < 0 || pidfd < 0) {
        kill(child, SIGKILL);
        fail("guarding the program");
    }
    dup2(nowhere, STDOUT_FILENO); /* who reads what it says sees its end */
    dup2(nowhere, STDERR_FILENO);
    while (poll(fds, 2, -1) < 0 && errno == EINTR)
        ;
    if (!fds[0].revents && poll(fds, 1, GRACE_MS) == 0)
        kill(child, SIGKILL);
    while (waitpid(child, &status, 0) < 0)
        if (errno != EINTR)
            _exit(EX_OSERR);
    _exit(WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status));
}

/* A descriptor that is closed would be given to the next file that is opened. */
static void only_three_descriptors(void)
{
    for (int fd = 0; fd < 3; fd++)
        if (fcntl(fd, F_GETFD) < 0 && open("/dev/null", O_RDWR) != fd)
            _exit(EX_OSERR);
    if (close_range(3, ~0U, 0) < 0)
        _exit(EX_OSERR);
}

int main(int argc, char **argv)
{
    static struct rules rules;
    const struct rlimit no_core = {0, 0};
    char *no_environment[] = {NULL};
    environ = no_environment;
    only_three_descriptors();
    umask(077);
    reset_signals();
    setrlimit(RLIMIT_CORE, &no_core);
    if (prctl(PR_SET_DUMPABLE, 0, 0, 0, 0) < 0)
        fail("PR_SET_DUMPABLE");
    keep_two_capabilities();
    read_list(&rules);
    check_caller(&rules);
    if (argc < 3)
        refuse(EX_USAGE, "Usage: gw_launch UID PROGRAM [ARGUMENT ...]");
    const struct passwd *pw = find_user(&rules, argv[1]);
    if (!rules_have(&rules.programs, argv[2]))
        refuse(EX_NOPERM, "%s is not one of the PROGRAMS in %s", argv[2], LIST);
    int program = open_trusted(argv[2], O_PATH);
    char **env = make_environment(&rules, pw);
    become(pw);
    if (chdir(pw->pw_dir) < 0 && chdir("/") < 0)
        fail("chdir");
    setsid();
    pid_t self = getpid(), child = fork();
    if (child < 0)
        fail("fork");
    if (child == 0)
        run_program(program, argv + 2, env, self);
    close(program);
    guard(child);
}
