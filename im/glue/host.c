#include "im/glue/host.h"

#include "im/attributes.h"
#include "lib/mem.h"

#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

enum { TEXT_MAX_BYTES = 255, ACCESS_MAX_BYTES = 2000, LRMS_MAX_BYTES = 64 };

const struct fact *facts_find(const struct facts *f, const char *name)
{
    for (size_t i = 0; i < f->n; i++)
        if (strcmp(f->items[i].name, name) == 0)
            return &f->items[i];
    return NULL;
}

static void add(struct facts *f, struct fact fact)
{
    f->items = xreallocarray(f->items, f->n + 1, sizeof *f->items);
    f->items[f->n++] = fact;
}

void facts_text(struct facts *f, const char *name, const char *text)
{
    if (*text && !facts_find(f, name))
        add(f, (struct fact){.name = name, .text = xstrndup(text, TEXT_MAX_BYTES)});
}

void facts_number(struct facts *f, const char *name, long long number)
{
    if (number >= 0 && !facts_find(f, name))
        add(f, (struct fact){.name = name, .number = number});
}

void facts_take(struct facts *f, const struct entry *e, const struct fact_row *rows, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        long long number = rows[i].divisor ? entry_number(e, rows[i].attribute) : -1;
        if (rows[i].divisor)
            facts_number(f, rows[i].name, number < 0 ? -1 : number / (long long)rows[i].divisor);
        else
            facts_text(f, rows[i].name, entry_text(e, rows[i].attribute));
    }
}

static void facts_clear(struct facts *f)
{
    for (size_t i = 0; i < f->n; i++)
        free(f->items[i].text);
    free(f->items);
    *f = (struct facts){0};
}

char *glue_small(const char *name)
{
    char *low = xstrdup(name);
    for (char *p = low; *p; p++)
        *p = (char)tolower((unsigned char)*p);
    return low;
}

struct glue_host *glue_host_add(struct glue_host **hosts, const char *name)
{
    struct glue_host *h;
    if (!attributes_is_host_name(name))
        return NULL;
    char *low = glue_small(name);
    HASH_FIND_STR(*hosts, low, h);
    if (h || HASH_COUNT(*hosts) == GLUE_HOSTS_MAX) {
        free(low);
        return h;
    }
    h = xcalloc(1, sizeof *h);
    h->name = low;
    h->lrms = xstrdup("");
    HASH_ADD_KEYPTR(hh, *hosts, h->name, strlen(h->name), h);
    return h;
}

static void host_clear(struct glue_host *h)
{
    for (size_t i = 0; i < h->n_queues; i++) {
        free(h->queues[i].name);
        facts_clear(&h->queues[i].facts);
        buf_clear(&h->queues[i].access);
    }
    free(h->queues);
    facts_clear(&h->facts);
    free(h->lrms);
    free(h->name);
    free(h);
}

void glue_hosts_clear(struct glue_host **hosts)
{
    struct glue_host *h, *tmp;
    HASH_ITER (hh, *hosts, h, tmp) {
        HASH_DEL(*hosts, h);
        host_clear(h);
    }
}

bool glue_is_lrms(const char *name)
{
    size_t len = strlen(name);
    for (size_t i = 0; i < len; i++)
        if (!isalnum((unsigned char)name[i]) && !strchr("-_.", name[i]))
            return false;
    return len > 0 && len <= LRMS_MAX_BYTES && isalpha((unsigned char)name[0]);
}

static bool is_fork(const char *lrms)
{
    size_t len = strlen(lrms);
    return len >= 4 && strcmp(lrms + len - 4, "fork") == 0;
}

void glue_host_offer_lrms(struct glue_host *h, const char *lrms)
{
    if (!glue_is_lrms(lrms))
        return;
    if (is_fork(lrms))
        facts_text(&h->facts, "FORK_NAME", lrms);
    if (*h->lrms && !(is_fork(h->lrms) && !is_fork(lrms)))
        return;
    free(h->lrms);
    h->lrms = xstrdup(lrms);
}

struct glue_queue *glue_host_queue(struct glue_host *h, const char *name)
{
    if (!*name)
        return NULL;
    for (size_t i = 0; i < h->n_queues; i++)
        if (strcmp(h->queues[i].name, name) == 0)
            return &h->queues[i];
    if (h->n_queues == GLUE_QUEUES_MAX || strlen(name) > TEXT_MAX_BYTES)
        return NULL;
    h->queues = xreallocarray(h->queues, h->n_queues + 1, sizeof *h->queues);
    struct glue_queue *q = &h->queues[h->n_queues++];
    *q = (struct glue_queue){.name = xstrdup(name)};
    return q;
}

