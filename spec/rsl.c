#include "spec/rsl.h"

#include "lib/mem.h"

#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

/* RSL has some 60 attributes; what has more is not a job description. */
enum { RELATIONS_MAX = 256 };

static char lower(char c)
{
    return c >= 'A' && c <= 'Z' ? (char)(c - 'A' + 'a') : c;
}

static char *plain_name(const char *name, size_t n)
{
    char *plain = xmalloc(n + 1), *to = plain;
    for (size_t i = 0; i < n; i++)
        if (name[i] != '_')
            *to++ = lower(name[i]);
    *to = '\0';
    return plain;
}

static struct rsl_relation *relation_add(struct rsl *r, const char *name, size_t n)
{
    r->items = xreallocarray(r->items, r->n + 1, sizeof *r->items);
    r->items[r->n] = (struct rsl_relation){.name = plain_name(name, n)};
    return &r->items[r->n++];
}

void rsl_add(struct rsl *r, const char *name, const char *const *values, size_t n)
{
    struct rsl_relation *rel = relation_add(r, name, strlen(name));
    rel->values = xcalloc(n, sizeof *rel->values);
    for (rel->n = 0; rel->n < n; rel->n++)
        rel->values[rel->n] = xstrdup(values[rel->n]);
}

void rsl_add_one(struct rsl *r, const char *name, const char *value)
{
    rsl_add(r, name, &value, 1);
}

static bool has_pairs(const struct rsl_relation *rel)
{
    return strcmp(rel->name, "environment") == 0;
}

static void put_value(struct buf *out, const char *value)
{
    buf_putc(out, '"');
    for (size_t n; *value; value += n) {
        n = strcspn(value, "\"");
        buf_put(out, value, n);
        if (value[n])
            buf_put(out, "\"\"", 2);
        n += value[n] != '\0';
    }
    buf_putc(out, '"');
}

static void put_relation(struct buf *out, const struct rsl_relation *rel)
{
    size_t group = has_pairs(rel) ? 2 : 1;
    buf_printf(out, "(%s=", rel->name);
    for (size_t i = 0; i + group <= rel->n; i += group) {
        buf_puts(out, group == 2 ? "(" : i ? " " : "");
        put_value(out, rel->values[i]);
        if (group == 2) {
            buf_putc(out, ' ');
            put_value(out, rel->values[i + 1]);
            buf_putc(out, ')');
        }
    }
    buf_putc(out, ')');
}

void rsl_encode(const struct rsl *r, struct buf *out)
{
    buf_putc(out, '&');
    for (size_t i = 0; i < r->n; i++)
        put_relation(out, &r->items[i]);
}

struct reader {
    const char *text;
    size_t len, pos;
    struct gw_err *err;
};

static int refuse(const struct reader *r, size_t at, const char *expected)
{
    return gw_err_set(r->err, GW_EINVAL, "job description, byte %zu: %s", at + 1, expected);
}

/* The next byte, NUL at the end (the text has none). */
static char peek(const struct reader *r)
{
    return r->pos < r->len ? r->text[r->pos] : '\0';
}

static bool is_blank(char c)
{
    return c && strchr(" \t\r\n\f\v", c);
}

static void skip_blanks(struct reader *r)
{
    while (is_blank(peek(r)))
        r->pos++;
}

static bool take(struct reader *r, char c)
{
    skip_blanks(r);
    if (peek(r) != c)
        return false;
    r->pos++;
    return true;
}

/* The bytes of an unquoted word; what RSL reserves ends it. */
static size_t word_length(const struct reader *r)
{
    size_t n = 0;
    while (r->pos + n < r->len && !strchr("+&|()=<>!\"'^#$ \t\r\n\f\v", r->text[r->pos + n]))
        n++;
    return n;
}

static int read_quoted(struct reader *r, char **ret)
{
    struct buf value = BUF_INIT;
    size_t start = r->pos++;
    for (; r->pos < r->len; r->pos++) {
        if (peek(r) == '"' && (r->pos + 1 == r->len || r->text[r->pos + 1] != '"'))
            break;
        r->pos += peek(r) == '"';
        buf_putc(&value, peek(r));
    }
    if (r->pos >= r->len) {
        buf_clear(&value);
        return refuse(r, start, "this quote is not closed");
    }
    r->pos++;
    *ret = buf_take(&value);
    return 0;
}

