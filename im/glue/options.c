#include "im/glue/options.h"

#include "im/attributes.h"
#include "im/glue/realm.h"
#include "lib/buf.h"
#include "lib/mem.h"
#include "lib/num.h"

#include <getopt.h>
#include <ldap.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

enum { BDII_PORT = 2170 };

static const char blanks[] = " \t\r";

static const char usage[] =
    "usage: gw_im_glue -s SERVER [-a HOSTS]... ... | -l LIST [-b BASE]... [-f HOSTS]\n"
    "                  [-q QUEUES] [-i SECONDS] [-t SECONDS] [-p PORT]\n"
    "Information driver of gwd: hosts from GLUE 1.3 and GLUE 2 in LDAP (docs/glue.md).\n"
    "  -s, --server=SERVER     ldap://HOST[:PORT][/BASE], or HOST\n"
    "  -a, --allow=HOSTS       a pattern of hosts of which the server before it may speak, and\n"
    "                          where it may have files sent; its own domain if none is given\n"
    "  -l, --list=FILE         a file of servers, one a line, patterns as for -a behind it\n"
    "  -b, --base=BASE         where in the tree; o=grid and o=glue if none is given\n"
    "  -f, --hosts=FILTER      a pattern of host names, or LDAP filters\n"
    "  -q, --queues=FILTER     a pattern of queue names, or LDAP filters\n"
    "  -i, --interval=SECONDS  between two searches (60)\n"
    "  -t, --timeout=SECONDS   of a search (30)\n"
    "  -p, --port=PORT         of servers given as HOST (2170)\n";

static void put_base(struct target *t, const char *base)
{
    t->bases = xreallocarray(t->bases, t->n_bases + 1, sizeof *t->bases);
    t->bases[t->n_bases++] = xstrdup(base);
}

static void put_bases(const struct options *o, const char *own, struct target *t)
{
    if (own && *own) {
        put_base(t, own);
        return;
    }
    for (size_t i = 0; i < o->n_bases; i++)
        put_base(t, o->bases[i]);
    if (!o->n_bases) {
        put_base(t, "o=grid");
        put_base(t, "o=glue");
    }
}

static int target_of_url(const struct options *o, const char *text, struct target *ret,
                         struct gw_err *err)
{
    LDAPURLDesc *u = NULL;
    int r = ldap_url_parse(text, &u) == LDAP_URL_SUCCESS ? 0 : -GW_EINVAL;
    if (r == 0 && (!u->lud_host || !*u->lud_host ||
                   (strcasecmp(u->lud_scheme, "ldap") && strcasecmp(u->lud_scheme, "ldaps"))))
        r = -GW_EINVAL;
    if (r < 0)
        gw_err_set(err, GW_EINVAL,
                   "\"%.200s\" is not of the form ldap://HOST[:PORT][/BASE] (or ldaps)", text);
    if (r == 0) {
        bool is_v6 = strchr(u->lud_host, ':') != NULL;
        *ret = (struct target){.url = xasprintf("%s://%s%s%s:%d", u->lud_scheme, is_v6 ? "[" : "",
                                                u->lud_host, is_v6 ? "]" : "", u->lud_port),
                               .realm = realm_of_server(u->lud_host)};
        put_bases(o, u->lud_dn, ret);
    }
    ldap_free_urldesc(u);
    return r;
}

static int target_parse(const struct options *o, const char *text, struct target *ret,
                        struct gw_err *err)
{
    if (strstr(text, "://"))
        return target_of_url(o, text, ret, err);
    size_t host = strcspn(text, ":");
    char *name = xstrndup(text, host);
    uint64_t port = o->port;
    bool is_good = attributes_is_host_name(name) &&
                   (!text[host] || num_parse_u64(text + host + 1, 1, 65535, &port, NULL) == 0);
    if (is_good) {
        *ret = (struct target){.url = xasprintf("ldap://%s:%u", name, (unsigned)port),
                               .realm = realm_of_server(name)};
        put_bases(o, NULL, ret);
    }
    free(name);
    return is_good ? 0
                   : gw_err_set(err, GW_EINVAL, "\"%.200s\" is neither an LDAP URL nor HOST[:PORT]",
                                text);
}

static void target_clear(struct target *t)
{
    for (size_t i = 0; i < t->n_bases; i++)
        free(t->bases[i]);
    free(t->bases);
    free(t->url);
    free(t->realm);
}

void targets_clear(struct targets *t)
{
    for (size_t i = 0; i < t->n; i++)
        target_clear(&t->items[i]);
    free(t->items);
    *t = (struct targets){0};
}

