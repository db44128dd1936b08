/* What the information drivers say: which hosts there are and how they are. */
#include "gwd/engine/engine_private.h"
#include "lib/mem.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

enum { HOSTS_MAX = 100000, HOST_NAME_MAX_LEN = 255 };

struct host *const *engine_hosts(const struct engine *e, size_t *ret_n)
{
    *ret_n = e->n_hosts;
    return e->hosts;
}

struct host *engine_host(const struct engine *e, const char *name)
{
    struct host_entry *entry;
    HASH_FIND_STR(e->host_entries, name, entry);
    return entry ? entry->host : NULL;
}

struct host_entry *hosts_entry(struct engine *e, const char *name)
{
    struct host_entry *entry;
    HASH_FIND_STR(e->host_entries, name, entry);
    if (entry)
        return entry;
    entry = xcalloc(1, sizeof *entry);
    entry->name = xstrdup(name);
    HASH_ADD_KEYPTR(hh, e->host_entries, entry->name, strlen(entry->name), entry);
    return entry;
}

void hosts_clear(struct engine *e)
{
    struct host_entry *entry, *tmp;
    HASH_ITER (hh, e->host_entries, entry, tmp) {
        HASH_DEL(e->host_entries, entry);
        rest_clear(entry);
        free(entry->name);
        free(entry);
    }
    for (size_t i = 0; i < e->n_hosts; i++)
        host_destroy(e->hosts[i]);
    free(e->hosts);
}

void hosts_discover(struct engine *e, size_t im)
{
    send_request(e, DRIVER_IM, e->ims[im].name, "DISCOVER", (struct task_ref){0}, 0, NULL, NULL,
                 NULL);
    timers_add(&e->timers, (struct timer){.at_us = e->mono_us + e->config->discovery_us,
                                          .kind = TIMER_DISCOVER,
                                          .job = im});
}

void hosts_monitor(struct engine *e, size_t host)
{
    struct host *h = e->hosts[host];
    struct driver *d = driver_find(e, DRIVER_IM, h->im);
    if (d && d->is_up)
        send_request(e, DRIVER_IM, h->im, "MONITOR", (struct task_ref){0}, h->id, h->name, NULL,
                     NULL);
    timers_add(&e->timers, (struct timer){.at_us = e->mono_us + e->config->monitoring_us,
                                          .kind = TIMER_MONITOR,
                                          .job = host});
}

static const struct engine_im *im_of(const struct engine *e, const char *name)
{
    for (size_t i = 0; i < e->n_ims; i++)
        if (strcmp(e->ims[i].name, name) == 0)
            return &e->ims[i];
    return NULL;
}

static bool name_is_good(const char *name, size_t len)
{
    if (len == 0 || len > HOST_NAME_MAX_LEN || name[0] == '-')
        return false;
    for (size_t i = 0; i < len; i++)
        if ((unsigned char)name[i] <= ' ' || name[i] == '/' || name[i] == 0x7f)
            return false;
    return true;
}

/* What our attempts hold there. Counted anew when its queues are others: after a restart attempts
 * come before them, and a queue may have gone and come back. */
static void count_attempts(struct engine *e, struct host *h)
{
    h->running = h->vm_memory_mib = 0;
    for (size_t i = 0; i < h->n_queues; i++)
        h->queues[i].used = 0;
    for (const struct flight *f = hosts_entry(e, h->name)->flights; f; f = f->at_next)
        host_count(h, f->job, flight_attempt(f), 1);
}

static void discovered(struct engine *e, const struct engine_im *im, const char *text)
{
    for (const char *p = text + strspn(text, " "); *p; p += strspn(p, " ")) {
        size_t len = strcspn(p, " ");
        char *name = xstrndup(p, len);
        if (name_is_good(p, len) && strcmp(name, "-") != 0 && !engine_host(e, name) &&
            e->n_hosts < HOSTS_MAX) {
            e->hosts = xreallocarray(e->hosts, e->n_hosts + 1, sizeof *e->hosts);
            struct host *h = host_create(e->n_hosts, name, im->name, im->tm, im->em);
            e->hosts[e->n_hosts++] = h;
            hosts_entry(e, name)->host = h;
            sched_add_host(e->sched, h);
            hosts_monitor(e, h->id);
        }
        free(name);
        p += len;
    }
}

static void host_down(struct engine *e, struct host *h, const char *code, enum blame blame,
                      const char *text)
{
    if (h->is_up)
        sched_host_changed(e->sched, h);
    h->is_up = false;
    reason_set(&h->reason, code, blame, text);
}

static void monitored(struct engine *e, struct host *h, const struct input *in)
{
    struct gw_err err;
    bool is_changed = false;
    uint64_t n_lists = h->n_queue_lists;
    if (!in->answer.is_success) {
        struct reason r = {0};
        reason_from_driver(&r, in->answer.text);
        host_down(e, h, r.code, r.blame, r.text);
        reason_clear(&r);
    } else if (host_sample(h, in->answer.text, &is_changed, &err) < 0) {
        host_down(e, h, "bad-sample", BLAME_SITE, err.text);
    } else {
        h->sampled_us = e->now_us;
        if (h->n_queue_lists != n_lists)
            count_attempts(e, h);
        if (is_changed)
            sched_host_changed(e->sched, h);
    }
}

void hosts_answer(struct engine *e, const struct input *in)
{
    const struct engine_im *im = im_of(e, in->answer.driver);
    if (!im)
        return;
    if (strcmp(in->answer.verb, "DISCOVER") == 0) {
        if (in->answer.is_success)
            discovered(e, im, in->answer.text);
    } else if (strcmp(in->answer.verb, "MONITOR") == 0 && in->answer.number < e->n_hosts) {
        struct host *h = e->hosts[in->answer.number];
        if (strcmp(h->im, im->name) == 0)
            monitored(e, h, in);
    }
}

/* What hosts offer depends on their drivers. */
void hosts_driver_changed(struct engine *e, const struct driver *d)
{
    for (size_t i = 0; i < e->n_hosts; i++) {
        const struct host *h = e->hosts[i];
        if (strcmp(d->kind == DRIVER_TM ? h->tm : h->em, d->name) == 0)
            sched_host_changed(e->sched, h);
    }
}

void hosts_driver_up(struct engine *e, const struct driver *d)
{
    for (size_t i = 0; i < e->n_ims; i++)
        if (strcmp(e->ims[i].name, d->name) == 0)
            send_request(e, DRIVER_IM, d->name, "DISCOVER", (struct task_ref){0}, 0, NULL, NULL,
                         NULL);
    for (size_t i = 0; i < e->n_hosts; i++)
        if (strcmp(e->hosts[i]->im, d->name) == 0)
            send_request(e, DRIVER_IM, d->name, "MONITOR", (struct task_ref){0}, i,
                         e->hosts[i]->name, NULL, NULL);
}

void hosts_driver_down(struct engine *e, const struct driver *d, const char *why)
{
    for (size_t i = 0; i < e->n_hosts; i++)
        if (strcmp(e->hosts[i]->im, d->name) == 0)
            host_down(e, e->hosts[i], "driver-down", BLAME_US, why);
}
