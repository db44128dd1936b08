#include "vm/session.h"

#include "lib/file.h"
#include "lib/log.h"
#include "lib/mem.h"
#include "vm/base.h"
#include "vm/process.h"

#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <unistd.h>

/* QEMU's messages go to plain files, since there is no virtlogd; nothing of the host is changed for
 * a VM. A core of QEMU would be the guest's memory. */
static const char qemu_conf[] = "stdio_handler = \"file\"\n"
                                "security_driver = \"none\"\n"
                                "dynamic_ownership = 0\n"
                                "remember_owner = 0\n"
                                "namespaces = []\n"
                                "cgroup_controllers = []\n"
                                "max_core = 0\n";
static const char qemu_conf_root[] = "user = \"+0\"\n"
                                     "group = \"+0\"\n";

static int put_file(const char *dir, const char *name, const char *text, struct gw_err *err)
{
    char *path = xasprintf("%s/%s", dir, name);
    int r = file_write(path, text, strlen(text), 0600, err);
    free(path);
    return r;
}

static int write_qemu_conf(const char *dir, struct gw_err *err)
{
    char *etc = xasprintf("%s/etc", dir);
    int r = mkdir(etc, 0700) < 0 ? gw_err_sys(err, errno, "making directory %s", etc) : 0;
    char *text = xasprintf("%s%s", qemu_conf, geteuid() == 0 ? qemu_conf_root : "");
    if (r == 0)
        r = put_file(etc, "qemu.conf", text, err);
    free(text);
    free(etc);
    return r;
}

static int share_cache(const char *base, const char *dir, struct gw_err *err)
{
    char *cache = xasprintf("%s/cache", base), *link = xasprintf("%s/cache", dir);
    int r = 0;
    if ((mkdir(cache, 0700) < 0 && errno != EEXIST) || symlink("../cache", link) < 0)
        r = gw_err_sys(err, errno, "making %s", link);
    free(cache);
    free(link);
    return r;
}

static int lock_dir(const char *dir, int *ret_fd, struct gw_err *err)
{
    int fd = open(dir, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    if (fd < 0 || flock(fd, LOCK_EX | LOCK_NB) < 0) {
        int r = gw_err_sys(err, errno, "locking %s", dir);
        if (fd >= 0)
            close(fd);
        return r;
    }
    *ret_fd = fd;
    return 0;
}

/* First the lock, then who has it: a directory that says so and is not locked belongs to a dead
 * process. */
static int own(const char *dir, const char *token, int *ret_fd, struct gw_err *err)
{
    char *text = xasprintf("%ld %s\n", (long)getpid(), token);
    int fd = -1, r = lock_dir(dir, &fd, err);
    if (r == 0 && (r = put_file(dir, "owner", text, err)) < 0)
        close(fd);
    else if (r == 0)
        *ret_fd = fd;
    free(text);
    return r;
}

static int fill(const char *base, const char *dir, const char *token, int *ret_fd,
                struct gw_err *err)
{
    int r = own(dir, token, ret_fd, err);
    if (r < 0)
        return r;
    r = write_qemu_conf(dir, err);
    if (r == 0)
        r = share_cache(base, dir, err);
    if (r < 0)
        close(*ret_fd);
    return r;
}

int session_create(const char *uri, const char *token, struct session *ret, struct gw_err *err)
{
    if (strcmp(uri, VM_SESSION_URI) != 0) {
        *ret = (struct session){.uri = xstrdup(uri), .owner_fd = -1};
        return 0;
    }
    char *base = NULL;
    int r = base_open(&base, err), fd = -1;
    if (r < 0)
        return r;
    char *dir = xasprintf("%s/XXXXXX", base);
    if (!mkdtemp(dir))
        r = gw_err_sys(err, errno, "making a directory in %s", base);
    else if ((r = fill(base, dir, token, &fd, err)) < 0)
        file_remove_tree(dir, NULL);
    free(base);
    if (r < 0) {
        free(dir);
        return r;
    }
    *ret = (struct session){dir, xasprintf("qemu:///embed?root=%s", dir), fd};
    return 0;
}

/* libvirt takes a file that root cannot write for "no KVM" (access(2)); DAC does not stop root, a
 * read-only mount does. It must not show outside: the mount that holds /dev/kvm is /dev or, in a
 * bare chroot, /. */
static void hide_kvm(const struct session *s)
{
    if (geteuid() != 0 || access("/dev/kvm", F_OK) < 0 || unshare(CLONE_NEWNS) < 0)
        return;
    if (mount(NULL, "/dev", NULL, MS_SLAVE, NULL) < 0 && mount(NULL, "/", NULL, MS_SLAVE, NULL) < 0)
        return;
    char *owner = xasprintf("%s/owner", s->dir);
    if (mount(owner, "/dev/kvm", NULL, MS_BIND, NULL) < 0 ||
        mount(NULL, "/dev/kvm", NULL, MS_REMOUNT | MS_BIND | MS_RDONLY, NULL) < 0)
        log_warn("hiding /dev/kvm: %s; libvirt may take long", strerror(errno));
    free(owner);
}

void session_enter(const struct session *s)
{
    static const char *const places[] = {"XDG_RUNTIME_DIR", "XDG_CONFIG_HOME", "XDG_CACHE_HOME",
                                         "XDG_DATA_HOME", "HOME"};
    if (!s->dir)
        return;
    /* It logs much that is no error of ours (no dmidecode, no cgroups); what is comes back from its
     * calls. */
    char *log = xasprintf("4:file:%s/libvirt.log", s->dir);
    setenv("LIBVIRT_LOG_OUTPUTS", log, 1);
    free(log);
    for (size_t i = 0; i < GW_COUNT(places); i++)
        setenv(places[i], s->dir, 1);
    hide_kvm(s);
}

void session_kill(const struct session *s, const char *token)
{
    if (!s->dir)
        return;
    char *pidfile = xasprintf("%s/run/qemu/gw-%s.pid", s->dir, token);
    char *word = xasprintf("guest=gw-%s,", token);
    struct process p;
    if (process_of_file(pidfile, word, &p) == 0)
        process_kill(&p);
    free(word);
    free(pidfile);
}

void session_destroy(struct session *s)
{
    if (s->dir)
        file_remove_tree(s->dir, NULL);
    if (s->owner_fd >= 0)
        close(s->owner_fd);
    free(s->dir);
    free(s->uri);
    *s = (struct session){.owner_fd = -1};
}
