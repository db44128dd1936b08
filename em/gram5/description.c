#include "em/gram5/description.h"

#include "lib/mem.h"
#include "spec/rsl.h"

#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

static const char *const path_names[] = {"executable", "stdin", "stdout", "stderr"};

static bool is_ours(const char *name)
{
    static const char *const names[] = {"twophase", "savestate", "restart", "dryrun"};
    for (size_t i = 0; i < GW_COUNT(names); i++)
        if (strcmp(name, names[i]) == 0)
            return true;
    return false;
}

static bool is_path(const char *name)
{
    for (size_t i = 0; i < GW_COUNT(path_names); i++)
        if (strcmp(name, path_names[i]) == 0)
            return true;
    return strcmp(name, "directory") == 0;
}

static void put_quoted(struct buf *out, const char *text)
{
    for (; *text; text++) {
        if (*text == '"')
            buf_putc(out, '"');
        buf_putc(out, *text);
    }
}

/* (name="/path"), or (name=$(HOME)#"/path"): the home is the account's at the site. */
static void put_path(struct buf *out, const char *name, const char *directory, const char *path)
{
    bool is_url = strstr(path, "://") != NULL;
    bool is_inside = !is_url && path[0] != '/' && directory;
    bool is_absolute = is_url || (is_inside ? directory : path)[0] == '/';
    buf_printf(out, "(%s=%s\"%s", name, is_absolute ? "" : "$(HOME)#", is_absolute ? "" : "/");
    if (is_inside) {
        put_quoted(out, directory);
        buf_putc(out, '/');
    }
    put_quoted(out, path);
    buf_puts(out, "\")");
}

static void put_paths(struct buf *out, const struct rsl *r)
{
    const char *directory = rsl_get(r, "directory");
    if (directory)
        put_path(out, "directory", NULL, directory);
    for (size_t i = 0; i < GW_COUNT(path_names); i++)
        if (rsl_get(r, path_names[i]))
            put_path(out, path_names[i], directory, rsl_get(r, path_names[i]));
}

/* The relations that go as they are. They are lent. */
static struct rsl others(const struct rsl *r)
{
    struct rsl plain = {.items = xcalloc(r->n + 1, sizeof *r->items)};
    for (size_t i = 0; i < r->n; i++)
        if (!is_path(r->items[i].name))
            plain.items[plain.n++] = r->items[i];
    return plain;
}

static int check(const struct rsl *r, struct gw_err *err)
{
    for (size_t i = 0; i < r->n; i++) {
        if (is_ours(r->items[i].name))
            return gw_err_set(err, GW_EINVAL, "the job description has %s, which the driver sets",
                              r->items[i].name);
        if (is_path(r->items[i].name) && r->items[i].n != 1)
            return gw_err_set(err, GW_EINVAL,
                              "%s of the job description has %zu values, expected 1",
                              r->items[i].name, r->items[i].n);
    }
    if (!rsl_get(r, "executable"))
        return gw_err_set(err, GW_EINVAL, "the job description has no executable");
    return 0;
}

int description_for_gram(const char *text, size_t len, struct buf *ret_rsl, struct gw_err *err)
{
    struct rsl r = {0};
    int code = rsl_decode(text, len, &r, err);
    if (code == 0)
        code = check(&r, err);
    if (code == 0) {
        struct rsl plain = others(&r);
        rsl_encode(&plain, ret_rsl);
        free(plain.items);
        put_paths(ret_rsl, &r);
        buf_printf(ret_rsl, "(two_phase=%d)(save_state=yes)", DESCRIPTION_HOLD_S);
    }
    rsl_clear(&r);
    return code;
}

void description_of_restart(const char *contact, struct buf *ret_rsl)
{
    /* Nothing else: two_phase is inherited, and naming it again is an error (140). */
    buf_puts(ret_rsl, "&(restart=\"");
    put_quoted(ret_rsl, contact);
    buf_puts(ret_rsl, "\")");
}
