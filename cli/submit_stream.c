/* Templates on standard input, read as they come. */
#include "cli/exit.h"
#include "cli/output.h"
#include "cli/submit.h"
#include "lib/mem.h"

#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { CHUNK_BYTES = 65536 };

struct stream {
    struct buf in;
    size_t taken;   /* bytes of `in` that were given out */
    size_t scanned; /* and those after them that hold no separator */
    uint64_t n;     /* templates given out */
    bool is_over, has_more;
};

struct stream *stream_open(void)
{
    return xcalloc(1, sizeof(struct stream));
}

void stream_close(struct stream *s)
{
    if (!s)
        return;
    buf_clear(&s->in);
    free(s);
}

bool stream_has_more(const struct stream *s)
{
    return s->has_more;
}

/* The separator's line begins there: its length, else 0; -1: what has come does not tell. */
static long separator_at(const struct stream *s, const char *line)
{
    const char *end = s->in.data + s->in.len;
    size_t left = (size_t)(end - line), n = strspn(line, "-");
    if (n != 3 && (n > 3 || n < left || s->is_over))
        return 0;
    const char *p = line + n;
    if (n == 3 && p < end && *p == '\r')
        p++;
    if (p < end)
        return *p == '\n' && n == 3 ? p + 1 - line : 0;
    return s->is_over ? (long)left : -1;
}

/* Where the next template ends, and the length of the separator after it. False: more has to be
 * read. */
static bool find_end(struct stream *s, size_t *ret_len, size_t *ret_separator)
{
    const char *begin = buf_str(&s->in) + s->taken, *end = buf_str(&s->in) + s->in.len;
    for (const char *line = begin + s->scanned; line < end;) {
        long n = separator_at(s, line);
        s->scanned = (size_t)(line - begin);
        if (n > 0) {
            *ret_len = (size_t)(line - begin);
            *ret_separator = (size_t)n;
            return true;
        }
        const char *newline = n < 0 ? NULL : memchr(line, '\n', (size_t)(end - line));
        if (!newline)
            break;
        line = newline + 1;
        s->scanned = (size_t)(line - begin);
    }
    *ret_len = (size_t)(end - begin);
    *ret_separator = 0;
    return s->is_over;
}

bool stream_is_ready(const struct stream *s)
{
    struct stream look = *s;
    struct pollfd p = {.fd = STDIN_FILENO, .events = POLLIN};
    size_t len, separator;
    return find_end(&look, &len, &separator) || poll(&p, 1, 0) > 0;
}

/* 0, or the negative exit code. */
static int read_more(struct stream *s)
{
    buf_drop(&s->in, s->taken);
    s->taken = 0;
    buf_reserve(&s->in, CHUNK_BYTES);
    ssize_t n = read(STDIN_FILENO, s->in.data + s->in.len, CHUNK_BYTES);
    if (n < 0 && errno == EINTR)
        return -EXIT_INTERRUPTED;
    if (n < 0) {
        output_error("standard input: %s", strerror(errno));
        return -EXIT_IO;
    }
    s->is_over = n == 0;
    s->in.len += (size_t)n;
    s->in.data[s->in.len] = '\0';
    return 0;
}

static bool is_blank(const char *text, size_t len)
{
    size_t n = 0;
    while (n < len && strchr(" \t\r\n", text[n]) && text[n])
        n++;
    return n == len;
}

/* What lies before the next separator: 1, 0 at the end. */
static int next_part(struct stream *s, const char **ret, size_t *ret_len)
{
    size_t separator = 0;
    while (!find_end(s, ret_len, &separator)) {
        if (s->in.len - s->taken > TEMPLATE_MAX_BYTES) {
            output_error("standard input: a template has at most %d bytes", TEMPLATE_MAX_BYTES);
            return -EXIT_TEMPLATE;
        }
        int r = read_more(s);
        if (r < 0)
            return r;
    }
    *ret = buf_str(&s->in) + s->taken;
    s->has_more = separator > 0;
    s->taken += *ret_len + separator;
    s->scanned = 0;
    return *ret_len || separator;
}

int stream_next(struct stream *s, struct source *ret)
{
    const char *text = NULL;
    size_t len = 0;
    int r;
    do
        r = next_part(s, &text, &len);
    while (r > 0 && is_blank(text, len));
    if (r <= 0)
        return r;
    s->n++;
    *ret = (struct source){.shown = s->n == 1 && !s->has_more ? xstrdup("stdin")
                                                              : xasprintf("stdin, template %llu",
                                                                          (unsigned long long)s->n),
                           .name = xstrdup("stdin")};
    buf_put(&ret->text, text, len);
    return 1;
}
