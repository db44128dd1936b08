#include "im/hostlist.h"

#include "im/attributes.h"
#include "lib/mem.h"

#include <libgen.h>
#include <stdlib.h>
#include <string.h>

enum { HOSTS_MAX = 10000 };

static char *beside(const char *list, const char *file)
{
    if (file[0] == '/')
        return xstrdup(file);
    char *copy = xstrdup(list);
    char *path = xasprintf("%s/%s", dirname(copy), file);
    free(copy);
    return path;
}

static const char *add(struct hostlist *l, const char *host, const char *file, const char *list)
{
    if (!attributes_is_host_name(host))
        return "is not a host name";
    if (!*file)
        return "has no attribute file behind it";
    if (l->n == HOSTS_MAX)
        return "is one host too many, 10000 are allowed";
    for (size_t i = 0; i < l->n; i++)
        if (strcmp(l->items[i].host, host) == 0)
            return "stands in the list already";
    l->items = xreallocarray(l->items, l->n + 1, sizeof *l->items);
    l->items[l->n++] = (struct hostlist_entry){.host = xstrdup(host), .file = beside(list, file)};
    return NULL;
}

/* A line's two words; `line` is changed. A line of blanks gives an empty host. */
static void cut(char *line, char **ret_host, char **ret_file)
{
    static const char blanks[] = " \t\r";
    char *host = line + strspn(line, blanks);
    if (*host == '#')
        *host = '\0';
    char *end = host + strcspn(host, blanks);
    char *file = end + strspn(end, blanks);
    *end = '\0';
    for (size_t n = strlen(file); n && strchr(blanks, file[n - 1]); n--)
        file[n - 1] = '\0';
    *ret_host = host;
    *ret_file = file;
}

void hostlist_parse(const char *text, size_t len, const char *path, struct hostlist *ret,
                    void (*report)(const char *message))
{
    struct hostlist l = {0};
    const char *end = text + len;
    unsigned number = 0;
    for (const char *p = text; p < end;) {
        const char *newline = memchr(p, '\n', (size_t)(end - p));
        size_t n = (size_t)((newline ? newline : end) - p);
        char *line = xmemdup0(p, n), *host, *file;
        p += n + (newline != NULL);
        number++;
        cut(line, &host, &file);
        const char *mistake = *host ? add(&l, host, file, path) : NULL;
        if (mistake) {
            char *message = xasprintf("%s:%u: \"%.60s\" %s", path, number, host, mistake);
            report(message);
            free(message);
        }
        free(line);
    }
    *ret = l;
}

void hostlist_clear(struct hostlist *l)
{
    for (size_t i = 0; i < l->n; i++) {
        free(l->items[i].host);
        free(l->items[i].file);
    }
    free(l->items);
    *l = (struct hostlist){0};
}
