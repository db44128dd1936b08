#include "im/glue/realm.h"

#include "im/attributes.h"
#include "lib/mem.h"
#include "spec/glob.h"

#include <ctype.h>
#include <stdlib.h>
#include <string.h>

char *realm_of_server(const char *host)
{
    if (!attributes_is_host_name(host))
        return xstrdup("");
    char *name = glue_small(host);
    if (name[strspn(name, "0123456789.")] == '\0')
        return name; /* an address is in no domain */
    const char *dot = strchr(name, '.');
    const char *domain = dot && strchr(dot + 1, '.') ? dot + 1 : name;
    char *realm = xasprintf("%s *.%s", domain, domain);
    free(name);
    return realm;
}

bool realm_is_pattern(const char *word)
{
    for (const char *p = word; *p; p++)
        if (!isalnum((unsigned char)*p) && !strchr("._-*?[]!", *p))
            return false;
    return *word;
}

bool realm_has(const char *realm, const char *host)
{
    char *name = glue_small(host), *words = xstrdup(realm), *save;
    bool has = false;
    for (char *p = strtok_r(words, " ", &save); p && !has; p = strtok_r(NULL, " ", &save))
        has = glob_match(p, name);
    free(words);
    free(name);
    return has;
}

/* What decides where job directories are made (gwd/engine/dispatch.c), if it is not in the realm.
 */
static const struct fact *find_way_out(const char *realm, const struct glue_host *h)
{
    const struct fact *f = facts_find(&h->facts, "STAGE_URL");
    if (!f)
        f = facts_find(&h->facts, "SE_HOSTNAME");
    if (!f)
        return NULL;
    char *host = glue_host_of(f->text);
    bool is_in = realm_has(realm, host);
    free(host);
    return is_in ? NULL : f;
}

size_t realm_apply(const char *realm, struct glue_host **hosts, char **ret_first)
{
    struct glue_host *h, *tmp, *out = NULL;
    HASH_ITER (hh, *hosts, h, tmp) {
        if (realm_has(realm, h->name)) {
            h->leads_out = find_way_out(realm, h);
            continue;
        }
        HASH_DEL(*hosts, h);
        HASH_ADD_KEYPTR(hh, out, h->name, strlen(h->name), h);
    }
    size_t n = HASH_COUNT(out);
    *ret_first = out ? xstrdup(out->name) : NULL;
    glue_hosts_clear(&out);
    return n;
}
