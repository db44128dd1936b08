#include "tm/gass/partname.h"

#include "gsi/credential.h"
#include "lib/buf.h"
#include "lib/mem.h"
#include "tm/part.h"

#include <limits.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <uthash.h>

struct taken {
    char *text;
    UT_hash_handle hh;
};

static pthread_mutex_t mutex = PTHREAD_MUTEX_INITIALIZER; /* of all */
static struct taken *all;

static void identity(const struct url *to, struct buf *out)
{
    char host[256] = "", dir[PATH_MAX] = "";
    gethostname(host, sizeof host - 1);
    if (!getcwd(dir, sizeof dir))
        dir[0] = '\0';
    buf_printf(out, "%s %s %u %s %s", to->text, host, (unsigned)getuid(), credential_path(), dir);
}

/* The mutex is held. */
static bool take(const char *text)
{
    struct taken *t;
    HASH_FIND_STR(all, text, t);
    if (t)
        return false;
    t = xcalloc(1, sizeof *t);
    t->text = xstrdup(text);
    HASH_ADD_KEYPTR(hh, all, t->text, strlen(t->text), t);
    return true;
}

int partname_take(const struct url *to, struct url *ret, struct gw_err *err)
{
    struct buf id = BUF_INIT;
    bool is_taken = false;
    identity(to, &id);
    char *parent = url_parent(to->path);
    pthread_mutex_lock(&mutex);
    for (int i = 0; i < PARTS_MAX && !is_taken; i++) {
        char *name = part_name(id.data, id.len, i);
        char *path = xasprintf("%s/%s", parent ? parent : "", name);
        struct url part;
        url_with_path(to, path, &part);
        is_taken = take(part.text);
        if (is_taken)
            *ret = part;
        else
            url_clear(&part);
        free(path);
        free(name);
    }
    pthread_mutex_unlock(&mutex);
    free(parent);
    buf_clear(&id);
    return is_taken ? 0 : gw_err_set(err, GW_EUNAVAIL, "%s: too many copies at a time", to->path);
}

void partname_give(struct url *part)
{
    struct taken *t;
    pthread_mutex_lock(&mutex);
    HASH_FIND_STR(all, part->text, t);
    if (t)
        HASH_DEL(all, t);
    pthread_mutex_unlock(&mutex);
    if (t)
        free(t->text);
    free(t);
    url_clear(part);
}
