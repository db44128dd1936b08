/* The rules of the fake driver: which request gets which answers, when. The language is in
 * drivers/fake.c's head. */
#ifndef DRIVERS_SCRIPT_H
#define DRIVERS_SCRIPT_H

#include "lib/err.h"

#include <regex.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum script_what {
    SCRIPT_LINE,     /* text, and a newline */
    SCRIPT_PART,     /* text, no newline */
    SCRIPT_BYTES,    /* n bytes 'x', no newline */
    SCRIPT_RAW,      /* text with its escapes, no newline */
    SCRIPT_FLOOD,    /* the same for ever, as fast as it is read */
    SCRIPT_DEFAULT,  /* what would be answered without a rule */
    SCRIPT_EXIT,     /* n: the exit code */
    SCRIPT_HANG,     /* serve nothing any more */
    SCRIPT_COMPLAIN, /* text and a newline on standard error, for ever */
    SCRIPT_CLOSE,    /* say nothing any more */
};

struct script_action {
    enum script_what what;
    uint64_t after_ms; /* from the request */
    uint64_t n;
    char *text;
};

struct script_rule {
    char *verb;    /* or NULL: */
    regex_t regex; /* of the whole line */
    bool is_limited;
    uint64_t left; /* how often it still applies, when limited */
    struct script_action *actions;
    size_t n_actions; /* none: no answer */
};

struct script {
    struct script_rule *rules;
    size_t n;
};

/* Parse the text of script `file`; at the first mistake -GW_EINVAL with "file:line: ...". */
int script_parse(const char *text, size_t len, const char *file, struct script *ret,
                 struct gw_err *err);
void script_clear(struct script *s);

/* The first rule that applies to a request line; counts it. NULL: none. */
struct script_rule *script_match(struct script *s, const char *line);

#endif
