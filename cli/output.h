/* What a command says, beside its tables. */
#ifndef CLI_OUTPUT_H
#define CLI_OUTPUT_H

#include "lib/err.h"

#include <jansson.h>
#include <stdarg.h>

enum { OUTPUT_SCHEMA = 1 }; /* of docs/schema/gw.schema.json */

/* "gwps: text" on stderr, made safe for a terminal. */
void output_error(const char *fmt, ...) __attribute__((format(printf, 1, 2)));

/* The same for an err; returns the exit code. */
int output_failure(const struct gw_err *err);

/* A line on stderr or stdout, made safe for a terminal. */
void output_note(const char *fmt, ...) __attribute__((format(printf, 1, 2)));
void output_line(const char *fmt, ...) __attribute__((format(printf, 1, 2)));

/* {"schema":1,"NAME":VALUE} on stdout, readable on a terminal and compact elsewhere; takes value
 * over. */
void output_json(const char *name, json_t *value);
void output_json_object(
    json_t *object); /* the same, with the object's own members; takes it over */

#endif
