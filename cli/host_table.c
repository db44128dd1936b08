/* Hosts as GridWay's tables show them, from the attributes that the information drivers report. */
#include "cli/host.h"
#include "cli/output.h"
#include "cli/owner.h"
#include "cli/table.h"
#include "client/gw.h"
#include "client/reason.h"
#include "lib/buf.h"
#include "lib/mem.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

/* An attribute as text: appended; "?" when it is not reported. */
static void put_attr(struct buf *out, const json_t *attrs, const char *name)
{
    const json_t *v = json_object_get(attrs, name);
    if (json_is_string(v))
        buf_puts(out, json_string_value(v));
    else if (json_is_number(v))
        buf_printf(out, "%.15g", json_number_value(v));
    else
        buf_putc(out, '?');
}

/* A cell of one or more attributes; empty when none of them is reported. */
static void cell(struct table *t, const json_t *attrs, const char *a, const char *separator,
                 const char *b)
{
    struct buf text = BUF_INIT;
    bool is_there = !gw_is_null(attrs, a) || (b && !gw_is_null(attrs, b));
    put_attr(&text, attrs, a);
    if (b) {
        buf_puts(&text, separator);
        put_attr(&text, attrs, b);
    }
    table_put(t, is_there ? buf_str(&text) : NULL);
    buf_clear(&text);
}

static void put_size(struct buf *out, double mb, bool is_in_gb)
{
    if (mb < 0)
        buf_putc(out, '?');
    else
        buf_printf(out, is_in_gb ? "%.0fG" : "%.0fM", is_in_gb ? mb / 1024 : mb);
}

static void size_cell(struct table *t, const json_t *attrs, const char *free_mb,
                      const char *size_mb)
{
    struct buf text = BUF_INIT;
    double free = gw_number(attrs, free_mb, -1), size = gw_number(attrs, size_mb, -1);
    bool is_in_gb = free >= 100000 || size >= 100000;
    put_size(&text, free, is_in_gb);
    buf_putc(&text, '/');
    put_size(&text, size, is_in_gb);
    table_put(t, free < 0 && size < 0 ? NULL : buf_str(&text));
    buf_clear(&text);
}

/* Ours, free for us, and all, over the queues. */
static void nodes_cell(struct table *t, const json_t *host)
{
    int64_t n_free = 0, nodes = 0;
    size_t i;
    json_t *q;
    json_array_foreach(gw_array(host, "queues"), i, q)
    {
        n_free += gw_int(q, "free", 0);
        nodes += gw_int(q, "nodes", 0);
    }
    table_putf(t, "%" PRId64 "/%" PRId64 "/%" PRId64, gw_int(host, "used_slots", 0), n_free, nodes);
}

/* Only a host that is up and not drained can be said to rest. */
static bool rests(const json_t *host)
{
    return json_array_size(gw_array(host, "rests")) > 0 &&
           strcmp(gw_text(host, "state", ""), "up") == 0;
}

static void print_rest(const char *host, const json_t *rest)
{
    struct buf line = BUF_INIT;
    char at[16];
    time_t until = (time_t)gw_number(rest, "until", 0);
    struct tm tm;
    if (until > 0 && localtime_r(&until, &tm) && strftime(at, sizeof at, "%H:%M:%S", &tm))
        buf_printf(&line, "%s rests until %s", host, at);
    else
        buf_printf(&line, "%s is given %" PRId64 " job%s at a time", host,
                   gw_int(rest, "at_a_time", 1), gw_int(rest, "at_a_time", 1) == 1 ? "" : "s");
    if ((uid_t)gw_int(rest, "uid", 0) != getuid())
        buf_printf(&line, " for %s", gw_text(rest, "user", "?"));
    buf_puts(&line, ", after failures: ");
    reason_words(gw_object(rest, "reason"), &line);
    output_line("%s", buf_str(&line));
    buf_clear(&line);
}

