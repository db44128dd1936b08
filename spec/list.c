#include "spec/list.h"

#include "lib/buf.h"
#include "lib/err.h"
#include "lib/mem.h"

#include <stdlib.h>
#include <string.h>

struct reader {
    const char *value, *p;
    bool has_commas;
    struct list *list;
    size_t cap_entries, cap_words; /* cap_words: of the last entry */
};

static bool is_blank(char c)
{
    return c && strchr(" \t\r\n\f\v", c);
}

static bool ends_word(const struct reader *r)
{
    return !*r->p || is_blank(*r->p) || (r->has_commas && *r->p == ',');
}

/* From the opening quote on; false when it is not closed. */
static bool take_quoted(struct reader *r, struct buf *word)
{
    const char *p = r->p;
    char quote = *p++;
    for (;; p++) {
        if (!*p)
            return false;
        if (quote == '"' && *p == '\\' && (p[1] == '"' || p[1] == '\\'))
            p++;
        else if (quote == '\'' && *p == '\'' && p[1] == '\'')
            p++;
        else if (*p == quote)
            break;
        buf_putc(word, *p);
    }
    r->p = p + 1;
    return true;
}

static bool take_word(struct reader *r, struct buf *word)
{
    while (!ends_word(r)) {
        if (*r->p == '\'' || *r->p == '"') {
            if (!take_quoted(r, word))
                return false;
        } else {
            buf_putc(word, *r->p++);
        }
    }
    return true;
}

static struct list_entry *add_entry(struct reader *r)
{
    if (r->list->n == r->cap_entries) {
        r->cap_entries = r->cap_entries ? 2 * r->cap_entries : 8;
        r->list->entries =
            xreallocarray(r->list->entries, r->cap_entries, sizeof *r->list->entries);
    }
    struct list_entry *e = &r->list->entries[r->list->n++];
    *e = (struct list_entry){.from = (size_t)(r->p - r->value)};
    r->cap_words = 0;
    return e;
}

static void add_word(struct reader *r, struct list_entry *e, const char *start, char *text)
{
    if (e->n == r->cap_words) {
        r->cap_words = r->cap_words ? 2 * r->cap_words : 2;
        e->words = xreallocarray(e->words, r->cap_words, sizeof *e->words);
    }
    e->words[e->n++] = (struct list_word){text, (size_t)(start - r->value), (size_t)(r->p - start)};
    e->length = (size_t)(r->p - r->value) - e->from;
}

static void skip_blanks(struct reader *r)
{
    while (is_blank(*r->p))
        r->p++;
}

int list_parse(const char *value, bool has_commas, struct list *ret, diag_report report, void *ctx)
{
    struct reader r = {.value = value, .p = value, .has_commas = has_commas, .list = ret};
    struct list_entry *entry = NULL;
    int code = 0;
    *ret = (struct list){0};
    for (skip_blanks(&r); *r.p; skip_blanks(&r)) {
        if (has_commas && *r.p == ',') {
            if (!entry) {
                report(ctx, DIAG_ERROR, (size_t)(r.p - value), 1, NULL,
                       "there is nothing before this comma");
                code = -GW_EINVAL;
            }
            entry = NULL;
            r.p++;
            continue;
        }
        entry = entry ? entry : add_entry(&r);
        struct buf word = BUF_INIT;
        const char *start = r.p;
        if (!take_word(&r, &word)) {
            buf_clear(&word);
            report(ctx, DIAG_ERROR, (size_t)(r.p - value), 1, NULL, "this quote is not closed");
            if (!entry->n)
                ret->n--;
            return -GW_EINVAL;
        }
        add_word(&r, entry, start, buf_take(&word));
    }
    if (ret->n && !entry) {
        report(ctx, DIAG_ERROR, (size_t)(r.p - value), 0, NULL,
               "there is nothing after the last comma");
        code = -GW_EINVAL;
    }
    return code;
}

void list_clear(struct list *list)
{
    for (size_t i = 0; i < list->n; i++) {
        for (size_t k = 0; k < list->entries[i].n; k++)
            free(list->entries[i].words[k].text);
        free(list->entries[i].words);
    }
    free(list->entries);
    *list = (struct list){0};
}
