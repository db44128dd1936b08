/* job.ctl and job.env, the two files of a job directory that a shell would source
 * (docs/jobdir.md): exactly what gwd writes of that language, and nothing else. */
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

/* Lines NAME='value', export NAME='value' and set -- 'word' ...; a quote in a value is '\''. Values
 * may hold newlines. -GW_EINVAL names the line that is something else. */
int ctl_parse(const char *text, struct ctl *ret, struct gw_err *err);
void ctl_clear(struct ctl *c);

/* The last value of that name, or `otherwise`. */
const char *ctl_get(const struct ctl *c, const char *name, const char *otherwise);

#endif
