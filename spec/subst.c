#include "spec/subst.h"

#include "lib/buf.h"
#include "lib/mem.h"

#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

struct subst {
    subst_lookup lookup; /* NULL: nothing is known */
    const void *ctx;
    size_t put_in; /* bytes of replacements so far */
};

static size_t name_length(const char *p)
{
    size_t n = 0;
    while ((p[n] >= 'A' && p[n] <= 'Z') || (p[n] >= 'a' && p[n] <= 'z') || p[n] == '_' ||
           (n && p[n] >= '0' && p[n] <= '9'))
        n++;
    return n;
}

/* At a $: append what the reference stands for and return its length; 0 when it stands for itself.
 */
static size_t replace(struct subst *s, const char *p, bool takes_bare, struct buf *out)
{
    bool is_braced = p[1] == '{';
    if (!s->lookup || (!is_braced && !takes_bare))
        return 0;
    const char *name = p + 1 + is_braced;
    size_t n = name_length(name);
    if (!n || (is_braced && name[n] != '}'))
        return 0;
    char *asked = xstrndup(name, n);
    const char *value = s->lookup(s->ctx, asked);
    free(asked);
    size_t len = value ? strlen(value) : 0;
    if (!value || len > SUBST_MAX - s->put_in)
        return 0;
    s->put_in += len;
    buf_put(out, value, len);
    return 1 + n + 2 * is_braced;
}

char *subst_expand(const char *text, subst_lookup lookup, const void *ctx)
{
    struct subst s = {lookup, ctx, 0};
    struct buf out = BUF_INIT;
    for (const char *p = text; *p;) {
        size_t n = *p == '$' ? replace(&s, p, false, &out) : 0;
        if (n) {
            p += n;
            continue;
        }
        if (p[0] == '\\' && p[1] == '$')
            p++;
        buf_putc(&out, *p++);
    }
    return buf_take(&out);
}

static bool is_blank(char c)
{
    return c && strchr(" \t\r\n\f\v", c);
}

/* Append the part of a word at *p: to the closing quote when there is one, else one character or
 * reference. False: the quote is not closed. */
static bool take_part(struct subst *s, const char **p, struct buf *word)
{
    const char *c = *p;
    char quote = *c == '\'' || *c == '"' ? *c++ : '\0';
    do {
        if (quote && *c == quote)
            break;
        size_t n = *c == '$' && quote != '\'' ? replace(s, c, true, word) : 0;
        if (n) {
            c += n;
            continue;
        }
        if (*c == '\\' && (quote ? quote == '"' && c[1] && strchr("\"\\$", c[1]) : c[1] != '\0'))
            c++;
        if (*c)
            buf_putc(word, *c++);
    } while (quote && *c);
    if (quote && !*c)
        return false;
    *p = c + (quote != '\0');
    return true;
}

struct words {
    char **items;
    size_t n, cap;
};

static void words_add(struct words *w, char *word)
{
    if (w->n + 1 >= w->cap) {
        w->cap = w->cap ? 2 * w->cap : 8;
        w->items = xreallocarray(w->items, w->cap, sizeof *w->items);
    }
    w->items[w->n++] = word;
    w->items[w->n] = NULL;
}

/* *ret_from: the byte of the quote that is not closed. */
static int split(const char *line, struct subst *s, struct words *w, size_t *ret_from)
{
    const char *p = line;
    for (;;) {
        while (is_blank(*p))
            p++;
        if (!*p)
            return 0;
        struct buf word = BUF_INIT;
        while (*p && !is_blank(*p)) {
            if (take_part(s, &p, &word))
                continue;
            *ret_from = (size_t)(p - line);
            buf_clear(&word);
            return -GW_EINVAL;
        }
        words_add(w, buf_take(&word));
    }
}

int subst_words(const char *line, subst_lookup lookup, const void *ctx, char ***ret_words,
                size_t *ret_n, struct gw_err *err)
{
    struct subst s = {lookup, ctx, 0};
    struct words w = {0};
    size_t from;
    if (split(line, &s, &w, &from) < 0) {
        subst_words_free(w.items);
        return gw_err_set(err, GW_EINVAL, "arguments, column %zu: this quote is not closed",
                          from + 1);
    }
    *ret_words = w.items ? w.items : xcalloc(1, sizeof *w.items);
    *ret_n = w.n;
    return 0;
}

void subst_words_free(char **words)
{
    for (size_t i = 0; words && words[i]; i++)
        free(words[i]);
    free(words);
}

int subst_words_check(const char *line, size_t *ret_from)
{
    struct subst s = {0};
    struct words w = {0};
    int r = split(line, &s, &w, ret_from);
    subst_words_free(w.items);
    return r;
}

void subst_shell_quote(struct buf *out, const char *text)
{
    buf_putc(out, '\'');
    for (; *text; text++)
        if (*text == '\'')
            buf_puts(out, "'\\''");
        else
            buf_putc(out, *text);
    buf_putc(out, '\'');
}
