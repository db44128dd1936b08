#include "im/self.h"

#include "im/attributes.h"
#include "lib/file.h"
#include "lib/mem.h"
#include "lib/num.h"

#include <libgen.h>
#include <pwd.h>
#include <stdbool.h>
#include <glob.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/statvfs.h>
#include <sys/utsname.h>
#include <unistd.h>

enum { SLOTS_MAX = 100000 };

int self_parse(const char *text, struct self_host *ret, struct gw_err *err)
{
    const char *slots = strchr(text, ':');
    const char *url = slots ? strchr(slots + 1, ':') : NULL;
    if (!url)
        return gw_err_set(err, GW_EINVAL, "--self \"%s\": NAME:SLOTS:STAGE_URL was expected", text);
    struct self_host h = {.name = xstrndup(text, (size_t)(slots - text)),
                          .stage_url = xstrdup(url + 1)};
    char *count = xstrndup(slots + 1, (size_t)(url - slots - 1));
    uint64_t n = 0;
    int r = num_parse_u64(count, 1, SLOTS_MAX, &n, err);
    if (r < 0)
        gw_err_context(err, "--self \"%s\": SLOTS", text);
    else if (!attributes_is_host_name(h.name))
        r = gw_err_set(err, GW_EINVAL, "--self \"%s\": \"%s\" is not a host name", text, h.name);
    else if (!strstr(h.stage_url, "://") || strpbrk(h.stage_url, "\"\n"))
        r = gw_err_set(err, GW_EINVAL, "--self \"%s\": \"%s\" is not a URL", text, h.stage_url);
    free(count);
    h.slots = (unsigned)n;
    if (r < 0)
        self_clear(&h);
    else
        *ret = h;
    return r;
}

void self_clear(struct self_host *h)
{
    free(h->name);
    free(h->stage_url);
    *h = (struct self_host){0};
}

/* What stands behind "KEY<separator>" at the start of a line, without quotes; NULL when there is no
 * such line. The caller's. */
static char *line_value(const char *path, const char *key, char separator)
{
    struct buf text = BUF_INIT;
    char *found = NULL;
    file_read(path, 4 << 20, &text, NULL);
    size_t len = strlen(key);
    for (const char *line = buf_str(&text); !found && *line; line += *line == '\n') {
        size_t n = strcspn(line, "\n");
        const char *sep = memchr(line, separator, n);
        if (strncmp(line, key, len) == 0 && sep) {
            const char *end = line + n;
            for (sep++; sep < end && strchr(" \t\"", *sep);)
                sep++;
            while (end > sep && strchr(" \t\"", end[-1]))
                end--;
            found = xstrndup(sep, (size_t)(end - sep));
        }
        line += n;
    }
    buf_clear(&text);
    return found;
}

static unsigned long long number_of(const char *path, const char *key)
{
    char *value = line_value(path, key, ':');
    unsigned long long n = value ? strtoull(value, NULL, 10) : 0;
    free(value);
    return n;
}

static bool has_program(const char *name)
{
    /* Daemons stand where an ordinary user's PATH does not look. */
    char *path =
        xasprintf("%s:/usr/sbin:/usr/libexec:/sbin", getenv("PATH") ? getenv("PATH") : "/usr/bin");
    bool has = false;
    char *save, *dir = strtok_r(path, ":", &save);
    for (; dir && !has; dir = strtok_r(NULL, ":", &save)) {
        char *file = xasprintf("%s/%s", dir, name);
        has = access(file, X_OK) == 0;
        free(file);
    }
    free(path);
    return has;
}

/* gwvm loads libvirt's QEMU driver into its own process: the module counts, not a daemon. */
static bool has_qemu_driver(void)
{
    static const char *const places[] = {
        "/usr/lib/*/libvirt/connection-driver/libvirt_driver_qemu.so",
        "/usr/lib*/libvirt/connection-driver/libvirt_driver_qemu.so"};
    bool has = false;
    for (size_t i = 0; i < GW_COUNT(places) && !has; i++) {
        glob_t found;
        has = glob(places[i], GLOB_NOSORT, NULL, &found) == 0;
        if (has)
            globfree(&found);
    }
    return has;
}

static bool has_hypervisor(const char *arch)
{
    char *qemu = xasprintf("qemu-system-%s", arch);
    bool has = has_program(qemu) && has_qemu_driver();
    free(qemu);
    return has;
}

