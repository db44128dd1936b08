/* gwps in parts. */
#ifndef CLI_PS_H
#define CLI_PS_H

#include "lib/err.h"

#include <jansson.h>
#include <stdbool.h>

struct table;

#define PS_DEFAULT_FIELDS "uJsetxjh"

/* The letter that is no field of `fields`, or 0. */
char ps_bad_field(const char *fields);

/* The members of a job that these fields show, for the operation `jobs`. */
json_t *ps_members(const char *fields);

/* A table of jobs, page by page: the elements of an array of jobs as gwd wrote them. */
struct table *ps_table_create(const char *fields, bool has_header);
int ps_table_put(struct table *t, const char *fields, const char *text, size_t len,
                 struct gw_err *err);
void ps_print_full(const json_t *jobs); /* -f: KEY=VALUE */
void ps_print_why(const json_t *job);   /* --why */
json_t *ps_why_json(const json_t *job);

#endif
