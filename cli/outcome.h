/* What became of a job: in words, and as an exit code. */
#ifndef CLI_OUTCOME_H
#define CLI_OUTCOME_H

#include "lib/buf.h"

#include <jansson.h>
#include <stdbool.h>

bool outcome_is_good(const json_t *job); /* done, with exit code 0 */

/* The job's exit code; -1 when it has none. */
int outcome_exit_code(const json_t *job);

/* "done", "done, exit code 7", "killed", "failed: an input file ...": append. */
void outcome_words(const json_t *job, struct buf *out);

/* The exit code of a command that waited for jobs, so far `code`, after one more has ended. With
 * `is_jobs_own` the largest exit code of the jobs, where a job without one counts as EXIT_JOB; else
 * EXIT_JOB when any was not good. */
int outcome_fold(int code, const json_t *job, bool is_jobs_own);

#endif