static int read_value(struct reader *r, char **ret)
{
    skip_blanks(r);
    if (peek(r) == '"')
        return read_quoted(r, ret);
    size_t n = word_length(r);
    if (!n)
        return refuse(r, r->pos, "a value is expected");
    *ret = xmemdup0(r->text + r->pos, n);
    r->pos += n;
    return 0;
}

/* Values of one relation; room grows by doubling. */
struct values {
    struct rsl_relation *rel;
    size_t cap;
};

static int add_value(struct reader *r, struct values *v)
{
    char *value = NULL;
    int code = read_value(r, &value);
    if (code < 0)
        return code;
    if (v->rel->n == v->cap) {
        v->cap = v->cap ? 2 * v->cap : 4;
        v->rel->values = xreallocarray(v->rel->values, v->cap, sizeof *v->rel->values);
    }
    v->rel->values[v->rel->n++] = value;
    return 0;
}

static int add_pair(struct reader *r, struct values *v)
{
    if (!take(r, '('))
        return refuse(r, r->pos, "(NAME VALUE) is expected");
    int code = add_value(r, v);
    if (code == 0)
        code = add_value(r, v);
    if (code == 0 && !take(r, ')'))
        code = refuse(r, r->pos, ") is expected");
    return code;
}

static int read_relation(struct reader *r, struct rsl *rsl)
{
    skip_blanks(r);
    size_t from = r->pos, n = word_length(r);
    if (!n)
        return refuse(r, from, "a name is expected");
    if (rsl->n == RELATIONS_MAX)
        return refuse(r, from, "there are too many relations");
    char *name = plain_name(r->text + from, n);
    bool is_known = rsl_find(rsl, name) != NULL, is_empty = !*name;
    free(name);
    if (is_known || is_empty)
        return refuse(r, from,
                      is_known ? "this name stands here a second time" : "a name is expected");
    r->pos += n;
    if (!take(r, '='))
        return refuse(r, r->pos, "= is expected");
    struct values v = {.rel = relation_add(rsl, r->text + from, n)};
    while (!take(r, ')')) {
        int code = has_pairs(v.rel) ? add_pair(r, &v) : add_value(r, &v);
        if (code < 0)
            return code;
    }
    return 0;
}

static int read_all(struct reader *r, struct rsl *rsl)
{
    if (r->len > RSL_TEXT_MAX)
        return gw_err_set(r->err, GW_EINVAL, "the job description has %zu bytes, more than %d",
                          r->len, RSL_TEXT_MAX);
    const char *nul = r->len ? memchr(r->text, '\0', r->len) : NULL;
    if (nul)
        return refuse(r, (size_t)(nul - r->text), "there is a NUL byte");
    if (!take(r, '&'))
        return refuse(r, r->pos, "& is expected");
    skip_blanks(r);
    while (r->pos < r->len) {
        if (!take(r, '('))
            return refuse(r, r->pos, "( is expected");
        int code = read_relation(r, rsl);
        if (code < 0)
            return code;
        skip_blanks(r);
    }
    return 0;
}

int rsl_decode(const char *text, size_t len, struct rsl *ret, struct gw_err *err)
{
    struct reader r = {.text = text, .len = len, .err = err};
    struct rsl rsl = {0};
    int code = read_all(&r, &rsl);
    if (code < 0)
        rsl_clear(&rsl);
    else
        *ret = rsl;
    return code;
}

void rsl_clear(struct rsl *r)
{
    for (size_t i = 0; i < r->n; i++) {
        for (size_t k = 0; k < r->items[i].n; k++)
            free(r->items[i].values[k]);
        free(r->items[i].values);
        free(r->items[i].name);
    }
    free(r->items);
    *r = (struct rsl){0};
}

const struct rsl_relation *rsl_find(const struct rsl *r, const char *name)
{
    char *plain = plain_name(name, strlen(name));
    const struct rsl_relation *found = NULL;
    for (size_t i = 0; i < r->n && !found; i++)
        if (strcmp(r->items[i].name, plain) == 0)
            found = &r->items[i];
    free(plain);
    return found;
}

const char *rsl_get(const struct rsl *r, const char *name)
{
    const struct rsl_relation *rel = rsl_find(r, name);
    return rel && rel->n ? rel->values[0] : NULL;
}

const char *rsl_getenv(const struct rsl *r, const char *name)
{
    const struct rsl_relation *rel = rsl_find(r, "environment");
    for (size_t i = 0; rel && i + 1 < rel->n; i += 2)
        if (strcmp(rel->values[i], name) == 0)
            return rel->values[i + 1];
    return NULL;
}
