/* gw_im_glue: hosts as sites publish them in GLUE 1.3 and GLUE 2 over LDAP (docs/glue.md).
 *
 * Each server is searched once per interval for all its hosts; DISCOVER and MONITOR are answered
 * from the last search, or wait for the first. To a daemon that is not GridWay's, what changed is
 * told of itself. A server that fails takes its hosts with it, no others, and is asked again. What
 * it says of hosts outside of its realm (im/glue/realm.h) is not heard. */
#include "drivers/kit.h"
#include "im/glue/fetch.h"
#include "im/glue/known.h"
#include "im/glue/options.h"
#include "lib/file.h"
#include "lib/log.h"
#include "lib/mem.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sysexits.h>
#include <utlist.h>

enum {
    LIST_MAX_BYTES = 1 << 20,
    RETRY_MAX_S = 10,
    NAMES_MAX_BYTES = 60000, /* of one DISCOVER answer */
};

struct im;

struct server {
    struct im *im;
    struct target target;
    unsigned rank; /* of two that publish a host the lower is believed */
    struct fetch *fetch;
    struct loop_timer *timer;
    unsigned long round;
    bool has_answered, is_listed;
    char *mistake; /* of the last search, or NULL */
    char *remark;  /* on the last one that succeeded, or NULL: hosts that were left out */
    struct server *prev, *next;
};

struct im {
    struct kit *kit;
    struct options options;
    struct server *servers;
    unsigned next_rank;
    struct known *hosts;
    bool is_discovering; /* DISCOVER was not answered yet */
    char *told;          /* the complaint that DISCOVER's answer ended with; NULL: none yet */
    char *list;          /* its text when it was read last, or NULL */
    char *list_mistake;
};

static void search_later(struct server *s, uint64_t after_ms);

static bool is_first_pending(const struct im *im)
{
    for (const struct server *s = im->servers; s; s = s->next)
        if (!s->has_answered)
            return true;
    return false;
}

/* Why hosts may be missing: "", or what is to be told of it first. */
static const char *find_complaint(const struct im *im)
{
    for (const struct server *s = im->servers; s; s = s->next)
        if (s->mistake)
            return s->mistake;
    if (im->list_mistake)
        return im->list_mistake;
    for (const struct server *s = im->servers; s; s = s->next)
        if (s->remark)
            return s->remark;
    return "";
}

/* In as many lines as it takes. Returns how many hosts were named. */
static size_t tell_names(struct im *im, bool only_new)
{
    struct buf names = BUF_INIT;
    struct known *k, *tmp;
    size_t n = 0;
    HASH_ITER (hh, im->hosts, k, tmp) {
        if (!k->by || (only_new && !k->is_new))
            continue;
        n++;
        k->is_new = false;
        buf_printf(&names, "%s%s", names.len ? " " : "", k->name);
        if (names.len < NAMES_MAX_BYTES)
            continue;
        kit_succeed(im->kit, "DISCOVER", "-", NULL, "%s", buf_str(&names));
        buf_reset(&names);
    }
    if (names.len)
        kit_succeed(im->kit, "DISCOVER", "-", NULL, "%s", buf_str(&names));
    buf_clear(&names);
    return n;
}

/* Hosts that were told stay known. So a daemon that is not GridWay's hears of new ones only where
 * there is a complaint as well: gwd shows the one that came last, and logs it when it changes. */
static void answer_discover(struct im *im)
{
    const char *complaint = find_complaint(im);
    bool is_told = *complaint && kit_is_extended(im->kit);
    size_t n = tell_names(im, is_told);
    if (is_told || (*complaint && n == 0))
        kit_fail(im->kit, "DISCOVER", "-", NULL, "unreachable:site", "%s", complaint);
    else if (n == 0)
        kit_succeed(im->kit, "DISCOVER", "-", NULL, "%s", "");
    im->is_discovering = false;
    free(im->told);
    im->told = xstrdup(complaint);
}

static void answer_monitor(struct im *im, struct known *k)
{
    if (k->by && !k->mistake)
        kit_succeed(im->kit, "MONITOR", k->handle, NULL, "%s", k->attributes);
    else
        kit_fail(im->kit, "MONITOR", k->handle, NULL, k->by ? k->reason : "unreachable:site",
                 "%s%s", k->by ? k->mistake : k->name,
                 k->by ? "" : " is published by none of the servers");
    k->is_waiting = k->is_changed = false;
}

