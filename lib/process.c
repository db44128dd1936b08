#include "lib/process.h"

#include "lib/file.h"
#include "lib/mem.h"
#include "lib/num.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/pidfd.h>
#include <unistd.h>

int process_stat(pid_t pid, struct process_stat *ret, struct gw_err *err)
{
    char path[64];
    struct buf text = BUF_INIT;
    snprintf(path, sizeof path, "/proc/%ld/stat", (long)pid);
    int r = file_read(path, 8192, &text, err);
    if (r < 0)
        return r;
    /* The name, in parentheses, may hold anything, also blanks and parentheses. */
    const char *after = strrchr(buf_str(&text), ')');
    char state = 'Z';
    long session = 0;
    unsigned long long start = 0;
    if (!after || sscanf(after,
                         ") %c %*d %*d %ld %*d %*d %*u %*u %*u %*u %*u %*u %*u %*d %*d %*d %*d %*d "
                         "%*d %llu",
                         &state, &session, &start) != 3)
        r = gw_err_set(err, GW_EPROTO, "%s is not understood", path);
    else
        *ret = (struct process_stat){
            .is_zombie = state == 'Z' || state == 'X', .session = (pid_t)session, .start = start};
    buf_clear(&text);
    return r;
}

const char *process_boot_id(void)
{
    static char id[BOOT_ID_MAX];
    if (!id[0]) {
        struct buf text = BUF_INIT;
        file_read("/proc/sys/kernel/random/boot_id", 256, &text, NULL);
        snprintf(id, sizeof id, "%.*s", (int)strcspn(buf_str(&text), "\n"), buf_str(&text));
        buf_clear(&text);
    }
    return id;
}

int process_identify(pid_t pid, struct process_id *ret, struct gw_err *err)
{
    struct process_stat st;
    int r = process_stat(pid, &st, err);
    if (r < 0)
        return r;
    *ret = (struct process_id){.pid = pid, .start = st.start};
    snprintf(ret->boot, sizeof ret->boot, "%s", process_boot_id());
    return 0;
}

static bool is_same_process(const struct process_id *id)
{
    struct process_stat st;
    return strcmp(id->boot, process_boot_id()) == 0 && process_stat(id->pid, &st, NULL) == 0 &&
           st.start == id->start && !st.is_zombie;
}

int process_pidfd(const struct process_id *id)
{
    if (id->pid <= 0)
        return -1;
    int fd = pidfd_open(id->pid, 0);
    /* Asked after the pidfd was had: the number cannot change hands in between. */
    if (fd >= 0 && !is_same_process(id)) {
        close(fd);
        fd = -1;
    }
    return fd;
}

int process_decode(const char *text, char separator, struct process_id *ret, struct gw_err *err)
{
    struct process_id id = {0};
    uint64_t pid = 0;
    char *copy = xstrdup(text), *start = strchr(copy, separator), *boot = NULL;
    if (start)
        *start++ = '\0';
    if (start && (boot = strchr(start, separator)))
        *boot++ = '\0';
    bool is_good = boot && strlen(boot) < sizeof id.boot && boot[0] &&
                   strspn(boot, "0123456789abcdef-") == strlen(boot) &&
                   num_parse_u64(copy, 0, INT32_MAX, &pid, NULL) == 0 &&
                   num_parse_u64(start, 0, UINT64_MAX, &id.start, NULL) == 0;
    if (is_good) {
        id.pid = (pid_t)pid;
        memcpy(id.boot, boot, strlen(boot) + 1);
        *ret = id;
    }
    free(copy);
    return is_good ? 0
                   : gw_err_set(err, GW_EINVAL, "\"%s\" is not PID%cSTARTTIME%cBOOT_ID", text,
                                separator, separator);
}

void process_encode(const struct process_id *id, char separator, struct buf *out)
{
    buf_printf(out, "%ld%c%llu%c%s", (long)id->pid, separator, (unsigned long long)id->start,
               separator, id->boot[0] ? id->boot : process_boot_id());
}
