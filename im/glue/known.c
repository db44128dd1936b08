#include "im/glue/known.h"

#include "im/attributes.h"
#include "lib/mem.h"

#include <stdlib.h>
#include <string.h>

struct known *known_find(struct known *all, const char *name)
{
    struct known *k;
    HASH_FIND_STR(all, name, k);
    return k;
}

struct known *known_add(struct known **all, const char *name)
{
    struct known *k = known_find(*all, name);
    if (k || HASH_COUNT(*all) == KNOWN_MAX)
        return k;
    k = xcalloc(1, sizeof *k);
    k->name = xstrdup(name);
    HASH_ADD_KEYPTR(hh, *all, k->name, strlen(k->name), k);
    return k;
}

void known_publish(struct known *k, const char *attributes)
{
    struct buf line = BUF_INIT;
    buf_puts(&line, attributes);
    if (k->attributes)
        attributes_clear_gone(k->attributes, &line);
    if (k->mistake || !k->attributes || strcmp(k->attributes, buf_str(&line)) != 0)
        k->is_changed = true;
    free(k->mistake);
    k->mistake = NULL;
    free(k->attributes);
    k->attributes = buf_take(&line);
}

void known_fail(struct known *k, const char *reason, const char *mistake)
{
    k->reason = reason;
    if (!k->mistake || strcmp(k->mistake, mistake) != 0)
        k->is_changed = true;
    free(k->mistake);
    k->mistake = xstrdup(mistake);
}

void known_clear(struct known **all)
{
    struct known *k, *tmp;
    HASH_ITER (hh, *all, k, tmp) {
        HASH_DEL(*all, k);
        free(k->name);
        free(k->attributes);
        free(k->mistake);
        free(k->handle);
        free(k);
    }
}