/* After a search: what was asked and can be answered now, and what changed. */
static void tell(struct im *im, bool is_success)
{
    struct known *k, *tmp;
    bool is_pending = is_first_pending(im);
    bool has_news = strcmp(find_complaint(im), im->told ? im->told : "") != 0;
    HASH_ITER (hh, im->hosts, k, tmp)
        has_news |= k->by && k->is_new;
    if (im->is_discovering ? is_success || !is_pending : has_news && kit_is_extended(im->kit))
        answer_discover(im);
    HASH_ITER (hh, im->hosts, k, tmp)
        if (k->is_waiting ? k->by || !is_pending
                          : k->handle && k->is_changed && kit_is_extended(im->kit))
            answer_monitor(im, k);
}

static void publish(struct server *s, const char *name, const char *attributes)
{
    struct known *k = known_add(&s->im->hosts, name);
    if (!k || (k->by && k->by != s && !k->mistake && k->by->rank < s->rank))
        return;
    k->is_new |= !k->by;
    k->by = s;
    k->seen = s->round;
    known_publish(k, attributes);
}

/* A record of it that cannot be used. What another server says of the host stays. */
static void refuse(struct server *s, const char *name, const char *why)
{
    struct known *k = known_add(&s->im->hosts, name);
    if (!k || (k->by && k->by != s && (!k->mistake || k->by->rank < s->rank)))
        return;
    if (!k->mistake || strcmp(k->mistake, why) != 0)
        log_warn("%s: %s", name, why);
    k->is_new |= !k->by;
    k->by = s;
    k->seen = s->round;
    known_fail(k, "bad-sample:site", why);
}

static void take_remark(struct server *s, const char *remark)
{
    if (remark && (!s->remark || strcmp(remark, s->remark) != 0))
        log_warn("%s", remark);
    free(s->remark);
    s->remark = xstrdup(remark);
}

static void take_result(struct server *s, const char *text, size_t len)
{
    char *copy = xmemdup0(text, len), *save;
    const char *remark = NULL;
    for (char *line = strtok_r(copy, "\n", &save); line; line = strtok_r(NULL, "\n", &save)) {
        char *blank = strchr(line, ' ');
        if (!blank)
            continue;
        *blank = '\0';
        if (strcmp(line, "!") == 0)
            remark = blank + 1;
        else if (line[0] == '!')
            refuse(s, line + 1, blank + 1);
        else
            publish(s, line, blank + 1);
    }
    take_remark(s, remark);
    free(copy);
    char *gone = xasprintf("%s no longer publishes it", s->target.url);
    struct known *k, *tmp;
    HASH_ITER (hh, s->im->hosts, k, tmp)
        if (k->by == s && k->seen != s->round)
            known_fail(k, "unreachable:site", gone);
    free(gone);
}

static void take_failure(struct server *s, const char *why)
{
    struct known *k, *tmp;
    if (!s->mistake)
        log_warn("%s", why);
    free(s->mistake);
    s->mistake = xstrdup(why);
    HASH_ITER (hh, s->im->hosts, k, tmp)
        if (k->by == s)
            known_fail(k, "unreachable:site", why);
}

static void on_fetched(void *ctx, bool is_good, const char *text, size_t len)
{
    struct server *s = ctx;
    unsigned wait_s = s->im->options.interval_s;
    s->fetch = NULL;
    s->has_answered = true;
    if (is_good) {
        if (s->mistake)
            log_info("%s answers again", s->target.url);
        free(s->mistake);
        s->mistake = NULL;
        take_result(s, text, len);
    } else {
        take_failure(s, text);
        wait_s = wait_s < RETRY_MAX_S ? wait_s : RETRY_MAX_S;
    }
    search_later(s, wait_s * UINT64_C(1000));
    tell(s->im, is_good);
}

static void search(void *ctx)
{
    struct server *s = ctx;
    s->timer = NULL;
    s->round++;
    s->fetch = fetch_start(kit_loop(s->im->kit), &s->im->options, &s->target, on_fetched, s);
    if (!s->fetch) {
        char *why = xasprintf("%s: no process for the search: %s", s->target.url, strerror(errno));
        on_fetched(s, false, why, strlen(why));
        free(why);
    }
}

static void search_later(struct server *s, uint64_t after_ms)
{
    s->timer = loop_timer_add(kit_loop(s->im->kit), after_ms, search, s);
}

static void server_remove(struct server *s)
{
    struct known *k, *tmp;
    fetch_stop(s->fetch);
    loop_timer_cancel(kit_loop(s->im->kit), s->timer);
    char *gone = xasprintf("%s is no longer in the list of servers", s->target.url);
    HASH_ITER (hh, s->im->hosts, k, tmp)
        if (k->by == s) {
            known_fail(k, "unreachable:site", gone);
            k->by = NULL;
        }
    free(gone);
    DL_DELETE(s->im->servers, s);
    struct targets one = {.items = xmalloc(sizeof s->target), .n = 1};
    one.items[0] = s->target;
    targets_clear(&one);
    free(s->mistake);
    free(s->remark);
    free(s);
}

