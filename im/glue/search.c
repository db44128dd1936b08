#include "im/glue/search.h"

#include "im/glue/realm.h"
#include "lib/mem.h"
#include "lib/utf8.h"

#include <ldap.h>
#include <stdlib.h>
#include <string.h>
#include <sys/time.h>

enum { MESSAGE_MAX_BYTES = 1 << 20 }; /* of one entry on the wire */

static int failed(LDAP *ld, const struct target *t, const char *base, int code, struct gw_err *err)
{
    char *text = NULL;
    if (ld)
        ldap_get_option(ld, LDAP_OPT_DIAGNOSTIC_MESSAGE, &text);
    char *more = xstrdup(text && *text ? text : "");
    utf8_clean(more);
    if (code == LDAP_SIZELIMIT_EXCEEDED)
        gw_err_set(err, GW_ENOSPC,
                   "%s: it sends a part only of what is under %s (its sizelimit); a narrower base "
                   "(-b) or filter (-q) was expected",
                   t->url, base);
    else
        gw_err_set(err, GW_EUNAVAIL, "%s: %s%s%.200s", t->url, ldap_err2string(code),
                   *more ? ": " : "", more);
    free(more);
    ldap_memfree(text);
    return -err->code;
}

static LDAP *connect_to(const struct options *o, const struct target *t, struct gw_err *err)
{
    LDAP *ld = NULL;
    Sockbuf *sb = NULL;
    ber_len_t most = MESSAGE_MAX_BYTES;
    struct timeval wait = {.tv_sec = o->timeout_s};
    int r = ldap_initialize(&ld, t->url);
    if (r != LDAP_SUCCESS) {
        failed(NULL, t, "", r, err);
        return NULL;
    }
    ldap_set_option(ld, LDAP_OPT_PROTOCOL_VERSION, &(int){LDAP_VERSION3});
    ldap_set_option(ld, LDAP_OPT_REFERRALS, LDAP_OPT_OFF);
    ldap_set_option(ld, LDAP_OPT_DEREF, &(int){LDAP_DEREF_NEVER});
    ldap_set_option(ld, LDAP_OPT_NETWORK_TIMEOUT, &wait);
    ldap_set_option(ld, LDAP_OPT_TIMEOUT, &wait);
    if (ldap_get_option(ld, LDAP_OPT_SOCKBUF, &sb) == LDAP_OPT_SUCCESS && sb)
        ber_sockbuf_ctrl(sb, LBER_SB_OPT_SET_MAX_INCOMING, &most);
    return ld;
}

static void take_values(LDAP *ld, LDAPMessage *m, struct entries *l)
{
    BerElement *ber = NULL;
    for (char *name = ldap_first_attribute(ld, m, &ber); name;
         name = ldap_next_attribute(ld, m, ber)) {
        struct berval **values = ldap_get_values_len(ld, m, name);
        for (size_t i = 0; values && values[i]; i++)
            if (!memchr(values[i]->bv_val, '\0', values[i]->bv_len))
                entry_add(l, name, values[i]->bv_val, values[i]->bv_len);
        ldap_value_free_len(values);
        ldap_memfree(name);
    }
    ber_free(ber, 0);
}

static int take_entry(LDAP *ld, LDAPMessage *m, struct entries *l, struct gw_err *err)
{
    char *dn = ldap_get_dn(ld, m);
    struct entry *e = entries_add(l, dn ? dn : "", err);
    ldap_memfree(dn);
    if (!e)
        return -err->code;
    take_values(ld, m, l);
    if (!entry_classify(e))
        entries_drop_last(l);
    return 0;
}