/* Patterns with blanks between them take the place of the server's own domain. */
static int put_realm(struct target *t, const char *patterns, struct gw_err *err)
{
    char *words = glue_small(patterns), *save;
    struct buf realm = BUF_INIT;
    int r = 0;
    for (char *p = strtok_r(words, blanks, &save); p && r == 0; p = strtok_r(NULL, blanks, &save))
        if (realm_is_pattern(p))
            buf_printf(&realm, "%s%s", realm.len ? " " : "", p);
        else
            r = gw_err_set(err, GW_EINVAL, "%s: \"%.200s\" behind it is no pattern of host names",
                           t->url, p);
    if (r == 0 && realm.len) {
        free(t->realm);
        t->realm = buf_take(&realm);
    }
    buf_clear(&realm);
    free(words);
    return r;
}

static int targets_add(const struct options *o, struct targets *l, const char *server,
                       const char *patterns, struct gw_err *err)
{
    struct target t;
    int r = target_parse(o, server, &t, err);
    if (r < 0)
        return r;
    r = put_realm(&t, patterns, err);
    for (size_t i = 0; i < l->n && r == 0; i++)
        if (strcmp(l->items[i].url, t.url) == 0 && strcmp(l->items[i].bases[0], t.bases[0]) == 0)
            r = gw_err_set(err, GW_EEXIST, "%s is given twice", t.url);
    if (r == 0 && l->n == TARGETS_MAX)
        r = gw_err_set(err, GW_EINVAL, "%s is one server too many, %d are allowed", t.url,
                       TARGETS_MAX);
    if (r < 0) {
        target_clear(&t);
        return r;
    }
    l->items = xreallocarray(l->items, l->n + 1, sizeof *l->items);
    l->items[l->n++] = t;
    return 0;
}

void options_list(const struct options *o, const char *text, size_t len, const char *path,
                  struct targets *ret, void (*report)(const char *message))
{
    const char *end = text + len;
    unsigned number = 0;
    for (const char *p = text; p < end;) {
        const char *newline = memchr(p, '\n', (size_t)(end - p));
        size_t n = (size_t)((newline ? newline : end) - p);
        char *line = xmemdup0(p, n), *server = line + strspn(line, blanks);
        char *patterns = server + strcspn(server, blanks);
        struct gw_err err;
        p += n + (newline != NULL);
        number++;
        if (*patterns)
            *patterns++ = '\0';
        if (*server && *server != '#' && targets_add(o, ret, server, patterns, &err) < 0) {
            char *message = xasprintf("%s:%u: %s", path, number, err.text);
            report(message);
            free(message);
        }
        free(line);
    }
}

/* Filters side by side, each whole: nothing in them closes what we put around them. */
static bool is_filters(const char *text)
{
    int depth = 0;
    for (const char *p = text; *p; p++) {
        if (*p == '\\' && !p[1])
            return false;
        if (*p == '\\')
            p++;
        else if (*p == '(')
            depth++;
        else if (*p == ')' && --depth < 0)
            return false;
        else if (depth == 0 && *p != ')')
            return false;
    }
    return depth == 0 && *text;
}

/* GridWay's examples write a colon as "\:", which LDAP does not know. */
static void put_filter(struct buf *out, const char *text)
{
    for (; *text; text++)
        if (!(text[0] == '\\' && text[1] == ':'))
            buf_putc(out, *text);
}

static void put_class(struct buf *out, enum glue_class class, const char *first, const char *second)
{
    bool has_more = *first || *second;
    buf_printf(out, "%s(objectClass=%s)", has_more ? "(&" : "", entry_classes[class]);
    put_filter(out, first);
    put_filter(out, second);
    buf_puts(out, has_more ? ")" : "");
}

/* One search for all that is read. LDAP filters are about one of the two GLUEs, and leave the other
 * out. */
static char *search_filter(const char *hosts, const char *queues)
{
    bool has_any = *hosts || *queues,
         is_glue2 = strcasestr(hosts, "(GLUE2") || strcasestr(queues, "(GLUE2");
    struct buf out = BUF_INIT;
    buf_puts(&out, "(|");
    if (!has_any || !is_glue2) {
        put_class(&out, GLUE1_CE, hosts, queues);
        put_class(&out, GLUE1_SUBCLUSTER, "", "");
    }
    if (!has_any || is_glue2) {
        put_class(&out, GLUE2_ENDPOINT, hosts, "");
        put_class(&out, GLUE2_SHARE, queues, "");
        for (int class = GLUE2_MANAGER; class < GLUE_CLASSES; class ++)
            put_class(&out, (enum glue_class) class, "", "");
    }
    buf_putc(&out, ')');
    return buf_take(&out);
}

static int set_filters(struct options *o, const char *hosts, const char *queues, struct gw_err *err)
{
    const char *ldap[2] = {"", ""}, *given[2] = {hosts, queues};
    const char **pattern[2] = {&o->wish.host, &o->wish.queue};
    for (int i = 0; i < 2; i++) {
        if (given[i] && given[i][0] != '(')
            *pattern[i] = given[i];
        else if (given[i] && !is_filters(given[i]))
            return gw_err_set(err, GW_EINVAL,
                              "\"%.200s\" is neither a pattern nor (ATTRIBUTE=VALUE)...", given[i]);
        else if (given[i])
            ldap[i] = given[i];
    }
    o->wish.needs_queue = queues != NULL;
    o->filter = search_filter(ldap[0], ldap[1]);
    return 0;
}

