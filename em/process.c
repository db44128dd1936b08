#include "em/process.h"

#include "lib/file.h"
#include "lib/mem.h"
#include "lib/num.h"

#include <dirent.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/pidfd.h>
#include <unistd.h>

int process_decode_claim(const char *text, struct process_id *ret, struct gw_err *err)
{
    char *line = xstrndup(text, strcspn(text, "\n"));
    int r = process_decode(line, ' ', ret, err);
    free(line);
    return r;
}

static const char contact_prefix[] = "fork:";

int process_decode_contact(const char *text, struct process_id *ret, struct gw_err *err)
{
    size_t skip = sizeof contact_prefix - 1;
    if (strncmp(text, contact_prefix, skip) != 0)
        return gw_err_set(err, GW_EINVAL, "\"%s\" does not begin with %s", text, contact_prefix);
    return process_decode(text + skip, ':', ret, err);
}

void process_encode_contact(const struct process_id *id, struct buf *out)
{
    buf_puts(out, contact_prefix);
    process_encode(id, ':', out);
}

/* The sessions of an attempt, as they are found. */
struct sessions {
    pid_t *ids;
    size_t n;
};

static bool sessions_have(const struct sessions *s, pid_t id)
{
    for (size_t i = 0; i < s->n; i++)
        if (s->ids[i] == id)
            return true;
    return false;
}

static void sessions_add(struct sessions *s, pid_t id)
{
    if (id <= 1 || sessions_have(s, id))
        return;
    s->ids = xreallocarray(s->ids, s->n + 1, sizeof *s->ids);
    s->ids[s->n++] = id;
}

static bool has_token(pid_t pid, const char *token)
{
    char path[64];
    struct buf env = BUF_INIT;
    bool has = false;
    char *wanted = xasprintf("GW_TOKEN=%s", token);
    snprintf(path, sizeof path, "/proc/%ld/environ", (long)pid);
    if (file_read(path, 4 << 20, &env, NULL) == 0)
        for (size_t at = 0; !has && at < env.len; at += strlen(env.data + at) + 1)
            has = strcmp(env.data + at, wanted) == 0;
    free(wanted);
    buf_clear(&env);
    return has;
}

typedef bool each_fn(pid_t pid, const struct process_stat *st, const char *token,
                     struct sessions *s);

/* Call fn for all processes but ourselves; those it says yes to are signalled. */
static size_t each_process(each_fn *fn, const char *token, struct sessions *s, int signal)
{
    DIR *dir = opendir("/proc");
    size_t n = 0;
    struct dirent *e;
    while (dir && (e = readdir(dir))) {
        uint64_t pid;
        if (num_parse_u64(e->d_name, 2, INT32_MAX, &pid, NULL) < 0 || (pid_t)pid == getpid())
            continue;
        int fd = pidfd_open((pid_t)pid, 0);
        struct process_stat st;
        /* A process that is not ours to signal (a set-user-ID program) does not count: nobody could
         * wait for it. */
        if (fd >= 0 && process_stat((pid_t)pid, &st, NULL) == 0 && !st.is_zombie &&
            fn((pid_t)pid, &st, token, s) && pidfd_send_signal(fd, signal, NULL, 0) == 0)
            n++;
        if (fd >= 0)
            close(fd);
    }
    if (dir)
        closedir(dir);
    return n;
}

static bool note_session(pid_t pid, const struct process_stat *st, const char *token,
                         struct sessions *s)
{
    bool has = has_token(pid, token);
    /* Each attempt was started in a session of its own, so a session with one such process is the
     * attempt's, unless it is ours: a driver may itself run in the environment of a job. */
    if (has && st->session != getsid(0))
        sessions_add(s, st->session);
    return false;
}

static bool is_member(pid_t pid, const struct process_stat *st, const char *token,
                      struct sessions *s)
{
    (void)pid;
    (void)token;
    return sessions_have(s, st->session);
}

/* While a session has members its number is not given to another process. So when a process has it
 * that is not the leader we know, the session is over. */
static void add_leader(struct sessions *s, const struct process_id *leader)
{
    struct process_stat st;
    if (leader->pid <= 0 || strcmp(leader->boot, process_boot_id()) != 0)
        return;
    if (process_stat(leader->pid, &st, NULL) == 0 && st.start != leader->start)
        return;
    if (leader->pid != getsid(0))
        sessions_add(s, leader->pid);
}

size_t process_signal_attempt(const char *token, const struct process_id *leaders, size_t n_leaders,
                              int signal)
{
    struct sessions s = {0};
    for (size_t i = 0; i < n_leaders; i++)
        add_leader(&s, &leaders[i]);
    if (token)
        each_process(note_session, token, &s, 0);
    size_t n = s.n ? each_process(is_member, token, &s, signal) : 0;
    free(s.ids);
    return n;
}
