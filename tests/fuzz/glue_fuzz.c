/* What an LDAP server publishes: whatever it says of its sites becomes lines that gwd takes as they
 * are, of hosts that may be called hosts. The input has lines "class", each with lines
 * "attribute=value" behind it.
 *
 * fuzz: max_len=2048 */
#include "gwd/model/host.h"
#include "im/attributes.h"
#include "im/glue/map.h"
#include "im/glue/realm.h"
#include "tests/fuzz/fuzz.h"

static void put_line(struct entries *l, const char *line, size_t len)
{
    const char *equals = memchr(line, '=', len);
    if (!equals) {
        if (l->n && !entry_classify(&l->items[l->n - 1]))
            entries_drop_last(l);
        char *dn = xasprintf("entry %04zu", l->n);
        if (entries_add(l, dn, NULL))
            entry_add(l, "objectClass", line, len);
        free(dn);
        return;
    }
    char *name = xstrndup(line, (size_t)(equals - line));
    if (l->n)
        entry_add(l, name, equals + 1, len - (size_t)(equals + 1 - line));
    free(name);
}

static void check_values(const struct entries *l)
{
    for (size_t i = 0; i < l->n; i++) {
        FUZZ_CHECK(l->items[i].n <= ENTRY_MAX_VALUES);
        for (size_t k = 0; k < l->items[i].n; k++) {
            const char *text = l->items[i].values[k].text;
            FUZZ_CHECK(strlen(text) <= VALUE_MAX_BYTES && fuzz_is_clean(text, strlen(text), ""));
        }
    }
}

static void check_host(const struct glue_host *g)
{
    struct buf line = BUF_INIT, again = BUF_INIT;
    bool is_changed;
    struct gw_err err = {0};
    struct host *h = host_create(1, g->name, "i", "t", "e");
    glue_host_line(g, &line);
    FUZZ_CHECK(attributes_is_host_name(g->name) && line.len <= GLUE_LINE_MAX_BYTES);
    FUZZ_CHECK(attributes_parse(buf_str(&line), line.len, "f", &again, &err) == 0);
    FUZZ_CHECK(strcmp(buf_str(&again), buf_str(&line)) == 0);
    FUZZ_CHECK(host_sample(h, buf_str(&line), &is_changed, &err) == 0);
    const char *lrms = host_text(h, "LRMS_NAME");
    FUZZ_CHECK(!*lrms || glue_is_lrms(lrms));
    host_destroy(h);
    buf_clear(&line);
    buf_clear(&again);
}

/* Of a server with this realm nothing comes that leads out of it. */
static void check_realm(const char *realm, struct glue_host **hosts)
{
    size_t before = HASH_COUNT(*hosts);
    char *first;
    size_t n = realm_apply(realm, hosts, &first);
    FUZZ_CHECK(n + HASH_COUNT(*hosts) == before && (n > 0) == (first != NULL));
    FUZZ_CHECK(!first || !realm_has(realm, first));
    free(first);
    for (const struct glue_host *h = *hosts; h; h = h->hh.next) {
        const struct fact *f = facts_find(&h->facts, "STAGE_URL");
        if (!f)
            f = facts_find(&h->facts, "SE_HOSTNAME");
        FUZZ_CHECK(realm_has(realm, h->name));
        char *host = f ? glue_host_of(f->text) : xstrdup(h->name);
        FUZZ_CHECK(host[0] == '[' || attributes_is_host_name(host));
        FUZZ_CHECK((h->leads_out != NULL) == !realm_has(realm, host));
        free(host);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct fuzz_input in = {data, size};
    struct entries l = {0};
    struct glue_host *hosts = NULL;
    size_t len, n = 0;
    static const struct glue_wish wishes[] = {
        {0}, {.host = "*.org", .queue = "[a-m]*", .needs_queue = true}};
    for (char *line; (line = fuzz_part(&in, '\n', &len)); free(line))
        put_line(&l, line, len);
    if (l.n && !entry_classify(&l.items[l.n - 1]))
        entries_drop_last(&l);
    check_values(&l);
    entries_sort(&l);
    glue_map(&l, &wishes[size % 2], &hosts);
    for (const struct glue_host *g = hosts; g; g = g->hh.next, n++)
        check_host(g);
    FUZZ_CHECK(n <= GLUE_HOSTS_MAX);
    check_realm(size % 3 ? "*.org h" : "*", &hosts);
    glue_hosts_clear(&hosts);
    entries_clear(&l);
    return 0;
}
