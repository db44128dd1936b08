#include "tm/gass/https.h"

#include "lib/buf.h"
#include "lib/mem.h"
#include "lib/num.h"
#include "tm/gass/session.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <time.h>

enum { HEAD_MAX = 64 << 10, REDIRECTIONS_MAX = 5 };

struct https {
    struct tls *tls;
    struct url url; /* where redirections led */
    char *identity; /* whose credential is shown; NULL: none is */
    const atomic_bool *is_cancelled;

    /* The answer. */
    int code;
    struct buf head; /* its lines, each a string; what was read of the body behind them */
    char *lines_end;
    bool has_length, is_chunked, is_at_end;
    uint64_t left; /* of the body, or of the chunk */
    bool is_in_chunk;
};

/* ---- the answer's head */

/* The value of a field, or NULL. */
static const char *field(const struct https *h, const char *name)
{
    size_t len = strlen(name);
    for (const char *line = h->head.data; line < h->lines_end; line += strlen(line) + 1)
        if (strncasecmp(line, name, len) == 0 && line[len] == ':')
            return line + len + 1 + strspn(line + len + 1, " \t");
    return NULL;
}

static int odd(const struct https *h, const char *what, struct trouble *t)
{
    return trouble_set(t, GW_EIO, NULL, "%s: the server's answer %s", h->url.text, what);
}

/* Cut the head into strings: it ends with an empty line. */
static bool cut_head(struct https *h)
{
    char *end = memmem(h->head.data, h->head.len, "\r\n\r\n", 4);
    if (!end)
        return false;
    h->lines_end = end + 2;
    for (char *p = h->head.data; p < h->lines_end; p++)
        if (*p == '\r' || *p == '\n')
            *p = '\0';
    h->left = 0;
    return true;
}

static int read_one_head(struct https *h, struct trouble *t)
{
    while (!cut_head(h)) {
        if (h->head.len >= HEAD_MAX)
            return odd(h, "has a head that is too long", t);
        ssize_t n = tls_read(h->tls, h->head.data + h->head.len, HEAD_MAX - h->head.len, t);
        if (n < 0)
            return (int)n;
        if (n == 0)
            return odd(h, "ends too early", t);
        h->head.len += (size_t)n;
        h->head.data[h->head.len] = '\0';
    }
    if (sscanf(h->head.data, "HTTP/%*d.%*d %3d", &h->code) != 1)
        return odd(h, "is not HTTP", t);
    return 0;
}

/* Heads that only say "go on" (1xx) may come before the one that counts, in one piece with it. */
static int read_head(struct https *h, struct trouble *t)
{
    buf_reset(&h->head);
    buf_reserve(&h->head, HEAD_MAX);
    int r;
    while ((r = read_one_head(h, t)) == 0 && h->code < 200)
        buf_drop(&h->head, (size_t)(h->lines_end + 2 - h->head.data));
    return r;
}

/* What came of the body with the head stays in its buffer. */
static int take_framing(struct https *h, struct trouble *t)
{
    const char *length = field(h, "Content-Length"), *coding = field(h, "Transfer-Encoding");
    h->is_chunked = coding && strcasecmp(coding, "chunked") == 0;
    h->has_length = length && !h->is_chunked;
    if (h->has_length && num_parse_u64(length, 0, INT64_MAX, &h->left, NULL) < 0)
        return odd(h, "has no valid length", t);
    size_t used = (size_t)(h->lines_end + 2 - h->head.data);
    /* From here on the fields are gone. */
    buf_drop(&h->head, used);
    h->lines_end = h->head.data;
    return 0;
}

static void take_file(const struct https *h, struct https_file *ret)
{
    struct tm tm = {0};
    const char *length = field(h, "Content-Length"), *range = field(h, "Content-Range");
    const char *tag = field(h, "ETag"), *modified = field(h, "Last-Modified");
    struct https_file f = {0};
    if (h->code == 206 && range && (range = strchr(range, '/')))
        f.has_size = num_parse_u64(range + 1, 0, INT64_MAX, &f.size, NULL) == 0;
    else if (length)
        f.has_size = num_parse_u64(length, 0, INT64_MAX, &f.size, NULL) == 0;
    if (modified && strptime(modified, "%a, %d %b %Y %H:%M:%S GMT", &tm))
        f.mtime = timegm(&tm);
    const char *validator = tag && tag[0] == '"' ? tag : modified ? modified : "";
    if (strlen(validator) < sizeof f.validator)
        snprintf(f.validator, sizeof f.validator, "%s", validator);
    *ret = f;
}