static void print_rests(const json_t *hosts)
{
    size_t i, k;
    json_t *host, *rest;
    bool is_any = false;
    json_array_foreach(hosts, i, host)
    {
        json_array_foreach(gw_array(host, "rests"), k, rest)
        {
            if (!rests(host))
                continue;
            print_rest(gw_text(host, "name", "?"), rest);
            is_any = true;
        }
    }
    if (is_any)
        output_line("an administrator gives a host jobs again at once with gwhost --undrain");
}

void host_print_table(const json_t *hosts, bool has_header)
{
    static const struct table_column columns[] = {
        {"HID", 3, true},       {"PRI", 3, true},        {"OS", 15, false},
        {"ARCH", 6, false},     {"MHZ", 4, true},        {"%CPU", 4, true},
        {"MEM(F/T)", 11, true}, {"DISK(F/T)", 13, true}, {"NODES(U/F/T)", 13, true},
        {"LRMS", 18, false},    {"HOSTNAME", 30, false}, {"STATE", 7, false}};
    struct table *t = table_create(columns, GW_COUNT(columns), has_header);
    bool needs_credential = false;
    size_t i;
    json_t *host;
    json_array_foreach(hosts, i, host)
    {
        const json_t *attrs = gw_object(host, "attributes");
        table_row(t);
        table_putf(t, "%" PRId64, gw_int(host, "id", 0));
        cell(t, host, "priority", "", NULL);
        cell(t, attrs, "OS_NAME", " ", gw_is_null(attrs, "OS_VERSION") ? NULL : "OS_VERSION");
        cell(t, attrs, "ARCH", "", NULL);
        cell(t, attrs, "CPU_MHZ", "", NULL);
        cell(t, attrs, "CPU_FREE", "", NULL);
        size_cell(t, attrs, "FREE_MEM_MB", "SIZE_MEM_MB");
        size_cell(t, attrs, "FREE_DISK_MB", "SIZE_DISK_MB");
        nodes_cell(t, host);
        cell(t, attrs, "LRMS_NAME", "", NULL);
        table_put(t, gw_text(host, "name", NULL));
        table_put(t, rests(host) ? "rests" : gw_text(host, "state", NULL));
        needs_credential |= gw_bool(host, "needs_credential", false);
    }
    table_print_destroy(t);
    if (has_header)
        print_rests(hosts);
    if (needs_credential && has_header)
        owner_print_credential();
}

void host_print_queues(const json_t *host, bool has_header)
{
    static const struct table_column columns[] = {
        {"QUEUENAME", 20, false}, {"SL(F/T)", 7, true},   {"WALLT", 5, true}, {"CPUT", 5, true},
        {"COUNT", 5, true},       {"MAXR", 5, true},      {"MAXQ", 5, true},  {"STATUS", 10, false},
        {"DISPATCH", 10, false},  {"PRIORITY", 10, false}};
    static const char *const names[] = {"max_time", "max_cpu_time", "max_count", "max_running",
                                        "max_jobs", "status",       "dispatch",  "priority"};
    struct table *t = table_create(columns, GW_COUNT(columns), has_header);
    size_t i;
    json_t *q;
    json_array_foreach(gw_array(host, "queues"), i, q)
    {
        table_row(t);
        table_put(t, gw_text(q, "name", NULL));
        table_putf(t, "%" PRId64 "/%" PRId64, gw_int(q, "free", 0), gw_int(q, "nodes", 0));
        for (size_t k = 0; k < GW_COUNT(names); k++)
            cell(t, q, names[k], "", NULL);
    }
    table_print_destroy(t);
}

struct place {
    const json_t *host, *queue;
    size_t order;
};

/* Best first, as the scheduler would try them. */
static int by_rank(const void *a, const void *b)
{
    const struct place *x = a, *y = b;
    double rx = gw_number(x->queue, "rank", 0), ry = gw_number(y->queue, "rank", 0);
    return rx != ry ? (rx < ry ? 1 : -1) : x->order < y->order ? -1 : 1;
}

