/* gwsubmit in parts: what was asked for, and the template it is about. */
#ifndef CLI_SUBMIT_H
#define CLI_SUBMIT_H

#include "cli/options.h"
#include "client/gw.h"
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

/* Read the template, or make it of the command. 0, or the exit code after the error was said. Of
 * standard input only the first one: *ret_rest is what came after it and its separator, or NULL
 * when there was none. */
struct stream;
int source_read(const struct submit_options *o, struct source *ret, struct stream **ret_rest);
void source_clear(struct source *s);

/* gwsubmit --check: the exit code. Needs no daemon. */
int source_check(const struct source *s, bool is_json);

/* Print the diagnostics that gwd sent about the source. Returns how many are errors. */
size_t source_diagnose(const struct source *s, const json_t *list);

/* Templates one after another on standard input, parted by lines "---". */
struct stream *stream_open(void);
void stream_close(struct stream *s); /* NULL is fine */

/* The next one, the caller's: 1; 0 at the end; or the negative exit code after the error was said.
 * Blank ones are passed over. */
int stream_next(struct stream *s, struct source *ret);
bool stream_is_ready(const struct stream *s); /* it would not wait */
bool stream_has_more(const struct stream *s); /* a separator came after the last one */

/* The submission that the options make of a source; `credential` and `home` are borrowed. */
struct gw_submission submission_of(const struct submit_options *o, const struct source *src,
                                   const char *home, const char *credential);
void submission_say(const struct submit_options *o, const struct gw_submitted *s, uint64_t number);

/* What gwd refused; returns the exit code. `number`: of many, from 1; 0: it is the only one. */
int submission_refused(struct gw *gw, const struct submit_options *o, const struct source *src,
                       const struct gw_err *err, uint64_t number);

/* Wait for the end of jobs; the exit code. */
int submission_await(struct gw *gw, const struct submit_options *o, const uint64_t *ids, size_t n,
                     uint64_t array, int64_t from);

/* Many: `first`, then those of the stream. The exit code. */
int submit_many(struct gw *gw, const struct submit_options *o, struct source *first,
                struct stream *rest, const char *home);
int check_many(const struct submit_options *o, struct source *first, struct stream *rest);

#endif
