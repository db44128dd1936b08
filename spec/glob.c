#include "spec/glob.h"

#include <ctype.h>
#include <stddef.h>
#include <string.h>

bool glob_is_plain(const char *pattern)
{
    return strpbrk(pattern, "*?[\\") == NULL;
}

static bool class_has(const char *name, size_t n, int c)
{
    static const struct {
        const char *name;
        int (*is)(int c);
    } classes[] = {{"alnum", isalnum}, {"alpha", isalpha}, {"blank", isblank},
                   {"cntrl", iscntrl}, {"digit", isdigit}, {"graph", isgraph},
                   {"lower", islower}, {"print", isprint}, {"punct", ispunct},
                   {"space", isspace}, {"upper", isupper}, {"xdigit", isxdigit}};
    for (size_t i = 0; c < 0x80 && i < sizeof classes / sizeof classes[0]; i++)
        if (strlen(classes[i].name) == n && strncmp(classes[i].name, name, n) == 0)
            return classes[i].is(c) != 0;
    return false;
}

/* One character of a bracket; *p is moved over it. */
static unsigned char bracket_char(const char **p)
{
    if (**p == '\\' && (*p)[1])
        ++*p;
    return (unsigned char)*(*p)++;
}

/* At the character after [: does the bracket hold c? Returns what follows the ], NULL when there is
 * none: then the [ is an ordinary character. */
static const char *bracket(const char *p, unsigned char c, bool *ret_hit)
{
    bool is_negated = *p == '!' || *p == '^', is_hit = false;
    p += is_negated;
    for (bool is_first = true; *p != ']' || is_first; is_first = false) {
        if (!*p)
            return NULL;
        const char *end = p[0] == '[' && p[1] == ':' ? strstr(p + 2, ":]") : NULL;
        if (end) {
            is_hit |= class_has(p + 2, (size_t)(end - p - 2), c);
            p = end + 2;
            continue;
        }
        unsigned char low = bracket_char(&p), high = low;
        if (p[0] == '-' && p[1] && p[1] != ']') {
            p++;
            high = bracket_char(&p);
        }
        is_hit |= low <= c && c <= high;
    }
    *ret_hit = is_hit != is_negated;
    return p + 1;
}

/* Match one character; returns what follows in the pattern, NULL when it does not match. */
static const char *one(const char *p, char c)
{
    bool is_hit;
    const char *after = *p == '[' ? bracket(p + 1, (unsigned char)c, &is_hit) : NULL;
    if (after)
        return is_hit ? after : NULL;
    if (*p == '?')
        return p + 1;
    if (*p == '\\' && p[1])
        p++;
    return *p && *p == c ? p + 1 : NULL;
}

/* When a star can be matched in some way, then also with the shortest stretch for all stars before
 * the last one: only the last has to be tried again. */
bool glob_match(const char *pattern, const char *text)
{
    const char *star = NULL, *star_text = NULL;
    while (*text || *pattern) {
        if (*pattern == '*') {
            star = ++pattern;
            star_text = text;
            continue;
        }
        const char *next = *text ? one(pattern, *text) : NULL;
        if (next) {
            pattern = next;
            text++;
            continue;
        }
        if (!star || !*star_text)
            return false;
        pattern = star;
        text = ++star_text;
    }
    return true;
}
