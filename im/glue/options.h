/* What gw_im_glue is told: which servers to ask, and which of their hosts and queues count. */
#ifndef IM_GLUE_OPTIONS_H
#define IM_GLUE_OPTIONS_H

#include "im/glue/map.h"
#include "lib/err.h"

#include <stdbool.h>
#include <stddef.h>

struct target {
    char *url; /* without the base: "ldap://bdii.example.org:2170" */
    char **bases;
    size_t n_bases;
    char *realm; /* of whose hosts it may speak (im/glue/realm.h) */
};

struct targets {
    struct target *items;
    size_t n;
};

enum { TARGETS_MAX = 256 };

struct options {
    struct targets given; /* -s, and -a behind it */
    const char *list;     /* -l, or NULL */
    char *filter;         /* of the search */
    struct glue_wish wish;
    unsigned interval_s, timeout_s;
    char **bases; /* -b, for servers whose URL has none */
    size_t n_bases;
    unsigned port;
    bool is_asked; /* --help or --version was all: it is printed */
};

/* Names a mistake in err. Words point into argv. */
int options_read(struct options *o, int argc, char **argv, struct gw_err *err);
void options_clear(struct options *o);

/* Read the text of list file `path`: lines of one server each (URL or host, patterns of its realm
 * behind it, # comments), added to `ret`. Mistakes go to report (file:line: sentence); the other
 * lines count. */
void options_list(const struct options *o, const char *text, size_t len, const char *path,
                  struct targets *ret, void (*report)(const char *message));
void targets_clear(struct targets *t);

#endif
