/* gwsubmit in parts: what was asked for, and the template it is about. */
#ifndef CLI_SUBMIT_H
#define CLI_SUBMIT_H

#include "cli/options.h"
#include "lib/diag.h"

#include <jansson.h>

enum { TEMPLATE_MAX_BYTES = 4 << 20 };

struct submit_options {
    struct options common;
    const char *file; /* "-": standard input */
    char **command;   /* after "--", or NULL */
    size_t command_n;
    uint64_t tasks; /* 0: no array */
    int64_t start, increment;
    bool is_held, is_verbose, is_waiting, is_jobs_own, is_check, is_bare;
    int priority; /* -1: the template's */
    const char *key;
};

struct source {
    struct buf text;
    char *shown; /* its name in messages */
    char *name;  /* what the job is called when the template does not say */
};

/* Read the template, or make it of the command. 0, or the exit code after the error was said. */
int source_read(const struct submit_options *o, struct source *ret);
void source_clear(struct source *s);

/* gwsubmit --check: the exit code. Needs no daemon. */
int source_check(const struct source *s, bool is_json);

/* Print the diagnostics that gwd sent about the source. Returns how many are errors. */
size_t source_diagnose(const struct source *s, const json_t *list);

#endif
