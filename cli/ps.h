/* gwps in parts. */
#ifndef CLI_PS_H
#define CLI_PS_H

#include <jansson.h>
#include <stdbool.h>

#define PS_DEFAULT_FIELDS "uJsetxjh"

/* The letter that is no field of `fields`, or 0. */
char ps_bad_field(const char *fields);

void ps_print_table(const json_t *jobs, const char *fields, bool has_header);
void ps_print_full(const json_t *jobs); /* -f: KEY=VALUE */
void ps_print_why(const json_t *job);   /* --why */
json_t *ps_why_json(const json_t *job);

#endif
