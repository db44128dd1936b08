/* What a file .wrapper for the program says (docs/jobdir.md): the lines of job.ctl and job.env,
 * which a shell would source. Exactly what gwd writes of that language, and nothing else. */
#ifndef WRAPPERS_PLAIN_CTL_H
#define WRAPPERS_PLAIN_CTL_H

#include "lib/err.h"

#include <stdbool.h>
#include <stddef.h>

struct ctl_value {
    char *name, *value;
    bool is_exported;
};

struct ctl {
    struct ctl_value *values;
    size_t n;
    char **words; /* of `set --`, NULL at the end; NULL when there is no such line */
    size_t n_words;
};

/* A first line "#!..." is passed over. Then lines NAME='value', export NAME='value' and set --
 * 'word' ...; a quote in a value is '\''. Values may hold newlines. -GW_EINVAL names the line that
 * is something else. */
int ctl_parse(const char *text, struct ctl *ret, struct gw_err *err);
void ctl_clear(struct ctl *c);

/* The last value of that name that is not exported, or `otherwise`: what is for us, which the
 * payload's environment cannot change. */
const char *ctl_get(const struct ctl *c, const char *name, const char *otherwise);

#endif