/* The target is the server's now. */
static void server_add(struct im *im, struct target t, bool is_listed)
{
    struct server *s = xcalloc(1, sizeof *s);
    *s = (struct server){.im = im, .target = t, .rank = im->next_rank++, .is_listed = is_listed};
    DL_APPEND(im->servers, s);
    search_later(s, 0);
}

static bool is_same(const struct target *a, const struct target *b)
{
    if (strcmp(a->url, b->url) != 0 || strcmp(a->realm, b->realm) != 0 || a->n_bases != b->n_bases)
        return false;
    for (size_t i = 0; i < a->n_bases; i++)
        if (strcmp(a->bases[i], b->bases[i]) != 0)
            return false;
    return true;
}

static void report(const char *message)
{
    log_error("%s", message);
}

/* Servers that stay keep what is known of them. */
static void take_list(struct im *im, const char *text, size_t len)
{
    struct targets now = {0};
    struct server *s, *tmp;
    options_list(&im->options, text, len, im->options.list, &now, report);
    DL_FOREACH_SAFE(im->servers, s, tmp)
    {
        bool stays = !s->is_listed;
        for (size_t i = 0; i < now.n && !stays; i++)
            stays = is_same(&s->target, &now.items[i]);
        if (!stays)
            server_remove(s);
    }
    for (size_t i = 0; i < now.n; i++) {
        bool is_there = false;
        DL_FOREACH (im->servers, s)
            is_there |= is_same(&s->target, &now.items[i]);
        if (is_there)
            continue;
        server_add(im, now.items[i], true);
        now.items[i] = now.items[--now.n];
        i--;
    }
    targets_clear(&now);
}

/* Read each interval: a list changes rarely, and no more often than what its servers say. */
static void read_list(void *ctx)
{
    struct im *im = ctx;
    struct buf text = BUF_INIT;
    struct gw_err err;
    free(im->list_mistake);
    im->list_mistake = NULL;
    if (file_read(im->options.list, LIST_MAX_BYTES, &text, &err) < 0) {
        im->list_mistake = xstrdup(err.text);
        log_error("%s", err.text);
    } else if (!im->list || strcmp(im->list, buf_str(&text)) != 0) {
        free(im->list);
        im->list = xstrdup(buf_str(&text));
        take_list(im, buf_str(&text), text.len);
        tell(im, false);
    }
    buf_clear(&text);
    loop_timer_add(kit_loop(im->kit), im->options.interval_s * UINT64_C(1000), read_list, im);
}

static void discover(struct kit *k, const struct fields *f, void *ctx)
{
    (void)k;
    (void)f;
    struct im *im = ctx;
    bool has_success = false;
    for (const struct server *s = im->servers; s; s = s->next)
        has_success |= s->has_answered && !s->mistake;
    im->is_discovering = true;
    if (has_success || !is_first_pending(im))
        answer_discover(im);
}

static void monitor(struct kit *k, const struct fields *f, void *ctx)
{
    struct im *im = ctx;
    struct known *h = known_add(&im->hosts, f->field[2]);
    if (!h) {
        kit_fail(k, "MONITOR", f->field[1], NULL, "internal:us", "more than %d hosts", KNOWN_MAX);
        return;
    }
    free(h->handle);
    h->handle = xstrdup(f->field[1]);
    h->is_waiting = true;
    if (h->by || !is_first_pending(im))
        answer_monitor(im, h);
}

static void clear(struct im *im)
{
    while (im->servers)
        server_remove(im->servers);
    known_clear(&im->hosts);
    options_clear(&im->options);
    free(im->told);
    free(im->list);
    free(im->list_mistake);
}

static void start(struct im *im)
{
    for (size_t i = 0; i < im->options.given.n; i++)
        server_add(im, im->options.given.items[i], false);
    im->options.given.n = 0; /* theirs now */
    if (im->options.list)
        read_list(im);
}

int main(int argc, char **argv)
{
    static const struct kit_verb verbs[] = {{"DISCOVER", 0, discover}, {"MONITOR", 0, monitor}};
    struct im im = {0};
    const struct kit_driver driver = {
        .name = "im_glue",
        .kind = KIT_IM,
        .features = KIT_PCT | KIT_BLAME,
        .verbs = verbs,
        .n_verbs = GW_COUNT(verbs),
        .ctx = &im,
    };
    struct gw_err err;
    im.kit = kit_create(&driver);
    kit_arguments(&argc, &argv);
    int code = EX_USAGE;
    if (options_read(&im.options, argc, argv, &err) < 0) {
        log_error("%s", err.text);
    } else if (im.options.is_asked) {
        code = 0;
    } else {
        start(&im);
        code = kit_run(im.kit);
    }
    clear(&im);
    kit_destroy(im.kit);
    return code;
}
