/* PUT and GET: copies from and to a small file of our own, in a directory of this process. Nobody's
 * but the account's, as the content is. */
#include "lib/file.h"
#include "lib/mem.h"
#include "tm/gass/gass.h"
#include "wire/pct.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { GET_MAX = 16384 }; /* as tm/work.c has it */

static char *own_dir;

static int make_dir(struct gw_err *err)
{
    const char *tmp = getenv("TMPDIR");
    if (own_dir)
        return 0;
    char *dir = xasprintf("%s/gw_gass.XXXXXX", tmp && tmp[0] == '/' ? tmp : "/tmp");
    if (!mkdtemp(dir)) {
        int e = errno;
        gw_err_sys(err, e, "making %s", dir);
        free(dir);
        return -GW_EIO;
    }
    own_dir = dir;
    return 0;
}

static char *file_of(const struct gass_request *g)
{
    const char *url = g->own == OWN_SOURCE ? g->r.from : g->own == OWN_TARGET ? g->r.to : NULL;
    return url ? xstrdup(url + strlen("file://")) : NULL;
}

bool small_begin(struct gass_request *g)
{
    static uint64_t number;
    struct gw_err err;
    bool is_put = strcmp(g->r.verb, "PUT") == 0;
    if (!is_put && strcmp(g->r.verb, "GET") != 0)
        return true;
    g->r.asked = is_put ? "PUT" : "GET";
    if (make_dir(&err) < 0) {
        work_fail(&g->r, "internal:us", &err);
        return false;
    }
    char *url = xasprintf("file://%s/%" PRIu64, own_dir, ++number);
    g->own = is_put ? OWN_SOURCE : OWN_TARGET;
    *(is_put ? &g->r.from : &g->r.to) = url;
    snprintf(g->r.verb, sizeof g->r.verb, "CP");
    if (is_put &&
        file_write(url + strlen("file://"), g->r.content, strlen(g->r.content), 0600, &err) < 0) {
        work_fail(&g->r, "internal:us", &err);
        return false;
    }
    return true;
}

void small_check(struct gass_request *g)
{
    struct gw_err err;
    if (g->own != OWN_TARGET || !g->is_bulk || g->r.reason)
        return;
    g->is_bulk = false;
    gw_err_set(&err, GW_EINVAL, "%s is not a small text", g->r.from);
    work_fail(&g->r, "refused:job", &err);
}

void small_done(struct gass_request *g)
{
    struct buf text = BUF_INIT, out = BUF_INIT;
    struct gw_err err;
    if (g->own != OWN_TARGET || g->r.reason)
        return;
    char *path = file_of(g);
    if (file_read(path, GET_MAX, &text, &err) < 0 || strlen(buf_str(&text)) != text.len) {
        gw_err_set(&err, GW_EINVAL, "%s is not a small text", g->r.from);
        work_fail(&g->r, "refused:job", &err);
    } else {
        pct_encode(&out, buf_str(&text));
        g->r.content = out.len ? buf_take(&out) : xstrdup("-");
    }
    buf_clear(&text);
    free(path);
}

void small_release(const struct gass_request *g)
{
    char *path = file_of(g);
    if (path)
        unlink(path);
    free(path);
}

void small_end(void)
{
    if (own_dir)
        rmdir(own_dir);
    free(own_dir);
    own_dir = NULL;
}
