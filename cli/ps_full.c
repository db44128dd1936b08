/* gwps -f: GridWay's KEY=VALUE lines, a blank line between jobs. */
#include "cli/moment.h"
#include "cli/output.h"
#include "cli/owner.h"
#include "cli/ps.h"
#include "client/gw.h"
#include "lib/mem.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

/* Names as GridWay has them, members as docs/client-protocol.md has them. */
static const struct {
    const char *key, *member;
    char kind; /* s text, i integer, c clock, d duration, p credential, b bytes of bytes */
} rows[] = {
    {"JOB_ID", "id", 'i'},
    {"NAME", "name", 's'},
    {"USER", "user", 's'},
    {"UID", "uid", 'i'},
    {"ARRAY_ID", "array", 'i'},
    {"TASK_ID", "task", 'i'},
    {"HOST", "host", 's'},
    {"QUEUE", "queue", 's'},
    {"FIXED_PRIORITY", "priority", 'i'},
    {"TYPE", "type", 's'},
    {"NP", "np", 'i'},
    {"JOB_STATE", "state", 's'},
    {"EM_STATE", "em", 's'},
    {"VJOB_STATE", "vjob", 's'},
    {"ATTEMPT", "attempt", 'i'},
    {"START_TIME", "submitted", 'c'},
    {"EXIT_TIME", "ended", 'c'},
    {"EXEC_TIME", "exec_s", 'd'},
    {"XFR_TIME", "xfer_s", 'd'},
    {"EXIT_CODE", "exit_code", 'i'},
    {"JOB_HOME", "home", 's'},
    {"STDOUT", "stdout", 's'},
    {"STDERR", "stderr", 's'},
    {"TRANSFER", "transfer", 'b'},
    {"CREDENTIAL", "credential", 'p'},
};

static void print_row(const json_t *job, size_t i)
{
    char text[MOMENT_MAX];
    const char *member = rows[i].member;
    /* The task's number says something only in an array. */
    const char *needed = strcmp(member, "task") == 0 ? "array" : member;
    if (gw_is_null(job, needed))
        return;
    switch (rows[i].kind) {
    case 'i':
        output_line("%s=%" PRId64, rows[i].key, gw_int(job, member, 0));
        break;
    case 'c':
        output_line("%s=%s", rows[i].key, moment_clock(gw_number(job, member, 0), true, text));
        break;
    case 'd':
        output_line("%s=%s", rows[i].key, moment_span(gw_number(job, member, 0), text));
        break;
    case 'b': {
        const json_t *transfer = gw_object(job, member);
        output_line("%s=%" PRId64 "/%" PRId64, rows[i].key, gw_int(transfer, "done", 0),
                    gw_int(transfer, "total", 0));
        break;
    }
    case 'p': {
        const json_t *credential = gw_object(job, member);
        output_line("%s=%s", rows[i].key, gw_text(credential, "path", ""));
        if (!gw_is_null(credential, "identity"))
            output_line("IDENTITY=%s", gw_text(credential, "identity", ""));
        output_line("CREDENTIAL_LEFT=%s", owner_credential_left(credential, text));
        break;
    }
    default:
        output_line("%s=%s", rows[i].key, gw_text(job, member, ""));
        break;
    }
}

void ps_print_full(const json_t *jobs)
{
    size_t i;
    json_t *job;
    json_array_foreach(jobs, i, job)
    {
        for (size_t k = 0; k < GW_COUNT(rows); k++)
            print_row(job, k);
        putchar('\n');
    }
}
