/* The host list of the static information driver: lines "HOST ATTRIBUTE-FILE", with # comments. */
#ifndef IM_HOSTLIST_H
#define IM_HOSTLIST_H

#include "lib/err.h"

#include <stddef.h>

struct hostlist_entry {
    char *host;
    char *file; /* relative ones are made relative to the list's directory */
};

struct hostlist {
    struct hostlist_entry *items;
    size_t n;
};

/* Read the text of list file `path`. Each mistake goes to report (file:line: sentence); the other
 * lines count. */
void hostlist_parse(const char *text, size_t len, const char *path, struct hostlist *ret,
                    void (*report)(const char *message));
void hostlist_clear(struct hostlist *l);

#endif
