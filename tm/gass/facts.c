#include "tm/gass/facts.h"

#include "lib/mem.h"

#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <time.h>

static bool is_word(const char *p, size_t len, const char *word)
{
    return strlen(word) == len && strncasecmp(p, word, len) == 0;
}

static bool parse_digits(const char *p, size_t len, int base, uint64_t *ret)
{
    uint64_t n = 0;
    for (size_t i = 0; i < len; i++) {
        if (p[i] < '0' || p[i] >= '0' + base || n > (UINT64_MAX - 9) / (unsigned)base)
            return false;
        n = n * (unsigned)base + (unsigned)(p[i] - '0');
    }
    *ret = n;
    return len > 0;
}

/* "20261121140034", or with a fraction of a second behind it. */
static bool parse_time(const char *p, size_t len, int64_t *ret)
{
    static const struct {
        size_t at, len;
    } part[] = {{0, 4}, {4, 2}, {6, 2}, {8, 2}, {10, 2}, {12, 2}};
    uint64_t n[GW_COUNT(part)];
    if (len < 14)
        return false;
    for (size_t i = 0; i < GW_COUNT(part); i++)
        if (!parse_digits(p + part[i].at, part[i].len, 10, &n[i]))
            return false;
    struct tm tm = {.tm_year = (int)n[0] - 1900,
                    .tm_mon = (int)n[1] - 1,
                    .tm_mday = (int)n[2],
                    .tm_hour = (int)n[3],
                    .tm_min = (int)n[4],
                    .tm_sec = (int)n[5]};
    *ret = timegm(&tm);
    return true;
}

static void take_type(struct facts *f, const char *value, size_t len)
{
    static const char link[] = "OS.unix=slink";
    if (is_word(value, len, "file"))
        f->type = FACTS_FILE;
    else if (is_word(value, len, "dir"))
        f->type = FACTS_DIR;
    else if (is_word(value, len, "cdir") || is_word(value, len, "pdir"))
        f->type = FACTS_SELF;
    else if (len >= sizeof link - 1 && strncasecmp(value, link, sizeof link - 1) == 0)
        f->is_link = true;
}

static bool has_letter(const char *p, size_t len, char letter)
{
    for (size_t i = 0; i < len; i++)
        if (tolower((unsigned char)p[i]) == letter)
            return true;
    return false;
}

static void take_fact(struct facts *f, const char *name, size_t name_len, const char *value,
                      size_t len)
{
    uint64_t n;
    if (is_word(name, name_len, "type"))
        take_type(f, value, len);
    else if (is_word(name, name_len, "size"))
        f->has_size = parse_digits(value, len, 10, &f->size);
    else if (is_word(name, name_len, "modify"))
        f->has_mtime = parse_time(value, len, &f->mtime);
    else if (is_word(name, name_len, "perm"))
        f->is_forbidden = !has_letter(value, len, 'r') && !has_letter(value, len, 'e');
    else if (is_word(name, name_len, "UNIX.mode") && parse_digits(value, len, 8, &n)) {
        f->has_mode = true;
        f->mode = (mode_t)(n & 0777);
    } else if (is_word(name, name_len, "UNIX.slink"))
        f->is_link = true;
}

/* Not a path: of an MLSD line it is used as a name, and must not lead elsewhere. */
static void take_name(struct facts *f, const char *name, size_t len)
{
    bool is_dots = (len == 1 && name[0] == '.') || (len == 2 && strncmp(name, "..", 2) == 0);
    f->name = name;
    f->name_len = is_dots || memchr(name, '/', len) ? 0 : len;
    if (is_dots)
        f->type = FACTS_SELF;
}

bool facts_parse(const char *line, size_t len, struct facts *ret)
{
    /* No fact holds a blank, so the first one ends them; MLST's line begins with one. */
    while (len && *line == ' ') {
        line++;
        len--;
    }
    const char *blank = len ? memchr(line, ' ', len) : NULL;
    struct facts f = {0};
    if (!blank || blank == line || blank[-1] != ';')
        return false;
    for (const char *p = line; p < blank;) {
        const char *end = memchr(p, ';', (size_t)(blank - p));
        const char *equals = memchr(p, '=', (size_t)(end - p));
        if (!equals)
            return false;
        take_fact(&f, p, (size_t)(equals - p), equals + 1, (size_t)(end - equals - 1));
        p = end + 1;
    }
    take_name(&f, blank + 1, (size_t)(line + len - blank - 1));
    *ret = f;
    return true;
}
