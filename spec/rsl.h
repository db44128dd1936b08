/* RSL 1, the job description language of GRAM, as far as docs/PROTOCOL section 2 uses it. Pure;
 * input is hostile. */
#ifndef SPEC_RSL_H
#define SPEC_RSL_H

#include "lib/buf.h"
#include "lib/err.h"

#include <stddef.h>

enum { RSL_TEXT_MAX = 1 << 20 };

/* One relation (name=values...). For environment each value is a pair: values[2i] name,
 * values[2i+1] value. Names are stored in lower case without underscores, as RSL compares them; the
 * names that are given to the functions below may be written in any way. */
struct rsl_relation {
    char *name;
    char **values;
    size_t n;
};

struct rsl {
    struct rsl_relation *items;
    size_t n;
};

void rsl_add(struct rsl *r, const char *name, const char *const *values, size_t n);
void rsl_add_one(struct rsl *r, const char *name, const char *value);
void rsl_encode(const struct rsl *r, struct buf *out); /* "&(...)(...)" */

/* Accepts what rsl_encode writes and unquoted words; blanks and newlines may stand between. An
 * empty (environment=) has no pairs. Operators other than =, substitutions $(..), concatenation #
 * and a name that stands twice are refused. At most RSL_TEXT_MAX bytes. -GW_EINVAL names the byte
 * of an error, counted from 1. */
int rsl_decode(const char *text, size_t len, struct rsl *ret, struct gw_err *err);
void rsl_clear(struct rsl *r);

const char *rsl_get(const struct rsl *r, const char *name);    /* first value, or NULL */
const char *rsl_getenv(const struct rsl *r, const char *name); /* of (environment=...), or NULL */
const struct rsl_relation *rsl_find(const struct rsl *r, const char *name);

#endif
