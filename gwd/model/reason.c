#include "gwd/model/reason.h"

#include "lib/mem.h"

#include <stdlib.h>
#include <string.h>

enum { REASON_CODE_MAX = 40 };

static const char *const blame_names[] = {"none", "job", "site", "us"};

void reason_set(struct reason *r, const char *code, enum blame blame, const char *text)
{
    char *new_code = xstrdup(code), *new_text = text && *text ? xstrdup(text) : NULL;
    reason_clear(r);
    *r = (struct reason){.code = new_code, .blame = blame, .text = new_text};
}

void reason_clear(struct reason *r)
{
    free(r->code);
    free(r->text);
    *r = (struct reason){0};
}

bool reason_code_is_valid(const char *code)
{
    size_t n = strlen(code);
    return n > 0 && n <= REASON_CODE_MAX &&
           strspn(code, "abcdefghijklmnopqrstuvwxyz0123456789-") == n;
}

const char *blame_name(enum blame blame)
{
    return blame_names[blame];
}

bool blame_of_name(const char *name, enum blame *ret)
{
    for (size_t i = 0; i < GW_COUNT(blame_names); i++)
        if (strcmp(name, blame_names[i]) == 0) {
            *ret = (enum blame)i;
            return true;
        }
    return false;
}

void reason_from_driver(struct reason *ret, const char *text)
{
    const char *colon = strchr(text, ':'), *blank = strchr(text, ' ');
    enum blame blame;
    if (colon && (!blank || colon < blank) && colon - text <= REASON_CODE_MAX) {
        char *code = xstrndup(text, (size_t)(colon - text));
        char *who = blank ? xstrndup(colon + 1, (size_t)(blank - colon - 1)) : xstrdup(colon + 1);
        bool is_ours = reason_code_is_valid(code) && blame_of_name(who, &blame);
        if (is_ours)
            reason_set(ret, code, blame, blank ? blank + 1 : NULL);
        free(code);
        free(who);
        if (is_ours)
            return;
    }
    reason_set(ret, "site-failure", BLAME_SITE, strcmp(text, "-") == 0 ? NULL : text);
}
