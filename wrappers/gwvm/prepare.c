#include "wrappers/gwvm/prepare.h"

#include "lib/buf.h"
#include "lib/file.h"
#include "lib/mem.h"
#include "vm/disk.h"
#include "vm/runner.h"
#include "vm/seed.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

/* cloud-init's part of docs/guest.md: find the disk, hand over to the runner, power off however it
 * ended. */
static const char user_data[] =
    "#cloud-config\n"
    "ssh_deletekeys: false\n"
    "runcmd:\n"
    "  - [sh, -c, 'mkdir -p /run/gwseed; mount -o ro /dev/disk/by-id/virtio-gwseed /run/gwseed; "
    "sh /run/gwseed/gw/run.sh; sync; poweroff -f']\n";

static int make_work(const struct attempt *a, struct vm_failure *f)
{
    struct gw_err err = {0};
    int r = file_remove_tree(a->work, &err);
    if (r == 0 && mkdir(a->work, 0700) < 0)
        r = gw_err_sys(&err, errno, "making directory %s", a->work);
    setenv("TMPDIR", a->work, 1); /* the seed disk's contents are collected there */
    return r < 0 ? vm_fail_err(f, REASON_HYPERVISOR, &err) : 0;
}

static int take_base(const struct attempt *a, struct prepared *p, struct vm_failure *f)
{
    const struct vm_conf *c = &a->conf;
    if (cache_take(c->image, c->image_sha256, &p->base, f) < 0)
        return -1;
    p->files.base = xstrdup(p->base.path);
    char *cache = cache_of(c->image);
    if (cache)
        cache_evict(cache, c->cache_max_bytes, c->cache_max_age_s, time(NULL));
    free(cache);
    return 0;
}

static int make_disks(const struct attempt *a, struct prepared *p, struct vm_failure *f)
{
    struct vm_files *files = &p->files;
    files->overlay = xasprintf("%s/overlay.qcow2", a->work);
    if (disk_overlay(files->overlay, files->base, &p->base.image, f) < 0)
        return -1;
    files->result = xasprintf("%s/result.raw", a->work);
    if (disk_raw(files->result, a->conf.result_bytes, f) < 0)
        return -1;
    for (size_t i = 0; i < a->conf.n_disks; i++) {
        files->disks[i] = xasprintf("%s/disk%zu.raw", a->work, i);
        if (disk_raw(files->disks[i], a->conf.disks[i], f) < 0)
            return -1;
    }
    return 0;
}

struct seed_list {
    struct seed_file *items;
    size_t n;
};

static void add_text(struct seed_list *l, const char *name, const char *text, size_t len)
{
    l->items = xreallocarray(l->items, l->n + 1, sizeof *l->items);
    l->items[l->n++] = (struct seed_file){.name = xstrdup(name), .data = text, .len = len};
}

static void add_file(struct seed_list *l, char *name, const char *path)
{
    l->items = xreallocarray(l->items, l->n + 1, sizeof *l->items);
    l->items[l->n++] = (struct seed_file){.name = name, .path = path};
}

/* The executable of the job directory goes in whether or not it was also named as an input file. */
static void add_inputs(struct seed_list *l, const struct vm_conf *c)
{
    const char *own = strncmp(c->executable, "./", 2) == 0 ? c->executable + 2 : NULL;
    for (size_t i = 0; i < c->n_inputs; i++) {
        add_file(l, xasprintf("gw/files/%s", c->inputs[i]), c->inputs[i]);
        if (own && strcmp(own, c->inputs[i]) == 0)
            own = NULL;
    }
    if (own && access(own, F_OK) == 0)
        add_file(l, xasprintf("gw/files/%s", own), own);
    if (c->has_stdin)
        add_file(l, xstrdup("gw/files/stdin.execution"), "stdin.execution");
    if (access("job.env", F_OK) == 0)
        add_file(l, xstrdup("gw/env"), "job.env");
    else
        add_text(l, "gw/env", "", 0);
}

static int make_seed(const struct attempt *a, struct prepared *p, struct vm_failure *f)
{
    const struct vm_conf *c = &a->conf;
    struct buf outputs = BUF_INIT, meta = BUF_INIT;
    for (size_t i = 0; i < c->n_outputs; i++)
        buf_printf(&outputs, "%s\n", c->outputs[i]);
    buf_printf(&meta, "instance-id: %s\nlocal-hostname: guest\n", c->token);
    struct seed_list l = {0};
    add_text(&l, "meta-data", meta.data, meta.len);
    add_text(&l, "user-data", user_data, sizeof user_data - 1);
    add_text(&l, "gw/run.sh", vm_runner, vm_runner_length());
    add_text(&l, "gw/exec", c->executable, strlen(c->executable));
    add_text(&l, "gw/outputs", buf_str(&outputs), outputs.len);
    add_inputs(&l, c);
    p->files.seed = xasprintf("%s/seed.iso", a->work);
    struct gw_err err = {0};
    int r = seed_write(p->files.seed, l.items, l.n, &err);
    for (size_t i = 0; i < l.n; i++)
        free((char *)l.items[i].name);
    free(l.items);
    buf_clear(&outputs);
    buf_clear(&meta);
    return r < 0 ? vm_fail_err(f, REASON_INTERNAL, &err) : 0;
}

/* Made by us, so that they are readable whoever QEMU runs as. */
static int make_log(char **ret, const char *dir, const char *name, struct vm_failure *f)
{
    *ret = xasprintf("%s/%s", dir, name);
    int fd = open(*ret, O_WRONLY | O_CREAT | O_TRUNC | O_NOFOLLOW | O_CLOEXEC, 0644);
    if (fd < 0)
        return vm_fail(f, errno == ENOSPC || errno == EDQUOT ? REASON_NO_SPACE : REASON_HYPERVISOR,
                       "making %s: %s", *ret, strerror(errno));
    close(fd);
    return 0;
}

static int make_logs(const struct attempt *a, struct prepared *p, struct vm_failure *f)
{
    struct vm_files *files = &p->files;
    if (make_log(&files->console, a->dir, "console.log", f) < 0 ||
        make_log(&files->stdout_log, a->dir, "stdout.execution", f) < 0 ||
        make_log(&files->stderr_log, a->dir, "stderr.execution", f) < 0)
        return -1;
    return make_log(&files->status_log, a->work, "status.log", f);
}

int prepare(const struct attempt *a, struct prepared *ret, struct vm_failure *f)
{
    *ret = (struct prepared){.base.lock = -1};
    if (make_work(a, f) < 0 || make_logs(a, ret, f) < 0 || take_base(a, ret, f) < 0 ||
        make_disks(a, ret, f) < 0)
        return -1;
    return make_seed(a, ret, f);
}

void prepared_clear(struct prepared *p)
{
    struct vm_files *files = &p->files;
    char *paths[] = {files->base,    files->overlay,    files->seed,       files->result,
                     files->console, files->stdout_log, files->stderr_log, files->status_log};
    for (size_t i = 0; i < GW_COUNT(paths); i++)
        free(paths[i]);
    for (size_t i = 0; i < VM_DISKS_MAX; i++)
        free(files->disks[i]);
    cache_release(&p->base);
    *p = (struct prepared){.base.lock = -1};
}
