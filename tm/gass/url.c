#include "tm/gass/url.h"

#include "lib/buf.h"
#include "lib/mem.h"
#include "lib/num.h"
#include "lib/utf8.h"

#include <ctype.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

enum { PATH_BYTES_MAX = 4000 };

static const struct row {
    const char *prefix;
    enum url_scheme scheme;
    uint64_t port;
} rows[] = {
    {"file://", URL_FILE, 0},
    {"gsiftp://", URL_GSIFTP, 2811},
    {"https://", URL_HTTPS, 443},
};

static const struct row *row_of(const char *text)
{
    for (size_t i = 0; i < GW_COUNT(rows); i++)
        if (strncasecmp(text, rows[i].prefix, strlen(rows[i].prefix)) == 0)
            return &rows[i];
    return NULL;
}

static bool is_clean(const char *text)
{
    for (size_t left = strlen(text), n; left; text += n, left -= n) {
        n = utf8_length(text, left);
        if (n == 0 || (unsigned char)*text < 0x20 || *text == 0x7f)
            return false;
    }
    return true;
}

/* "host", "host:port", "[address]:port" to "host:port". */
static int parse_host(const char *p, size_t len, uint64_t port, char **ret, const char *url,
                      struct gw_err *err)
{
    char *host = xstrndup(p, len), *end = host[0] == '[' ? strchr(host, ']') : NULL;
    char *colon = strchr(end ? end : host, ':');
    const char *allowed = end ? "0123456789abcdefABCDEF:.[]" : NULL;
    size_t host_len = colon ? (size_t)(colon - host) : len;
    int r = 0;
    if (colon && num_parse_u64(colon + 1, 1, 65535, &port, NULL) < 0)
        r = gw_err_set(err, GW_EINVAL, "\"%s\": \"%s\" is no port", url, colon + 1);
    for (size_t i = 0; r == 0 && i < host_len; i++) {
        host[i] = (char)tolower((unsigned char)host[i]);
        if (allowed ? !strchr(allowed, host[i])
                    : !isalnum((unsigned char)host[i]) && !strchr("-._", host[i]))
            r = gw_err_set(err, GW_EINVAL, "\"%s\" has no valid host name", url);
    }
    if (r == 0 && (host_len == 0 || host_len > 255 || host[0] == '-'))
        r = gw_err_set(err, GW_EINVAL, "\"%s\" has no valid host name", url);
    if (r == 0)
        *ret = xasprintf("%.*s:%u", (int)host_len, host, (unsigned)port);
    free(host);
    return r;
}

/* Without empty names and ".", and never with "..". */
static int parse_path(const char *path, char **ret, const char *url, struct gw_err *err)
{
    struct buf out = BUF_INIT;
    int r = 0;
    while (r == 0 && *path) {
        path += strspn(path, "/");
        size_t len = strcspn(path, "/");
        if (len == 2 && strncmp(path, "..", 2) == 0)
            r = gw_err_set(err, GW_EINVAL, "\"%s\" has \"..\" in its path", url);
        if (len && !(len == 1 && path[0] == '.')) {
            buf_putc(&out, '/');
            buf_put(&out, path, len);
        }
        path += len;
    }
    if (r == 0 && out.len == 0)
        r = gw_err_set(err, GW_EINVAL, "\"%s\" names no file", url);
    if (r == 0 && out.data[1] == '~' && out.data[2] && out.data[2] != '/')
        r = gw_err_set(err, GW_EINVAL, "\"%s\": only /~/, the account's own home, is served", url);
    if (r == 0 && out.len > PATH_BYTES_MAX)
        r = gw_err_set(err, GW_EINVAL, "a path of %zu bytes is too long", out.len);
    if (r == 0)
        *ret = buf_take(&out);
    buf_clear(&out);
    return r;
}

static void put_escaped(struct buf *out, const char *path, const char *literal)
{
    for (; *path; path++)
        if (isalnum((unsigned char)*path) || strchr(literal, *path))
            buf_putc(out, *path);
        else
            buf_printf(out, "%%%02X", (unsigned char)*path);
}

static char *globus_text(enum url_scheme scheme, const char *host, const char *path)
{
    struct buf out = BUF_INIT;
    buf_printf(&out, "%s%s", scheme == URL_HTTPS ? "https://" : "gsiftp://", host);
    put_escaped(&out, path, scheme == URL_HTTPS ? "-._~/%?&=+,;:@!$'()*" : "-._~/");
    return buf_take(&out);
}

int url_parse(const char *text, struct url *ret, struct gw_err *err)
{
    const struct row *row = row_of(text);
    if (!row)
        return gw_err_set(err, GW_EINVAL,
                          "\"%s\" is no file:, gsiftp: or https: URL, the kinds served here", text);
    if (!is_clean(text))
        return gw_err_set(err, GW_EINVAL,
                          "a URL has control characters or bytes that are not UTF-8");
    if (row->scheme == URL_FILE) {
        *ret = (struct url){.scheme = URL_FILE, .host = xstrdup(""), .text = xstrdup(text)};
        return 0;
    }
    const char *host = text + strlen(row->prefix), *path = host + strcspn(host, "/?#");
    struct url u = {.scheme = row->scheme};
    if (*path != '/')
        return gw_err_set(err, GW_EINVAL, "\"%s\" has no path", text);
    int r = parse_host(host, (size_t)(path - host), row->port, &u.host, text, err);
    if (r == 0 && row->scheme == URL_HTTPS)
        u.path = xstrdup(path);
    else if (r == 0)
        r = parse_path(path, &u.path, text, err);
    if (r == 0)
        u.text = globus_text(u.scheme, u.host, u.path);
    if (r == 0)
        *ret = u;
    else
        url_clear(&u);
    return r;
}

void url_clear(struct url *u)
{
    free(u->host);
    free(u->path);
    free(u->text);
    *u = (struct url){0};
}

void url_with_path(const struct url *u, const char *path, struct url *ret)
{
    *ret = (struct url){.scheme = u->scheme,
                        .host = xstrdup(u->host),
                        .path = xstrdup(path),
                        .text = globus_text(u->scheme, u->host, path)};
}

char *url_parent(const char *path)
{
    const char *slash = strrchr(path, '/');
    return slash && slash != path ? xstrndup(path, (size_t)(slash - path)) : NULL;
}

const char *url_name(const char *path)
{
    const char *slash = strrchr(path, '/');
    return slash ? slash + 1 : path;
}

bool url_is_in_job(const char *path)
{
    return strstr(path, "/.gw_") != NULL;
}