static int refuse(const struct https *h, struct trouble *t)
{
    int errnum = h->code == 404 || h->code == 410   ? ENOENT
                 : h->code == 401 || h->code == 403 ? EACCES
                 : h->code == 507                   ? ENOSPC
                                                    : 0;
    *t = (struct trouble){.errnum = errnum};
    if (errnum)
        return gw_err_sys(&t->err, errnum, "%s", h->url.text);
    if (h->code != 502 && h->code != 503 && h->code != 504)
        return trouble_set(t, GW_EIO, NULL, "%s: the server answers %.100s", h->url.text,
                           h->head.data);
    trouble_set(t, GW_EUNAVAIL, "unreachable:site", "%s: the server answers %.100s", h->url.text,
                h->head.data);
    t->is_link = true;
    return -t->err.code;
}

/* ---- requests */

static struct https *create(const struct url *u, const atomic_bool *is_cancelled)
{
    struct https *h = xcalloc(1, sizeof *h);
    url_with_path(u, u->path, &h->url);
    h->is_cancelled = is_cancelled;
    h->identity = session_identity();
    return h;
}

void https_close(struct https *h)
{
    if (!h)
        return;
    tls_close(h->tls);
    url_clear(&h->url);
    buf_clear(&h->head);
    free(h->identity);
    free(h);
}

static int ask(struct https *h, const char *method, const char *fields, struct trouble *t)
{
    tls_close(h->tls);
    h->tls = tls_open(h->url.host, h->identity, h->is_cancelled, t);
    if (!h->tls)
        return -t->err.code;
    /* Its text begins with "https://host:port". */
    const char *path = h->url.text + strlen("https://") + strlen(h->url.host);
    const char *port = strrchr(h->url.host, ':');
    struct buf out = BUF_INIT;
    buf_printf(&out,
               "%s %s HTTP/1.1\r\nHost: %.*s\r\nUser-Agent: gwd\r\nConnection: close\r\n%s\r\n",
               method, path,
               (int)(strcmp(port, ":443") == 0 ? port - h->url.host : (long)strlen(h->url.host)),
               h->url.host, fields);
    int r = tls_write(h->tls, out.data, out.len, t);
    buf_clear(&out);
    return r;
}

static int redirect(struct https *h, struct trouble *t)
{
    struct url to;
    struct gw_err err;
    const char *where = field(h, "Location");
    char *text = where && where[0] == '/' ? xasprintf("https://%s%s", h->url.host, where)
                                          : xstrdup(where ? where : "");
    int r = url_parse(text, &to, &err);
    if (r == 0 && to.scheme != URL_HTTPS) {
        url_clear(&to);
        r = -1;
    }
    if (r < 0)
        r = odd(h, "leads to where it is not followed", t);
    free(text);
    if (r < 0)
        return r;
    /* The user named the one who leads there, and not who that is led to. From here on nothing is
     * asked in his name: it could be what only he may read. */
    if (strcmp(to.host, h->url.host) != 0) {
        free(h->identity);
        h->identity = NULL;
    }
    url_clear(&h->url);
    h->url = to;
    return 0;
}

static int ask_until_found(struct https *h, const char *method, const char *fields,
                           struct trouble *t)
{
    for (int i = 0;; i++) {
        int r = ask(h, method, fields, t);
        if (r == 0)
            r = read_head(h, t);
        if (r < 0)
            return r;
        bool is_elsewhere =
            h->code == 301 || h->code == 302 || h->code == 303 || h->code == 307 || h->code == 308;
        if (!is_elsewhere)
            return h->code == 200 || h->code == 206 ? 0 : refuse(h, t);
        if (i == REDIRECTIONS_MAX)
            return odd(h, "leads on for ever", t);
        if ((r = redirect(h, t)) < 0)
            return r;
    }
}