static int number(const char *option, const char *text, unsigned most, unsigned *ret,
                  struct gw_err *err)
{
    uint64_t n;
    if (num_parse_u64(text, 1, most, &n, err) < 0)
        return gw_err_context(err, "%s", option);
    *ret = (unsigned)n;
    return 0;
}

static void add_base(struct options *o, const char *base)
{
    o->bases = xreallocarray(o->bases, o->n_bases + 1, sizeof *o->bases);
    o->bases[o->n_bases++] = xstrdup(base);
}

/* What has to wait until all options are known. */
struct given {
    struct {
        const char *server;
        struct buf patterns;
    } servers[TARGETS_MAX];
    size_t n;
    const char *hosts, *queues;
};

static int take_server(struct given *g, const char *server, struct gw_err *err)
{
    if (g->n == TARGETS_MAX)
        return gw_err_set(err, GW_EINVAL, "-s %.200s is one too many, %d are allowed", server,
                          TARGETS_MAX);
    g->servers[g->n].server = server;
    g->servers[g->n++].patterns = BUF_INIT;
    return 0;
}

static int take_pattern(struct given *g, const char *pattern, struct gw_err *err)
{
    if (g->n == 0)
        return gw_err_set(err, GW_EINVAL,
                          "-a %.200s is about the server before it, and there is none", pattern);
    buf_printf(&g->servers[g->n - 1].patterns, "%s ", pattern);
    return 0;
}

static int take_option(struct options *o, struct given *g, int c, struct gw_err *err)
{
    switch (c) {
    case 's':
        return take_server(g, optarg, err);
    case 'a':
        return take_pattern(g, optarg, err);
    case 'l':
        o->list = optarg;
        return 0;
    case 'b':
        add_base(o, optarg);
        return 0;
    case 'f':
        g->hosts = optarg;
        return 0;
    case 'q':
        g->queues = optarg;
        return 0;
    case 'i':
        return number("-i", optarg, 86400, &o->interval_s, err);
    case 't':
        return number("-t", optarg, 600, &o->timeout_s, err);
    case 'p':
        return number("-p", optarg, 65535, &o->port, err);
    default:
        return gw_err_set(err, GW_EINVAL, "gw_im_glue --help says which arguments there are");
    }
}

static int take_options(struct options *o, struct given *g, int argc, char **argv,
                        struct gw_err *err)
{
    static const struct option options[] = {
        {"server", required_argument, NULL, 's'},   {"allow", required_argument, NULL, 'a'},
        {"list", required_argument, NULL, 'l'},     {"base", required_argument, NULL, 'b'},
        {"hosts", required_argument, NULL, 'f'},    {"queues", required_argument, NULL, 'q'},
        {"interval", required_argument, NULL, 'i'}, {"timeout", required_argument, NULL, 't'},
        {"port", required_argument, NULL, 'p'},     {"help", no_argument, NULL, 'h'},
        {"version", no_argument, NULL, 'V'},        {0}};
    int c, r = 0;
    while (r == 0 && (c = getopt_long(argc, argv, "s:a:l:b:f:q:i:t:p:h", options, NULL)) != -1) {
        if (c == 'h' || c == 'V') {
            printf("%s", c == 'h' ? usage : "gw_im_glue " GW_VERSION "\n");
            o->is_asked = true;
            return 0;
        }
        r = take_option(o, g, c, err);
    }
    if (r == 0 && (optind < argc || (!g->n && !o->list)))
        r = gw_err_set(err, GW_EINVAL, "arguments: -s SERVER or -l LIST was expected (--help)");
    return r;
}

int options_read(struct options *o, int argc, char **argv, struct gw_err *err)
{
    struct given g = {0};
    *o = (struct options){.interval_s = 60, .timeout_s = 30, .port = BDII_PORT};
    int r = take_options(o, &g, argc, argv, err);
    for (size_t i = 0; r == 0 && !o->is_asked && i < g.n; i++)
        r = targets_add(o, &o->given, g.servers[i].server, buf_str(&g.servers[i].patterns), err);
    for (size_t i = 0; i < g.n; i++)
        buf_clear(&g.servers[i].patterns);
    return r < 0 || o->is_asked ? r : set_filters(o, g.hosts, g.queues, err);
}

void options_clear(struct options *o)
{
    targets_clear(&o->given);
    for (size_t i = 0; i < o->n_bases; i++)
        free(o->bases[i]);
    free(o->bases);
    free(o->filter);
}