static void put_system(struct buf *out, const struct utsname *u)
{
    char *version = line_value("/etc/os-release", "VERSION_ID=", '=');
    char *model = line_value("/proc/cpuinfo", "model name", ':');
    unsigned long long cpus = (unsigned long long)sysconf(_SC_NPROCESSORS_ONLN),
                       mhz = number_of("/proc/cpuinfo", "cpu MHz");
    double load[1] = {0};
    getloadavg(load, 1);
    double free_cpus = (double)cpus - load[0];
    attributes_put_text(out, "ARCH", u->machine);
    attributes_put_text(out, "OS_NAME", u->sysname);
    attributes_put_text(out, "OS_VERSION", version ? version : u->release);
    attributes_put_text(out, "CPU_MODEL", model ? model : "");
    attributes_put_number(out, "CPU_MHZ", mhz);
    attributes_put_number(out, "CPU_SMP", cpus);
    attributes_put_number(out, "CPU_FREE",
                          free_cpus > 0 ? (unsigned long long)(free_cpus * 100) : 0);
    attributes_put_number(out, "SIZE_MEM_MB", number_of("/proc/meminfo", "MemTotal") / 1024);
    attributes_put_number(out, "FREE_MEM_MB", number_of("/proc/meminfo", "MemAvailable") / 1024);
    free(version);
    free(model);
}

static char *path_of(const char *url)
{
    if (strncmp(url, "file://", 7) != 0)
        return NULL;
    const char *path = strchr(url + 7, '/');
    if (path && strncmp(path, "/~", 2) == 0) {
        const struct passwd *pw = getpwuid(getuid());
        const char *home = getenv("HOME");
        return xasprintf("%s%s", home ? home : pw ? pw->pw_dir : "/", path + 2);
    }
    return xstrdup(path);
}

/* Of the file system that the staging directory is, or will be made, on. */
static void put_disk(struct buf *out, const char *url)
{
    struct statvfs v;
    char *path = path_of(url);
    while (path && statvfs(path, &v) < 0 && strcmp(path, "/") != 0 && strcmp(path, ".") != 0) {
        char *up = dirname(path);
        memmove(path, up, strlen(up) + 1);
    }
    if (path && statvfs(path, &v) == 0) {
        attributes_put_number(out, "SIZE_DISK_MB",
                              (unsigned long long)v.f_blocks * v.f_frsize >> 20);
        attributes_put_number(out, "FREE_DISK_MB",
                              (unsigned long long)v.f_bavail * v.f_frsize >> 20);
    }
    free(path);
}

static void put_queue(struct buf *out, unsigned slots)
{
    attributes_put_text(out, "LRMS_NAME", "jobmanager-fork");
    attributes_put_text(out, "LRMS_TYPE", "fork");
    attributes_put_text(out, "FORK_NAME", "jobmanager-fork");
    attributes_put_number(out, "NODECOUNT", slots);
    attributes_put_text(out, "QUEUE_NAME[0]", "default");
    attributes_put_number(out, "QUEUE_NODECOUNT[0]", slots);
    attributes_put_number(out, "QUEUE_FREENODECOUNT[0]", slots);
    attributes_put_text(out, "QUEUE_STATUS[0]", "enabled");
}

/* Our programs that run at a site, where they are installed beside the driver. */
static void put_program(struct buf *out, const char *attribute, const char *name)
{
    char own[4096];
    ssize_t n = readlink("/proc/self/exe", own, sizeof own - 1);
    own[n > 0 ? n : 0] = '\0';
    char *path = xasprintf("%s/%s", dirname(own), name);
    if (access(path, X_OK) == 0)
        attributes_put_text(out, attribute, path);
    free(path);
}

void self_attributes(const struct self_host *h, struct buf *out)
{
    struct utsname u;
    struct buf line = BUF_INIT;
    uname(&u);
    attributes_put_text(&line, "HOSTNAME", h->name);
    put_system(&line, &u);
    put_disk(&line, h->stage_url);
    put_queue(&line, h->slots);
    attributes_put_text(&line, "STAGE_URL", h->stage_url);
    attributes_put_text(&line, "VM_HYPERVISOR", has_hypervisor(u.machine) ? "qemu" : "");
    put_program(&line, "GWVM", "gwvm");
    put_program(&line, "WRAPPER", "gw_wrapper");
    buf_puts(out, buf_str(&line));
    buf_clear(&line);
}