int https_head(const struct url *u, const atomic_bool *is_cancelled, struct https_file *ret,
               struct trouble *t)
{
    struct https *h = create(u, is_cancelled);
    int r = ask_until_found(h, "HEAD", "", t);
    if (r == 0)
        take_file(h, ret);
    https_close(h);
    return r;
}

struct https *https_get(const struct url *u, const atomic_bool *is_cancelled, uint64_t *offset,
                        struct https_file *file, struct trouble *t)
{
    struct https *h = create(u, is_cancelled);
    char *fields =
        *offset && file->validator[0]
            ? xasprintf("Range: bytes=%" PRIu64 "-\r\nIf-Range: %s\r\n", *offset, file->validator)
            : xstrdup("");
    int r = ask_until_found(h, "GET", fields, t);
    free(fields);
    if (r == 0) {
        take_file(h, file);
        if (h->code != 206)
            *offset = 0;
        r = take_framing(h, t);
    }
    if (r == 0)
        return h;
    https_close(h);
    return NULL;
}

/* ---- the body of an answer */

static ssize_t read_some(struct https *h, void *data, size_t size, struct trouble *t)
{
    if (!h->head.len)
        return tls_read(h->tls, data, size, t);
    size_t n = h->head.len < size ? h->head.len : size;
    memcpy(data, h->head.data, n);
    buf_drop(&h->head, n);
    return (ssize_t)n;
}

static int read_line(struct https *h, char *line, size_t size, struct trouble *t)
{
    for (size_t n = 0; n + 1 < size; n++) {
        ssize_t r = read_some(h, line + n, 1, t);
        if (r <= 0)
            return r < 0 ? (int)r : odd(h, "ends too early", t);
        if (line[n] == '\n') {
            line[n] = '\0';
            line[strcspn(line, "\r")] = '\0';
            return 0;
        }
    }
    return odd(h, "has a line that is too long", t);
}

static int next_chunk(struct https *h, struct trouble *t)
{
    char line[1000], *end;
    int r = h->is_in_chunk ? read_line(h, line, sizeof line, t) : 0;
    if (r == 0)
        r = read_line(h, line, sizeof line, t);
    if (r < 0)
        return r;
    errno = 0;
    unsigned long long n = strtoull(line, &end, 16);
    if (end == line || errno || (*end && *end != ';') || n > INT64_MAX)
        return odd(h, "has no valid chunk", t);
    h->is_in_chunk = true;
    h->left = n;
    h->is_at_end = n == 0;
    return 0;
}

ssize_t https_read(struct https *h, void *data, size_t size, struct trouble *t)
{
    bool is_counted = h->has_length || h->is_chunked;
    if (h->is_chunked && h->left == 0 && !h->is_at_end) {
        int r = next_chunk(h, t);
        if (r < 0)
            return r;
    }
    if (h->is_at_end || (is_counted && h->left == 0))
        return 0;
    ssize_t n = read_some(h, data, is_counted && h->left < size ? (size_t)h->left : size, t);
    if (n == 0 && is_counted) {
        odd(h, "ends too early", t);
        t->is_link = true;
        return -t->err.code;
    }
    if (n > 0 && is_counted)
        h->left -= (uint64_t)n;
    return n;
}

/* ---- to a server */

struct https *https_put(const struct url *u, const atomic_bool *is_cancelled, uint64_t size,
                        struct trouble *t)
{
    struct https *h = create(u, is_cancelled);
    /* GASS servers take a length of 0 for a mistake. */
    char *fields = size ? xasprintf("Content-Length: %" PRIu64 "\r\n", size)
                        : xstrdup("Transfer-Encoding: chunked\r\n");
    int r = ask(h, "PUT", fields, t);
    free(fields);
    if (r == 0 && size == 0)
        r = tls_write(h->tls, "0\r\n\r\n", 5, t);
    if (r == 0)
        return h;
    https_close(h);
    return NULL;
}

int https_write(struct https *h, const void *data, size_t len, struct trouble *t)
{
    return tls_write(h->tls, data, len, t);
}

int https_put_end(struct https *h, struct trouble *t)
{
    int r = read_head(h, t);
    return r == 0 && h->code >= 300 ? refuse(h, t) : r;
}
