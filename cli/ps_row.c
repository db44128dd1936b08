#include "cli/ps_row.h"
#include "client/gw.h"

#include <stdlib.h>
#include <string.h>

/* A text without escapes; NULL for another. */
static const char *take_text(char **p)
{
    char *begin = *p + 1, *end = begin;
    if (**p != '"')
        return NULL;
    end += strcspn(begin, "\"\\");
    if (*end != '"')
        return NULL;
    *end = '\0';
    *p = end + 1;
    return begin;
}

/* A flat object at *p; false for another, of which the bytes may be spoilt then. */
static bool take_flat(char **p, struct row *row)
{
    char *q = *p;
    if (*q++ != '{')
        return false;
    for (row->n = 0; row->n < ROW_MEMBERS_MAX; row->n++) {
        const char *name = take_text(&q);
        if (!name || *q++ != ':' || *q == '{' || *q == '[')
            return false;
        char kind = *q == '"' ? 's' : *q == 'n' ? '0' : *q == 't' || *q == 'f' ? 'b' : 'n';
        const char *value = kind == 's' ? take_text(&q) : q;
        if (!value)
            return false;
        if (kind != 's')
            q += strcspn(q, ",}");
        row->members[row->n].name = name;
        row->members[row->n].value = value;
        row->members[row->n].kind = kind;
        if (*q == '}') {
            row->n++;
            *p = q + 1;
            return true;
        }
        if (*q++ != ',')
            return false;
    }
    return false;
}

int row_next(const char *text, char *copy, size_t len, size_t *at, struct row *row)
{
    json_error_t why;
    row->json = NULL;
    if (*at < len && copy[*at] == ',')
        ++*at;
    if (*at >= len)
        return 0;
    char *p = copy + *at;
    if (take_flat(&p, row)) {
        *at = (size_t)(p - copy);
        return 1;
    }
    row->n = 0;
    row->json =
        json_loadb(text + *at, len - *at, JSON_DISABLE_EOF_CHECK | JSON_REJECT_DUPLICATES, &why);
    if (!json_is_object(row->json) || why.position <= 0) {
        row_clear(row);
        return -1;
    }
    *at += (size_t)why.position;
    return 1;
}

void row_clear(struct row *row)
{
    json_decref(row->json);
    row->json = NULL;
}

/* The value of a kind, or NULL. */
static const char *find(const struct row *row, const char *name, char kind)
{
    for (size_t i = 0; i < row->n; i++)
        if (strcmp(row->members[i].name, name) == 0)
            return row->members[i].kind == kind ? row->members[i].value : NULL;
    return NULL;
}

const char *row_text(const struct row *row, const char *name, const char *otherwise)
{
    const char *value = row->json ? gw_text(row->json, name, NULL) : find(row, name, 's');
    return value ? value : otherwise;
}

int64_t row_int(const struct row *row, const char *name, int64_t otherwise)
{
    char *end;
    if (row->json)
        return gw_int(row->json, name, otherwise);
    const char *value = find(row, name, 'n');
    int64_t n = value ? strtoll(value, &end, 10) : 0;
    return value && (*end == ',' || *end == '}') ? n : otherwise;
}

double row_number(const struct row *row, const char *name, double otherwise)
{
    if (row->json)
        return gw_number(row->json, name, otherwise);
    const char *value = find(row, name, 'n');
    return value ? strtod(value, NULL) : otherwise;
}
