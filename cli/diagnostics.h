/* Diagnostics of a template: gwd's look like those that are made here. */
#ifndef CLI_DIAGNOSTICS_H
#define CLI_DIAGNOSTICS_H

#include "lib/diag.h"

#include <jansson.h>

/* Add those of the client protocol's form. */
void diagnostics_take(struct diags *d, const json_t *list);
json_t *diagnostics_json(const struct diags *d);

/* Print all to stderr, in the order of their places. */
void diagnostics_print(struct diags *d);

#endif