void host_print_match(const json_t *hosts, bool has_header)
{
    static const struct table_column columns[] = {{"HID", 3, true},   {"QNAME", 20, false},
                                                  {"RANK", 6, true},  {"PRI", 3, true},
                                                  {"SLOTS", 5, true}, {"HOSTNAME", 30, false}};
    struct table *t = table_create(columns, GW_COUNT(columns), has_header);
    struct place *places = NULL;
    size_t n = 0, i, k;
    json_t *host, *q;
    json_array_foreach(hosts, i, host)
    {
        json_array_foreach(gw_array(host, "queues"), k, q)
        {
            places = xreallocarray(places, n + 1, sizeof *places);
            places[n] = (struct place){host, q, n};
            n++;
        }
    }
    if (n)
        qsort(places, n, sizeof *places, by_rank);
    for (i = 0; i < n; i++) {
        table_row(t);
        table_putf(t, "%" PRId64, gw_int(places[i].host, "id", 0));
        table_put(t, gw_text(places[i].queue, "name", NULL));
        table_putf(t, "%g", gw_number(places[i].queue, "rank", 0));
        cell(t, places[i].host, "priority", "", NULL);
        table_putf(t, "%" PRId64, gw_int(places[i].queue, "slots", 0));
        table_put(t, gw_text(places[i].host, "name", NULL));
    }
    free(places);
    table_print_destroy(t);
}

void host_print_full(const json_t *hosts)
{
    size_t i;
    json_t *host, *value;
    const char *name;
    json_array_foreach(hosts, i, host)
    {
        struct buf why = BUF_INIT;
        reason_words(gw_object(host, "reason"), &why);
        output_line("HOST_ID=%" PRId64, gw_int(host, "id", 0));
        output_line("HOST_STATE=%s", gw_text(host, "state", ""));
        if (why.len)
            output_line("HOST_REASON=%s", buf_str(&why));
        output_line("USED_SLOTS=%" PRId64, gw_int(host, "used_slots", 0));
        output_line("RUNNING_JOBS=%" PRId64, gw_int(host, "running_jobs", 0));
        output_line("INFORMATION_MAD=%s", gw_text(host, "im", ""));
        output_line("TRANSFER_MAD=%s", gw_text(host, "tm", ""));
        output_line("EXECUTION_MAD=%s", gw_text(host, "em", ""));
        output_line("NEEDS_CREDENTIAL=%s", gw_bool(host, "needs_credential", false) ? "yes" : "no");
        json_object_foreach((json_t *)gw_object(host, "attributes"), name, value)
        {
            struct buf text = BUF_INIT;
            put_attr(&text, gw_object(host, "attributes"), name);
            output_line("%s=%s", name, buf_str(&text));
            buf_clear(&text);
        }
        putchar('\n');
        buf_clear(&why);
    }
}

void host_print_drivers(const json_t *status, bool has_header)
{
    static const struct table_column columns[] = {{"KIND", 4, false},
                                                  {"NAME", 15, false},
                                                  {"STATE", 8, false},
                                                  {"PID", 7, true},
                                                  {"REASON", 20, false}};
    struct table *t = table_create(columns, GW_COUNT(columns), has_header);
    size_t i;
    json_t *d;
    json_array_foreach(gw_array(status, "drivers"), i, d)
    {
        int64_t pid = gw_int(d, "pid", 0);
        table_row(t);
        table_put(t, gw_text(d, "kind", NULL));
        table_put(t, gw_text(d, "name", NULL));
        table_put(t, gw_text(d, "state", NULL));
        if (pid > 0)
            table_putf(t, "%" PRId64, pid);
        else
            table_put(t, NULL);
        table_put(t, gw_text(d, "reason", NULL));
    }
    table_print_destroy(t);
    if (gw_text(status, "notice", NULL))
        output_line("%s", gw_text(status, "notice", ""));
    if (gw_bool(status, "paused", false))
        output_line("dispatch is paused; gwhost --resume goes on");
}
