#include "wrappers/plain/ctl.h"

#include "lib/buf.h"
#include "lib/mem.h"

#include <ctype.h>
#include <stdlib.h>
#include <string.h>

/* One word in single quotes; *text is moved behind it. NULL: it is none. */
static char *take_quoted(const char **text)
{
    struct buf value = BUF_INIT;
    const char *p = *text;
    while (*p == '\'') {
        const char *end = strchr(p + 1, '\'');
        if (!end)
            break;
        buf_put(&value, p + 1, (size_t)(end - p - 1));
        p = end + 1;
        if (strncmp(p, "\\''", 3) != 0) {
            *text = p;
            return value.data ? buf_take(&value) : xstrdup("");
        }
        buf_putc(&value, '\'');
        p += 2;
    }
    buf_clear(&value);
    return NULL;
}

static bool take_prefix(const char **text, const char *prefix)
{
    size_t n = strlen(prefix);
    if (strncmp(*text, prefix, n) != 0)
        return false;
    *text += n;
    return true;
}

static bool take_words(const char **text, struct ctl *c)
{
    for (;;) {
        char *word = NULL;
        if (take_prefix(text, " ") && !(word = take_quoted(text)))
            return false;
        c->words = xreallocarray(c->words, c->n_words + 1, sizeof *c->words);
        c->words[c->n_words] = word;
        if (!word)
            return true;
        c->n_words++;
    }
}

static bool take_value(const char **text, struct ctl *c)
{
    bool is_exported = take_prefix(text, "export ");
    size_t n = 0;
    while (isalnum((unsigned char)(*text)[n]) || (*text)[n] == '_')
        n++;
    const char *rest = *text + n;
    if (n == 0 || isdigit((unsigned char)**text) || !take_prefix(&rest, "="))
        return false;
    char *value = take_quoted(&rest);
    if (!value)
        return false;
    c->values = xreallocarray(c->values, c->n + 1, sizeof *c->values);
    c->values[c->n++] =
        (struct ctl_value){.name = xstrndup(*text, n), .value = value, .is_exported = is_exported};
    *text = rest;
    return true;
}

int ctl_parse(const char *text, struct ctl *ret, struct gw_err *err)
{
    struct ctl c = {0};
    const char *first = strncmp(text, "#!", 2) == 0 ? strchrnul(text, '\n') : text;
    for (const char *line = first + (first != text && *first); *line;) {
        const char *p = line;
        bool is_set = !c.words && take_prefix(&p, "set --");
        if (!(is_set ? take_words(&p, &c) : take_value(&p, &c)) || *p != '\n') {
            ctl_clear(&c);
            return gw_err_set(err, GW_EINVAL, "\"%.*s\" is not a line NAME='value'",
                              (int)strcspn(line, "\n"), line);
        }
        line = p + 1;
    }
    *ret = c;
    return 0;
}

void ctl_clear(struct ctl *c)
{
    for (size_t i = 0; i < c->n; i++) {
        free(c->values[i].name);
        free(c->values[i].value);
    }
    for (size_t i = 0; i < c->n_words; i++)
        free(c->words[i]);
    free(c->values);
    free(c->words);
    *c = (struct ctl){0};
}

const char *ctl_get(const struct ctl *c, const char *name, const char *otherwise)
{
    const char *value = otherwise;
    for (size_t i = 0; i < c->n; i++)
        if (!c->values[i].is_exported && strcmp(c->values[i].name, name) == 0)
            value = c->values[i].value;
    return value;
}
