/* Options that all commands have: --json, -h; and -n for those that print tables. */
#ifndef CLI_OPTIONS_H
#define CLI_OPTIONS_H

#include <argp.h>
#include <stdbool.h>
#include <stdint.h>

struct options {
    bool is_json;
    bool has_no_header;
};

/* As children of a command's argp; the child's input is a struct options, handed on by
 * options_give(). */
extern const struct argp options_argp;       /* --json, -h */
extern const struct argp options_table_argp; /* and -n */

/* Parse a command line; ends the program with EXIT_USAGE when it is wrong. */
void options_parse(const struct argp *argp, int argc, char **argv, void *input);

/* Values of options, strictly; ends the program with EXIT_USAGE and the option's name. */
uint64_t option_number(struct argp_state *state, const char *option, const char *text, uint64_t min,
                       uint64_t max);
int64_t option_integer(struct argp_state *state, const char *option, const char *text);

enum {
    KEY_JSON = 0x100,
    KEY_OWN = 0x110
}; /* long options without a letter: a command's own from KEY_OWN on */

#endif
