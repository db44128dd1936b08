#include "cli/outcome.h"
#include "cli/exit.h"
#include "client/gw.h"
#include "client/reason.h"

#include <string.h>

int outcome_exit_code(const json_t *job)
{
    int64_t code = gw_int(job, "exit_code", -1);
    return code >= 0 && code <= 255 ? (int)code : -1;
}

bool outcome_is_good(const json_t *job)
{
    return strcmp(gw_text(job, "phase", ""), "DONE") == 0 && outcome_exit_code(job) == 0;
}

void outcome_words(const json_t *job, struct buf *out)
{
    const json_t *reason = gw_object(job, "reason");
    const char *code = gw_text(reason, "code", "");
    int exit_code = outcome_exit_code(job);
    int64_t signal = gw_int(job, "signal", 0);
    if (strcmp(gw_text(job, "phase", ""), "DONE") == 0) {
        buf_puts(out, "done");
        if (signal > 0)
            buf_printf(out, ", ended by signal %d", (int)signal);
        else if (exit_code > 0)
            buf_printf(out, ", exit code %d", exit_code);
        return;
    }
    if (strcmp(code, "killed") == 0) {
        buf_puts(out, "killed");
        return;
    }
    buf_puts(out, "failed");
    if (*code) {
        buf_puts(out, ": ");
        reason_words(reason, out);
    }
}

int outcome_fold(int code, const json_t *job, bool is_jobs_own)
{
    int own = outcome_exit_code(job);
    bool is_done = strcmp(gw_text(job, "phase", ""), "DONE") == 0;
    int next = is_jobs_own && is_done && own >= 0 ? own : outcome_is_good(job) ? 0 : EXIT_JOB;
    return next > code ? next : code;
}
