/* gw_im_static: hosts from a list that a person keeps, and this machine itself
 * (docs/attributes.md).
 *
 *   gw_im_static [-l LIST] [--self NAME:SLOTS:STAGE_URL]...
 *
 * Files are read again when they change; to a daemon that is not GridWay's the change is told of
 * itself. A file with a mistake changes nothing: what was read before it stays, and the log says
 * file and line. */
#include "drivers/kit.h"
#include "im/attributes.h"
#include "im/hostlist.h"
#include "im/self.h"
#include "lib/file.h"
#include "lib/log.h"
#include "lib/mem.h"

#include <errno.h>
#include <getopt.h>
#include <libgen.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/inotify.h>
#include <sysexits.h>
#include <unistd.h>

enum {
    FILE_MAX_BYTES = 1 << 20,
    NAMES_MAX_BYTES = 60000, /* of one DISCOVER answer */
    SETTLE_MS = 100,         /* after a change, for the others that come with it */
};

struct host {
    char *name;
    char *file;                   /* NULL: this machine */
    const struct self_host *self; /* then */
    char *attributes;             /* as they were last read well; NULL: never */
    char *mistake;                /* why they could not be read now, or NULL */
    char *handle;                 /* MONITOR's last for this host, or NULL */
};

struct hosts {
    struct host *items;
    size_t n;
};

struct im {
    struct kit *kit;
    const char *list;
    struct self_host *selves;
    size_t n_selves;
    struct hosts hosts;
    char *mistake; /* why the list could not be read, or NULL */
    int inotify;
    struct loop_timer *settling;
};

static void hosts_clear(struct hosts *h)
{
    for (size_t i = 0; i < h->n; i++) {
        free(h->items[i].name);
        free(h->items[i].file);
        free(h->items[i].attributes);
        free(h->items[i].mistake);
        free(h->items[i].handle);
    }
    free(h->items);
    *h = (struct hosts){0};
}

static struct host *hosts_find(const struct hosts *h, const char *name)
{
    for (size_t i = 0; i < h->n; i++)
        if (strcmp(h->items[i].name, name) == 0)
            return &h->items[i];
    return NULL;
}

static void hosts_add(struct hosts *h, struct host new)
{
    h->items = xreallocarray(h->items, h->n + 1, sizeof *h->items);
    h->items[h->n++] = new;
}

static void watch_dir_of(struct im *im, const char *path)
{
    /* The directory, because editors put a new file in the place of the old one. */
    char *copy = xstrdup(path);
    uint32_t mask = IN_CLOSE_WRITE | IN_MOVED_TO | IN_MOVED_FROM | IN_DELETE;
    if (im->inotify >= 0 && inotify_add_watch(im->inotify, dirname(copy), mask) < 0)
        log_warn("changes of %s will not be seen: %s", path, strerror(errno));
    free(copy);
}

static void read_attributes(struct im *im, struct host *h)
{
    struct buf text = BUF_INIT, out = BUF_INIT;
    struct gw_err err;
    watch_dir_of(im, h->file);
    int r = file_read(h->file, FILE_MAX_BYTES, &text, &err);
    if (r == 0)
        r = attributes_parse(buf_str(&text), text.len, h->file, &out, &err);
    if (r == 0) {
        if (h->attributes)
            attributes_clear_gone(h->attributes, &out);
        free(h->attributes);
        h->attributes = buf_take(&out);
    } else {
        h->mistake = xstrdup(err.text);
        log_error("host %s: %s", h->name, err.text);
    }
    buf_clear(&text);
    buf_clear(&out);
}

static void report(const char *message)
{
    log_error("%s", message);
}

/* What was known of a host that stays. */
static void keep(struct host *new, const struct hosts *before)
{
    const struct host *old = hosts_find(before, new->name);
    if (!old)
        return;
    new->attributes = xstrdup(old->attributes);
    new->handle = xstrdup(old->handle);
}

static void add_selves(const struct im *im, const struct hosts *before, struct hosts *to)
{
    for (size_t i = 0; i < im->n_selves; i++) {
        struct host new = {.name = xstrdup(im->selves[i].name), .self = &im->selves[i]};
        keep(&new, before);
        hosts_add(to, new);
    }
}

static void add_listed(struct im *im, const struct hosts *before, struct hosts *to)
{
    struct buf text = BUF_INIT;
    struct hostlist list = {0};
    struct gw_err err;
    free(im->mistake);
    im->mistake = NULL;
    watch_dir_of(im, im->list);
    if (file_read(im->list, FILE_MAX_BYTES, &text, &err) < 0) {
        im->mistake = xstrdup(err.text);
        log_error("%s", err.text);
    } else {
        hostlist_parse(buf_str(&text), text.len, im->list, &list, report);
    }
    for (size_t i = 0; i < list.n; i++) {
        if (hosts_find(to, list.items[i].host)) {
            log_error("%s: %s is this machine already, by --self", im->list, list.items[i].host);
            continue;
        }
        struct host new = {.name = xstrdup(list.items[i].host),
                           .file = xstrdup(list.items[i].file)};
        keep(&new, before);
        read_attributes(im, &new);
        hosts_add(to, new);
    }
    hostlist_clear(&list);
    buf_clear(&text);
}