void glue_queue_allow(struct glue_queue *q, const char *rule)
{
    char *framed = xasprintf(",%s,", rule);
    if (!strchr(rule, ',') && !strstr(buf_str(&q->access), framed) &&
        q->access.len + strlen(framed) < ACCESS_MAX_BYTES)
        buf_puts(&q->access, q->access.len ? framed + 1 : framed);
    free(framed);
}

static bool is_bracketed_address(const char *host)
{
    size_t len = host[0] == '[' ? 1 + strspn(host + 1, "0123456789abcdefABCDEF:.") : 0;
    return len > 1 && strcmp(host + len, "]") == 0;
}

/* Where job directories are made is a place at the site: never a file of this machine. Nor may its
 * host be another to us than to a driver ("https://a.org:1@b.org/"). */
static bool is_stage_url(const char *url)
{
    const char *rest = strncasecmp(url, "gsiftp://", 9) == 0  ? url + 9
                       : strncasecmp(url, "https://", 8) == 0 ? url + 8
                                                              : NULL;
    if (!rest)
        return false;
    char *host = glue_host_of(url);
    bool is_good = attributes_is_host_name(host) || is_bracketed_address(host);
    rest += strlen(host);
    free(host);
    if (*rest == ':')
        rest += 1 + strspn(rest + 1, "0123456789");
    return is_good && (!*rest || *rest == '/') && !strpbrk(url, " \"\\<>");
}

static bool is_plain_path(const char *path)
{
    for (const char *p = path; *p; p++)
        if (!isalnum((unsigned char)*p) && !strchr("/._+-", *p))
            return false;
    return path[0] == '/' && path[1];
}

static const char *hypervisor_of(const char *word)
{
    static const struct {
        const char *word, *hypervisor;
    } words[] = {{"QEMU", "qemu"},   {"VM-QEMU", "qemu"}, {"KVM", "qemu"},
                 {"VM-KVM", "qemu"}, {"XEN", "xen"},      {"VM-XEN", "xen"}};
    for (size_t i = 0; i < GW_COUNT(words); i++)
        if (strcasecmp(word, words[i].word) == 0)
            return words[i].hypervisor;
    return "";
}

void glue_host_tag(struct glue_host *h, const char *tag)
{
    size_t len = strcspn(tag, "=");
    const char *value = tag[len] ? tag + len + 1 : "";
    facts_text(&h->facts, "VM_HYPERVISOR", hypervisor_of(tag));
    if (strncmp(tag, "VM_HYPERVISOR=", len + 1) == 0)
        facts_text(&h->facts, "VM_HYPERVISOR", hypervisor_of(value));
    else if (strncmp(tag, "STAGE_URL=", len + 1) == 0 && is_stage_url(value))
        facts_text(&h->facts, "STAGE_URL", value);
    else if (strncmp(tag, "GWVM=", len + 1) == 0 && is_plain_path(value))
        facts_text(&h->facts, "GWVM", value);
    else if (strncmp(tag, "SE_HOSTNAME=", len + 1) == 0 && attributes_is_host_name(value))
        facts_text(&h->facts, "SE_HOSTNAME", value);
}

char *glue_host_of(const char *contact)
{
    const char *scheme = strstr(contact, "://");
    const char *host = scheme ? scheme + 3 : contact;
    const char *end = host[0] == '[' ? strchr(host, ']') : NULL;
    return xstrndup(host, end ? (size_t)(end + 1 - host) : strcspn(host, ":/"));
}

static void put_facts(const struct facts *f, long index, struct buf *out)
{
    for (size_t i = 0; i < f->n; i++) {
        char name[80];
        snprintf(name, sizeof name, index < 0 ? "%s" : "%s[%ld]", f->items[i].name, index);
        if (f->items[i].text)
            attributes_put_text(out, name, f->items[i].text);
        else
            attributes_put_number(out, name, (unsigned long long)f->items[i].number);
    }
}

static void put_queue(const struct glue_queue *q, long index, struct buf *out)
{
    char name[80];
    snprintf(name, sizeof name, "QUEUE_NAME[%ld]", index);
    attributes_put_text(out, name, q->name);
    put_facts(&q->facts, index, out);
    snprintf(name, sizeof name, "QUEUE_ACCESS[%ld]", index);
    if (q->access.len)
        attributes_put_text(out, name, buf_str(&q->access));
}

void glue_host_line(const struct glue_host *h, struct buf *out)
{
    attributes_put_text(out, "HOSTNAME", h->name);
    if (*h->lrms)
        attributes_put_text(out, "LRMS_NAME", h->lrms);
    put_facts(&h->facts, -1, out);
    for (size_t i = 0; i < h->n_queues; i++) {
        size_t before = out->len;
        put_queue(&h->queues[i], (long)i, out);
        if (out->len <= GLUE_LINE_MAX_BYTES)
            continue;
        out->len = before;
        out->data[before] = '\0';
        return;
    }
}