/* Until the end of the search, which has a result code of its own. */
static int take_messages(const struct options *o, const struct target *t, LDAP *ld, int id,
                         struct entries *l, int *ret_code, struct gw_err *err)
{
    for (;;) {
        struct timeval wait = {.tv_sec = o->timeout_s};
        LDAPMessage *m = NULL;
        int code = LDAP_SUCCESS, type = ldap_result(ld, id, LDAP_MSG_ONE, &wait, &m), r = 0;
        if (type == 0)
            return gw_err_set(err, GW_ETIMEDOUT, "%s: no answer in %u s", t->url, o->timeout_s);
        if (type < 0) {
            ldap_get_option(ld, LDAP_OPT_RESULT_CODE, &code);
            return failed(ld, t, "", code == LDAP_SUCCESS ? LDAP_SERVER_DOWN : code, err);
        }
        if (type == LDAP_RES_SEARCH_ENTRY)
            r = take_entry(ld, m, l, err);
        else if (type == LDAP_RES_SEARCH_RESULT)
            ldap_parse_result(ld, m, &code, NULL, NULL, NULL, NULL, 0);
        ldap_msgfree(m); /* references to other servers are passed over */
        if (r < 0)
            return gw_err_context(err, "%s", t->url);
        if (type == LDAP_RES_SEARCH_RESULT) {
            *ret_code = code;
            return 0;
        }
    }
}

/* Everything under the bases. One that the server does not have is no error, unless it has none. */
static int take_bases(const struct options *o, const struct target *t, LDAP *ld, struct entries *l,
                      struct gw_err *err)
{
    bool has_any = false;
    for (size_t i = 0; i < t->n_bases; i++) {
        int id, code = ldap_search_ext(ld, t->bases[i], LDAP_SCOPE_SUBTREE, o->filter,
                                       (char **)entry_attributes, 0, NULL, NULL, NULL,
                                       ENTRIES_MAX + 1, &id);
        if (code == LDAP_SUCCESS && take_messages(o, t, ld, id, l, &code, err) < 0)
            return -err->code;
        if (code != LDAP_SUCCESS && code != LDAP_NO_SUCH_OBJECT)
            return failed(ld, t, t->bases[i], code, err);
        has_any |= code == LDAP_SUCCESS;
    }
    if (!has_any)
        return gw_err_set(err, GW_ENOENT, "%s: it has no %s%s%s", t->url, t->bases[0],
                          t->n_bases > 1 ? " and no " : "", t->n_bases > 1 ? t->bases[1] : "");
    return 0;
}

#define ALLOWED "-a PATTERN behind the server allows it (docs/glue.md)"

static void put_host(const struct target *t, const struct glue_host *h, struct buf *out)
{
    const struct fact *f = h->leads_out;
    struct buf line = BUF_INIT;
    glue_host_line(h, &line);
    if (f)
        buf_printf(out, "!%s %s publishes %s=%s of it, outside of \"%.300s\"; " ALLOWED "\n",
                   h->name, t->url, f->name, f->text, t->realm);
    else
        buf_printf(out, "%s %s\n", h->name, buf_str(&line));
    buf_clear(&line);
}

static void put_hosts(const struct options *o, const struct target *t, struct entries *l,
                      struct buf *out)
{
    struct glue_host *hosts = NULL, *h, *tmp;
    char *first;
    entries_sort(l);
    glue_map(l, &o->wish, &hosts);
    size_t n = realm_apply(t->realm, &hosts, &first);
    if (n)
        buf_printf(out,
                   "! %s publishes %zu host%s, %s for one, outside of \"%.300s\"; " ALLOWED "\n",
                   t->url, n, n > 1 ? "s" : "", first, t->realm);
    free(first);
    HASH_ITER (hh, hosts, h, tmp)
        put_host(t, h, out);
    glue_hosts_clear(&hosts);
}

int search_hosts(const struct options *o, const struct target *t, struct buf *out,
                 struct gw_err *err)
{
    struct entries l = {0};
    LDAP *ld = connect_to(o, t, err);
    int r = ld ? take_bases(o, t, ld, &l, err) : -err->code;
    if (r == 0)
        put_hosts(o, t, &l, out);
    if (ld)
        ldap_unbind_ext(ld, NULL, NULL);
    entries_clear(&l);
    return r;
}