/* In as many lines as it takes: hosts that were told stay known. */
static void answer_discover(struct im *im)
{
    struct buf names = BUF_INIT;
    if (im->mistake && im->hosts.n == 0) {
        kit_fail(im->kit, "DISCOVER", "-", NULL, "io:site", "%s", im->mistake);
        return;
    }
    for (size_t i = 0; i < im->hosts.n; i++) {
        buf_printf(&names, "%s%s", names.len ? " " : "", im->hosts.items[i].name);
        if (names.len < NAMES_MAX_BYTES || i + 1 == im->hosts.n)
            continue;
        kit_succeed(im->kit, "DISCOVER", "-", NULL, "%s", buf_str(&names));
        buf_reset(&names);
    }
    kit_succeed(im->kit, "DISCOVER", "-", NULL, "%s", buf_str(&names));
    buf_clear(&names);
}

static void answer_monitor(struct im *im, const struct host *h)
{
    struct buf now = BUF_INIT;
    if (h->self)
        self_attributes(h->self, &now);
    if (!h->self && !h->attributes)
        kit_fail(im->kit, "MONITOR", h->handle, NULL, "io:site", "%s", h->mistake);
    else
        kit_succeed(im->kit, "MONITOR", h->handle, NULL, "%s",
                    h->self ? buf_str(&now) : h->attributes);
    buf_clear(&now);
}

static bool has_same_names(const struct hosts *a, const struct hosts *b)
{
    for (size_t i = 0; i < a->n; i++)
        if (!hosts_find(b, a->items[i].name))
            return false;
    return a->n == b->n;
}

static void tell_changes(struct im *im, const struct hosts *before)
{
    if (!has_same_names(&im->hosts, before))
        answer_discover(im);
    for (size_t i = 0; i < im->hosts.n; i++) {
        const struct host *h = &im->hosts.items[i], *old = hosts_find(before, h->name);
        if (h->handle && h->attributes && old &&
            (!old->attributes || strcmp(h->attributes, old->attributes) != 0))
            answer_monitor(im, h);
    }
}

static void load(struct im *im)
{
    struct hosts before = im->hosts;
    im->hosts = (struct hosts){0};
    add_selves(im, &before, &im->hosts);
    if (im->list)
        add_listed(im, &before, &im->hosts);
    if (kit_is_extended(im->kit))
        tell_changes(im, &before);
    hosts_clear(&before);
}

static void on_settled(void *ctx)
{
    struct im *im = ctx;
    im->settling = NULL;
    load(im);
}

static void on_inotify(void *ctx, int fd, short revents)
{
    (void)revents;
    struct im *im = ctx;
    char events[16384];
    if (read(fd, events, sizeof events) > 0 && !im->settling)
        im->settling = loop_timer_add(kit_loop(im->kit), SETTLE_MS, on_settled, im);
}

static void discover(struct kit *k, const struct fields *f, void *ctx)
{
    (void)k;
    (void)f;
    answer_discover(ctx);
}

static void monitor(struct kit *k, const struct fields *f, void *ctx)
{
    struct im *im = ctx;
    struct host *h = hosts_find(&im->hosts, f->field[2]);
    if (!h) {
        kit_fail(k, "MONITOR", f->field[1], NULL, "internal:us", "%s is not a host of this driver",
                 f->field[2]);
        return;
    }
    free(h->handle);
    h->handle = xstrdup(f->field[1]);
    answer_monitor(im, h);
}

static int add_self(struct im *im, const char *text)
{
    struct self_host h;
    struct gw_err err;
    int r = self_parse(text, &h, &err);
    for (size_t i = 0; r == 0 && i < im->n_selves; i++)
        if (strcmp(im->selves[i].name, h.name) == 0) {
            r = gw_err_set(&err, GW_EEXIST, "--self \"%s\": the name %s is given twice", text,
                           h.name);
            self_clear(&h);
        }
    if (r < 0) {
        log_error("%s", err.text);
        return r;
    }
    im->selves = xreallocarray(im->selves, im->n_selves + 1, sizeof *im->selves);
    im->selves[im->n_selves++] = h;
    return 0;
}

static int read_options(struct im *im, int argc, char **argv)
{
    static const struct option options[] = {{"self", required_argument, NULL, 'S'}, {0}};
    int c, r = 0;
    while (r == 0 && (c = getopt_long(argc, argv, "l:", options, NULL)) != -1) {
        if (c == 'l')
            im->list = optarg;
        else
            r = c == 'S' ? add_self(im, optarg) : -GW_EINVAL;
    }
    if (r == 0 && (optind < argc || (!im->list && !im->n_selves))) {
        log_error("usage: gw_im_static [-l LIST] [--self NAME:SLOTS:STAGE_URL]...");
        r = -GW_EINVAL;
    }
    return r;
}

static void clear(struct im *im)
{
    hosts_clear(&im->hosts);
    for (size_t i = 0; i < im->n_selves; i++)
        self_clear(&im->selves[i]);
    free(im->selves);
    free(im->mistake);
    if (im->inotify >= 0)
        close(im->inotify);
}

int main(int argc, char **argv)
{
    static const struct kit_verb verbs[] = {{"DISCOVER", 0, discover}, {"MONITOR", 0, monitor}};
    struct im im = {.inotify = -1};
    const struct kit_driver driver = {
        .name = "im_static",
        .kind = KIT_IM,
        .features = KIT_PCT,
        .verbs = verbs,
        .n_verbs = GW_COUNT(verbs),
        .ctx = &im,
    };
    im.kit = kit_create(&driver);
    kit_arguments(&argc, &argv);
    int code = EX_USAGE;
    if (read_options(&im, argc, argv) == 0) {
        im.inotify = inotify_init1(IN_CLOEXEC | IN_NONBLOCK);
        if (im.inotify >= 0)
            loop_watch(kit_loop(im.kit), im.inotify, POLLIN, on_inotify, &im);
        load(&im);
        code = kit_run(im.kit);
    }
    clear(&im);
    kit_destroy(im.kit);
    return code;
}
